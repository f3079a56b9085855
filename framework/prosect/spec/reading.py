"""YAML text -> data with places. Safe: only text, numbers, true/false, null, lists and mappings (YAML 1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from prosect.errors import Problem
from prosect.spec.places import Data, Document, KeyPath, Place, Span, problem, shown

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 100_000

_CORE: Final = "tag:yaml.org,2002:"
_NUMBERS: Final = frozenset({_CORE + "int", _CORE + "float"})
_CONSTRUCTED: Final = _NUMBERS | {_CORE + "bool", _CORE + "null"}
# Only YAML 1.1 knows these; a plain 2024-01-01 or = is text in YAML 1.2.
_TEXT: Final = frozenset({_CORE + "str", _CORE + "timestamp", _CORE + "value"})
_UNCLOSED: Final = "found unexpected end of stream"
_PLAIN_WORDS: Final = {
    "found character '\\t' that cannot start any token": "a tab cannot indent YAML: use spaces",
    "but found another document": "a spec is one document: '---' starts a second one",
    "mapping values are not allowed here": "a ':' cannot stand here: put the text in quotes, or mend the indent",
    _UNCLOSED: "the quote that opens here is never closed",
}


class _TooLargeError(Exception):
    """Aliases blow the document up beyond what any spec needs."""


def read_yaml(text: str, file: str) -> tuple[Document | None, tuple[Problem, ...]]:
    """Parse one document whose root is a mapping.

    Parameters
    ----------
    text
        The YAML source.
    file
        Name of the source in messages.

    Returns
    -------
    tuple
        The document, or None where nothing of it can be used; and everything that is wrong with it.
    """
    walker = _Walker(file)
    value = walker.read(text)
    if walker.problems and value is None:
        return None, tuple(walker.problems)
    if not isinstance(value, dict):
        message = "the spec is empty" if value is None else "a spec is a mapping of keys such as 'models' to values"
        return None, (*walker.problems, problem(Place(file, 1, 1), (), message, code="wrong-type"))
    return Document(value, walker.spans), tuple(walker.problems)


def read_value(text: str) -> Data:
    """Parse a single YAML value, as it is given on the command line; ValueError says what is wrong."""
    walker = _Walker("")
    value = walker.read(text)
    if walker.problems:
        raise ValueError(walker.problems[0].message)
    return value


class _Walker:
    """Composes nodes and turns them into plain data, noting every place and problem."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.spans: dict[KeyPath, Span] = {}
        self.problems: list[Problem] = []
        self._open: list[Node] = []
        self._yaml = YAML(typ="safe", pure=True)
        self._yaml.max_depth = MAX_DEPTH
        self._yaml.composer.warn_double_anchors = False  # YAML allows an anchor to be set again

    def read(self, text: str) -> Data:
        """Return the document's value; None where it is empty or cannot be parsed."""
        try:
            root = self._yaml.compose(text)
            if self._yaml.resolver.processing_version != (1, 2):
                self._note(Place(self.file, 1, 1), (), "the file asks for another YAML version; specs are YAML 1.2")
                return None
            return None if root is None else self._value(root, ())
        except MarkedYAMLError as error:
            unclosed = error.problem == _UNCLOSED and error.context_mark is not None
            mark = error.context_mark if unclosed else error.problem_mark
            self._note(self._place(mark), (), _syntax(error))
        except ReaderError as error:
            self._note(_place_of(self.file, text, error.position), (), "a control character cannot stand in YAML")
        except YAMLError as error:
            self._note(Place(self.file, 1, 1), (), f"not valid YAML: {error}")
        except _TooLargeError:
            self._note(Place(self.file, 1, 1), (), f"aliases expand to more than {MAX_VALUES} values")
        return None

    def _value(self, node: Node, path: KeyPath, key: Place | None = None) -> Data:
        # An empty value stands nowhere: the next token's place would mislead.
        empty = node.start_mark.index == node.end_mark.index
        place = key if key and empty else self._place(node.start_mark)
        self.spans[path] = Span(key or place, place)
        if len(self.spans) > MAX_VALUES:
            raise _TooLargeError
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if any(node is parent for parent in self._open):
            self._note(self.spans[path].key, path, "the value contains itself through an alias")
            return None
        self._open.append(node)
        value = self._collection(node, path)
        self._open.pop()
        return value

    def _collection(self, node: Node, path: KeyPath) -> Data:
        if isinstance(node, MappingNode) and node.tag == _CORE + "map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == _CORE + "seq":
            return self._sequence(node, path)
        self._unknown_tag(node, path)
        return None

    def _sequence(self, node: SequenceNode, path: KeyPath) -> list[Data]:
        return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Data]:
        data: dict[str, Data] = {}
        for name, place, value in self._keys(node, path):
            if name in data:
                first = self.spans[(*path, name)].key
                message = f"the key stands here again; it was first given at line {first.line}"
                self._note(place, (*path, name), message, code="duplicate-key")
                continue
            data[name] = self._value(value, (*path, name), place)
        return data

    def _keys(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Place, Node]]:
        for key, value in node.value:
            place = self._place(key.start_mark)
            if key.tag == _CORE + "merge":
                self._note(place, (*path, "<<"), "merge keys belong to YAML 1.1: repeat the keys, or use 'include'")
            elif isinstance(key, ScalarNode) and key.tag in _TEXT:
                yield self._text(key, path), place, value
            else:
                what = key.value if isinstance(key, ScalarNode) else "a list or mapping"
                self._note(place, path, f"keys are text, not {what}: put it in quotes", code="wrong-type")

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Data:
        if node.tag in _TEXT or (node.tag in _NUMBERS and "_" in node.value):  # 1_000 is text in YAML 1.2
            return self._text(node, path)
        if node.tag not in _CONSTRUCTED:
            self._unknown_tag(node, path)
            return None
        try:
            value: Data = self._yaml.constructor.construct_object(node)
        except (ValueError, KeyError):
            reason = (
                "is too large a number" if node.tag in _NUMBERS and node.value.isdigit() else "does not fit its tag"
            )
            self._note(self._place(node.start_mark), path, f"{shown(node.value)} {reason}")
            return None
        return value

    def _text(self, node: ScalarNode, path: KeyPath) -> str:
        """Join the halves of a character that JSON writes as two escapes (a surrogate pair)."""
        if "\0" in node.value:
            self._note(self._place(node.start_mark), path, "text cannot hold the character U+0000")
            return ""
        try:
            return str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._note(self._place(node.start_mark), path, "an escape stands for half of a character")
            return ""

    def _unknown_tag(self, node: Node, path: KeyPath) -> None:
        tag = str(node.tag).replace(_CORE, "!!")
        message = f"the tag {tag} is not allowed: a spec is plain data"
        self._note(self._place(node.start_mark), path, message, code="tag")

    def _place(self, mark: StreamMark) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _note(self, place: Place, path: KeyPath, message: str, *, code: str = "syntax") -> None:
        self.problems.append(problem(place, path, message, code=code))


def _syntax(error: MarkedYAMLError) -> str:
    if isinstance(error, MaxDepthExceededError):
        return f"lists and mappings are nested more than {MAX_DEPTH} deep"
    words = _PLAIN_WORDS.get(error.problem, f"not valid YAML: {error.problem}")
    if str(error.problem).startswith("expected <block end>"):
        words = "this stands under no entry above it: mend the indent, or close what is open"
    if "flow" in str(error.context) and error.context_mark.line != error.problem_mark.line:
        words = f"{words}; the bracket that is open here stands at line {error.context_mark.line + 1}"
    return words


def _place_of(file: str, text: str, position: int) -> Place:
    before = text[:position]
    return Place(file, before.count("\n") + 1, position - before.rfind("\n"))

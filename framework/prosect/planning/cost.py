"""What a step reads and writes: tokens, and bytes of all its variables before compression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from math import ceil, prod
from pathlib import Path
from typing import Final

from prosect.errors import ProsectError
from prosect.planning.corpora import files_by_option
from prosect.planning.layers import layers_by_stream
from prosect.planning.model import Bound, Cost, PlannedCorpus, PlannedModel, Step
from prosect.planning.shapes import Shape, shapes
from prosect.plugins.declarations import DecompositionDeclaration
from prosect.plugins.loading import Failure, guarded
from prosect.plugins.registry import implementation
from prosect.vocab import dims
from prosect.vocab.architecture import Stream
from prosect.vocab.rules import Rules, components

#: Counts the tokens of each stream: (model, corpus) -> stream -> tokens.
TokenCounter = Callable[[PlannedModel, PlannedCorpus], Mapping[str, int]]

BYTES_PER_TOKEN: Final = 4
#: A token id in JSON takes about five digits, a comma and a blank.
BYTES_PER_ID: Final = 6


def step_cost(step: Step, labels: Mapping[str, int] | None, counter: TokenCounter | None = None) -> Cost:
    """Estimate the cost of a step, or count it where a counter is given; ``labels`` as of `component_counts`."""
    streams = [shape.name for shape in shapes(step.model) or (Shape(name="main", layers=0),)]
    counted = counter(step.model, step.corpus) if counter else _estimated(step.corpus, streams)
    tokens = {name: counted.get(name) for name in streams}
    size = None if labels is None else _bytes(step, labels, tokens)
    return Cost(tokens=_sum(tokens.values()), bytes=size, exact=counter is not None)


def component_counts(step: Step) -> Mapping[str, int] | None:
    """Count the components of each stream; None where the model's description is not known yet.

    Raises
    ------
    ProsectError
        The decomposition refuses the model, or its rules are broken.
    """
    if not step.decomposition.declaration.described:
        return {shape.name: 1 for shape in shapes(step.model) or ()}
    if step.model.architecture is None:
        return None
    return {stream.name: _labels(step.decomposition, stream) for stream in step.model.architecture.streams}


def _labels(decomposition: Bound[DecompositionDeclaration], stream: Stream) -> int:
    result = guarded(lambda: _rules(decomposition, stream))
    if not isinstance(result, Failure):
        return len(components(stream, result.value))
    if isinstance(result.error, ProsectError):
        raise result.error
    raise ProsectError(f"the rules of {decomposition.name!r} fail: {result}") from result.error


def _rules(decomposition: Bound[DecompositionDeclaration], stream: Stream) -> Rules:
    rules: Rules = implementation(decomposition.declaration)(decomposition.options, stream)
    return rules


def _bytes(step: Step, labels: Mapping[str, int], tokens: Mapping[str, int | None]) -> int | None:
    by_stream = layers_by_stream(step.model, step.layer_selection, step.decomposition.declaration)
    if by_stream is None:
        return None
    return _sum(
        _stream_bytes(step, {dims.LAYER: len(by_stream[shape.name]), **_lengths(shape, labels, tokens)})
        for shape in shapes(step.model) or ()
    )


def _lengths(shape: Shape, labels: Mapping[str, int], tokens: Mapping[str, int | None]) -> dict[str, int | None]:
    return {
        dims.COMPONENT: labels[shape.name],
        dims.OTHER_COMPONENT: labels[shape.name],
        dims.TOKEN: tokens[shape.name],
        dims.HEAD: shape.heads,
        dims.HIDDEN: shape.hidden,
    }


def _stream_bytes(step: Step, lengths: Mapping[str, int | None]) -> int | None:
    sizes = []
    for names, itemsize in _variables(step):
        found = [lengths.get(name) for name in (dims.LAYER, *names)]
        known = [length for length in found if length is not None]
        sizes.append(prod(known) * itemsize if len(known) == len(found) else None)
    return _sum(sizes)


def _sum(numbers: Iterable[int | None]) -> int | None:
    """Sum numbers; None where one of them is not known."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if len(known) == len(found) else None


def _variables(step: Step) -> Iterator[tuple[tuple[str, ...], int]]:
    # Half-precision models are replayed in float32.
    computed = 8 if step.model.spec.dtype == "float64" else 4
    for metric in step.metrics:
        yield from ((variable.dims, computed) for variable in metric.declaration.produces)
    if step.keep_terms is not None:
        yield (dims.COMPONENT, dims.TOKEN, dims.HIDDEN), 2 if step.keep_terms == "float16" else computed


def _estimated(corpus: PlannedCorpus, streams: list[str]) -> Mapping[str, int | None]:
    """Estimate tokens from the sizes of files: of several path options the second is the decoder's side."""
    declaration = corpus.reader.declaration
    files = list(files_by_option(corpus.reader).values())
    sides = files if declaration.targets and len(files) > 1 else files * len(streams)
    per_token = BYTES_PER_TOKEN if declaration.tokenizer else BYTES_PER_ID
    sizes = (sum(_size(file, corpus.common.limit) for file in side) for side in sides)
    return {stream: ceil(size / per_token) for stream, size in zip(streams, sizes, strict=False)}


def _size(file: Path, limit: int | None) -> int:
    if limit is None:
        return file.stat().st_size
    with file.open("rb") as lines:
        return sum(len(line) for line in islice(lines, limit))

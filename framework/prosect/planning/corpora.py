"""The corpora of a spec: their kind found, its options validated, paths made absolute, files found."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from prosect.planning.bench import Bench
from prosect.planning.files import absolute, check_files, named_files
from prosect.planning.model import Bound, PlannedCorpus
from prosect.plugins.declarations import CorpusDeclaration
from prosect.spec.models import CommonCorpusOptions, CorpusSpec
from prosect.spec.places import KeyPath
from prosect.vocab import dims

_SHARED: Final = ("kind", *CommonCorpusOptions.model_fields)

# Of these only `segment` may be missing, which the sentences alone can tell.
_ALWAYS: Final = (dims.SPECIAL, dims.WORD, dims.TEXT, dims.TOKEN_ID, dims.POSITION, dims.SENTENCE, dims.SEGMENT)


def plan_corpora(bench: Bench) -> dict[str, PlannedCorpus]:
    """Plan every corpus that is right; problems go to the bench."""
    planned = {name: _planned(bench, name, spec) for name, spec in bench.draft.corpora.items()}
    return {name: corpus for name, corpus in planned.items() if corpus is not None}


def _planned(bench: Bench, name: str, spec: CorpusSpec) -> PlannedCorpus | None:
    path: KeyPath = ("corpora", name)
    folder = bench.draft.folder_of("corpora", name)
    declaration = bench.declaration(lambda kind: bench.registry.find("corpora", kind), spec.kind, (*path, "kind"))
    if declaration is None:
        return None
    own = absolute(spec.own, declaration.paths, folder)
    check_files(bench, path, own, declaration.paths)
    options = bench.options(declaration.options, own, path, valid=_SHARED)
    if options is None:
        return None
    reader = Bound(declaration, options)
    common = CommonCorpusOptions(**{field: getattr(spec, field) for field in CommonCorpusOptions.model_fields})
    files = tuple(file for found in files_by_option(reader).values() for file in found)
    return PlannedCorpus(name=name, common=common, reader=reader, folder=folder, files=files)


def files_by_option(reader: Bound[CorpusDeclaration]) -> dict[str, tuple[Path, ...]]:
    """Files that a corpus reads: option -> its files in order."""
    values = {option: getattr(reader.options, option, None) for option in reader.declaration.paths}
    return {option: tuple(Path(item) for item in named_files(value)) for option, value in values.items()}


def token_names(corpus: PlannedCorpus) -> tuple[str, ...] | None:
    """Names of what stands on the token axis of a corpus; None where its kind does not say before it is read.

    A kind says it with a property ``annotation_names`` of its options.
    """
    own = getattr(corpus.reader.options, "annotation_names", None)
    if own is None:
        return None
    masked = () if corpus.common.mask is None else (dims.MASKED,)
    return (*own, *_ALWAYS, *masked)

"""What a step reads and writes: tokens, and bytes of all its variables before compression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil, prod
from pathlib import Path
from typing import Final

from prosect.planning.accumulated import accumulators, sizes_of, state_bytes, variables
from prosect.planning.axes import Axes
from prosect.planning.corpora import files_by_option
from prosect.planning.layers import layers_by_stream
from prosect.planning.model import Bound, Cost, PlannedCorpus, PlannedModel, Step
from prosect.planning.shapes import Shape, shapes
from prosect.plugins.declarations import MetricDeclaration, Sizes, node_dims
from prosect.vocab import dims
from prosect.vocab.architecture import fed_stream

#: Counts the tokens of each stream: (model, corpus) -> stream -> tokens; None where the model is not at hand.
TokenCounter = Callable[[PlannedModel, PlannedCorpus], Mapping[str, int] | None]

BYTES_PER_TOKEN: Final = 4
#: A token id in JSON takes about five digits, a comma and a blank.
BYTES_PER_ID: Final = 6


@dataclass(frozen=True)
class _Array:
    dims: tuple[str, ...]
    itemsize: int
    own: Mapping[str, int] = field(default_factory=dict)

    def bytes(self, lengths: Mapping[str, int | None]) -> int | None:
        """Bytes before compression; None where a dimension's length is not known."""
        found = [lengths.get(dim) for dim in self.dims]
        known = [length for length in found if length is not None]
        return prod(known) * self.itemsize if len(known) == len(found) else None


def step_cost(step: Step, axes: Mapping[str, Axes] | None, counter: TokenCounter | None = None) -> Cost:
    """Estimate the cost of a step, or count its tokens where a counter is given; ``axes`` as of `axes_by_stream`."""
    streams = [shape.name for shape in shapes(step.model) or (Shape(name="main", layers=0),)]
    counted = counter(step.model, step.corpus) if counter else None
    found = _estimated(step.corpus, streams) if counted is None else counted
    tokens = {name: found.get(name) for name in streams}
    size = None if axes is None else _bytes(step, axes, tokens)
    state = _state(step, axes, tokens) if accumulators(step) else 0
    return Cost(tokens=_sum(tokens.values()), bytes=size, exact=counted is not None, state=state)


def _bytes(step: Step, axes: Mapping[str, Axes], tokens: Mapping[str, int | None]) -> int | None:
    by_stream = layers_by_stream(step.model, step.layer_selection, step.decomposition.declaration)
    if by_stream is None:
        return None
    found = {shape.name: shape for shape in shapes(step.model) or ()}
    arrays = [
        (name, array)
        for name in axes
        for array in _arrays(step, axes[name], sizes_of(found[fed_stream(name)], axes[name], tokens[fed_stream(name)]))
    ]
    longest = _longest(step.corpus) if any(dims.SOURCE in array.dims for _, array in arrays) else None
    sizes = []
    for name, array in arrays:
        fed = fed_stream(name)
        lengths = _lengths(found[fed], axes[name], tokens[fed])
        lengths |= {dims.LAYER: len(by_stream[fed]), dims.SOURCE: longest, dims.SOURCE_TOKEN: tokens.get("encoder")}
        lengths |= array.own
        sizes.append(array.bytes(lengths))
    return _sum(sizes)


def _lengths(shape: Shape, axes: Axes, tokens: int | None) -> dict[str, int | None]:
    return {
        dims.COMPONENT: axes.components,
        dims.OTHER_COMPONENT: axes.components,
        dims.SCOPE: axes.scopes,
        dims.TOKEN: tokens,
        dims.HEAD: shape.heads,
        dims.HIDDEN: shape.hidden,
    }


def _state(step: Step, axes: Mapping[str, Axes] | None, tokens: Mapping[str, int | None]) -> int | None:
    """Bytes of what accumulators gather at all layers and scopes of all streams."""
    by_stream = layers_by_stream(step.model, step.layer_selection, step.decomposition.declaration)
    if axes is None or by_stream is None:
        return None
    found = {shape.name: shape for shape in shapes(step.model) or ()}
    sizes: list[int | None] = []
    for name, own in axes.items():
        fed = fed_stream(name)
        sizes += state_bytes(step, sizes_of(found[fed], own, tokens[fed]), len(by_stream[fed]) * own.scopes)
    return _sum(sizes)


def _arrays(step: Step, axes: Axes, sizes: Sizes) -> Iterator[_Array]:
    """Every array that a step writes for a stream."""
    # Half-precision models are replayed in float32.
    computed = 8 if step.model.spec.dtype == "float64" else 4
    outer = (dims.LAYER, dims.SCOPE) if axes.scopes > 1 else (dims.LAYER,)
    for metric in accumulators(step):
        for dims_, itemsize, own in variables(metric, sizes):
            yield _Array((*outer, *dims_), itemsize, own)
    for metric in step.metrics:
        if metric.declaration.form == "accumulator":
            continue
        own = _own_lengths(metric, axes)
        for variable in metric.declaration.variables(metric.options):
            split = (dims.SOURCE,) if axes.per_source and dims.COMPONENT in variable.dims else ()
            yield _Array((*outer, *node_dims(variable, crossing=axes.crossing), *split), computed, own)
            if axes.by_token and dims.COMPONENT in variable.dims:
                # The tokens have an axis of their own beside the other labels.
                pairs = (dims.SOURCE if dim == dims.COMPONENT else dim for dim in variable.dims)
                yield _Array((*outer, *pairs), computed)
    if step.keep_terms is not None:
        itemsize = 2 if step.keep_terms == "float16" else computed
        yield _Array((dims.LAYER, dims.COMPONENT, dims.TOKEN, dims.HIDDEN), itemsize)


def _own_lengths(metric: Bound[MetricDeclaration], axes: Axes) -> dict[str, int]:
    """Lengths of the dimensions of a token metric's own, where the labels are known."""
    if axes.labels is None:
        return {}
    return {dim: len(labels) for dim, labels in metric.declaration.own_axes(metric.options, axes.labels).items()}


def _sum(numbers: Iterable[int | None]) -> int | None:
    """Sum numbers; None where one of them is not known."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if len(known) == len(found) else None


def _estimated(corpus: PlannedCorpus, streams: list[str]) -> Mapping[str, int | None]:
    """Estimate tokens from the sizes of files: of several path options the second is the decoder's side."""
    sentences = _sentences(corpus)
    if sentences is not None:
        return {stream: sum(side) for stream, side in zip(streams, sentences, strict=False)}
    declaration = corpus.reader.declaration
    files = list(files_by_option(corpus.reader).values())
    sides = files if declaration.targets and len(files) > 1 else files * len(streams)
    per_token = BYTES_PER_TOKEN if declaration.tokenizer else BYTES_PER_ID
    sizes = (sum(_size(file, corpus.common.limit) for file in side) for side in sides)
    return {stream: ceil(size / per_token) for stream, size in zip(streams, sizes, strict=False)}


def _sentences(corpus: PlannedCorpus) -> list[Sequence[int]] | None:
    """Return the tokens of the sentences of each side, where the kind says them before it is read."""
    sides: Iterable[Sequence[int]] | None = getattr(corpus.reader.options, "sentence_tokens", None)
    return None if sides is None else [side[: corpus.common.limit] for side in sides]


def _longest(corpus: PlannedCorpus) -> int | None:
    """Estimate the tokens of the longest sentence from the longest line; None for a corpus without files."""
    sentences = _sentences(corpus)
    if sentences is not None:
        return max(length for side in sentences for length in side)
    per_token = BYTES_PER_TOKEN if corpus.reader.declaration.tokenizer else BYTES_PER_ID
    sides = files_by_option(corpus.reader).values()
    lengths = (len(line) for files in sides for file in files for line in _lines(file, corpus.common.limit))
    longest = max(lengths, default=None)
    return None if longest is None else ceil(longest / per_token)


def _size(file: Path, limit: int | None) -> int:
    if limit is None:
        return file.stat().st_size
    return sum(map(len, _lines(file, limit)))


def _lines(file: Path, limit: int | None) -> Iterator[bytes]:
    with file.open("rb") as lines:
        yield from islice(lines, limit)

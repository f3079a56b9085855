"""A planned step, ready to be computed: its work on every stream, the layout of its nodes, its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from prosect.errors import UsageError
from prosect.measures.accumulator import Setting
from prosect.measures.gathering import Accumulation
from prosect.measures.token import load_measures
from prosect.model.batching import batches, paired_batches
from prosect.model.gains import scope_gains
from prosect.model.head import Head
from prosect.model.limits import limits_of
from prosect.model.load import LoadedModel
from prosect.model.tokens import Texts, Tokenised, TokenStream, Unit
from prosect.model.units import unit_length, units
from prosect.planning.axes import described_streams
from prosect.planning.digest import digest
from prosect.planning.known import SENTENCES
from prosect.planning.model import Step
from prosect.planning.records import StepRecord
from prosect.planning.states import installed_versions
from prosect.results.build import Extent, metric_arrays, node_layout, terms_array
from prosect.results.layout import Coordinate, NodeLayout
from prosect.results.sentences import sentences_node
from prosect.running.budget import Budget, batch_tokens, refuse_too_large
from prosect.running.compute import Pair
from prosect.running.work import StreamWork, numpy_name, stream_work
from prosect.spec.layers import expand_layers
from prosect.spec.models import ComputeSpec
from prosect.store.arrays import source_token_arrays
from prosect.store.journal import node_path
from prosect.terms.closure import tolerance
from prosect.terms.rebuild import working_dtype
from prosect.vocab.architecture import CROSS, Architecture, Stream, fed_stream
from prosect.vocab.dims import HEAD, SOURCE


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A loaded model with its streams.

    Attributes
    ----------
    model
        The loaded model.
    architecture
        Its description; None where no analysis needs one.
    streams
        Its streams; bare ones (depth and width only) where it is not described.
    head
        Its own head, where a measure requires it.
    alone
        Padding beside a sentence would change its hidden states, so every sentence is fed by itself.
    """

    model: LoadedModel
    architecture: Architecture | None
    streams: tuple[Stream, ...] = field(default=())
    head: Head | None = None
    alone: bool = False

    def stream(self, name: str) -> Stream:
        """Return the stream of that name; for ``cross`` the decoder."""
        return next(stream for stream in self.streams if stream.name == fed_stream(name))


@dataclass(frozen=True, kw_only=True)
class ReadyStep:
    """A step ready to be computed.

    Attributes
    ----------
    step
        As planned.
    works, layouts
        Stream (or ``cross``) -> what is computed, and the node it goes to.
    unit_tokens
        The same -> length of a unit.
    record
        What the store will remember, or remembers.
    limit
        Tolerance of closure.
    losses
        What of the corpus was cut or dropped.
    texts
        Texts of the sentences, of an encoder-decoder.
    """

    step: Step
    works: Mapping[str, StreamWork]
    layouts: Mapping[str, NodeLayout]
    unit_tokens: Mapping[str, int]
    record: StepRecord
    limit: float
    losses: Mapping[str, int]
    texts: Texts | None = None

    def whole(self) -> list[tuple[NodeLayout, Mapping[str, npt.NDArray[Any]]]]:
        """Nodes that are written at once: the texts of sentences."""
        if self.texts is None:
            return []
        attrs = {name: next(iter(self.layouts.values())).attrs[name] for name in ("model", "corpus", "matrix")}
        return [sentences_node(f"{self.step.node}/{SENTENCES}", self.texts, attrs)]

    def with_budget(self, batch_tokens: int) -> ReadyStep:
        """Return the step with another size of batches."""
        return replace(self, record=replace(self.record, batch_tokens=batch_tokens))


@dataclass(frozen=True)
class StoredStep:
    """What a store remembers of a step that is continued: its record and the unit length of each stream."""

    record: StepRecord
    unit_tokens: Mapping[str, int]


def fed_streams(tokens: Tokenised, scene: Scene) -> dict[str, TokenStream]:
    """Stream of the model -> the tokens it is fed with."""
    if not scene.model.is_encoder_decoder:
        return {"main": tokens.source}
    if tokens.target is None:
        return {"encoder": tokens.source}
    return {"encoder": tokens.source, "decoder": tokens.target}


def ready(step: Step, scene: Scene, tokens: Tokenised, compute: ComputeSpec, stored: StoredStep | None) -> ReadyStep:
    """Prepare a step; one that the store already has keeps the units and the batch budget it began with."""
    fed = fed_streams(tokens, scene)
    works = _works(step, scene, fed)
    lengths = {name: unit_length(fed[fed_stream(name)], compute.unit_tokens) for name in works}
    if stored is not None:
        lengths = dict(stored.unit_tokens)
    dtype = working_dtype(scene.model.dtype)
    hidden = max(scene.stream(name).hidden for name in fed)
    wanted = 1 if scene.alone else compute.batch_tokens
    budget = batch_tokens(wanted, list(works.values()), hidden, scene.model.device, dtype)
    for work in works.values():
        refuse_too_large(step.node, work, Budget.of(scene.model.device), dtype.itemsize)
    limit = tolerance(numpy_name(scene.model.dtype), scene.architecture)
    layouts = {name: _layout(step, scene, works[name], fed, lengths) for name in works}
    if CROSS in works and "encoder" in works and source_token_arrays(layouts[CROSS]):
        works["encoder"] = replace(works["encoder"], gives=works[CROSS].of_source())
    record = StepRecord(
        node=step.node,
        digest=digest(step.config),
        config=step.config,
        state="allocated",
        units={name: len(units(fed[fed_stream(name)], lengths[name])) for name in works},
        batch_tokens=budget,
        versions=installed_versions(),
    )
    return ReadyStep(
        step=step,
        works=works,
        layouts=layouts,
        unit_tokens=lengths,
        record=record if stored is None else stored.record,
        limit=limit,
        losses=tokens.losses,
        texts=tokens.texts,
    )


def _works(step: Step, scene: Scene, fed: Mapping[str, TokenStream]) -> dict[str, StreamWork]:
    """Resolve a step on every stream that it has something to compute on, ``cross`` among them."""
    declaration = step.decomposition.declaration
    described = scene.streams
    if scene.architecture is not None:
        described = described_streams(declaration, scene.architecture)
    works: dict[str, StreamWork] = {}
    for stream in described:
        name = fed_stream(stream.name)
        headed = scene.head is not None and scene.head.stream == name
        metrics = tuple(metric for metric in step.metrics if headed or "head" not in metric.declaration.requires)
        if name not in fed or (len(metrics) < len(step.metrics) and not metrics and step.keep_terms is None):
            continue
        measures = load_measures(metrics)
        layers = expand_layers(step.layer_selection, stream.layers, declaration.first_layer)
        work = stream_work(step.decomposition, measures, stream, layers=layers, keep_terms=step.keep_terms)
        if work is not None:
            own = None if work.stream is None else scene.stream(stream.name)
            longest = int(fed[name].lengths.max())
            placed = replace(work, stream=own, head=scene.head if headed else None, longest=longest)
            if work.rules is not None and work.rules.encoder is not None:
                placed = replace(placed, encoder=scene.stream("encoder"))
            placed = placed.on(fed["encoder"] if work.crossing else fed[name])
            if placed.scopes and own is not None:
                gains = scope_gains(scene.model.base, own, working_dtype(scene.model.dtype))
                placed = replace(placed, gains=gains)
            accumulation = Accumulation.load(metrics, _setting(placed, scene, fed))
            works[stream.name] = replace(placed, accumulation=accumulation)
    return works


def _setting(work: StreamWork, scene: Scene, fed: Mapping[str, TokenStream]) -> Setting:
    """Tell accumulators where they stand."""
    return Setting(
        components=() if work.pairwise else work.labels,
        hidden=scene.stream(work.name).hidden,
        layers=work.layers,
        scopes=work.scopes,
        stream=fed[fed_stream(work.name)],
        source_stream=fed["encoder"] if work.crossing else None,
        device=scene.model.device,
        dtype=working_dtype(scene.model.dtype),
        model=scene.model,
    )


def _axes(work: StreamWork) -> dict[str, Coordinate]:
    """Coordinates of the dimensions that only some metrics have.

    Raises
    ------
    UsageError
        Two metrics mean different things by one name.
    """
    axes = {} if work.accumulation is None else work.accumulation.axes()
    for measure in work.measures:
        for dim, axis in measure.axes(work.labels).items():
            if not np.array_equal(axes.setdefault(dim, axis).values, axis.values):
                raise UsageError(
                    f"the metrics of one analysis mean different things by the dimension {dim!r} "
                    f"({measure.bound.name!r} is one of them); put them into two analyses"
                )
    return {
        dim: Coordinate(name=dim, dims=(dim,), values=axis.values, attrs={"long_name": axis.long_name})
        for dim, axis in axes.items()
    }


def pairs(fed: Mapping[str, TokenStream], name: str, unit: Unit, *, budget: int, pad_id: int) -> Sequence[Pair]:
    """Batches of a unit: of the stream itself, or of source and target for a decoder."""
    if name == "decoder":
        return list(paired_batches(fed["encoder"], fed["decoder"], unit, budget=budget, pad_id=pad_id))
    return [(batch, None) for batch in batches(fed[name], unit, budget=budget, pad_id=pad_id)]


def pad_id(model: LoadedModel) -> int:
    """Id that fills padding."""
    return limits_of(model.config, model.tokenizer).pad_id


def _layout(
    step: Step, scene: Scene, work: StreamWork, fed: Mapping[str, TokenStream], lengths: Mapping[str, int]
) -> NodeLayout:
    computed = numpy_name(working_dtype(scene.model.dtype))
    rest = work.rest if work.sources else None
    metrics = [measure.bound for measure in work.measures]
    metrics += [] if work.accumulation is None else work.accumulation.metrics
    arrays = [
        array
        for metric in metrics
        for array in metric_arrays(
            metric, computed, rest=rest, scoped=work.scoped, crossing=work.crossing, split=work.split
        )
    ]
    if work.keep_terms is not None and work.pairwise:
        raise UsageError(
            f"{step.node}: vectors per pair of tokens are not stored; leave 'keep' out, or group the tokens"
        )
    if work.keep_terms is not None:
        arrays.append(
            terms_array(step.decomposition.declaration, "float16" if work.keep_terms == "float16" else computed)
        )
    extent = Extent(
        layers=work.layers,
        components=work.labels,
        stream=fed[fed_stream(work.name)],
        hidden=scene.stream(work.name).hidden,
        unit_tokens=lengths[work.name],
        others={HEAD: _heads(scene.stream(work.name)), SOURCE: work.width},
        scopes=work.scopes,
        source_stream=fed["encoder"] if work.name == CROSS else None,
        unit_source_tokens=lengths.get("encoder") if work.name == CROSS else None,
        axes=_axes(work),
    )
    return node_layout(node_path(step.node, work.name), extent, arrays, _attrs(step, scene))


def _heads(stream: Stream) -> int:
    return max((attention.heads for block in stream.blocks for attention in block.attentions), default=0)


def _attrs(step: Step, scene: Scene) -> dict[str, Any]:
    declared = step.decomposition.declaration
    notes = [*scene.model.notes, *(scene.architecture.notes if scene.architecture is not None else ())]
    if scene.alone:
        notes.append("Padding changes the hidden states of this model, so every sentence was fed by itself.")
    return {
        "model": step.model.name,
        "corpus": step.corpus.name,
        "decomposition": step.decomposition.record(),
        "references": list(declared.references),
        "model_dtype": numpy_name(scene.model.dtype),
        "closure_tolerance": tolerance(numpy_name(scene.model.dtype), scene.architecture),
        "notes": notes,
        "matrix": dict(step.model.matrix),
    }

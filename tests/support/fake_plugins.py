"""Declarations of plugins that exist nowhere, for tests of planning: light, small, with one of every fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from prosect.api import (
    BIAS,
    INPUT,
    Architecture,
    ArchitectureDeclaration,
    Attention,
    Block,
    Branch,
    Component,
    CorpusDeclaration,
    DecompositionDeclaration,
    FeedForward,
    MetricDeclaration,
    ModelError,
    Options,
    Projection,
    Rules,
    Sentence,
    Site,
    Stage,
    Stream,
    StreamOptions,
    UsageError,
    Variable,
)
from prosect.plugins.declarations import AnyDeclaration, Origin
from prosect.plugins.loading import LoadedPlugin
from prosect.plugins.registry import Registry

HERE = "support.fake_plugins"
TERM = ("component", "token")


class PartsOptions(StreamOptions):
    """Options of `parts`."""

    by: Literal["kind", "head"] = "kind"


class MapOptions(StreamOptions):
    """Options of `maps`."""

    scopes: tuple[str, ...] | None = None


class NormOptions(Options):
    """Options of `norm`."""

    order: int = Field(default=2, ge=1)


class LinesOptions(Options):
    """Options of `lines`."""

    path: str
    unit: Literal["line", "paragraph"] = "line"


class PairsOptions(Options):
    """Options of `pairs`."""

    source: str
    target: str
    references: tuple[str, ...] = ()


def registry(*more: AnyDeclaration) -> Registry:
    """Make a registry of the fakes and, as if from another distribution, of whatever else is given."""
    plugins = [LoadedPlugin(Origin("fakes", "1.0", "fakes"), declarations=(*DECLARATIONS,))]
    if more:
        plugins.append(LoadedPlugin(Origin("others", "2.0", "others"), declarations=more))
    return Registry.of(plugins)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a model of one or two streams."""
    if not config.get("is_encoder_decoder"):
        return Architecture(family="toy", streams=(_stream("main", config, config["layers"]),))
    streams = (_stream("encoder", config, config["layers"]), _stream("decoder", config, config["decoder_layers"]))
    return Architecture(family="toy", streams=streams)


def refuse(_config: Mapping[str, Any]) -> Architecture:
    """Refuse every model."""
    raise ModelError("models with sliding windows are not described")


def fail(*_: object) -> Architecture:
    """Fail as a plugin with a bug does."""
    raise RuntimeError("a bug of the plugin")


def nothing(*_: object) -> None:
    """Return nothing, where something is expected."""


def rules(options: PartsOptions, _stream: Stream) -> Rules:
    """Book by kind, or heads by themselves."""
    return Rules(book=_by_head if options.by == "head" else _by_kind, heads=options.by == "head")


def map_rules(options: MapOptions, stream: Stream) -> Rules:
    """Give every token a label; a decoder has one more, for what comes from its encoder."""
    label = Component("source", "source") if stream.name == "decoder" else BIAS
    return Rules(book=lambda _: label, start="tokens", attention="propagate", scopes=options.scopes)


def block_map_rules(_options: StreamOptions, _stream: Stream) -> Rules:
    """Give every token a label, anew in each block."""
    return Rules(book=lambda _: BIAS, start="tokens", span="block", attention="propagate")


def refuse_rules(_options: StreamOptions, stream: Stream) -> Rules:
    """Refuse every stream."""
    raise UsageError(f"needs a causal model, and {stream.name} is not causal")


def read(options: LinesOptions, _folder: Path) -> Iterator[Sentence]:
    """Yield one sentence per line."""
    yield from (Sentence(text=line) for line in Path(options.path).read_text("utf-8").splitlines())


def _by_kind(site: Site) -> Component:
    return Component(site.kind, site.kind)


def _by_head(site: Site) -> Component:
    outside = {"input": INPUT, "bias": BIAS}.get(site.kind)
    return outside or Component(f"{site.kind}.{site.block}.{site.head}", site.kind, site.block, site.head)


def _stream(name: Literal["main", "encoder", "decoder"], config: Mapping[str, Any], layers: int) -> Stream:
    attention = Attention(
        kind="attention",
        path="a",
        value=Projection(path="v"),
        output=Projection(path="o"),
        heads=config["heads"],
        kv_heads=config["heads"],
        head_dim=config["width"] // config["heads"],
    )
    feed_forward = FeedForward(path="f", up=Projection(path="u"), down=Projection(path="d"), activation="gelu")
    stages = tuple(Stage(branches=(Branch(sublayer=sublayer),)) for sublayer in (attention, feed_forward))
    blocks = tuple(Block(path=f"b.{number}", stages=stages) for number in range(layers))
    return Stream(name=name, hidden=config["width"], blocks=blocks)


def architecture(name: str, function: str) -> ArchitectureDeclaration:
    """Declare a family whose only model type has its own name."""
    return ArchitectureDeclaration(
        name=name, summary="A family.", implementation=f"{HERE}:{function}", model_types=(name,)
    )


def metric(name: str, dims: tuple[str, ...] = TERM, **more: Any) -> MetricDeclaration:
    """Declare a metric of one variable."""
    variable = Variable(name=more.pop("variable", name), dims=dims, long_name=name)
    return MetricDeclaration(
        name=name, summary="A metric.", implementation=f"{HERE}:fail", produces=(variable,), **more
    )


def decomposition(name: str, function: str, **more: Any) -> DecompositionDeclaration:
    """Declare a decomposition."""
    return DecompositionDeclaration(name=name, summary="Terms.", implementation=f"{HERE}:{function}", **more)


def corpus(name: str, options: type[Options], **more: Any) -> CorpusDeclaration:
    """Declare a kind of corpus."""
    return CorpusDeclaration(name=name, summary="Text.", implementation=f"{HERE}:read", options=options, **more)


DECLARATIONS: tuple[AnyDeclaration, ...] = (
    architecture("toy", "describe"),
    architecture("windowed", "refuse"),
    architecture("buggy", "fail"),
    decomposition("parts", "rules", options=PartsOptions, metrics=("norm", "cosine")),
    decomposition("blocks", "rules", options=PartsOptions, metrics=("norm",), first_layer=1),
    decomposition("causal", "refuse_rules", metrics=("norm",)),
    decomposition("crash", "fail", metrics=("norm",)),
    decomposition("whole", "rules", metrics=("norm",), described=False),
    decomposition("maps", "map_rules", options=MapOptions, metrics=("norm",), first_layer=1),
    decomposition("no_rules", "nothing", metrics=("norm",)),
    metric("norm", options=NormOptions),
    metric("cosine"),
    metric("dot", ("component", "other_component", "token")),
    metric("scoped", ("somewhere", "token")),
    metric("copy", variable="norm"),
    metric("drift", ("layer",), form="derived"),
    corpus("lines", LinesOptions),
    corpus("ids", LinesOptions, tokenizer=False),
    corpus("pairs", PairsOptions, paths=("source", "target", "references"), targets=True),
)

"""The analyses of a spec: every name resolved and every option validated; one step per model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prosect.planning.bench import Bench
from prosect.planning.layers import Selection, layers_by_stream, union
from prosect.planning.model import Bound, Cost, PlannedCorpus, PlannedModel, Step
from prosect.planning.models import Described
from prosect.planning.shapes import is_encoder_decoder
from prosect.plugins.declarations import DecompositionDeclaration, MetricDeclaration
from prosect.spec.models import AnalysisSpec, Named
from prosect.spec.places import KeyPath, dotted, nearest


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the analyses may refer to.

    Attributes
    ----------
    models
        Entry -> its members.
    corpora
        Name -> corpus.
    """

    models: Mapping[str, tuple[Described, ...]]
    corpora: Mapping[str, PlannedCorpus]

    def member_names(self) -> tuple[str, ...]:
        """Names of all members."""
        return tuple(found.model.name for group in self.models.values() for found in group)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an analysis asks of each of its models; ``corpus`` is None where it is wrong itself."""

    analysis: str
    layers: Selection
    decomposition: Bound[DecompositionDeclaration]
    corpus: PlannedCorpus | None


def plan_steps(bench: Bench, parts: Parts) -> tuple[Step, ...]:
    """Plan all steps, in the order of analyses and models; problems go to the bench."""
    return tuple(
        step for name, analysis in bench.draft.analyses.items() for step in _steps(bench, parts, name, analysis)
    )


def fit(bench: Bench, wanted: Wanted, described: Described) -> tuple[int, ...] | None:
    """Fit an analysis to a model: note what does not fit, and return the layers, None where they are unknown."""
    path: KeyPath = ("analyses", wanted.analysis)
    model, decomposition = described.model, wanted.decomposition
    if decomposition.declaration.described and described.fault is not None:
        message = f"model {model.name!r} cannot be decomposed by {decomposition.name!r}: {described.fault}"
        bench.note((*path, "decomposition"), message, code="model")
    if wanted.corpus is not None:
        _check_targets(bench, wanted.analysis, model, wanted.corpus, decomposition)
    return _layers(bench, (*path, "layers"), wanted, model)


def _layers(bench: Bench, path: KeyPath, wanted: Wanted, model: PlannedModel) -> tuple[int, ...] | None:
    """Expand the selection item by item, so that every layer that is not there is named at its place."""
    given = wanted.layers
    items = [((*path, index), item) for index, item in enumerate(given)] if isinstance(given, list) else [(path, given)]
    found = [_selected(bench, at, item, wanted, model) for at, item in items]
    known = [layers for layers in found if layers is not None]
    return tuple(sorted({layer for layers in known for layer in layers})) if len(known) == len(found) else None


def _selected(
    bench: Bench, path: KeyPath, item: str | int, wanted: Wanted, model: PlannedModel
) -> tuple[int, ...] | None:
    try:
        return union(layers_by_stream(model, item, wanted.decomposition.declaration))
    except ValueError as error:
        # Models of one depth have the same fault: the first of them stands for all.
        if not any(noted.path == dotted(path) and noted.message.endswith(f": {error}") for noted in bench.problems):
            bench.note(path, f"model {model.name!r}: {error}", code="layers")
        return None


def _steps(bench: Bench, parts: Parts, name: str, analysis: AnalysisSpec) -> Iterator[Step]:
    path: KeyPath = ("analyses", name)
    models = _models(bench, parts, name, analysis)
    corpus = _corpus(bench, parts, name, analysis)
    decomposition = bench.bind(
        lambda wanted: bench.registry.find("decompositions", wanted), analysis.decomposition, (*path, "decomposition")
    )
    metrics = _metrics(bench, path, analysis, decomposition)
    keep = _keep(bench, path, analysis)
    if decomposition is None:
        return
    wanted = Wanted(analysis=name, layers=analysis.layers, decomposition=decomposition, corpus=corpus)
    _check_heads(bench, path, models, metrics or ())
    _check_described(bench, path, decomposition.declaration, metrics or ())
    for described in models:
        layers = fit(bench, wanted, described)
        if corpus is not None and metrics is not None:
            yield Step(
                model=described.model,
                analysis=name,
                corpus=corpus,
                decomposition=decomposition,
                metrics=metrics,
                layers=layers,
                layer_selection=analysis.layers,
                keep_terms=keep,
                config={},
                cost=Cost(tokens=None, bytes=None),
                state="unknown",
                why="",
            )


def _models(bench: Bench, parts: Parts, name: str, analysis: AnalysisSpec) -> tuple[Described, ...]:
    if analysis.models is None:
        return tuple(found for group in parts.models.values() for found in group)
    members = {found.model.name: (found,) for group in parts.models.values() for found in group}
    known = {**members, **parts.models}
    chosen: dict[str, Described] = {}
    for index, wanted in enumerate(analysis.models):
        if wanted in known:
            chosen.update({found.model.name: found for found in known[wanted]})
        elif parts.models.get(wanted.partition("@")[0]) != () and wanted not in bench.draft.names("models"):
            listed = (*bench.draft.names("models"), *parts.member_names())
            message = f"there is no model {wanted!r}"
            bench.note(
                ("analyses", name, "models", index), message, suggestion=nearest(wanted, listed), code="wrong-name"
            )
    return tuple(chosen.values())


def _corpus(bench: Bench, parts: Parts, name: str, analysis: AnalysisSpec) -> PlannedCorpus | None:
    names = bench.draft.names("corpora")
    if analysis.corpus and analysis.corpus not in names:
        message = f"there is no corpus {analysis.corpus!r}"
        suggestion = nearest(analysis.corpus, names)
        bench.note(("analyses", name, "corpus"), message, suggestion=suggestion, code="wrong-name")
    return parts.corpora.get(analysis.corpus)


def _metrics(
    bench: Bench, path: KeyPath, analysis: AnalysisSpec, decomposition: Bound[DecompositionDeclaration] | None
) -> tuple[Bound[MetricDeclaration], ...] | None:
    given: list[tuple[KeyPath, str | Named]] = []
    if analysis.metrics is not None:
        given = [((*path, "metrics", index), metric) for index, metric in enumerate(analysis.metrics)]
    elif decomposition is not None:
        given = [((*path, "decomposition"), metric) for metric in decomposition.declaration.metrics]
    bound = [(place, bench.bind(lambda wanted: bench.registry.find("metrics", wanted), m, place)) for place, m in given]
    found = [(place, metric) for place, metric in bound if metric is not None]
    for place, metric in found:
        if metric.declaration.form == "derived":
            bench.note(place, f"{metric.name!r} is computed from stored results; it belongs under 'derived'")
    _check_variables(bench, found)
    return tuple(metric for _, metric in found) if len(found) == len(bound) else None


def _check_variables(bench: Bench, found: list[tuple[KeyPath, Bound[MetricDeclaration]]]) -> None:
    seen: Counter[str] = Counter()
    for place, metric in found:
        for variable in metric.declaration.variables(metric.options):
            seen[variable.name] += 1
            if seen[variable.name] > 1:
                bench.note(place, f"the variable {variable.name!r} is already written by a metric of this analysis")


def _check_targets(
    bench: Bench,
    analysis: str,
    model: PlannedModel,
    corpus: PlannedCorpus,
    decomposition: Bound[DecompositionDeclaration],
) -> None:
    needed = is_encoder_decoder(model) and getattr(decomposition.options, "target", None) == "corpus"
    if needed and not corpus.reader.declaration.targets:
        message = (
            f"model {model.name!r} is an encoder-decoder, and a corpus of kind {corpus.reader.name!r} has no "
            "targets for its decoder: use kind 'parallel', or the option 'target: generated' of the decomposition"
        )
        bench.note(("analyses", analysis, "corpus"), message)


def _check_described(
    bench: Bench, path: KeyPath, decomposition: DecompositionDeclaration, metrics: Iterable[Bound[MetricDeclaration]]
) -> None:
    readers = [metric.name for metric in metrics if "sublayers" in metric.declaration.requires]
    if readers and not decomposition.described:
        message = (
            f"{readers[0]!r} looks at the sub-layers of a described model, and {decomposition.name!r} asks for none"
        )
        bench.note((*path, "metrics"), f"{message}: use a decomposition, such as 'sum_of_factors'")


def _check_heads(
    bench: Bench, path: KeyPath, models: Iterable[Described], metrics: Iterable[Bound[MetricDeclaration]]
) -> None:
    readers = [metric.name for metric in metrics if "head" in metric.declaration.requires]
    if not readers:
        return
    # The head of a model in memory is seen when the run begins.
    headless = [d.model for d in models if d.model.spec.head != "own" and d.model.entry not in bench.in_memory]
    for entry in dict.fromkeys(model.entry for model in headless):
        message = f"{readers[0]!r} reads the model's own head, and model {entry!r} comes without: it needs 'head: own'"
        bench.note((*path, "metrics"), message, suggestion=f"models.{entry}.head: own", code="head")


def _keep(bench: Bench, path: KeyPath, analysis: AnalysisSpec) -> Literal["computed", "float16"] | None:
    if len(analysis.keep) > 1:
        bench.note((*path, "keep", 1), "'terms' stands here twice")
    for item in analysis.keep:
        return "computed" if item == "terms" else item.terms.dtype
    return None

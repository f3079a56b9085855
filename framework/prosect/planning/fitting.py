"""Whether the metrics of an analysis fit its decomposition and its corpus: what does not is a problem of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prosect.errors import UsageError
from prosect.planning.axes import Axes
from prosect.planning.bench import Bench
from prosect.planning.corpora import token_names
from prosect.planning.model import Bound, Step
from prosect.plugins.declarations import MetricDeclaration, Requirement
from prosect.spec.models import Named
from prosect.spec.places import KeyPath, nearest
from prosect.vocab.architecture import CROSS
from prosect.vocab.components import Component
from prosect.vocab.dims import COMPONENT, OTHER_COMPONENT
from prosect.vocab.scopes import attended_scope


def check_metrics(bench: Bench, step: Step, axes: Mapping[str, Axes]) -> None:
    """Note every metric of a step that cannot be measured on what its decomposition gives; ``axes`` by stream."""
    if any(found.by_token or found.per_source for found in axes.values()):
        _check_by_token(bench, step)
    for name, found in axes.items():
        if found.labels is not None:
            _check_own_axes(bench, step, name, found.labels)
    named = bench.draft.analyses[step.analysis].metrics is not None
    path: KeyPath = ("analyses", step.analysis)
    for index, metric in enumerate(step.metrics):
        at = (*path, "metrics", index) if named else (*path, "decomposition")
        for message, code in _unmet(bench, step, metric, tuple(axes.values())):
            bench.note(at, f"{metric.name!r} {message}", code=code)


def _unmet(
    bench: Bench, step: Step, metric: Bound[MetricDeclaration], axes: tuple[Axes, ...]
) -> Iterator[tuple[str, str]]:
    """Say what a metric requires and does not find, with the code of the problem."""
    requires, given = metric.declaration.requires, step.decomposition.name
    maps = [found for found in axes if found.maps]
    if "masks" in requires and step.corpus.common.mask is None:
        masks = "give it 'mask: {rate: 0.15, seed: 0}'"
        yield f"reads masked tokens, and the corpus {step.corpus.name!r} masks none: {masks}", "masks"
    if "states" in requires and (maps or any(found.per_source for found in axes)):
        yield f"reads terms of hidden states, and those of {given!r} are parts of single blocks: {STATES}", "states"
    if "maps" in requires and axes and not maps:
        others = ", ".join(_with_maps(bench))
        advice = f": use it with {others}" if others else ""
        yield f"reads maps of tokens to tokens, and {given!r} gives none{advice}", "maps"
    for needed, fits, message in AT_SCOPES:
        wrong = [scope for found in maps for scope in found.at if not fits(scope)]
        if needed in requires and wrong:
            advice = "use it with 'attention_norms', or choose other 'scopes'"
            yield f"{message.format(scope=wrong[0], given=given)}: {advice}", "maps"


STATES: Final = "use it with 'token_wise', or with 'sum_of_factors' by kind, layer or head"
AT_SCOPES: Final[tuple[tuple[Requirement, Callable[[str], bool], str], ...]] = (
    ("attention", attended_scope, "reads what an attention gives, and {given!r} has none of it at the scope {scope!r}"),
    ("onward", {"attn", "cross"}.__contains__, "runs a block on from its attention, and {given!r} reads {scope!r} too"),
)


def _check_own_axes(bench: Bench, step: Step, stream: str, labels: tuple[Component, ...]) -> None:
    """Note where a metric's own dimensions cannot be made of the labels, and where two metrics disagree about one."""
    seen: dict[str, tuple[str, ...]] = {}
    path: KeyPath = ("analyses", step.analysis, "metrics")
    for metric in step.metrics:
        if "head" in metric.declaration.requires and stream in {"encoder", CROSS}:
            continue
        try:
            own = metric.declaration.own_axes(metric.options, labels)
        except UsageError as error:
            bench.note(path, f"{metric.name!r}: {error}")
            continue
        for dim, values in own.items():
            if seen.setdefault(dim, tuple(values)) != tuple(values):
                bench.note(
                    path,
                    f"{metric.name!r} and another metric of this analysis mean different things by the dimension "
                    f"{dim!r}: give them the same option, or put them into two analyses",
                )


def _with_maps(bench: Bench) -> Iterator[str]:
    """Decompositions that measure maps by default."""
    reading = {one.name for one in bench.registry.declarations("metrics") if "maps" in one.requires}
    yield from (one.name for one in bench.registry.declarations("decompositions") if reading & set(one.metrics))


def check_annotation(bench: Bench, step: Step, name: str) -> None:
    """Note where tokens are to be grouped by an annotation that the corpus does not have, as far as it says so."""
    found = token_names(step.corpus)
    if found is None or name in found:
        return
    message = f"tokens cannot be grouped by {name!r}: the corpus {step.corpus.name!r} has no such annotation"
    path: KeyPath = ("analyses", step.analysis, "decomposition")
    given = bench.draft.analyses[step.analysis].decomposition
    # The option by which a decomposition takes it, where it is the usual one.
    at = (*path, "group") if isinstance(given, Named) and given.options.get("group") == name else path
    valid = ("token", "stream", *found)
    bench.note(at, message, suggestion=nearest(name, valid), code="annotation")


def _accumulated_by_token(metric: Bound[MetricDeclaration], used: set[str], name: str) -> str:
    """Say why an accumulator does not go with labels that are tokens; empty where it does."""
    try:
        metric.declaration.own_axes(metric.options, ())
    except UsageError as error:
        return f"{metric.name!r}: {error}"
    if {COMPONENT, OTHER_COMPONENT} & used:
        return (
            f"{metric.name!r} is accumulated term by term; {name!r} has one for every token of a sentence: choose "
            "the hidden state itself (component: total), or group the tokens"
        )
    return ""


def _check_by_token(bench: Bench, step: Step) -> None:
    name = step.decomposition.name
    for metric in step.metrics:
        used = {dim for variable in metric.declaration.variables(metric.options) for dim in variable.dims}
        message = ""
        if metric.declaration.form == "accumulator":
            message = _accumulated_by_token(metric, used, name)
        elif metric.declaration.axes is not None and not metric.declaration.of_single_terms(metric.options):
            message = f"{metric.name!r} puts components together; {name!r} has one for every token of a sentence"
        elif OTHER_COMPONENT in used:
            message = f"{metric.name!r} compares terms in pairs; {name!r} has one for every token, which is too many"
        if message:
            bench.note(("analyses", step.analysis, "metrics"), message)
    if step.keep_terms is not None:
        message = f"the terms of {name!r} are not stored: there is one for every pair of tokens"
        bench.note(("analyses", step.analysis, "keep"), message)

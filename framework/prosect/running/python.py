"""What a notebook calls: plan, run and decompose, with models from a spec or already in memory."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from torch import nn

from prosect.errors import UsageError
from prosect.model.load import LoadedModel, wrap_module
from prosect.planning.build import Request, complete, plan_request
from prosect.planning.model import Plan, Step
from prosect.results.dataset import to_dataset
from prosect.running.inputs import lost
from prosect.running.loop import execute, supplied
from prosect.running.prepare import Scene
from prosect.running.progress import reporter
from prosect.running.scene import open_scene
from prosect.running.unstored import unstored
from prosect.running.work import numpy_name, stream_work
from prosect.spec.loading import Source
from prosect.view.open import open as open_store
from prosect.vocab.architecture import CROSS

if TYPE_CHECKING:
    import xarray as xr

InMemory = Mapping[str, tuple[nn.Module, Any]]

NAME: Final = "model"


def run(
    spec: Source,
    out: str | Path | None = None,
    *,
    models: InMemory | None = None,
    overrides: Iterable[str] = (),
    replace: Sequence[str] = (),
    quiet: bool = False,
) -> xr.DataTree:
    """Carry out a spec and open the results.

    Parameters
    ----------
    spec
        Name of a YAML file, a mapping as such a file would give, or a `Spec`.
    out
        Folder of the results; default: what the spec says.
    models
        Models in memory: name in the spec -> (module, tokenizer); the spec names them with an empty entry, ``m: {}``.
    overrides
        Settings laid over the spec, as ``models.m.dtype=float64``.
    replace
        Nodes ``MODEL/ANALYSIS`` that are computed again.
    quiet
        Show warnings only.

    Returns
    -------
    xarray.DataTree
        The whole store, lazily.

    Raises
    ------
    SpecError
        Carries every problem of the spec.
    StoreError
        The folder is not a store of ours, or a stored step has changed.
    ClosureError, RunError
        The run failed; finished units stay, and the same call continues.
    """
    loaded = _wrapped(models)
    planned = plan_request(_request(spec, out, loaded, overrides, replace))
    report = reporter(sys.stderr, quiet=quiet)
    try:
        summary = execute(planned, report, in_memory=loaded)
    finally:
        report.close()
    return open_store(summary.store)


def plan(
    spec: Source,
    out: str | Path | None = None,
    *,
    models: InMemory | None = None,
    overrides: Iterable[str] = (),
    replace: Sequence[str] = (),
) -> Plan:
    """Plan a spec without reading a weight; arguments and errors as in `run`."""
    loaded = _wrapped(models)
    planned = plan_request(_request(spec, out, loaded, overrides, replace))
    return complete(planned, supplied=supplied(loaded)) if loaded else planned


def decompose(  # noqa: PLR0913 - the first four say what is decomposed, the others how
    module: nn.Module,
    tokenizer: Any,  # noqa: ANN401 - any tokenizer of transformers, or None
    texts: Sequence[str] | Sequence[Sequence[int]],
    decomposition: str = "sum_of_factors",
    *,
    targets: Sequence[str] | Sequence[Sequence[int]] | None = None,
    layers: str | int | list[str | int] = "all",
    metrics: Sequence[str | Mapping[str, Any]] | None = None,
    terms: bool | None = None,
    stream: Literal["main", "encoder", "decoder", "cross"] | None = None,
    **options: Any,  # noqa: ANN401 - checked against the options of the decomposition
) -> xr.Dataset:
    """Decompose hidden states of a model in memory, without a store.

    Parameters
    ----------
    module, tokenizer
        A model of transformers, with or without head, and its tokenizer; None where ``texts`` are token ids.
    texts
        Sentences, or rows of token ids which are fed as they are.
    decomposition
        Name of the decomposition.
    targets
        For an encoder-decoder: target texts, or rows of decoder input ids.
    layers, metrics
        As in a spec.
    terms
        Return the vectors themselves, as variable ``terms`` (layer, component, token, hidden); default: yes, unless
        there is one for every pair of tokens.
    stream
        Stream of an encoder-decoder, or ``cross``; default ``decoder``.
    **options
        Options of the decomposition.

    Returns
    -------
    xarray.Dataset
        The dataset which a stored node would give.

    Raises
    ------
    SpecError
        A name or an option is wrong.
    ClosureError, SelfTestError
        The terms do not sum to the hidden state, or the description does not fit the model.
    """
    loaded = wrap_module(module, tokenizer)
    corpus = {"kind": "inline", "sentences": _plain(texts), "targets": None if targets is None else _plain(targets)}
    spec = {
        "prosect": 1,
        "models": {NAME: {"dtype": numpy_name(loaded.dtype)}},
        "corpora": {"texts": corpus},
        "analyses": {
            "terms": {
                "corpus": "texts",
                "decomposition": {"name": decomposition, **options},
                "layers": layers,
                **({} if metrics is None else {"metrics": list(metrics)}),
                "keep": ["terms"] if terms else [],
            }
        },
    }
    planned = plan_request(Request(source=spec, in_memory={NAME: loaded.config}))
    step = planned.steps[0]
    scene = open_scene(loaded, [step])
    step = _with_terms(step, scene) if terms is None else step
    ready = unstored(loaded, planned, scene, (step,))
    one, name = ready.steps[0], stream or ("decoder" if loaded.is_encoder_decoder else "main")
    if name not in one.works:
        raise UsageError(f"{decomposition!r} has no stream {name!r} here; it has {', '.join(one.works)}")
    (result,) = ready.compute((0, name))
    given = ready.compute((0, "encoder"))[0].given if name == CROSS and one.works["encoder"].gives else {}
    whole = {} if result.gathering is None else result.gathering.finalise()
    dataset = to_dataset(one.layouts[name], {**result.arrays, **given, **whole})
    if shortened := lost(one.losses):
        warnings.warn(f"not all of the texts was decomposed: {shortened}", stacklevel=2)
    return dataset.assign_attrs(closure_max=result.closure_max, losses=dict(one.losses))


def _with_terms(step: Step, scene: Scene) -> Step:
    """Keep the vectors, but for where every token is a label of its own: there is one for each pair of tokens."""
    work = stream_work(step.decomposition, (), scene.streams[0], layers=None, keep_terms="computed")
    if work is None or work.pairwise:
        return step
    return dataclasses.replace(step, keep_terms=work.keep_terms)


def _plain(texts: Sequence[str] | Sequence[Sequence[int]]) -> list[str | list[int]]:
    return [text if isinstance(text, str) else [int(i) for i in text] for text in texts]


def _wrapped(models: InMemory | None) -> dict[str, LoadedModel]:
    return {name: wrap_module(module, tokenizer) for name, (module, tokenizer) in (models or {}).items()}


def _request(
    spec: Source,
    out: str | Path | None,
    loaded: Mapping[str, LoadedModel],
    overrides: Iterable[str],
    replace: Sequence[str],
) -> Request:
    # The dtype of a model in memory is what it is, whatever the spec's default.
    dtypes = [f"models.{name}.dtype={numpy_name(model.dtype)}" for name, model in loaded.items()]
    return Request(
        source=spec,
        out=out,
        overrides=[*dtypes, *overrides],
        replace=replace,
        in_memory={name: model.config for name, model in loaded.items()},
    )

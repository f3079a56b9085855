"""The normalised configuration of a step: everything that its numbers depend on, and nothing else.

Left out on purpose: where files are, comments, batch size, device, and all other steps.
"""

from __future__ import annotations

from typing import Any

from prosect.planning.contents import Contents
from prosect.planning.digest import ENGINE_VERSION, UNKNOWN, canonical
from prosect.planning.inputs import Supplied, config_digest, corpus_files, tokenizer_digest, weights_digest
from prosect.planning.layers import layers_by_stream
from prosect.planning.model import PlannedCorpus, PlannedModel, Step


def step_config(step: Step, contents: Contents, supplied: Supplied) -> dict[str, Any]:
    """Build the configuration that enters a step's digest; parts that are not known yet are `UNKNOWN`."""
    config = {
        "engine": ENGINE_VERSION,
        "model": _model(step.model, contents, supplied),
        "corpus": _corpus(step.corpus, contents),
        "decomposition": step.decomposition.record(),
        "metrics": sorted((metric.record() for metric in step.metrics), key=canonical),
        "layers": _layers(step),
        "keep": step.keep_terms,
    }
    if step.corpus.reader.declaration.tokenizer:
        config["tokenizer"] = tokenizer_digest(step.model, contents, supplied)
    if step.decomposition.declaration.described:
        config["architecture"] = _architecture(step.model)
    return config


def _model(model: PlannedModel, contents: Contents, supplied: Supplied) -> dict[str, Any]:
    spec = model.spec
    config: dict[str, Any] = {"config": config_digest(model), "dtype": spec.dtype, "head": spec.head, "init": spec.init}
    if spec.init == "random":
        config["seed"] = spec.seed
    else:
        config["weights"] = weights_digest(model, contents, supplied)
    if spec.trust_remote_code:
        config["trust_remote_code"] = True
    return config


def _corpus(corpus: PlannedCorpus, contents: Contents) -> dict[str, Any]:
    record = corpus.reader.record()
    paths = corpus.reader.declaration.paths
    own = {option: value for option, value in record["options"].items() if option not in paths}
    return {
        "kind": record["name"],
        "version": record["version"],
        "options": own,
        "common": corpus.common.model_dump(mode="json"),
        "files": corpus_files(corpus, contents),
    }


def _architecture(model: PlannedModel) -> dict[str, Any] | str:
    return UNKNOWN if model.family is None else {"name": model.family.name, "version": model.family.version}


def _layers(step: Step) -> object:
    declaration = step.decomposition.declaration
    if not declaration.described:
        # Such a model is never described, so the depth may stay unknown: the selection itself has to do.
        return step.layer_selection
    by_stream = layers_by_stream(step.model, step.layer_selection, declaration)
    return UNKNOWN if by_stream is None else {stream: list(layers) for stream, layers in by_stream.items()}

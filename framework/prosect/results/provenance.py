"""Where results come from: the attributes of a store's root."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from prosect.results.layout import SCHEMA, SCHEMA_VERSION
from prosect.results.values import jsonable

PACKAGES: Final = ("prosect", "torch", "transformers", "tokenizers", "numpy", "xarray", "zarr", "numcodecs")
HISTORY: Final = "history"
PER_RUN: Final = ("spec", "spec_digest", "packages", "device", "time")
PER_NAME: Final = ("models", "corpora", "closure_max")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a run knows of its origin.

    Attributes
    ----------
    spec
        Text of the spec as read (of a spec built in Python, its JSON).
    packages
        Versions of the packages it ran with (`package_versions`).
    models
        Name -> ``load``, ``revision``, ``weights_digest``, ``dtype``, ``seed`` and what else identifies it.
    corpora
        Name -> digest of its input, tokens, and what was cut or dropped.
    device
        The device it ran on.
    time
        When it ended, ISO 8601 with the time zone.
    closure_max
        Node -> largest gap between the sum of the terms and the hidden state.
    identical_weights
        Groups of models whose weights are the same under several names.
    """

    spec: str
    packages: Mapping[str, str]
    models: Mapping[str, Mapping[str, Any]]
    corpora: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    device: str
    time: str
    closure_max: Mapping[str, float]
    identical_weights: Sequence[Sequence[str]] = ()


def root_attributes(provenance: Provenance, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write provenance as attributes of the root.

    Parameters
    ----------
    provenance
        This run.
    before
        The attributes that the root already has, where a run extends a store: its models, corpora and closures stay,
        and the earlier spec moves to ``history`` if it is another one.
    """
    now: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "spec": provenance.spec,
        "spec_digest": digest(provenance.spec),
        "packages": jsonable(provenance.packages),
        "models": jsonable(provenance.models),
        "corpora": jsonable(provenance.corpora),
        "device": provenance.device,
        "time": provenance.time,
        "closure_max": jsonable(provenance.closure_max),
    }
    before = before or {}
    twins = [list(names) for names in provenance.identical_weights]
    now["identical_weights"] = [*twins, *(names for names in before.get("identical_weights", ()) if names not in twins)]
    history = list(before.get(HISTORY, ()))
    if before.get("spec_digest", now["spec_digest"]) != now["spec_digest"]:
        history.append({key: before[key] for key in PER_RUN if key in before})
    return {**now, **{key: {**before.get(key, {}), **now[key]} for key in PER_NAME}, HISTORY: history}


def digest(text: str) -> str:
    """SHA-256 of a text, as ``sha256:…``."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of installed packages; those that are not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

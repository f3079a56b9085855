"""The whole contract with plugins. A hook returns declarations: data, never live objects.

A plugin is a module named in the entry-point group ``prosect.plugins``::

    [project.entry-points."prosect.plugins"]
    my-plugin = "my_package.prosect_plugin"

The module marks its hooks with ``prosect.api.hookimpl`` and must not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pluggy

from prosect.plugins.declarations import (
    ArchitectureDeclaration,
    CorpusDeclaration,
    DecompositionDeclaration,
    MetricDeclaration,
)

PROJECT: Final = "prosect"
GROUP: Final = "prosect.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def prosect_architectures() -> Sequence[ArchitectureDeclaration]:  # type: ignore[empty-body]
    """Families of models that the plugin describes."""


@hookspec
def prosect_decompositions() -> Sequence[DecompositionDeclaration]:  # type: ignore[empty-body]
    """Decompositions of hidden states into terms."""


@hookspec
def prosect_metrics() -> Sequence[MetricDeclaration]:  # type: ignore[empty-body]
    """Measures of terms, of corpora and of stored results."""


@hookspec
def prosect_corpora() -> Sequence[CorpusDeclaration]:  # type: ignore[empty-body]
    """Kinds of corpus."""

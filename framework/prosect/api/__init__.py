"""The public door for plugins: everything a plugin may import from prosect.

Importing this module imports no torch, so a plugin's hook module stays light.
"""

from prosect.errors import ModelError, Problem, ProsectError, UsageError
from prosect.plugins.declarations import (
    ArchitectureDeclaration,
    CorpusDeclaration,
    DecompositionDeclaration,
    Footprint,
    MetricDeclaration,
    Options,
    Requirement,
    Sizes,
    StreamOptions,
    Variable,
)
from prosect.plugins.hookspecs import hookimpl
from prosect.vocab.architecture import (
    Architecture,
    Attention,
    Block,
    Branch,
    Experts,
    FeedForward,
    Norm,
    Projection,
    Stage,
    Stream,
    Sublayer,
)
from prosect.vocab.components import BIAS, INPUT, OWN, SOURCE, TOTAL, Component, Site
from prosect.vocab.corpus import Sentence
from prosect.vocab.filters import Conditions, Range
from prosect.vocab.rules import Rules
from prosect.vocab.scopes import scope_names

__all__ = [
    "BIAS",
    "INPUT",
    "OWN",
    "SOURCE",
    "TOTAL",
    "Architecture",
    "ArchitectureDeclaration",
    "Attention",
    "Block",
    "Branch",
    "Component",
    "Conditions",
    "CorpusDeclaration",
    "DecompositionDeclaration",
    "Experts",
    "FeedForward",
    "Footprint",
    "MetricDeclaration",
    "ModelError",
    "Norm",
    "Options",
    "Problem",
    "Projection",
    "ProsectError",
    "Range",
    "Requirement",
    "Rules",
    "Sentence",
    "Site",
    "Sizes",
    "Stage",
    "Stream",
    "StreamOptions",
    "Sublayer",
    "UsageError",
    "Variable",
    "hookimpl",
    "scope_names",
]

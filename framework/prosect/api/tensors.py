"""The public door for implementations that work on tensors; importing it imports torch."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from prosect.measures.accumulator import Accumulator, Axis, Context, Finaliser, State, Statistic, Values
from prosect.model.head import Head, HeadView
from prosect.terms.dense import DenseTerms
from prosect.terms.factored import FactoredTerms
from prosect.terms.headed import head_contributions
from prosect.terms.pairs import Attended
from prosect.terms.reading import Reading, TokenView
from prosect.terms.terms import Terms
from prosect.terms.watched import SublayerView

__all__ = [
    "Accumulator",
    "Attended",
    "Axis",
    "Bool",
    "Context",
    "DenseTerms",
    "FactoredTerms",
    "Finaliser",
    "Float",
    "Head",
    "HeadView",
    "Int",
    "Reading",
    "State",
    "Statistic",
    "SublayerView",
    "Tensor",
    "Terms",
    "TokenView",
    "Values",
    "head_contributions",
]

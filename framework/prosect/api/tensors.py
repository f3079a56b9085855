"""The public door for implementations that work on tensors; importing it imports torch."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from prosect.terms.dense import DenseTerms
from prosect.terms.terms import Terms

__all__ = ["Bool", "DenseTerms", "Float", "Int", "Tensor", "Terms"]

"""Sites at which something is added to the residual stream, and the components they are booked under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["input", "attention", "cross_attention", "feed_forward", "bias"]
KINDS: Final[tuple[Kind, ...]] = ("input", "attention", "cross_attention", "feed_forward", "bias")


@dataclass(frozen=True)
class Site:
    """A place where a vector enters the residual stream.

    Attributes
    ----------
    kind
        What adds the vector.
    block
        Block number from 1; None for the input, and for biases outside the blocks (an embedding or final norm).
    head
        Attention head from 0, where heads are told apart.
    part
        For a bias: the kind of sub-layer it belongs to, or ``norm``.
    """

    kind: Kind
    block: int | None = None
    head: int | None = None
    part: str | None = None


@dataclass(frozen=True)
class Component:
    """The label of one term.

    Attributes
    ----------
    label
        Name on the ``component`` axis, for example ``attention.3.7``.
    kind, block, head
        Coordinates on that axis; block counts from 1, head from 0; None where it has no meaning.
    """

    label: str
    kind: str
    block: int | None = None
    head: int | None = None


INPUT: Final = Component("input", "input")
BIAS: Final = Component("bias", "bias")
#: What a decoder's own stream holds, where labels are the encoder's tokens.
OWN: Final = Component("own", "input")
#: What cross-attention brings in, where it is one term.
SOURCE: Final = Component("source", "source")
TOTAL: Final = Component("total", "total")

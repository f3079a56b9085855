"""A small head for the kits of metrics that read one."""

from __future__ import annotations

import torch
from torch import Tensor

from prosect.model.head import Head, HeadView

#: More outputs than the kits' corpora have token ids.
OUTPUTS = 20


def small_head(hidden: int) -> HeadView:
    """Make a head of one affine map with random weights, which reads states of any dtype."""
    generator = torch.Generator().manual_seed(hidden)
    weight = torch.randn(hidden, OUTPUTS, generator=generator, dtype=torch.float64)
    bias = torch.randn(OUTPUTS, generator=generator, dtype=torch.float64)

    def logits(states: Tensor) -> Tensor:
        return states @ weight.to(states.dtype) + bias.to(states.dtype)

    head = Head(
        family="a small head",
        stream="main",
        outputs=OUTPUTS,
        vocabulary=True,
        reads="token",
        bias=bias,
        call=logits,
        norm=None,
    )
    return HeadView(head, norm_due=False)

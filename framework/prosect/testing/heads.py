"""A small head for the kits of metrics that read one."""

from __future__ import annotations

import torch

from prosect.model.head import Head, HeadView
from prosect.model.weights import Affine

#: More outputs than the kits' corpora have token ids.
OUTPUTS = 20


def small_head(hidden: int, dtype: torch.dtype) -> HeadView:
    """Make a head of one affine map with random weights, for states of a dtype."""
    generator = torch.Generator().manual_seed(hidden)
    weight = torch.randn(hidden, OUTPUTS, generator=generator, dtype=torch.float64)
    bias = torch.randn(OUTPUTS, generator=generator, dtype=torch.float64)
    map_ = Affine(weight.to(dtype), bias.to(dtype))
    head = Head(
        family="a small head",
        stream="main",
        outputs=OUTPUTS,
        vocabulary=True,
        reads="token",
        bias=map_.bias,
        call=map_,
        norm=None,
        chain=(map_,),
    )
    return HeadView(head, norm_due=False)

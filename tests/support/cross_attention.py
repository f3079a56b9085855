"""The cross-attention of the reference values of Kobayashi et al. 2020, as a module and as a description."""

from __future__ import annotations

import torch
from torch import nn

from prosect.api import Attention, Projection

SHAPE = Attention(
    kind="cross_attention",
    path="",
    value=Projection(path="v_proj"),
    output=Projection(path="out_proj"),
    heads=4,
    kv_heads=4,
    head_dim=8,
)


class CrossAttention(nn.Module):
    """Value and output projection of the golden's module."""

    def __init__(self, parameters):
        super().__init__()
        for name in ("v_proj", "out_proj"):
            weight, bias = (torch.from_numpy(parameters[f"param.{name}.{part}"]) for part in ("weight", "bias"))
            linear = nn.Linear(*weight.T.shape)
            linear.load_state_dict({"weight": weight, "bias": bias})
            self.add_module(name, linear)

"""Norms and maps with explicit vectors of all pairs of tokens, as the papers' own code makes them.

Written for the comparison from the definitions (Kobayashi et al. 2020, 2021, 2024), sentence by sentence, for the two
shapes of model that are compared. ``t[i, j]`` is the vector that token j gives to token i.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Norms = dict[str, Tensor]


@dataclass(frozen=True)
class Layer:
    """What the naive code reads of one block: projections in the orientation x W + b, norms, activation."""

    value: tuple[Tensor, Tensor]
    output: tuple[Tensor, Tensor]
    up: tuple[Tensor, Tensor]
    down: tuple[Tensor, Tensor]
    norms: tuple[nn.LayerNorm, nn.LayerNorm]
    kappa: Callable[[Tensor], Tensor]


def bert_layer(block: Any) -> Layer:
    """Read a block of BERT."""
    own, out = block.attention.self.value, block.attention.output
    return Layer(
        value=(own.weight.T, own.bias),
        output=(out.dense.weight.T, out.dense.bias),
        up=(block.intermediate.dense.weight.T, block.intermediate.dense.bias),
        down=(block.output.dense.weight.T, block.output.dense.bias),
        norms=(out.LayerNorm, block.output.LayerNorm),
        kappa=lambda s: 0.5 * (1 + torch.erf(s / 2**0.5)),
    )


def gpt2_layer(block: Any) -> Layer:
    """Read a block of GPT-2."""
    width = block.attn.c_proj.weight.shape[0]
    return Layer(
        value=(block.attn.c_attn.weight[:, 2 * width :], block.attn.c_attn.bias[2 * width :]),
        output=(block.attn.c_proj.weight, block.attn.c_proj.bias),
        up=(block.mlp.c_fc.weight, block.mlp.c_fc.bias),
        down=(block.mlp.c_proj.weight, block.mlp.c_proj.bias),
        norms=(block.ln_1, block.ln_2),
        kappa=lambda s: 0.5 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (s + 0.044715 * s**3))),
    )


def layers(base: Any) -> list[Layer]:
    """Read all blocks."""
    if hasattr(base, "h"):
        return [gpt2_layer(block) for block in base.h]
    return [bert_layer(block) for block in base.encoder.layer]


def frozen(norm: nn.LayerNorm, terms: Tensor, state: Tensor) -> Tensor:
    """Send every term through a LayerNorm, at the deviation of the true state."""
    deviation = torch.sqrt(state.var(dim=-1, unbiased=False, keepdim=True) + norm.eps)
    return (terms - terms.mean(dim=-1, keepdim=True)) / deviation[:, None] * norm.weight


def sentences(base: Any, ids: Tensor) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Run the model on every sentence by itself: states and attention weights."""
    for row in ids:
        output = base(input_ids=row[None], output_attentions=True, output_hidden_states=True)
        yield [state[0] for state in output.hidden_states], [weights[0] for weights in output.attentions]


def weighted(layer: Layer, x: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return f (head, token, hidden) and alpha f (head, token, token, hidden)."""
    heads = alpha.shape[0]
    values = (x @ layer.value[0] + layer.value[1]).reshape(len(x), heads, -1)
    f = torch.einsum("jhe,hed->hjd", values, layer.output[0].reshape(heads, values.shape[-1], -1))
    return f, alpha[..., None] * f[:, None]


def attention_norms(base: Any, ids: Tensor) -> Iterator[Norms]:
    """Compute the norms of Kobayashi et al. 2020, one sentence and block after the other."""
    pre_norm = hasattr(base, "h")
    for states, attentions in sentences(base, ids):
        for layer, state, alpha in zip(layers(base), states, attentions, strict=False):
            f, pairs = weighted(layer, layer.norms[0](state) if pre_norm else state, alpha)
            yield {
                "value_norm": f.norm(dim=-1),
                "weighted_norm": pairs.norm(dim=-1),
                "attention_norm": pairs.sum(dim=0).norm(dim=-1),
            }


def attention_maps(base: Any, ids: Tensor) -> Iterator[Norms]:
    """Compute the maps of Kobayashi et al. 2021 and 2024 at every scope, one sentence and block after the other."""
    pre_norm = hasattr(base, "h")
    for states, attentions in sentences(base, ids):
        for layer, state, alpha in zip(layers(base), states, attentions, strict=False):
            yield pre_norm_maps(layer, state, alpha) if pre_norm else post_norm_maps(layer, state, alpha)


def post_norm_maps(layer: Layer, x: Tensor, alpha: Tensor) -> Norms:
    """Compute the maps attn, attn_res, attn_res_norm, ff, ff_res, ff_res_norm."""
    attn = weighted(layer, x, alpha)[1].sum(dim=0)
    res = attn + diagonal(x)
    before = x + attn.sum(dim=1) + layer.output[1]
    normed, state = frozen(layer.norms[0], res, before), layer.norms[0](before)
    ff, made = fed_forward(layer, normed, state)
    last = frozen(layer.norms[1], ff + normed, state + made)
    return lengths(attn=attn, attn_res=res, attn_res_norm=normed, ff=ff, ff_res=ff + normed, ff_res_norm=last)


def pre_norm_maps(layer: Layer, x: Tensor, alpha: Tensor) -> Norms:
    """Compute the maps attn, attn_res, attn_res_norm, ff, ff_res."""
    attn = weighted(layer, layer.norms[0](x), alpha)[1].sum(dim=0)
    res = attn + diagonal(x)
    before = x + attn.sum(dim=1) + layer.output[1]
    normed = frozen(layer.norms[1], res, before)
    ff, _ = fed_forward(layer, normed, layer.norms[1](before))
    return lengths(attn=attn, attn_res=res, attn_res_norm=normed, ff=ff, ff_res=ff + res)


def diagonal(x: Tensor) -> Tensor:
    """Put what every token keeps of itself among the vectors of pairs."""
    return torch.diag_embed(x.T).permute(1, 2, 0)


def fed_forward(layer: Layer, terms: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Send terms through a feed-forward block by integrated gradients from zero; return its true output too."""
    inner = state @ layer.up[0] + layer.up[1]
    slope = layer.kappa(inner)
    return ((terms @ layer.up[0]) * slope[:, None]) @ layer.down[0], (slope * inner) @ layer.down[0] + layer.down[1]


def lengths(**scopes: Tensor) -> Norms:
    """Measure the vectors of all pairs."""
    return {name: vectors.norm(dim=-1) for name, vectors in scopes.items()}

"""Scopes: the points of a block at which a map can be read, named by what was passed since the sub-layer.

``attn``, ``cross`` or ``ff`` (parallel sub-layers joined: ``attn_ff``), then ``_res`` for the residual addition and
``_norm`` for every norm, in the order of the block. Post-norm: attn, attn_res, attn_res_norm, ff, ff_res, ff_res_norm;
pre-norm: attn, attn_res, attn_res_norm, ff, ff_res; OLMo 2: attn, attn_norm, attn_norm_res, ff, …
"""

from __future__ import annotations

from typing import Final

from prosect.vocab.architecture import Block, Stream

SHORT: Final = {"attention": "attn", "cross_attention": "cross", "feed_forward": "ff"}


def stream_scopes(stream: Stream) -> tuple[str, ...]:
    """Names of the scopes of all blocks, in order."""
    return tuple(dict.fromkeys(name for block in stream.blocks for name in scopes(block)))


def cross_scopes(stream: Stream) -> tuple[str, ...]:
    """Names of the scopes from cross-attention on, of all blocks, in order."""
    return tuple(dict.fromkeys(name for block in stream.blocks for name in _from_crossing(scopes(block))))


def _from_crossing(names: tuple[str, ...]) -> tuple[str, ...]:
    return names[names.index(SHORT["cross_attention"]) :] if SHORT["cross_attention"] in names else ()


def scopes(block: Block) -> tuple[str, ...]:
    """Names of a block's scopes in the order in which a replay passes them."""
    return tuple(name for names in stage_scopes(block) for name in names)


def stage_scopes(block: Block) -> tuple[tuple[str, ...], ...]:
    """Names of the scopes of each stage; the norm before a stage is read in that stage."""
    stages: list[tuple[str, ...]] = []
    name = ""
    for place, stage in enumerate(block.stages):
        found: list[str] = []
        if place and any(branch.norm_before is not None for branch in stage.branches):
            found.append(f"{name}_norm")
        name = ""
        for branch in stage.branches:
            name = f"{name}_{SHORT[branch.sublayer.kind]}".lstrip("_")
            found.append(name)
            if branch.norm_after is not None:
                name = f"{name}_norm"
                found.append(name)
        name = f"{name}_res"
        found.append(name)
        if stage.norm is not None:
            name = f"{name}_norm"
            found.append(name)
        stages.append(tuple(found))
    return tuple(stages)

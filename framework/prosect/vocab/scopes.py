"""Scopes: the points of a block at which a map can be read, named by what was passed since the sub-layer.

``attn``, ``cross`` or ``ff`` (parallel sub-layers joined: ``attn_ff``), then ``_res`` for the residual addition and
``_norm`` for every norm, in the order of the block. Post-norm: attn, attn_res, attn_res_norm, ff, ff_res, ff_res_norm;
pre-norm: attn, attn_res, attn_res_norm, ff, ff_res; OLMo 2: attn, attn_norm, attn_norm_res, ff, …
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from prosect.vocab.architecture import CROSS, Block, Norm, Stream

SHORT: Final = {"attention": "attn", "cross_attention": "cross", "feed_forward": "ff"}


def stream_scopes(stream: Stream) -> tuple[str, ...]:
    """Names of the scopes of all blocks, in order."""
    return tuple(dict.fromkeys(name for block in stream.blocks for name in scopes(block)))


def cross_scopes(stream: Stream) -> tuple[str, ...]:
    """Names of the scopes from cross-attention on, of all blocks, in order."""
    return tuple(dict.fromkeys(name for block in stream.blocks for name in _from_crossing(scopes(block))))


def scope_names(stream: Stream) -> tuple[str, ...]:
    """Names of the scopes of a stream; of ``cross``, those from cross-attention on."""
    return cross_scopes(stream) if stream.name == CROSS else stream_scopes(stream)


def _from_crossing(names: tuple[str, ...]) -> tuple[str, ...]:
    return names[names.index(SHORT["cross_attention"]) :] if SHORT["cross_attention"] in names else ()


def attended_scope(name: str) -> bool:
    """Tell whether an attention's own terms are among those of a scope: not where a feed-forward block made all."""
    return not name.startswith("ff") or "_res" in name


def scopes(block: Block) -> tuple[str, ...]:
    """Names of a block's scopes in the order in which a replay passes them."""
    return tuple(name for names in stage_scopes(block) for name in names)


def stage_scopes(block: Block) -> tuple[tuple[str, ...], ...]:
    """Names of the scopes of each stage; the norm before a stage is read in that stage."""
    return tuple(tuple(name for name, _ in points) for points in _points(block))


def scope_norms(block: Block) -> dict[str, Norm]:
    """Find the norm that each scope lies behind, or else before; scopes away from any norm are left out.

    So the two scopes around a norm have the same one.
    """
    points = [point for points in _points(block) for point in points]
    behind = {name: norm for name, norm in points if norm is not None}
    before = {name: norm for (name, _), (_, norm) in pairwise(points) if norm is not None}
    return {**before, **behind}


def _points(block: Block) -> Iterator[list[tuple[str, Norm | None]]]:
    """Names of the scopes of each stage, each with the norm that was passed just before it, if one was."""
    name = ""
    for place, stage in enumerate(block.stages):
        found: list[tuple[str, Norm | None]] = []
        norm = next((branch.norm_before for branch in stage.branches if branch.norm_before is not None), None)
        if place and norm is not None:
            found.append((f"{name}_norm", norm))
        name = ""
        for branch in stage.branches:
            name = f"{name}_{SHORT[branch.sublayer.kind]}".lstrip("_")
            found.append((name, None))
            if branch.norm_after is not None:
                name = f"{name}_norm"
                found.append((name, branch.norm_after))
        name = f"{name}_res"
        found.append((name, None))
        if stage.norm is not None:
            name = f"{name}_norm"
            found.append((name, stage.norm))
        yield found

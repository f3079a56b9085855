"""Small builders that the families share: norms, projections, the usual orders of a block, rows of blocks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from prosect.api import Attention, Block, Branch, Norm, Projection, Stage, Sublayer

FLOAT32_NORM: Final = (
    "RMSNorm is computed in float32 by the model whatever its dtype: closure in float64 is limited to about 1e-6."
)


def layer_norm(path: str, eps: float = 1e-5) -> Norm:
    """Describe a LayerNorm; the epsilon is torch's own unless a configuration says otherwise."""
    return Norm(path=path, kind="layer_norm", eps=eps)


def rms_norm(path: str, eps: float, *, offset: float = 0.0) -> Norm:
    """Describe an RMSNorm of transformers, which computes its statistics in float32."""
    return Norm(path=path, kind="rms_norm", eps=eps, offset=offset, float32=True)


def attention(path: str, value: str | Projection, output: str | Projection, *, heads: int, width: int) -> Attention:
    """Describe a self-attention whose every head has its own keys and values.

    Parameters
    ----------
    path
        The attention module.
    value, output
        Value and output projections, or the paths of plain linear ones.
    heads
        Number of heads.
    width
        Width of all heads together.
    """
    return Attention(
        kind="attention",
        path=path,
        value=_projection(value),
        output=_projection(output),
        heads=heads,
        kv_heads=heads,
        head_dim=width // heads,
    )


def post_norm(sublayer: Sublayer, norm: Norm) -> Stage:
    """Build norm(x + sublayer(x))."""
    return Stage(branches=(Branch(sublayer=sublayer),), norm=norm)


def pre_norm(sublayer: Sublayer, norm: Norm) -> Stage:
    """Build x + sublayer(norm(x))."""
    return Stage(branches=(Branch(sublayer=sublayer, norm_before=norm),))


def sandwich(sublayer: Sublayer, before: Norm | None, after: Norm) -> Stage:
    """Build x + after(sublayer(before(x)))."""
    return Stage(branches=(Branch(sublayer=sublayer, norm_before=before, norm_after=after),))


def parallel(*branches: tuple[Sublayer, Norm]) -> Stage:
    """Build x + sum of sublayer_b(norm_b(x))."""
    return Stage(branches=tuple(Branch(sublayer=sublayer, norm_before=norm) for sublayer, norm in branches))


def blocks(path: str, stages: Sequence[Stage], number: int) -> tuple[Block, ...]:
    """Repeat a block; ``path`` is the module list that holds them."""
    return tuple(Block(path=f"{path}.{place}", stages=tuple(stages)) for place in range(number))


def first(config: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401 - configurations hold values of any type
    """Return the value under the first of several names, since older files use other ones; KeyError without any."""
    for name in names:
        if config.get(name) is not None:
            return config[name]
    raise KeyError(names[0])


def _projection(projection: str | Projection) -> Projection:
    return Projection(path=projection) if isinstance(projection, str) else projection

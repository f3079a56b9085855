"""Small tables for a terminal or a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prosect.errors import UsageError
from prosect.vocab.dims import COMPONENT, LAYER, TOKEN

if TYPE_CHECKING:
    import xarray as xr


def token_means(variable: xr.DataArray, *, title: str = "", columns: int = 8) -> str:
    """Print means over tokens, layer x component, as plain text.

    Parameters
    ----------
    variable
        Dimensions ``layer``, ``component`` and ``token``; all tokens count, special ones too, NaN values do not.
    title
        What stands before the caption, for example the path of the node.
    columns
        Components shown; what is left out is said.

    Raises
    ------
    UsageError
        The variable has other dimensions.
    """
    if set(variable.dims) != {LAYER, COMPONENT, TOKEN}:
        raise UsageError(
            f"{variable.name}: a table needs layer, component and token, not {', '.join(map(str, variable.dims))}"
        )
    means = variable.mean(TOKEN).transpose(LAYER, COMPONENT)
    labels = [str(label) for label in means[COMPONENT].values]
    rows = [["layer", *labels[:columns]]]
    for layer, values in zip(means[LAYER].values, means.values, strict=True):
        rows.append([str(layer), *(f"{value:.3f}" for value in values[:columns])])
    caption = f"{variable.name}, mean over {variable.sizes[TOKEN]:,} tokens, special tokens included"
    lines = [f"{title}: {caption}" if title else caption, *align(rows)]
    if len(labels) > columns:
        lines.append(f"and {len(labels) - columns} more components")
    return "\n".join(lines)


def align(rows: list[list[str]]) -> list[str]:
    """Align cells to the right under each other, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]

"""Names that options and kernels of word alignment share."""

from __future__ import annotations

from typing import Literal

Align = Literal["input", "output"]
Rule = Literal["sum", "mean", "max", "first"]
Symmetry = Literal["grow_diag", "intersection", "union", "grow_diag_final", "grow_diag_final_and"]
Method = Literal[
    "argmax",
    "argmax_source",
    "threshold",
    "intersection",
    "union",
    "grow_diag",
    "grow_diag_final",
    "grow_diag_final_and",
]
Format = Literal["talp", "pharaoh"]
Order = Literal["source-target", "target-source"]

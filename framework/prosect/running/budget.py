"""How many tokens go into one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import torch

from prosect.running.work import StreamWork

# Bytes that the terms of a batch may take. On a CPU more than the caches hold gains nothing; on a GPU
# batches must be large enough to keep it busy.
TERM_BYTES: Final = {"cpu": 64 * 2**20, "cuda": 2 * 2**30}
LEAST: Final = 256
MOST: Final = {"cpu": 4096, "cuda": 65536}


def _labels(work: StreamWork) -> int:
    """Vectors held per token: terms of single blocks stay factored, others have one for every label."""
    carried = work.sources and work.rules is not None and work.rules.span == "stack"
    return len(work.labels) + work.width if carried else len(work.labels)


def batch_tokens(
    wanted: int | Literal["auto"], works: Sequence[StreamWork], hidden: int, device: torch.device, dtype: torch.dtype
) -> int:
    """Token budget of a batch, padding included.

    ``auto`` lets the terms of a batch take a fixed number of bytes (64 MiB on a CPU, 2 GiB on a GPU), within
    256 to 4096 (65536) tokens. It depends on the kind of device and the analysis alone, so it can be repeated.
    """
    if wanted != "auto":
        return wanted
    labels = max(_labels(work) for work in works)
    fit = TERM_BYTES[device.type] // (labels * hidden * dtype.itemsize)
    return max(LEAST, min(MOST[device.type], fit))

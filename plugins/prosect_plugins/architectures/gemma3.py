"""Gemma 3 (its text model): Gemma 2's blocks; queries and keys are normed, most blocks look a window back."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import gemma2

EXAMPLE: Final = {**gemma2.EXAMPLE, "model_type": "gemma3_text", "sliding_window_pattern": 2}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe the text decoder of Gemma 3 from its ``config.json``."""
    return gemma2.sandwiched("gemma3", config)

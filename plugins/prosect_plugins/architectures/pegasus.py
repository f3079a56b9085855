"""Pegasus: BART's blocks in pre-norm order with sinusoid positions and final norms."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import bart

EXAMPLE: Final = {
    **bart.EXAMPLE,
    "model_type": "pegasus",
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "forced_eos_token_id": 1,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Pegasus encoder-decoder from its ``config.json``."""
    return bart.encoder_decoder("pegasus", config, order="pre", embedding_norm=False)

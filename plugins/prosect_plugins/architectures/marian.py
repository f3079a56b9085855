"""Marian: BART's blocks with sinusoid positions; neither an embedding norm nor a final norm."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import bart

EXAMPLE: Final = {
    **bart.EXAMPLE,
    "model_type": "marian",
    "pad_token_id": 59,
    "decoder_start_token_id": 59,
    "eos_token_id": 0,
    "bos_token_id": None,
    "forced_eos_token_id": 0,
    "activation_function": "swish",
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Marian encoder-decoder from its ``config.json``."""
    return bart.encoder_decoder("marian", config, order="post", embedding_norm=False)

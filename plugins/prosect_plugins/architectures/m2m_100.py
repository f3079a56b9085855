"""M2M100 and NLLB: BART's blocks in pre-norm order with sinusoid positions and final norms."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import bart

EXAMPLE: Final = {**bart.EXAMPLE, "model_type": "m2m_100", "activation_function": "relu"}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an M2M100 encoder-decoder from its ``config.json``."""
    return bart.encoder_decoder("m2m_100", config, order="pre", embedding_norm=False)

"""mBART: BART's blocks in pre-norm order, with norms over the embeddings and behind the last blocks."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import bart

EXAMPLE: Final = {**bart.EXAMPLE, "model_type": "mbart"}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an mBART encoder-decoder from its ``config.json``."""
    return bart.encoder_decoder("mbart", config, order="pre", embedding_norm=True)

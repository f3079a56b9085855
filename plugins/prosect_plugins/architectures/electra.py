"""ELECTRA: BERT's blocks; embeddings of another width are projected to that of the stream after their norm."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, Projection
from prosect_plugins.architectures import bert

EXAMPLE: Final = {**bert.EXAMPLE, "model_type": "electra", "embedding_size": 16}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an ELECTRA encoder (a discriminator or a generator) from its ``config.json``."""
    projected = config["embedding_size"] != config["hidden_size"]
    projection = Projection(path="embeddings_project") if projected else None
    return Architecture(family="electra", streams=(bert.encoder(config, projection),))

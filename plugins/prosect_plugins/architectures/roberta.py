"""RoBERTa, XLM-RoBERTa and CamemBERT: BERT's blocks; positions start behind the padding token's id."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import bert

EXAMPLE: Final = {**bert.EXAMPLE, "model_type": "roberta", "type_vocab_size": 1, "pad_token_id": 1}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a RoBERTa encoder from its ``config.json``."""
    return Architecture(family="roberta", streams=(bert.encoder(config),))

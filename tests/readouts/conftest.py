"""Small models with heads, run from specs."""

from __future__ import annotations

from typing import Any

import pytest

import prosect
from support.heads import Headed, token_rows
from support.models import minilm_folder


@pytest.fixture(scope="session")
def wordpieces():
    """Tokenizer of MiniLM, which has a mask token."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(minilm_folder())


@pytest.fixture(scope="session")
def masked_model():
    """A small BERT with its masked-language head and the vocabulary of that tokenizer."""
    return Headed("bert", "masked", {"vocab_size": 30522, "pad_token_id": 0}).model()


@pytest.fixture
def carry_out(tmp_path):
    """Run one analysis of a model in memory."""

    def run(module: Any, tokenizer: Any, corpus: dict[str, Any], **analysis: Any) -> Any:
        spec = {
            "prosect": 1,
            "models": {"m": {}},
            "corpora": {"c": corpus},
            "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", **analysis}},
            "compute": {"unit_tokens": 16, "batch_tokens": 24, "device": "cpu"},
        }
        return prosect.run(spec, tmp_path / "out.zarr", models={"m": (module, tokenizer)}, quiet=True)["m/a"]

    return run


@pytest.fixture
def rows():
    """Sentences of token ids for a model with 60 of them."""
    return lambda model: token_rows(model, (6, 3, 9, 1, 4))

"""Exact token counts for ``prosect plan --tokenise``. Imports transformers."""

from __future__ import annotations

from collections.abc import Mapping

from prosect.model.limits import limits_of
from prosect.model.load import load_tokenizer
from prosect.model.tokenise import count
from prosect.planning.model import PlannedCorpus, PlannedModel
from prosect.planning.shapes import is_encoder_decoder
from prosect.plugins.registry import implementation


def count_tokens(model: PlannedModel, corpus: PlannedCorpus) -> Mapping[str, int]:
    """Count the tokens that each stream of a model is fed with; streams whose input is generated are left out."""
    sentences = implementation(corpus.reader.declaration)(corpus.reader.options, corpus.folder)
    tokenizer = load_tokenizer(model)
    found = count(sentences, tokenizer, corpus.common, limits_of(model.config or {}, tokenizer))
    if not is_encoder_decoder(model):
        return {"main": found.source}
    return {"encoder": found.source} if found.target is None else {"encoder": found.source, "decoder": found.target}

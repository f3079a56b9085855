"""Exact token counts for ``prosect plan --tokenise``. Imports transformers."""

from __future__ import annotations

from collections.abc import Mapping

from prosect.model.limits import limits_of
from prosect.model.load import load_tokenizer
from prosect.model.tokenise import count
from prosect.planning.model import PlannedCorpus, PlannedModel
from prosect.planning.shapes import is_encoder_decoder
from prosect.plugins.registry import implementation
from prosect.running.inputs import naming


def count_tokens(model: PlannedModel, corpus: PlannedCorpus) -> Mapping[str, int] | None:
    """Count the tokens that each stream of a model is fed with; streams whose input is generated are left out.

    None where the model is not at hand, since nothing is fetched for a plan.
    """
    if model.config is None:
        return None
    tokenizer = load_tokenizer(model)
    with naming(model.name, corpus.name):
        sentences = implementation(corpus.reader.declaration)(corpus.reader.options, corpus.folder)
        found = count(sentences, tokenizer, corpus.common, limits_of(model.config, tokenizer))
    if not is_encoder_decoder(model):
        return {"main": found.source}
    return {"encoder": found.source} if found.target is None else {"encoder": found.source, "decoder": found.target}

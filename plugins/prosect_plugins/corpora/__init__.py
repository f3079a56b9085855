"""Declarations of our own kinds of corpus."""

from __future__ import annotations

from prosect.api import CorpusDeclaration, hookimpl
from prosect_plugins.corpora.options import (
    ConllOptions,
    DatasetOptions,
    InlineOptions,
    JsonlOptions,
    ParallelOptions,
    TextOptions,
    TokenIdsOptions,
)


@hookimpl
def prosect_corpora() -> list[CorpusDeclaration]:
    """Kinds of corpus: in the spec, in text files, on the Hugging Face hub."""
    return [
        CorpusDeclaration(
            name="text",
            summary="Running text, one sentence per line or per paragraph.",
            implementation="prosect_plugins.corpora.text:read",
            options=TextOptions,
        ),
        CorpusDeclaration(
            name="inline",
            summary="Sentences that stand in the spec itself, as text or as token ids.",
            implementation="prosect_plugins.corpora.inline:read",
            options=InlineOptions,
            paths=(),
            targets=True,
        ),
        CorpusDeclaration(
            name="jsonl",
            summary="JSON objects, one per line, with text or words and annotations.",
            implementation="prosect_plugins.corpora.jsonl:read",
            options=JsonlOptions,
        ),
        CorpusDeclaration(
            name="token_ids",
            summary="Token ids in JSON objects, one per line, fed to the model as they are.",
            implementation="prosect_plugins.corpora.token_ids:read",
            options=TokenIdsOptions,
            tokenizer=False,
            targets=True,
        ),
        CorpusDeclaration(
            name="parallel",
            summary="A source text and its translations, line by line in separate files.",
            implementation="prosect_plugins.corpora.parallel:read",
            options=ParallelOptions,
            paths=("source", "target", "references"),
            targets=True,
        ),
        CorpusDeclaration(
            name="conll",
            summary="One word per line with annotations in columns, as in the CoNLL tasks and Universal Dependencies.",
            implementation="prosect_plugins.corpora.conll:read",
            options=ConllOptions,
            references=("https://universaldependencies.org/format.html",),
        ),
        CorpusDeclaration(
            name="dataset",
            summary="A dataset of the Hugging Face hub, or a folder of data files.",
            implementation="prosect_plugins.corpora.dataset:read",
            options=DatasetOptions,
            paths=(),
        ),
    ]

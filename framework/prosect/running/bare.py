"""The streams of a model that no plugin describes, for `decomposition: none`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from prosect.errors import ModelError
from prosect.model.forward import Feed, forward
from prosect.model.limits import limits_of
from prosect.model.load import LoadedModel
from prosect.plugins.loading import Failure, guarded
from prosect.running.work import numpy_name
from prosect.terms.closure import TOLERANCE
from prosect.vocab.architecture import Block, Stream, StreamName

#: Tokens of the forward pass that shows what a model has, and padding beside them in a second one. Families that pool
#: their tokens do so with fewer.
PROBE: Final = 8
PADDING: Final = 3
#: Padding moves a state by rounding only: by so many times the tolerance of closure, at the most.
_ROUNDING: Final = 100.0

States = Sequence[Tensor]


@dataclass(frozen=True)
class Bare:
    """What a forward pass shows of a model.

    Attributes
    ----------
    streams
        Depth and width of its streams.
    alone
        Padding beside a sentence changes its hidden states (the family takes no mask, or leaks), so every sentence
        is to be fed by itself.
    """

    streams: tuple[Stream, ...]
    alone: bool


def bare_streams(model: LoadedModel) -> Bare:
    """Run a model over a few tokens, without and with padding beside them.

    Raises
    ------
    ModelError
        The model takes something else than tokens, or its hidden states belong to something else.
    """
    plain, padded = _probed(model, 0), _probed(model, PADDING)
    streams = tuple(
        Stream(name=name, hidden=states[0].shape[-1], blocks=(Block(path="", stages=()),) * (len(states) - 1))
        for name, states in plain.items()
    )
    limit = min(0.1, _ROUNDING * TOLERANCE[numpy_name(model.dtype)])
    gaps = (_gap(state, padded[name][layer]) for name, states in plain.items() for layer, state in enumerate(states))
    return Bare(streams, alone=not all(gap <= limit for gap in gaps))


def _probed(model: LoadedModel, padding: int) -> Mapping[StreamName, States]:
    limits = limits_of(model.config, model.tokenizer)
    numbers = torch.arange(PROBE, device=model.device) % max(1, (limits.vocab_size or 2) - 1) + 1
    ids = torch.nn.functional.pad(numbers[None], (0, padding), value=limits.pad_id)
    mask = torch.nn.functional.pad(torch.ones_like(numbers)[None], (0, padding))
    target = {"decoder_input_ids": ids, "decoder_attention_mask": mask} if model.is_encoder_decoder else {}
    feed = Feed({"input_ids": ids, "attention_mask": mask}, target)
    family = type(model.module).__name__
    # Any model of transformers may stand here, and every family has its own words for what it misses.
    result = guarded(lambda: forward(model, feed, hidden_states=True))
    if isinstance(result, Failure):
        raise ModelError(f"{family} does not run on token ids alone: {result}")
    output: Any = result.value
    wanted: dict[StreamName, str] = {"main": "hidden_states"}
    if model.is_encoder_decoder:
        wanted = {"encoder": "encoder_hidden_states", "decoder": "decoder_hidden_states"}
    found: dict[StreamName, States] = {name: getattr(output, key, None) or () for name, key in wanted.items()}
    for states in found.values():
        if not states or any(state.shape[:-1] != (1, PROBE + padding) for state in states):
            raise ModelError(f"{family} has no hidden state for every token at every layer: it pools them, or has none")
    return found


def _gap(state: Tensor, padded: Tensor) -> float:
    """Largest ||a - b|| / ||a|| of the tokens that both have."""
    size = torch.linalg.vector_norm(state, dim=-1).clamp(min=torch.finfo(state.dtype).tiny)
    return float((torch.linalg.vector_norm(padded[:, :PROBE] - state, dim=-1) / size).max())

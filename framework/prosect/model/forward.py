"""Forward passes: what a model is fed with, and which part of it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prosect.model.load import LoadedModel, calm_transformers
from prosect.model.tokens import Batch


@dataclass(frozen=True)
class Feed:
    """Keyword arguments of a forward pass, on the model's device.

    Attributes
    ----------
    source
        Arguments of the only stream, or of the encoder.
    target
        Arguments of the decoder; empty where it does not run.
    """

    source: dict[str, Tensor]
    target: dict[str, Tensor]


def feed(model: LoadedModel, batch: Batch, target: Batch | None = None) -> Feed:
    """Put batches on the device; padding is on the right, and masks say where it is."""

    def tensor(array: Any) -> Tensor:  # noqa: ANN401 - any integer array
        return torch.from_numpy(array).to(model.device, torch.long)

    source = {"input_ids": tensor(batch.ids), "attention_mask": tensor(batch.mask)}
    if batch.type_ids is not None:
        source["token_type_ids"] = tensor(batch.type_ids)
    if target is None:
        return Feed(source, {})
    return Feed(source, {"decoder_input_ids": tensor(target.ids), "decoder_attention_mask": tensor(target.mask)})


def forward(model: LoadedModel, feed: Feed, *, hidden_states: bool = False) -> Any:  # noqa: ANN401 - transformers' output classes
    """Run the headless model; of an encoder-decoder only the encoder where nothing is fed to the decoder."""
    with torch.no_grad():
        if model.is_encoder_decoder and not feed.target:
            encoder: Any = model.base.get_submodule("encoder")
            return encoder(**feed.source, output_hidden_states=hidden_states)
        # A cache of keys and values costs memory and serves generation only.
        return model.base(**feed.source, **feed.target, output_hidden_states=hidden_states, use_cache=False)


@contextlib.contextmanager
def eager_attention(model: LoadedModel, *, wanted: bool = True) -> Iterator[None]:
    """Switch to the attention function that returns its weights, for the length of a ``with`` block."""
    before = getattr(getattr(model.base, "config", None), "_attn_implementation", None)
    if not wanted or before in (None, "eager"):
        yield
        return
    own = [(config, config._attn_implementation) for config in _configs(model.base)]
    _set_attention(model.base, "eager")
    for config, _ in own:
        _say(config, "eager")
    try:
        yield
    finally:
        _set_attention(model.base, str(before))
        for config, name in own:
            _say(config, name)


def _set_attention(module: nn.Module, name: str) -> None:
    setter = getattr(module, "set_attn_implementation", None)
    if callable(setter):
        with calm_transformers():
            setter(name)


def _say(config: Any, name: str) -> None:  # noqa: ANN401 - transformers' configurations are untyped
    # Falcon reads its configuration at every call, but is not on the list of families that can be switched; the two
    # stacks of T5 have copies of their own, which older releases of transformers do not switch.
    if config._attn_implementation != name:
        config._attn_implementation = name


def _configs(module: nn.Module) -> list[Any]:
    """All configurations that a model and its parts read, each once."""
    found = {id(config): config for part in module.modules() if (config := getattr(part, "config", None)) is not None}
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]

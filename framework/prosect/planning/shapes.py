"""Depth and width of a model's streams, from its description or straight from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from prosect.planning.model import PlannedModel
from prosect.vocab.architecture import Attention, Stream

_LAYERS: Final = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_DECODER: Final = ("decoder_layers", "num_decoder_layers")
_HIDDEN: Final = ("hidden_size", "d_model", "n_embd", "dim")
_HEADS: Final = ("num_attention_heads", "n_head", "n_heads", "num_heads")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Size of one stream.

    Attributes
    ----------
    name
        ``main``, ``encoder`` or ``decoder``.
    layers
        Number of blocks L.
    hidden, heads
        Width of the residual stream and number of attention heads; None where the configuration does not say.
    """

    name: str
    layers: int
    hidden: int | None = None
    heads: int | None = None


def shapes(model: PlannedModel) -> tuple[Shape, ...] | None:
    """Shapes of a model's streams in order; None where they are unknown until it is loaded."""
    if model.architecture is not None:
        return tuple(_of_stream(stream) for stream in model.architecture.streams)
    return None if model.config is None else _of_config(model.config)


def is_encoder_decoder(model: PlannedModel) -> bool:
    """Tell whether a model has two streams, as far as that is known."""
    return model.config is not None and _has_decoder(model.config)


def _has_decoder(config: Mapping[str, Any]) -> bool:
    """Tell by what the configuration says, or, where it leaves that to its class, by a decoder's depth."""
    said = config.get("is_encoder_decoder")
    return any(key in config for key in _DECODER) if said is None else bool(said)


def _of_stream(stream: Stream) -> Shape:
    sublayers = (branch.sublayer for block in stream.blocks for stage in block.stages for branch in stage.branches)
    heads = next((sublayer.heads for sublayer in sublayers if isinstance(sublayer, Attention)), None)
    return Shape(name=stream.name, layers=stream.layers, hidden=stream.hidden, heads=heads)


def _of_config(config: Mapping[str, Any]) -> tuple[Shape, ...] | None:
    if not _has_decoder(config):
        found = [_shape("main", config, _LAYERS, _HEADS)]
    else:
        encoder = _shape("encoder", config, ("encoder_layers", *_LAYERS), ("encoder_attention_heads", *_HEADS))
        layers = ("decoder_layers", "num_decoder_layers", *_LAYERS)
        found = [encoder, _shape("decoder", config, layers, ("decoder_attention_heads", *_HEADS))]
    known = tuple(shape for shape in found if shape is not None)
    return known if len(known) == len(found) else None


def _shape(name: str, config: Mapping[str, Any], layers: tuple[str, ...], heads: tuple[str, ...]) -> Shape | None:
    depth = _first(config, layers)
    return (
        None
        if depth is None
        else Shape(name=name, layers=depth, hidden=_first(config, _HIDDEN), heads=_first(config, heads))
    )


def _first(config: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((config[key] for key in keys if isinstance(config.get(key), int)), None)

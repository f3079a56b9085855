"""Descriptions made wrong on purpose: a test that passes with them would be worth nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from torch import Tensor, nn

from prosect.errors import SelfTestError
from prosect.model.load import LoadedModel
from prosect.terms.selftest import self_test
from prosect.vocab.architecture import Architecture, Attention, Experts, FeedForward, Norm, Projection, Stream

# Large enough to be seen in any norm, whatever the family's own epsilon.
WRONG_EPSILON: Final = 0.5


def refusal(model: LoadedModel, architecture: Architecture) -> str | None:
    """Return what the self-test says against a description of a model; None where it passes."""
    try:
        self_test(model, architecture)
    except SelfTestError as error:
        return str(error)
    return None


def with_wrong_norms(architecture: Architecture) -> Architecture:
    """Return a description with another epsilon in every norm."""
    wrong: Architecture = changed(architecture, _wrong_norm)
    return wrong


def with_wrong_activations(architecture: Architecture) -> Architecture:
    """Return a description with another activation in every feed-forward block."""
    wrong: Architecture = changed(architecture, _wrong_activation)
    return wrong


def with_wrong_values(architecture: Architecture, base: nn.Module) -> Architecture:
    """Return a description that takes queries or keys for values, or whatever stands beside them.

    Parameters
    ----------
    architecture
        The right description.
    base
        The headless model that it describes.
    """
    wrong = [_with_wrong_values(stream, base.get_submodule(stream.blocks[0].path)) for stream in architecture.streams]
    return replace(architecture, streams=tuple(wrong))


def _with_wrong_values(stream: Stream, block: nn.Module) -> Stream:
    def wrong_value(part: Any) -> Any:  # noqa: ANN401 - any part of a description
        return replace(part, value=_neighbour(part.value, block)) if isinstance(part, Attention) else part

    wrong: Stream = changed(stream, wrong_value)
    return wrong


def _wrong_norm(part: Any) -> Any:  # noqa: ANN401 - any part of a description
    return replace(part, eps=part.eps + WRONG_EPSILON) if isinstance(part, Norm) else part


def _wrong_activation(part: Any) -> Any:  # noqa: ANN401 - any part of a description
    if not isinstance(part, FeedForward | Experts):
        return part
    return replace(part, activation="relu" if part.activation == "tanh" else "tanh")


def _neighbour(value: Projection, block: nn.Module) -> Projection:
    """Return what lies before a packed projection, or a module of the same shape beside an unpacked one."""
    if value.rows is not None:
        start, stop = value.rows
        return replace(value, rows=(2 * start - stop, start))
    if value.interleave is not None:
        group, start, stop = value.interleave
        return replace(value, interleave=(group, 2 * start - stop, start))
    parent, _, name = value.path.rpartition(".")
    siblings = block.get_submodule(parent).named_children()
    shape = _shape(block.get_submodule(value.path))
    found = next(other for other, module in siblings if other != name and _shape(module) == shape)
    return replace(value, path=f"{parent}.{found}")


def _shape(module: nn.Module) -> tuple[int, ...] | None:
    weight = getattr(module, "weight", None)
    return tuple(weight.shape) if isinstance(weight, Tensor) else None


def changed(part: Any, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - any part of a description
    """Apply a change to every part of a description."""
    if isinstance(part, tuple):
        return tuple(changed(item, change) for item in part)
    if not is_dataclass(part) or isinstance(part, type):
        return part
    inner = {item.name: changed(getattr(part, item.name), change) for item in fields(part) if item.init}
    return change(replace(part, **inner))

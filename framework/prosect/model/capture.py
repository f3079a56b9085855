"""Capture of one block at a time, in step with the forward pass of an unchanged Hugging Face module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from prosect.errors import SelfTestError
from prosect.model.weights import submodule
from prosect.vocab.architecture import Block, Experts, FeedForward, Stream

ASK_FOR_WEIGHTS: Final = "output_attentions"
MASKS: Final = ("attention_mask", "mask")


@dataclass
class BlockCapture:
    """What one block saw and produced, keyed by module paths relative to the block.

    Attributes
    ----------
    number
        Block number from 1.
    inputs, outputs
        First tensor argument and first tensor result of each module that was asked for; the block
        itself has the empty path. Shapes (batch, position, width).
    attention
        Attention weights (batch, head, position, source) by path of the attention module, where asked for.
    routing
        Weights of all experts (batch, position, expert) by path of the router, 0 for those that were not chosen.
    """

    number: int
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    attention: dict[str, Tensor] = field(default_factory=dict)
    routing: dict[str, Tensor] = field(default_factory=dict)

    def unfolded(self, tensor: Tensor) -> Tensor:
        """Undo the flattening of (batch, position) that some blocks do before a module."""
        return tensor if tensor.dim() > 2 else tensor.reshape(*self.inputs[""].shape[:2], -1)  # noqa: PLR2004 - token, width


class Listener(Protocol):
    """Consumes captured tensors while the forward pass goes on; they are freed when it returns."""

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Take the embeddings before their norm (None without one) and the state the first block reads."""
        ...

    def block(self, capture: BlockCapture) -> None:
        """Take one finished block."""
        ...

    def finished(self, normed: Tensor | None) -> None:
        """Take the output of the final norm (None without one)."""
        ...

    def projected(self, output: Tensor) -> None:
        """Take the output of the final projection; called only where there is one."""
        ...


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is captured beyond the outputs of sub-layers and the inputs of norms.

    Attributes
    ----------
    contexts
        The input of each output projection: the heads' mixed values.
    attention
        Attention weights; the model must run with an attention function that returns them (eager).
    sublayers
        Inputs of the value projections and of the first maps of feed-forward blocks.
    """

    contexts: bool = False
    attention: bool = False
    sublayers: bool = False

    def __or__(self, other: Needs) -> Needs:
        """Unite the needs of two analyses that share a forward pass."""
        return Needs(
            contexts=self.contexts or other.contexts,
            attention=self.attention or other.attention,
            sublayers=self.sublayers or other.sublayers,
        )


def first_tensor(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Return the hidden states among a module's arguments: the first positional tensor, or the keyword."""
    if args and isinstance(args[0], Tensor):
        return args[0]
    state = kwargs["hidden_states"]
    if not isinstance(state, Tensor):
        raise TypeError("a module was called without hidden states")
    return state


def attention_call(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, ask: bool
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Change the arguments of a call to an attention module.

    With ``ask`` it is asked for its weights, where it returns them only when asked. A mask in float64 is cut
    off at the lowest number of float32, in which many families compute the softmax: rows that see padding only
    (of padded queries, behind a window) would else become NaN there, and spread to other tokens as 0 * NaN.
    """
    form = signature(module.forward)
    call = form.bind(*args, **kwargs)
    if ask and ASK_FOR_WEIGHTS in form.parameters:
        call.arguments[ASK_FOR_WEIGHTS] = True
    for name in MASKS:
        mask = call.arguments.get(name)
        if isinstance(mask, Tensor) and mask.dtype == torch.float64:
            call.arguments[name] = mask.clamp(min=torch.finfo(torch.float32).min)
    return call.args, call.kwargs


def routing_weights(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Spread a router's result (logits, weights of the chosen experts, their numbers) over all experts."""
    logits, weights, numbers = output
    return torch.zeros_like(logits, dtype=weights.dtype).scatter(-1, numbers, weights)


def result_tensor(output: Any) -> Tensor:  # noqa: ANN401 - a module returns a tensor or a tuple that starts with one
    """Return the hidden states among a module's results."""
    result = output[0] if isinstance(output, tuple) else output
    if not isinstance(result, Tensor):
        raise TypeError("a module returned no tensor first")
    return result


class StreamTap:
    """Hooks on one stream of a model that feed a listener.

    Modules that several blocks share are told apart by the order of their calls.

    Parameters
    ----------
    model
        The headless model.
    stream
        Description of the stream.
    needs
        What to capture beyond the default.
    listener
        Who consumes it.
    """

    def __init__(self, model: nn.Module, stream: Stream, needs: Needs, listener: Listener) -> None:
        self._model, self._stream, self._needs, self._listener = model, stream, needs, listener
        self._current: BlockCapture | None = None
        self._raw: Tensor | None = None
        self._started = 0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Attach the hooks for the length of a ``with`` block; they are removed whatever happens."""
        with ExitStack() as stack:
            self._attach(stack)
            self._current, self._raw, self._started = None, None, 0
            yield

    def _attach(self, stack: ExitStack) -> None:
        norm, final, projection = self._stream.embedding_norm, self._stream.final_norm, self._stream.final_projection
        if norm is not None:
            handle = submodule(self._model, norm.path).register_forward_pre_hook(
                self._on_embedding_norm, with_kwargs=True
            )
            stack.callback(handle.remove)
        done: set[int] = set()
        for block in self._stream.blocks:
            module = submodule(self._model, block.path)
            if id(module) not in done:
                done.add(id(module))
                self._attach_block(stack, module, block)
        if final is not None:
            stack.callback(submodule(self._model, final.path).register_forward_hook(self._on_final_norm).remove)
        if projection is not None:
            stack.callback(submodule(self._model, projection.path).register_forward_hook(self._on_projection).remove)

    def _attach_block(self, stack: ExitStack, module: nn.Module, block: Block) -> None:
        stack.callback(module.register_forward_pre_hook(self._on_block_start, with_kwargs=True).remove)
        for path in sorted(wanted_inputs(block, self._needs)):
            hook = self._input_hook(path)
            stack.callback(submodule(module, path).register_forward_pre_hook(hook, with_kwargs=True).remove)
        copied = {s.writes for s in block.sublayers if isinstance(s, FeedForward) and s.overwritten}
        for path in sorted(wanted_outputs(block)):
            hook = self._output_hook(path, copy=path in copied)
            stack.callback(submodule(module, path).register_forward_hook(hook).remove)
        for path in sorted({s.router for s in block.sublayers if isinstance(s, Experts)}):
            stack.callback(submodule(module, path).register_forward_hook(self._routing_hook(path)).remove)
        for path in sorted({attention.path for attention in block.attentions}):
            self._attach_attention(stack, submodule(module, path), path)
        stack.callback(module.register_forward_hook(self._on_block_end).remove)

    def _attach_attention(self, stack: ExitStack, module: nn.Module, path: str) -> None:
        call = partial(attention_call, ask=self._needs.attention)
        stack.callback(module.register_forward_pre_hook(call, with_kwargs=True).remove)
        if self._needs.attention:
            stack.callback(module.register_forward_hook(self._attention_hook(path)).remove)

    def _on_embedding_norm(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._raw = first_tensor(args, kwargs)

    def _on_block_start(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        state = first_tensor(args, kwargs)
        if self._started == 0:
            self._listener.embedded(self._raw, state)
            self._raw = None
        self._started += 1
        self._current = BlockCapture(self._started, inputs={"": state})

    def _input_hook(self, path: str) -> Any:  # noqa: ANN401 - torch's own type of a hook with keywords is private
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self._current is not None:
                self._current.inputs[path] = self._current.unfolded(first_tensor(args, kwargs))

        return hook

    def _output_hook(self, path: str, *, copy: bool) -> Any:  # noqa: ANN401 - see above
        def hook(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module's result
            if self._current is not None:
                result = self._current.unfolded(result_tensor(output))
                self._current.outputs[path] = result.clone() if copy else result

        return hook

    def _routing_hook(self, path: str) -> Any:  # noqa: ANN401 - see above
        def hook(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module's result
            if self._current is not None:
                self._current.routing[path] = self._current.unfolded(routing_weights(output))

        return hook

    def _attention_hook(self, path: str) -> Any:  # noqa: ANN401 - see above
        def hook(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module's result
            if self._current is None:
                return
            weights = output[-1] if isinstance(output, tuple) else None
            if not isinstance(weights, Tensor):
                raise SelfTestError(f"the attention module {path!r} returns no attention weights last")
            self._current.attention[path] = weights

        return hook

    def _on_block_end(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - see above
        capture, self._current = self._current, None
        if capture is None:
            return
        capture.outputs[""] = result_tensor(output)
        self._listener.block(capture)
        if capture.number == self._stream.layers and self._stream.final_norm is None:
            self._listener.finished(None)

    def _on_final_norm(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - see above
        self._listener.finished(result_tensor(output))

    def _on_projection(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - see above
        self._listener.projected(result_tensor(output))


def wanted_inputs(block: Block, needs: Needs) -> set[str]:
    """Paths of the modules whose input is captured: norms, and output projections where contexts are needed."""
    paths = {norm.path for norm in block.norms}
    if needs.contexts:
        paths |= {attention.output.path for attention in block.attentions}
    if needs.sublayers:
        paths |= {sublayer.reads for sublayer in block.sublayers}
    return paths


def wanted_outputs(block: Block) -> set[str]:
    """Paths of the modules whose output is captured: every sub-layer's last map, and every norm."""
    return {sublayer.writes for sublayer in block.sublayers} | {norm.path for norm in block.norms}

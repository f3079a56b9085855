"""A head as a chain of steps, heard while the head runs: affine maps, activations, norms, shifts and scales.

Nothing of a head is described or written again. A call of the head on some states is watched, every operation on what
has become of the states is noted down, and the chain must then give the head's own logits for other states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from prosect.errors import ModelError
from prosect.model.standin import HeadCall
from prosect.model.weights import Affine, NormWeights
from prosect.vocab.architecture import Norm

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Elementwise:
    """An activation g, number by number."""

    function: Function


@dataclass(frozen=True)
class Shift:
    """Adds a vector to what the last map gives, such as ``final_logits_bias``."""

    bias: Tensor


@dataclass(frozen=True)
class Scale:
    """Multiplies by a number."""

    factor: float


Step = Affine | Elementwise | NormWeights | Shift | Scale

# What hands a tensor on as it is, in evaluation mode: views, choices of tokens, casts.
PASSING: Final = frozenset(
    ("__getitem__", "view", "reshape", "unsqueeze", "squeeze", "flatten", "expand", "contiguous", "clone", "detach")
) | frozenset(("dropout", "feature_dropout", "to", "float", "double", "type_as", "split", "cat"))
ELEMENTWISE: Final[Mapping[str, Callable[..., Tensor]]] = {
    "gelu": torch.nn.functional.gelu,
    "relu": torch.relu,
    "silu": torch.nn.functional.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
SCALES: Final[Mapping[str, Callable[[float], float]]] = {
    "mul": float,
    "mul_": float,
    "__mul__": float,
    "__rmul__": float,
    "multiply": float,
    "div": lambda x: 1 / x,
    "div_": lambda x: 1 / x,
    "__truediv__": lambda x: 1 / x,
    "true_divide": lambda x: 1 / x,
}
SHIFTS: Final = frozenset(("add", "add_", "__add__", "__radd__", "__iadd__"))
# Only asks for properties.
ASKING: Final = frozenset(
    ("__get__", "size", "dim", "numel", "is_floating_point", "__len__", "stride", "item", "tolist")
)


@dataclass
class _Chain(TorchFunctionMode):
    """Notes down what is done to one tensor, and refuses what is no chain."""

    at: Tensor
    steps: list[Step] = field(default_factory=list)
    fault: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._seen: dict[int, Tensor] = {}
        self._module: nn.Module | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - any function of torch
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", str(func))
        if self._module is None and name not in ASKING:
            # A batch of one sentence is cut into its one part, and put together again.
            args = tuple(_alone(arg) for arg in args)
            whole = _alone(result)
            if isinstance(whole, Tensor):
                self._note(name, args, kwargs or {}, whole)
        return result

    def entered(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Start of an activation module: what it does inside is its own business."""
        if self._module is None and _is_activation(module) and any(arg is self.at for arg in args):
            self._module = module

    def left(self, module: nn.Module, _args: object, output: Any) -> None:  # noqa: ANN401 - any module's result
        """End of an activation module."""
        if module is self._module:
            self._module = None
            self._pass(output, Elementwise(module))

    def _note(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Tensor) -> None:
        tensors = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, Tensor)]
        if any(id(tensor) in self._seen and tensor is not self.at for tensor in tensors):
            self.fault = self.fault or f"{name!r} reads a state that was read before"
        if not any(tensor is self.at for tensor in tensors):
            return
        step = _step(name, args, kwargs, self.at)
        if step is None and name not in PASSING:
            self.fault = self.fault or f"there is no rule for {name!r}"
        self._pass(result, step)

    def _pass(self, result: Tensor, step: Step | None) -> None:
        self._seen[id(self.at)] = self.at
        self.at = result
        if step is not None:
            self.steps.append(step)


def trace(call: HeadCall, states: Float[Tensor, "token hidden"]) -> tuple[Step, ...]:
    """Hear what a head does to a state.

    Raises
    ------
    ModelError
        The head is no chain of steps that can be made linear.
    """
    one = states[:1]
    with _watched(call, one) as chain:
        logits = call(one)
    if chain.fault or not torch.equal(chain.at.flatten(), logits.flatten()):
        reason = chain.fault or "what it returns is no step of the chain"
        raise ModelError(f"terms cannot be carried through the head of {type(call.shell).__name__}: {reason}")
    return tuple(chain.steps)


def chained(steps: tuple[Step, ...], states: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token output"]:
    """Take all steps of a chain."""
    for step in steps:
        states = applied(step, states)
    return states


def applied(step: Step, states: Tensor) -> Tensor:
    """Take one step."""
    if isinstance(step, Affine):
        return step(states)
    if isinstance(step, Elementwise):
        return step.function(states)
    if isinstance(step, Shift):
        return states + step.bias
    if isinstance(step, Scale):
        return states * step.factor
    centred = states - states.mean(dim=-1, keepdim=True)
    normed = centred * torch.rsqrt(centred.square().mean(dim=-1, keepdim=True) + step.shape.eps) * step.gain
    return normed if step.bias is None else normed + step.bias


@contextmanager
def _watched(call: HeadCall, states: Tensor) -> Iterator[_Chain]:
    """Watch from the stand-in on, which the states come out of."""
    chain = _Chain(states)
    with ExitStack() as stack:
        for handle in (
            hooks.register_module_forward_pre_hook(chain.entered),
            hooks.register_module_forward_hook(chain.left),
        ):
            stack.callback(handle.remove)
        stack.enter_context(chain)
        stack.enter_context(torch.no_grad())
        yield chain


def _alone(value: Any) -> Any:  # noqa: ANN401 - any argument or result of a function of torch
    return value[0] if isinstance(value, tuple | list) and len(value) == 1 else value


def _is_activation(module: nn.Module) -> bool:
    return type(module).__module__ in ("transformers.activations", "torch.nn.modules.activation")


def _step(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], at: Tensor) -> Step | None:
    """Make the step of an operation; None where it hands the tensor on, or where there is no rule for it."""
    given = list(args)
    if name == "linear":
        weight, bias = given[1], (given[2] if len(given) > 2 else kwargs.get("bias"))  # noqa: PLR2004 - x, W, b
        return Affine(weight.detach().T, None if bias is None else bias.detach())
    if name == "layer_norm":
        return _norm(given, kwargs)
    if name in ELEMENTWISE and given[0] is at:
        return Elementwise(partial(_elementwise, name, tuple(given[1:]), dict(kwargs)))
    other = next((arg for arg in given[:2] if arg is not at), None)
    if name in SCALES and isinstance(other, int | float) and given[0] is at:
        return Scale(SCALES[name](other))
    if name in SHIFTS and isinstance(other, Tensor) and other.numel() == at.shape[-1]:
        return Shift(other.detach().reshape(-1))
    return None


def _elementwise(name: str, more: tuple[Any, ...], kwargs: dict[str, Any], x: Tensor) -> Tensor:
    return ELEMENTWISE[name](x, *more, **kwargs)


def _norm(args: list[Any], kwargs: Mapping[str, Any]) -> NormWeights:
    names = ("input", "normalized_shape", "weight", "bias", "eps")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    weight, bias, eps = given.get("weight"), given.get("bias"), given.get("eps", 1e-5)
    gain = torch.ones(()) if weight is None else weight.detach()
    shape = Norm(path="head", kind="layer_norm", eps=eps)
    return NormWeights(shape, gain, None if bias is None else bias.detach())

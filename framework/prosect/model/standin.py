"""A model whose body is replaced by a stand-in that returns given states: what is left of it is the head.

The head runs as the family's own code, with its transforms, biases, caps and scales; nothing of it is described or
written again. Sentences of one token are fed, so that a state is a sentence.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from prosect.errors import ModelError
from prosect.model.load import LoadedModel
from prosect.model.weights import submodule
from prosect.vocab.architecture import Stream

LENGTHS: Final = (7, 3, 5)

Pool = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Body:
    """The part of a module that a stand-in replaces: its path in the module, and itself."""

    path: str
    module: nn.Module


@dataclass(frozen=True)
class TrueLogits:
    """What the module itself says of some sentences, each fed by itself.

    Attributes
    ----------
    body
        The part that runs before the head.
    states, logits
        Last hidden states (token, hidden) and logits, (token, output) or (output,), of every sentence.
    output
        Class of what the body returns.
    pools
        Whether the body returns a pooled state, too.
    """

    body: Body
    states: tuple[Tensor, ...]
    logits: tuple[Tensor, ...]
    output: type[Any]
    pools: bool

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return self.logits[0].shape[-1]

    @property
    def of_sentences(self) -> bool:
        """Whether a sentence has logits, not each of its tokens."""
        return self.logits[0].dim() == 1


class _Given:
    """The forward pass of a stand-in: returns the given states, projected and pooled as the body does it."""

    def __init__(self, output: type[Any], pool: Pool | None, projection: nn.Module | None) -> None:
        self._output, self._pool, self._projection = output, pool, projection
        self.states: Tensor | None = None

    def __call__(self, *_args: object, **_keywords: object) -> Any:  # noqa: ANN401 - transformers' output classes
        states = self.states
        if states is None:
            raise RuntimeError("a head was called without states")
        states = states if self._projection is None else self._projection(states)
        pooled = {} if self._pool is None else {"pooler_output": self._pool(states)}
        return self._output(last_hidden_state=states, **pooled)


@dataclass(frozen=True)
class HeadCall:
    """Calls a module on states that stand in for its body's.

    Attributes
    ----------
    shell
        The module with the stand-in; it shares all weights with the original.
    given
        The stand-in's forward pass.
    keywords
        Makes the arguments of the module for a number of sentences of one token.
    weights
        Weights that are used instead of the module's own: name -> value.
    single
        Sentences go one by one: without a padding id some heads of sentences take no batch.
    """

    shell: nn.Module
    given: _Given
    keywords: Callable[[int], dict[str, Any]]
    weights: Mapping[str, Tensor]
    single: bool

    def __call__(self, states: Float[Tensor, "token hidden"]) -> Float[Tensor, "token output"]:
        """Return the logits of each state."""
        parts = torch.split(states, 1) if self.single else (states,)
        return torch.cat([self._logits(part) for part in parts])

    def using(self, weights: Mapping[str, Tensor]) -> HeadCall:
        """Return a call with some weights replaced."""
        return replace(self, weights={**self.weights, **weights})

    def _logits(self, states: Tensor) -> Tensor:
        self.given.states = states.unsqueeze(1)
        try:
            with torch.no_grad():
                output = functional_call(self.shell, dict(self.weights), (), self.keywords(len(states)))
        finally:
            self.given.states = None
        return logits_of(output).reshape(len(states), -1)


def logits_of(output: Any) -> Tensor:  # noqa: ANN401 - transformers' output classes
    """Return the logits among a module's results; ModelError where there are none."""
    for name in ("logits", "prediction_logits"):
        logits = getattr(output, name, None)
        if isinstance(logits, Tensor):
            return logits
    raise ModelError(f"a model that returns {type(output).__name__} has no logits, so its head cannot be read")


def true_logits(model: LoadedModel, stream: Stream | None) -> TrueLogits:
    """Run the whole module on sentences of several lengths, one at a time.

    Raises
    ------
    ModelError
        The module has no head, or one that such sentences are not enough for.
    """
    ran: dict[str, Any] = {}
    projected: list[Tensor] = []
    with ExitStack() as stack:
        for body in _bodies(model):
            stack.callback(body.module.register_forward_hook(partial(_remember, ran, body.path)).remove)
        if stream is not None and stream.final_projection is not None:
            projection = submodule(model.base, stream.final_projection.path)
            stack.callback(projection.register_forward_pre_hook(lambda _, args: projected.append(args[0])).remove)
        try:
            with torch.no_grad():
                outputs = [model.module(**_sentence(model, length)) for length in LENGTHS]
        except ValueError as error:
            raise ModelError(f"the head of {type(model.module).__name__} cannot be used: {error}") from error
    found = [body for body in _bodies(model) if body.path in ran]
    if not found:
        raise ModelError(f"the head of {type(model.module).__name__} cannot be told from its body")
    output = ran[found[0].path]
    return TrueLogits(
        body=found[0],
        states=tuple(state[0] for state in projected or _last_states(model, outputs)),
        logits=tuple(logits_of(output)[0] for output in outputs),
        output=type(output),
        pools=getattr(output, "pooler_output", None) is not None,
    )


def head_call(model: LoadedModel, true: TrueLogits, stream: Stream | None, dtype: torch.dtype) -> HeadCall:
    """Replace the body; weights of the head are raised to ``dtype`` where the model's is narrower."""
    projection, body = stream.final_projection if stream is not None else None, true.body
    given = _Given(
        true.output,
        _pool(body.module) if true.pools else None,
        None if projection is None else bare_copy(submodule(model.base, projection.path)),
    )
    standin = bare_copy(body.module)
    # An instance's own 'forward' goes before that of its class.
    object.__setattr__(standin, "forward", given)
    shell = _replaced(model.module, body.path.split("."), standin)
    return HeadCall(
        shell=shell,
        given=given,
        keywords=_keywords(model),
        weights={} if model.dtype == dtype else _raised(shell, body, dtype),
        single=true.of_sentences and model.config.get("pad_token_id") is None,
    )


def _bodies(model: LoadedModel) -> tuple[Body, ...]:
    """Find what may stand before the head, the whole headless model first; ModelError where there is no head."""
    name = next((name for name, child in model.module.named_children() if child is model.base), None)
    decoder = getattr(model.base, "decoder", None)
    if name is None and not (isinstance(decoder, nn.Module) and hasattr(model.module, "lm_head")):
        raise ModelError(
            f"{type(model.module).__name__} has no head: it needs 'head: own', and a checkpoint whose config.json "
            "names a class with a head under 'architectures'"
        )
    found = [] if name is None else [Body(name, model.base)]
    if isinstance(decoder, nn.Module):
        # T5 keeps encoder and decoder beside its head, and OPT's head calls the decoder inside the body.
        found.append(Body("decoder" if name is None else f"{name}.decoder", decoder))
    return tuple(found)


def _remember(ran: dict[str, Any], path: str, _module: nn.Module, _args: object, output: Any) -> None:  # noqa: ANN401 - transformers' output classes
    ran[path] = output


def _pool(body: nn.Module) -> Pool:
    """Pool as the body does: by a module of its own, or (ALBERT) by a map and an activation of the first state."""
    pooler, activation = body.get_submodule("pooler"), getattr(body, "pooler_activation", None)
    if not isinstance(pooler, nn.Linear) or not callable(activation):
        return pooler
    return lambda states: activation(pooler(states[:, 0]))


def _last_states(model: LoadedModel, outputs: Sequence[Any]) -> list[Tensor]:
    name = "decoder_hidden_states" if model.is_encoder_decoder else "hidden_states"
    return [getattr(output, name)[-1] for output in outputs]


def _sentence(model: LoadedModel, length: int) -> dict[str, Any]:
    vocabulary, pad = int(model.config["vocab_size"]), model.config.get("pad_token_id")
    allowed = torch.tensor([i for i in range(min(vocabulary, 1000)) if i != pad])
    generator = torch.Generator().manual_seed(length)
    ids = allowed[torch.randint(len(allowed), (1, length), generator=generator)].to(model.device)
    keywords: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "output_hidden_states": True}
    if model.is_encoder_decoder:
        keywords |= {"decoder_input_ids": ids.flip(1), "use_cache": False}
    return keywords


def _replaced(module: nn.Module, path: Sequence[str], part: nn.Module) -> nn.Module:
    """Copy a module with another part at a path; everything else is shared."""
    bare, name = bare_copy(module), path[0]
    inner = part if len(path) == 1 else _replaced(module.get_submodule(name), path[1:], part)
    bare._modules = {**bare._modules, name: inner}
    return bare


def bare_copy(module: nn.Module) -> nn.Module:
    """Copy a module that shares all its parts with the original, but not its hooks.

    A head is called while hooks listen to the forward pass that its states come from.
    """
    bare = copy.copy(module)
    bare._forward_hooks, bare._forward_pre_hooks = OrderedDict(), OrderedDict()
    return bare


def _keywords(model: LoadedModel) -> Callable[[int], dict[str, Any]]:
    pad, device = model.config.get("pad_token_id"), model.device
    token = next(i for i in range(int(model.config["vocab_size"])) if i != pad)

    def make(sentences: int) -> dict[str, Any]:
        ids = torch.full((sentences, 1), token, device=device)
        if not model.is_encoder_decoder:
            return {"input_ids": ids}
        keywords: dict[str, Any] = {"decoder_input_ids": ids, "use_cache": False}
        # The encoder does not run: what it would return is not looked at.
        return {**keywords, "encoder_outputs": (torch.zeros(sentences, 1, 1, device=device),)}

    return make


def _raised(shell: nn.Module, body: Body, dtype: torch.dtype) -> dict[str, Tensor]:
    """Copy the weights that a head may use, all but those of blocks (which stand in lists), in another dtype."""
    lists = tuple(
        f"{body.path}.{name}." for name, part in body.module.named_modules() if isinstance(part, nn.ModuleList)
    )
    return {
        name: weight.detach().to(dtype)
        for name, weight in (*shell.named_parameters(), *shell.named_buffers())
        if weight.is_floating_point() and not (lists and name.startswith(lists))
    }

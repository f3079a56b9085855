"""A model's own head as a function of a hidden state, proved against the logits of the whole model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from prosect.errors import ModelError, SelfTestError, UsageError
from prosect.model.headtrace import Step, chained, trace
from prosect.model.load import LoadedModel
from prosect.model.standin import HeadCall, TrueLogits, bare_copy, head_call, true_logits
from prosect.model.weights import submodule
from prosect.vocab.architecture import Norm, Stream

# Largest distance of a head's logits from the module's own, over the largest norm of the logits of a token. Both come
# from the same weights: what differs is the shape of the batch, and for half precision the dtype of the head.
SAME_LOGITS: Final = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}

Reads = Literal["token", "first", "last"]


@dataclass(frozen=True, kw_only=True)
class Head:
    """A model's own head.

    Attributes
    ----------
    family
        Name of the module's class.
    stream
        The stream whose last state it reads.
    outputs
        Number of logits.
    vocabulary
        Whether the logits stand for the tokens of the vocabulary, not for the labels of a classifier.
    reads
        ``token``: every token has logits of its own; ``first``, ``last``: they are the sentence's, from that token.
    bias
        What is added to the logits whatever the state (a decoder's bias, ``final_logits_bias``), shape (output,);
        None where nothing is, or where what follows is not linear.
    call
        The head itself.
    norm
        The stream's final norm, which the head does not include; None where there is none.
    chain
        The head as a chain of steps, proved like the head itself; or in words why it is none.
    """

    family: str
    stream: str
    outputs: int
    vocabulary: bool
    reads: Reads
    bias: Float[Tensor, " output"] | None
    call: Callable[[Float[Tensor, "state hidden"]], Float[Tensor, "state output"]]
    norm: Callable[[Tensor], Tensor] | None
    chain: tuple[Step, ...] | str = "the steps of this head were not heard"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The chain; ModelError where the head is none."""
        if isinstance(self.chain, str):
            raise ModelError(self.chain)
        return self.chain

    def logits(self, states: Float[Tensor, "*token hidden"], *, bias: bool = True) -> Float[Tensor, "*token output"]:
        """Give the logits of states that stand where the last state stands, behind the final norm.

        Parameters
        ----------
        states
            Any number of states; each is read by itself. The result takes ``outputs`` numbers for each of them.
        bias
            Without: head(states) - b, with b the `bias`. Of a head that is one affine map it leaves the linear map.
        """
        if not states.numel():
            return states.new_zeros((*states.shape[:-1], self.outputs))
        logits = self.call(states.reshape(-1, states.shape[-1]))
        if not bias and self.bias is not None:
            logits = logits - self.bias.to(logits.dtype)
        return logits.reshape(*states.shape[:-1], self.outputs)


@dataclass(frozen=True)
class FinalNorm:
    """The norm that stands before a head, in the dtype of the states that it is given."""

    module: nn.Module

    def __call__(self, states: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token hidden"]:
        """Apply it with the statistics of the states themselves."""
        raised = {name: weight.detach().to(states.dtype) for name, weight in self.module.named_parameters()}
        normed: Tensor = functional_call(self.module, raised, (states,))
        return normed.to(states.dtype)


@dataclass(frozen=True)
class HeadView:
    """A head as a measure sees it at one layer.

    Attributes
    ----------
    head
        The head.
    norm_due
        Whether the final norm has yet to be applied to the states of this layer (below the last layer of a pre-norm
        model); None where that is not known, for a model without a description.
    """

    head: Head
    norm_due: bool | None

    def logits(
        self, states: Float[Tensor, "*token hidden"], *, bias: bool = True, final_norm: bool = True
    ) -> Float[Tensor, "*token output"]:
        """Give the logits of states of this layer, of the whole hidden state or of a sum of terms.

        Parameters
        ----------
        states, bias
            As for `Head.logits`.
        final_norm
            Apply the final norm where it is due, with the statistics of the given states, as the logit lens does.
            Without it the head reads the states as they are.

        Raises
        ------
        UsageError
            Nobody can say whether the final norm is due.
        """
        if final_norm and self.norm_due is None:
            raise UsageError(
                f"without a description of {self.head.family} it is not known whether a final norm belongs between "
                "this layer and the head: read the last layer only ('layers: -1'), use a decomposition that needs a "
                "description, or say 'final_norm: skipped'"
            )
        norm = self.head.norm if final_norm and self.norm_due else None
        return self.head.logits(states if norm is None else norm(states), bias=bias)


def own_head(model: LoadedModel, stream: Stream | None, dtype: torch.dtype) -> Head:
    """Take the head of a loaded model, and prove it.

    Parameters
    ----------
    model
        A model with its head.
    stream
        Description of the stream that the head reads, for its final norm and final projection; None without one.
    dtype
        Dtype of the states that the head will be given.

    Raises
    ------
    ModelError
        The model has no head, or one that gives no logits of single states.
    SelfTestError
        Of the true last states the head does not make the module's own logits.
    """
    true = true_logits(model, stream)
    call = head_call(model, true, stream, dtype)
    reads = _proved(model, call, true, dtype)
    return Head(
        family=type(model.module).__name__,
        stream="decoder" if model.is_encoder_decoder else "main",
        outputs=true.outputs,
        vocabulary=reads == "token" and true.outputs >= int(model.config["vocab_size"]),
        reads=reads,
        bias=_final_bias(call, true, dtype),
        call=call,
        norm=_norm(model, None if stream is None else stream.final_norm),
        chain=_chain(call, true, dtype),
    )


def _chain(call: HeadCall, true: TrueLogits, dtype: torch.dtype) -> tuple[Step, ...] | str:
    """Hear the head's steps, and prove on the true states that they are all of it."""
    states = torch.cat(true.states).to(dtype)
    try:
        steps = trace(call, states)
    except ModelError as error:
        return str(error)
    if _gap([chained(steps, states)], (call(states),)) <= SAME_LOGITS[dtype]:
        return steps
    return f"the head of {type(call.shell).__name__} does more than the steps that were heard"


def _norm(model: LoadedModel, norm: Norm | None) -> FinalNorm | None:
    return None if norm is None else FinalNorm(bare_copy(submodule(model.base, norm.path)))


def _proved(model: LoadedModel, call: HeadCall, true: TrueLogits, dtype: torch.dtype) -> Reads:
    """Compare with the module's own logits, and find out which token a head of sentences reads."""
    place = f"self-test of the head of {type(model.module).__name__}"
    try:
        found = [call(states.to(dtype)) for states in true.states]
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{place}: it does not take single states: {str(error).splitlines()[0]}") from error
    candidates: dict[Reads, list[Tensor]] = {"token": found}
    if true.of_sentences:
        candidates = {"first": [one[0] for one in found], "last": [one[-1] for one in found]}
    gaps = {reads: _gap(ours, true.logits) for reads, ours in candidates.items()}
    reads = min(gaps, key=lambda name: gaps[name])
    if not gaps[reads] <= SAME_LOGITS[model.dtype]:
        hint = "; a head that reads several tokens of a sentence cannot be used" if true.of_sentences else ""
        raise SelfTestError(
            f"{place}: of the last hidden states it makes logits that miss the module's own by {gaps[reads]:.1e} of "
            f"their norm{hint}"
        )
    return reads


def _gap(ours: list[Tensor], true: tuple[Tensor, ...]) -> float:
    """Largest distance of logits, over the largest norm; infinite where they are not of one shape."""
    if any(one.shape != other.shape for one, other in zip(ours, true, strict=True)):
        return float("inf")
    one, other = (torch.cat([row.double().reshape(-1, row.shape[-1]) for row in rows]) for rows in (ours, true))
    scale = torch.linalg.vector_norm(other, dim=-1).max().clamp(min=1e-30)
    return float(torch.linalg.vector_norm(one - other, dim=-1).max() / scale)


def _final_bias(call: HeadCall, true: TrueLogits, dtype: torch.dtype) -> Tensor | None:
    """Find the biases as long as the logits, and prove of each that the logits less it are those without it."""
    states, found = true.states[0].to(dtype), None
    whole = call(states)
    for name, bias in (*call.shell.named_parameters(), *call.shell.named_buffers()):
        if not name.endswith("bias") or bias.numel() != true.outputs or name.startswith(f"{true.body.path}."):
            continue
        value = bias.detach().to(dtype)
        difference = whole - call.using({name: torch.zeros_like(value)})(states)
        if not bool(difference.any()):
            # Of a class without this bias in its forward pass, or a bias of zeros.
            continue
        if float((difference - value.reshape(-1)).abs().max()) > SAME_LOGITS[dtype] * float(whole.abs().max()):
            return None
        found = value.reshape(-1) if found is None else found + value.reshape(-1)
    return found

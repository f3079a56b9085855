"""Options of the readouts, and the subsets that they name. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from prosect.api import Options, Variable
from prosect_plugins.metrics.geometry.options import TokenOptions
from prosect_plugins.subsets import SUBSET, Subset, Subsets, subsets_of

FINAL_BIAS: Final = "final_bias"


class ReadoutOptions(Options):
    """Options of readouts through the model's own head.

    Attributes
    ----------
    subsets
        Sums of components that the head reads. ``all``: every non-empty subset (Mickus, Paperno & Constant 2022,
        section 4); ``total``: the sum of all, without the dimension ``subset``; ``singletons``: each by itself;
        ``leave_one_out``: the total, then all but one; ``partial``: all up to each; or a list of lists of components,
        in which ``total``, ``all but NAME`` and ``to NAME`` may stand, too.
    final_bias
        Where the bias belongs that the head adds to its logits whatever it reads (decoder bias,
        ``final_logits_bias``). ``head``: it is part of the head, so every subset has it (as in the authors' code);
        ``bias``: subsets with the component ``bias`` have it; ``own``: it is a component of its own, ``final_bias``.
    final_norm
        Below the last layer of a pre-norm model: ``applied``, the head reads the sum after the final norm with the
        statistics of that sum, as the logit lens does; ``skipped``, it reads the sum as it is. For the true
        statistics of the whole state, use the decomposition's ``readout: final_norm``.
    """

    subsets: Subsets = "all"
    final_bias: Literal["head", "bias", "own"] = "head"
    final_norm: Literal["applied", "skipped"] = "applied"


class LensOptions(ReadoutOptions):
    """Options of `logit_lens`.

    Attributes
    ----------
    subsets
        As for other readouts; by default the head reads the ``total``, which is the hidden state.
    """

    subsets: Subsets = "total"


class NextTokenOptions(ReadoutOptions):
    """Options of `next_token`.

    Attributes
    ----------
    special
        Whether special tokens count as tokens to be predicted, as in the loss of transformers.
    """

    special: bool = True


class MaskedCorpusOptions(ReadoutOptions, TokenOptions):
    """Options of `masked_tokens`: what is read, and which of the masked tokens are counted."""


class NextCorpusOptions(NextTokenOptions, TokenOptions):
    """Options of `next_tokens`: what is read, and which positions are counted, from which the next is predicted."""


class AblationOptions(Options):
    """Options of `delta_log_probability`.

    Attributes
    ----------
    target
        ``next``: the token that follows (Oh & Schuler 2023); ``masked``: the one that stood under the mask.
    special
        Whether special tokens count as next tokens.
    final_norm
        As for readouts.
    """

    target: Literal["next", "masked"] = "next"
    special: bool = True
    final_norm: Literal["applied", "skipped"] = "applied"


class ContributionOptions(Options):
    """Options of `logit_contribution`.

    Attributes
    ----------
    output
        Whose logit is taken apart: the ``predicted`` one's, the largest of the token; that of the ``next`` token, or of
        the one that stood under the mask (``masked``); or a list of outputs, such as the classes of a classifier or
        token ids, which gives the dimension ``output``.
    activation
        How activations in the head are made linear: ``secant`` from zero (DecompX), or ``tangent``.
    special
        Whether special tokens count as next tokens.
    """

    output: Literal["predicted", "next", "masked"] | tuple[Annotated[int, Field(ge=0)], ...] = "predicted"
    activation: Literal["secant", "tangent"] = "secant"
    special: bool = True

    @field_validator("output")
    @classmethod
    def _some_outputs(cls, output: str | tuple[int, ...]) -> str | tuple[int, ...]:
        if isinstance(output, tuple) and len(set(output)) < max(1, len(output)):
            raise ValueError("a list of outputs names at least one, and none twice")
        return output


def declared(options: ReadoutOptions, variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Drop the dimension ``subset`` where the whole is the only one."""
    if options.subsets != "total":
        return variables
    return tuple(replace(found, dims=tuple(dim for dim in found.dims if dim != SUBSET)) for found in variables)


def read_subsets(options: ReadoutOptions, components: Sequence[str]) -> tuple[Subset, ...]:
    """List the subsets that a readout reads; with ``final_bias: own`` the final bias is the last player."""
    return subsets_of(options.subsets, players(options, components))


def subset_labels(options: ReadoutOptions, components: Sequence[str]) -> tuple[str, ...]:
    """Labels of the subsets that a readout reads."""
    return tuple(subset.label for subset in read_subsets(options, components))


def players(options: ReadoutOptions, components: Sequence[str]) -> tuple[str, ...]:
    """Label everything that a subset may hold."""
    return (*components, FINAL_BIAS) if options.final_bias == "own" else tuple(components)

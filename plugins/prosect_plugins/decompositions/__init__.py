"""Declarations of the decompositions; one file per decomposition holds its table of rules."""

from collections.abc import Sequence
from typing import Literal

from prosect.api import DecompositionDeclaration, StreamOptions, hookimpl


class SumOfFactorsOptions(StreamOptions):
    """Options of `sum_of_factors`.

    Attributes
    ----------
    by
        Granularity of the labels: ``kind`` (input, attention, feed_forward, bias), ``layer`` (all sub-layers
        of a block together), ``sublayer`` (attention.3), ``head`` (attention.3.7).
    norm_mean
        ``bias``: the mean which a LayerNorm subtracts is booked under the bias, as in the paper;
        ``own``: every term is centred by its own mean.
    embedding_norm
        ``inside``: the norm over the embeddings is part of the decomposition, whose input is the raw sum of
        embeddings, as in the authors' code; ``outside``: the input is what that norm returns.
    readout
        State that is decomposed: ``hidden_states`` as Hugging Face returns them, ``residual`` without the
        final norm, ``final_norm`` with the final norm applied at every layer.
    """

    by: Literal["kind", "layer", "sublayer", "head"] = "kind"
    norm_mean: Literal["bias", "own"] = "bias"
    embedding_norm: Literal["inside", "outside"] = "inside"
    readout: Literal["hidden_states", "residual", "final_norm"] = "hidden_states"


@hookimpl
def prosect_decompositions() -> Sequence[DecompositionDeclaration]:
    """Decompositions that come with prosect."""
    return [
        DecompositionDeclaration(
            name="sum_of_factors",
            summary="An embedding as the exact sum of input, attention, feed-forward and bias terms.",
            implementation="prosect_plugins.decompositions.sum_of_factors:rules",
            options=SumOfFactorsOptions,
            metrics=("importance", "norm", "cosine"),
            references=("Mickus, Paperno & Constant 2022, eq. 2-6", "Mickus & Vázquez 2023, section 2"),
        ),
        DecompositionDeclaration(
            name="none",
            summary="The hidden state itself as its only term; works for any model, without a description.",
            implementation="prosect_plugins.decompositions.whole:rules",
            options=StreamOptions,
            metrics=("norm",),
            described=False,
        ),
    ]

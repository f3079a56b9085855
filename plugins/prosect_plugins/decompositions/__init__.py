"""Declarations of the decompositions; one file per decomposition holds its table of rules."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from prosect.api import DecompositionDeclaration, StreamOptions, hookimpl


class SumOfFactorsOptions(StreamOptions):
    """Options of `sum_of_factors`.

    Attributes
    ----------
    by
        Granularity of the labels: ``kind`` (input, attention, feed_forward, bias), ``layer`` (all sub-layers
        of a block together), ``sublayer`` (attention.3), ``head`` (attention.3.7), ``source``: heads alone, each split
        by the tokens that it attends to. Variables then have the dimensions (component, token, source), and their sum
        over ``source`` is that of ``head`` (norms aside); what cross-attention moved stands in the node ``cross``.
        It costs numbers for every layer, head and pair of tokens, 2 MB a token and metric for BERT-base in float32 at
        sentences of 256 tokens, so choose layers; the attention weights of all blocks are held, but no vectors of
        pairs.
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

    by: Literal["kind", "layer", "sublayer", "head", "source"] = "kind"
    norm_mean: Literal["bias", "own"] = "bias"
    embedding_norm: Literal["inside", "outside"] = "inside"
    readout: Literal["hidden_states", "residual", "final_norm"] = "hidden_states"


class AttentionMapsOptions(StreamOptions):
    """Options of `attention_maps`.

    Attributes
    ----------
    scopes
        Scopes that are read: ``all`` that a block has, or a list of names; a block is followed to the last of them.
    feed_forward
        How a feed-forward block is made linear: ``secant`` (integrated gradients from zero, Kobayashi et al. 2024),
        ``tangent`` at the true pre-activation, ``relu_mask``; ``source``: what it adds belongs to no token, and only
        norms behind it count (GlobEnc, Modarressi et al. 2022).
    gated
        The same for gated blocks: ``path`` (integrated gradients on the straight path), ``half`` (the product split
        evenly), ``frozen`` (the gate held constant), ``tangent``.
    """

    scopes: Literal["all"] | tuple[str, ...] = "all"
    feed_forward: Literal["secant", "tangent", "relu_mask", "source"] = "secant"
    gated: Literal["path", "half", "frozen", "tangent"] = "path"


class TokenWiseOptions(StreamOptions):
    """Options of `token_wise`.

    Attributes
    ----------
    group
        ``token``: every token of the sentence is a term; ``stream``: its tokens together are one term (``target``
        in a decoder beside ``source`` for the encoder, else ``input``). Any other word is an annotation of the
        corpus, or a coordinate of its tokens such as ``special``: tokens with the same value are one term.
    source
        What a decoder takes from its encoder: as one term (``group``); or by source token, in the node ``cross``. There
        each token's term starts from the encoder's last state at that ``token``, or is ``carried`` from the embeddings
        through the encoder first. The decoder's own tokens are one term of that node, ``own``.
    feed_forward
        ``tangent``: a first-order expansion at the true pre-activation (Oh & Schuler 2023); ``secant``: from zero
        (DecompX); ``relu_mask``.
    gated
        The same for gated blocks: ``tangent``, ``path``, ``half``, ``frozen``.
    bias
        All biases and constants are a term of their ``own`` (Oh & Schuler 2023); ``drop`` carries them too, but leaves
        them out of the results; ``share_abs_dot`` shares each out among the terms as soon as it comes, in proportion
        to the absolute dot product of both (DecompX).
    value_bias
        The value bias belongs to the ``bias``, or in the ``first_block`` to the token (DecompX), or always to it.
    embedding_norm
        ``outside``: terms start from the normed embeddings; ``inside``: from their raw sum.
    readout
        State that is decomposed, as for `sum_of_factors`.
    """

    group: str = Field(default="token", examples=["stream", "special"])
    source: Literal["group", "token", "carried"] = "group"
    feed_forward: Literal["tangent", "secant", "relu_mask"] = "tangent"
    gated: Literal["tangent", "path", "half", "frozen"] = "tangent"
    bias: Literal["own", "drop", "share_abs_dot"] = "own"
    value_bias: Literal["bias", "first_block", "token"] = "bias"
    embedding_norm: Literal["outside", "inside"] = "outside"
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
            crosses=True,
            references=("Mickus, Paperno & Constant 2022, eq. 2-6", "Mickus & Vázquez 2023, section 2"),
        ),
        DecompositionDeclaration(
            name="attention_norms",
            summary="Attention by vector norms: what each token gives to another is |sum_h alpha f(x)|.",
            implementation="prosect_plugins.decompositions.attention_norms:rules",
            metrics=("weight", "weighted_norm", "value_norm", "attention_norm"),
            captures=frozenset({"attention"}),
            first_layer=1,
            crosses=True,
            version=2,
            references=("Kobayashi et al. 2020, eq. 4-7",),
        ),
        DecompositionDeclaration(
            name="attention_maps",
            summary="Token-by-token maps at every scope of a block: attention, residual, norm, feed-forward.",
            implementation="prosect_plugins.decompositions.attention_maps:rules",
            options=AttentionMapsOptions,
            metrics=("norm", "mixing_ratio"),
            captures=frozenset({"attention"}),
            first_layer=1,
            crosses=True,
            version=2,
            references=("Kobayashi et al. 2021, section 3", "Kobayashi et al. 2024, section 3"),
        ),
        DecompositionDeclaration(
            name="token_wise",
            summary="What every token of the sentence contributes to each hidden state, carried through all blocks.",
            implementation="prosect_plugins.decompositions.token_wise:rules",
            options=TokenWiseOptions,
            metrics=("importance", "norm"),
            captures=frozenset({"attention"}),
            crosses=True,
            references=("Oh & Schuler 2023, section 3", "Mickus & Vázquez 2023, section 2", "Modarressi et al. 2023"),
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

"""Values as shares: divided by the sum of absolute values of a token's row, or of the whole map of a sentence."""

from __future__ import annotations

from prosect.api import BIAS, UsageError
from prosect.api.tensors import Float, Reading, Tensor, Terms
from prosect_plugins.metrics.options import Normalise

MAP_AXES = 3


def term_shares(
    values: Float[Tensor, " component *token"], terms: Terms, normalise: Normalise
) -> Float[Tensor, " component *token"]:
    """Divide values of terms by their sum over all terms but the bias; NaN where that is 0.

    Raises
    ------
    UsageError
        ``global`` where terms do not come in whole sentences.
    """
    if normalise == "none":
        return values
    giving = [place for place, component in enumerate(terms.components) if component != BIAS]
    total = values[giving].abs().nansum(dim=0)
    if normalise == "global":
        if values.dim() != MAP_AXES or not _by_token(terms):
            raise UsageError("'normalise: global' sums over all pairs of tokens of a sentence, and only maps have them")
        total = _over_sentence(total, terms)
    shares: Tensor = values / total
    return shares


def pair_shares(
    values: Float[Tensor, "*other batch token source"], terms: Terms, normalise: Normalise
) -> Float[Tensor, "*other batch token source"]:
    """Divide values of pairs of tokens by their sum over sources, or over the sentence; NaN where that is 0."""
    if normalise == "none":
        return values
    total = values.abs().nansum(dim=-1)
    if normalise == "global":
        total = _over_sentence(total, terms)
    shares: Tensor = values / total.unsqueeze(-1)
    return shares


def _over_sentence(total: Float[Tensor, "*other batch token"], terms: Terms) -> Float[Tensor, "*other batch 1"]:
    """Sum over the tokens of each sentence, padding left out."""
    real = terms.real if isinstance(terms, Reading) else None
    if real is not None:
        total = total.masked_fill(~real, 0.0)
    return total.sum(dim=-1, keepdim=True)


def _by_token(terms: Terms) -> bool:
    return any(component.kind == "source" and component.label.isdecimal() for component in terms.components)

"""Declarations of the measures of geometry; the mathematics stands in the other files of this folder."""

from __future__ import annotations

from prosect.api import Footprint, MetricDeclaration, Sizes, Variable
from prosect_plugins.metrics.geometry.options import COMPONENT, TokenOptions, spread, token_axes

_DISPERSION = (
    Variable(name="dispersion", dims=(COMPONENT,), long_name="coefficient of variation of the norm"),
    Variable(name="dispersion_n_used", dims=(), long_name="tokens counted", dtype="int64"),
)


def geometry_metrics() -> list[MetricDeclaration]:
    """Measures of geometry."""
    return [
        MetricDeclaration(
            name="dispersion",
            summary="Coefficient of variation of the norms of vectors over tokens, sd(|t|) / mean(|t|).",
            implementation="prosect_plugins.metrics.geometry.dispersion:Dispersion",
            form="accumulator",
            options=TokenOptions,
            produces=_DISPERSION,
            produces_for=_dispersion,
            footprint=_moments_of_norms,
            undefined="NaN where no token is counted, or all norms are 0",
            references=("Kobayashi et al. 2020, section 5.2",),
        ),
    ]


def _dispersion(options: TokenOptions) -> tuple[Variable, ...]:
    return spread(_DISPERSION, token_axes(options))


def _moments_of_norms(options: TokenOptions, sizes: Sizes) -> Footprint:
    state = None if sizes.components is None else 8 * (1 + 2 * sizes.components)
    return Footprint(state={"dispersion": state}, axes={})

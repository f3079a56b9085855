"""Declarations of the measures of maps; implementations load torch and stand in their own files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prosect.api import Footprint, MetricDeclaration, Options, Requirement, Sizes, Variable
from prosect_plugins.declaring import by_options
from prosect_plugins.metrics.options import ShareOptions, ValueZeroingOptions, with_units

UNITS: Final = "embedding units"
HEAD_MAP: Final = ("head", "token", "source")
MAP: Final = ("token", "source")
KOBAYASHI_2020: Final = "Kobayashi et al. 2020, eq. 4-7"
KOBAYASHI_2021: Final = "Kobayashi et al. 2021, section 3"
BEHIND: Final = "NaN behind the end of the sentence"
#: What a measure needs of maps besides being maps.
BESIDE: Final[Mapping[str, tuple[Requirement, ...]]] = {
    "weight": ("attention",),
    "weighted_norm": ("attention",),
    "value_norm": ("attention",),
    "weight_mixing_ratio": ("attention",),
    "value_zeroing": ("onward",),
}
EXPANSION: Final = (
    Variable(name="expansion_rate", dims=(), long_name="expansion rate of the attention's affine map"),
    Variable(name="expansion_rate_as_coded", dims=(), long_name="expansion rate as the authors' code builds the map"),
)


def map_measures() -> list[MetricDeclaration]:
    """Measures of maps that come with prosect."""
    return [*_of_attention(), *_of_mixing(), _expansion_rate()]


def _of_attention() -> list[MetricDeclaration]:
    return [
        _map_metric(
            "weight",
            "Attention weights alpha, head by head.",
            (Variable(name="weight", dims=HEAD_MAP, long_name="attention weight"),),
            BEHIND,
            "Vaswani et al. 2017, eq. 1",
            ShareOptions,
        ),
        _map_metric(
            "weighted_norm",
            "Norm of what a token gives through one head, |alpha f(x)|.",
            (Variable(name="weighted_norm", dims=HEAD_MAP, long_name="norm of the weighted value", units=UNITS),),
            BEHIND,
            KOBAYASHI_2020,
            ShareOptions,
        ),
        _map_metric(
            "value_norm",
            "Norm of a token's transformed value, |f(x)|.",
            (
                Variable(
                    name="value_norm",
                    dims=("head", "token"),
                    long_name="norm of the value",
                    units=UNITS,
                    of_source=True,
                ),
            ),
            "never undefined",
            KOBAYASHI_2020,
        ),
        _map_metric(
            "attention_norm",
            "Norm of what a token gives through all heads, summed as vectors.",
            (Variable(name="attention_norm", dims=MAP, long_name="norm over all heads", units=UNITS),),
            BEHIND,
            KOBAYASHI_2020,
            ShareOptions,
        ),
    ]


def _of_mixing() -> list[MetricDeclaration]:
    return [
        _map_metric(
            "mixing_ratio",
            "Share of the context in a token: |mixed| / (|mixed| + |kept|), each summed as vectors.",
            (Variable(name="mixing_ratio", dims=("token",), long_name="mixing ratio"),),
            "NaN where both are 0",
            KOBAYASHI_2021,
        ),
        _map_metric(
            "weight_mixing_ratio",
            "Share of the context by weights alone, averaged over heads; half of it where the residual counts.",
            (
                Variable(name="weight_mixing_ratio", dims=("token",), long_name="mixing ratio of weights"),
                Variable(
                    name="weight_mixing_ratio_res",
                    dims=("token",),
                    long_name="mixing ratio of weights, half of them for the residual",
                ),
            ),
            "never undefined",
            KOBAYASHI_2021,
        ),
        _map_metric(
            "value_zeroing",
            "What the output of a block loses without the value of a token: cosine distance, as a share.",
            (Variable(name="value_zeroing", dims=MAP, long_name="loss without the token's value"),),
            f"{BEHIND}, and where nothing is lost without any token",
            "Mohebbi et al. 2023",
            ValueZeroingOptions,
        ),
    ]


def _expansion_rate() -> MetricDeclaration:
    return MetricDeclaration(
        name="expansion_rate",
        summary="By how much an attention stretches vectors where all heads look alike: a property of its weights.",
        implementation="prosect_plugins.metrics.expansion:ExpansionRate",
        form="accumulator",
        produces=EXPANSION,
        requires=frozenset({"maps", "attention"}),
        footprint=_rates,
        undefined="the rate as coded is NaN where heads together are not as wide as the stream",
        references=("Kobayashi et al. 2021",),
    )


def _rates(_options: Options, _sizes: Sizes) -> Footprint:
    return Footprint(state={"expansion_rate": 8 * len(EXPANSION)})


def _map_metric(
    name: str,
    summary: str,
    variables: tuple[Variable, ...],
    undefined: str,
    reference: str,
    options: type[Options] = Options,
) -> MetricDeclaration:
    return MetricDeclaration(
        name=name,
        summary=summary,
        implementation=f"prosect_plugins.metrics.maps:{name}",
        **by_options(options, with_units(*variables)),
        requires=frozenset({"maps", *BESIDE.get(name, ())}),
        undefined=undefined,
        references=(reference,),
    )

"""Declarations of the metrics over stored results; implementations load xarray and stand in their own files."""

from collections.abc import Sequence
from typing import Final

from prosect.api import MetricDeclaration, Variable
from prosect_plugins.derived import options

MICKUS_2023: Final = "Mickus & Vázquez 2023"


def derived_metrics() -> Sequence[MetricDeclaration]:
    """Metrics over stored results that come with prosect."""
    return [
        MetricDeclaration(
            name="correlation",
            summary="Correlation of two variables over tokens or any other dimensions.",
            implementation="prosect_plugins.derived.correlation:correlation",
            form="derived",
            options=options.CorrelationOptions,
            produces=(
                Variable(name="correlation", dims=("variable",), long_name="correlation"),
                Variable(name="number", dims=("variable",), long_name="number of pairs"),
            ),
            inputs=(1, 2),
            naming=("variables", "against"),
            undefined="NaN where a sample is constant, or fewer pairs than 'minimum' are known",
            references=(f"{MICKUS_2023}, section 5",),
        ),
        MetricDeclaration(
            name="dynamic_time_warping",
            summary="Dynamic-time-warping distance between training curves, of two datasets or of every pair of runs.",
            implementation="prosect_plugins.derived.warping:dynamic_time_warping",
            form="derived",
            options=options.WarpingOptions,
            produces=(
                Variable(name="dynamic_time_warping", dims=("variable",), long_name="dynamic time warping distance"),
            ),
            naming=("variables",),
            undefined="NaN where a curve has a NaN",
            references=("Sakoe & Chiba 1978", f"{MICKUS_2023}, section 6"),
        ),
    ]

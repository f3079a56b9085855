"""Declarations of the measures; implementations load torch and stand in their own files."""

from collections.abc import Sequence
from typing import Final

from prosect.api import MetricDeclaration, Options, Variable, hookimpl
from prosect_plugins.alignment import alignment_metrics
from prosect_plugins.declaring import by_options
from prosect_plugins.derived import derived_metrics
from prosect_plugins.derived.rollouts import rollout_metrics
from prosect_plugins.mapstats import map_metrics
from prosect_plugins.metrics.geometry import geometry_metrics
from prosect_plugins.metrics.map_measures import map_measures
from prosect_plugins.metrics.options import AltiOptions, NormOptions, ShareOptions, with_units
from prosect_plugins.metrics.readouts import readout_metrics
from prosect_plugins.probes import probe_metrics

UNITS: Final = "embedding units"
SQUARED: Final = "embedding units squared"
TERM: Final = ("component", "token")
PAIR: Final = ("component", "other_component", "token")
MICKUS_2022: Final = "Mickus, Paperno & Constant 2022, eq. 7"
MICKUS_2023: Final = "Mickus & Vázquez 2023, section 3"
FERRANDO_2022: Final = "Ferrando, Gállego & Costa-jussà 2022"


@hookimpl
def prosect_metrics() -> Sequence[MetricDeclaration]:
    """Measures that come with prosect."""
    return [
        *_products(),
        *_sizes(),
        *map_measures(),
        *geometry_metrics(),
        *derived_metrics(),
        *rollout_metrics(),
        *map_metrics(),
        *alignment_metrics(),
        *readout_metrics(),
        *probe_metrics(),
    ]


def _products() -> list[MetricDeclaration]:
    return [
        _of_terms(
            Variable(name="importance", dims=TERM, long_name="importance of the term (e.t / |e|^2)"),
            "Share of the embedding that a term explains: e.t / |e|^2; the shares of all terms sum to 1.",
            "NaN where the embedding is 0",
            MICKUS_2022,
        ),
        _of_terms(
            Variable(name="cosine", dims=TERM, long_name="cosine of term and embedding"),
            "Cosine of a term and the embedding, e.t / (|e| |t|).",
            "NaN where the term or the embedding is 0",
            MICKUS_2023,
            ShareOptions,
        ),
        _of_terms(
            Variable(name="output_dot", dims=TERM, long_name="dot product of term and embedding", units=SQUARED),
            "Dot product of a term and the embedding, e.t; the products of all terms sum to |e|^2.",
            "never undefined; a share is NaN where all are 0",
            MICKUS_2022,
            ShareOptions,
        ),
        _of_terms(
            Variable(name="dot", dims=PAIR, long_name="dot product of two terms", units=SQUARED),
            "Dot products of the terms with each other; their sum over both axes is |e|^2.",
            "never undefined",
            MICKUS_2022,
        ),
    ]


def _sizes() -> list[MetricDeclaration]:
    return [
        _of_terms(
            Variable(name="norm", dims=TERM, long_name="norm of the term", units=UNITS),
            "Norm of a term, |t|: Euclidean, or of order 1.",
            "never undefined; a share is NaN where all are 0",
            MICKUS_2023,
            NormOptions,
        ),
        _of_terms(
            Variable(name="norm_ratio", dims=TERM, long_name="norm of the term over norm of the embedding"),
            "Norm of a term over the norm of the embedding, |t| / |e|.",
            "NaN where the embedding is 0",
            MICKUS_2023,
        ),
        _of_terms(
            Variable(name="distance", dims=TERM, long_name="distance of the term from the embedding", units=UNITS),
            "Euclidean distance of a term from the embedding, |t - e|.",
            "never undefined",
            MICKUS_2023,
        ),
        _of_terms(
            Variable(name="alti", dims=TERM, long_name="contribution by distance", units=UNITS),
            "How much nearer a term brings the embedding: max(0, |e| - |e - t|), as a share of what a token gets.",
            "NaN where nothing brings the embedding nearer",
            FERRANDO_2022,
            AltiOptions,
        ),
    ]


def _of_terms(
    variable: Variable, summary: str, undefined: str, reference: str, options: type[Options] = Options
) -> MetricDeclaration:
    return MetricDeclaration(
        name=variable.name,
        summary=summary,
        implementation=f"prosect_plugins.metrics.token:{variable.name}",
        **by_options(options, with_units(variable)),
        per_term=_per_term if "other_component" not in variable.dims else False,
        undefined=undefined,
        references=(reference,),
    )


def _per_term(options: Options) -> bool:
    """Tell whether values of a term are its own, and no shares."""
    return getattr(options, "normalise", "none") == "none"

"""Declarations of the measures; implementations load torch and stand in their own files."""

from collections.abc import Sequence

from prosect.api import MetricDeclaration, Options, Variable, hookimpl
from prosect_plugins.alignment import alignment_metrics
from prosect_plugins.derived import derived_metrics
from prosect_plugins.derived.rollouts import rollout_metrics
from prosect_plugins.mapstats import map_metrics
from prosect_plugins.metrics.geometry import geometry_metrics
from prosect_plugins.metrics.map_measures import map_measures
from prosect_plugins.metrics.options import AltiOptions, NormOptions, ShareOptions, with_units
from prosect_plugins.metrics.readouts import readout_metrics
from prosect_plugins.probes import probe_metrics

UNITS = "embedding units"
SQUARED = "embedding units squared"
TERM = ("component", "token")
PAIR = ("component", "other_component", "token")
MICKUS_2022 = "Mickus, Paperno & Constant 2022, eq. 7"
MICKUS_2023 = "Mickus & Vázquez 2023, section 3"


FERRANDO_2022 = "Ferrando, Gállego & Costa-jussà 2022"


def _token_metric(
    name: str,
    summary: str,
    variable: Variable,
    undefined: str,
    reference: str,
    options: type[Options] = Options,
) -> MetricDeclaration:
    return MetricDeclaration(
        name=name,
        summary=summary,
        implementation=f"prosect_plugins.metrics.token:{name}",
        options=options,
        produces=(variable,),
        produces_for=with_units(variable),
        per_term=_per_term if "other_component" not in variable.dims else False,
        undefined=undefined,
        references=(reference,),
    )


def _per_term(options: Options) -> bool:
    """Tell whether values of a term are its own, and no shares."""
    return getattr(options, "normalise", "none") == "none"


@hookimpl
def prosect_metrics() -> Sequence[MetricDeclaration]:
    """Measures that come with prosect."""
    return [
        _token_metric(
            "importance",
            "Share of the embedding that a term explains: e.t / |e|^2; the shares of all terms sum to 1.",
            Variable(name="importance", dims=TERM, long_name="importance of the term (e.t / |e|^2)"),
            "NaN where the embedding is 0",
            MICKUS_2022,
        ),
        _token_metric(
            "norm",
            "Norm of a term, |t|: Euclidean, or of order 1.",
            Variable(name="norm", dims=TERM, long_name="norm of the term", units=UNITS),
            "never undefined; a share is NaN where all are 0",
            MICKUS_2023,
            NormOptions,
        ),
        _token_metric(
            "norm_ratio",
            "Norm of a term over the norm of the embedding, |t| / |e|.",
            Variable(name="norm_ratio", dims=TERM, long_name="norm of the term over norm of the embedding"),
            "NaN where the embedding is 0",
            MICKUS_2023,
        ),
        _token_metric(
            "cosine",
            "Cosine of a term and the embedding, e.t / (|e| |t|).",
            Variable(name="cosine", dims=TERM, long_name="cosine of term and embedding"),
            "NaN where the term or the embedding is 0",
            MICKUS_2023,
            ShareOptions,
        ),
        _token_metric(
            "distance",
            "Euclidean distance of a term from the embedding, |t - e|.",
            Variable(name="distance", dims=TERM, long_name="distance of the term from the embedding", units=UNITS),
            "never undefined",
            MICKUS_2023,
        ),
        _token_metric(
            "output_dot",
            "Dot product of a term and the embedding, e.t; the products of all terms sum to |e|^2.",
            Variable(name="output_dot", dims=TERM, long_name="dot product of term and embedding", units=SQUARED),
            "never undefined; a share is NaN where all are 0",
            MICKUS_2022,
            ShareOptions,
        ),
        _token_metric(
            "alti",
            "How much nearer a term brings the embedding: max(0, |e| - |e - t|), as a share of what a token gets.",
            Variable(name="alti", dims=TERM, long_name="contribution by distance", units=UNITS),
            "NaN where nothing brings the embedding nearer",
            FERRANDO_2022,
            AltiOptions,
        ),
        _token_metric(
            "dot",
            "Dot products of the terms with each other; their sum over both axes is |e|^2.",
            Variable(name="dot", dims=PAIR, long_name="dot product of two terms", units=SQUARED),
            "never undefined",
            MICKUS_2022,
        ),
        *map_measures(),
        *geometry_metrics(),
        *derived_metrics(),
        *rollout_metrics(),
        *map_metrics(),
        *alignment_metrics(),
        *readout_metrics(),
        *probe_metrics(),
    ]

"""Declarations of the measures; implementations load torch and stand in their own files."""

from collections.abc import Sequence

from prosect.api import MetricDeclaration, Options, Variable, hookimpl
from prosect_plugins.alignment import alignment_metrics
from prosect_plugins.derived import derived_metrics
from prosect_plugins.mapstats import map_metrics
from prosect_plugins.metrics.geometry import geometry_metrics
from prosect_plugins.metrics.readouts import readout_metrics
from prosect_plugins.probes import probe_metrics

UNITS = "embedding units"
TERM = ("component", "token")
PAIR = ("component", "other_component", "token")
MICKUS_2022 = "Mickus, Paperno & Constant 2022, eq. 7"
MICKUS_2023 = "Mickus & Vázquez 2023, section 3"


HEAD_MAP = ("head", "token", "source")
KOBAYASHI_2020 = "Kobayashi et al. 2020, eq. 4-7"
KOBAYASHI_2021 = "Kobayashi et al. 2021, section 3"


def _token_metric(
    name: str, summary: str, variable: Variable, undefined: str, reference: str, module: str = "token"
) -> MetricDeclaration:
    return MetricDeclaration(
        name=name,
        summary=summary,
        implementation=f"prosect_plugins.metrics.{module}:{name}",
        produces=(variable,),
        per_term=_per_term if module == "token" and "other_component" not in variable.dims else False,
        undefined=undefined,
        references=(reference,),
        requires=frozenset({"maps"} if module == "maps" else ()),
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
            "Euclidean norm of a term, |t|.",
            Variable(name="norm", dims=TERM, long_name="norm of the term", units=UNITS),
            "never undefined",
            MICKUS_2023,
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
        ),
        _token_metric(
            "distance",
            "Euclidean distance of a term from the embedding, |t - e|.",
            Variable(name="distance", dims=TERM, long_name="distance of the term from the embedding", units=UNITS),
            "never undefined",
            MICKUS_2023,
        ),
        _token_metric(
            "dot",
            "Dot products of the terms with each other; their sum over both axes is |e|^2.",
            Variable(name="dot", dims=PAIR, long_name="dot product of two terms", units="embedding units squared"),
            "never undefined",
            MICKUS_2022,
        ),
        *_map_metrics(),
        *geometry_metrics(),
        *derived_metrics(),
        *map_metrics(),
        *alignment_metrics(),
        *readout_metrics(),
        *probe_metrics(),
    ]


def _map_metrics() -> list[MetricDeclaration]:
    behind = "NaN behind the end of the sentence"
    return [
        _token_metric(
            "weight",
            "Attention weights alpha, head by head.",
            Variable(name="weight", dims=HEAD_MAP, long_name="attention weight"),
            behind,
            "Vaswani et al. 2017, eq. 1",
            module="maps",
        ),
        _token_metric(
            "weighted_norm",
            "Norm of what a token gives through one head, |alpha f(x)|.",
            Variable(name="weighted_norm", dims=HEAD_MAP, long_name="norm of the weighted value", units=UNITS),
            behind,
            KOBAYASHI_2020,
            module="maps",
        ),
        _token_metric(
            "value_norm",
            "Norm of a token's transformed value, |f(x)|.",
            Variable(
                name="value_norm", dims=("head", "token"), long_name="norm of the value", units=UNITS, of_source=True
            ),
            "never undefined",
            KOBAYASHI_2020,
            module="maps",
        ),
        _token_metric(
            "attention_norm",
            "Norm of what a token gives through all heads, summed as vectors.",
            Variable(name="attention_norm", dims=("token", "source"), long_name="norm over all heads", units=UNITS),
            behind,
            KOBAYASHI_2020,
            module="maps",
        ),
        _token_metric(
            "mixing_ratio",
            "Share of the context in a token: |mixed| / (|mixed| + |kept|), each summed as vectors.",
            Variable(name="mixing_ratio", dims=("token",), long_name="mixing ratio"),
            "NaN where both are 0",
            KOBAYASHI_2021,
            module="maps",
        ),
    ]

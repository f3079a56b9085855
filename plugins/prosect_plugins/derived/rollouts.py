"""Declarations and options of rollouts; the implementation loads xarray and stands in its own file."""

from __future__ import annotations

from typing import Final, Literal

from prosect.api import MetricDeclaration, Options, Variable
from prosect_plugins.declaring import derived_metric

NO_ROW: Final = "NaN behind the end of the sentence, and where a row that is divided sums to 0"


class RolloutOptions(Options):
    """Options of `rollout`.

    Attributes
    ----------
    variable
        The map: ``norm``, ``alti``, ``value_zeroing``, ``attention_norm`` …; of one with heads their mean (``weight``:
        attention rollout, Abnar & Zuidema 2020).
    scope
        The scope at which it is read, where it has several; for ALTI the last one of the attention: ``attn_res_norm``
        in post-norm blocks, ``attn_res`` in pre-norm ones.
    rows
        ``raw``: maps are multiplied as they are (GlobEnc; ALTI, whose rows sum to 1); ``row``: rows are divided by
        their sums first; ``identity``: then A becomes (A + I) / 2, for maps without the residual stream.
    """

    variable: str = "norm"
    scope: str | None = None
    rows: Literal["raw", "row", "identity"] = "raw"


class RolloutAcrossOptions(Options):
    """Options of `rollout_across`, which reads the nodes ``encoder``, ``decoder`` and ``cross`` in this order.

    Attributes
    ----------
    variable
        The map; in ``cross`` it must have ``<variable>_own`` beside it, what the decoder's own stream gives.
    scope
        The scope at which both streams are read, where they have several: ``attn_res_norm`` or ``attn_res``.
    cross_scope
        The same of ``cross``: ``cross_res_norm`` or ``cross_res``.
    rows
        ``raw``: maps are multiplied as they are (ALTI+, whose rows sum to 1); ``row``: rows are divided by their sums.
    """

    variable: str = "alti"
    scope: str | None = None
    cross_scope: str | None = None
    rows: Literal["raw", "row"] = "raw"


def rollout_metrics() -> list[MetricDeclaration]:
    """Rollouts of stored maps."""
    return [
        derived_metric(
            "prosect_plugins.derived.rollout:rollout",
            "Maps of single layers multiplied: what reaches a token from the inputs.",
            RolloutOptions,
            (Variable(name="rollout", dims=("token", "source"), long_name="rollout of the map"),),
            inputs=(1, 1),
            naming=("variable",),
            undefined=NO_ROW,
            references=("Abnar & Zuidema 2020", "Modarressi et al. 2022", "Ferrando, Gállego & Costa-jussà 2022"),
        ),
        derived_metric(
            "prosect_plugins.derived.rollout:rollout_across",
            "Maps of an encoder-decoder multiplied: what reaches a target token from the inputs of both sides.",
            RolloutAcrossOptions,
            (
                Variable(name="rollout", dims=("token", "source"), long_name="rollout over source tokens"),
                Variable(name="rollout_target", dims=("token", "target"), long_name="rollout over target tokens"),
            ),
            inputs=(3, 3),
            undefined=NO_ROW,
            references=("Ferrando et al. 2022 (ALTI+)",),
        ),
    ]

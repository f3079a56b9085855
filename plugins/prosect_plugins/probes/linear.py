"""`linear_probe`: multinomial logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from prosect_plugins.probes.cells import Cell, Outcome, best_on_development, probe
from prosect_plugins.probes.items import DEV, TEST, TRAIN
from prosect_plugins.probes.kernels.linear import Linear, best_allowed, fit_logistic
from prosect_plugins.probes.kernels.scores import Codes
from prosect_plugins.probes.options import LinearOptions


def linear_probe(datasets: Sequence[xr.Dataset], options: LinearOptions) -> xr.Dataset:
    """Fit a logistic regression on the training part, and judge it on the test part."""
    return probe(datasets, options, _fit, runs=False)


def _fit(cell: Cell, options: LinearOptions) -> Outcome:
    given = options.inverse_penalty
    wanted = (given,) if isinstance(given, float | int) else given
    fitted = {float(penalty): _fitted(cell, options, penalty) for penalty in wanted}
    on_dev = {penalty: _classified(cell, model, options, DEV) for penalty, model in fitted.items()}
    chosen = best_on_development(cell, on_dev, options.criterion)
    model = fitted[chosen]
    values = {"inverse_penalty": np.array([chosen]), "converged": np.array([model.converged])}
    return Outcome(_classified(cell, model, options, TEST)[None], values)


def _fitted(cell: Cell, options: LinearOptions, penalty: float) -> Linear:
    return fit_logistic(
        cell.of(TRAIN),
        cell.items.label[cell.items.of(TRAIN)],
        len(cell.items.labels),
        inverse_penalty=penalty,
        iterations=options.iterations,
    )


def _classified(cell: Cell, model: Linear, options: LinearOptions, part: int) -> Codes:
    allowed = None if options.group is None else cell.judge.table[cell.items.group[cell.items.of(part)]] > 0
    return best_allowed(model.scores(cell.of(part)), allowed)

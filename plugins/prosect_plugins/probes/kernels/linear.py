"""Linear probes: multinomial logistic regression by scikit-learn."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from prosect_plugins.probes.kernels.scores import Codes, Floats


class Linear(NamedTuple):
    """A fitted linear map from vectors to scores of classes.

    Attributes
    ----------
    weight, bias
        Shapes (label, hidden) and (label,); classes without training items score minus infinity.
    converged
        Whether the solver came to an end.
    """

    weight: Float[Floats, "label hidden"]
    bias: Float[Floats, " label"]
    converged: bool

    def scores(self, vectors: Float[np.ndarray, "item hidden"]) -> Float[Floats, "item label"]:
        """Score every class for every vector."""
        return vectors.astype(np.float64) @ self.weight.T + self.bias


def fit_logistic(
    vectors: Float[np.ndarray, "train hidden"],
    labels: Int[Codes, " train"],
    classes: int,
    *,
    inverse_penalty: float,
    iterations: int,
) -> Linear:
    """Minimise Σ cross-entropy + |W|² / (2C) by L-BFGS.

    Parameters
    ----------
    vectors, labels
        Training items.
    classes
        Number of classes, those without training items included.
    inverse_penalty
        C of scikit-learn.
    iterations
        Most steps of the solver.
    """
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]  # it has no types
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # see above

    weight, bias = np.zeros((classes, vectors.shape[1])), np.full(classes, -np.inf)
    seen = np.unique(labels)
    if len(seen) == 1:
        bias[seen] = 0.0
        return Linear(weight, bias, converged=True)
    model = LogisticRegression(C=inverse_penalty, max_iter=iterations)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(vectors.astype(np.float64), labels)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(seen) == 2:  # noqa: PLR2004 - scikit-learn keeps one row for two classes: that of the second
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    weight[seen], bias[seen] = coefficients, intercepts
    return Linear(weight, bias, converged=not any(issubclass(w.category, ConvergenceWarning) for w in caught))


def best_allowed(
    scores: Float[Floats, "item label"], allowed: Bool[np.ndarray, "item label"] | None
) -> Int[Codes, " item"]:
    """Class of the largest score among those allowed; -1 where none is."""
    masked = scores if allowed is None else np.where(allowed, scores, -np.inf)
    found: Codes = np.where(np.isneginf(masked).all(axis=1), -1, masked.argmax(axis=1)).astype(np.int64)
    return found

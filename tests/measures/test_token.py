"""Token metrics are held to what they declare, and their faults bear their name."""

from __future__ import annotations

import pytest
import torch

from prosect.errors import PluginError, UsageError
from prosect.measures.token import Measure
from prosect.planning.model import Bound
from prosect.plugins.declarations import MetricDeclaration, Options, Variable
from prosect.terms.dense import DenseTerms
from prosect.vocab.components import BIAS, INPUT

TERMS = DenseTerms((INPUT, BIAS), torch.ones(2, 5, 3))
TOTAL = TERMS.sum()


def measure(function, *names: str) -> Measure:
    produces = tuple(Variable(name=name, dims=("component", "token"), long_name=name) for name in names or ("mine",))
    declaration = MetricDeclaration(name="mine", summary="s", implementation="a:b", produces=produces)
    return Measure(Bound(declaration, Options()), function)


def test_what_fits_the_declaration_is_taken():
    assert measure(lambda terms, total, options: terms.norm())(TERMS, TOTAL)["mine"].shape == (2, 5)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (
            lambda terms, total, options: total,
            r"shape \(5, 3\); declared is \('component', 'token'\), where 'token'.*\(5,\)",
        ),
        (lambda terms, total, options: terms.norm().sum(), r"shape \(\)"),
        (lambda terms, total, options: 3.0, r"shape \(\)"),
        (lambda terms, total, options: {"other": total}, r"gave \['other'\], declared are \['mine'\]"),
    ],
)
def test_what_does_not_is_the_metric_s_fault(function, says):
    with pytest.raises(PluginError, match=f"metric 'mine' gave .*{says}" if "declared are" not in says else says):
        measure(function)(TERMS, TOTAL)


def test_a_refusal_bears_the_metric_s_name():
    def refuse(*_: object) -> None:
        raise UsageError("needs maps")

    with pytest.raises(UsageError, match="metric 'mine': needs maps"):
        measure(refuse)(TERMS, TOTAL)

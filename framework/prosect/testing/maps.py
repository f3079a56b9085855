"""Kit for a metric of maps: terms whose labels are source tokens, kept factored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from prosect.plugins.declarations import MetricDeclaration
from prosect.plugins.registry import load_registry
from prosect.terms.factored import FactoredTerms
from prosect.testing.metrics import Measure, assert_same, loaded, random_factored_terms


class MapMetricTests:
    """Checks of a metric that reads maps, on random factored terms of two sentences.

    Attributes
    ----------
    metric
        Its name, as a spec would write it.
    options
        Its options, as in a spec.

    Examples
    --------
    >>> class TestWeight(MapMetricTests):
    ...     metric = "weight"
    """

    metric: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def declaration(self) -> MetricDeclaration:
        """Find the metric among the installed plugins."""
        return load_registry().find("metrics", self.metric)

    @pytest.fixture
    def measure(self, declaration: MetricDeclaration) -> Measure:
        """Load the implementation as a run does; a block goes on from its attention by adding it to the stream."""
        return loaded(declaration, self.options, onward=Added)

    @pytest.fixture
    def terms(self) -> FactoredTerms:
        """Random terms: 2 sentences of 4 tokens, 2 heads, 5 coordinates."""
        return random_factored_terms()

    def test_it_is_a_token_metric(self, declaration: MetricDeclaration) -> None:
        """Only those take terms."""
        assert declaration.form == "token"

    def test_every_declared_variable_has_the_declared_axes(
        self, declaration: MetricDeclaration, measure: Measure, terms: FactoredTerms
    ) -> None:
        """The axes (sentence, position) stand where ``token`` is declared; lengths of unknown axes are free."""
        lengths = {"token": (2, 4), "source": (4,), "head": (2,), "component": (5,), "hidden": (5,)}
        found = measure(terms, terms.sum())
        assert set(found) == {variable.name for variable in declaration.produces}
        for variable in declaration.produces:
            shape = found[variable.name].shape
            wanted = [length for dim in variable.dims for length in lengths.get(dim, (None,))]
            assert len(shape) == len(wanted)
            assert [length for length in wanted if length] == [
                length for length, known in zip(shape, wanted, strict=True) if known
            ]

    def test_it_measures_the_same_every_time(self, measure: Measure, terms: FactoredTerms) -> None:
        """A resumed run must give the same bits, and the replay goes on with the terms."""
        first = measure(terms, terms.sum())
        assert_same(measure(terms, terms.sum()), first, tolerance=0.0)
        assert_same(measure(random_factored_terms(), random_factored_terms().sum()), first, tolerance=0.0)

    def test_sentences_do_not_influence_each_other(
        self, declaration: MetricDeclaration, measure: Measure, terms: FactoredTerms
    ) -> None:
        """Which sentences share a batch is a matter of speed."""
        whole = measure(terms, terms.sum())
        for sentence in (0, 1):
            alone, chosen = only(terms, sentence), torch.tensor([sentence])
            expected = {v.name: whole[v.name].index_select(v.dims.index("token"), chosen) for v in declaration.produces}
            assert_same(measure(alone, alone.sum()), expected)


@dataclass(frozen=True)
class Added:
    """The rest of a block that does nothing but add.

    Attributes
    ----------
    output
        Its true output.
    """

    output: Float[Tensor, "batch token hidden"]

    @property
    def width(self) -> int:
        """Numbers that a rerun holds for each vector."""
        return self.output.shape[-1]

    def __call__(
        self, change: Float[Tensor, "batch source query hidden"], queries: slice
    ) -> Float[Tensor, "batch source query hidden"]:
        """Add the change."""
        return self.output[:, None, queries] + change


def only(terms: FactoredTerms, sentence: int) -> FactoredTerms:
    """Take one sentence out of a batch."""
    part, own, one = terms.attended_part, terms.own_part, slice(sentence, sentence + 1)
    return replace(
        terms,
        own_part=None if own is None else own[one],
        rest=terms.rest[:, one],
        attended_part=None
        if part is None
        else replace(part, alpha=part.alpha[one], values=part.values[one], row=part.row[one]),
    )

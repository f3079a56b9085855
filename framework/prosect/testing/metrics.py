"""Kit for a token metric: its shapes, and what must not change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from prosect.errors import ProsectError
from prosect.measures.token import load_measures
from prosect.planning.model import Bound
from prosect.plugins.declarations import MetricDeclaration, Variable
from prosect.plugins.registry import load_registry
from prosect.terms.dense import DenseTerms
from prosect.terms.factored import FactoredTerms
from prosect.terms.onward import Onward
from prosect.terms.pairs import Attended
from prosect.terms.reading import Reading, TokenView
from prosect.terms.terms import Terms
from prosect.testing.corpus import corpus
from prosect.testing.heads import small_head
from prosect.vocab.components import Component

Values = dict[str, Tensor]
#: Terms, the state that they sum to, and which tokens of the small corpus they belong to (by default the first).
Measure = Callable[..., Values]

COMPONENT_AXES = ("component", "other_component")


class MetricTests:
    """Checks of a token metric, on random terms; a metric that reads maps only has `MapMetricTests`.

    Attributes
    ----------
    metric
        Its name, as a spec would write it.
    options
        Its options, as in a spec.

    Examples
    --------
    >>> class TestNorm(MetricTests):
    ...     metric = "norm"
    """

    metric: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def declaration(self) -> MetricDeclaration:
        """Find the metric among the installed plugins."""
        return load_registry().find("metrics", self.metric)

    @pytest.fixture
    def measure(self, declaration: MetricDeclaration) -> Measure:
        """Load the implementation as a run does."""
        return loaded(declaration, self.options)

    @pytest.fixture
    def terms(self) -> DenseTerms:
        """Random terms: 4 components, 6 tokens, 5 coordinates."""
        return DenseTerms(_components(4), _random(4, 6, 5))

    def test_it_is_a_token_metric(self, declaration: MetricDeclaration) -> None:
        """Only those take terms."""
        assert declaration.form == "token"

    def test_every_declared_variable_has_the_declared_axes(
        self, declaration: MetricDeclaration, measure: Measure, terms: DenseTerms
    ) -> None:
        """Lengths of axes that terms do not have are free."""
        found = measure(terms, terms.sum())
        lengths = {"component": 4, "other_component": 4, "token": 6, "hidden": 5}
        assert set(found) == {variable.name for variable in variables(declaration, self.options)}
        for variable in variables(declaration, self.options):
            values = found[variable.name]
            assert values.dim() == len(variable.dims)
            assert tuple(values.shape) == tuple(
                lengths.get(dim, length) for dim, length in zip(variable.dims, values.shape, strict=True)
            )

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_the_dtype_of_the_terms_is_kept(self, measure: Measure, terms: DenseTerms, dtype: torch.dtype) -> None:
        """Measurements are stored as they are computed; integers and booleans may be, too."""
        cast = DenseTerms(terms.components, terms.dense().to(dtype))
        for values in measure(cast, cast.sum()).values():
            assert values.dtype == dtype or not values.is_floating_point()

    def test_single_precision_is_close_to_double(self, measure: Measure, terms: DenseTerms) -> None:
        """Terms come in float32 as a rule."""
        single = DenseTerms(terms.components, terms.dense().float())
        found, expected = measure(single, single.sum()), measure(terms, terms.sum())
        raised = {name: v.double() if v.is_floating_point() else v for name, v in found.items()}
        assert_same(raised, expected, tolerance=1e-4)

    def test_terms_and_total_are_left_as_they_are(self, measure: Measure, terms: DenseTerms) -> None:
        """They belong to the replay, which goes on with them."""
        total = terms.sum()
        before = terms.dense().clone(), total.clone()
        measure(terms, total)
        assert torch.equal(terms.dense(), before[0])
        assert torch.equal(total, before[1])

    def test_it_measures_the_same_every_time(self, measure: Measure, terms: DenseTerms) -> None:
        """A resumed run must give the same bits."""
        total = terms.sum()
        first, second = measure(terms, total), measure(terms, total)
        assert all(torch.equal(first[name].nan_to_num(), second[name].nan_to_num()) for name in first)

    def test_tokens_do_not_influence_each_other(
        self, declaration: MetricDeclaration, measure: Measure, terms: DenseTerms
    ) -> None:
        """Which tokens share a batch is a matter of speed: each alone measures as it does among others."""
        whole = measure(terms, terms.sum())
        for token in range(6):
            alone = DenseTerms(terms.components, terms.dense()[:, token : token + 1])
            chosen = torch.tensor([token])
            expected = {
                v.name: whole[v.name].index_select(v.dims.index("token"), chosen)
                for v in variables(declaration, self.options)
            }
            assert_same(measure(alone, alone.sum(), chosen), expected)

    def test_the_order_of_components_does_not_matter(
        self, declaration: MetricDeclaration, measure: Measure, terms: DenseTerms
    ) -> None:
        """Values follow their labels."""
        order = torch.tensor([2, 0, 3, 1])
        moved = DenseTerms(tuple(terms.components[i] for i in order), terms.dense()[order])
        expected = measure(terms, terms.sum())
        orders = dict.fromkeys(COMPONENT_AXES, order)
        chosen = declaration.options.model_validate(self.options)
        labels = declaration.own_axes(chosen, terms.components)
        for dim, found in declaration.own_axes(chosen, moved.components).items():
            if set(found) != set(labels[dim]):
                pytest.skip(f"the labels of {dim!r} follow the order of components")
            orders[dim] = torch.tensor([list(labels[dim]).index(label) for label in found])
        for variable in variables(declaration, self.options):
            for axis, dim in enumerate(variable.dims):
                if dim in orders:
                    expected[variable.name] = expected[variable.name].index_select(axis, orders[dim])
        assert_same(measure(moved, moved.sum()), expected)

    def test_a_metric_of_single_terms_does_not_look_at_the_others(
        self, declaration: MetricDeclaration, measure: Measure, terms: DenseTerms
    ) -> None:
        """Where it says so: labels that are tokens may come a few at a time, beside the same hidden state."""
        options = declaration.options.model_validate(self.options)
        if not declaration.of_single_terms(options):
            pytest.skip("it compares terms")
        total = terms.sum()
        whole, some = measure(terms, total), measure(terms.first(2), total)
        for variable in declaration.variables(options):
            expected = whole[variable.name]
            for axis, dim in enumerate(variable.dims):
                expected = expected.narrow(axis, 0, 2) if dim in COMPONENT_AXES else expected
            assert_same({variable.name: some[variable.name]}, {variable.name: expected})

    def test_what_is_undefined_is_not_a_number(self, measure: Measure, terms: DenseTerms) -> None:
        """Where all terms are 0, values are finite or NaN, never infinite, and nothing is raised."""
        empty = DenseTerms(terms.components, torch.zeros_like(terms.dense()))
        assert not any(bool(values.isinf().any()) for values in measure(empty, empty.sum()).values())

    def test_factored_terms_measure_as_their_vectors_do(self, measure: Measure) -> None:
        """Terms of a map are not kept as vectors; a Gram matrix of them is refused."""
        factored = random_factored_terms()
        total = factored.sum()
        try:
            found = measure(factored, total)
        except ProsectError as refusal:
            pytest.skip(f"not for factored terms: {refusal}")
        expected = measure(DenseTerms(factored.components, factored.dense()), total)
        assert_same(found, expected, tolerance=1e-7)


def variables(declaration: MetricDeclaration, options: Mapping[str, Any]) -> tuple[Variable, ...]:
    """Return the variables of a metric under its options."""
    return declaration.variables(declaration.options.model_validate(options))


def loaded(
    declaration: MetricDeclaration, options: Mapping[str, Any], onward: Callable[[Tensor], Onward] | None = None
) -> Measure:
    """Load a metric; it is handed what a run hands it, a `Reading` of the terms of some tokens of a small corpus.

    With ``onward`` it is given the rest of a block, too.
    """
    measure = load_measures([Bound(declaration, declaration.options.model_validate(options))])[0]

    def measured(terms: Terms, total: Tensor, index: Tensor | None = None) -> Values:
        tokens = total.shape[:-1]
        index = torch.arange(tokens.numel()) if index is None else index
        head = small_head(total.shape[-1], total.dtype) if "head" in declaration.requires else None
        rest = None if onward is None else onward(total)
        view = TokenView(corpus(), index.reshape(tokens))
        return measure(Reading(terms, total, view, head=head, onward=rest), total)

    return measured


def random_factored_terms() -> FactoredTerms:
    """Terms of two sentences of 4 tokens, 2 heads, 5 coordinates."""
    alpha = _random(2, 2, 4, 4).softmax(dim=-1)
    part = Attended(alpha=alpha, values=_random(2, 4, 2, 3), output=_random(2, 3, 5), row=_random(2, 4, 1))
    return FactoredTerms(own_part=_random(2, 4, 5), rest=_random(1, 2, 4, 5), sources=4, attended_part=part)


def _components(number: int) -> tuple[Component, ...]:
    return tuple(Component(f"part.{index}", "part", index) for index in range(1, number + 1))


def _random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_same(found: Values, expected: Values, tolerance: float = 1e-9) -> None:
    """Compare variables by name, relative and absolute; NaN equals NaN."""
    assert set(found) == set(expected)
    for name, values in found.items():
        torch.testing.assert_close(values, expected[name], rtol=tolerance, atol=tolerance, equal_nan=True, msg=name)

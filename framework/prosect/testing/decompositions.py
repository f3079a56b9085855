"""Kit for a decomposition: its rules, and that its terms sum to the hidden states of every shape of model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import xarray as xr

from prosect.errors import SpecError
from prosect.plugins.declarations import DecompositionDeclaration
from prosect.plugins.registry import implementation, load_registry
from prosect.running.python import decompose
from prosect.testing.closing import choices
from prosect.testing.models import SHAPES, hidden_states, small_module, targets, token_rows, whole_config
from prosect.vocab.architecture import Architecture, Stream
from prosect.vocab.rules import Rules, components

Case = tuple[str, str]

CASES: list[Any] = [
    pytest.param((shape, stream), id=f"{shape}-{stream}")
    for shape, config in SHAPES.items()
    for stream in (("encoder", "decoder") if config["model_type"] == "marian" else ("main",))
]
# Ten times what the engine itself allows a single step in float64.
CLOSURE = 1e-8


class DecompositionTests:
    """Checks of a decomposition on small random models: post-norm, pre-norm, gated, encoder-decoder.

    Attributes
    ----------
    decomposition
        Its name, as a spec would write it.
    options
        Its options, as in a spec.

    Examples
    --------
    >>> class TestHalves(DecompositionTests):
    ...     decomposition = "halves"
    """

    decomposition: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def declaration(self) -> DecompositionDeclaration:
        """Find the decomposition among the installed plugins."""
        return load_registry().find("decompositions", self.decomposition)

    @pytest.mark.parametrize("case", CASES)
    def test_labels_are_unique_and_the_same_every_time(self, declaration: DecompositionDeclaration, case: Case) -> None:
        """Under every choice of every option."""
        stream = _described(*case)
        for chosen in (self.options, *choices(declaration, self.options)):
            options = declaration.options.model_validate(chosen)
            rules = implementation(declaration)(options, stream)
            assert isinstance(rules, Rules)
            labels = [component.label for component in components(stream, rules)]
            assert labels
            assert len(set(labels)) == len(labels)
            assert components(stream, implementation(declaration)(options, stream)) == components(stream, rules)

    @pytest.mark.parametrize("case", CASES)
    def test_it_runs_with_its_own_metrics_and_closes(self, declaration: DecompositionDeclaration, case: Case) -> None:
        """The gap between the sum of the terms and the hidden state is rounding."""
        found = self.decomposed(case)
        assert found.attrs["closure_max"] <= _closure(case)
        registry = load_registry()
        wanted = {v.name for name in declaration.metrics for v in registry.find("metrics", name).produces}
        assert wanted <= set(found.data_vars)

    def test_what_crosses_from_an_encoder_closes_too(self, declaration: DecompositionDeclaration) -> None:
        """In the node ``cross``, where the decomposition has one."""
        if not declaration.crosses or implementation(declaration)(self._given(declaration), _crossing()) is None:
            pytest.skip("it has no node 'cross'")
        found = self.decomposed(("marian", "cross"))
        assert found.attrs["closure_max"] <= CLOSURE
        assert found.sizes["source_token"] > 0

    @pytest.mark.parametrize("case", CASES)
    def test_terms_sum_to_the_hidden_states_of_transformers(
        self, declaration: DecompositionDeclaration, case: Case
    ) -> None:
        """At every layer, whatever the labels."""
        rules = implementation(declaration)(declaration.options.model_validate(self.options), _described(*case))
        if rules.by_token or rules.per_source or rules.readout != "hidden_states" or rules.scopes is not None:
            pytest.skip("its terms are not kept, or not read after a block")
        module = small_module(SHAPES[case[0]], torch.float64)
        states = hidden_states(module, token_rows(module), case[1]).numpy()
        found = self.decomposed(case)["terms"]
        assert _gap(found.sum("component").values, states[found["layer"].values]) <= _closure(case)

    def test_sentences_do_not_influence_each_other(self) -> None:
        """Alone or beside others and padding, the same numbers."""
        rows = token_rows(small_module(SHAPES["bert"], torch.float64))
        together, alone = self.decomposed(("bert", "main")), self.decomposed(("bert", "main"), row=1)
        own = together.isel(token=slice(len(rows[0]), len(rows[0]) + len(rows[1])))
        for name in (name for name, values in own.data_vars.items() if "source" not in values.dims):
            found, expected = alone[name].values, own[name].values
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10, err_msg=str(name))

    def test_it_decomposes_the_same_every_time(self) -> None:
        """Bit for bit."""
        fresh = _decomposed.__wrapped__(self.decomposition, json.dumps(self.options), ("gpt2", "main"), None)
        assert fresh.identical(self.decomposed(("gpt2", "main")))

    def test_unknown_options_are_refused(self) -> None:
        """A misspelt option must not be ignored."""
        with pytest.raises(SpecError, match="no_such_option"):
            _decomposed(self.decomposition, json.dumps({**self.options, "no_such_option": 1}), ("bert", "main"), None)

    def _given(self, declaration: DecompositionDeclaration) -> Any:  # noqa: ANN401 - any options
        return declaration.options.model_validate(self.options)

    def decomposed(self, case: Case, row: int | None = None) -> xr.Dataset:
        """Decompose hidden states of a small model of that shape, for all sentences or for one of them."""
        return _decomposed(self.decomposition, json.dumps(self.options), case, row)


# Several tests look at one result.
@cache
def _decomposed(decomposition: str, options: str, case: Case, row: int | None) -> xr.Dataset:
    shape, stream = case
    module = small_module(SHAPES[shape], torch.float64)
    rows = token_rows(module) if row is None else [token_rows(module)[row]]
    fed = None if stream == "main" else targets(rows)
    named: Any = stream
    return decompose(module, None, rows, decomposition, targets=fed, stream=named, **json.loads(options))


def _described(shape: str, stream: str) -> Stream:
    declaration = load_registry().architecture_for(shape)
    assert declaration is not None, f"the family {shape!r} is not installed"
    described: Architecture = implementation(declaration)(whole_config(SHAPES[shape]))
    return described.stream(stream)


def _crossing() -> Stream:
    declaration = load_registry().architecture_for("marian")
    assert declaration is not None, "the family 'marian' is not installed"
    described: Architecture = implementation(declaration)(whole_config(SHAPES["marian"]))
    crossing = described.crossing
    assert crossing is not None
    return crossing


def _gap(found: Any, states: Any) -> float:  # noqa: ANN401 - numpy arrays
    sizes = np.maximum(np.linalg.norm(states, axis=-1), 1.0)
    return float((np.linalg.norm(found - states, axis=-1) / sizes).max())


def _closure(case: Case) -> float:
    # Llama computes its norms in float32 whatever the dtype of the model.
    return 1e-5 if case[0] == "llama" else CLOSURE

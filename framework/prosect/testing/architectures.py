"""Kit for the description of an architecture: whether it fits the family's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar

import pytest
import torch

from prosect.errors import SelfTestError
from prosect.model.load import wrap_module
from prosect.plugins.declarations import ArchitectureDeclaration
from prosect.plugins.registry import implementation, load_registry
from prosect.running.python import decompose
from prosect.terms.closure import tolerance
from prosect.terms.selftest import self_test
from prosect.testing.models import hidden_states, small_module, streams, targets, token_rows, whole_config
from prosect.vocab.architecture import Architecture, Norm

DTYPES = [pytest.param(torch.float64, id="float64"), pytest.param(torch.float32, id="float32")]
# Large enough to be seen in any norm, whatever the family's own epsilon.
WRONG_EPSILON = 0.5


class ArchitectureTests:
    """Checks of a described family, on a small random model of it.

    Attributes
    ----------
    config
        A small configuration with ``model_type``, as ``config.json`` would hold it.

    Examples
    --------
    >>> class TestBert(ArchitectureTests):
    ...     config = {"model_type": "bert", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    """

    config: ClassVar[Mapping[str, Any]]

    @pytest.fixture
    def declaration(self) -> ArchitectureDeclaration:
        """Find the family by its model type."""
        found = load_registry().architecture_for(self.config["model_type"])
        assert found is not None, f"no installed plugin describes {self.config['model_type']!r}"
        return found

    @pytest.fixture
    def module(self) -> torch.nn.Module:
        """Make a small model in float64."""
        return small_module(self.config, torch.float64)

    @pytest.fixture
    def architecture(self, declaration: ArchitectureDeclaration) -> Architecture:
        """Describe that model from its whole configuration."""
        described = implementation(declaration)(whole_config(self.config))
        assert isinstance(described, Architecture)
        return described

    def test_streams_have_the_names_of_the_contract(self, architecture: Architecture, module: torch.nn.Module) -> None:
        """One stream ``main``, or ``encoder`` and ``decoder``."""
        assert tuple(stream.name for stream in architecture.streams) == streams(module)

    def test_every_block_is_described(self, architecture: Architecture, module: torch.nn.Module) -> None:
        """As many as the model returns hidden states, the embeddings aside."""
        rows = token_rows(module)
        for stream in architecture.streams:
            states = hidden_states(module, rows, stream.name)
            assert (stream.layers + 1, stream.hidden) == (states.shape[0], states.shape[-1])

    def test_describing_twice_gives_the_same(
        self, architecture: Architecture, declaration: ArchitectureDeclaration
    ) -> None:
        """It is data."""
        assert implementation(declaration)(whole_config(self.config)) == architecture

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_the_self_test_passes(self, architecture: Architecture, dtype: torch.dtype) -> None:
        """Sub-layers rebuilt from the description give what the modules give."""
        self_test(wrap_module(small_module(self.config, dtype), None), architecture)

    def test_a_wrong_description_does_not_pass(self, architecture: Architecture, module: torch.nn.Module) -> None:
        """Another epsilon in every norm; it shows that the test above can fail."""
        if not any(stream.norms for stream in architecture.streams):
            pytest.skip("the family has no norms")
        with pytest.raises(SelfTestError):
            self_test(wrap_module(module, None), with_wrong_norms(architecture))

    def test_terms_sum_to_the_hidden_states_of_transformers(
        self, architecture: Architecture, module: torch.nn.Module
    ) -> None:
        """At every layer of every stream, in batches of sentences of several lengths."""
        rows = token_rows(module)
        for stream in architecture.streams:
            fed = None if stream.name == "main" else targets(rows)
            found = decompose(
                module, None, rows, "sum_of_factors", targets=fed, stream=stream.name, metrics=[], by="sublayer"
            )
            states = hidden_states(module, rows, stream.name)
            gaps = torch.from_numpy(found["terms"].sum("component").values) - states
            scale = states.norm(dim=-1).clamp(min=1.0)
            assert float((gaps.norm(dim=-1) / scale).max()) <= 10 * tolerance("float64", architecture)


def with_wrong_norms(value: Any) -> Any:  # noqa: ANN401 - any part of a description
    """Return a part of a description with another epsilon in every norm of it."""
    if isinstance(value, Norm):
        return replace(value, eps=value.eps + WRONG_EPSILON)
    if isinstance(value, tuple):
        return tuple(with_wrong_norms(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: with_wrong_norms(getattr(value, item.name)) for item in fields(value)})
    return value

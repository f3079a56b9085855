"""Kit for the description of an architecture: whether it fits the family's own code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from prosect.errors import ProsectError, SelfTestError
from prosect.model.load import wrap_module
from prosect.plugins.declarations import ArchitectureDeclaration
from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import works_with
from prosect.terms.closure import tolerance
from prosect.terms.selftest import self_test
from prosect.testing.captured import attention_of, attention_of_transformers, terms_of
from prosect.testing.closing import closings, label_choices
from prosect.testing.models import hidden_states, small_module, streams, token_rows, whole_config
from prosect.testing.wrong import refusal, with_wrong_activations, with_wrong_norms, with_wrong_values
from prosect.vocab.architecture import Architecture, Stream
from prosect.vocab.rules import Rules

DTYPES = [pytest.param(torch.float64, id="float64"), pytest.param(torch.bfloat16, id="bfloat16")]
TERMS = [
    pytest.param(torch.float64, "kind", id="kind-float64"),
    pytest.param(torch.float64, "head", id="head-float64"),
    pytest.param(torch.float32, "head", id="head-float32"),
]
# The row that most padding stands beside in a batch.
SHORTEST = 1


class ArchitectureTests:
    """Checks of a described family, on a small random model of it.

    Attributes
    ----------
    config
        A small configuration with ``model_type``, as ``config.json`` would hold it. It should have what is
        peculiar to the family: grouped queries, shared blocks, windows, projections.

    Examples
    --------
    >>> class TestBert(ArchitectureTests):
    ...     config = {"model_type": "bert", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    """

    config: ClassVar[Mapping[str, Any]]

    @pytest.fixture(scope="class")
    @classmethod
    def declaration(cls) -> ArchitectureDeclaration:
        """Find the family by its model type."""
        found = load_registry().architecture_for(cls.config["model_type"])
        assert found is not None, f"no installed plugin describes {cls.config['model_type']!r}"
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def module(cls) -> nn.Module:
        """Make a small model in float64."""
        return small_module(cls.config, torch.float64)

    @pytest.fixture(scope="class")
    @classmethod
    def architecture(cls, declaration: ArchitectureDeclaration) -> Architecture:
        """Describe that model from its whole configuration."""
        described = implementation(declaration)(whole_config(cls.config))
        assert isinstance(described, Architecture)
        return described

    def test_streams_have_the_names_of_the_contract(self, architecture: Architecture, module: nn.Module) -> None:
        """One stream ``main``, or ``encoder`` and ``decoder``."""
        assert tuple(stream.name for stream in architecture.streams) == streams(module)

    def test_every_block_is_described(self, architecture: Architecture, module: nn.Module) -> None:
        """As many as the model returns hidden states of that width, the embeddings aside."""
        rows = token_rows(module)
        for stream in architecture.streams:
            states = hidden_states(module, rows, stream.name)
            assert (_compared(stream), stream.hidden) == (states.shape[0], states.shape[-1])

    def test_it_is_described_by_its_config_json_alone(
        self, architecture: Architecture, declaration: ArchitectureDeclaration
    ) -> None:
        """What JSON keeps of a configuration is enough, and describing it again gives the same."""
        read = json.loads(json.dumps(whole_config(self.config), default=str))
        assert implementation(declaration)(read) == architecture

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_the_self_test_passes(self, architecture: Architecture, dtype: torch.dtype) -> None:
        """Sub-layers rebuilt from the description give what the modules give, with and without padding."""
        assert refusal(wrap_module(small_module(self.config, dtype), None), architecture) is None

    def test_wrong_norms_are_refused(self, architecture: Architecture, module: nn.Module) -> None:
        """Another epsilon in every norm; it shows that the test above can fail."""
        if not any(stream.norms for stream in architecture.streams):
            pytest.skip("the family has no norms")
        with pytest.raises(SelfTestError):
            self_test(wrap_module(module, None), with_wrong_norms(architecture))

    def test_a_wrong_value_projection_is_refused(self, architecture: Architecture, module: nn.Module) -> None:
        """Keys or queries in place of the values."""
        loaded = wrap_module(module, None)
        with pytest.raises(SelfTestError, match="attention"):
            self_test(loaded, with_wrong_values(architecture, loaded.base))

    def test_a_wrong_activation_is_refused(self, architecture: Architecture, module: nn.Module) -> None:
        """Another activation in every feed-forward block."""
        with pytest.raises(SelfTestError, match="feed_forward rebuilt"):
            self_test(wrap_module(module, None), with_wrong_activations(architecture))

    def test_attention_is_that_of_transformers(self, architecture: Architecture, module: nn.Module) -> None:
        """What is captured from the modules is what the model itself returns."""
        loaded = wrap_module(module, None)
        for row in token_rows(module):
            for stream in architecture.streams:
                captured = attention_of(loaded, stream, row)
                expected = attention_of_transformers(loaded, stream, row)
                assert {kind: len(weights) for kind, weights in captured.items()} == {
                    kind: len(weights) for kind, weights in expected.items()
                }
                for kind, weights in captured.items():
                    torch.testing.assert_close(weights, expected[kind], rtol=0, atol=1e-9)

    @pytest.mark.parametrize(("dtype", "by"), TERMS)
    def test_terms_sum_to_the_hidden_states_of_transformers(
        self, architecture: Architecture, dtype: torch.dtype, by: str
    ) -> None:
        """At every layer of every stream: terms of a padded batch, states of sentences by themselves."""
        module = small_module(self.config, dtype)
        rows, limit = token_rows(module), tolerance(str(dtype).removeprefix("torch."), architecture)
        for stream in architecture.streams:
            states = hidden_states(module, rows, stream.name)
            terms = _terms(module, stream, rows, by)[: len(states)]
            sizes = states.norm(dim=-1)
            amplification = (terms.norm(dim=-1).sum(dim=1) / sizes).clamp(min=1.0)
            gaps = (terms.sum(dim=1) - states).norm(dim=-1) / sizes
            assert float((gaps / amplification).max()) <= limit

    def test_terms_do_not_depend_on_what_stands_beside_a_sentence(
        self, architecture: Architecture, module: nn.Module
    ) -> None:
        """The shortest sentence of a batch, and the same alone, without padding."""
        rows, limit = token_rows(module), 10 * tolerance("float64", architecture)
        start = sum(len(row) for row in rows[:SHORTEST])
        own = slice(start, start + len(rows[SHORTEST]))
        for stream in architecture.streams:
            together = _terms(module, stream, rows, "head")[:, :, own]
            alone = _terms(module, stream, rows[SHORTEST : SHORTEST + 1], "head")
            assert float((together - alone).abs().max() / alone.abs().max()) <= limit

    def test_every_decomposition_closes_or_gives_its_reason(
        self, architecture: Architecture, module: nn.Module
    ) -> None:
        """As the table of what works says: all that are installed, at every choice of labels, on every stream."""
        rows, wanted = token_rows(module), []
        for declaration in load_registry().declarations("decompositions"):
            if works_with(declaration, architecture) is None:
                wanted += [(declaration.name, chosen) for chosen in label_choices(declaration, architecture)]
            else:
                with pytest.raises(ProsectError):
                    closings(module, rows, [(declaration.name, {})])
        limit = 10 * tolerance("float64", architecture)
        found = closings(module, rows, wanted)
        assert {closing.node for closing in found} >= {stream.name for stream in architecture.streams}
        assert [closing for closing in found if not closing.gap <= limit] == []


def _compared(stream: Stream) -> int:
    """Count the layers that transformers returns in the width of the stream."""
    return stream.layers + (stream.final_projection is None)


def _terms(module: nn.Module, stream: Stream, rows: list[list[int]], by: str) -> Tensor:
    """Terms of the sum of factors, shape (layer, component, token, hidden)."""
    factors = load_registry().find("decompositions", "sum_of_factors")
    rules: Rules = implementation(factors)(factors.options.model_validate({"by": by}), stream)
    return terms_of(wrap_module(module, None), stream, rows, rules)

"""The kits of `prosect.testing` over every plugin of this distribution."""

from __future__ import annotations

from typing import ClassVar

from prosect.api import Sentence
from prosect.testing import (
    ArchitectureTests,
    CorpusExample,
    CorpusTests,
    DecompositionTests,
    MetricTests,
    PluginTests,
)


class TestPlugin(PluginTests):
    """Hooks, declarations and options."""

    module = "prosect_example.plugin"


class TestHalves(DecompositionTests):
    """The decomposition."""

    decomposition = "halves"


class TestLargestCoordinate(MetricTests):
    """The metric."""

    metric = "largest_coordinate"


class TestErnie(ArchitectureTests):
    """The architecture."""

    config: ClassVar = {
        "model_type": "ernie",
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "vocab_size": 60,
        "use_task_id": True,
    }


class TestCsv(CorpusTests):
    """The kind of corpus."""

    example = CorpusExample(
        kind="csv",
        files={"notes.csv": 'text;author\n"One; with a semicolon";Ada\nTwo;Bo\n'},
        options={"path": "notes.csv", "annotations": ["author"], "delimiter": ";"},
        sentences=(
            Sentence(text="One; with a semicolon", annotations={"author": "Ada"}),
            Sentence(text="Two", annotations={"author": "Bo"}),
        ),
    )

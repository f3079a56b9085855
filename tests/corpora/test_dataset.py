"""Kind `dataset` with a folder of data files."""

from __future__ import annotations

import json

import pytest

from prosect.api import Sentence, UsageError
from prosect.plugins.registry import implementation
from prosect.testing import CorpusExample, CorpusTests

ROWS = [
    {"words": ["a", "b"], "ner": ["O", "X"], "source": "web"},
    {"words": ["c"], "ner": ["O"], "source": "book"},
    {"words": None, "ner": ["O"], "source": "book"},
]
OPTIONS = {"name": "./data", "split": "validation[:2]", "word_annotations": ["ner"], "annotations": ["source"]}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep the library's cache inside the test's folder, and the library off the network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


class TestDataset(CorpusTests):
    example = CorpusExample(
        kind="dataset",
        files={"data/validation.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS)},
        options=OPTIONS,
        sentences=(
            Sentence(words=("a", "b"), word_annotations={"ner": ("O", "X")}, annotations={"source": "web"}),
            Sentence(words=("c",), word_annotations={"ner": ("O",)}, annotations={"source": "book"}),
        ),
    )

    def test_a_row_without_a_sentence_is_named(self, declaration, folder):
        assert self.fault(declaration, folder, split="validation").startswith(
            "./data, split validation, row 2: no field 'text' or 'words'"
        )

    def test_what_the_library_refuses_is_a_usage_error(self, declaration, folder):
        assert "dataset './data' cannot be loaded" in self.fault(declaration, folder, split="dev")
        assert "dataset './other' cannot be loaded" in self.fault(declaration, folder, name="./other")
        assert "dataset './data' cannot be loaded" in self.fault(declaration, folder, config="fine")
        assert "dataset 'owner/name' cannot be loaded" in self.fault(declaration, folder, name="owner/name")

    def fault(self, declaration, folder, **changes):
        options = declaration.options.model_validate({**OPTIONS, **changes})
        with pytest.raises(UsageError) as caught:
            list(implementation(declaration)(options, folder))
        return str(caught.value)

"""Kind `dataset` without its library says what to install."""

from __future__ import annotations

import sys

import pytest

from prosect.api import UsageError
from prosect.plugins.registry import implementation, load_registry


def test_the_extra_to_install_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    declaration = load_registry().find("corpora", "dataset")
    sentences = implementation(declaration)(declaration.options.model_validate({"name": "owner/name"}), tmp_path)
    with pytest.raises(
        UsageError, match=r"need the package 'datasets'; install it with: pip install 'prosect\[datasets\]'"
    ):
        next(sentences)

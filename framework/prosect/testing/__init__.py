"""Test kits for plugin authors: subclass one, set one attribute, get the suite. They need pytest."""

import pytest

pytest.register_assert_rewrite("prosect.testing.corpora", "prosect.testing.plugins")

from prosect.testing.corpora import CorpusExample, CorpusTests  # noqa: E402 - asserts are rewritten on import
from prosect.testing.plugins import PluginTests  # noqa: E402 - as above

__all__ = ["CorpusExample", "CorpusTests", "PluginTests"]

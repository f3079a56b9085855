"""Which of the many combinations of family and decomposition are everyday tests."""

import pytest

EVERYDAY = ("TestBert", "TestGpt2", "TestLlama", "TestMarian")


def pytest_collection_modifyitems(items):
    """Put the longest test of the kit, that every decomposition closes, among the slow ones for most families."""
    for item in items:
        name = getattr(item, "originalname", "")
        if name == "test_every_decomposition_closes_or_gives_its_reason" and item.cls.__name__ not in EVERYDAY:
            item.add_marker(pytest.mark.slow)

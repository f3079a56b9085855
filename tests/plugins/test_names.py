"""Nearest names, and distributions whatever way their name is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.plugins.names import nearest, normal_distribution

NAMES = ("importance", "norm", "norm_ratio", "cosine", "distance", "dot")


@pytest.mark.parametrize(
    ("written", "meant"), [("importence", "importance"), ("COSINE", "cosine"), ("norm-ratio", "norm_ratio")]
)
def test_the_nearest_name_is_found_whatever_its_case(written, meant):
    assert nearest(written, NAMES) == meant


def test_nothing_is_suggested_where_nothing_is_like_it():
    assert nearest("perplexity", NAMES) is None
    assert nearest("norm", ()) is None


@given(st.sampled_from(NAMES))
def test_a_known_name_is_nearest_to_itself(name):
    assert nearest(name, NAMES) == name


@pytest.mark.parametrize("written", ["my-plugin", "My.Plugin", "my__plugin", "MY-_.plugin"])
def test_a_distribution_has_one_normal_form(written):
    assert normal_distribution(written) == "my-plugin"

"""How arrays are cut into shards and chunks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.results.layout import ArrayLayout, NodeLayout
from prosect.store.grid import CHUNK_BYTES, MIN_TOKENS, coordinate_chunk, grid, token_chunk


def cut(dims, sizes, unit_tokens=4096, dtype="float32"):
    array = ArrayLayout(name="x", dims=dims, dtype=dtype)
    layout = NodeLayout(path="m/a", sizes=sizes, arrays=(array,), coordinates=(), unit_tokens=unit_tokens)
    return grid(layout, array)


SIZES = {"layer": 13, "component": 4, "token": 100_000, "hidden": 768, "source": 70}


def test_vectors_of_a_bert_base():
    found = cut(("layer", "component", "token", "hidden"), SIZES)
    assert found.chunks == (1, 4, 256, 768)
    assert found.shards == (13, 4, 4096, 768)


def test_measurements_per_token():
    found = cut(("layer", "component", "token"), SIZES)
    assert found.chunks == (1, 4, 1024)
    assert found.shards == (13, 4, 4096)


def test_arrays_without_tokens_have_no_shards():
    found = cut(("layer", "component"), SIZES)
    assert found.chunks == (1, 4)
    assert found.shards is None


def test_sources_are_cut_small_and_shards_hold_them_all():
    found = cut(("layer", "token", "source"), SIZES)
    assert found.chunks == (1, 1024, 32)
    assert found.shards == (13, 4096, 96)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 100_000), st.integers(1, 10**8))
def test_a_chunk_divides_the_unit_and_keeps_to_its_budget(unit_tokens, row_bytes):
    chunk = token_chunk(unit_tokens, row_bytes)
    assert unit_tokens % chunk == 0
    fits = chunk <= MIN_TOKENS or chunk * row_bytes <= CHUNK_BYTES
    assert fits or chunk == unit_tokens


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9))
def test_coordinates_are_cut_only_where_they_are_long(size):
    (chunk,) = coordinate_chunk((size,))
    assert 1 <= chunk <= 65_536
    assert np.ceil(size / chunk) == 1 or chunk == 65_536 or size == 0

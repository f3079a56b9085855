"""R^2 of linear maps passes the kit of accumulators, for sub-layers and whole blocks."""

from __future__ import annotations

from typing import ClassVar

import pytest

from prosect.testing import AccumulatorTests


class TestLinearMap(AccumulatorTests):
    metric = "linear_map_r2"
    options: ClassVar = {"sublayer": "feed_forward", "selection": ["all", "no_first"]}


@pytest.mark.slow
class TestLinearMapOfAttention(AccumulatorTests):
    metric = "linear_map_r2"
    options: ClassVar = {"sublayer": "attention", "average": "variance", "group": "class", "parts": 3}


@pytest.mark.slow
class TestLinearMapOfBlockUpdates(AccumulatorTests):
    metric = "linear_map_r2"
    options: ClassVar = {"sublayer": "block_update", "average": "variance"}

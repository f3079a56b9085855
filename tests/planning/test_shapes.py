"""Depth and width read straight from a configuration, for models without a description."""

from __future__ import annotations

import pytest

from prosect.planning.model import PlannedModel
from prosect.planning.shapes import Shape, shapes
from prosect.spec.models import ModelSpec


def of(config):
    return shapes(PlannedModel(name="m", entry="m", spec=ModelSpec(), config=config))


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (
            {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12},
            Shape(name="main", layers=12, hidden=768, heads=12),
        ),
        ({"n_layer": 2, "n_embd": 4, "n_head": 1}, Shape(name="main", layers=2, hidden=4, heads=1)),
        ({"n_layers": 6, "dim": 768, "n_heads": 12}, Shape(name="main", layers=6, hidden=768, heads=12)),
        ({"num_layers": 3}, Shape(name="main", layers=3)),
        ({"num_hidden_layers": 2, "hidden_size": "x"}, Shape(name="main", layers=2)),
    ],
)
def test_common_names_of_the_sizes_are_known(config, shape):
    assert of(config) == (shape,)


@pytest.mark.parametrize(
    ("config", "depths"),
    [
        ({"encoder_layers": 6, "decoder_layers": 3, "d_model": 8}, (6, 3)),
        ({"num_layers": 4, "num_decoder_layers": 2}, (4, 2)),
    ],
)
def test_a_decoders_depth_tells_where_the_configuration_leaves_it_to_its_class(config, depths):
    assert [shape.layers for shape in of(config)] == list(depths)


@pytest.mark.parametrize(
    ("config", "depths"),
    [
        ({"encoder_layers": 6, "decoder_layers": 3, "d_model": 8}, (6, 3)),
        ({"num_layers": 4, "num_decoder_layers": 2}, (4, 2)),
        ({"num_layers": 4}, (4, 4)),
    ],
)
def test_an_encoder_decoder_has_two_streams(config, depths):
    found = of({**config, "is_encoder_decoder": True})
    assert [(shape.name, shape.layers) for shape in found] == [("encoder", depths[0]), ("decoder", depths[1])]


@pytest.mark.parametrize("config", [None, {}, {"is_encoder_decoder": True, "decoder_layers": 2}, {"n_layer": "12"}])
def test_what_a_configuration_does_not_say_is_unknown(config):
    assert of(config) is None

"""From components, tokens and declarations to the layout of a node and an in-memory dataset."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from prosect.errors import UsageError
from prosect.model.tokens import TokenStream
from prosect.planning.model import Bound
from prosect.plugins.declarations import DecompositionDeclaration, MetricDeclaration, Options, Variable
from prosect.results.build import Extent, metric_arrays, node_layout, terms_array
from prosect.results.coordinates import component_coordinates, plain_name, token_coordinates
from prosect.results.dataset import to_dataset
from prosect.vocab.components import BIAS, INPUT, TOTAL, Component

HEADS = (INPUT, Component("attention.3.7", "attention", 3, 7), Component("feed_forward.3", "feed_forward", 3), BIAS)


class NormOptions(Options):
    order: float = 2.0


def metric(*variables: Variable, options: Options | None = None) -> Bound[MetricDeclaration]:
    declared = MetricDeclaration(
        name=variables[0].name,
        summary="A measure.",
        implementation="nowhere:nothing",
        produces=variables,
        undefined="NaN where the embedding is 0",
        references=("Mickus 2022, eq. 7", "another"),
    )
    return Bound(declared, options or Options())


NORM = metric(Variable(name="norm", dims=("component", "token"), long_name="norm of the term", units="embedding units"))
DOT = metric(Variable(name="dot", dims=("component", "other_component", "token"), long_name="dot product"))


@pytest.fixture
def stream():
    return TokenStream(
        ids=np.array([5, 6, 7], dtype=np.int32),
        offsets=np.array([0, 2, 3]),
        coordinates={
            "sentence": np.array([0, 0, 1]),
            "text": np.array(["a", "bé", "c"], dtype=object),
            "special": np.array([True, False, True]),
            "part of speech": np.array(["N", "", "V"], dtype=object),
            "count": np.array([2**40, 1, -1]),
        },
    )


@pytest.fixture
def extent(stream):
    return Extent(layers=(0, 2), components=HEADS, stream=stream, hidden=8, unit_tokens=4)


def by_name(coordinates):
    return {coordinate.name: coordinate for coordinate in coordinates}


def test_blocks_and_heads_are_missing_where_a_component_has_none():
    found = by_name(component_coordinates(HEADS))
    assert found["component"].values.tolist() == ["input", "attention.3.7", "feed_forward.3", "bias"]
    assert found["kind"].values.tolist() == ["input", "attention", "feed_forward", "bias"]
    np.testing.assert_array_equal(found["block"].values, [np.nan, 3, 3, np.nan])
    np.testing.assert_array_equal(found["head"].values, [np.nan, 7, np.nan, np.nan])


def test_components_without_blocks_and_heads_have_no_such_coordinates():
    assert set(by_name(component_coordinates((TOTAL,)))) == {"component", "kind"}


def test_token_coordinates_are_small_and_have_plain_names(stream):
    found = by_name(token_coordinates(stream))
    assert set(found) == {"sentence", "text", "special", "part_of_speech", "count"}
    assert found["sentence"].values.dtype == np.int32
    assert found["count"].values.dtype == np.int64
    assert found["special"].values.dtype == np.bool_
    assert found["text"].values.tolist() == ["a", "bé", "c"]
    assert all(coordinate.dims == ("token",) and coordinate.attrs["long_name"] for coordinate in found.values())


@pytest.mark.parametrize(("name", "plain"), [("a b", "a_b"), ("__x", "x"), ("a/b\tc", "a_b_c"), (" ", "annotation")])
def test_names_of_annotations_are_made_plain(name, plain):
    assert plain_name(name) == plain


def test_a_layout_has_the_dimensions_and_coordinates_its_variables_use(extent):
    layout = node_layout("m/a", extent, metric_arrays(NORM, "float32"), {"decomposition": "sum_of_factors"})
    assert layout.sizes == {"layer": 2, "component": 4, "token": 3}
    assert layout.shape(layout.arrays[0]) == (2, 4, 3)
    assert "other_component" not in by_name(layout.coordinates)
    assert layout.attrs["schema"] == "prosect-results"
    assert layout.attrs["schema_version"] == 1
    pairs = node_layout("m/a", extent, metric_arrays(DOT, "float64"), {})
    assert pairs.shape(pairs.arrays[0]) == (2, 4, 4, 3)
    labels = by_name(pairs.coordinates)
    assert labels["other_component"].values.tolist() == labels["component"].values.tolist()


def test_variables_say_what_they_are():
    (array,) = metric_arrays(NORM, "float32")
    assert array.attrs == {
        "long_name": "norm of the term",
        "units": "embedding units",
        "reference": "Mickus 2022, eq. 7; another",
        "undefined": "NaN where the embedding is 0",
    }
    (dot,) = metric_arrays(DOT, "float32")
    assert dot.attrs["units"] == "1"


def test_options_of_a_metric_stand_beside_its_numbers():
    bound = metric(Variable(name="norm", dims=("token",), long_name="norm"), options=NormOptions(order=1))
    (array,) = metric_arrays(bound, "float32")
    assert array.attrs["options"] == {"order": 1.0}


def test_vectors_are_a_variable_like_any_other(extent):
    declared = DecompositionDeclaration(
        name="sum_of_factors", summary=".", implementation="a:b", references=("Mickus",)
    )
    layout = node_layout("m/a", extent, [terms_array(declared, "float16")], {})
    assert layout.arrays[0].dims == ("layer", "component", "token", "hidden")
    assert layout.shape(layout.arrays[0]) == (2, 4, 3, 8)
    assert layout.nbytes() == 2 * 4 * 3 * 8 * 2
    assert layout.arrays[0].attrs["reference"] == "Mickus"


def test_names_that_stand_twice_are_refused(extent, stream):
    with pytest.raises(UsageError, match="m/a: two metrics give the variable 'norm'"):
        node_layout("m/a", extent, metric_arrays(NORM, "float32") * 2, {})
    stream.coordinates["norm"] = np.zeros(3)
    with pytest.raises(UsageError, match="annotation 'norm' has the name of another variable"):
        node_layout("m/a", extent, metric_arrays(NORM, "float32"), {})


def test_an_unknown_dimension_is_refused_unless_its_length_is_given(extent):
    arrays = metric_arrays(metric(Variable(name="x", dims=("neuron", "token"), long_name="x")), "float32")
    with pytest.raises(UsageError, match="how long these dimensions are: neuron"):
        node_layout("m/a", extent, arrays, {})
    wider = Extent(layers=(1,), components=HEADS, stream=extent.stream, hidden=8, unit_tokens=4, others={"neuron": 2})
    assert node_layout("m/a", wider, arrays, {}).shape(arrays[0]) == (1, 2, 3)


def test_an_in_memory_dataset_is_labelled(extent):
    layout = node_layout("m/a", extent, metric_arrays(NORM, "float32"), {"dtype": np.dtype("float32").name})
    numbers = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    dataset = to_dataset(layout, {"norm": numbers})
    assert dataset.norm.sel(layer=2, component="bias").values.tolist() == [21, 22, 23]
    assert dataset.norm.where(dataset.block == 3, drop=True).component.values.tolist() == [
        "attention.3.7",
        "feed_forward.3",
    ]
    assert dataset.attrs["dtype"] == "float32"
    assert isinstance(dataset, xr.Dataset)


@pytest.mark.parametrize("data", [{}, {"norm": np.zeros((2, 4, 2), np.float32)}, {"norm": np.zeros((2, 4, 3))}])
def test_data_that_does_not_fit_the_layout_is_refused(extent, data):
    layout = node_layout("m/a", extent, metric_arrays(NORM, "float32"), {})
    with pytest.raises(ValueError, match=r"norm: .* came, but the layout says float32 \(2, 4, 3\)"):
        to_dataset(layout, data)


def test_layouts_are_made_without_torch_xarray_and_zarr():
    code = (
        "import sys, prosect.results.build, prosect.results.provenance, prosect.results.dataset\n"
        "sys.exit(str({'torch', 'xarray', 'zarr'} & set(sys.modules) or ''))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == ""

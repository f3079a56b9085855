"""CSV files as labelled data."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import prosect
from prosect.cli import main
from prosect.errors import SpecError, UsageError
from prosect.results.tables import read_table
from prosect.spec.models import TableSpec

SCORES = """run,step,bleu,note
b,20,0.5,good
a,10,0.25,
b,10,0.125,so so
"""
LONG = """run,metric,layer,mean I,mean F,std I,std F
a,cosine,1,0.1,0.2,1,2
a,norm,1,0.3,0.4,3,4
a,cosine,2,0.5,0.6,5,6
"""


@pytest.fixture
def table(tmp_path):
    def read(text: str = SCORES, name: str = "t.csv", **options) -> xr.Dataset:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return prosect.load_table(tmp_path / name, **options)

    return read


def test_keys_become_dimensions_and_gaps_are_not_numbers(table):
    found = table(keys=["run", "step"])
    assert found.bleu.dims == ("run", "step")
    assert found.run.values.tolist() == ["b", "a"]
    assert found.step.values.tolist() == [10, 20]
    np.testing.assert_array_equal(found.bleu, [[0.125, 0.5], [0.25, np.nan]])
    assert found.note.values.tolist() == [["so so", "good"], ["", ""]]
    assert found.attrs["table"] == "t.csv"


def test_columns_can_be_renamed_and_chosen(table):
    found = table(keys={"run": "model", "step": "step"}, values={"bleu": "quality"})
    assert list(found.data_vars) == ["quality"]
    assert found.quality.dims == ("model", "step")


def test_rows_can_be_left_out_and_keys_renamed(table):
    found = table(keys=["step"], where={"run": "b"}, values=["bleu"])
    np.testing.assert_array_equal(found.bleu, [0.125, 0.5])
    both = table(keys=["run", "step"], where={"run": ["a", "b"]}, rename={"run": {"b": "m@1"}})
    assert both.run.values.tolist() == ["m@1", "a"]


def test_columns_that_fit_a_pattern_go_along_a_dimension(table):
    found = table(LONG, keys=["layer"], spread={"component": ["mean *", "std *"]}, where={"metric": "cosine"})
    assert found["mean"].dims == ("layer", "component")
    assert found.component.values.tolist() == ["I", "F"]
    np.testing.assert_array_equal(found["mean"], [[0.1, 0.2], [0.5, 0.6]])
    np.testing.assert_array_equal(found["std"], [[1, 2], [5, 6]])


def test_a_column_may_name_the_variables(table):
    found = table(LONG, keys=["layer"], names="metric", spread={"component": "mean *"})
    np.testing.assert_array_equal(found["norm"], [[0.3, 0.4], [np.nan, np.nan]])
    assert set(found.data_vars) == {"cosine", "norm"}
    both = table(LONG, keys=["layer"], names="metric", spread={"component": ["mean *", "std *"]})
    assert set(both.data_vars) == {"cosine_mean", "cosine_std", "norm_mean", "norm_std"}


def test_without_keys_rows_are_numbered(table):
    found = table("x\n3\n4\n")
    assert found.x.dims == ("row",)
    assert found.x.dtype == np.int64


@pytest.mark.parametrize(("how", "expected"), [("mean", 2.0), ("first", 1.0), ("last", 3.0)])
def test_rows_with_the_same_keys(table, how, expected):
    assert float(table("k,x\na,1\na,3\n", keys=["k"], duplicates=how).x[0]) == expected


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (SCORES, {"keys": ["run"]}, "several rows have run=b; name more keys, or say 'duplicates: mean'"),
        (SCORES, {"keys": ["rn"]}, "has no column 'rn'; it has run, step, bleu, note"),
        (SCORES, {"keys": ["note"]}, "the key 'note' is empty in 1 rows"),
        (SCORES, {"keys": ["run", "step"], "where": {"run": "c"}}, "no row is left by 'where'"),
        (SCORES, {"keys": ["run", "step"], "spread": {"k": "x *"}}, r"no column fits 'x \*'"),
        (SCORES, {"keys": ["run", "step"], "values": ["x"]}, "has no column 'x'"),
        ("k\n1\n", {"keys": ["k"]}, "no column is left to be a variable"),
        ("", {}, "cannot be read as a table"),
        ("x\n", {}, "no row is left"),
    ],
)
def test_what_is_wrong_is_said(table, text, options, says):
    with pytest.raises(UsageError, match=says):
        table(text, **options)


def test_wrong_options_and_files_that_are_not_there_are_said(tmp_path, table):
    with pytest.raises(SpecError, match="unknown key; did you mean 'keys'"):
        table(kys=["run"])
    for name in ("no.csv", "no.nc"):
        with pytest.raises(UsageError, match="cannot be read as"):
            prosect.load_table(tmp_path / name)


@pytest.mark.parametrize(("name", "opener"), [("t.csv.gz", gzip.open), ("t.csv.bz2", bz2.open), ("t.tsv", open)])
def test_compressed_files_and_tabs(tmp_path, name, opener):
    with opener(tmp_path / name, "wt") as file:
        file.write(SCORES.replace(",", "\t") if name.endswith(".tsv") else SCORES)
    assert prosect.load_table(tmp_path / name, keys=["run", "step"]).bleu.shape == (2, 2)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_read_to_the_last_bit(tmp_path_factory, values):
    file = tmp_path_factory.mktemp("t") / "t.csv"
    file.write_text("x\n" + "".join(f"{value!r}\n" for value in values))
    np.testing.assert_array_equal(read_table(file, TableSpec(path="t.csv")).x, values)


class TestCommand:
    """``prosect import-table``."""

    def test_it_writes_what_the_function_reads(self, tmp_path, capsys):
        (tmp_path / "t.csv").write_text(SCORES)
        out = tmp_path / "t.nc"
        arguments = ["--key", "run=model", "--key", "step", "--value", "bleu=quality", "--rename", "run:b=m@1"]
        assert main(["import-table", str(tmp_path / "t.csv"), str(out), *arguments]) == 0
        assert "quality" in capsys.readouterr().out
        found = prosect.load_table(out)
        options = {
            "keys": {"run": "model", "step": "step"},
            "values": {"bleu": "quality"},
            "rename": {"run": {"b": "m@1"}},
        }
        xr.testing.assert_equal(found, prosect.load_table(tmp_path / "t.csv", **options))
        assert main(["import-table", str(tmp_path / "t.csv"), str(out), "--key", "run"]) == 2
        assert main(["import-table", str(tmp_path / "t.csv"), str(out), *arguments]) == 2
        assert "exists already" in capsys.readouterr().err
        assert main(["import-table", str(tmp_path / "t.csv"), str(out), "--overwrite", *arguments]) == 0

    def test_rows_by_value_columns_by_pattern(self, tmp_path):
        (tmp_path / "t.csv").write_text(LONG)
        arguments = ["--key", "layer", "--names", "metric", "--spread", "component=mean *", "--where", "layer=1"]
        assert main(["import-table", str(tmp_path / "t.csv"), str(tmp_path / "t.nc"), *arguments]) == 0
        found = prosect.load_table(tmp_path / "t.nc")
        np.testing.assert_array_equal(found["norm"], [[0.3, 0.4]])

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--where", "layer"], "--where 'layer': expected NAME=VALUE"),
            (["--rename", "a=b"], "expected COLUMN:OLD=NEW"),
            (["--key", "layr"], "has no column 'layr'"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path, capsys, arguments, says):
        (tmp_path / "t.csv").write_text(LONG)
        assert main(["import-table", str(tmp_path / "t.csv"), str(tmp_path / "t.nc"), *arguments]) == 2
        assert says in capsys.readouterr().err

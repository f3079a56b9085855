"""What a decoder is fed with, and targets which the model writes itself."""

import json

import numpy as np
import pytest

import prosect
from prosect.errors import UsageError
from support.models import DATA


def decoder(summary):
    return prosect.open(summary.store)["m/a/decoder"].to_dataset().load()


def test_decoder_ids_of_a_corpus_are_fed_as_given_whatever_the_option(spec, carry_out, tmp_path):
    source = spec("marian")
    shifted = decoder(carry_out(source, tmp_path / "shifted.zarr"))
    source["analyses"]["a"]["decomposition"] = {"name": "sum_of_factors", "decoder_input": "as_given"}
    given = decoder(carry_out(source, tmp_path / "given.zarr"))
    expected = np.concatenate(source["corpora"]["c"]["targets"])
    np.testing.assert_array_equal(shifted["token_id"], expected)
    np.testing.assert_array_equal(given["token_id"], expected)


def test_a_decoder_without_targets_is_refused_with_the_way_out(spec, carry_out):
    source = spec("marian")
    del source["corpora"]["c"]["targets"]
    with pytest.raises(UsageError, match=r"target"):
        carry_out(source)


def test_generated_targets_are_written_once_and_kept(spec, carry_out, tmp_path):
    source = spec("marian", number=6)
    del source["corpora"]["c"]["targets"]
    source["models"]["m"] = {"load": str(DATA / "mickus" / "marian"), "head": "own"}
    source["analyses"]["a"]["decomposition"] = {"name": "sum_of_factors", "target": "generated", "max_new_tokens": 5}
    summary = carry_out(source)
    kept = list((summary.store / ".prosect" / "targets").glob("*.json"))
    assert len(kept) == 1
    rows = json.loads(kept[0].read_text(encoding="utf-8"))
    ds = decoder(summary)
    assert [len(row) for row in rows] == np.bincount(ds["sentence"]).tolist()
    first = ds["token_id"].values[ds["position"].values == 0]
    assert (first == 89).all()
    source["analyses"]["b"] = {**source["analyses"]["a"], "metrics": ["norm_ratio"]}
    stamp = kept[0].stat().st_mtime_ns
    assert carry_out(source).computed == ("m/b",)
    assert kept[0].stat().st_mtime_ns == stamp


def test_a_headless_model_generates_with_its_own_head(spec, carry_out, tmp_path):
    source = spec("marian", number=4)
    del source["corpora"]["c"]["targets"]
    option = {"name": "sum_of_factors", "target": "generated", "max_new_tokens": 4}
    source["analyses"]["a"]["decomposition"] = option
    source["models"]["m"] = {"load": str(DATA / "mickus" / "marian"), "head": "own"}
    with_head = decoder(carry_out(source, tmp_path / "own.zarr"))
    source["models"]["m"]["head"] = "none"
    without = decoder(carry_out(source, tmp_path / "none.zarr"))
    np.testing.assert_array_equal(with_head["token_id"], without["token_id"])

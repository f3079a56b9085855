"""Links and error rates of the authors' code (Kobayashi et al. 2020) on invented sentences, maps and gold links."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import pearsonr, spearmanr

from prosect import derive
from prosect_plugins.alignment.words import Merging, merge_map, words_by_marker
from support.maps import axis, flat, labelled, numbered

FOLDER = Path(__file__).parents[1] / "data" / "kobayashi" / "nmt"
SETTINGS = {"AWO": "output", "AWI": "input"}


@pytest.fixture(scope="module")
def texts():
    return json.loads((FOLDER / "aer_authors.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def arrays():
    with np.load(FOLDER / "aer_authors.npz") as found:
        return dict(found)


def words(pieces: str, *, start: int, end: int) -> np.ndarray:
    """Words of the pieces of a sentence, between tokens that belong to none."""
    found = pieces.split()
    inner = words_by_marker(np.array(found), np.zeros(len(found), dtype=bool), "▁")
    return np.concatenate([np.full(start, -1), inner, np.full(end, -1)])


def word_map(sentence, values, setting):
    targets = words(sentence["tgt_pieces"], start=1, end=0)
    sources = words(sentence["src_pieces"], start=0, end=1)
    return merge_map(values, targets, sources, Merging(align=SETTINGS[setting]))


def node(texts, arrays) -> xr.Dataset:
    """Lay all sentences out as a node ``cross``."""
    pairs = texts["sentences"]
    decoder = [tokens(["</s>", *pair["tgt_pieces"].split()], special=0) for pair in pairs]
    encoder = [tokens([*pair["src_pieces"].split(), "</s>"], special=-1) for pair in pairs]
    names = {"attn": "weight", "afx": "weighted_norm", "summed_afx": "attention_norm"}
    dims = {"attention_norm": ("layer", "token", "source")}
    variables = {
        ours: labelled(
            dims.get(ours, ("layer", "head", "token", "source")),
            flat([arrays[f"s{number}.{theirs}"] for number in range(len(pairs))]),
        )
        for theirs, ours in names.items()
    }
    coordinates = {**axis(decoder, "token"), **axis(encoder, "source_token", "source_"), **numbered(6, 4)}
    return xr.Dataset(variables, coordinates)


def tokens(pieces, special):
    marked = np.zeros(len(pieces), dtype=bool)
    marked[special] = True
    return {"text": pieces, "special": marked}


def errors(texts, arrays, folder, **options):
    gold = folder / "gold.talp"
    gold.write_text("".join(f"{pair['gold_talp']}\n" for pair in texts["sentences"]), "utf-8")
    found = derive("word_alignment", node(texts, arrays), words="marker", **options)
    return found, derive("alignment_error", found, gold=str(gold))


MAPS = {"weight": {"variable": "weight", "heads": "mean"}, "norm": {"variable": "attention_norm"}}
THEIRS = {"weight": "attn", "norm": "summed_afx"}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", MAPS)
def test_layers_are_the_authors(texts, arrays, tmp_path, setting, kind):
    found, scored = errors(texts, arrays, tmp_path, align=SETTINGS[setting], **MAPS[kind])
    for layer in range(6):
        ours = [str(line) for line in found["links"].sel(layer=layer + 1).to_numpy()]
        assert ours == [turned(line) for line in texts["hypotheses"][f"{setting}.{THEIRS[kind]}.L{layer}"]]
    np.testing.assert_array_equal(scored["aer"], arrays[f"aer_layer.{setting}"][list(MAPS).index(kind)])


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("place", "variable"), [(0, "weight"), (1, "weighted_norm")])
def test_error_rates_of_heads_are_the_authors(texts, arrays, tmp_path, setting, place, variable):
    _, scored = errors(texts, arrays, tmp_path, align=SETTINGS[setting], variable=variable)
    assert scored["aer"].dims == ("layer", "head")
    np.testing.assert_array_equal(scored["aer"], arrays[f"aer_head.{setting}"][place])


def turned(line: str) -> str:
    """Their links are target-source from 1, ours source-target from 0."""
    pairs = [link.split("-") for link in line.split()]
    return " ".join(f"{a}-{b}" for a, b in sorted((int(source) - 1, int(target) - 1) for target, source in pairs))


def test_the_layer_of_the_largest_norm_is_found_as_by_the_authors(texts, arrays, tmp_path):
    """Per head over all pairs of pieces, then summed over the heads of a layer."""
    maps = [arrays[f"s{number}.afx"] for number in range(len(texts["sentences"]))]
    pairs = sum(values.shape[-1] * values.shape[-2] for values in maps)
    norms = sum(values.sum(axis=(-1, -2)) for values in maps) / pairs
    _, by_layer = errors(texts, arrays, tmp_path)
    _, by_head = errors(texts, arrays, tmp_path, variable="weighted_norm")
    layer, head = np.unravel_index(norms.argmax(), norms.shape)
    largest = norms.sum(axis=1).argmax()
    assert by_layer["largest_norm_layer"] == largest + 1
    assert (by_head["largest_norm_layer"], by_head["largest_norm_head"]) == (layer + 1, head)
    assert by_layer["largest_norm_aer"] == arrays["aer_layer.AWI"][1, largest]
    assert by_layer["best_aer"] == arrays["aer_layer.AWI"][1].min()
    assert by_head["best_aer"] == arrays["aer_head.AWI"][1].min()
    aer = arrays["aer_head.AWI"][1].ravel()
    assert by_head["norm_spearman"].item() == pytest.approx(spearmanr(aer, norms.ravel()).statistic, abs=1e-12)
    assert by_head["norm_pearson"].item() == pytest.approx(pearsonr(aer, norms.ravel()).statistic, abs=1e-12)

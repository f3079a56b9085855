"""Datasets with terms and annotated words, as an analysis stores them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

COMPONENTS = ("input", "attention", "feed_forward", "bias")


@pytest.fixture
def stored():
    """Make a dataset: sentences of words of one to three pieces between two special tokens."""

    def make(sentences: int = 40, *, layers: int = 2, hidden: int = 6, seed: int = 0) -> xr.Dataset:
        generator = np.random.default_rng(seed)
        rows = []
        for sentence in range(sentences):
            words = generator.integers(3, 8)
            pieces = [(-1, "")] + [(w, "") for w in range(words) for _ in range(generator.integers(1, 4))] + [(-1, "")]
            rows += [(sentence, position, word) for position, (word, _) in enumerate(pieces)]
        table = pd.DataFrame(rows, columns=["sentence", "position", "word"])
        keys = table[table.word >= 0].groupby(["sentence", "word"]).ngroup().reindex(table.index, fill_value=-1)
        words = int(keys.max()) + 1
        lemma = generator.choice(["bank", "spring", "light"], size=words)
        numbers = generator.integers(1, 4, words)
        sense = np.array([f"{name}.{number}" for name, number in zip(lemma, numbers, strict=True)])
        sense[generator.random(words) < 0.2] = ""
        tag = generator.choice(["O", "B-x", "I-x", "B-y"], size=words)
        part = np.array(["train", "train", "dev", "test"])[generator.integers(4, size=words)]

        def spread(values):
            # Text as it comes from a store.
            return np.where(keys >= 0, values[keys], "").astype(np.dtypes.StringDType())

        code = np.unique(sense, return_inverse=True)[1]
        terms = generator.normal(size=(layers, len(COMPONENTS), len(table), hidden)).astype(np.float32)
        # The class of a word stands in its attention term.
        terms[:, 1, np.flatnonzero(keys >= 0), code[keys[keys >= 0]] % hidden] += 2.0
        coordinates = {
            "layer": np.arange(layers),
            "component": list(COMPONENTS),
            **{name: ("token", table[name].to_numpy()) for name in table},
            "special": ("token", (table.word < 0).to_numpy()),
            "sense": ("token", spread(sense)),
            "lemma": ("token", spread(lemma)),
            "tag": ("token", spread(tag)),
            "part": ("token", spread(part)),
            "mood": ("token", np.array(["good", "bad"], dtype=object)[table.sentence % 2]),
            "number": ("token", np.where(keys >= 0, code[keys], -1)),
        }
        return xr.Dataset({"terms": (("layer", "component", "token", "hidden"), terms)}, coords=coordinates)

    return make


@pytest.fixture
def by_hand():
    """Pool words with pandas: a table of items, and their vectors (layer, component, item, hidden)."""

    def pool(dataset: xr.Dataset, how: str, label: str = "sense") -> tuple[pd.DataFrame, np.ndarray]:
        names = ("sentence", "word", "sense", "lemma", "tag", "part")
        table = pd.DataFrame({name: dataset[name].values for name in names})
        kept = table[(table.word >= 0) & (table[label] != "")]
        groups = kept.groupby(["sentence", "word"], sort=True)
        items = groups.first().reset_index()
        vectors = np.stack(
            [
                [
                    getattr(pd.DataFrame(terms[kept.index]).groupby(groups.ngroup().to_numpy()), how)().to_numpy()
                    for terms in layer
                ]
                for layer in dataset.terms.values
            ]
        )
        return items, vectors

    return pool

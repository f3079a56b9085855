"""The specs of the papers are planned, with tiny stand-ins for the texts and checkpoints that a user brings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import prosect
from prosect.errors import SpecError
from support.pages import ROOT

PAPERS = sorted((ROOT / "specs" / "papers").glob("*.yaml"))
SMALL = {path.name for path in (ROOT / "specs" / "small").glob("*.yaml")}
MARIAN = {
    "model_type": "marian",
    "is_encoder_decoder": True,
    "vocab_size": 60,
    "d_model": 16,
    "encoder_layers": 6,
    "decoder_layers": 6,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "activation_function": "swish",
}
RECORDS = {
    "semcor.jsonl": {"words": ["a", "light"], "lemma": ["", "light"], "sense": ["", "light.n.01"]},
    "wnut16.jsonl": {"words": ["in", "Rome"], "entity": ["O", "B-LOC"], "split": "train"},
}
TEXTS = (
    *("europarl.en", "tatoeba.rus", "tatoeba.eng", "sst2.txt", "enwik.txt", "enwik_pieces.txt", "sts.txt"),
    *("wikipedia.txt", "rwth.de", "rwth.en", "conll.txt"),
)
TABLES = {
    "ranks.csv": "token_id,rank\n101,1\n",
    "pairs.csv": "query,source,label\na,line,noun phrase\n",
    "rwth.talp": "1-1 2p2\n1-1\n",
    "comet.csv": "run,step,sentence,comet\ns0,2000,0,0.5\ns0,2000,1,0.25\n",
}
CHECKPOINTS = (
    *(f"rus-eng-s{seed}/step{step}" for seed in (0, 1, 2) for step in (1000, 2000)),
    *(f"{pair}-eng/step{step}" for pair in ("sla", "ine", "mul") for step in (1000, 2000)),
    *(f"de-en-{seed}" for seed in (2253, 5498, 9819, 9240, 2453)),
)
SEQUENCE = {"input_ids": [101, 7592, 102, 2088, 102], "token_type_ids": [0, 0, 0, 1, 1]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make files of the formats that specs/papers/README.md describes."""
    folder = tmp_path_factory.mktemp("data")
    for name in TEXTS:
        (folder / name).write_text("one line .\nand another .\n", encoding="utf-8")
    for name, record in RECORDS.items():
        (folder / name).write_text(json.dumps(record) + "\n", encoding="utf-8")
    for name in ("wikipedia.jsonl", "mnli.jsonl"):
        (folder / name).write_text(json.dumps(SEQUENCE) + "\n", encoding="utf-8")
    for name, table in TABLES.items():
        (folder / name).write_text(table, encoding="utf-8")
    for checkpoint in CHECKPOINTS:
        (folder / checkpoint).mkdir(parents=True)
        (folder / checkpoint / "config.json").write_text(json.dumps(MARIAN), encoding="utf-8")
    return folder


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_the_spec_of_a_paper_is_planned(path, data):
    """Models of the hub are not at hand, so their sizes may be unknown; everything else is settled."""
    plan = prosect.plan(path, out="nowhere.zarr", overrides=[f"data={data}"])
    assert plan.steps
    assert {step.state for step in plan.steps} <= {"new", "unknown"}


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_without_its_data_it_says_what_is_missing(path, tmp_path):
    with pytest.raises(SpecError, match="does not exist"):
        prosect.plan(path, out="nowhere.zarr", overrides=[f"data={tmp_path}"])


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_it_says_which_paper_and_section_it_reruns(path):
    comment = path.read_text("utf-8").splitlines()[0]
    assert comment.startswith("# ")
    assert any(word in comment for word in ("Figure", "Table", "section", "et al. 2024"))


def test_the_page_lists_every_spec():
    page = (ROOT / "specs" / "papers" / "README.md").read_text("utf-8")
    assert [path.name for path in PAPERS if f"`{path.name}`" not in page] == []


def test_every_small_spec_is_the_twin_of_a_paper():
    assert {path.name for path in PAPERS} >= SMALL

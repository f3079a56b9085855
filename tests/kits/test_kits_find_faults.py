"""The kits can fail: each fault that they are there for is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prosect.api import CorpusDeclaration, Sentence, Variable
from prosect.plugins.declarations import MetricDeclaration
from prosect.plugins.registry import implementation, load_registry
from prosect.terms.dense import DenseTerms
from prosect.testing import ArchitectureTests, CorpusExample, CorpusTests, MetricTests, PluginTests
from prosect.testing.architectures import with_wrong_norms
from prosect.testing.corpora import sentence_faults
from prosect.testing.metrics import random_factored_terms
from prosect.testing.models import SHAPES, hidden_states, small_module, token_rows, whole_config
from prosect.testing.weight import heavy_imports
from prosect.vocab.architecture import Norm
from prosect.vocab.components import Component

VARIABLE = Variable(name="m", dims=("component", "token"), long_name="m")
DECLARATION = MetricDeclaration(name="m", summary="s", implementation="a:b", produces=(VARIABLE,))


class SomeMetric(MetricTests):
    """A kit that is given its fixtures by hand."""


@pytest.fixture
def terms() -> DenseTerms:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4, 6, 5, generator=generator, dtype=torch.float64)
    return DenseTerms(tuple(Component(f"c{i}", "c") for i in range(4)), vectors)


def measure(function):
    return lambda terms, total, _tokens=None: {"m": function(terms.dense(), total)}


def drift(vectors, _total, seen=[]):  # noqa: B006 - that it remembers is its fault
    seen.append(1)
    return vectors.norm(dim=-1) + len(seen)


def spoiling(vectors, _total):
    vectors += 1
    return vectors.norm(dim=-1)


@pytest.mark.parametrize(
    ("test", "function"),
    [
        ("test_every_declared_variable_has_the_declared_axes", lambda v, _: v.norm(dim=-1).T),
        ("test_every_declared_variable_has_the_declared_axes", lambda v, _: v),
        ("test_the_dtype_of_the_terms_is_kept", lambda v, _: v.norm(dim=-1).half()),
        ("test_single_precision_is_close_to_double", lambda v, _: ((v + 1e6) - 1e6).sum(dim=-1)),
        ("test_terms_and_total_are_left_as_they_are", spoiling),
        ("test_it_measures_the_same_every_time", drift),
        ("test_tokens_do_not_influence_each_other", lambda v, _: v.norm(dim=-1) / v.norm(dim=-1).max()),
        ("test_the_order_of_components_does_not_matter", lambda v, _: v.norm(dim=-1).cumsum(dim=0)),
        ("test_what_is_undefined_is_not_a_number", lambda v, t: 1 / t.norm(dim=-1).expand(len(v), -1)),
    ],
)
def test_a_faulty_metric_is_found(test, function, terms):
    given = {"declaration": DECLARATION, "measure": measure(function), "terms": terms, "dtype": torch.float32}
    run = getattr(SomeMetric(), test)
    code = run.__func__.__code__
    wanted = code.co_varnames[1 : code.co_argcount]
    with pytest.raises(AssertionError):
        run(**{name: given[name] for name in wanted})
    good = given | {"measure": measure(lambda vectors, _total: vectors.norm(dim=-1)), "terms": terms}
    run(**{name: good[name] for name in wanted})


def test_a_metric_that_is_wrong_for_factored_terms_is_found():
    with pytest.raises(AssertionError):
        SomeMetric().test_factored_terms_measure_as_their_vectors_do(
            lambda terms, _total: {"m": terms.norm() * (1 + isinstance(terms, DenseTerms))}
        )


def test_random_factored_terms_are_what_their_vectors_say():
    factored = random_factored_terms()
    assert torch.allclose(factored.dense().sum(dim=0), factored.sum())
    assert factored.dense().shape == (5, 2, 4, 5)


class SomeCorpus(CorpusTests):
    """A kit that is given its fixtures by hand."""

    example = CorpusExample(
        kind="text", files={"a.txt": "a\n"}, options={"path": "a.txt"}, sentences=(Sentence(text="a"),)
    )


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        (Sentence(), "exactly one of text, words and ids"),
        (Sentence(text="a", ids=(1,)), "exactly one of text, words and ids"),
        (Sentence(text="a", word_annotations={"ner": ("O",)}), "'ner' has one value per word, and the sentence has no"),
        (Sentence(words=("a",), word_annotations={"ner": ()}), "'ner' has 0 values for 1 words"),
        (Sentence(ids=(1,), token_annotations={"pos": ("N", "V")}), "'pos' has 2 values for 1 tokens"),
        (Sentence(ids=(1,), type_ids=()), "'type_ids' has 0 values for 1 tokens"),
        (Sentence(text="a", decoder_ids=(1,)), "decoder_ids go with ids only"),
    ],
)
def test_an_inconsistent_sentence_is_found(sentence, fault):
    assert any(fault in said for said in sentence_faults(sentence))
    with pytest.raises(AssertionError):
        SomeCorpus().test_every_sentence_is_consistent(lambda: iter([sentence]))


def test_a_faulty_reader_is_found(tmp_path):
    kit, right = SomeCorpus(), Sentence(text="a")
    turns: Iterator[Sentence] = iter([right, Sentence(text="b")])
    with pytest.raises(AssertionError):
        kit.test_reads_the_sentences_of_the_example(lambda: iter([right, right]))
    with pytest.raises(AssertionError):
        kit.test_reads_the_same_every_time(lambda: iter([next(turns)]))
    with pytest.raises(AssertionError):
        kit.test_sentences_come_one_by_one(lambda: [right])  # type: ignore[arg-type, return-value]  # the fault


def test_a_reader_that_lets_system_errors_through_is_found(tmp_path):
    (tmp_path / "a.txt").write_text("a\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        SomeCorpus().test_a_file_that_has_gone_is_a_usage_error(lambda: iter(open_text(tmp_path / "a.txt")), tmp_path)


def open_text(path: Path) -> list[Sentence]:
    return [Sentence(text=line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_reader_that_reads_what_is_not_there_is_found(tmp_path):
    (tmp_path / "a.txt").write_text("a\n", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception):
        SomeCorpus().test_a_file_that_has_gone_is_a_usage_error(lambda: iter(()), tmp_path)


def test_options_that_accept_anything_are_found():
    class Lenient(CorpusDeclaration.__dataclass_fields__["options"].default):
        model_config = {"extra": "allow"}  # noqa: RUF012 - pydantic's own form

    declaration = CorpusDeclaration(name="x", summary="s", implementation="a:b", options=Lenient)
    with pytest.raises(pytest.fail.Exception):
        SomeCorpus().test_unknown_options_are_refused(declaration)


class SomeArchitecture(ArchitectureTests):
    """A kit that is given its fixtures by hand."""

    config = SHAPES["bert"]


@pytest.fixture(scope="module")
def bert():
    declaration = load_registry().architecture_for("bert")
    assert declaration is not None
    return implementation(declaration)(whole_config(SHAPES["bert"]))


def test_a_wrong_description_is_found(bert):
    kit, wrong = SomeArchitecture(), with_wrong_norms(bert)
    module = small_module(SHAPES["bert"], torch.float64)
    short = replace(bert, streams=(replace(bert.streams[0], blocks=bert.streams[0].blocks[:1]),))
    with pytest.raises(Exception, match="self-test of 'bert'"):
        kit.test_the_self_test_passes(wrong, torch.float64)
    with pytest.raises(AssertionError):
        kit.test_every_block_is_described(short, module)
    with pytest.raises(AssertionError):
        kit.test_streams_have_the_names_of_the_contract(
            replace(bert, streams=(replace(bert.streams[0], name="encoder"),)), module
        )


def test_every_norm_of_a_wrong_description_is_wrong(bert):
    right, wrong = bert.streams[0].norms, with_wrong_norms(bert).streams[0].norms
    assert len(right) == len(wrong) == 5
    assert all(isinstance(norm, Norm) and norm.eps > other.eps for norm, other in zip(wrong, right, strict=True))
    assert all(norm.path == other.path for norm, other in zip(wrong, right, strict=True))


def test_small_models_are_the_same_every_time_and_their_biases_matter():
    first, second = (small_module(SHAPES["gpt2"], torch.float64) for _ in range(2))
    rows = token_rows(first)
    assert rows == token_rows(second)
    assert torch.equal(hidden_states(first, rows, "main"), hidden_states(second, rows, "main"))
    biases = [value for name, value in first.named_parameters() if name.endswith("bias")]
    assert biases
    assert all(float(bias.detach().abs().mean()) > 0.05 for bias in biases)


def test_heavy_imports_are_found():
    assert heavy_imports(["json"]) == ()
    assert heavy_imports(["numpy", "zarr"]) == ("zarr",)
    with pytest.raises(AssertionError, match="No module named 'not_here'"):
        heavy_imports(["not_here"])


class SomePlugin(PluginTests):
    """A kit that is given its fixtures by hand."""

    module = "nowhere.plugin"


def test_a_faulty_plugin_module_is_found():
    kit = SomePlugin()
    plugin = PluginTests.plugin.__wrapped__(kit)  # type: ignore[attr-defined]  # what the fixture is made of
    with pytest.raises(AssertionError):
        kit.test_an_installed_entry_point_names_the_module()
    with pytest.raises(AssertionError, match=r"module 'nowhere\.plugin' is absent"):
        kit.test_every_hook_and_declaration_is_valid(plugin)
    with pytest.raises(AssertionError):
        kit.test_importing_it_imports_no_heavy_library()

"""Tokens read and bytes written, estimated and counted."""

from __future__ import annotations

import pytest

from prosect.planning.axes import Axes, axes_by_stream


def analysis(**more):
    return {"a": {"corpus": "c", "decomposition": "parts", **more}}


def cost(planned, **given):
    (step,) = planned(**given).steps
    return step.cost


def test_tokens_are_estimated_from_the_size_of_the_file(planned):
    assert cost(planned).tokens == 40 // 4
    assert not cost(planned).exact


def test_a_limit_counts_only_the_first_lines(planned):
    assert cost(planned, corpora={"c": {"kind": "lines", "path": "a.txt", "limit": 2}}).tokens == 16 // 4
    assert cost(planned, corpora={"c": {"kind": "lines", "path": "a.txt", "limit": 99}}).tokens == 40 // 4


def test_ids_are_longer_in_a_file_than_pieces_of_text(planned):
    assert cost(planned, corpora={"c": {"kind": "ids", "path": "ids.jsonl"}}).tokens == 12 // 6


def test_bytes_are_those_of_all_variables(planned):
    tokens, layers, labels = 10, 7, 4
    term = layers * labels * tokens * 4
    assert cost(planned).bytes == 2 * term
    assert cost(planned, analyses=analysis(metrics=["norm"], layers=[0, 1])).bytes == 2 * term // 7
    assert cost(planned, analyses=analysis(metrics=["dot"])).bytes == labels * term


@pytest.mark.parametrize(
    ("dtype", "keep", "itemsize"),
    [
        ("float32", ["terms"], 4),
        ("float64", ["terms"], 8),
        ("bfloat16", ["terms"], 4),
        ("float64", [{"terms": {"dtype": "float16"}}], 2),
    ],
)
def test_kept_vectors_have_the_size_of_what_was_computed_or_asked_for(planned, dtype, keep, itemsize):
    models = {"m": {"load": "./toy", "dtype": dtype}}
    assert cost(planned, models=models, analyses=analysis(metrics=[], keep=keep)).bytes == 7 * 4 * 10 * 8 * itemsize


def test_components_are_counted_by_the_rules(planned):
    (step,) = planned(analyses=analysis(decomposition={"name": "parts", "by": "head"})).steps
    # input, bias, 6 blocks x 2 heads, 6 blocks x 1 feed-forward
    assert axes_by_stream(step)["main"].components == 20
    (step,) = planned(analyses=analysis(decomposition="whole", metrics=["norm"])).steps
    assert axes_by_stream(step)["main"].components == 1


def test_both_streams_of_an_encoder_decoder_count(planned):
    models = {"m": {"load": "./pair"}}
    corpora = {"c": {"kind": "pairs", "source": "a.txt", "target": "b.txt"}}
    found = cost(planned, models=models, corpora=corpora, analyses=analysis(metrics=["norm"]))
    assert found.tokens == 10 + 20
    assert found.bytes == 4 * 4 * (3 * 10 + 4 * 20)


def test_an_encoder_decoder_whose_targets_are_generated_is_taken_to_write_as_much_as_it_reads(planned):
    generated = analysis(decomposition={"name": "parts", "target": "generated"})
    assert cost(planned, models={"m": {"load": "./pair"}}, analyses=generated).tokens == 20


def test_only_the_source_of_a_parallel_corpus_feeds_a_single_stream(planned):
    assert cost(planned, corpora={"c": {"kind": "pairs", "source": "a.txt", "target": "b.txt"}}).tokens == 10


def test_a_dimension_of_unknown_length_leaves_the_bytes_unknown(planned):
    found = cost(planned, analyses=analysis(metrics=["scoped"]))
    assert (found.tokens, found.bytes) == (10, None)


def maps(**options):
    return analysis(decomposition={"name": "maps", **options}, metrics=["norm"])


def test_where_labels_are_tokens_every_pair_of_tokens_counts(planned):
    tokens, longest, layers = 10, 2, 6
    assert cost(planned, analyses=maps()).bytes == 4 * layers * tokens * (longest + 1)


def test_every_scope_counts(planned):
    (one,) = planned(analyses=maps(scopes=["ff"])).steps
    (every,) = planned(analyses=maps(scopes=["all"])).steps
    assert axes_by_stream(one) == {"main": Axes(components=1, by_token=True, at=("ff",))}
    assert axes_by_stream(every) == {"main": Axes(components=1, by_token=True, at=("attn", "attn_res", "ff", "ff_res"))}
    assert every.cost.bytes == 4 * one.cost.bytes


def test_a_decoder_has_a_label_for_its_encoder_beside_the_tokens(planned):
    corpora = {"c": {"kind": "pairs", "source": "a.txt", "target": "b.txt"}}
    (step,) = planned(models={"m": {"load": "./pair"}}, corpora=corpora, analyses=maps()).steps
    assert axes_by_stream(step) == {
        "encoder": Axes(components=1, by_token=True),
        "decoder": Axes(components=2, by_token=True),
    }


def test_what_would_be_too_much_for_every_pair_of_tokens_is_refused(problems):
    given = {"a": {**maps()["a"], "metrics": ["dot"], "keep": ["terms"]}}
    found = problems(analyses=given)
    assert [problem.path for problem in found] == ["analyses.a.metrics", "analyses.a.keep"]


def test_counted_tokens_are_exact(planned):
    seen = []

    def count(model, corpus):
        seen.append((model.name, corpus.name))
        return {"main": 123}

    found = cost(planned, counter=count, analyses=analysis(metrics=["norm"]))
    assert (found.tokens, found.bytes, found.exact) == (123, 7 * 4 * 123 * 4, True)
    assert seen == [("m", "c")]


def test_a_stream_that_cannot_be_counted_leaves_the_total_unknown(planned):
    corpora = {"c": {"kind": "pairs", "source": "a.txt", "target": "b.txt"}}
    found = cost(planned, models={"m": {"load": "./pair"}}, corpora=corpora, counter=lambda *_: {"encoder": 5})
    assert (found.tokens, found.bytes) == (None, None)


def test_nothing_is_counted_for_a_spec_that_is_wrong(problems):
    counted = []
    assert problems(counter=lambda *given: counted.append(given), replace=["x/y"])
    assert counted == []


def test_a_counter_that_cannot_count_leaves_the_estimate(planned):
    found = cost(planned, counter=lambda model, corpus: None)
    assert (found.tokens, found.exact) == (40 // 4, False)

"""Sentences that are too long: cut at the model's limit, or into windows."""

import functools
import itertools
import operator

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prosect.errors import UsageError
from prosect.model.limits import Limits
from prosect.model.pieces import Pieces, offsets_of, positions
from prosect.model.tokenise import tokenise
from prosect.model.windows import cut_at, cut_windows
from prosect.spec.models import CommonCorpusOptions, Window
from prosect.vocab.corpus import Sentence

LETTERS = Sentence(text="a b c d e f g")


def run(sentences, tokenizer, limit=None, **common):
    return tokenise(sentences, tokenizer, CommonCorpusOptions(**common), Limits(max_length=limit))


def texts(stream):
    joined = stream.coordinates["text"]
    return [" ".join(joined[a:b]) for a, b in zip(stream.offsets, stream.offsets[1:], strict=False)]


def test_a_sentence_is_cut_at_the_limit_and_keeps_its_closing_token(minilm):
    found = run([LETTERS, Sentence(text="a b")], minilm, 5)

    assert texts(found.source) == ["[CLS] a b c [SEP]", "[CLS] a b [SEP]"]
    assert found.losses == {"sentences_dropped": 0, "sentences_cut": 1, "tokens_cut": 4}


def test_a_sentence_as_long_as_the_limit_is_whole(minilm):
    found = run([LETTERS], minilm, 9)

    assert found.source.tokens == 9
    assert found.losses["tokens_cut"] == 0


def test_without_special_tokens_a_cut_takes_the_end_away(minilm):
    assert texts(run([LETTERS], minilm, 3, special_tokens=False).source) == ["a b c"]


def test_a_slow_tokenizer_is_cut_alike(marian):
    whole = marian("the cat sat on the mat")["input_ids"]

    found = run([Sentence(text="the cat sat on the mat")], marian, 6)

    assert found.source.ids.tolist() == [*whole[:5], marian.eos_token_id]
    assert found.losses["tokens_cut"] == len(whole) - 6


def test_positions_count_what_is_fed(minilm):
    assert run([LETTERS], minilm, 5).source.coordinates["position"].tolist() == [0, 1, 2, 3, 4]


def test_a_limit_without_room_for_text_is_refused(minilm):
    with pytest.raises(UsageError, match="limit of 2 tokens has no room for text beside 2 special tokens"):
        run([LETTERS], minilm, 2)


def test_ids_are_cut_too_and_nothing_is_put_at_their_end():
    found = run([Sentence(ids=(1, 2, 3, 4, 5))], None, 3)

    assert found.source.ids.tolist() == [1, 2, 3]
    assert found.losses == {"sentences_dropped": 0, "sentences_cut": 1, "tokens_cut": 2}


def test_windows_overlap_and_each_has_the_special_tokens(minilm):
    found = run([LETTERS, Sentence(text="x y")], minilm, window=Window(tokens=5, stride=2))

    assert texts(found.source) == ["[CLS] a b c [SEP]", "[CLS] c d e [SEP]", "[CLS] e f g [SEP]", "[CLS] x y [SEP]"]
    assert found.losses["tokens_cut"] == 0


def test_every_window_is_a_sentence_that_knows_its_unit(minilm):
    coordinates = run([LETTERS, Sentence(text="x y")], minilm, window=Window(tokens=5, stride=2)).source.coordinates

    assert coordinates["sentence"].tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 4
    assert coordinates["unit"].tolist() == [0] * 15 + [1] * 4
    assert coordinates["unit_position"].tolist() == [0, 1, 2, 3, 8, 0, 3, 4, 5, 8, 0, 5, 6, 7, 8, 0, 1, 2, 3]
    assert coordinates["position"].tolist() == [*[0, 1, 2, 3, 4] * 3, 0, 1, 2, 3]


def test_windows_lie_end_to_end_without_a_stride_and_the_last_may_be_short(minilm):
    found = run([LETTERS], minilm, window=Window(tokens=5))

    assert texts(found.source) == ["[CLS] a b c [SEP]", "[CLS] d e f [SEP]", "[CLS] g [SEP]"]


def test_units_count_kept_sentences(minilm):
    found = run([Sentence(text=""), LETTERS, Sentence(text="z")], minilm, window=Window(tokens=5))

    assert found.source.coordinates["unit"].tolist() == [0] * 13 + [1] * 3


def test_word_annotations_and_sentence_annotations_follow_into_windows(minilm):
    sentence = Sentence(words=tuple("abcdefg"), word_annotations={"n": tuple(range(7))}, annotations={"doc": "d"})

    coordinates = run([sentence], minilm, window=Window(tokens=5, stride=2)).source.coordinates

    assert coordinates["n"].tolist() == [-1, 0, 1, 2, -1, -1, 2, 3, 4, -1, -1, 4, 5, 6, -1]
    assert coordinates["word"].tolist() == coordinates["n"].tolist()
    assert set(coordinates["doc"].tolist()) == {"d"}


def test_token_annotations_follow_into_windows():
    sentence = Sentence(ids=(1, 2, 3, 4, 5), token_annotations={"gold": (10, 20, 30, 40, 50)})

    coordinates = run([sentence], None, window=Window(tokens=2)).source.coordinates

    assert coordinates["gold"].tolist() == [10, 20, 30, 40, 50]
    assert coordinates["unit_position"].tolist() == [0, 1, 2, 3, 4]


def test_references_follow_into_windows(minilm):
    found = run([Sentence(text="q", targets=("z",)), LETTERS], minilm, window=Window(tokens=6))

    assert found.references == (("z",), (), ())


def test_a_window_longer_than_the_model_is_refused(minilm):
    with pytest.raises(UsageError, match=r"`window.tokens` is 20, but the model takes 10"):
        run([LETTERS], minilm, 10, window=Window(tokens=20))


def test_a_stride_that_would_lose_tokens_is_refused(minilm):
    with pytest.raises(UsageError, match=r"`window.stride` is 4, but a window of 5 tokens holds 3"):
        run([LETTERS], minilm, window=Window(tokens=5, stride=4))


def test_a_stride_matters_only_where_something_is_cut(minilm):
    corpus = [Sentence(text="", pair="b"), LETTERS]

    assert run(corpus, minilm, window=Window(tokens=5, stride=3)).source.sentences == 4


def test_a_window_without_room_for_text_is_refused(minilm):
    with pytest.raises(UsageError, match="a window of 2 tokens has no room"):
        run([LETTERS], minilm, window=Window(tokens=2))


def test_windows_do_not_go_with_the_targets_of_a_corpus(minilm):
    limits = Limits(has_decoder=True, decoder_start_id=0)

    with pytest.raises(UsageError, match=r"`window` cuts sentences apart"):
        tokenise([Sentence(text="a", targets=("b",))], minilm, CommonCorpusOptions(window=Window(tokens=5)), limits)


@st.composite
def pieces(draw):
    """Sentences with some content and added tokens at both ends, perhaps also inside."""
    flags = []
    for _ in range(draw(st.integers(1, 4))):
        content = draw(st.lists(st.sampled_from([False, False, False, True]), max_size=12))
        flags.append([True] * draw(st.integers(0, 2)) + [False, *content] + [True] * draw(st.integers(0, 2)))
    added = np.array([flag for sentence in flags for flag in sentence], dtype=bool)
    offsets = offsets_of(np.array([len(sentence) for sentence in flags]))
    tokens = len(added)
    return Pieces(
        ids=np.arange(tokens, dtype=np.int32),
        offsets=offsets,
        row=np.arange(len(flags)),
        added=added,
        word=np.full(tokens, -1, dtype=np.int32),
        segment=np.zeros(tokens, dtype=np.int8),
        place=positions(offsets),
    )


def ends(added):
    before = int(np.argmin(added))
    behind = int(np.argmin(added[::-1]))
    return before, behind


@given(pieces(), st.integers(8, 14))
def test_cutting_keeps_both_ends_and_counts_what_it_takes(whole, limit):
    rows = [whole.added[start:stop] for start, stop in itertools.pairwise(whole.offsets)]
    if any(len(row) > limit <= sum(ends(row)) for row in rows):
        # Special tokens alone fill the limit: there is nothing to keep, and that is said.
        with pytest.raises(UsageError, match="has no room for text"):
            cut_at(whole, limit)
        return
    cut = cut_at(whole, limit)

    assert cut.tokens_cut == len(whole.ids) - len(cut.pieces.ids)
    for number, (start, stop) in enumerate(zip(whole.offsets, whole.offsets[1:], strict=False)):
        ids, added = whole.ids[start:stop], whole.added[start:stop]
        behind = ends(added)[1]
        kept = min(len(ids), limit)
        expected = [*ids[: kept - behind], *ids[len(ids) - behind :]]
        found = cut.pieces.ids[cut.pieces.offsets[number] : cut.pieces.offsets[number + 1]]
        assert found.tolist() == expected


@given(pieces(), st.integers(5, 9), st.integers(1, 5) | st.none())
def test_windows_hold_every_token_of_content_in_order(whole, tokens, stride):
    before_behind = [
        ends(whole.added[start:stop]) for start, stop in zip(whole.offsets, whole.offsets[1:], strict=False)
    ]
    assume(all((stride or 1) <= tokens - sum(both) for both in before_behind))
    cut = cut_windows(whole, Window(tokens=tokens, stride=stride), None).pieces

    assert cut.lengths.max() <= tokens
    windows = [cut.ids[start:stop] for start, stop in zip(cut.offsets, cut.offsets[1:], strict=False)]
    for row, (before, behind) in enumerate(before_behind):
        ids = whole.ids[whole.offsets[row] : whole.offsets[row + 1]]
        own = [window for window, of in zip(windows, cut.row, strict=True) if of == row]
        content = ids[before : len(ids) - behind]
        step = tokens - before - behind if stride is None else stride
        starts = [int(window[before]) for window in own]
        assert starts == [int(content[0]) + number * step for number in range(len(own))]
        assert {int(one) for window in own for one in window[before : len(window) - behind]} == set(content.tolist())
        assert own[-1][len(own[-1]) - behind - 1] == content[-1]
        for window in own:
            assert window[:before].tolist() == ids[:before].tolist()
            assert window[len(window) - behind :].tolist() == ids[len(ids) - behind :].tolist()
        assert len(own) == 1 or all(len(window) == tokens for window in own[:-1])


@given(pieces(), st.data())
def test_selecting_sentences_keeps_them_whole(whole, data):
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(whole.row), max_size=len(whole.row))))
    selected = whole.select(keep)

    assert selected.row.tolist() == np.flatnonzero(keep).tolist()
    parts = [whole.ids[whole.offsets[row] : whole.offsets[row + 1]].tolist() for row in selected.row]
    assert selected.ids.tolist() == functools.reduce(operator.iadd, parts, [])
    assert selected.lengths.tolist() == [len(part) for part in parts]

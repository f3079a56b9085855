"""Categories of tokens."""

from __future__ import annotations

import numpy as np
import pytest

from prosect.api import UsageError
from prosect_plugins.mapstats.categories import memberships
from prosect_plugins.mapstats.options import Category, paper_categories

TEXTS = ["[CLS]", "Hi", "##s", ",", "you", ".", "[SEP]", "no", "[SEP]", "[CLS]", "▁.", "[SEP]"]
SPECIAL = [text.startswith("[") for text in TEXTS]
COLUMNS = {
    "text": np.array(TEXTS, dtype=np.dtypes.StringDType()),
    "special": np.array(SPECIAL),
    "position": np.array([*range(9), *range(3)]),
    "token_id": np.arange(12) % 5,
    "pos": np.array(["", "N", "N", "P", "N", "P", "", "D", "", "", "P", ""], dtype=object),
    "masked": np.array([False, True, *[False] * 10]),
}
STARTS = np.array([0, 9])


def found(rest=None, **categories):
    members = memberships({name: Category(**c) for name, c in categories.items()}, rest, COLUMNS.__getitem__, STARTS)
    return {name: np.flatnonzero(own).tolist() for name, own in members.items()}


@pytest.mark.parametrize(
    ("category", "tokens"),
    [
        ({"ids": [1, 3]}, [1, 3, 6, 8, 11]),
        ({"text": ["[SEP]"]}, [6, 8, 11]),
        ({"regex": r"[.,]"}, [3, 5, 10]),
        ({"regex": "s|you"}, [2, 4]),
        ({"special": "opening"}, [0, 9]),
        ({"special": "closing"}, [6, 8, 11]),
        ({"special": "all"}, [0, 6, 8, 9, 11]),
        ({"special": "none"}, [1, 2, 3, 4, 5, 7, 10]),
        ({"position": [0, -2]}, [0, 7, 9, 10]),
        ({"annotation": "pos", "values": ["D", "P"]}, [3, 5, 7, 10]),
        ({"annotation": "pos"}, [1, 2, 3, 4, 5, 7, 10]),
        ({"annotation": "masked"}, [1]),
        ({"annotation": "token_id", "values": [4]}, [4, 9]),
        ({"special": "closing", "position": [-1]}, [8, 11]),
    ],
)
def test_a_category_holds_the_tokens_that_satisfy_all_it_says(category, tokens):
    assert found(it=category) == {"it": tokens}


def test_the_rest_is_what_no_category_holds_and_categories_may_overlap():
    assert found("rest", a={"position": [0, 1]}, b={"special": "all"}) == {
        "a": [0, 1, 9, 10],
        "b": [0, 6, 8, 9, 11],
        "rest": [2, 3, 4, 5, 7],
    }


def test_the_categories_of_the_paper():
    members = memberships(paper_categories(), "other", COLUMNS.__getitem__, STARTS)
    tokens = {name: np.flatnonzero(own).tolist() for name, own in members.items()}
    assert tokens == {"cls": [0, 9], "sep": [6, 8, 11], "punctuation": [3, 5, 10], "other": [1, 2, 4, 7]}


def test_what_makes_no_category_is_refused():
    with pytest.raises(ValueError, match="must say which tokens"):
        Category()
    with pytest.raises(ValueError, match="'values' are those of an 'annotation'"):
        Category(values=[1])
    with pytest.raises(UsageError, match=r"category 'it': '\(' is no regular expression"):
        found(it={"regex": "("})
    with pytest.raises(UsageError, match="there is a category 'other'"):
        found("other", other={"ids": [1]})

"""Options of the measures of maps. Imports neither torch nor xarray."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from prosect.api import Options

Value = bool | int | float | str


class Category(Options):
    """A category of tokens: those that satisfy everything that is given.

    Attributes
    ----------
    ids
        Token ids.
    text
        Texts of tokens, as the tokenizer writes them.
    regex
        Regular expression that the whole text of a token matches; a mark of the tokenizer at its start (``▁``, ``Ġ``,
        ``##``) is left out.
    special
        ``opening``: special tokens before the first other token of a sentence ([CLS], <s>); ``closing``: those behind
        it ([SEP], </s>); ``all`` of them; ``none``: tokens that are not special.
    position
        Positions in the sentence, from 0; negative ones count from its end.
    annotation
        Name of a coordinate of the tokens, as an annotation of the corpus, ``masked`` or ``segment``.
    values
        Values of that coordinate; default: all but empty text, NaN, 0 and false.
    """

    ids: list[int] | None = None
    text: list[str] | None = None
    regex: str | None = None
    special: Literal["all", "none", "opening", "closing"] | None = None
    position: list[int] | None = None
    annotation: str | None = None
    values: list[Value] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Category:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a category must say which tokens it holds")
        if self.values is not None and self.annotation is None:
            raise ValueError("'values' are those of an 'annotation', which is not named")
        return self


def paper_categories() -> dict[str, Category]:
    """Categories of Kobayashi et al. 2020: [CLS], [SEP], comma and full stop; the rest is ``other``."""
    return {
        "cls": Category(special="opening"),
        "sep": Category(special="closing"),
        "punctuation": Category(regex=r"[.,]", special="none"),
    }


class CategoryOptions(Options):
    """Options of `category_attention`.

    Attributes
    ----------
    variable
        The map (``weight``, ``weighted_norm``, ``attention_norm`` ...), or a variable of tokens as ``value_norm``,
        which is averaged over the tokens of a category, whatever the other options say.
    categories
        Name -> category; the default is that of Kobayashi et al. 2020. They may overlap.
    other
        Name of the tokens of no category.
    direction
        ``received``: what all tokens together take from the tokens of a category (Kobayashi et al. 2020); ``given``:
        what the tokens of a category take, from anywhere; ``both``: what the tokens of one category take from those of
        another, which stand on the dimension ``source_category``.
    within
        Over the tokens that give: ``sum`` (Kobayashi et al. 2020) or ``mean``.
    over
        Over the tokens that take: ``mean`` (Kobayashi et al. 2020) or ``sum``.
    sentences
        ``mean`` over sentences (Kobayashi et al. 2020), or ``each`` by itself on the dimension ``sentence``.
    """

    variable: str = "weight"
    categories: dict[str, Category] = Field(default_factory=paper_categories, min_length=1)
    other: str = "other"
    direction: Literal["received", "given", "both"] = "received"
    within: Literal["sum", "mean"] = "sum"
    over: Literal["mean", "sum"] = "mean"
    sentences: Literal["mean", "each"] = "mean"


class WeightNormOptions(Options):
    """Options of `weight_norm_correlation`.

    Attributes
    ----------
    weight, norm
        The map, and the norms of values of its sources.
    categories, other
        As of `category_attention`; the pairs of each category, by the source, are correlated by themselves, and all
        together as ``all``.
    each
        Pairs of ``all`` heads and layers together (Kobayashi et al. 2020), of each ``layer``, or of each ``head``.
    method
        ``spearman`` (Kobayashi et al. 2020) or ``pearson``.
    exact_pairs
        Up to so many pairs ranks are exact. Beyond, values whose first 20 bits as float32 agree (within 0.05 %) share
        their mean rank, and pairs are read twice instead of being kept.
    """

    weight: str = "weight"
    norm: str = "value_norm"
    categories: dict[str, Category] = Field(default_factory=paper_categories)
    other: str = "other"
    each: Literal["all", "layer", "head"] = "all"
    method: Literal["spearman", "pearson"] = "spearman"
    exact_pairs: int = Field(default=10_000_000, ge=0)


class FrequencyOptions(Options):
    """Options of `frequency_correlation`.

    Attributes
    ----------
    variable
        What is measured of every token: a map stands for what a token gives, on average over the tokens that take;
        another variable (``value_norm``, ``mixing_ratio`` ...) for itself.
    key
        Coordinate of the tokens by which the table is joined; default: the name of the table's dimension, and
        ``token_id`` where there is no table.
    column
        Variable of the table; default: its only one. Without a table tokens are counted in the node itself, and
        ranked: 1 is the most frequent.
    unseen
        What a token has that the table does not hold: ``last``, one more than the largest value, as a rank behind all
        others (Kobayashi et al. 2020); ``drop``; or a number.
    without
        Name -> category (as of `category_attention`): these tokens are left out (Kobayashi et al. 2021 give values
        with and without special tokens).
    average
        ``layers``: over layers and heads before the correlation (Kobayashi et al. 2020 and 2021); ``heads``: over
        heads, each layer by itself; ``none``.
    method
        ``spearman`` (both papers) or ``pearson``.
    """

    variable: str = "value_norm"
    key: str | None = None
    column: str | None = None
    unseen: Literal["last", "drop"] | float = "last"
    without: dict[str, Category] = Field(default_factory=dict)
    average: Literal["layers", "heads", "none"] = "layers"
    method: Literal["spearman", "pearson"] = "spearman"


Entries = Literal["auto", "all", "off_diagonal", "lower_triangle", "lower_off_diagonal"]
Normalisation = Literal["none", "row", "global"]


class MapChangeOptions(Options):
    """Options of `map_change`.

    Attributes
    ----------
    variable
        The maps, with the dimension ``scope``.
    changes
        Pairs of scopes [before, after]. Default: each scope and the next one, and the whole feed-forward block, from
        the state that its residual branch carries to its end.
    entries
        Pairs of tokens that are compared: ``all``; ``off_diagonal``; ``lower_triangle`` (sources up to the token
        itself); ``lower_off_diagonal``. ``auto``: the lower triangle where everything above it is 0, as in causal
        models, whose zeros would raise every correlation; else all.
    rows
        ``flat``: one rank correlation of all pairs of a sentence (Kobayashi et al. 2024); ``each``: one for each token
        that takes, averaged over tokens.
    special
        False leaves out special tokens, as givers and as takers.
    normalise
        Before comparing: ``none``; ``row`` (each row divided by its sum, which matters for ``flat`` only); ``global``
        (never matters for ranks).
    method
        ``spearman`` (Kobayashi et al. 2024), ``pearson``, or ``cosine``.
    sentences
        ``mean`` over sentences, or ``each`` by itself on the dimension ``sentence``.
    """

    variable: str = "norm"
    changes: list[tuple[str, str]] | None = None
    entries: Entries = "auto"
    rows: Literal["flat", "each"] = "flat"
    special: bool = True
    normalise: Normalisation = "none"
    method: Literal["spearman", "pearson", "cosine"] = "spearman"
    sentences: Literal["mean", "each"] = "mean"


class AmplifiedPairsOptions(Options):
    """Options of `amplified_pairs`.

    Attributes
    ----------
    variable
        The maps, with the dimension ``scope``.
    before, after
        Scopes; default: around the feed-forward block (Kobayashi et al. 2024, FF-amp).
    normalise
        Before the difference: ``row`` (each row divided by its sum: the share of what a token takes), ``global``, or
        ``none``. The paper does not say which.
    key
        Coordinate of the tokens that says of which type a token is: ``token_id``, ``text``, or an annotation (a lemma).
    special, diagonal
        True takes in pairs with special tokens, and what tokens give to themselves.
    minimum
        Pairs of types that occur less often are left out; a single occurrence has no mean.
    top
        How many pairs of types each layer has in the result.
    examples, context
        How many occurrences are shown of each (the first ones of the corpus), with how many tokens around.
    entity
        Annotation of entities or fixed expressions, for the category ``same_entity``.
    entity_scheme
        ``bio``: labels B-X, I-X and O; ``runs``: equal labels in a row are one entity, empty text is none.
    share
        A pair of types is in the first category that holds at least this share of its occurrences: ``same_word``,
        ``same_entity``, ``same_token``, ``adjacent`` (neighbouring words); else in ``other``.
    """

    variable: str = "norm"
    before: str | None = None
    after: str | None = None
    normalise: Literal["row", "global", "none"] = "row"
    key: str = "token_id"
    special: bool = False
    diagonal: bool = False
    minimum: int = Field(default=2, ge=1)
    top: int = Field(default=50, ge=1)
    examples: int = Field(default=3, ge=0)
    context: int = Field(default=5, ge=0)
    entity: str | None = None
    entity_scheme: Literal["bio", "runs"] = "bio"
    share: float = Field(default=0.5, gt=0, le=1)

    @model_validator(mode="after")
    def _scopes_come_together(self) -> AmplifiedPairsOptions:
        if (self.before is None) != (self.after is None):
            raise ValueError("'before' and 'after' are given together or not at all")
        return self


class LabelledPairsOptions(Options):
    """Options of `labelled_pairs`.

    Attributes
    ----------
    labels
        CSV file with the columns ``query``, ``source`` and ``label``, as `write_pairs` makes it and somebody has filled
        it in. A column ``layer`` makes labels hold for that layer only.
    unlabelled
        Name for pairs without a label.
    """

    labels: str
    unlabelled: str = "unlabelled"


class PartialNormOptions(Options):
    """Options of `partial_norm`.

    Attributes
    ----------
    without
        Dimensions that are left out: those with the largest ``gain`` of the norm around the scope (the same behind
        and before it; NaN at scopes without one), or in which the ``state`` of a token is largest; or a list of
        numbers, or layer -> list (`largest_dimensions` makes one from a `dimension_profile`).
    share
        With ``gain`` and ``state``: share of the dimensions, at least one of them.
    """

    without: Literal["gain", "state"] | list[int] | dict[int, list[int]] = "gain"
    share: float = Field(default=0.01, gt=0, lt=1)


class ProfileOptions(Options):
    """Options of `dimension_profile`.

    Attributes
    ----------
    special
        False leaves out special tokens.
    """

    special: bool = True


class ScopeRatioOptions(Options):
    """Options of `scope_norm_ratio`.

    Attributes
    ----------
    variable
        Norms of states at several scopes.
    above, below
        Scopes; default: what the residual branch carries past the feed-forward block, over its output ``ff``
        (Kobayashi et al. 2024).
    special
        False leaves out special tokens.
    """

    variable: str = "state_norm"
    above: str | None = None
    below: str = "ff"
    special: bool = True

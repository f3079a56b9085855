"""Options of word alignment. Imports neither torch nor xarray."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from prosect.api import Options
from prosect_plugins.alignment.names import Align, Format, Method, Order, Rule, Symmetry


class WordAlignmentOptions(Options):
    """Options of `word_alignment`.

    Attributes
    ----------
    variable
        The map: ``attention_norm`` (heads summed as vectors), ``weighted_norm`` or ``weight``, or any other with the
        dimensions ``token`` and ``source``.
    heads
        ``each`` head by itself; ``mean``: the mean over heads, which is how Kobayashi et al. 2020 take the weights of a
        layer. It has no meaning for a map without heads.
    align
        A step of the decoder stands for the word that is its ``input`` (Kobayashi et al. 2020, AWI) or for its
        ``output``, the next input (AWO).
    method
        ``argmax``: each target word is linked to the source word that gives most (Kobayashi et al. 2020);
        ``argmax_source``: each source word to the target word to which it gives most; ``threshold``; or these two
        argmax alignments combined: ``intersection``, ``union``, ``grow_diag``, ``grow_diag_final``,
        ``grow_diag_final_and``.
    threshold
        For ``threshold``: the least share of a target word's row that makes a link.
    end_token
        Special tokens of the source ``compete``: a target word to which one of them gives most has no link (Kobayashi
        et al. 2020); or they are ``ignored``.
    source_pieces, target_pieces
        How what the pieces of a source word give becomes one number (``sum`` in Kobayashi et al. 2020), and then what
        the pieces of a target word take (``mean``): ``sum``, ``mean``, ``max``, or the ``first`` piece alone.
    words
        Which pieces make a word: the ``stored`` numbers of words, or pieces up to the next ``marker`` (the first piece
        of a sentence always starts a word).
    marker
        What stands at the start of a word's first piece.
    mean_of
        Variable whose mean over all pairs of tokens is returned as ``mean_norm``, by which a layer or a head may be
        chosen without gold alignments; default: ``weighted_norm``, summed over heads where heads are not told apart
        (the authors' code), and ``variable`` itself where the node has none.
    """

    variable: str = "attention_norm"
    heads: Literal["each", "mean"] = "each"
    align: Align = "input"
    method: Method = "argmax"
    threshold: float | None = Field(default=None, gt=0, le=1)
    end_token: Literal["compete", "ignored"] = "compete"
    source_pieces: Rule = "sum"
    target_pieces: Literal["mean", "sum", "max", "first"] = "mean"
    words: Literal["stored", "marker"] = "stored"
    marker: str = Field(default="▁", min_length=1)
    mean_of: str | None = None

    @model_validator(mode="after")
    def _threshold_belongs(self) -> WordAlignmentOptions:
        if (self.method == "threshold") != (self.threshold is not None):
            raise ValueError("a threshold and the method 'threshold' belong together")
        return self


class AlignmentErrorOptions(Options):
    """Options of `alignment_error`.

    Attributes
    ----------
    gold
        File of the gold alignment, with one line per sentence of the corpus.
    gold_format
        ``talp``: ``a-b`` is a sure link, ``apb`` a possible one; ``pharaoh``: ``a-b``, all sure.
    gold_first
        Number of the first word; default 1 in talp files and 0 in Pharaoh files.
    gold_order
        Which side stands first in a link.
    bootstrap
        Number of samples of sentences for the interval of the error rate; 0 for none.
    confidence
        Coverage of that interval, between percentiles of the samples.
    seed
        Seed of the samples.
    """

    gold: str
    gold_format: Format = "talp"
    gold_first: int | None = Field(default=None, ge=0, le=1)
    gold_order: Order = "source-target"
    bootstrap: int = Field(default=0, ge=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    seed: int = 0


class SymmetricAlignmentOptions(Options):
    """Options of `symmetric_alignment`.

    Attributes
    ----------
    method
        How the two are combined: ``grow_diag`` (Koehn et al. 2003), ``intersection``, ``union``, ``grow_diag_final``,
        ``grow_diag_final_and``.
    reversed
        The second alignment has the languages the other way round: its source is the target of the first.
    layers, heads
        Layer and head of the first and of the second alignment; default: those with the same number meet.
    """

    method: Symmetry = "grow_diag"
    reversed: bool = True
    layers: tuple[int, int] | None = None
    heads: tuple[int, int] | None = None

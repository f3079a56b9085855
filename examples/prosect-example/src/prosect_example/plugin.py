"""The hooks: what there is, and where its implementation stands. This module imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from prosect.api import (
    ArchitectureDeclaration,
    CorpusDeclaration,
    DecompositionDeclaration,
    MetricDeclaration,
    Options,
    StreamOptions,
    Variable,
    hookimpl,
)


class HalvesOptions(StreamOptions):
    """Options of `halves`.

    Attributes
    ----------
    first
        Blocks that belong to the lower half; half of them, rounded down, where it is not given.
    """

    first: Annotated[int, Field(ge=0)] | None = None


class CsvOptions(Options):
    """Options of `csv`.

    Attributes
    ----------
    path
        A CSV file whose first line names the columns.
    column
        The column with the text.
    annotations
        Columns with one value for the whole sentence.
    delimiter
        What stands between columns.
    """

    path: str
    column: str = "text"
    annotations: tuple[str, ...] = ()
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","


@hookimpl
def prosect_decompositions() -> list[DecompositionDeclaration]:
    """Declare `halves`."""
    return [
        DecompositionDeclaration(
            name="halves",
            summary="What the lower and the upper half of the blocks put into an embedding.",
            implementation="prosect_example.halves:rules",
            options=HalvesOptions,
            metrics=("importance", "largest_coordinate"),
        )
    ]


@hookimpl
def prosect_metrics() -> list[MetricDeclaration]:
    """Declare `largest_coordinate`."""
    value = Variable(
        name="largest_coordinate",
        dims=("component", "token"),
        long_name="largest absolute coordinate of the term",
        units="embedding units",
    )
    return [
        MetricDeclaration(
            name="largest_coordinate",
            summary="Largest absolute coordinate of a term, max |t_d|.",
            implementation="prosect_example.largest:largest_coordinate",
            produces=(value,),
            undefined="never undefined",
        )
    ]


@hookimpl
def prosect_architectures() -> list[ArchitectureDeclaration]:
    """Declare `ernie`."""
    return [
        ArchitectureDeclaration(
            name="ernie",
            summary="Post-norm encoder with an embedding norm, as BERT, and embeddings of task types.",
            implementation="prosect_example.ernie:describe",
            model_types=("ernie",),
            references=("Sun et al. 2020",),
        )
    ]


@hookimpl
def prosect_corpora() -> list[CorpusDeclaration]:
    """Declare `csv`."""
    return [
        CorpusDeclaration(
            name="csv",
            summary="One sentence per row of a CSV file, with annotations from its other columns.",
            implementation="prosect_example.table:read",
            options=CsvOptions,
        )
    ]

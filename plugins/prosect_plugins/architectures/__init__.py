"""Declarations of the families that are described; one file per family holds the description itself."""

from collections.abc import Sequence

from prosect.api import ArchitectureDeclaration, hookimpl


@hookimpl
def prosect_architectures() -> Sequence[ArchitectureDeclaration]:
    """Families of models that prosect describes."""
    return [
        ArchitectureDeclaration(
            name="bert",
            summary="Post-norm encoder with an embedding norm.",
            implementation="prosect_plugins.architectures.bert:describe",
            model_types=("bert",),
            references=("Devlin et al. 2019",),
        ),
        ArchitectureDeclaration(
            name="gpt2",
            summary="Pre-norm decoder with packed query, key and value projections (Conv1D) and a final norm.",
            implementation="prosect_plugins.architectures.gpt2:describe",
            model_types=("gpt2",),
            references=("Radford et al. 2019",),
        ),
        ArchitectureDeclaration(
            name="llama",
            summary="Pre-norm decoder with RMSNorm, gated feed-forward blocks, grouped queries and rotary positions.",
            implementation="prosect_plugins.architectures.llama:describe",
            model_types=("llama",),
            references=("Touvron et al. 2023",),
        ),
        ArchitectureDeclaration(
            name="marian",
            summary="Post-norm encoder-decoder with sinusoid positions and no embedding norm.",
            implementation="prosect_plugins.architectures.marian:describe",
            model_types=("marian",),
            references=("Junczys-Dowmunt et al. 2018",),
        ),
    ]

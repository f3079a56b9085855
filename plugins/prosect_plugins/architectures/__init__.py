"""Declarations of the families that are described; one file per family holds the description itself."""

from collections.abc import Sequence

from prosect.api import ArchitectureDeclaration, hookimpl


def _family(name: str, summary: str, reference: str, *model_types: str) -> ArchitectureDeclaration:
    """Declare the family whose module is called ``name``; its model type has the same name unless said otherwise."""
    return ArchitectureDeclaration(
        name=name,
        summary=summary,
        implementation=f"prosect_plugins.architectures.{name}:describe",
        example=f"prosect_plugins.architectures.{name}:EXAMPLE",
        model_types=model_types or (name,),
        references=(reference,),
    )


ENCODERS = (
    _family("bert", "Post-norm encoder with an embedding norm.", "Devlin et al. 2019"),
    _family(
        "roberta",
        "BERT's blocks: RoBERTa, XLM-RoBERTa, CamemBERT.",
        "Liu et al. 2019",
        "roberta",
        "xlm-roberta",
        "camembert",
    ),
    _family("distilbert", "BERT's order of norms under other names.", "Sanh et al. 2019"),
    _family("albert", "Post-norm encoder with shared blocks and projected embeddings.", "Lan et al. 2020"),
    _family("electra", "BERT's blocks behind projected embeddings.", "Clark et al. 2020"),
    _family("mpnet", "Post-norm encoder with relative positions in attention weights.", "Song et al. 2020"),
    _family(
        "deberta_v2",
        "Post-norm encoder with disentangled attention: DeBERTa-v3, and v2 without its convolution layer.",
        "He et al. 2021",
        "deberta-v2",
    ),
    _family(
        "modernbert",
        "Pre-norm encoder with packed projections, gated feed-forward blocks and sliding windows.",
        "Warner et al. 2024",
    ),
)

DECODERS = (
    _family("gpt2", "Pre-norm decoder with packed projections (Conv1D) and a final norm.", "Radford et al. 2019"),
    _family("gpt_neo", "GPT-2's order of norms with windows in every other block.", "Black et al. 2021"),
    _family("gpt_neox", "Parallel or pre-norm decoder with interleaved projections: Pythia.", "Black et al. 2022"),
    _family("gptj", "Parallel decoder behind one shared norm.", "Wang & Komatsuzaki 2021"),
    _family("opt", "Pre-norm decoder; the 350m model is post-norm and projected in and out.", "Zhang et al. 2022"),
    _family("bloom", "Pre-norm decoder with an embedding norm and interleaved projections.", "Le Scao et al. 2022"),
    _family(
        "falcon",
        "Parallel or pre-norm decoder with one or several key-value heads, without ALiBi.",
        "Almazrouei et al. 2023",
    ),
    _family(
        "llama",
        "Pre-norm decoder with RMSNorm, gated feed-forward blocks and grouped queries.",
        "Touvron et al. 2023",
    ),
    _family("mistral", "Llama's blocks with a sliding window.", "Jiang et al. 2023"),
    _family("qwen2", "Llama's blocks with biases on queries, keys and values.", "Yang et al. 2024"),
    _family("qwen3", "Llama's blocks with normed queries and keys.", "Yang et al. 2025"),
    _family("gemma2", "Sandwich norms, gains stored minus 1, soft-capped attention.", "Gemma Team 2024"),
    _family(
        "gemma3", "Gemma 2's blocks with normed queries and keys; the text model.", "Gemma Team 2025", "gemma3_text"
    ),
    _family("phi3", "Llama's blocks with packed projections.", "Abdin et al. 2024"),
    _family("olmo2", "Outputs of sub-layers are normed; their inputs are not.", "OLMo Team 2024"),
    _family("mixtral", "Llama's blocks with mixtures of experts.", "Jiang et al. 2024"),
    _family("gpt_oss", "Llama's order of norms, attention sinks, mixtures of experts with biases.", "OpenAI 2025"),
)

ENCODER_DECODERS = (
    _family("marian", "Post-norm, without embedding norm or final norm.", "Junczys-Dowmunt et al. 2018"),
    _family("bart", "Post-norm with embedding norms.", "Lewis et al. 2020"),
    _family("mbart", "Pre-norm with embedding norms and final norms.", "Liu et al. 2020"),
    _family("m2m_100", "Pre-norm with final norms: M2M100, NLLB.", "Fan et al. 2021"),
    _family("pegasus", "Pre-norm with final norms.", "Zhang et al. 2020"),
    _family(
        "t5",
        "Pre-norm with RMSNorm, no biases, gated or plain feed-forward blocks: T5, mT5.",
        "Raffel et al. 2020",
        "t5",
        "mt5",
    ),
)


@hookimpl
def prosect_architectures() -> Sequence[ArchitectureDeclaration]:
    """Families of models that prosect describes."""
    return (*ENCODERS, *DECODERS, *ENCODER_DECODERS)

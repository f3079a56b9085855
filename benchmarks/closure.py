"""Worst closure of every family, decomposition and dtype, as a page: ``python benchmarks/closure.py -o PAGE.md``.

Every family is taken at the small random configuration that its description declares, and at some others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

from prosect.api import ModelError
from prosect.plugins.registry import Registry, implementation, load_registry
from prosect.plugins.support import example_of
from prosect.testing.closing import Closing, closings, label_choices
from prosect.testing.models import small_module, token_rows, whole_config

Config = Mapping[str, Any]

#: Configurations beside the declared one: (family, name, changes).
OTHERS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("roberta", "XLM-RoBERTa", {"model_type": "xlm-roberta"}),
    ("roberta", "CamemBERT", {"model_type": "camembert"}),
    ("albert", "one block", {"num_hidden_groups": 1, "inner_group_num": 1}),
    ("deberta_v2", "v2", {"share_att_key": False, "position_biased_input": True, "type_vocab_size": 2}),
    ("gpt_neox", "in sequence", {"use_parallel_residual": False}),
    ("opt", "350m", {"do_layer_norm_before": False, "word_embed_proj_dim": 16}),
    ("bloom", "normed residual", {"apply_residual_connection_post_layernorm": True}),
    ("falcon", "7b", {"new_decoder_architecture": False, "num_kv_heads": None}),
    (
        "falcon",
        "in sequence",
        {"new_decoder_architecture": False, "num_kv_heads": None, "parallel_attn": False, "multi_query": False},
    ),
    ("t5", "first version", {"feed_forward_proj": "relu"}),
    ("t5", "mT5", {"model_type": "mt5"}),
)
#: Configurations that are refused.
REFUSED: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("deberta_v2", {"conv_kernel_size": 3}),
    ("falcon", {"alibi": True}),
    ("bloom", {"slow_but_exact": True, "pretraining_tp": 2}),
    ("gpt_oss", {"swiglu_alpha": 1.5}),
    ("bert", {"is_decoder": True}),
    ("gpt2", {"add_cross_attention": True}),
)
#: Heading -> the decomposition and options whose gaps it shows.
COLUMNS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "sum_of_factors": ("sum_of_factors", {}),
    "by: head": ("sum_of_factors", {"by": "head"}),
    "by: source": ("sum_of_factors", {"by": "source"}),
    "attention_norms": ("attention_norms", {}),
    "attention_maps": ("attention_maps", {}),
    "token_wise": ("token_wise", {}),
    "group: stream": ("token_wise", {"group": "stream"}),
    "group: special": ("token_wise", {"group": "special"}),
    "source: token": ("token_wise", {"source": "token"}),
    "source: carried": ("token_wise", {"source": "carried"}),
    "bias: share_abs_dot": ("token_wise", {"bias": "share_abs_dot"}),
}
DTYPES: Final = ("float64", "float32")
COMMAND: Final = "python benchmarks/closure.py -o docs/benchmarks/closure.md"


def configurations(registry: Registry) -> Iterator[tuple[str, Config]]:
    """Every family at its declared example, and some at others."""
    for family in registry.declarations("architectures"):
        example = example_of(family)
        yield family.name, example
        yield from ((f"{name} ({what})", {**example, **more}) for name, what, more in OTHERS if name == family.name)


def measured(registry: Registry, config: Config, dtype: str) -> tuple[Closing, ...]:
    """Gaps of all decompositions of ours, at every choice of labels."""
    family = registry.architecture_for(config["model_type"])
    if family is None:
        raise ModelError(f"no plugin describes {config['model_type']!r}")
    architecture = implementation(family)(whole_config(config))
    module = small_module(config, getattr(torch, dtype))
    wanted = [
        (declaration.name, options)
        for declaration in registry.declarations("decompositions")
        for options in label_choices(declaration, architecture)
    ]
    return closings(module, token_rows(module), wanted)


def worst(found: tuple[Closing, ...], column: tuple[str, dict[str, Any]]) -> str:
    """Write the largest gap over the nodes of a model."""
    gaps = [closing.gap for closing in found if (closing.decomposition, dict(closing.options)) == column]
    return f"{max(gaps):.0e}" if gaps else ""


def table(registry: Registry, dtype: str) -> Iterator[str]:
    """Write the table of one dtype."""
    yield f"| family | {' | '.join(COLUMNS)} |"
    yield f"| --- |{' --- |' * len(COLUMNS)}"
    for name, config in configurations(registry):
        found = measured(registry, config, dtype)
        yield f"| {name} | {' | '.join(worst(found, column) for column in COLUMNS.values())} |"


def refusals(registry: Registry) -> Iterator[str]:
    """Write what is refused, and why."""
    by_name = {family.name: family for family in registry.declarations("architectures")}
    for name, changes in REFUSED:
        config = {**whole_config(example_of(by_name[name])), **changes}
        try:
            implementation(by_name[name])(config)
        except ModelError as error:
            said = ", ".join(f"`{key}: {value}`" for key, value in changes.items())
            yield f"- {name} with {said}: {error}"


def page() -> Iterator[str]:
    """Write the whole page, line by line."""
    registry = load_registry()
    versions = ", ".join(f"{name} {version(name)}" for name in ("prosect", "torch", "transformers"))
    yield "# Closure"
    yield ""
    yield "After every step of a replay the terms must sum to the true hidden state. The tables show the largest gap"
    yield "max ‖Σ terms - h‖ / ‖h‖ over the tokens of three sentences, every step and layer, and every stream (`cross`"
    yield "included), on a small random model of each family. Families with RMSNorm compute it in float32 whatever the"
    yield "dtype, and so do some their softmax: their gaps in float64 are those of float32 there. Terms that cancel"
    yield "amplify rounding: the tolerance of a run is multiplied by Σ ‖term‖ / ‖h‖."
    yield ""
    yield f"{date.today().isoformat()} · {versions} · CPU · `{COMMAND}`"
    for dtype in DTYPES:
        yield ""
        yield f"## {dtype}"
        yield ""
        yield from table(registry, dtype)
    yield ""
    yield "## What is refused"
    yield ""
    yield from refusals(registry)


def main() -> None:
    """Write the page to a file, or to stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, help="file of the page; default: stdout")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = "\n".join(page()) + "\n"
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

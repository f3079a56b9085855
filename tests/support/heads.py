"""Small random models with their own heads, of every described family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoConfig

from prosect.model.load import LoadedModel, wrap_module
from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import example_of
from prosect.vocab.architecture import Stream

TASKS = {
    "masked": transformers.AutoModelForMaskedLM,
    "causal": transformers.AutoModelForCausalLM,
    "seq2seq": transformers.AutoModelForSeq2SeqLM,
    "tokens": transformers.AutoModelForTokenClassification,
    "sentence": transformers.AutoModelForSequenceClassification,
}
ENCODER_DECODERS = ("bart", "marian", "mbart", "m2m_100", "pegasus", "t5")
ENCODERS = ("bert", "roberta", "distilbert", "albert", "electra", "mpnet", "deberta_v2", "modernbert")


@dataclass(frozen=True)
class Headed:
    """A family with a head for a task, and what is changed in its example configuration."""

    family: str
    task: str
    changes: Mapping[str, Any]

    def __str__(self) -> str:
        return "-".join((self.family, self.task, *self.changes))

    def model(self, dtype: torch.dtype = torch.float64) -> LoadedModel:
        return wrap_module(self.module().to(dtype), None)

    def module(self) -> nn.Module:
        """Make the module; biases are perturbed, since fresh ones are 0 and would hide errors."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = TASKS[self.task].from_config(self.config())
            with torch.no_grad():
                for name, parameter in module.named_parameters():
                    # Sinusoids are computed anew when a model is loaded.
                    if "embed_positions" not in name:
                        parameter.add_(torch.randn_like(parameter) * 0.2)
                for name, buffer in module.named_buffers():
                    if name.endswith("final_logits_bias"):
                        buffer.add_(torch.randn_like(buffer))
        return module.eval()

    def config(self) -> Any:
        example = dict(_family(self.family)[1])
        return AutoConfig.for_model(example.pop("model_type"), **{**example, **self.changes})

    def stream(self, model: LoadedModel) -> Stream:
        return implementation(_family(self.family)[0])(model.config).streams[-1]


def _family(name: str) -> tuple[Any, Mapping[str, Any]]:
    found = next(one for one in load_registry().declarations("architectures") if one.name == name)
    return found, example_of(found)


def all_heads(*tasks: str) -> Iterator[Headed]:
    """Every described family that transformers gives a head for one of these tasks."""
    for declaration in load_registry().declarations("architectures"):
        for task in tasks:
            headed = Headed(declaration.name, task, {})
            usual = {"masked": ENCODERS, "seq2seq": ENCODER_DECODERS}.get(task)
            fits = declaration.name not in ENCODERS + ENCODER_DECODERS if usual is None else declaration.name in usual
            if task in {"tokens", "sentence"}:
                fits = declaration.name not in ENCODER_DECODERS
            if fits and type(headed.config()) in TASKS[task]._model_mapping:
                yield headed


def token_rows(model: LoadedModel, lengths: tuple[int, ...] = (6, 3, 4), seed: int = 0) -> list[list[int]]:
    """Draw sentences of a model's vocabulary, without its padding."""
    generator = torch.Generator().manual_seed(seed)
    allowed = [i for i in range(model.config["vocab_size"]) if i != model.config.get("pad_token_id")]
    return [[allowed[i] for i in torch.randint(len(allowed), (n,), generator=generator)] for n in lengths]

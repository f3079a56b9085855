"""Random models of the shapes of BERT-base and GPT-2 small, and the token ids that they are fed with."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

SHAPES: Final = ("bert-base", "gpt2-small")
#: Ids of the vocabularies that are used by no special token.
IDS: Final = (1000, 30000)


def headed(shape: str) -> nn.Module:
    """Make a model with its head: the sizes of the family's base model, seeded, gains and biases far from trivial."""
    import transformers

    library: Any = transformers
    torch.manual_seed(0)
    if shape == "bert-base":
        config = library.BertConfig(architectures=["BertForMaskedLM"])
        module: nn.Module = library.BertForMaskedLM(config)
    else:
        config = library.GPT2Config(architectures=["GPT2LMHeadModel"])
        module = library.GPT2LMHeadModel(config)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return module.eval()


def token_ids(sentences: int, tokens: int) -> Tensor:
    """Draw sentences of one length."""
    return torch.randint(*IDS, (sentences, tokens), generator=torch.Generator().manual_seed(1))

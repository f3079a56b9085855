"""Token metrics of the readouts: what the model's own head says of sums of components, token by token.

Axes are those of the declarations, ``subset`` first. Cross-entropies are in nats, as torch and transformers have them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from prosect.api.tensors import Float, Int, Reading, Tensor
from prosect_plugins.metrics.readouts.gold import Ids, masked_ids, next_ids
from prosect_plugins.metrics.readouts.options import LensOptions, NextTokenOptions, ReadoutOptions
from prosect_plugins.metrics.readouts.scores import Reader, scored, spread

# Without the axis ``subset`` where the whole is the only one.
Readout = dict[str, Float[Tensor, "..."] | Int[Tensor, "..."]]


def masked_token(reading: Reading, total: Tensor, options: ReadoutOptions) -> Readout:
    """Whether a masked token is predicted, and its cross-entropy; NaN at tokens that were not chosen for masking."""
    return _against(reading, total, masked_ids(reading.tokens), options, "masked")


def next_token(reading: Reading, total: Tensor, options: NextTokenOptions) -> Readout:
    """Whether the next token is predicted, and its cross-entropy; NaN where no token follows."""
    return _against(reading, total, next_ids(reading.tokens, special=options.special), options, "next")


def logit_lens(reading: Reading, total: Tensor, options: LensOptions) -> Readout:
    """Predicted output, its probability and the entropy of all outputs in bits, at every token."""
    tokens = total.shape[:-1]
    positions = torch.arange(tokens.numel(), device=total.device)
    reader = Reader.at(reading, positions, options)
    predicted = torch.empty((len(reader.subsets), len(positions)), dtype=torch.int64, device=total.device)
    probability, entropy = total.new_empty(predicted.shape), total.new_empty(predicted.shape)
    for subset in range(len(reader.subsets)):
        for part, logits in reader.chunks(subset):
            log = torch.log_softmax(logits, dim=-1)
            largest, predicted[subset, part] = log.max(dim=-1)
            probability[subset, part] = largest.exp()
            # Outputs of probability 0 add nothing: 0 log 0 = 0.
            entropy[subset, part] = torch.special.entr(log.exp()).sum(dim=-1) / torch.log(log.new_tensor(2.0))
    shape = (len(reader.subsets), *tokens)
    named = {"predicted_id": predicted, "predicted_probability": probability, "predicted_entropy": entropy}
    return _declared({name: values.reshape(shape) for name, values in named.items()}, options)


def _against(reading: Reading, total: Tensor, gold: Ids, options: ReadoutOptions, name: str) -> Readout:
    scores, positions = scored(reading, torch.from_numpy(gold).to(total.device), options)
    tokens = total.shape[:-1]
    found = {
        f"{name}_correct": spread(scores.correct, positions, tokens),
        f"{name}_loss": spread(scores.loss, positions, tokens),
    }
    return _declared(found, options)


def _declared(found: Mapping[str, Tensor], options: ReadoutOptions) -> Readout:
    return {name: values[0] if options.subsets == "total" else values for name, values in found.items()}

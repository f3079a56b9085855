"""Probes with a hidden layer: trained by torch, the epoch that is best on the development part kept."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from prosect_plugins.probes.kernels.scores import Codes


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a probe is built and trained.

    Attributes
    ----------
    hidden
        Width of the hidden layer; 0 for none, which makes the probe linear.
    output_bias
        Whether the last map has a bias.
    dropout
        Share of hidden values (of input values, without a hidden layer) that are dropped in training.
    learning_rate, weight_decay
        Of Adam, with decoupled decay.
    schedule
        ``constant`` learning rate, or ``linear`` decrease to 0 over all steps.
    epochs, batch_items
        Passes over the training part, and items in a batch.
    """

    hidden: int
    output_bias: bool
    dropout: float
    learning_rate: float
    weight_decay: float
    schedule: Literal["constant", "linear"]
    epochs: int
    batch_items: int


@dataclass(frozen=True)
class Part:
    """Items of one part of the data, as tensors.

    Attributes
    ----------
    vectors
        Shape (item, hidden), float32.
    labels
        Classes, shape (item,).
    groups
        Group of each item, shape (item,).
    allowed
        Classes that may be chosen of in each group, shape (group, label); None for all.
    """

    vectors: Float[Tensor, "item hidden"]
    labels: Int[Tensor, " item"]
    groups: Int[Tensor, " item"]
    allowed: Bool[Tensor, "group label"] | None

    def logits(self, network: nn.Module, items: Tensor) -> Float[Tensor, "item label"]:
        """Logits of some items, minus infinity for classes that may not be chosen."""
        logits: Tensor = network(self.vectors[items])
        return logits if self.allowed is None else logits.masked_fill(~self.allowed[self.groups[items]], -float("inf"))


@dataclass(frozen=True)
class Trained:
    """A trained probe: the network at its best epoch, what the criterion was then, and which epoch, from 1."""

    network: nn.Module
    criterion: float
    epoch: int


def build(width: int, classes: int, recipe: Recipe) -> nn.Sequential:
    """Build Linear, ReLU, Dropout, Linear; without a hidden layer Dropout and Linear."""
    if recipe.hidden == 0:
        return nn.Sequential(nn.Dropout(recipe.dropout), nn.Linear(width, classes, bias=recipe.output_bias))
    return nn.Sequential(
        nn.Linear(width, recipe.hidden),
        nn.ReLU(),
        nn.Dropout(recipe.dropout),
        nn.Linear(recipe.hidden, classes, bias=recipe.output_bias),
    )


def train(part: Part, classes: int, recipe: Recipe, seed: int, criterion: Callable[[nn.Module], float]) -> Trained:
    """Train a probe.

    Parameters
    ----------
    part
        Training items.
    classes
        Number of classes.
    recipe
        The probe.
    seed
        Of initial weights, order of items and dropout: the same seed gives the same probe on the same machine.
    criterion
        Judges a network after every epoch; the first best one is kept, or the last one where it is NaN.
    """
    device = part.vectors.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = build(part.vectors.shape[1], classes, recipe).to(device)
        optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        steps = recipe.epochs * -(-len(part.labels) // recipe.batch_items)
        rate = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: 1.0 if recipe.schedule == "constant" else max(0.0, 1.0 - step / steps)
        )
        best = Trained(copy.deepcopy(network), -float("inf"), 0)
        for epoch in range(1, recipe.epochs + 1):
            network.train()
            order = torch.randperm(len(part.labels)).to(device)
            for items in torch.split(order, recipe.batch_items):
                optimiser.zero_grad()
                loss: Any = nn.functional.cross_entropy(part.logits(network, items), part.labels[items])
                loss.backward()
                optimiser.step()
                rate.step()
            network.eval()
            value = criterion(network)
            # NaN, without a development part, keeps the last epoch.
            if not value <= best.criterion:
                best = Trained(copy.deepcopy(network), value, epoch)
    return best


def predict(network: nn.Module, part: Part, batch_items: int) -> Codes:
    """Predict the class of every item; -1 where none is allowed."""
    network.eval()
    found: list[Tensor] = []
    with torch.no_grad():
        for items in torch.split(torch.arange(len(part.labels), device=part.vectors.device), batch_items):
            logits = part.logits(network, items)
            found.append(torch.where(torch.isneginf(logits).all(dim=-1), -1, logits.argmax(dim=-1)))
    return torch.cat(found).cpu().numpy() if found else np.zeros(0, dtype=np.int64)

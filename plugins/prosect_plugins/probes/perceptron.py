"""`mlp_probe`: a hidden layer between vectors and classes, searched, repeated, the best epoch kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
import xarray as xr
from torch import nn

from prosect.api import UsageError
from prosect_plugins.probes.cells import Cell, Outcome, probe
from prosect_plugins.probes.items import DEV, TEST, TRAIN
from prosect_plugins.probes.kernels.perceptron import Part, Recipe, Trained, predict, train
from prosect_plugins.probes.options import PerceptronOptions


def mlp_probe(datasets: Sequence[xr.Dataset], options: PerceptronOptions) -> xr.Dataset:
    """Train perceptrons on the training part, choose on the development part, and judge them on the test part."""
    return probe(datasets, options, _fit, runs=True)


def _fit(cell: Cell, options: PerceptronOptions) -> Outcome:
    training = _Training(cell, options)
    recipe = training.searched(_recipes(cell, options))
    trained = [training.run(recipe, options.seed + number) for number in range(options.runs)]
    predicted = [predict(one.network, training.part(TEST), options.batch_items) for one in trained]
    values = {
        "development": np.array([one.criterion for one in trained]),
        "epoch": np.array([one.epoch for one in trained]),
        "learning_rate": np.full(options.runs, recipe.learning_rate),
        "dropout": np.full(options.runs, recipe.dropout),
        "weight_decay": np.full(options.runs, recipe.weight_decay),
    }
    return Outcome(np.stack(predicted), values)


@dataclass
class _Training:
    """Trains probes of one cell; parts are put on the device once."""

    cell: Cell
    options: PerceptronOptions
    _parts: dict[int, Part] = field(default_factory=dict)

    def searched(self, recipes: Sequence[Recipe]) -> Recipe:
        """Train every recipe with the first seed, and return the best on the development part, the first of several."""
        if len(recipes) == 1:
            return recipes[0]
        if not self.cell.items.of(DEV).size:
            raise UsageError("several values are given to choose from, and there is no development part to choose on")
        scores = [self.run(recipe, self.options.seed).criterion for recipe in recipes]
        return recipes[int(np.argmax(scores))]

    def run(self, recipe: Recipe, seed: int) -> Trained:
        """Train one probe."""
        return train(self.part(TRAIN), len(self.cell.items.labels), recipe, seed, self._criterion)

    def part(self, part: int) -> Part:
        """Items of a part as tensors."""
        if part not in self._parts:
            items, device = self.cell.items.of(part), _device(self.options)
            allowed = None if self.options.group is None else torch.from_numpy(self.cell.judge.table > 0).to(device)
            self._parts[part] = Part(
                torch.from_numpy(self.cell.of(part).astype(np.float32)).to(device),
                torch.from_numpy(self.cell.items.label[items]).to(device),
                torch.from_numpy(self.cell.items.group[items]).to(device),
                allowed,
            )
        return self._parts[part]

    def _criterion(self, network: nn.Module) -> float:
        predicted = predict(network, self.part(DEV), self.options.batch_items)
        return self.cell.judge.value(self.options.criterion, predicted, DEV)


def _recipes(cell: Cell, options: PerceptronOptions) -> list[Recipe]:
    """Every combination of the values to search, or some of them drawn at random."""
    grid = list(product(options.learning_rate, options.dropout, options.weight_decay))
    if options.trials is not None and options.trials < len(grid):
        drawn = np.random.default_rng(options.seed).permutation(len(grid))[: options.trials]
        grid = [grid[place] for place in sorted(drawn)]
    width = cell.vectors.shape[1]
    return [
        Recipe(
            hidden=width if options.hidden == "same" else options.hidden,
            output_bias=options.output_bias,
            dropout=dropout,
            learning_rate=rate,
            weight_decay=decay,
            schedule=options.schedule,
            epochs=options.epochs,
            batch_items=options.batch_items,
        )
        for rate, dropout, decay in grid
    ]


def _device(options: PerceptronOptions) -> torch.device:
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("'device: cuda', but torch sees no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if options.device != "cpu" and torch.cuda.is_available() else "cpu")

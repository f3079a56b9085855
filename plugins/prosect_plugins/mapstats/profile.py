"""`dimension_profile`: how large states are, dimension by dimension, beside the gain of the norm there."""

from __future__ import annotations

from typing import Final

import torch

from prosect.api.tensors import Context, Float, Reading, State, Tensor, Values
from prosect_plugins.mapstats.options import ProfileOptions

GAIN: Final = "gain"


class DimensionProfile:
    """Mean, deviation and mean size of every dimension of the state over tokens (Kobayashi et al. 2024, section 6).

    Sums about the mean are merged in float64 by the formula of Chan, Golub & LeVeque 1983.
    """

    def __init__(self, options: ProfileOptions, context: Context) -> None:
        self._special, self._hidden = options.special, context.hidden
        self._device = context.device
        self._gathered: dict[str, Tensor] = {}

    def update(self, reading: Reading) -> None:
        """Take in the unit's own tokens."""
        own = reading.tokens.own
        if not self._special:
            own = own & ~torch.as_tensor(reading.tokens.coordinate("special").astype(bool), device=own.device)
        states = reading.total[own].double()
        if len(states):
            self._merge(_moments(states))
        if reading.gain is not None:
            self._gathered[GAIN] = reading.gain.double().clone()

    def state(self) -> State:
        """Count, mean, sums about the mean and mean size."""
        return dict(self._gathered)

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        if "count" in state:
            self._merge({name: tensor for name, tensor in state.items() if name != GAIN})
        if GAIN in state:
            self._gathered[GAIN] = state[GAIN].to(self._device)

    def finalise(self) -> Values:
        """Return the declared variables (hidden); NaN where no token was counted, or no norm is there."""
        nothing = torch.full((self._hidden,), float("nan"), dtype=torch.float64, device=self._device)
        count, found = self._gathered.get("count"), self._gathered
        return {
            "dimension_mean": found.get("mean", nothing),
            "dimension_sd": nothing if count is None else (found["second"] / count).sqrt(),
            "dimension_size": found.get("size", nothing),
            "dimension_gain": found.get(GAIN, nothing),
        }

    def _merge(self, later: State) -> None:
        own = self._gathered
        if "count" not in own:
            own.update({name: tensor.to(self._device).clone() for name, tensor in later.items()})
            return
        later = {name: tensor.to(self._device) for name, tensor in later.items()}
        total = own["count"] + later["count"]
        share, apart = later["count"] / total, later["mean"] - own["mean"]
        own["second"] = own["second"] + later["second"] + apart.square() * own["count"] * share
        own["mean"] = own["mean"] + apart * share
        own["size"] = own["size"] + (later["size"] - own["size"]) * share
        own["count"] = total


def _moments(states: Float[Tensor, "token hidden"]) -> dict[str, Tensor]:
    mean = states.mean(dim=0)
    return {
        "count": states.new_tensor(float(len(states))),
        "mean": mean,
        "second": (states - mean).square().sum(dim=0),
        "size": states.abs().mean(dim=0),
    }

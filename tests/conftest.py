"""Shapes in signatures are checked while tests run, and only then."""

import torch
from jaxtyping import install_import_hook

# Models in tests are tiny: threads only wait for each other.
torch.set_num_threads(1)

install_import_hook(
    ["prosect.terms", "prosect.model.weights", "prosect_plugins.metrics", "prosect_plugins.derived.kernels"],
    "beartype.beartype",
)

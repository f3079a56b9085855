"""Every decomposition of every family closes on a GPU."""

import pytest
import torch

from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import example_of
from prosect.terms.closure import tolerance
from prosect.testing.closing import closings, label_choices
from prosect.testing.models import small_module, token_rows, whole_config

pytestmark = pytest.mark.gpu

REGISTRY = load_registry()
FAMILIES = {family.name: family for family in REGISTRY.declarations("architectures")}
# Older releases of transformers know no other limit.
CHANGES = {"gpt_oss": {"swiglu_limit": 7.0}}


# Older releases of transformers script parts of DeBERTa-v2, which newer Pythons warn of.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_decomposition_closes(device, assert_within, name, dtype):
    """At every choice of labels; terms that cancel may be further off, and the run itself measures that."""
    config = {**example_of(FAMILIES[name]), **CHANGES.get(name, {})}
    architecture = implementation(FAMILIES[name])(whole_config(config))
    module = small_module(config, getattr(torch, dtype))
    rows = token_rows(module)
    wanted = [
        (declaration.name, options)
        for declaration in REGISTRY.declarations("decompositions")
        for options in label_choices(declaration, architecture)
    ]
    for closing in closings(module.to(device), rows, wanted):
        assert_within(f"closure, {closing.decomposition} {dtype}", closing.gap, 10 * tolerance(dtype, architecture))

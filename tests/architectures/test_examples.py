"""The example that every family declares, and what is made of all of them."""

import pytest
from transformers import CONFIG_MAPPING

from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import example_of
from prosect.testing.models import whole_config
from prosect.vocab.architecture import Architecture

REGISTRY = load_registry()
FAMILIES = REGISTRY.declarations("architectures")
NAMES = [family.name for family in FAMILIES]


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_defaults_of_a_description_are_those_of_the_family(family):
    """What the example leaves out means the same to us as to transformers."""
    example = example_of(family)
    assert implementation(family)(example) == implementation(family)(whole_config(example))


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_an_example_is_of_its_family(family):
    assert example_of(family)["model_type"] in family.model_types
    assert implementation(family)(example_of(family)).family == family.name


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_model_types_are_known_to_transformers(family):
    assert set(family.model_types) <= set(CONFIG_MAPPING.keys())


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_families_that_compute_norms_in_float32_say_so(family):
    architecture: Architecture = implementation(family)(example_of(family))
    float32 = any(norm.float32 for stream in architecture.streams for norm in stream.norms)
    assert float32 == any("float32" in note for note in architecture.notes)


def test_every_family_of_the_papers_and_the_common_others_is_described():
    expected = {
        *("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "albert", "electra", "mpnet", "deberta-v2"),
        *("modernbert", "gpt2", "gpt_neo", "gpt_neox", "gptj", "opt", "bloom", "falcon", "llama", "mistral", "qwen2"),
        *("qwen3", "gemma2", "gemma3_text", "phi3", "olmo2", "mixtral", "gpt_oss", "marian", "bart", "mbart"),
        *("m2m_100", "pegasus", "t5", "mt5"),
    }
    assert expected <= {model_type for family in FAMILIES for model_type in family.model_types}

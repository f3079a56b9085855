"""Value zeroing beside a block that is run again by the model itself, with one value set to 0."""

import pytest
import torch

from prosect.api.tensors import Reading
from prosect.errors import UsageError
from prosect.model.forward import eager_attention, forward
from prosect.model.weights import submodule
from prosect_plugins.metrics.maps import value_zeroing
from prosect_plugins.metrics.options import ValueZeroingOptions
from support.orders import architecture, factored_start, map_rules, model, stream_of, walk
from support.replays import feed_of, token_ids

# Families whose value projection is a module of its own, in every order of blocks.
FAMILIES = ("bert", "llama", "gptj", "gemma2", "olmo2", "mixtral", "gpt_oss")


def outputs(name, ids, zeroed=None):
    """Outputs of all blocks; the value of one token is 0 in one block, whose input is what it was."""
    loaded, stream = model(name), architecture(name).stream("main")
    found, handles, true = {}, [], {}

    def keep(number):
        def hook(_module, _args, output):
            found[number] = (output[0] if isinstance(output, tuple) else output).clone()

        return hook

    def without(token):
        def hook(_module, _args, output):
            output = output.clone()
            output[:, token] = 0
            return output

        return hook

    for number, block in enumerate(stream.blocks, 1):
        module = submodule(loaded.base, block.path)
        handles.append(module.register_forward_hook(keep(number)))
        if zeroed is not None and zeroed[0] == number:
            value = submodule(module, block.attentions[0].value.path)
            handles.append(value.register_forward_hook(without(zeroed[1])))
    try:
        with eager_attention(loaded):
            forward(loaded, feed_of(loaded, ids, "main"))
    finally:
        for handle in handles:
            handle.remove()
    return found | true


@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_what_the_block_loses_when_the_model_runs_without_a_value(name):
    """A block is deterministic: run with one value at 0 and the same input it gives what the rerun gives."""
    ids, which, found = token_ids(model(name), (2, 5)), (name, "main"), {}

    def take(block, scope, terms, state, onward):
        if scope == "attn":
            found[block] = value_zeroing(
                Reading(terms, state, onward=onward), state, ValueZeroingOptions(normalise="none")
            )

    walk(which, map_rules(stream_of(*which)), ids, factored_start(100_000), take)
    true = outputs(name, ids)
    for block, values in found.items():
        # A change in this block changes later ones too, but not what it reads itself.
        for token in range(5):
            changed = outputs(name, ids, (block, token))[block]
            expected = 1 - torch.cosine_similarity(changed, true[block], dim=-1)
            torch.testing.assert_close(values[..., token], expected.clamp(min=0), rtol=1e-6, atol=1e-9)


def test_across_streams_the_rest_of_the_decoder_block_is_run_again():
    ids, which, found = token_ids(model("marian"), (1, 4)), ("marian", "cross"), {}

    def take(block, scope, terms, state, onward):
        if scope == "cross":
            reading = Reading(terms, state, onward=onward)
            found[block] = value_zeroing(reading, state, ValueZeroingOptions())

    walk(which, map_rules(stream_of(*which)), ids, factored_start(), take)
    for shares in found.values():
        torch.testing.assert_close(shares.sum(dim=-1), torch.ones_like(shares[..., 0]))


def test_a_block_with_another_attention_behind_is_refused():
    ids, which = token_ids(model("marian"), (1, 4)), ("marian", "decoder")

    def take(_block, scope, terms, state, onward):
        if scope == "attn":
            value_zeroing(Reading(terms, state, onward=onward), state, ValueZeroingOptions())

    with pytest.raises(UsageError, match="another attention behind"):
        walk(which, map_rules(stream_of(*which)), ids, factored_start(), take)


def test_it_needs_the_scope_of_an_attention():
    ids, which = token_ids(model("bert"), (1, 4)), ("bert", "main")

    def take(_block, scope, terms, state, onward):
        if scope == "attn_res":
            value_zeroing(Reading(terms, state, onward=onward), state, ValueZeroingOptions())

    with pytest.raises(UsageError, match="attention_norms"):
        walk(which, map_rules(stream_of(*which)), ids, factored_start(), take)

"""What a config says about sentences."""

import pytest

from prosect.model.limits import Limits, limits_of, special_ids_of


def test_a_bert_config_gives_its_positions_and_segments(minilm):
    config = {"model_type": "bert", "max_position_embeddings": 512, "type_vocab_size": 2, "vocab_size": 30522}

    limits = limits_of(config, minilm)

    assert (limits.max_length, limits.takes_type_ids, limits.vocab_size) == (512, True, 30522)
    assert limits.decoder_max_length is None
    assert not limits.has_decoder


def test_a_gpt2_config_has_its_own_word_for_positions_and_no_segments():
    limits = limits_of({"model_type": "gpt2", "n_positions": 1024, "bos_token_id": 50256, "eos_token_id": 50256})

    assert limits.max_length == 1024
    assert not limits.takes_type_ids
    assert limits.special_ids == {50256}
    assert limits.pad_id == 0


def test_positions_of_roberta_start_behind_the_padding_id():
    config = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1, "type_vocab_size": 1}

    limits = limits_of(config)

    assert limits.max_length == 512
    assert limits.pad_id == 1
    assert not limits.takes_type_ids


@pytest.mark.parametrize("family", ["t5", "mt5"])
def test_relative_positions_limit_nothing(family):
    config = {"model_type": family, "n_positions": 512, "is_encoder_decoder": True, "decoder_start_token_id": 0}

    limits = limits_of(config)

    assert limits.max_length is None
    assert limits.decoder_max_length is None
    assert limits.decoder_start_id == 0


def test_an_encoder_decoder_has_a_limit_and_a_start_token_for_its_decoder():
    config = {
        "model_type": "marian",
        "is_encoder_decoder": True,
        "max_position_embeddings": 512,
        "decoder_start_token_id": 58100,
        "pad_token_id": 58100,
        "eos_token_id": 0,
        "vocab_size": 58101,
    }

    assert limits_of(config) == Limits(
        max_length=512,
        decoder_max_length=512,
        pad_id=58100,
        decoder_start_id=58100,
        has_decoder=True,
        special_ids=frozenset({0, 58100}),
        vocab_size=58101,
    )


def test_a_list_of_end_tokens_is_read():
    assert limits_of({"eos_token_id": [7, 9], "bos_token_id": 1}).special_ids == {1, 7, 9}


def test_the_start_token_of_an_encoder_means_nothing():
    assert limits_of({"decoder_start_token_id": 2, "is_encoder_decoder": False}).decoder_start_id is None


def test_unknown_word_and_mask_stand_for_words_and_are_not_special(minilm, roberta):
    assert special_ids_of(minilm) == {0, 101, 102}
    assert special_ids_of(roberta) == {0, 1, 2}


def test_the_only_special_token_of_gpt2_stays_special_though_it_is_called_unknown_too(gpt2):
    assert gpt2.unk_token_id == gpt2.eos_token_id
    assert special_ids_of(gpt2) == {gpt2.eos_token_id}


def test_without_a_tokenizer_nothing_is_known_to_be_special():
    assert special_ids_of(None) == frozenset()

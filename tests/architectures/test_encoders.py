"""Encoders, each with the kit that third parties use, and in the configurations that differ in their blocks."""

from typing import ClassVar

import pytest

from prosect.testing import ArchitectureTests
from prosect_plugins.architectures import (
    albert,
    bert,
    deberta_v2,
    distilbert,
    electra,
    modernbert,
    mpnet,
    roberta,
)


class TestBert(ArchitectureTests):
    config = bert.EXAMPLE


class TestRoberta(ArchitectureTests):
    config = roberta.EXAMPLE


@pytest.mark.slow
class TestXlmRoberta(ArchitectureTests):
    config: ClassVar = {**roberta.EXAMPLE, "model_type": "xlm-roberta"}


@pytest.mark.slow
class TestCamembert(ArchitectureTests):
    config: ClassVar = {**roberta.EXAMPLE, "model_type": "camembert"}


class TestDistilbert(ArchitectureTests):
    config = distilbert.EXAMPLE


class TestAlbert(ArchitectureTests):
    config = albert.EXAMPLE


@pytest.mark.slow
class TestAlbertOfOneBlock(ArchitectureTests):
    config: ClassVar = {**albert.EXAMPLE, "num_hidden_groups": 1, "inner_group_num": 1}


class TestElectra(ArchitectureTests):
    config = electra.EXAMPLE


@pytest.mark.slow
class TestElectraWithoutProjection(ArchitectureTests):
    config: ClassVar = {**electra.EXAMPLE, "embedding_size": 24}


class TestMpnet(ArchitectureTests):
    config = mpnet.EXAMPLE


class TestDebertaV3(ArchitectureTests):
    config = deberta_v2.EXAMPLE


class TestDebertaV2(ArchitectureTests):
    config: ClassVar = {
        **deberta_v2.EXAMPLE,
        "share_att_key": False,
        "position_biased_input": True,
        "type_vocab_size": 2,
        "embedding_size": 24,
    }


class TestModernbert(ArchitectureTests):
    config = modernbert.EXAMPLE


@pytest.mark.slow
class TestModernbertWithoutBiases(ArchitectureTests):
    config: ClassVar = {**modernbert.EXAMPLE, "norm_bias": False, "attention_bias": False, "mlp_bias": False}

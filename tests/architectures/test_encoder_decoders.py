"""Encoder-decoders, each with the kit that third parties use."""

from typing import ClassVar

import pytest

from prosect.testing import ArchitectureTests
from prosect_plugins.architectures import bart, m2m_100, marian, mbart, pegasus, t5


class TestMarian(ArchitectureTests):
    config = marian.EXAMPLE


class TestBart(ArchitectureTests):
    config = bart.EXAMPLE


@pytest.mark.slow
class TestMbart(ArchitectureTests):
    config = mbart.EXAMPLE


class TestM2m100(ArchitectureTests):
    config = m2m_100.EXAMPLE


@pytest.mark.slow
class TestPegasus(ArchitectureTests):
    config = pegasus.EXAMPLE


class TestT5(ArchitectureTests):
    config = t5.EXAMPLE


@pytest.mark.slow
class TestT5OfTheFirstVersion(ArchitectureTests):
    config: ClassVar = {**t5.EXAMPLE, "feed_forward_proj": "relu", "num_decoder_layers": None}


@pytest.mark.slow
class TestMt5(ArchitectureTests):
    config: ClassVar = {**t5.EXAMPLE, "model_type": "mt5"}

"""The table of what works for what, and who shows it."""

import json

import pytest

from prosect.api import ArchitectureDeclaration, DecompositionDeclaration, ModelError
from prosect.cli import main
from prosect.cli.plugin_tables import support_block
from prosect.errors import PluginError
from prosect.plugins import support as module
from prosect.plugins.declarations import Origin
from prosect.plugins.listing import records
from prosect.plugins.registry import Entry, Registry, implementation, load_registry
from prosect.plugins.support import Support, example_of, support, works_with
from prosect_plugins.architectures import bert, marian


def gated_only(_options, _stream):
    raise ModelError("blocks without a gate are not for it")


def encoders_only(_options, stream):
    if stream.name == "decoder":
        raise ModelError("there is no rule for decoders")


def broken(_options, _stream):
    raise ZeroDivisionError("by zero")


RULES = {"gated_only": gated_only, "encoders_only": encoders_only, "broken": broken}


@pytest.fixture(autouse=True)
def _own_rules(monkeypatch):
    """Declarations name their implementation as a string; these stand in for modules."""

    def find(declaration):
        return RULES.get(declaration.name) or implementation(declaration)

    monkeypatch.setattr(module, "implementation", find)


def family(name="bert", example=None):
    home = f"prosect_plugins.architectures.{name}"
    return ArchitectureDeclaration(
        name=name,
        summary="A family.",
        implementation=f"{home}:describe",
        example=f"{home}:EXAMPLE" if example is None else example,
        model_types=(name,),
    )


def decomposition(name, **changes):
    return DecompositionDeclaration(name=name, summary="One.", implementation="a:b", **changes)


def registry(*declarations):
    entries = tuple(Entry(declaration, Origin("tests", "0", "tests")) for declaration in declarations)
    return Registry(plugins=(), entries=entries, broken=())


def test_everything_of_ours_works_with_everything_of_ours():
    found = support(load_registry())
    assert {entry.reason for entry in found} == {None}
    assert {entry.family for entry in found} >= {"bert", "gpt2", "marian", "mixtral"}


def test_a_decomposition_that_refuses_gives_its_reason():
    (found,) = support(registry(family(), decomposition("gated_only")))
    assert found == Support(family="bert", decomposition="gated_only", reason="blocks without a gate are not for it")


def test_every_stream_of_a_model_is_asked_about():
    rules = decomposition("encoders_only")
    assert works_with(rules, bert.describe(bert.EXAMPLE)) is None
    assert works_with(rules, marian.describe(marian.EXAMPLE)) == "there is no rule for decoders"


def test_a_fault_of_a_plugin_is_a_reason_too():
    (found,) = support(registry(family(), decomposition("broken")))
    assert found.reason.startswith("ZeroDivisionError: by zero")


def test_what_needs_no_description_works_for_any_family():
    (found,) = support(registry(family(), decomposition("gated_only", described=False)))
    assert found.reason is None


def test_an_example_that_is_not_there_is_a_reason():
    (found,) = support(registry(family(example="prosect_plugins.architectures.bert:NOTHING"), decomposition("broken")))
    assert "cannot be imported" in found.reason
    with pytest.raises(PluginError, match="NOTHING"):
        example_of(family(example="prosect_plugins.architectures.bert:NOTHING"))


def test_a_family_without_an_example_is_left_out():
    assert support(registry(family(example=""), decomposition("broken"))) == ()
    assert support_block(registry(family(example=""), decomposition("broken"))) == ""


def test_the_table_names_every_reason_once_below_it():
    lines = support_block(registry(family(), family("gpt2"), decomposition("gated_only"))).splitlines()
    assert lines[0] == "what works"
    assert lines[1].split() == ["family", "gated_only"]
    assert [line.split() for line in lines[2:4]] == [["bert", "no", "[1]"], ["gpt2", "no", "[1]"]]
    assert lines[4:] == ["  [1] blocks without a gate are not for it"]


def test_the_command_shows_the_table(capsys):
    assert main(["plugins", "architectures"]) == 0
    out = capsys.readouterr().out
    assert "what works" in out
    rows = [line.split() for line in out.partition("what works")[2].splitlines()]
    assert "sum_of_factors" in rows[1]
    assert ["bert", *["yes"] * (len(rows[1]) - 1)] in rows


def test_a_program_reads_the_same_as_json():
    listed = json.loads(json.dumps(records(load_registry(), "architectures")))
    assert {"family": "bert", "decomposition": "sum_of_factors", "reason": None} in listed["support"]
    assert "support" not in records(load_registry(), "metrics")

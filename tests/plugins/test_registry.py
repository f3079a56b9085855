"""Names resolve to declarations; what cannot be resolved is explained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prosect.errors import PluginError
from prosect.plugins.declarations import DECLARATIONS, BrokenPlugin, MetricDeclaration, Origin, Variable
from prosect.plugins.loading import LoadedPlugin
from prosect.plugins.registry import SINGULAR, Registry, implementation, load_registry

VARIABLE = Variable(name="x", dims=("component", "token"), long_name="x")


def metric(name: str, implementation: str = "a:b") -> MetricDeclaration:
    return MetricDeclaration(name=name, summary="s", implementation=implementation, produces=(VARIABLE,))


def plugin(distribution: str, *declarations: MetricDeclaration, entry_point: str = "e") -> LoadedPlugin:
    return LoadedPlugin(Origin(distribution, "1.0", entry_point), declarations)


def message(registry: Registry, name: str, kind: str = "metrics") -> str:
    with pytest.raises(PluginError) as caught:
        registry.find(kind, name)
    return str(caught.value)


def test_find_returns_the_declaration_of_that_name():
    norm, cosine = metric("norm"), metric("cosine")
    registry = Registry.of([plugin("one", norm), plugin("two", cosine)])
    assert registry.find("metrics", "norm") is norm
    assert registry.find("metrics", "two:cosine") is cosine


def test_names_and_declarations_are_in_order():
    registry = Registry.of([plugin("b", metric("z"), metric("m")), plugin("a", metric("k"))])
    assert registry.names("metrics") == ("k", "m", "z")
    assert [declaration.name for declaration in registry.declarations("metrics")] == ["k", "m", "z"]
    assert registry.names("corpora") == ()


def test_an_unknown_name_lists_the_known_ones_and_the_nearest():
    registry = Registry.of([plugin("one", metric("norm"), metric("cosine"))])
    assert message(registry, "Norms") == "there is no metric 'Norms'; known: cosine, norm; did you mean 'norm'?"
    assert message(registry, "zzz") == "there is no metric 'zzz'; known: cosine, norm"
    assert message(registry, "x", "corpora") == "there is no corpus kind 'x'; no corpus kind is installed"
    assert registry.nearest("metrics", "nrom") == "norm"
    assert registry.nearest("metrics", "zzz") is None


def test_of_many_names_only_the_nearest_is_told():
    registry = Registry.of([plugin("one", *(metric(f"norm_{letter}") for letter in "abcdefghijklm"))])
    assert message(registry, "norm_bb") == "there is no metric 'norm_bb'; did you mean 'norm_b'?"
    assert message(registry, "zzz").startswith("there is no metric 'zzz'; known: norm_a, norm_b, ")


def test_an_unknown_kind_lists_the_kinds():
    registry = Registry.of([])
    with pytest.raises(PluginError, match=r"no kind of plugin 'metric'; the kinds are .*did you mean 'metrics'\?"):
        registry.names("metric")


def test_every_kind_has_a_word_for_one_of_it():
    assert set(SINGULAR) == set(DECLARATIONS)


def test_a_name_of_a_broken_plugin_gives_its_reason():
    origin = Origin("bad", "2.0", "e")
    broken = LoadedPlugin(origin, broken=(BrokenPlugin(origin, "it has no summary", ("norm",), "metrics"),))
    registry = Registry.of([broken])
    assert message(registry, "norm") == "metric 'norm' of bad 2.0 (e) is broken: it has no summary"
    assert "bad" not in message(registry, "cosine")
    assert "bad" not in message(registry, "norm", "corpora")


def test_a_broken_plugin_that_may_have_held_the_name_is_mentioned():
    origin = Origin("bad", "2.0", "e")
    registry = Registry.of(
        [LoadedPlugin(origin, broken=(BrokenPlugin(origin, "no module"),)), plugin("ok", metric("k"))]
    )
    assert message(registry, "norm").endswith("it may belong to bad 2.0 (e), which is broken: no module")
    assert "bad" in message(registry, "bad:norm")
    assert "bad" not in message(registry, "ok:norm")
    assert registry.find("metrics", "k").name == "k"


def test_a_name_of_two_distributions_is_an_error_that_names_both_and_how_to_choose():
    registry = Registry.of([plugin("one", metric("norm")), plugin("two", metric("norm"))])
    said = message(registry, "norm")
    assert said == ("metric 'norm' is claimed by one 1.0 (e) and two 1.0 (e); write 'one:norm' or 'two:norm'")
    assert [str(conflict) for conflict in registry.conflicts] == [said]
    assert registry.names("metrics") == ("one:norm", "two:norm")


def test_a_qualified_name_chooses_between_two_distributions():
    first, second = metric("norm"), metric("norm", "c:d")
    registry = Registry.of([plugin("One.Plugin", first), plugin("two", second)])
    assert registry.find("metrics", "one-plugin:norm") is first
    assert registry.find("metrics", "two:norm") is second


def test_origin_tells_equal_declarations_of_two_distributions_apart():
    first, second = metric("norm"), metric("norm")
    registry = Registry.of([plugin("one", first), plugin("two", second)])
    assert first == second
    assert registry.origin(first).distribution == "one"
    assert registry.origin(second).distribution == "two"
    assert registry.origin(replace(first)).distribution == "one"
    with pytest.raises(PluginError, match="not from an installed plugin"):
        registry.origin(metric("other"))


def test_a_name_given_twice_by_one_distribution_counts_once_and_is_reported():
    first = metric("norm")
    registry = Registry.of([plugin("one", first, entry_point="a"), plugin("one", metric("norm"), entry_point="b")])
    assert registry.find("metrics", "norm") is first
    (fault,) = registry.broken
    assert "given twice by this distribution; the first one, of one 1.0 (a), is used" in fault.reason


def test_a_family_is_found_by_its_model_type(install, source):
    install("families", {"families": source["architecture"]("roberta-like", "roberta_like")})
    found = load_registry().architecture_for("roberta_like")
    assert found is not None
    assert found.name == "roberta-like"
    assert load_registry().architecture_for("nobody_describes_this") is None


def test_a_model_type_of_two_distributions_is_an_error(install, source):
    install("first", {"first_family": source["architecture"]("a", "new_type")})
    install("second", {"second_family": source["architecture"]("b", "new_type")})
    with pytest.raises(PluginError, match=r"'new_type' is described by 'a' of first 1\.0 .* and 'b' of second 1\.0"):
        load_registry().architecture_for("new_type")


def test_installed_distributions_that_claim_one_name(install, source):
    install("first", {"first_metrics": source["metric"]("loudness")})
    install("second", {"second_metrics": source["metric"]("loudness")})
    registry = load_registry()
    assert message(registry, "loudness").endswith("write 'first:loudness' or 'second:loudness'")
    assert registry.origin(registry.find("metrics", "second:loudness")).distribution == "second"


def test_implementation_imports_what_is_named(install):
    install("tools", {"some_tools": "class Holder:\n    def measure(): return 7"}, {})
    assert implementation(metric("norm", "some_tools:Holder.measure"))() == 7


@pytest.mark.parametrize(
    ("source", "wanted", "reason"),
    [
        ("", "absent_tools:f", "cannot be imported: there is no module 'absent_tools'"),
        ("import not_here", "some_tools:f", "cannot be imported: ModuleNotFoundError: No module named 'not_here'"),
        ("1 / 0", "some_tools:f", "cannot be imported: ZeroDivisionError"),
        ("g = 1", "some_tools:f", "module 'some_tools' has no attribute 'f'"),
        ("f = 1", "some_tools:f", "is of type int, which cannot be called"),
    ],
)
def test_an_implementation_that_is_not_there_is_named_with_its_declaration(install, source, wanted, reason):
    install("tools", {"some_tools": source}, {})
    with pytest.raises(PluginError) as caught:
        implementation(metric("norm", wanted))
    assert f"implementation '{wanted}' of metric 'norm'" in str(caught.value)
    assert reason in str(caught.value)


def test_every_installed_implementation_can_be_imported():
    registry = load_registry()
    declared = [declaration for kind in DECLARATIONS for declaration in registry.declarations(kind)]
    assert len(declared) > 10
    assert all(callable(implementation(declaration)) for declaration in declared)


def test_what_an_installed_metric_produces_is_what_it_produces_by_default():
    """Options of a first-party declaration are not checked for that, so the fields are compared with checked ones."""
    metrics = [found for found in load_registry().declarations("metrics") if found.produces_for is not None]
    assert len(metrics) > 10
    wrong = [found.name for found in metrics if found.variables(found.options()) != found.produces]
    assert wrong == []

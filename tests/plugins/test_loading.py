"""A broken plugin stops nothing, and its reason says what its author has to mend."""

from __future__ import annotations

import pytest

from prosect.plugins import loading
from prosect.plugins.declarations import BrokenPlugin
from prosect.plugins.loading import LoadedPlugin, guarded, load_plugins


def loaded(distribution: str) -> LoadedPlugin:
    (found,) = [plugin for plugin in load_plugins() if plugin.origin.distribution == distribution]
    return found


def only_fault(distribution: str) -> BrokenPlugin:
    plugin = loaded(distribution)
    assert plugin.declarations == ()
    (fault,) = plugin.broken
    assert fault.origin == plugin.origin
    return fault


def test_first_party_plugins_come_in_through_the_same_group_and_none_is_broken():
    ours = [plugin for plugin in load_plugins() if plugin.origin.distribution == "prosect"]
    entry_points = {plugin.origin.entry_point for plugin in ours}
    assert entry_points >= {f"prosect-{kind}" for kind in ("architectures", "corpora", "decompositions", "metrics")}
    assert [plugin.broken for plugin in ours] == [()] * len(ours)


def test_origin_names_distribution_version_and_entry_point(install, source):
    install("good-plugin", {"good_plugin": source["metric"]("loudness")}, {"loud": "good_plugin"}, version="2.5")
    plugin = loaded("good-plugin")
    assert str(plugin.origin) == "good-plugin 2.5 (loud)"
    assert [declaration.name for declaration in plugin.declarations] == ["loudness"]


def test_an_entry_point_may_name_an_object_inside_a_module(install, source):
    module = (
        source["metric"]("loudness") + "\n        import sys\n        class holder: plugin = sys.modules[__name__]\n"
    )
    install("deep-plugin", {"deep_plugin": module}, {"deep": "deep_plugin:holder.plugin"})
    assert [declaration.name for declaration in loaded("deep-plugin").declarations] == ["loudness"]


def test_a_module_that_is_absent_is_told_from_an_import_that_fails(install):
    install("lost", {}, {"lost": "lost_package.plugin"})
    install("poor", {"poor_plugin": "import a_library_that_nobody_has"})
    lost, poor = only_fault("lost").reason, only_fault("poor").reason
    assert "'lost_package.plugin' is absent" in lost
    assert "install the distribution again" in lost
    assert poor.startswith("importing 'poor_plugin' failed: ModuleNotFoundError")
    assert "a_library_that_nobody_has" in poor


def test_a_failing_import_names_file_and_line(install):
    install("bad", {"bad_plugin": "VALUE = 1\nraise RuntimeError('no licence')"})
    reason = only_fault("bad").reason
    assert "RuntimeError: no licence" in reason
    assert reason.endswith("bad_plugin.py:2)")


@pytest.mark.parametrize("statement", ["raise SystemExit(3)", "1 / 0", "def", "raise ExceptionGroup('g', [OSError()])"])
def test_whatever_a_module_raises_stops_only_itself(install, source, statement):
    install("bad", {"bad_plugin": statement})
    install("good", {"good_plugin": source["metric"]("loudness")})
    assert only_fault("bad").reason.startswith("importing 'bad_plugin' failed")
    assert len(loaded("good").declarations) == 1


def test_a_missing_attribute_is_named(install):
    install("bad", {"bad_plugin": ""}, {"x": "bad_plugin:plugin"})
    assert only_fault("bad").reason == "module 'bad_plugin' has no attribute 'plugin', which the entry point names"


def hook(body: str, name: str = "prosect_metrics", mark: str = "@hookimpl", arguments: str = "") -> str:
    return (
        f"from prosect.api import *\nfrom prosect.api import hookimpl\n{mark}\ndef {name}({arguments}):\n    {body}\n"
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return None", "hook 'prosect_metrics' returned None, not a list of MetricDeclaration"),
        ("return {}", "hook 'prosect_metrics' returned an object of type dict, not a list of MetricDeclaration"),
        ("yield 1", "returned an object of type generator, not a list"),
        ("return ['norm']", "a list with an object of type str in it, which is no MetricDeclaration"),
        (
            "return [CorpusDeclaration(name='c', summary='s', implementation='a:b')]",
            "a list with an object of type CorpusDeclaration in it, which is no MetricDeclaration",
        ),
        ("raise KeyError('x')", "hook 'prosect_metrics' failed: KeyError: 'x' ("),
    ],
)
def test_a_hook_that_returns_no_declarations_is_reported_with_its_kind(install, body, reason):
    install("bad", {"bad_plugin": hook(body)})
    fault = only_fault("bad")
    assert reason in fault.reason
    assert fault.kind == "metrics"


def test_a_misspelt_hook_is_reported_with_the_nearest_one(install):
    install("bad", {"bad_plugin": hook("return []", name="prosect_metric")})
    reason = only_fault("bad").reason
    assert "'prosect_metric' is no hook of prosect; did you mean 'prosect_metrics'?" in reason


def test_a_hook_without_its_mark_is_reported(install):
    marked, unmarked = hook("return []", name="prosect_corpora"), hook("return []", mark="")
    install("bad", {"bad_plugin": marked + unmarked})
    assert only_fault("bad").reason.startswith("function 'prosect_metrics' is not marked as a hook")


def test_a_module_without_hooks_is_reported(install):
    install("bad", {"bad_plugin": "def something(): ..."})
    assert only_fault("bad").reason == "it marks no hook with prosect.api.hookimpl"


def test_a_hook_that_wants_arguments_is_reported(install):
    install("bad", {"bad_plugin": hook("return []", arguments="config")})
    reason = only_fault("bad").reason
    assert reason.startswith("its hooks do not fit")
    assert "config" in reason


def test_one_bad_declaration_does_not_take_the_good_ones_with_it(install, source):
    module = source["metric"]("loudness") + source["architecture"]("1st family", "x")
    install("mixed", {"mixed_plugin": module})
    plugin = loaded("mixed")
    assert [declaration.name for declaration in plugin.declarations] == ["loudness"]
    (fault,) = plugin.broken
    assert (fault.names, fault.kind) == (("1st family",), "architectures")
    assert "ArchitectureDeclaration '1st family': name '1st family' must start with a letter" in fault.reason


def test_all_faults_of_a_declaration_stand_in_one_reason(install):
    body = "return [MetricDeclaration(name='a b', summary='', implementation='x', produces=())]"
    install("bad", {"bad_plugin": hook(body)})
    reason = only_fault("bad").reason
    assert all(word in reason for word in ("name 'a b'", "summary is empty", "implementation 'x'", "produces is empty"))


def test_heavy_libraries_that_a_plugin_imports_are_noted(install, source, monkeypatch):
    monkeypatch.setattr(loading, "HEAVY", ("a_heavy_library",))
    light, heavy = source["metric"]("soft"), "import a_heavy_library\n" + hook("return []")
    install("light", {"light_plugin": light})
    install("slow", {"a_heavy_library": "", "slow_plugin": heavy}, {"slow": "slow_plugin"})
    assert loaded("slow").heavy == ("a_heavy_library",)
    assert loaded("light").heavy == ()


def test_what_a_plugin_raises_is_told_in_one_line():
    def fail() -> None:
        raise RuntimeError("one\n  two")

    assert str(guarded(fail)).startswith("RuntimeError: one two (")

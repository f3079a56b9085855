"""Kit for a plugin module: its hooks, its declarations, and how light it is."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from prosect.plugins.declarations import AnyDeclaration, CorpusDeclaration, DecompositionDeclaration
from prosect.plugins.hookspecs import GROUP
from prosect.plugins.loading import LoadedPlugin, load_plugin, origin_of
from prosect.plugins.options import describe
from prosect.plugins.registry import Registry, implementation, load_registry
from prosect.testing.weight import heavy_imports


class PluginTests:
    """Checks of a plugin module.

    Attributes
    ----------
    module
        What the entry point names, for example ``"my_package.prosect_plugin"``.

    Examples
    --------
    >>> class TestMyPlugin(PluginTests):
    ...     module = "my_package.prosect_plugin"
    """

    module: ClassVar[str]

    @pytest.fixture
    def plugin(self) -> LoadedPlugin:
        """Load the module as an entry point."""
        entry = EntryPoint(name=self.module, value=self.module, group=GROUP)
        return load_plugin(entry, origin_of(entry))

    @pytest.fixture
    def registry(self) -> Registry:
        """Load everything that is installed."""
        return load_registry()

    def test_an_installed_entry_point_names_the_module(self) -> None:
        """Otherwise prosect never finds it."""
        assert self.module in {entry.value for entry in entry_points(group=GROUP)}

    def test_every_hook_and_declaration_is_valid(self, plugin: LoadedPlugin) -> None:
        """Nothing is reported as broken, and something is declared."""
        assert [fault.reason for fault in plugin.broken] == []
        assert plugin.declarations

    def test_importing_it_imports_no_heavy_library(self) -> None:
        """`prosect check` imports every plugin and must stay quick."""
        assert heavy_imports([self.module]) == ()

    def test_light_implementations_import_no_heavy_library(self, plugin: LoadedPlugin) -> None:
        """Architectures are described, and corpora read, before torch is needed."""
        light = {
            d.implementation.partition(":")[0] for d in plugin.declarations if d.kind in ("architectures", "corpora")
        }
        assert heavy_imports(sorted(light)) == ()

    def test_no_other_distribution_claims_its_names(self, plugin: LoadedPlugin, registry: Registry) -> None:
        """A name that two distributions claim must be written with its distribution."""
        names = {(declaration.kind, declaration.name) for declaration in plugin.declarations}
        assert [str(clash) for clash in registry.conflicts if (clash.kind, clash.name) in names] == []

    def test_every_implementation_can_be_imported(self, plugin: LoadedPlugin) -> None:
        """A step of a plan that names it would fail otherwise."""
        assert all(callable(implementation(declaration)) for declaration in plugin.declarations)

    def test_every_option_is_described(self, plugin: LoadedPlugin) -> None:
        """By its field, or in the section ``Attributes`` of the model's docstring."""
        options = [(d.name, option) for d in plugin.declarations for option in describe(d.options)]
        assert [f"{name}: {option.name}" for name, option in options if not option.description] == []

    def test_options_have_a_json_schema(self, plugin: LoadedPlugin) -> None:
        """`prosect schema` shows it to editors."""
        for declaration in plugin.declarations:
            assert declaration.options.model_json_schema()["type"] == "object"

    def test_the_first_value_of_a_choice_is_its_default(self, plugin: LoadedPlugin) -> None:
        """So that documents need not say which it is."""
        assert [choice for declaration in plugin.declarations for choice in _odd_choices(declaration)] == []

    def test_defaults_of_decompositions_are_metrics_that_exist(self, plugin: LoadedPlugin, registry: Registry) -> None:
        """They are computed when a spec names no metric."""
        known = {metric.name for metric in registry.declarations("metrics")}
        for declaration in plugin.declarations:
            if isinstance(declaration, DecompositionDeclaration):
                assert set(declaration.metrics) <= known

    def test_what_has_files_says_which_options_hold_them(self, plugin: LoadedPlugin) -> None:
        """Options of corpora named as paths, so that the spec's folder and missing files are seen to."""
        for declaration in plugin.declarations:
            if isinstance(declaration, CorpusDeclaration) and "path" in declaration.options.model_fields:
                assert "path" in declaration.paths


def _odd_choices(declaration: AnyDeclaration) -> list[str]:
    fields = declaration.options.model_fields.items()
    return [f"{declaration.name}: {name}" for name, field in fields if not _first_is_default(field)]


def _first_is_default(field: FieldInfo) -> bool:
    if get_origin(field.annotation) is not Literal or field.is_required():
        return True
    return bool(field.default == get_args(field.annotation)[0])

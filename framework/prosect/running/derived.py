"""Metrics over stored results: what they read is put together, and what they return becomes a node of the store."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import xarray as xr
from pydantic import BaseModel, ValidationError

from prosect.errors import RunError, SpecError, StoreError, UsageError
from prosect.planning.contents import Contents
from prosect.planning.derivedstates import derived_config
from prosect.planning.digest import digest, step_digest
from prosect.planning.model import DerivedStep
from prosect.planning.records import StepRecord
from prosect.plugins.declarations import DeriveFunction, MetricDeclaration
from prosect.plugins.registry import implementation, load_registry
from prosect.results.labelled import from_dataset
from prosect.results.provenance import PACKAGES, package_versions
from prosect.results.tables import read_table
from prosect.spec.messages import problems_of
from prosect.spec.places import Document
from prosect.store.reading import open_nodes
from prosect.store.store import Store
from prosect.view.members import member, stack_members

#: Further packages that the numbers of derived results may depend on.
_READING: Final = ("pandas", "sacrebleu", "scipy")


def compute(step: DerivedStep, store: Store) -> bool:
    """Compute one derived step from what the store holds by now, and write its node.

    Returns
    -------
    bool
        False where the same result is there already, which could not be known before.

    Raises
    ------
    UsageError
        What it reads does not fit together, or is not what the metric needs.
    StoreError
        A node that it reads is missing or not finished, or the store holds another result under its name.
    """
    digests = {node: record.digest for node, record in store.steps().items() if record.state == "finished"}
    config = derived_config(step, digests, Contents(verify=True))
    if step_digest(config) is None:
        missing = [node for node in step.nodes if "/".join(node.split("/")[:2]) not in digests]
        raise StoreError(f"{store.path}: {step.node} reads {', '.join(missing)}, which is not finished")
    before = store.steps().get(step.node)
    if before is not None:
        if before.digest == digest(config):
            return False
        raise StoreError(f"{store.path}: holds another {step.node}; --replace {step.node} computes it again")
    with open_nodes(store.path, step.nodes) as nodes:
        tables = [read_table(table.file, table.spec).assign_attrs(node=table.name) for table in step.tables]
        datasets = [*_inputs(step, nodes), *tables]
        found = _derive(step.metric.declaration, datasets, step.metric.options, step.node)
        attrs = {
            "derived": config["metric"],
            "references": list(step.metric.declaration.references),
            "inputs": config["inputs"],
            "tables": config["tables"],
            "packages": package_versions((*PACKAGES, *_READING)),
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        layout, data = from_dataset(step.node, found, attrs)
    store.write_node(layout, data, _record(step, config))
    return True


def derive(
    name: str,
    *datasets: xr.Dataset | xr.DataArray,
    **options: Any,  # noqa: ANN401 - whatever the metric takes
) -> Any:  # noqa: ANN401 - a Dataset for Datasets, a DataArray for DataArrays
    """Compute a derived metric on labelled data, without a store.

    Parameters
    ----------
    name
        Name of the metric; ``prosect plugins metrics`` lists them.
    *datasets
        What it reads: xarray Datasets or DataArrays with the right dimensions, with or without coordinates, from a
        store, from a table (``prosect import-table``), or from anywhere else.
    **options
        Its options, as a spec gives them.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        A Dataset where one of the inputs is one; else the DataArray of the metric's first variable, with its other
        variables as coordinates.

    Raises
    ------
    PluginError
        There is no such metric.
    UsageError
        It is no derived metric, an option is wrong, or the data does not fit.
    """
    declaration = load_registry().find("metrics", name)
    if declaration.form != "derived":
        raise UsageError(f"{name!r} measures a model; 'prosect.derive' computes metrics over stored results")
    chosen = _options(declaration, options)
    _check_number(declaration, len(datasets))
    arrays = all(isinstance(found, xr.DataArray) for found in datasets)
    found = _derive(declaration, [_dataset(given) for given in datasets], chosen, name)
    return _as_array(declaration, found) if arrays else found


def _inputs(step: DerivedStep, nodes: Mapping[str, xr.Dataset]) -> Iterator[xr.Dataset]:
    together = step.metric.declaration.members == "stacked"
    for found in step.inputs:
        members = [_node(nodes, node) for node in found.nodes]
        if found.several and together:
            yield stack_members(members).assign_attrs(node=found.reference)
        else:
            yield from (one.assign_attrs(node=node) for one, node in zip(members, found.nodes, strict=True))


def _node(nodes: Mapping[str, xr.Dataset], node: str) -> xr.Dataset:
    if node not in nodes:
        raise StoreError(
            f"the store has no node {node}; recompute its step with --replace {'/'.join(node.split('/')[:2])}"
        )
    return member(nodes[node])


def _derive(
    declaration: MetricDeclaration, datasets: Sequence[xr.Dataset], options: BaseModel, what: str
) -> xr.Dataset:
    for dataset in datasets:
        missing = [name for name in declaration.needs if name not in dataset.variables]
        if missing:
            there = ", ".join(map(str, dataset.data_vars)) or "none"
            raise UsageError(f"{what}: {declaration.name!r} needs the variable {missing[0]!r}; there are {there}")
    function = cast("DeriveFunction", implementation(declaration))
    try:
        with warnings.catch_warnings():
            # What is undefined is NaN, as declared; arrays that are read in parts warn from threads of their own.
            warnings.filterwarnings("ignore", "(invalid value|divide by zero) encountered", RuntimeWarning)
            found = function(datasets, options)
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from error
    return _described(declaration, options, found, what)


def _described(declaration: MetricDeclaration, options: BaseModel, found: object, what: str) -> xr.Dataset:
    """Check that a metric returned what it declares, and label its variables."""
    declared = {variable.name: variable for variable in declaration.variables(options)}
    if not isinstance(found, xr.Dataset) or not set(declared) <= set(found.data_vars):
        names = ", ".join(declared)
        raise RunError(f"{what}: {declaration.implementation} must return a Dataset with {names}")
    reference = "; ".join(declaration.references) or "none"
    for name, variable in declared.items():
        own = {"long_name": variable.long_name, "units": variable.units}
        found[name].attrs = {**own, "reference": reference, "undefined": declaration.undefined, **found[name].attrs}
    return found


def _dataset(given: xr.Dataset | xr.DataArray) -> xr.Dataset:
    if isinstance(given, xr.Dataset):
        return given
    if not isinstance(given, xr.DataArray):
        raise UsageError(f"expected xarray Datasets or DataArrays, not {type(given).__name__}")
    name = given.name if given.name is not None else "value"
    clash = name in given.coords or name in given.dims
    return given.to_dataset(name="value" if clash else name)


def _as_array(declaration: MetricDeclaration, found: xr.Dataset) -> xr.DataArray:
    name = declaration.produces[0].name
    array = found[name]
    if "variable" in array.dims and array.sizes["variable"] == 1:
        found = found.squeeze("variable", drop=True)
        array = found[name]
    more = {n: v for n, v in found.data_vars.items() if n != name and set(v.dims) <= set(array.dims)}
    return array.assign_coords(more).assign_attrs({**found.attrs, **array.attrs})


def _options(declaration: MetricDeclaration, options: Mapping[str, Any]) -> BaseModel:
    try:
        return declaration.options.model_validate(options)
    except ValidationError as error:
        raise SpecError(problems_of(error, declaration.options, Document(options), ())) from error


def _check_number(declaration: MetricDeclaration, number: int) -> None:
    least, most = declaration.inputs
    if number < least or (most is not None and number > most):
        wanted = str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        noun = "dataset" if most == 1 else "datasets"
        raise UsageError(f"{declaration.name!r} reads {wanted} {noun}, and here are {number}")


def _record(step: DerivedStep, config: Mapping[str, Any]) -> StepRecord:
    return StepRecord(
        node=step.node,
        digest=digest(config),
        config=config,
        state="finished",
        units={"main": 1},
        batch_tokens=0,
        versions={},
    )

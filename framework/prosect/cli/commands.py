"""What each command does. Heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prosect.cli import output

if TYPE_CHECKING:
    from prosect.planning.cost import TokenCounter
    from prosect.planning.model import Plan


_MANY: Final = {"derived": "derived results"}


def run(arguments: argparse.Namespace) -> int:
    """Carry out a spec."""
    found = _planned(arguments)
    from prosect.planning.states import refuse_changes

    refuse_changes(found)
    from prosect.cli.ending import summary_record, summary_text
    from prosect.running.loop import execute
    from prosect.running.progress import reporter

    report = reporter(sys.stderr, quiet=arguments.quiet)
    try:
        summary = execute(found, report)
    finally:
        report.close()
    if arguments.json:
        output.json_result(summary_record(summary))
    else:
        output.result(summary_text(found, summary))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Check a spec."""
    found = _planned(arguments)
    counts = {
        "models": len(found.models),
        "corpora": len(found.corpora),
        "analyses": len(found.spec.analyses),
        "steps": len(found.steps),
        **({"derived": len(found.derived)} if found.derived else {}),
    }
    if arguments.json:
        output.json_result({"ok": True, "spec": arguments.spec, **counts, "problems": []})
    else:
        output.result(f"{arguments.spec}: ok ({_counted(counts)})")
    return 0


def plan(arguments: argparse.Namespace) -> int:
    """Print the plan of a spec."""
    from prosect.cli.tables import plan_record, plan_table

    found = _planned(arguments)
    if arguments.json:
        output.json_result(plan_record(found))
    else:
        output.result(plan_table(found))
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print the tree of a store."""
    from prosect.view import show as view

    if arguments.json:
        output.json_result(view.as_json(Path(arguments.store)))
    else:
        output.result(view.show(Path(arguments.store)))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write a store as NetCDF."""
    from prosect.store.netcdf import export as write

    write(Path(arguments.store), Path(arguments.file), arguments.node, overwrite=arguments.overwrite)
    output.message(f"wrote {arguments.file}")
    return 0


def import_table(arguments: argparse.Namespace) -> int:
    """Write a table as NetCDF."""
    from prosect.cli.importing import table_of
    from prosect.store.netcdf import write_dataset

    dataset = table_of(arguments)
    write_dataset(dataset, Path(arguments.file), overwrite=arguments.overwrite)
    output.result(str(dataset))
    output.message(f"wrote {arguments.file}")
    return 0


def plugins(arguments: argparse.Namespace) -> int:
    """List what is installed."""
    from prosect.cli.plugin_tables import plugin_listing
    from prosect.plugins import listing
    from prosect.plugins.registry import load_registry

    registry = load_registry()
    if arguments.json:
        output.json_result(listing.records(registry, arguments.kind))
    else:
        output.result(plugin_listing(registry, arguments.kind))
    return 0


def schema(_arguments: argparse.Namespace) -> int:
    """Print the JSON Schema of a spec."""
    from pydantic_core import to_json

    from prosect.planning.schema import installed_schema
    from prosect.plugins.registry import load_registry

    # The standard library would take ten times as long for so long a text.
    output.result(to_json(installed_schema(load_registry()), indent=2).decode())
    return 0


def _planned(arguments: argparse.Namespace) -> Plan:
    from prosect.planning.build import Request, plan_request

    return plan_request(
        Request(
            source=arguments.spec,
            out=arguments.out,
            overrides=arguments.overrides,
            replace=arguments.replace,
            counter=_counter() if getattr(arguments, "tokenise", False) else None,
        )
    )


def _counter() -> TokenCounter:
    from prosect.cli.counting import count_tokens

    return count_tokens


def _counted(counts: dict[str, int]) -> str:
    words = {
        "models": "model",
        "corpora": "corpus",
        "analyses": "analysis",
        "steps": "step",
        "derived": "derived result",
    }
    return ", ".join(output.count(number, words[many], _MANY.get(many, many)) for many, number in counts.items())

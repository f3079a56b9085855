"""Commands and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from prosect._version import __version__
from prosect.cli import commands

if TYPE_CHECKING:  # argparse's group of commands has no public name, and can be subscripted only by type checkers
    Group: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

Command = Callable[[argparse.Namespace], int]

_DESCRIPTION: Final = "Takes Transformers apart into labelled vector terms, as a YAML spec says."
_EXIT: Final = "Exit codes: 0 done; 1 the run failed; 2 the spec or the arguments are wrong."


def parser() -> argparse.ArgumentParser:
    """Build the parser; every command sets ``command`` to the function that carries it out."""
    main = argparse.ArgumentParser(prog="prosect", description=_DESCRIPTION, epilog=_EXIT)
    main.add_argument("--version", action="version", version=f"prosect {__version__}")
    group = main.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_run, _check, _plan, _show, _export, _import_table, _plugins, _schema):
        add(group)
    return main


def _run(group: Group) -> None:
    text = "Carry out a spec. Running it again continues: nothing finished is computed twice."
    run = _command(group, "run", text, "prosect run specs/quickstart.yaml --set compute.device=cpu", commands.run)
    _spec_arguments(run)
    run.add_argument("--quiet", action="store_true", help="no progress, warnings only")
    _json(run)


def _check(group: Group) -> None:
    text = "Check a spec and report every problem with its place, without computing anything."
    check = _command(group, "check", text, "prosect check specs/quickstart.yaml", commands.check)
    _spec_arguments(check)
    _json(check)


def _plan(group: Group) -> None:
    text = "Print every step with its size, whether it will run, and why."
    plan = _command(group, "plan", text, "prosect plan specs/quickstart.yaml --tokenise", commands.plan)
    _spec_arguments(plan)
    plan.add_argument("--tokenise", action="store_true", help="count tokens instead of estimating them (slower)")
    _json(plan)


def _show(group: Group) -> None:
    text = "Print the tree of a store, with sizes, closure and state."
    show = _command(group, "show", text, "prosect show results/quickstart.zarr", commands.show)
    show.add_argument("store", metavar="STORE", help="folder of the results")
    _json(show)


def _export(group: Group) -> None:
    text = "Write a finished store, or one node of it, as a NetCDF4 file."
    example = "prosect export results/quickstart.zarr factors.nc --node minilm/factors"
    export = _command(group, "export", text, example, commands.export)
    export.add_argument("store", metavar="STORE", help="folder of the results")
    export.add_argument("file", metavar="FILE.nc", help="file to write")
    export.add_argument("--node", metavar="PATH", help="only this node, for example minilm/factors")
    export.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _import_table(group: Group) -> None:
    text = "Read a CSV file as labelled data and write it as NetCDF4, for derived metrics."
    example = "prosect import-table bleu.csv bleu.nc --key run --key checkpoint=step"
    table = _command(group, "import-table", text, example, commands.import_table)
    table.add_argument("table", metavar="TABLE.csv", help="CSV, or .tsv with tabs; may be compressed (.gz, .bz2, .xz)")
    table.add_argument("file", metavar="FILE.nc", help="file to write")
    for name, form, meaning in (
        ("--key", "COLUMN[=DIMENSION]", "column that says what a row is about"),
        ("--value", "COLUMN[=NAME]", "column that becomes a variable; default: all others"),
        ("--spread", "DIMENSION=PATTERN", "columns that fit a pattern with one '*' go along a dimension"),
        ("--where", "COLUMN=VALUE", "leave out other rows"),
        ("--rename", "COLUMN:OLD=NEW", "give a key another name"),
    ):
        table.add_argument(
            name, metavar=form, action="append", default=[], help=f"{meaning}; may be given several times"
        )
    table.add_argument("--names", metavar="COLUMN", help="column whose values name the variables")
    choices = ("error", "mean", "first", "last")
    table.add_argument(
        "--duplicates", choices=choices, default="error", help="what several rows with the same keys become"
    )
    table.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _plugins(group: Group) -> None:
    text = "List what is installed: architectures, decompositions, metrics, corpora; and what is broken."
    plugins = _command(group, "plugins", text, "prosect plugins metrics", commands.plugins)
    plugins.add_argument("kind", metavar="KIND", nargs="?", help="only this kind")
    _json(plugins)


def _schema(group: Group) -> None:
    text = "Print the JSON Schema of a spec, with the options of every installed plugin."
    _command(group, "schema", text, "prosect schema > prosect.schema.json", commands.schema)


def _command(group: Group, name: str, text: str, example: str, command: Command) -> argparse.ArgumentParser:
    found = group.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.set_defaults(name=name, command=command, json=False)
    return found


def _spec_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("spec", metavar="SPEC", help="YAML file")
    command.add_argument("--out", metavar="STORE", help="folder of the results, instead of the spec's")
    command.add_argument(
        "--set",
        metavar="A.B=C",
        action="append",
        default=[],
        dest="overrides",
        help="set a value of the spec, for example compute.device=cpu; may be given several times",
    )
    command.add_argument(
        "--replace",
        metavar="NODE",
        action="append",
        default=[],
        help="compute this stored step again (MODEL/ANALYSIS, derived/NAME); may be given several times",
    )


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print the result as JSON")

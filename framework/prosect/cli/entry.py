"""Entry point of the command line: errors become messages and exit codes."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from prosect.cli import output
from prosect.cli.arguments import parser
from prosect.errors import EXIT_FAILED, ProsectError

EXIT_INTERRUPTED: Final = 130
#: Commands that load no model and read no results: they end within half a second.
LIGHT: Final = frozenset({"check", "plan", "plugins", "schema"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 the run failed, 2 the spec or the arguments are wrong.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process where None.
    """
    output.prepare()
    arguments = parser().parse_args(argv)
    with _reassurance(), _collecting(garbage=arguments.name not in LIGHT):
        return _carry_out(arguments)


def _carry_out(arguments: argparse.Namespace) -> int:
    try:
        code: int = arguments.command(arguments)
    except ProsectError as error:
        if arguments.json:
            output.json_error(error)
        output.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        output.message("interrupted; finished units are kept, and the same command continues")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Who reads stdout has gone.
        output.give_up()
        return EXIT_FAILED
    return code


@contextmanager
def _collecting(*, garbage: bool) -> Iterator[None]:
    """Leave garbage uncollected, or not: looking for it takes a short command a tenth of its time."""
    before = gc.isenabled()
    if not garbage:
        gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextmanager
def _reassurance() -> Iterator[None]:
    """Before the traceback of a bug, say that nothing was lost."""
    stopped = True
    try:
        yield
        stopped = False
    finally:
        if stopped:
            output.message(
                "stopped by a bug; nothing finished was lost, and the same command continues. "
                "Please report what follows."
            )

"""The command line."""

from prosect.cli.entry import main

__all__ = ["main"]

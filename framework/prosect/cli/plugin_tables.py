"""What is installed, as text."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import Final

from prosect.cli import output
from prosect.plugins import listing
from prosect.plugins.registry import Registry
from prosect.plugins.support import support

_WIDTH: Final = 56


def plugin_listing(registry: Registry, kind: str | None) -> str:
    """Write what is installed, by kind; then what is broken, claimed twice, or slow to import."""
    found = listing.rows(registry, kind)
    blocks = [_kind_block(name, [row for row in found if row.kind == name]) for name in listing.kinds(kind)]
    works = [support_block(registry)] if kind == "architectures" else []
    return "\n\n".join(block for block in (*blocks, *works, *_faults(registry, kind)) if block)


def support_block(registry: Registry) -> str:
    """Write which decomposition works for which family; reasons stand below the table, by number."""
    found = support(registry)
    reasons = list(dict.fromkeys(entry.reason for entry in found if entry.reason is not None))
    families: dict[str, list[str]] = {}
    for entry in found:
        verdict = "yes" if entry.reason is None else f"no [{reasons.index(entry.reason) + 1}]"
        families.setdefault(entry.family, []).append(verdict)
    headings = ("family", *dict.fromkeys(entry.decomposition for entry in found))
    table = output.table(headings, [(family, *verdicts) for family, verdicts in families.items()])
    notes = [f"[{place}] {reason}" for place, reason in enumerate(reasons, 1)]
    return "\n".join(["what works", *_indented("\n".join([table, *notes]))]) if found else ""


def _kind_block(kind: str, rows: list[listing.Row]) -> str:
    lines = [kind, *(_indented(output.table(*_table(rows))) if rows else ["  none"])]
    return "\n".join(lines)


def _table(rows: list[listing.Row]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    cells: list[tuple[str, ...]] = [
        (row.name, row.distribution, fill(", ".join(map(str, row.options)), _WIDTH), fill(row.summary, _WIDTH))
        for row in rows
    ]
    return ("name", "from", "options", "what it is"), cells


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _faults(registry: Registry, kind: str | None) -> Iterator[str]:
    for row in listing.broken_rows(registry, kind):
        names = f" ({', '.join(row.names)})" if row.names else ""
        yield f"broken: {row.plugin}{names}: {row.reason}"
    yield from (f"claimed twice: {conflict}" for conflict in registry.conflicts if kind in (None, conflict.kind))
    for plugin in registry.plugins:
        if plugin.heavy:
            yield f"slow: importing {plugin.origin} imports {', '.join(plugin.heavy)}"

"""Names as people write them: the nearest known one, and the normal form of a distribution's."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like ``name``, whatever its case; None where none is like it."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def normal_distribution(name: str) -> str:
    """Return a distribution's name in normal form: lower case, one ``-`` for any run of ``-``, ``_``, ``.``.

    References
    ----------
    Python packaging specification "Names and normalization".
    """
    return re.sub(r"[-_.]+", "-", name).lower()

"""Two alignments of opposite direction made into one (Och & Ney 2003; Koehn et al. 2003)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool

from prosect_plugins.alignment.names import Symmetry

BoolArray = npt.NDArray[np.bool_]

#: Neighbours of a link in the order in which they are tried: the straight ones first.
NEIGHBOURS: Final = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrise(
    forward: Bool[BoolArray, "*map target source"], backward: Bool[BoolArray, "*map target source"], how: Symmetry
) -> Bool[BoolArray, "*map target source"]:
    """Combine two alignments of the same words.

    Parameters
    ----------
    forward, backward
        The alignments.
    how
        ``intersection``; ``union``; ``grow_diag``: start from the intersection and take in links of the union that
        touch a link, also diagonally, and align a word which has none yet, until nothing changes;
        ``grow_diag_final``: then also other links of the forward and after them of the backward alignment that align
        a word which has none; ``grow_diag_final_and``: the same where both words have none.
    """
    if how == "intersection":
        return forward & backward
    if how == "union":
        return forward | backward
    shape = np.broadcast_shapes(forward.shape, backward.shape)
    pairs = (np.broadcast_to(side, shape).reshape(-1, *shape[-2:]) for side in (forward, backward))
    grown = [_grown(one, other, how) for one, other in zip(*pairs, strict=True)]
    return np.reshape(np.array(grown, dtype=np.bool_), shape)


def _grown(forward: BoolArray, backward: BoolArray, how: Symmetry) -> BoolArray:
    links = forward & backward
    _grow_diagonally(links, forward | backward)
    if how != "grow_diag":
        for side in (forward, backward):
            _add_final(links, side, both=how == "grow_diag_final_and")
    return links


def _grow_diagonally(links: BoolArray, union: BoolArray) -> None:
    changed = True
    while changed:
        changed = False
        # Links that are added count at once, where the scan has not passed them yet.
        for target, source in np.ndindex(links.shape):
            if links[target, source]:
                for place in _neighbours(target, source, links.shape):
                    if union[place] and not links[place] and _is_free(links, place, both=False):
                        links[place] = changed = True


def _add_final(links: BoolArray, side: BoolArray, *, both: bool) -> None:
    for target, source in np.argwhere(side & ~links):
        if _is_free(links, (target, source), both=both):
            links[target, source] = True


def _is_free(links: BoolArray, place: tuple[int, int], *, both: bool) -> bool:
    """Whether one word of a link, or both, have no link yet."""
    free = (not links[place[0]].any(), not links[:, place[1]].any())
    return all(free) if both else any(free)


def _neighbours(target: int, source: int, shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    for down, right in NEIGHBOURS:
        place = (target + down, source + right)
        if 0 <= place[0] < shape[0] and 0 <= place[1] < shape[1]:
            yield place

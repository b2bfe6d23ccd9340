"""The lens that is shown first, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_FREQUENT = 0.05
_LARGEST_PART = 0.6
_ONE_SITE = 0.95
_HALF = 0.5
# Of 72 simulated grain boundaries of graphene (1.5e5 electrons per square angstrom to no noise at all, with and without
# Stone-Wales defects), the mean ARI of the lens that is taken: 0.79 with a half, 0.83 with three fifths, 0.85 with three
# quarters and with the best lens of each. Not three quarters all the same: in a narrow field of a grain boundary the
# surroundings of defects are a third of what the largest lens tells, and with two thirds its ARI fell from 0.98 to 0.69.
_MOST = 0.6
_CLEAR = 5.0


def choose_lens(
    lenses: Sequence[float],
    labels_at: Mapping[float, NDArray[np.int32]],
    joins: NDArray[np.float64],
    sites: bool | None = None,
) -> tuple[float, str, float]:
    """Return the smallest lens that parts the frequent sites, the reason in words, and the lens to cut first.

    A motif is frequent if it holds a twentieth of all atoms; it is a mixture of sites if no part of it
    through the next lens holds 60 % of it, where parts less than five spreads apart (`joins`, see
    `MotifTree`) count as one. Smaller parts are defects and surroundings of defects: the tree has them. Where
    all atoms are one site, the smallest lens is taken through which three fifths of the atoms that any lens
    tells from that site are told from it. A cut into a given number of motifs starts at the smallest lens that
    tells sites apart.

    Where sites were sought by the places of the neighbours (`sites`), the mixtures are known: the second lens if
    there are any, since it is that of the sites, or the first. Where that tells hardly anything though atoms differ, it
    is the smallest lens that tells a twentieth of the atoms clearly from the rest: a tiling by chance has no sites in
    the sense of a crystal, but vertices that its nearest neighbours tell.
    """
    chosen, first, reason = 0, 0, "larger radii split no frequent site, only surroundings of defects"
    if len(lenses) == 1:
        reason = "the only one"
    elif sites:
        chosen = first = 1
        reason = "atoms of one kind sit on several sites, told by the places of their neighbours"
    elif (
        _share_of_first(labels_at[lenses[0]]) >= _ONE_SITE and _share_of_first(labels_at[lenses[-1]]) > _HALF
    ):
        others = [1 - _share_of_first(labels_at[lens]) for lens in lenses]
        if others[-1] > 0:
            chosen = first = int(np.argmax(np.array(others) >= _MOST * max(others)))
            reason = "one frequent site; smaller radii do not distinguish most of its defects from it"
        else:
            reason = "all atoms are one motif at every radius"
    elif sites is not None and _share_of_first(labels_at[lenses[0]]) >= _ONE_SITE:
        told = [1 - _share_of_first(_clear_at(lens, labels_at, joins)) for lens in lenses]
        if max(told) >= _FREQUENT:
            chosen = first = int(np.argmax(np.array(told) >= _FREQUENT))
            reason = "smaller radii distinguish hardly anything"
    elif sites is None:
        while chosen + 1 < len(lenses):
            if not _mixes(labels_at[lenses[chosen]], _clear_at(lenses[chosen + 1], labels_at, joins)):
                break
            chosen += 1
            reason = "smaller radii mix frequent sites, larger ones split only surroundings of defects"
    lens = lenses[chosen]
    n = int(labels_at[lens].max()) + 1
    motifs = "1 motif" if n == 1 else f"{n} motifs"
    return lens, f"radius {lens:.3g} ({motifs}): {reason}", lenses[first]


def _share_of_first(labels: NDArray[np.int32]) -> float:
    return float(np.mean(labels == 0))


def _clear_at(
    lens: float, labels_at: Mapping[float, NDArray[np.int32]], joins: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Join the motifs of a lens that lie less than five spreads apart."""
    labels = labels_at[lens].copy()
    for _, stays, joined, separation in joins[np.isclose(joins[:, 0], lens)]:
        if separation < _CLEAR:
            labels[labels == int(joined)] = int(stays)
    return labels


def _mixes(before: NDArray[np.int32], after: NDArray[np.int32]) -> bool:
    for motif in range(int(before.max()) + 1):
        inside = before == motif
        if inside.mean() >= _FREQUENT and np.bincount(after[inside]).max() < _LARGEST_PART * inside.sum():
            return True
    return False

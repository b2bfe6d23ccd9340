"""The lens that is shown first, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_FREQUENT = 0.05
_SHARE = 0.15


def choose_lens(lenses: Sequence[float], labels_at: Mapping[float, NDArray[np.int32]]) -> tuple[float, str]:
    """Return the smallest lens after which no frequent motif is parted any more, and the reason in words.

    A motif is frequent if it holds a twentieth of all atoms; it is parted if its second largest part holds at least 15 %
    of it. Smaller parts are defects and surroundings of defects: the tree has them.
    """
    chosen = 0
    for step in range(1, len(lenses)):
        before, after = labels_at[lenses[step - 1]], labels_at[lenses[step]]
        if _parts_frequent(before, after):
            chosen = step
    lens = lenses[chosen]
    n = int(labels_at[lens].max()) + 1
    if len(lenses) == 1:
        return lens, f"the only lens, {lens:g} nearest-neighbour distances: {n} motifs"
    if chosen == 0:
        reason = "larger lenses part no frequent motif"
    elif chosen == len(lenses) - 1:
        reason = "it still parts frequent motifs of the smaller lenses, and there is no larger one"
    else:
        reason = "it parts frequent motifs of the smaller lenses, and larger ones part none"
    return lens, f"lens {lens:g} nearest-neighbour distances ({n} motifs): {reason}"


def _parts_frequent(before: NDArray[np.int32], after: NDArray[np.int32]) -> bool:
    for motif in range(int(before.max()) + 1):
        inside = before == motif
        if inside.sum() < _FREQUENT * len(before):
            continue
        parts = np.sort(np.bincount(after[inside]))[::-1]
        if len(parts) > 1 and parts[1] >= _SHARE * inside.sum():
            return True
    return False

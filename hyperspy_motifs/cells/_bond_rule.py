"""The interface of bond rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Bonds(NamedTuple):
    """Bonds of a set of points.

    Attributes
    ----------
    pairs : numpy.ndarray of int, shape (b, 2)
        Indices of the bonded points, the lower first, sorted, each bond once.
    clarity : float
        0 to 1. Of :class:`AutoBonds`, the expected share of right cells; of the other rules, the separation of the kept
        neighbour distances from the others: 1 if the shortest rejected distance exceeds the longest kept one by
        half of it, 0 if they overlap.
    reason : str
        One sentence on the choice.
    is_doubtful : bool
        Whether another rule is as good.
    """

    pairs: NDArray[np.int64]
    clarity: float
    reason: str
    is_doubtful: bool = False


class BondRule(ABC):
    """A bond rule: called with points and motif labels, it returns :class:`Bonds`.

    A rule is an object that holds its parameters. To add one, derive from this class and implement ``__call__``;
    :func:`~hyperspy_motifs.cells.find_cells` accepts any instance as ``bonds=``. Bonds may cross: the shorter of two
    crossing bonds is kept.

    Attributes
    ----------
    planar : bool
        Whether the rule guarantees that no bonds cross (a part of the Delaunay triangulation), so that crossings need
        not be searched for.
    """

    planar: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        """Bonds of the points.

        Parameters
        ----------
        points : numpy.ndarray, shape (n, 2)
            Positions x, y in any unit.
        labels : numpy.ndarray of int, shape (n,), optional
            Motif of each point, for rules with cuts per pair of motifs.

        Returns
        -------
        Bonds
        """


def clarity_of_cut(kept: NDArray[np.floating], dropped: NDArray[np.floating]) -> float:
    """Clarity of a cut of neighbour distances, 0 to 1.

    The log ratio of the 0.5 % quantile of the dropped to the 99.5 % quantile of the kept lengths, in units of
    log(1.5), clipped to 0...1; 1 if nothing was dropped.
    """
    if len(kept) == 0:
        return 0.0
    if len(dropped) == 0:
        return 1.0
    ratio = np.quantile(dropped, 0.005) / np.quantile(kept, 0.995)
    return float(np.clip(np.log(max(ratio, 1e-12)) / np.log(1.5), 0.0, 1.0))

"""Atoms that several images or frames show, each used once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hyperspy_motifs.sites import Neighbourhoods
    from hyperspy_motifs.zernike import Moments

    from ._moment_sources import PooledMoments


def rows_once(tracks: NDArray[np.int64], frames: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the observation of each atom that is used, ascending: another frame from atom to atom, so that all are used.

    Parameters
    ----------
    tracks : ndarray of int, shape (n,)
        Number of the atom that each observation shows, 0...
    frames : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of int, shape (atoms,)
    """
    order = np.lexsort((frames, tracks))
    starts = np.flatnonzero(np.diff(tracks[order], prepend=-1))
    lengths = np.diff(np.append(starts, len(order)))
    return np.asarray(np.sort(order[starts + np.arange(len(starts)) % lengths]), np.int64)


class PooledOnce:
    """One observation of each atom among the pooled moments of many images.

    Parameters
    ----------
    pooled : PooledMoments
    tracks : ndarray of int, shape (n,)
        Number of the atom that each observation shows.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        The observations that are used.
    images : ndarray of int, shape (m,)
    """

    def __init__(self, pooled: PooledMoments, tracks: NDArray[np.int64]) -> None:
        self._pooled, self._tracks = pooled, tracks
        self.rows = rows_once(tracks, pooled.images)
        self.images = pooled.images[self.rows]
        self.spacing, self.orders = pooled.spacing, pooled.orders
        self._place = np.empty(len(self.rows), np.int32)
        self._place[tracks[self.rows]] = np.arange(len(self.rows))

    def __call__(self, radius: float) -> Moments:
        return self._pooled(radius).take(self.rows)

    def neighbours(self) -> Neighbourhoods:
        """Return the neighbours: the observations of the neighbours of each atom that are used."""
        of_all = self._pooled.neighbours()
        numbers = of_all.neighbours[self.rows]
        used = np.where(numbers >= 0, self._place[self._tracks[numbers]], -1).astype(np.int32)
        return dataclasses.replace(
            of_all, offsets=of_all.offsets[self.rows], neighbours=used, window=of_all.window[self.rows]
        )

"""Displacement of each atom from the place that its neighbours predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import binom

from ._counterparts import Counterparts, median_of_known

# Reaches of the neighbours that predict a place, in nearest-neighbour distances: the first shell, the second, and more.
_REACHES = (1.35, 1.85, 2.2)
# A neighbour corresponds to that of a counterpart within this distance, in nearest-neighbour distances.
_SAME = 0.35
# Counterparts of which the offsets of the neighbours are taken, and neighbours that are looked at.
_TEMPLATES = 16
_MOST_NEIGHBOURS = 18
# Share of the neighbours of an atom that its counterparts must have as well if it is asked about a further one.
_ALIKE = 0.7
# Neighbours that must agree on a place.
_FEWEST = 3
_BLOCK = 256


@dataclass(frozen=True)
class PredictedPlaces:
    """Where each neighbour predicts each atom.

    Attributes
    ----------
    neighbours : ndarray of int, shape (n, k)
    distances : ndarray of shape (n, k)
        In nearest-neighbour distances.
    deviations : ndarray of shape (n, k, 2)
        The atom minus its predicted place, in the units of the points; NaN where a neighbour predicts nothing.
    """

    neighbours: np.ndarray
    distances: np.ndarray
    deviations: np.ndarray

    def unexpected(self, voters: np.ndarray) -> np.ndarray:
        """p-value of each atom for standing in a place where its neighbours expect one, shape (n,).

        A neighbour expects an atom if its counterparts have a neighbour in that place as well. The answers are compared with
        a binomial distribution whose probability is the mean over all atoms: where much does not repeat, little is unexpected.

        Parameters
        ----------
        voters : ndarray of bool, shape (n,)
            Neighbours asked.

        Returns
        -------
        ndarray of shape (n,)
            1 for atoms with fewer than three neighbours to ask.
        """
        near = self.distances <= _REACHES[1]
        says = near & np.isfinite(self.deviations).all(axis=-1)
        # An atom whose surroundings differ in more than the place in question does not know.
        voters = voters & (says.sum(axis=1) >= _ALIKE * near.sum(axis=1))
        asked = near & voters[:, None]
        says &= asked
        n = len(voters)
        votes = np.bincount(self.neighbours[asked], minlength=n)
        yes = np.bincount(self.neighbours[says], minlength=n)
        usual = yes.sum() / max(votes.sum(), 1)
        return np.where(votes >= _FEWEST, binom.cdf(yes, votes, usual), 1.0)

    def displacements(self, left_out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean deviation of each atom from the places that its neighbours predict.

        Of three reaches of neighbours the one with the smallest scatter of all displacements is used.

        Parameters
        ----------
        left_out : ndarray of bool, shape (n,), optional
            Atoms that predict nothing, such as defects.

        Returns
        -------
        displacements : ndarray of shape (n, 2)
            NaN for atoms with fewer than three neighbours that correspond.
        noise : ndarray of shape (n,)
            Expected scatter of the displacement relative to that of the other atoms, by the number of neighbours: the mean
            of m predictions has the variance 1/m of a position.
        """
        known = np.isfinite(self.deviations).all(axis=-1)
        if left_out is not None:
            known &= ~left_out[self.neighbours]
        n = len(self.neighbours)
        best, noise, least = np.full((n, 2), np.nan), np.ones(n), np.inf
        for limit in _REACHES:
            used = known & (self.distances <= limit)
            count = used.sum(axis=1)
            total = np.where(used[..., None], self.deviations, 0.0).sum(axis=1)
            enough = count >= _FEWEST
            if enough.mean() < 0.5:
                continue
            moved = np.where(enough[:, None], total / np.maximum(count, 1)[:, None], np.nan)
            scatter = float(np.median(np.abs(moved[enough] - np.median(moved[enough], axis=0))))
            if scatter < least:
                best, noise, least = moved, np.sqrt(1 + 1 / np.maximum(count, 1)), scatter
        return best, noise / np.median(noise)


def predict_places(points: np.ndarray, counterparts: Counterparts, spacing: float) -> PredictedPlaces:
    """Predict the place of each atom from each of its neighbours.

    A neighbour predicts the atom at the offset that the counterparts of the atom have from their corresponding neighbour
    (their median); in a lattice the mean of the predictions is the midpoint of opposite neighbours.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    counterparts : Counterparts
    spacing : float
        Nearest-neighbour distance in the units of `points`.

    Returns
    -------
    PredictedPlaces
    """
    n = len(points)
    k = min(_MOST_NEIGHBOURS, n - 1)
    distance, neighbour = cKDTree(points).query(points, k=k + 1)
    distance, neighbour = distance[:, 1:] / spacing, neighbour[:, 1:]
    offset = ((points[neighbour] - points[:, None]) / spacing).astype(np.float32)
    deviation = np.full((n, k, 2), np.nan)
    others = counterparts.index[:, :_TEMPLATES]
    # Neighbours beyond the reach of the counterparts' are pushed out of the way of the search.
    x, y = np.moveaxis(
        np.where((distance <= _REACHES[-1] + _SAME)[..., None], offset, np.float32(1e6)), -1, 0
    )
    for first in range(0, n, _BLOCK):
        rows = slice(first, first + _BLOCK)
        their_x, their_y = x[others[rows]], y[others[rows]]
        gap = (offset[rows, :, None, None, 0] - their_x[:, None]) ** 2
        gap += (offset[rows, :, None, None, 1] - their_y[:, None]) ** 2
        nearest = gap.argmin(axis=-1)
        found = np.take_along_axis(gap, nearest[..., None], axis=-1)[..., 0] < _SAME**2
        usable = (distance[rows] <= _REACHES[-1]) & (found.sum(axis=-1) >= 0.5 * others.shape[1])
        block, _ = np.nonzero(usable)
        which = (block[:, None], np.arange(others.shape[1]), nearest[usable])
        template = np.stack([their_x[which], their_y[which]], axis=-1)
        template[~found[usable]] = np.nan
        deviation[rows][usable] = median_of_known(template) - offset[rows][usable]
    return PredictedPlaces(neighbour, distance, deviation * spacing)

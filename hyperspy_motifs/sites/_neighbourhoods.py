"""Positions of the neighbours of every atom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

_MARGIN = 0.5  # beyond the reach, so that a neighbour just outside does not count as absent
_INSET = 0.4  # columns nearer to the border than this may be missing


@dataclass(frozen=True)
class Neighbourhoods:
    """Positions of the neighbours of every atom.

    Lengths are in nearest-neighbour distances, x and y as in the image.

    Attributes
    ----------
    offsets : ndarray of float64, shape (n, k, 2)
        x, y of each neighbour relative to the atom, the nearest first; NaN beyond the last.
    neighbours : ndarray of int32, shape (n, k)
        Indices of the neighbours, -1 beyond the last.
    window : ndarray of float64, shape (n, 4)
        Smallest and largest x, then y, relative to the atom, at which neighbours can be found.
    reach : float
        Largest distance of the neighbours that are compared.
    """

    offsets: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    window: NDArray[np.float64]
    reach: float

    @classmethod
    def of(
        cls,
        positions: ArrayLike,
        shape: tuple[int, int],
        spacing: float,
        *,
        frames: ArrayLike | None = None,
        reach: float = 2.4,
    ) -> Neighbourhoods:
        """Collect the neighbours of every atom.

        Parameters
        ----------
        positions : array_like, shape (n, 2)
            x, y in pixels.
        shape : (rows, columns)
            Shape of the image.
        spacing : float
            Nearest-neighbour distance in pixels.
        frames : array_like of int, shape (n,), optional
            Frame of each atom. Only atoms of the same frame are neighbours.
        reach : float
            Largest distance of a neighbour, in nearest-neighbour distances.

        Returns
        -------
        Neighbourhoods
        """
        xy = np.asarray(positions, dtype=np.float64)
        number = np.zeros(len(xy), dtype=np.int64) if frames is None else np.asarray(frames)
        radius = (reach + _MARGIN) * spacing
        members = [np.flatnonzero(number == frame) for frame in np.unique(number)]
        trees = [cKDTree(xy[inside]) for inside in members]
        counts = [
            tree.query_ball_point(xy[inside], radius, return_length=True)
            for inside, tree in zip(members, trees, strict=True)
        ]
        width = max([int(count.max()) - 1 for count in counts] + [1])
        neighbours = np.full((len(xy), width), -1, dtype=np.int32)
        offsets = np.full((len(xy), width, 2), np.nan)
        for inside, tree, count in zip(members, trees, counts, strict=True):
            found, near = _in_order(tree, xy[inside], int(count.max()), radius)
            neighbours[inside, : found.shape[1]] = np.where(near, inside[found], -1)
            apart = (xy[inside[found]] - xy[inside][:, None]) / spacing
            offsets[inside, : found.shape[1]] = np.where(near[..., None], apart, np.nan)
        rows, columns = shape
        x, y = xy.T / spacing
        window = np.column_stack([-x, (columns - 1) / spacing - x, -y, (rows - 1) / spacing - y])
        window += _INSET * np.array([1.0, -1.0, 1.0, -1.0])
        return cls(offsets, neighbours, window, float(reach))

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Whether the disc of radius `reach` around each atom lies inside the image, shape (n,)."""
        return np.asarray((np.abs(self.window) >= self.reach - _INSET).all(axis=1))

    def take(self, members: NDArray[np.int64]) -> Neighbourhoods:
        """Return the neighbourhoods of some atoms; `neighbours` remain indices among all atoms."""
        return Neighbourhoods(
            self.offsets[members], self.neighbours[members], self.window[members], self.reach
        )

    def within(self, reach: float) -> Neighbourhoods:
        """Return the neighbourhoods with another, smaller `reach`, without the neighbours beyond it."""
        near = np.hypot(*np.moveaxis(self.offsets, -1, 0)) < reach + _MARGIN
        width = max(int(near.sum(axis=1).max(initial=0)), 1)
        return Neighbourhoods(
            self.offsets[:, :width].copy(), self.neighbours[:, :width].copy(), self.window, reach
        )

    def kinds(self, labels: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the label of every neighbour, shape (n, k), -1 beyond the last. `labels` are those of all atoms."""
        return np.where(self.neighbours >= 0, np.asarray(labels)[self.neighbours], -1).astype(np.int32)


def _in_order(
    tree: cKDTree, points: NDArray[np.float64], most: int, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Indices (n, most - 1) of the points within a radius of each, by distance and then by index, and whether they exist."""
    n = len(points)
    found = tree.query(points, k=np.arange(1, most + 1), distance_upper_bound=np.nextafter(radius, np.inf))[1]
    near = (found < n) & (found != np.arange(n)[:, None])
    distance = np.hypot(*np.moveaxis(points[np.minimum(found, n - 1)] - points[:, None], -1, 0))
    order = np.lexsort((found, np.where(near, distance, np.inf)), axis=1)[:, : most - 1]
    return np.minimum(np.take_along_axis(found, order, 1), n - 1), np.take_along_axis(near, order, 1)

"""Labelled points, and their equality up to a translation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["LabelledPoints"]

#: Largest difference of the angles of translated sites, as a share of the period of their motif.
_ANGLE_SHARE = 0.125


@dataclass(frozen=True)
class LabelledPoints:
    """Labelled points of the plane.

    Attributes
    ----------
    positions : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    labels : numpy.ndarray of int, shape (n,)
        Kind of each site.
    angles : numpy.ndarray of float, shape (n,), optional
        Angle of each site relative to the mean of its kind, in radians.
    reflected : numpy.ndarray of bool, shape (n,), optional
        Whether a site is the mirror image of the mean of its kind.
    folds : numpy.ndarray of int, shape (n_kinds,), optional
        Order of the rotational symmetry of each kind: its angles are defined modulo ``2 pi / fold``. 1 by default.
    """

    positions: np.ndarray
    labels: np.ndarray
    angles: np.ndarray | None = None
    reflected: np.ndarray | None = None
    folds: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.positions)
        if self.positions.shape != (n, 2):
            raise ValueError(f"The positions must have the shape (n, 2), not {self.positions.shape}.")
        for name in ("labels", "angles", "reflected"):
            values = getattr(self, name)
            if values is not None and values.shape != (n,):
                raise ValueError(f"There must be one value of {name} per site: {n}, not {values.shape}.")
        if self.folds is not None and n and len(self.folds) <= self.labels.max():
            raise ValueError("There must be one order of rotation in folds for each label.")

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def spacing(self) -> float:
        """Median distance of the nearest neighbours."""
        if len(self) < 2:
            return 0.0
        distance, _ = cKDTree(self.positions).query(self.positions, k=2)
        return float(np.median(distance[:, 1]))

    def groups(self) -> list[np.ndarray]:
        """Return the indices of the sites of each kind, the kinds in order."""
        order = np.argsort(self.labels, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.labels[order])) + 1) if len(order) else []

    def alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return whether the sites `first` and `second` (k,) could be translations of each other."""
        same = self.labels[first] == self.labels[second]
        if self.reflected is not None:
            same &= self.reflected[first] == self.reflected[second]
        if self.angles is not None:
            period = 2 * np.pi / (1 if self.folds is None else self.folds[self.labels[first]])
            turn = np.mod(self.angles[first] - self.angles[second] + period / 2, period) - period / 2
            same &= np.abs(turn) <= _ANGLE_SHARE * period
        return same

    def subset(self, members: np.ndarray) -> LabelledPoints:
        """Return some of the sites, given by their indices."""
        angles = None if self.angles is None else self.angles[members]
        reflected = None if self.reflected is None else self.reflected[members]
        return LabelledPoints(self.positions[members], self.labels[members], angles, reflected, self.folds)

    def without_kinds(self) -> LabelledPoints:
        """Return the sites with a single kind."""
        return LabelledPoints(self.positions, np.zeros_like(self.labels))

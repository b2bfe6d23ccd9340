"""Places at which a structure has a column and the image has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ._constants import CONSTANTS
from ._orientation import Field, Neighbourhood
from ._registration import Registration


@dataclass(frozen=True)
class EmptyPlaces:
    """Places that most of the columns around them predict, with no column near.

    Attributes
    ----------
    places : ndarray of shape (e, 2)
        Mean of the predictions, in the frame of the field.
    columns : ndarray of int of shape (e,)
        Column of the cell that is missing.
    agreement : ndarray of shape (e,)
        Share of the columns around a place that are there and predict it, above a half.
    """

    places: NDArray[np.float64]
    columns: NDArray[np.int64]
    agreement: NDArray[np.float64]

    @classmethod
    def of(cls, field: Field, found: Registration) -> EmptyPlaces:
        """Of a registration."""
        around = Neighbourhood.of(found.cell)
        known = np.flatnonzero(found.columns >= 0)
        column = found.columns[known]
        matrices = np.array([o.matrix for o in found.orientations])[found.grains[known]]
        spacing = found.spacing
        places = field.points[known][:, None] + np.einsum("nij,nvj->nvi", matrices, around.vectors[column])
        inside = (places > field.box[0]).all(axis=2) & (places < field.box[1]).all(axis=2)
        inside &= around.listed[column]
        places, missing = places[inside], around.columns[column][inside]
        # As far from every column as two neighbours are from the place between them.
        far = field.tree.query(places)[0] > 0.5 * spacing
        places, missing = places[far], missing[far]
        near = cKDTree(places).query_pairs(CONSTANTS.near * spacing, output_type="ndarray")
        near = near[missing[near[:, 0]] == missing[near[:, 1]]]
        shape = (len(places), len(places))
        n, group = connected_components(coo_array((np.ones(len(near)), near.T), shape=shape), directed=False)
        number = np.bincount(group, minlength=n)
        first = np.unique(group, return_index=True)[1]
        mean = np.stack([np.bincount(group, axis, n) for axis in places.T], axis=1) / number[:, None]
        predicted_by = np.bincount(around.columns[around.listed], minlength=len(found.cell))
        agreement = np.minimum(number / predicted_by[missing[first]], 1.0)
        most = agreement > 0.5
        return cls(mean[most], missing[first][most], agreement[most])

    def log_odds(self, field: Field, found: Registration) -> float:
        """Logarithm of the Bayes factor of their number against a crystal with any share of wrong places.

        Places are wrong if they are empty, or have a point so near that the structure cannot have it. The prior of the share is
        a beta distribution with the mean `irregular`. Columns that the structure has in part only may be empty.
        """
        full = np.array([sum(n for _, n in c) > 1 - 1e-6 for c in found.cell.compositions])
        empty, known = int(full[self.columns].sum()), np.flatnonzero(found.columns >= 0)
        nearest = field.tree.query(field.points[known], k=2)[0][:, 1]
        crowded = int((nearest < (1 - CONSTANTS.near) * found.spacing).sum())
        share = min((empty + crowded) / max(empty + len(known), 1), 1 - 1e-9)
        power = 1 / CONSTANTS.irregular - 1
        return float(np.log(power) + (power - 1) * np.log1p(-share))

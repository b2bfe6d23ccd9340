"""Measured columns of one image, their distances, and which of them lie in a crystal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Atoms:
    """Atomic columns of one image; all lengths in pixels, positions as x (column), y (row).

    Attributes
    ----------
    positions : ndarray of shape (n, 2)
        Pixel centres lie at integers.
    amplitude : ndarray of shape (n,)
        Height above the local background; negative for dark columns.
    sigma : ndarray of shape (n, 2)
        Standard deviations along the long and the short axis of the column.
    ellipticity : ndarray of shape (n,)
        Ratio of the long to the short axis, 1 for a round column.
    angle : ndarray of shape (n,)
        Angle of the long axis, radians from x towards y (downwards in the image), in [0, pi).
    background : ndarray of shape (n,)
    uncertainty : ndarray of shape (n, 2)
        Standard deviation of x and y from the covariance of the fit; NaN without a fit.
    fitted : ndarray of bool of shape (n,)
        False if the fit failed and the position is the centre of mass, or if no fit was requested.
    separation : float
        Typical nearest-neighbour distance.
    separation_certainty : float
        0 to 1.
    polarity : {"bright", "dark"}
    polarity_certainty : float
        0 to 1.
    """

    positions: np.ndarray
    amplitude: np.ndarray
    sigma: np.ndarray
    ellipticity: np.ndarray
    angle: np.ndarray
    background: np.ndarray
    uncertainty: np.ndarray
    fitted: np.ndarray
    separation: float
    separation_certainty: float
    polarity: str
    polarity_certainty: float

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, which: np.ndarray) -> Atoms:
        """Return the atoms of a boolean mask or an index array."""
        per_atom = (
            "positions", "amplitude", "sigma", "ellipticity", "angle", "background", "uncertainty", "fitted",
        )  # fmt: skip
        values = {name: getattr(self, name)[which] for name in per_atom}
        return Atoms(
            **values,
            separation=self.separation,
            separation_certainty=self.separation_certainty,
            polarity=self.polarity,
            polarity_certainty=self.polarity_certainty,
        )


def nearest_neighbour_distance(positions: np.ndarray) -> float:
    """Return the typical distance of first neighbours, in the unit of `positions`.

    This is the median of the nearest-neighbour distances. It is the bond length if all columns have the same
    bonds, and one of the bond lengths of the structure if they have several.

    Parameters
    ----------
    positions : array_like of shape (n, 2)

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there are fewer than two positions.

    Examples
    --------
    >>> nearest_neighbour_distance([[0, 0], [0, 2], [2, 2], [2, 0]])
    2.0
    """
    points = np.asarray(positions, float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ValueError(f"positions must be an array of shape (n, 2) with n >= 2, not {points.shape}")
    distances = cKDTree(points).query(points, k=2)[0][:, 1]
    positive = distances[distances > 0]
    if not len(positive):
        raise ValueError("all positions coincide: the distance between neighbours is undefined")
    return float(np.median(positive))


def neighbour_table(positions: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours within `reach` of each position, as CSR arrays ``(starts, indices)``, indices ascending."""
    n = len(positions)
    pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    # One number per pair, in the order of the table.
    keys = np.sort(np.concatenate([pairs[:, 0] * n + pairs[:, 1], pairs[:, 1] * n + pairs[:, 0]]))
    first = keys // max(n, 1)
    counts = np.bincount(first, minlength=n)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (keys - first * n).astype(np.int64)


def nearest_in_table(positions: np.ndarray, starts: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the distance from each position to its nearest neighbour in a table; infinite if it has none."""
    out = np.full(len(positions), np.inf)
    some = np.flatnonzero(np.diff(starts))
    if len(some):
        apart = positions[indices] - np.repeat(positions, np.diff(starts), axis=0)
        out[some] = np.sqrt(np.minimum.reduceat((apart**2).sum(axis=1), starts[some]))
    return out


def subset_of_table(
    starts: np.ndarray, indices: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the table of neighbours among the positions in the mask `which`, with indices relabelled sequentially."""
    first = np.repeat(np.arange(len(which)), np.diff(starts))
    kept = which[first] & which[indices]
    counts = np.bincount(first[kept], minlength=len(which))[which]
    numbers = np.cumsum(which) - 1
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), numbers[indices[kept]].astype(np.int64)


def drop_close(positions: np.ndarray, heights: np.ndarray, distance: float) -> np.ndarray:
    """Return a mask that removes, highest first, every position closer than `distance` to one that is kept."""
    keep = np.ones(len(positions), bool)
    if len(positions) < 2:
        return keep
    pairs = cKDTree(positions).query_pairs(distance, output_type="ndarray")
    rank = np.empty(len(positions), int)
    rank[np.argsort(-heights, kind="stable")] = np.arange(len(positions))
    low_first = rank[pairs[:, 0]] < rank[pairs[:, 1]]
    higher = np.where(low_first, pairs[:, 0], pairs[:, 1])
    lower = np.where(low_first, pairs[:, 1], pairs[:, 0])
    for k in np.lexsort((rank[lower], rank[higher])):
        if keep[higher[k]]:
            keep[lower[k]] = False
    return keep


#: Three columns are the fewest that span a plane.
FEWEST = 3
#: Neighbours that are compared, or whose columns overlap in a fit, are up to this many separations away.
REACH = 2.2
#: Bin of the histogram of displacements, in separations, and side of the blocks that it is taken over: some sixty columns.
BIN, BLOCK_SIDE = 0.1, 8.0
# A displacement belongs to the structure if it is this many times as frequent as in a gas of the same density.
_FREQUENT = 3.0
#: Radius of the surroundings of a column, in separations, and of the disc that a disordered area must fill. Of eight simulated
#: grain boundaries of graphene four lose columns at 2.2, one at 3.0, and none at 3.5. The edges of benchmarks/bench_finding.py
#: are right at 2.5 and 3.5, not at 5.
NEIGHBOURHOOD = 3.5
# Part of the columns in that disc that are disordered.
_CORE = 0.85
#: Fraction of the displacements that recur in a crystal. It is 0.6 in bilayers twisted by some degrees, and 0.78 and more in a
#: noisy monolayer, dumbbells, an ABF perovskite and a surface by AFM.
ORDERLY = 0.7
# Columns of which the typical order is known.
_FEWEST_ORDERED = 60
# Distance below the typical fraction at which a site is disordered, in large windows and in small ones.
_DISORDERED = 0.5
_BESIDE_OTHERS = 0.2
#: Pairs, or columns, that show a displacement to recur: with so many, a share of 0.7 is above a half at the level 0.15.
FEWEST_PAIRS = 8
# Height of the peak of one pair in the smoothed histogram.
_PEAK = 1 / (2 * np.pi)


def order_of_sites(
    positions: np.ndarray, separation: float, *, beside_others: bool = False, by_others: bool = False
) -> np.ndarray:
    """Return the fraction of the displacements from each position to its neighbours that recur in its surroundings.

    The two-dimensional histogram of the displacements shorter than 2.2 separations has peaks at the vectors
    of the structure (the Patterson map of the positions). It is taken over the block of 8 separations that contains
    the position, and the adjacent blocks.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
    separation : float
        Typical nearest-neighbour distance, in the unit of `positions`.
    beside_others : bool, optional
        Use the highest order of the four squares of 2 x 2 blocks that contain the position. At a boundary between
        two phases the vectors of one phase are otherwise hidden by those of the other.
    by_others : bool, optional
        Count a displacement as recurring only if other pairs have it. Few positions, such as noise between the columns of a
        small field, otherwise seem ordered; so do the few columns of a small, distorted crystal, which are.

    Returns
    -------
    ndarray of shape (n,)
        0 to 1; 0 for a position without neighbours.
    """
    n = len(positions)
    pairs = cKDTree(positions).query_pairs(REACH * separation, output_type="ndarray")
    if not len(pairs):
        return np.zeros(n)
    vectors = (positions[pairs[:, 1]] - positions[pairs[:, 0]]) / separation
    n_bins = 2 * int(np.ceil(REACH / BIN)) + 1
    middle = n_bins // 2
    bins = np.rint(vectors / BIN).astype(int)
    block = ((positions - positions.min(axis=0)) / (BLOCK_SIDE * separation)).astype(int)
    n_blocks = block.max(axis=0) + 1
    own = block[pairs[:, 0]]
    shape = (n_blocks[0], n_blocks[1], n_bins, n_bins)
    counts = np.zeros(np.prod(shape))
    for sign in (1, -1):
        index = (own[:, 0], own[:, 1], middle + sign * bins[:, 0], middle + sign * bins[:, 1])
        counts += np.bincount(np.ravel_multi_index(index, shape), minlength=len(counts))
    counts = gaussian_filter(counts.reshape(shape), (0, 0, 1, 1))
    total = np.maximum(np.bincount(pairs.ravel(), minlength=n), 1)
    if beside_others:
        windows = [(2, (i, j, 0, 0)) for i in (0, -1) for j in (0, -1)]
        # With few pairs in a window, each exceeds the expected number.
        fewest = FEWEST_PAIRS * _PEAK
    else:
        windows, fewest = [(3, (0, 0, 0, 0))], 0.0
    order = np.zeros(n)
    for size, origin in windows:
        around = uniform_filter(counts, (size, size, 0, 0), mode="constant", origin=origin)
        expected = around.sum(axis=(2, 3)) * BIN**2 / (np.pi * REACH**2)
        here = around[own[:, 0], own[:, 1], middle + bins[:, 0], middle + bins[:, 1]]
        if by_others:
            here = here - _PEAK / size**2
        frequent = here > np.maximum(_FREQUENT * expected[own[:, 0], own[:, 1]], fewest / size**2)
        order = np.maximum(
            order, np.bincount(pairs.ravel(), np.repeat(frequent.astype(float), 2), minlength=n) / total
        )
    return order


def in_crystal(positions: np.ndarray, separation: float) -> np.ndarray:
    """Return a mask of the positions outside disordered areas; all positions if there is no crystal.

    A disordered area must fill a disc of a few separations. Defects and boundaries, which are points and lines, are kept. So
    must the crystal, unless it is most of the image.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
    separation : float

    Returns
    -------
    ndarray of bool of shape (n,)
    """
    if len(positions) < _FEWEST_ORDERED:
        return np.ones(len(positions), bool)
    pairs = cKDTree(positions).query_pairs(NEIGHBOURHOOD * separation, output_type="ndarray")
    ends, others, n = pairs.ravel(), pairs[:, ::-1].ravel(), len(positions)
    total = 1 + np.bincount(ends, minlength=n)

    def core(sites: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return sites & (sites + np.bincount(ends, sites[others], minlength=n) > _CORE * total)

    order = order_of_sites(positions, separation)
    typical = np.median(order)
    if typical < ORDERLY:
        crystal = core(order >= ORDERLY)
        if crystal.sum() < _FEWEST_ORDERED:
            return np.ones(n, bool)
        typical = np.median(order[crystal])
    odd = order < typical - _DISORDERED
    # These windows are small, and their order comes from few pairs: a higher order is required.
    odd &= order_of_sites(positions, separation, beside_others=True) < typical - _BESIDE_OTHERS
    inner = core(odd)
    near_core = inner | (np.bincount(ends, inner[others], minlength=n) > 0)
    return ~(odd & near_core)

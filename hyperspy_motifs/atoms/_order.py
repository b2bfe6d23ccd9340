"""Separation of columns of a crystal from features of vacuum and of amorphous matter, by their arrangement."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.spatial import cKDTree

_REACH = 2.2
_BIN = 0.1
_BLOCK = 8.0
# A displacement belongs to the structure if it is this many times as frequent as in a gas of the same density.
_FREQUENT = 3.0
# Radius, in separations, of the disc that a disordered area must fill. Of eight simulated grain boundaries of graphene four
# lose columns at 2.2, one at 3.0, and none at 3.5. The edges of benchmarks/bench_finding.py are right at 2.5 and 3.5, not at 5.
_NEIGHBOURHOOD = 3.5
_CORE = 0.85
# If the typical fraction of displacements that belong to the structure is lower, the image has no crystal to compare with.
_LEAST_ORDER = 0.7
_FEWEST = 60
# Distance below the typical fraction at which a site is disordered.
_DISORDERED = 0.5
_BESIDE_OTHERS = 0.2
_FEWEST_PAIRS = 8
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
    pairs = cKDTree(positions).query_pairs(_REACH * separation, output_type="ndarray")
    if not len(pairs):
        return np.zeros(n)
    vectors = (positions[pairs[:, 1]] - positions[pairs[:, 0]]) / separation
    n_bins = 2 * int(np.ceil(_REACH / _BIN)) + 1
    middle = n_bins // 2
    bins = np.rint(vectors / _BIN).astype(int)
    block = ((positions - positions.min(axis=0)) / (_BLOCK * separation)).astype(int)
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
        fewest = _FEWEST_PAIRS * _PEAK
    else:
        windows, fewest = [(3, (0, 0, 0, 0))], 0.0
    order = np.zeros(n)
    for size, origin in windows:
        around = uniform_filter(counts, (size, size, 0, 0), mode="constant", origin=origin)
        expected = around.sum(axis=(2, 3)) * _BIN**2 / (np.pi * _REACH**2)
        here = around[own[:, 0], own[:, 1], middle + bins[:, 0], middle + bins[:, 1]]
        if by_others:
            here = here - _PEAK / size**2
        frequent = here > np.maximum(_FREQUENT * expected[own[:, 0], own[:, 1]], fewest / size**2)
        order = np.maximum(
            order, np.bincount(pairs.ravel(), np.repeat(frequent.astype(float), 2), minlength=n) / total
        )
    return order


def in_crystal(positions: np.ndarray, separation: float) -> np.ndarray:
    """Return a mask of the positions outside disordered areas; all positions if the image is disordered throughout.

    A disordered area must fill a disc of a few separations. Defects and boundaries, which are points and lines, are kept.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
    separation : float

    Returns
    -------
    ndarray of bool of shape (n,)
    """
    if len(positions) < _FEWEST:
        return np.ones(len(positions), bool)
    order = order_of_sites(positions, separation)
    typical = np.median(order)
    if typical < _LEAST_ORDER:
        return np.ones(len(positions), bool)
    odd = order < typical - _DISORDERED
    # These windows are small, and their order comes from few pairs: a higher order is required.
    odd &= order_of_sites(positions, separation, beside_others=True) < typical - _BESIDE_OTHERS
    pairs = cKDTree(positions).query_pairs(_NEIGHBOURHOOD * separation, output_type="ndarray")
    ends, others = pairs.ravel(), pairs[:, ::-1].ravel()
    n = len(positions)
    total = 1 + np.bincount(ends, minlength=n)
    core = odd & (odd + np.bincount(ends, odd[others], minlength=n) > _CORE * total)
    near_core = core | (np.bincount(ends, core[others], minlength=n) > 0)
    return ~(odd & near_core)

"""Statistics of neighbours against chance, and shares with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special, stats
from scipy.spatial import cKDTree

from hyperspy_motifs.common import BLOCK, REPORTED_LEVEL
from hyperspy_motifs.threads import INNER, OUTER, over_rows

from ._constants import CONSTANTS


def corner_shares(
    points: np.ndarray, corners: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of every corner in its polygon.

    The share is the inner angle over the full circle, so that the shares of an atom in all polygons
    around it add up to 1, and a hexagon of alternating corners A and B contains one A and one B.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    corners : numpy.ndarray of int, shape (c,)
        Concatenated corners of all polygons, counter-clockwise in x, y (positive shoelace area).
    offsets : numpy.ndarray of int, shape (m + 1,)
        Polygon ``i`` has the corners ``corners[offsets[i]:offsets[i + 1]]``.

    Returns
    -------
    polygon : numpy.ndarray of int, shape (c,)
        Polygon of each corner.
    share : numpy.ndarray of float, shape (c,)
        Share, 0 to 1.
    """
    counts = np.diff(offsets)
    polygon = np.repeat(np.arange(len(counts)), counts)
    index = np.arange(len(corners))
    first, last = np.repeat(offsets[:-1], counts), np.repeat(offsets[1:], counts) - 1
    here = points[corners]
    ahead = points[corners[np.where(index == last, first, index + 1)]] - here
    behind = points[corners[np.where(index == first, last, index - 1)]] - here
    cross = ahead[:, 0] * behind[:, 1] - ahead[:, 1] * behind[:, 0]
    dot = (ahead * behind).sum(axis=1)
    return polygon, np.mod(np.arctan2(cross, dot), 2 * np.pi) / (2 * np.pi)


def polygon_shares(
    points: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of points and polygons that contain them, and the shares.

    A point inside has the share 1, one on a side a half, one on a corner the inner angle over the full circle: in a
    tiling the shares of a point add up to 1.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    vertices : numpy.ndarray of float, shape (v, 2)
        Concatenated corners of all polygons, counter-clockwise in x, y.
    offsets : numpy.ndarray of int, shape (m + 1,)
        Polygon ``i`` has the corners ``vertices[offsets[i]:offsets[i + 1]]``.
    tolerance : float
        Distance within which a point is on a side or a corner.

    Returns
    -------
    pairs : numpy.ndarray of int, shape (p, 2)
        Columns point, polygon.
    shares : numpy.ndarray of float, shape (p,)
        Share of the point, above 0 and up to 1.
    """
    m = len(offsets) - 1
    if m == 0 or not len(points):
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    owner = np.repeat(np.arange(m), np.diff(offsets))
    centres = (
        np.column_stack([np.bincount(owner, vertices[:, i]) for i in range(2)]) / np.diff(offsets)[:, None]
    )
    radius = np.zeros(m)
    np.maximum.at(radius, owner, np.hypot(*(vertices - centres[owner]).T))
    near = cKDTree(points).query_ball_point(centres, radius + tolerance, return_sorted=True)
    polygon = np.repeat(np.arange(m), [len(found) for found in near])
    point = np.concatenate([np.asarray(found, dtype=np.int64) for found in near])
    shares = _shares(
        np.ascontiguousarray(points, dtype=float), np.ascontiguousarray(vertices, dtype=float),
        offsets.astype(np.int64), point, polygon, float(tolerance),
    )  # fmt: skip
    held = shares > 0
    return np.column_stack([point[held], polygon[held]]), shares[held]


def _shares(
    points: NDArray[np.float64],
    vertices: NDArray[np.float64],
    offsets: NDArray[np.int64],
    point: NDArray[np.int64],
    polygon: NDArray[np.int64],
    tolerance: float,
) -> NDArray[np.float64]:
    """Return the share of each pair of a point and a polygon."""
    # All sides of the polygon of each pair, one after another.
    sizes = np.diff(offsets)[polygon]
    starts = np.cumsum(sizes) - sizes
    pair = np.repeat(np.arange(len(point)), sizes)
    number = np.arange(len(pair)) - starts[pair]
    size, base = sizes[pair], offsets[polygon[pair]]
    here, ahead, behind = (vertices[base + (number + shift) % size] for shift in (0, 1, size - 1))
    at = points[point[pair]]
    (x, y), (ux, uy), (vx, vy) = (at - here).T, (ahead - here).T, (behind - here).T
    at_corner = x**2 + y**2 <= tolerance**2
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (x * ux + y * uy) / (ux**2 + uy**2)
        off = (x - along * ux) ** 2 + (y - along * uy) ** 2
        # Even-odd rule: a ray to larger x crosses this side.
        beyond = at[:, 0] < here[:, 0] + y / uy * ux
    crosses = ((here[:, 1] > at[:, 1]) != (ahead[:, 1] > at[:, 1])) & beyond
    on_side = (along >= 0) & (along <= 1) & (off <= tolerance**2)
    inside = np.bincount(pair, crosses, len(point)) % 2 == 1
    shares = np.where(np.bincount(pair, on_side, len(point)) > 0, 0.5, inside)
    # Of several corners within the tolerance the first counts.
    corner = np.flatnonzero(at_corner)[::-1]
    angle = np.arctan2(ux * vy - uy * vx, ux * vx + uy * vy)[corner]
    shares[pair[corner]] = angle / (2 * np.pi) % 1.0
    return shares


@dataclass(frozen=True)
class NeighbourStatistics:
    """Neighbour counts of pairs of classes compared with random labels on the same graph.

    One entry per unordered pair of classes, ``first <= second``.

    Attributes
    ----------
    first, second : numpy.ndarray of int, shape (p,)
        The two classes.
    observed : numpy.ndarray of int, shape (p,)
        Number of edges between the two.
    expected : numpy.ndarray of float, shape (p,)
        Its mean over all permutations of the labels (exact).
    std : numpy.ndarray of float, shape (p,)
        Its standard deviation over all permutations of the labels (exact).
    z : numpy.ndarray of float, shape (p,)
        ``(observed - expected) / std``; 0 if all permutations give the same count. Positive: enriched; negative:
        depleted.
    p : numpy.ndarray of float, shape (p,)
        Two-sided probability of a count at least as extreme by chance.
    q : numpy.ndarray of float, shape (p,)
        `p` after the correction of Benjamini and Hochberg for dependent tests: accept ``q <= 0.05`` for a false
        discovery rate of up to 5 %.
    n_permutations : int
        Number of permutations drawn from the null.
    """

    first: np.ndarray
    second: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    std: np.ndarray
    z: np.ndarray
    p: np.ndarray
    q: np.ndarray
    n_permutations: int

    def flagged(self, level: float = REPORTED_LEVEL) -> np.ndarray:
        """Return the mask (p,) of significant pairs, at a false discovery rate of `level`."""
        return self.q <= level


def neighbour_statistics(
    labels: np.ndarray, edges: np.ndarray, n_permutations: int = 1000, random_state: int = 0
) -> NeighbourStatistics:
    """Compare the neighbour counts of classes with those of random labels on the same graph.

    The null hypothesis keeps the graph and the number of members of every class and permutes the labels. Mean and
    variance of every count over all permutations are known in closed form (join-count statistics). The p-value is
    that of the permutation test, ``(b + 1) / (n_permutations + 1)`` with b the permutations that are at least as
    extreme on that side, doubled, as long as b is 10 or more. Beyond, where few permutations reach, it is that of the
    Pearson distribution of type III with the two exact moments and the skewness of the permutations, and where less
    than one is expected at least that of the Poisson distribution. Counts of different pairs are dependent, because
    their sum is the number of edges: `q` accounts for this.

    Parameters
    ----------
    labels : array-like of int, shape (n,)
        Class of each node, from 0. Nodes with a negative label are ignored.
    edges : array-like of int, shape (e, 2)
        Undirected edges, each once.
    n_permutations : int
        Number of permutations, 1000 or more for exact p-values; 0 assumes a normal distribution.
    random_state : int
        Seed of the permutations. The result is the same for any number of threads.

    Returns
    -------
    NeighbourStatistics
        One entry per pair of classes that both occur.

    Raises
    ------
    ValueError
        If the shapes do not match, or an edge refers to a missing node.

    References
    ----------
    A. D. Cliff and J. K. Ord, Spatial Processes, Pion, London (1981), chapter 2; P. W. Mielke, K. J. Berry
    and G. W. Brier, Mon. Weather Rev. 109, 120 (1981); B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol.
    Biol. 9, 39 (2010).
    """
    labels, edges = _validate(labels, edges)
    if n_permutations < 0:
        raise ValueError(f"n_permutations must be 0 or more, not {n_permutations}.")
    classes, compact = np.unique(labels, return_inverse=True)
    k = len(classes)
    if k == 0:
        none, nothing = np.empty(0), np.empty(0, dtype=np.int64)
        return NeighbourStatistics(nothing, nothing, nothing, none, none, none, none, none, n_permutations)
    a, b = np.triu_indices(k)
    pair = np.minimum(compact[edges[:, 0]], compact[edges[:, 1]]) * k
    pair += np.maximum(compact[edges[:, 0]], compact[edges[:, 1]])
    observed = np.bincount(pair, minlength=k * k)[a * k + b]
    expected, variance = _join_count_moments(np.bincount(compact, minlength=k), edges, len(labels), a, b)
    std = np.sqrt(variance)
    free = std > 1e-9 * np.maximum(expected, 1.0)
    safe = np.where(free, std, 1.0)
    z = np.where(free, (observed - expected) / safe, 0.0)
    skewness = np.zeros(len(a))
    as_high = as_low = np.zeros(len(a), dtype=np.int64)
    if n_permutations and len(edges):
        as_high, as_low = np.empty((2, len(a)), dtype=np.int64)
        # The permutations are repeated for every block of pairs, so that memory does not grow with their number.
        for start in range(0, len(a), max(_MOST_COUNTS // n_permutations, 1)):
            here = slice(start, min(start + max(_MOST_COUNTS // n_permutations, 1), len(a)))
            counts = _permuted_counts(compact, edges, k, n_permutations, random_state, here)
            skewness[here] = _skewness(counts, expected[here], safe[here])
            as_high[here], as_low[here] = _as_extreme(counts, observed[here])
    # Continuity correction of half a count towards the mean.
    above = _pearson_tail((observed - 0.5 - expected) / safe, skewness)
    below = _pearson_tail(-(observed + 0.5 - expected) / safe, -skewness)
    # The permutations do not give the skewness for pairs that occur in few of them. Such counts are rare events: the
    # p-value is at least that of the Poisson distribution with the exact mean.
    rare = (expected < 1) & (observed > 0)
    poisson = special.pdtrc(np.maximum(observed - 1.0, 0.0), expected)
    above = np.where(rare, np.maximum(above, poisson), above)
    above = np.where(as_high >= CONSTANTS.many_permutations, (as_high + 1) / (n_permutations + 1), above)
    below = np.where(as_low >= CONSTANTS.many_permutations, (as_low + 1) / (n_permutations + 1), below)
    p = np.where(free, np.minimum(1.0, 2 * np.minimum(above, below)), 1.0)
    q = stats.false_discovery_control(p, method="by")  # neighbours depend on each other
    return NeighbourStatistics(classes[a], classes[b], observed, expected, std, z, p, q, n_permutations)


def _validate(labels: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of the nodes that are used, and the edges between them, renumbered."""
    labels = np.asarray(labels)
    edges = np.asarray(edges)
    if labels.ndim != 1:
        raise ValueError(f"The labels must be one-dimensional, not of shape {labels.shape}.")
    if len(labels) and not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"The labels must be integers, not {labels.dtype}.")
    edges = edges.reshape(-1, 2) if edges.size == 0 else edges
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise ValueError(f"The edges must have the shape (n, 2), not {edges.shape}.")
    edges = edges.astype(np.int64)
    if len(edges) and (edges.min() < 0 or edges.max() >= len(labels)):
        raise ValueError(f"An edge points to a node that does not exist: there are {len(labels)} nodes.")
    known = labels >= 0
    position = np.cumsum(known) - 1
    kept = known[edges].all(axis=1) if len(edges) else np.zeros(0, dtype=bool)
    return labels[known].astype(np.int64), position[edges[kept]]


def _join_count_moments(
    sizes: np.ndarray, edges: np.ndarray, n: int, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact mean and variance of the join counts of classes `a` and `b` under permutation."""
    n_edges = float(len(edges))
    degree = np.bincount(edges.ravel(), minlength=n).astype(float)
    wedges = float((degree * (degree - 1)).sum())
    disjoint = n_edges**2 - n_edges - wedges
    na, nb = sizes[a].astype(float), sizes[b].astype(float)
    same = a == b
    two = max(n * (n - 1.0), 1.0)
    three = max(two * (n - 2.0), 1.0)
    four = max(three * (n - 3.0), 1.0)
    edge = np.where(same, na * (na - 1), 2 * na * nb) / two
    wedge = np.where(same, na * (na - 1) * (na - 2), na * nb * (na + nb - 2)) / three
    both = np.where(same, na * (na - 1) * (na - 2) * (na - 3), 4 * na * (na - 1) * nb * (nb - 1)) / four
    mean = n_edges * edge
    variance = mean + wedges * wedge + disjoint * both - mean**2
    return mean, np.maximum(variance, 0.0)


def _pearson_tail(z: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Return the probability above `z` for a Pearson type III variable of mean 0, variance 1."""
    # SciPy loses all digits of the tail of a skewness that is nearly 0.
    return stats.pearson3.sf(z, np.where(np.abs(skewness) > 1e-3, skewness, 0.0))


#: Counts of all permutations that are held at a time: a gigabyte.
_MOST_COUNTS = 2**28
#: Counts below this are evaluated once and looked up: with many classes almost all counts are 0 or 1.
_FEW = 32


def _skewness(counts: np.ndarray, expected: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return the mean cube of the standardised counts (n, p), shape (p,)."""
    out = np.empty(counts.shape[1])
    for start in range(0, len(out), BLOCK):
        here = slice(start, start + BLOCK)
        part = np.ascontiguousarray(counts[:, here].T)
        most = int(part.max())
        possible = np.arange(most + 1) if most < _FEW else part
        cubes = ((possible - expected[here, None]) / std[here, None]) ** 3
        out[here] = (np.take_along_axis(cubes, part, axis=1) if most < _FEW else cubes).mean(axis=1)
    return out


def _as_extreme(counts: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers (p,) of permutations (n, p) with counts at least, and at most, as high as observed."""
    high, low = np.empty((2, counts.shape[1]), dtype=np.int64)
    for start in range(0, len(high), BLOCK):
        here = slice(start, start + BLOCK)
        high[here] = (counts[:, here] >= observed[here]).sum(axis=0)
        low[here] = (counts[:, here] <= observed[here]).sum(axis=0)
    return high, low


def _permuted_counts(
    labels: np.ndarray, edges: np.ndarray, k: int, n: int, seed: int, pairs: slice
) -> np.ndarray:
    """Return the neighbour counts of `n` permutations of the labels for some pairs of classes, shape (n, p).

    The pairs are numbered in the order of ``numpy.triu_indices``.
    """
    if k == 1:  # every edge joins the one class, however its members are permuted
        return np.full((n, pairs.stop - pairs.start), len(edges), dtype=np.int32)
    generator_seed = np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    counts = np.zeros((n, pairs.stop - pairs.start), dtype=np.int32)
    over_rows(
        _count_permuted,
        n,
        labels.astype(np.int32),
        np.ascontiguousarray(edges.astype(np.int32)),
        k,
        generator_seed,
        pairs.start,
        counts,
        least=4,
    )
    return counts


@numba.njit(cache=True, **INNER)
def _mix(state: np.uint64) -> np.uint64:
    """Return the splitmix64 hash of a counter (Steele, Lea, Flood 2014)."""
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, **OUTER)
def _count_permuted(
    first: int,
    last: int,
    labels: NDArray[np.int32],
    edges: NDArray[np.int32],
    k: int,
    seed: np.uint64,
    start: int,
    counts: NDArray[np.int32],
) -> None:
    """Permute the labels and count the classes at the ends of the edges, one permutation per row."""
    n, n_pairs = len(labels), counts.shape[1]
    step = np.uint64(0x9E3779B97F4A7C15)
    offsets = np.empty(k, dtype=np.int64)
    for c in range(k):
        offsets[c] = c * k - c * (c + 1) // 2 - start
    # Most edges are of few pairs. Additions to one number wait for one another; those to several do not.
    lanes = 4 if n_pairs <= 256 else 1
    partial = np.empty((lanes, n_pairs), dtype=np.int32)
    for p in range(first, last):
        shuffled = labels.copy()
        # Every permutation has a separate random stream, so that threads do not change the result.
        state = _mix(seed + np.uint64(p + 1) * step)
        for i in range(n - 1, 0, -1):
            state += step
            # The upper 32 bits scaled to 0..i: no modulo, and a bias below i / 2^32.
            j = np.int64(((_mix(state) >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
            shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
        for lane in range(lanes):
            for pair in range(n_pairs):
                partial[lane, pair] = 0
        for e in range(len(edges)):
            a = shuffled[np.uint32(edges[e, 0])]
            b = shuffled[np.uint32(edges[e, 1])]
            pair = offsets[np.uint32(min(a, b))] + max(a, b)
            if 0 <= pair < n_pairs:
                partial[e & (lanes - 1), pair] += 1
        for lane in range(lanes):
            for pair in range(n_pairs):
                counts[p, pair] += partial[lane, pair]

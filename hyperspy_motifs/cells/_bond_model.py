"""Odds of each Delaunay edge of being a bond, and the code length of a network of bonds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hyperspy_motifs.common import FEWEST_OF_A_SHARE

from ._bonds import Triangulation, mode_of_lengths
from ._centred_rings import choose_centred_rings, merge_rings
from ._constants import CONSTANTS
from ._faces import find_faces
from ._shapes import split_by_gap

#: Base of the numbers of pairs of kinds.
_MOST_KINDS = 2**31


class EdgeFeatures(NamedTuple):
    """What distinguishes bonds from diagonals, for each edge (e,).

    `length` is the logarithm of the length in the unit; `angle` the sum of the two angles that face the edge across its
    triangles, in half turns: 1 for every diagonal of a regular polygon, 1/p + 1/q for the bond between a p-gon and a q-gon.
    """

    length: NDArray[np.float64]
    angle: NDArray[np.float64]

    @property
    def scale(self) -> NDArray[np.float64]:
        """One number for each edge, low for bonds: its length in powers of the square root of 2, plus the angle.

        Bonds of regular tilings have values of 0.1...0.7, diagonals of 2 and more.
        """
        return self.length / np.log(np.sqrt(2)) + self.angle

    def take(self, edges: NDArray[np.integer]) -> EdgeFeatures:
        return EdgeFeatures(self.length[edges], self.angle[edges])


def edge_features(mesh: Triangulation, unit: NDArray[np.float64]) -> EdgeFeatures:
    """Features of the edges of a triangulation, with the unit of length at each point, shape (n,)."""
    of_edge = np.sqrt(unit[mesh.edges[:, 0]] * unit[mesh.edges[:, 1]])
    facing = np.zeros(len(mesh.edges))
    start, end = mesh.points[mesh.edges[:, 0]], mesh.points[mesh.edges[:, 1]]
    for side in (0, 1):
        tip = mesh.points[mesh.opposite[:, side]]
        u, v = start - tip, end - tip
        angle = np.abs(np.arctan2(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(axis=1)))
        # The other side of an edge of the hull is unknown: half of the angle of a diagonal.
        facing += np.where(mesh.sides[:, side] >= 0, angle, np.pi / 2)
    return EdgeFeatures(np.log(np.maximum(mesh.lengths, 1e-300) / of_edge), facing / np.pi)


def field_unit(mesh: Triangulation) -> NDArray[np.float64]:
    """The most frequent nearest distance of the field, at each point, shape (n,)."""
    return np.full(len(mesh.points), mode_of_lengths(mesh.nearest))


def local_unit(mesh: Triangulation) -> NDArray[np.float64]:
    """The nearest distances of the points up to three edges around each point, shape (n,).

    It follows a slow change of scale and separate phases, but blurs structures with several bond lengths.
    """
    n = len(mesh.points)
    around = np.log(np.maximum(np.nan_to_num(mesh.nearest, nan=1e-300), 1e-300))
    i, j = mesh.edges[mesh.inner].T
    count = np.bincount(i, minlength=n) + np.bincount(j, minlength=n) + 1.0
    for _ in range(3):
        around = (
            around + np.bincount(i, around[j], minlength=n) + np.bincount(j, around[i], minlength=n)
        ) / count
    around = np.exp(around)
    return around * mode_of_lengths(mesh.nearest / around)


class BondModel(NamedTuple):
    """Logistic model of the probability of an edge of being a bond.

    `weights` (3 + k,) are those of a constant, the length, the angle, and k pairs of kinds; `pairs` (k,) these pairs as
    numbers, see :func:`kind_pairs`, sorted; `scatter` the standard deviation of each coordinate of the points, in units of
    length.
    """

    weights: NDArray[np.float64]
    pairs: NDArray[np.int64]
    scatter: float

    def log_odds(
        self, mesh: Triangulation, features: EdgeFeatures, kinds: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Logarithm of the odds of each edge, shape (e,)."""
        constant, length, angle = self.weights[:3]
        odds: NDArray[np.float64] = constant + length * features.length + angle * features.angle
        if len(self.pairs):
            pair = kind_pairs(mesh, kinds)
            place = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
            odds += np.where(self.pairs[place] == pair, self.weights[3:][place], 0.0)
        return odds


def kind_pairs(mesh: Triangulation, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the pair of kinds at the ends of each edge, shape (e,), the same in any part of a field."""
    ends = kinds[mesh.edges]
    return ends.min(axis=1) * _MOST_KINDS + ends.max(axis=1)


def fit_bond_model(
    mesh: Triangulation,
    bonds: NDArray[np.bool_],
    kinds: NDArray[np.int64],
    unit: NDArray[np.float64],
) -> BondModel | None:
    r"""Learn the odds of bonds from a first choice of bonds (e,); None if all inner edges are bonds, or none.

    How much the length of an edge says about it, and how much its facing angles, depends on the scatter of the
    positions, which the lengths of the bonds show (as an upper limit: bonds of different kinds also differ). Further
    scatter is added to the positions. The model is the logistic regression that recovers the bonds in the moved
    positions; it is then applied to the positions as they are (as in calibration by added noise; Cook and Stefanski,
    J. Am. Stat. Assoc. 89, 1314, 1994). `unit` (n,) is the unit of length at each point.
    """
    used = bonds & mesh.inner
    if used.sum() == mesh.inner.sum() or not used.any():
        return None
    features = edge_features(mesh, unit)
    low, high = np.quantile(features.length[used], (0.16, 0.84))
    # The length of a bond has twice the variance of a coordinate.
    scatter = max(float(high - low) / 2 / np.sqrt(2), CONSTANTS.exact)
    steps = np.random.default_rng(0).normal(0, CONSTANTS.added_scatter * scatter, mesh.points.shape)
    moved = Triangulation.from_points(mesh.points + steps * unit[:, None])
    code = np.array([len(mesh.points), 1])
    target = np.isin(moved.edges @ code, mesh.edges[bonds] @ code, assume_unique=True)[moved.inner]
    if target.all() or not target.any():
        return None
    pair = kind_pairs(moved, kinds)[moved.inner]
    pairs, counts = np.unique(pair, return_counts=True)
    pairs = pairs[counts >= FEWEST_OF_A_SHARE] if len(pairs) > 1 else pairs[:0]
    inner = edge_features(moved, unit).take(np.flatnonzero(moved.inner))
    return BondModel(_logistic(_columns(inner, pair, pairs), target), pairs, scatter)


def _columns(
    features: EdgeFeatures, pair: NDArray[np.int64], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    columns = [np.ones(len(pair)), features.length, features.angle]
    return np.column_stack([*columns, *((pair == value).astype(np.float64) for value in pairs)])


def _logistic(columns: NDArray[np.float64], target: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of a logistic regression with a ridge, by Newton's method."""
    weights = np.zeros(columns.shape[1])
    ridge = np.full(columns.shape[1], CONSTANTS.ridge)
    ridge[3:] = CONSTANTS.pair_ridge
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(columns @ weights, -50, 50)))
        slope = columns.T @ (target - p) - ridge * weights
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns + np.diag(ridge)
        step = np.linalg.solve(curvature, slope)
        # A full step overshoots where the separation is almost perfect.
        step *= min(1.0, 20 / max(np.abs(step).max(), 1e-300))
        weights = weights + step
        if np.abs(step).max() < 1e-2 * np.abs(weights).max():
            break
    return weights


class NetworkCode(NamedTuple):
    """Description of points by a network: its length in bits over the points away from the hull, the share (n,) of each of
    them, zero near the hull, and the share of the triangles inside cells and closed voids (coverage).
    """

    bits: float
    share: NDArray[np.float64]
    coverage: float


def network_code(
    mesh: Triangulation,
    bonds: NDArray[np.bool_],
    kinds: NDArray[np.int64],
    *,
    merge_centred_rings: bool = True,
) -> NetworkCode:
    r"""Code length of points of given kinds (n,), from 0, for a choice of their Delaunay edges (e,) as bonds.

    The points are described cell by cell. A cell of n corners is described by its class (the number of corners, whether
    a point lies in its centre, and groups of shapes that a gap separates), and by its shape. Its shape is the Fourier
    moments :math:`a_p` of its corners relative to the first, which vanish for a regular polygon. They are coded by a
    complex normal distribution of variance :math:`s_{c,p}^2` in each class c:

    .. math::

        L = \sum_f \Big[ -\log_2 P(c_f) + \sum_{p=2}^{n_f-1} \log_2 (e \pi s_{c_f,p}^2) \Big]
            - \sum_v \log_2 P(z_v \mid k_v)
            - \sum_b \log_2 \frac{P(k, k')}{P(k) P(k')}
            + \tfrac12 \log_2 m \times \text{number of parameters}.

    By Euler's formula all cells together have twice as many coordinates as there are points, for any network, so that
    the lengths of different networks can be compared. A point in the centre of a cell counts twice, and parts of the
    triangulation that are no cell are coded as triangles of a class of their own. The second sum is over the coordination
    numbers z of the points of kind k; the third is the information that the kinds at both ends of a bond have about
    each other. A network whose cells are few in kind, alike and regular, and in which the coordination of each kind is
    constant, has a short code (minimum description length; Rissanen, Automatica 14, 465, 1978). With
    `merge_centred_rings`, triangles around a point may be one cell with a point in its centre.
    """
    n = len(mesh.points)
    place = mesh.points[:, 0] + 1j * mesh.points[:, 1]
    groups, void, coverage = _classes_of_cells(mesh, bonds, kinds, merge_centred_rings)
    if len(void):
        groups.append((void, None))
    m = max(sum(len(rows) for rows, _ in groups), 1)
    share = np.zeros(n)
    n_parameters = 0
    for rows, hubs in groups:
        moments, first = _relative_moments(place[rows])
        if hubs is not None:
            offset = (place[hubs] - place[rows].mean(axis=1)) / first
            moments = np.column_stack([moments, offset, offset])
        size = rows.shape[1]
        shapes = split_by_gap(np.abs(moments))
        for shape in range(int(shapes.max()) + 1):
            members = np.flatnonzero(shapes == shape)
            power = np.abs(moments[members]) ** 2
            # What is in no cell is not described by being alike.
            variance = (
                np.full(power.shape[1], CONSTANTS.prior_variance) if rows is void else _shape_variance(power)
            )
            code = np.log(np.pi * variance).sum() + (power / variance).sum(axis=1) - np.log(len(members) / m)
            share += np.bincount(rows[members].ravel(), np.repeat(code / size, size), minlength=n)
            n_parameters += 1 + moments.shape[1]
    share += _coordination(mesh, bonds, kinds) + _pairing(mesh.edges[bonds], kinds)
    share = np.where(mesh.deep, share, 0.0) / np.log(2)
    return NetworkCode(float(share.sum() + 0.5 * n_parameters * np.log2(m)), share, coverage)


def triangle_parts(
    mesh: Triangulation, bonds: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Face that contains each triangle (t,), and whether each face is closed."""
    t = len(mesh.triangles)
    joined = mesh.sides[~bonds & mesh.inner]
    graph = coo_array((np.ones(len(joined), dtype=np.int8), joined.T), shape=(t, t))
    count, part = connected_components(graph, directed=False)
    closed = np.ones(count, dtype=bool)
    closed[part[mesh.sides[~bonds & ~mesh.inner, 0]]] = False
    return part.astype(np.int64), closed


def _classes_of_cells(
    mesh: Triangulation, bonds: NDArray[np.bool_], kinds: NDArray[np.int64], merge: bool
) -> tuple[list[tuple[NDArray[np.int64], NDArray[np.int64] | None]], NDArray[np.int64], float]:
    """Corners (m, n) of the cells of each class and the points in their centres (m,); triangles in no cell (t, 3); and
    the share of triangles in cells and closed voids."""
    faces = find_faces(mesh.points, mesh.edges[bonds], planar=True)
    vertices, offsets = faces.vertices, faces.offsets
    hubs = np.zeros(0, dtype=np.int64)
    if merge and np.any(faces.n_corners == 3):
        rings, taken = choose_centred_rings(mesh.points, kinds, vertices, offsets, faces.bonds)
        if len(taken):
            vertices, offsets, _ = merge_rings(vertices, offsets, rings, taken)
            hubs = rings.hubs[taken]
    sizes = np.diff(offsets)
    centred = np.arange(len(sizes)) >= len(sizes) - len(hubs)
    groups: list[tuple[NDArray[np.int64], NDArray[np.int64] | None]] = []
    for size in np.unique(sizes[sizes <= CONSTANTS.most_corners]):
        for filled in (False, True):
            members = np.flatnonzero((sizes == size) & (centred == filled))
            if len(members):
                rows = vertices[offsets[members][:, None] + np.arange(size)]
                groups.append((rows, hubs[members - (len(sizes) - len(hubs))] if filled else None))
    part, closed = triangle_parts(mesh, bonds)
    cell = closed & (np.bincount(part, minlength=len(closed)) <= CONSTANTS.most_corners - 2)
    return groups, mesh.triangles[~cell[part]], float(np.mean(closed[part]))


def _shape_variance(power: NDArray[np.floating]) -> NDArray[np.floating]:
    """Variance of each moment of a class from its members (m, n); that of few members is near that of any polygon."""
    variance = np.maximum(power.mean(axis=0), CONSTANTS.least_scatter**2)
    known = len(power) / (len(power) + CONSTANTS.prior_members)
    out: NDArray[np.floating] = variance**known * CONSTANTS.prior_variance ** (1 - known)
    return out


def _relative_moments(
    corners: NDArray[np.complexfloating],
) -> tuple[NDArray[np.complexfloating], NDArray[np.floating]]:
    """Fourier moments 2 to n - 1 of polygons (m, n) relative to the first, and the size of the first (m,)."""
    moments = np.fft.fft(corners - corners.mean(axis=1, keepdims=True), axis=1) / corners.shape[1]
    first = np.maximum(np.abs(moments[:, 1]), 1e-300)
    return moments[:, 2:] / first[:, None], first


def _coordination(
    mesh: Triangulation, bonds: NDArray[np.bool_], kinds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Code length (nats) of the number of bonds of each point given its kind, shape (n,)."""
    n, n_kinds = len(kinds), int(kinds.max(initial=0)) + 1
    degree = np.minimum(np.bincount(mesh.edges[bonds].ravel(), minlength=n), CONSTANTS.most_bonds)
    key = kinds * (CONSTANTS.most_bonds + 1) + degree
    counts = np.bincount(key[mesh.deep], minlength=n_kinds * (CONSTANTS.most_bonds + 1)).reshape(n_kinds, -1)
    # A rare kind has the coordination of all, unless it shows otherwise.
    prior = counts.sum(axis=0) / max(counts.sum(), 1) + 1 / (CONSTANTS.most_bonds + 1)
    code: NDArray[np.float64] = -np.log((counts + prior) / (counts + prior).sum(axis=1, keepdims=True))
    return code.ravel()[key]


def _pairing(pairs: NDArray[np.int64], kinds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Minus the mutual information (nats) of the kinds at the ends of bonds, half at each end, shape (n,)."""
    n, k = len(kinds), int(kinds.max(initial=0)) + 1
    if k == 1 or len(pairs) == 0:
        return np.zeros(n)
    first, second = kinds[pairs].T
    joint = np.bincount(first * k + second, minlength=k * k).reshape(k, k)
    joint = joint + joint.T
    margin = joint.sum(axis=1) / joint.sum()
    chance = np.maximum(margin[:, None] * margin[None, :], 1e-12)
    # As many bonds by chance as there are kinds: rare kinds have no information.
    ratio = (joint + k * chance) / (joint.sum() + k) / chance
    gain = np.repeat(0.5 * np.log(ratio)[first, second], 2)
    return -np.bincount(pairs.ravel(), gain, minlength=n).astype(np.float64)

"""Code length of a bond network: how briefly its cells and coordination numbers are described."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ._centred_rings import choose_centred_rings, merge_rings
from ._faces import find_faces
from ._shapes import split_by_gap
from ._triangulation import Triangulation

#: Shapes of polygons closer than this, in units of their radius, are equal (see `_shapes`).
_LEAST_SCATTER = 0.015
#: Variance of the moments of irregular polygons, and the number of members of a class as which it counts.
_PRIOR_VARIANCE, _PRIOR_MEMBERS = 0.1, 2.0
#: Faces with more corners are voids.
_MOST_CORNERS = 24
#: Bonds of a point that are distinguished.
_MOST_BONDS = 12


class NetworkCode(NamedTuple):
    """Description of points by a network.

    Attributes
    ----------
    bits : float
        Total length over the points away from the hull.
    share : numpy.ndarray, shape (n,)
        The part of each point, zero near the hull.
    coverage : float
        Share of the triangles inside cells and closed voids.
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
    r"""Code length of points given some of their Delaunay edges as bonds.

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
    constant, has a short code (minimum description length; Rissanen, Automatica 14, 465, 1978).

    Parameters
    ----------
    mesh : Triangulation
    bonds : numpy.ndarray of bool, shape (e,)
        Which edges are bonds.
    kinds : numpy.ndarray of int, shape (n,)
        Kind of each point, from 0.
    merge_centred_rings : bool
        Whether triangles around a point may be one cell with a point in its centre.
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
            variance = np.full(power.shape[1], _PRIOR_VARIANCE) if rows is void else _shape_variance(power)
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
    for size in np.unique(sizes[sizes <= _MOST_CORNERS]):
        for filled in (False, True):
            members = np.flatnonzero((sizes == size) & (centred == filled))
            if len(members):
                rows = vertices[offsets[members][:, None] + np.arange(size)]
                groups.append((rows, hubs[members - (len(sizes) - len(hubs))] if filled else None))
    part, closed = triangle_parts(mesh, bonds)
    cell = closed & (np.bincount(part, minlength=len(closed)) <= _MOST_CORNERS - 2)
    return groups, mesh.triangles[~cell[part]], float(np.mean(closed[part]))


def _shape_variance(power: NDArray[np.floating]) -> NDArray[np.floating]:
    """Variance of each moment of a class from its members (m, n); that of few members is near that of any polygon."""
    variance = np.maximum(power.mean(axis=0), _LEAST_SCATTER**2)
    known = len(power) / (len(power) + _PRIOR_MEMBERS)
    out: NDArray[np.floating] = variance**known * _PRIOR_VARIANCE ** (1 - known)
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
    degree = np.minimum(np.bincount(mesh.edges[bonds].ravel(), minlength=n), _MOST_BONDS)
    key = kinds * (_MOST_BONDS + 1) + degree
    counts = np.bincount(key[mesh.deep], minlength=n_kinds * (_MOST_BONDS + 1)).reshape(n_kinds, -1)
    # A rare kind has the coordination of all, unless it shows otherwise.
    prior = counts.sum(axis=0) / max(counts.sum(), 1) + 1 / (_MOST_BONDS + 1)
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

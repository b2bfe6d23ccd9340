"""The triangulation against Qhull's."""

import numpy as np
import pytest
from scipy.spatial import Delaunay

from hyperspy_motifs.cells._bonds import Triangulation


def edge_set(triangles):
    pairs = np.sort(np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    return set(map(tuple, pairs.tolist()))


@pytest.mark.parametrize("n", [5, 17, 90, 1500])
@pytest.mark.parametrize("seed", range(4))
def test_random_points_have_the_triangulation_of_qhull(n, seed):
    points = np.random.default_rng(seed).random((n, 2)) * [7, 3] + 50
    mesh = Triangulation.from_points(points)
    assert edge_set(mesh.triangles) == edge_set(Delaunay(points).simplices)
    assert {tuple(e) for e in mesh.edges.tolist()} == edge_set(mesh.triangles)


@pytest.mark.parametrize("name", ["square", "triangular", "honeycomb", "kagome", "truncated", "snub"])
@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-7, 0.05])
def test_circles_are_empty_on_lattices(tiling, name, noise):
    points, _ = tiling(name, 9.3, 7.1)
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    points = points @ turn.T + np.random.default_rng(1).normal(0, noise, points.shape)
    mesh = Triangulation.from_points(points)
    a, b, c = (points[mesh.triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    assert (cross > 0).all()
    whole = cross > 1e-6
    uu, vv = (u * u).sum(axis=1), (v * v).sum(axis=1)
    offset = (
        np.column_stack([v[:, 1] * uu - u[:, 1] * vv, u[:, 0] * vv - v[:, 0] * uu]) / (2 * cross)[:, None]
    )
    away = np.linalg.norm(points[None] - (a + offset)[whole, None], axis=2)
    assert (away > np.linalg.norm(offset[whole], axis=1)[:, None] * (1 - 1e-5)).all()
    assert cross.sum() / 2 == pytest.approx(hull_area(points), rel=1e-6)
    # Each edge has its triangles and the opposite corners.
    for (p, q), sides, beyond in zip(
        mesh.edges.tolist(), mesh.sides.tolist(), mesh.opposite.tolist(), strict=True
    ):
        for side, tip in zip(sides, beyond, strict=True):
            if side >= 0:
                assert {p, q, tip} == set(mesh.triangles[side].tolist())


def hull_area(points):
    from scipy.spatial import ConvexHull

    return ConvexHull(points).volume


def test_degenerate_points():
    line = np.column_stack([np.arange(6.0), 2 * np.arange(6.0)])
    assert len(Triangulation.from_points(line).edges) == 0
    twice = np.vstack([np.random.default_rng(0).random((9, 2))] * 2)
    mesh = Triangulation.from_points(twice)
    assert len(np.unique(mesh.edges)) == 9
    assert np.isnan(mesh.nearest).sum() == 9


@pytest.mark.parametrize("power", [-500, -300, -40, 40, 300, 500])
def test_the_size_of_the_points_changes_no_bit_of_the_triangulation(power):
    points = np.random.default_rng(2).normal(size=(70, 2))
    mesh = Triangulation.from_points(points)
    with np.errstate(all="raise"):
        found = Triangulation.from_points(np.ldexp(points, power))
    np.testing.assert_array_equal(found.triangles, mesh.triangles)
    np.testing.assert_array_equal(found.sides, mesh.sides)

"""Faces of plane graphs."""

import numpy as np
import pytest

from hyperspy_motifs.cells import AutoBonds, DelaunayBonds, bond_rule, find_faces


def square(x, y, size):
    return np.array([[x, y], [x + size, y], [x + size, y + size], [x, y + size]], float)


RING = np.array([[0, 1], [1, 2], [2, 3], [0, 3]])


@pytest.mark.parametrize("seed", range(8))
def test_euler_on_random_plane_graphs(assert_euler, seed):
    rng = np.random.default_rng(seed)
    points = rng.random((90, 2)) * [7, 4]
    edges = DelaunayBonds(1e9)(points).pairs
    for share in (1.0, 0.7, 0.5, 0.3):
        kept = edges[rng.random(len(edges)) < share]
        assert_euler(points, find_faces(points, kept))


@pytest.mark.parametrize("seed", range(4))
def test_euler_on_graphs_whose_bonds_cross(assert_euler, seed):
    rng = np.random.default_rng(seed)
    points = rng.random((40, 2))
    pairs = np.unique(np.sort(rng.integers(0, 40, (120, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    faces = find_faces(points, pairs)
    assert_euler(points, faces)
    a, b = faces.bonds[:, None], faces.bonds[None]
    apart = (a[..., :, None] != b[..., None, :]).all(axis=(2, 3))

    def side(p, q, r):
        u, v = q - p, r - p
        return np.sign(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])

    pa, qa, pb, qb = points[a[..., 0]], points[a[..., 1]], points[b[..., 0]], points[b[..., 1]]
    crosses = (side(pa, qa, pb) * side(pa, qa, qb) < 0) & (side(pb, qb, pa) * side(pb, qb, qa) < 0)
    assert not (crosses & apart).any()


def test_of_crossing_bonds_the_longer_goes():
    points = np.array([[0, 0], [2, 0], [2, 1], [0, 1], [1, -1], [1, 2.0]])
    faces = find_faces(points, np.vstack([RING, [[4, 5], [0, 2]]]))
    # The bond 4-5 crosses three others and goes first; the ring and its diagonal stay.
    assert len(faces.areas) == 2
    np.testing.assert_allclose(faces.areas, 1.0)


def test_dangling_bonds_and_bridges_are_pruned(assert_euler):
    points = np.vstack([square(0, 0, 1), square(3, 0.2, 1), [[1.6, 1.4], [2, 2]]])
    bonds = np.vstack([RING, RING + 4, [[2, 8], [8, 9], [1, 4]]])
    faces = find_faces(points, bonds)
    assert_euler(points, faces)
    assert faces.n_components == 2
    assert len(faces.bonds) == 8
    np.testing.assert_allclose(faces.areas, 1.0)
    np.testing.assert_array_equal(faces.n_holes, 0)


def test_face_round_another_part_has_a_hole(assert_euler):
    points = np.vstack([square(0, 0, 5), square(1, 1, 2), square(1.5, 1.5, 0.5)])
    faces = find_faces(points, np.vstack([RING, RING + 4, RING + 8]))
    assert_euler(points, faces)
    order = np.argsort(faces.areas)
    np.testing.assert_allclose(faces.areas[order], [0.25, 4 - 0.25, 25 - 4])
    np.testing.assert_array_equal(faces.n_holes[order], [0, 1, 1])
    # Only the bonds of the outermost square touch the outer face.
    np.testing.assert_array_equal((faces.sides < 0).any(axis=1), np.arange(12) < 4)


def test_part_that_hangs_in_one_corner_is_a_hole(assert_euler):
    points = np.vstack([square(0, 0, 3), [[1, 0.5], [0.5, 1]]])
    faces = find_faces(points, np.vstack([RING, [[0, 4], [4, 5], [0, 5]]]))
    assert_euler(points, faces)
    outer = int(faces.areas.argmax())
    np.testing.assert_array_equal(
        np.sort(faces.vertices[faces.offsets[outer] : faces.offsets[outer + 1]]), range(4)
    )
    assert faces.n_holes.tolist().count(1) == 1
    assert faces.areas.sum() == pytest.approx(9)


def test_sides_are_left_and_right():
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [2, 0], [2, 1.0]])
    faces = find_faces(points, np.array([[0, 1], [1, 2], [2, 3], [0, 3], [1, 4], [4, 5], [2, 5]]))
    shared = int(np.flatnonzero((faces.bonds == [1, 2]).all(axis=1))[0])
    left, right = faces.sides[shared]
    centre = [
        points[faces.vertices[faces.offsets[k] : faces.offsets[k + 1]]][:, 0].mean() for k in (left, right)
    ]
    assert centre == [0.5, 1.5]


def test_far_from_the_origin_areas_keep_their_digits(tiling):
    points, _ = tiling("triangular", 8.3, 6.1)
    faces = find_faces(points + 1e6, DelaunayBonds()(points).pairs)
    np.testing.assert_allclose(faces.areas, np.sqrt(3) / 4, rtol=1e-6)


def test_no_bonds_no_faces():
    faces = find_faces(np.random.default_rng(0).random((5, 2)), np.zeros((0, 2), int))
    assert len(faces.areas) == 0
    assert faces.n_components == 0
    assert len(find_faces(np.zeros((0, 2)), np.zeros((0, 2), int)).areas) == 0


@pytest.mark.parametrize("rule", ["auto", "delaunay", "voronoi"])
@pytest.mark.parametrize("name", ["square", "triangular", "honeycomb", "kagome", "truncated", "snub"])
def test_euler_on_every_tiling_and_rule(tiling, assert_euler, name, rule):
    points, site = tiling(name)
    rng = np.random.default_rng(2)
    kept = rng.random(len(points)) > 0.05
    points = points[kept] + rng.normal(0, 0.02, (kept.sum(), 2))
    bonds = bond_rule(rule)
    assert_euler(points, find_faces(points, bonds(points, site[kept]).pairs, planar=bonds.planar))


@pytest.mark.parametrize(
    "name",
    [
        "mose2_low",
        "mose2_mirror_clean",
        "mose2_rot",
        "graphene_gb_medium",
        "pom_m1_medium",
        "sto_ferro_clean",
        "tbl_mos2_clean",
    ],
)
def test_euler_on_simulated_cases(shared_data, assert_euler, name):
    truth = np.load(shared_data / "simulated" / f"{name}.truth.npz")
    points, motifs = truth["xy"], truth.get("motif")
    assert_euler(points, find_faces(points, AutoBonds()(points, motifs).pairs))


def test_euler_on_silica(silica, assert_euler):
    assert_euler(silica, find_faces(silica, AutoBonds()(silica).pairs))

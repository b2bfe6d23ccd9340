"""The translation lattice of a labelled pattern."""

import numpy as np
import pytest

from hyperspy_motifs.data import square_triangle
from hyperspy_motifs.hierarchy import LabelledPoints, find_lattice
from hyperspy_motifs.hierarchy._lattice import reduced


@pytest.mark.parametrize("degrees", [0.0, 23.0])
@pytest.mark.parametrize(("share", "jitter"), [(0.0, 0.0), (0.05, 0.04)])
def test_honeycomb(patterns, degrees, share, jitter):
    points, labels = patterns["corrupt"](*patterns["honeycomb"](degrees=degrees), share, jitter)
    lattice = find_lattice(LabelledPoints(points, labels))
    np.testing.assert_allclose(lattice.lengths, 1.0, atol=0.01)
    assert lattice.angle == pytest.approx(120, abs=0.5)
    assert lattice.area == pytest.approx(np.sqrt(0.75), rel=0.01)
    assert lattice.match > 0.7


def test_a_bond_is_no_translation_when_its_ends_differ(patterns):
    points, labels = patterns["honeycomb"]()
    assert find_lattice(LabelledPoints(points, labels)).lengths[0] == pytest.approx(1.0, abs=1e-3)
    # Without labels the two sites of a honeycomb still are no translates of one another.
    assert find_lattice(LabelledPoints(points, labels).without_kinds()).lengths[0] == pytest.approx(
        1.0, abs=1e-3
    )


@pytest.mark.parametrize(("share", "jitter"), [(0.0, 0.0), (0.03, 0.008)])
def test_the_large_cell_of_the_m1_oxide(m1, patterns, share, jitter):
    points, labels = patterns["corrupt"](*m1[:2], share, jitter)
    lattice = find_lattice(LabelledPoints(points, labels))
    np.testing.assert_allclose(lattice.lengths, [2.113, 2.666], rtol=0.003)
    assert lattice.angle == pytest.approx(90, abs=0.3)


def test_the_m1_oxide_with_four_motifs_only(m1):
    points, labels, names = m1
    groups = {"unit_centre": 0, "unit_ring": 1, "linker": 2, "axis_linker": 2, "h": 3}
    coarse = np.array([next(g for key, g in groups.items() if name.startswith(key)) for name in names])
    lattice = find_lattice(LabelledPoints(points, coarse[labels]))
    np.testing.assert_allclose(lattice.lengths, [2.113, 2.666], rtol=0.003)


def test_adatoms_of_the_7x7_surface():
    # Twelve adatoms in two triangles of six round corner holes (Takayanagi et al. 1985), in units of the
    # 1x1 lattice: half of the translations of the 2x2 arrangement inside are traps.
    corner = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    up = np.array([(i, j) for i in (1, 3, 5) for j in (1, 3, 5) if i + j < 7], dtype=float)
    up += 7 / 3 - up.mean(axis=0)
    cell = np.vstack([up, 7.0 - up])
    shifts = 7.0 * np.array([(h, k) for h in range(-5, 6) for k in range(-5, 6)], dtype=float)
    points = (shifts[:, None] + cell).reshape(-1, 2) @ corner
    points = points[(np.abs(points) < [17.0, 16.0]).all(axis=1)]
    points = points + np.random.default_rng(3).normal(0, 0.05, points.shape)
    lattice = find_lattice(LabelledPoints(points, np.zeros(len(points), dtype=int)))
    np.testing.assert_allclose(lattice.lengths, 7.0, rtol=0.01)
    assert lattice.angle == pytest.approx(120, abs=0.7)


def test_a_lattice_with_many_missing_and_false_sites_is_found_when_asked_for(patterns):
    points, labels = patterns["honeycomb"](a=3.0, width=40.0, height=33.0)
    rng = np.random.default_rng(4)
    kept = rng.random(len(points)) < 0.72
    false = rng.uniform(-1, 1, (30, 2)) * [20.0, 16.5]
    sites = LabelledPoints(np.vstack([points[kept], false]), np.append(labels[kept], rng.integers(0, 2, 30)))
    assert find_lattice(sites) is None
    np.testing.assert_allclose(find_lattice(sites, faint=True).lengths, 3.0, rtol=0.01)


def test_what_is_not_periodic_has_none(patterns):
    rng = np.random.default_rng(0)
    for faint in (False, True):
        assert find_lattice(LabelledPoints(rng.random((600, 2)), np.zeros(600, dtype=int)), faint) is None
    points = patterns["square_triangle"]("random")
    assert find_lattice(LabelledPoints(points, np.zeros(len(points), dtype=int))) is None


def rhombs(n_fold, seed, half):
    """Vertices of a tiling of rhombs with edge 1 and `n_fold` directions, quasiperiodic for 4 and 5, by de
    Bruijn's grids (Indag. Math. 43, 39, 1981), in a square of side 2 `half`.
    """
    shift = np.random.default_rng(seed).random(n_fold)
    turn = (2 if n_fold % 2 else 1) * np.pi * np.arange(n_fold) / n_fold
    e = np.column_stack([np.cos(turn), np.sin(turn)])
    n, m = (v.ravel() for v in np.meshgrid(np.arange(-20, 21), np.arange(-20, 21)))
    vertices = []
    for j in range(n_fold):
        for k in range(j + 1, n_fold):
            crossing = np.linalg.solve(e[[j, k]], np.vstack([n + shift[j], m + shift[k]])).T
            index = np.ceil(crossing @ e.T - shift - 1e-9)
            for dj, dk in ((0, 0), (0, 1), (1, 0), (1, 1)):
                index[:, j], index[:, k] = n + dj, m + dk
                vertices.append(index[np.hypot(*crossing.T) < 14].copy())
    points = np.unique(np.concatenate(vertices), axis=0) @ e
    return points[(np.abs(points - points.mean(axis=0)) < half).all(axis=1)]


# The largest have more points than a translation is scored with.
@pytest.mark.parametrize(
    ("half", "n_fold", "seed"),
    [(half, *tiling) for half in (6, 11) for tiling in ((5, 2), (4, 1))] + [(18, 5, 2), (18, 4, 1)],
)
def test_quasiperiodic_tilings_have_none(half, n_fold, seed):
    points = rhombs(n_fold, seed, half)
    points = points + np.random.default_rng(seed).normal(0, 0.02, points.shape)
    for faint in (False, True):
        assert find_lattice(LabelledPoints(points, np.zeros(len(points), dtype=int)), faint) is None


@pytest.mark.parametrize("seed", [0, 1])
def test_squares_and_triangles_without_period_have_none(patterns, seed):
    for kind in ("stampfli", "random"):
        points = patterns["square_triangle"](kind, seed=seed)
        for faint in (False, True):
            assert find_lattice(LabelledPoints(points, np.zeros(len(points), dtype=int)), faint) is None, kind


@pytest.mark.parametrize("seed", [3, 6])
def test_a_translation_by_few_sites_that_maps_half_of_a_random_tiling_is_none(seed):
    # A cell of 7.6 sites maps 57 % of these two, twice and three times its vectors nearly as many.
    positions = square_triangle("random", shape=(640, 640), random_state=seed)[1].positions
    assert find_lattice(LabelledPoints(positions, np.zeros(len(positions), dtype=int)), faint=True) is None


@pytest.mark.parametrize("n", [0, 1, 7])
def test_few_sites_have_none(n):
    assert find_lattice(LabelledPoints(np.arange(2.0 * n).reshape(n, 2), np.zeros(n, dtype=int))) is None


def test_angles_and_handedness_tell_copies_apart():
    # A square lattice of one motif whose angle alternates like a checkerboard.
    h, k = (v.ravel() for v in np.meshgrid(np.arange(13), np.arange(11)))
    points, labels = np.column_stack([h, k]).astype(float), np.zeros(len(h), dtype=int)
    odd = (h + k) % 2
    assert find_lattice(LabelledPoints(points, labels)).area == pytest.approx(1.0)
    assert find_lattice(LabelledPoints(points, labels, angles=odd * 1.5)).area == pytest.approx(2.0)
    assert find_lattice(LabelledPoints(points, labels, reflected=odd > 0)).area == pytest.approx(2.0)
    # A turn by 90 degrees is no turn for a motif of four-fold symmetry.
    four = LabelledPoints(points, labels, angles=odd * np.pi / 2, folds=np.array([4]))
    assert find_lattice(four).area == pytest.approx(1.0)


def test_reduced_basis():
    a, b = reduced(np.array([[1.0, 0.0], [7.4, 1.0]]))
    assert abs(np.linalg.det([a, b])) == pytest.approx(1.0)
    assert a @ b <= 0
    assert np.hypot(*a) <= np.hypot(*b)


def test_the_basis_of_a_hexagonal_lattice_is_reduced_in_any_orientation():
    """At 60 degrees two reduced bases are equally short, and rounding decides between them."""
    for angle in np.radians(np.arange(0.0, 360.0, 0.7)):
        for between in (np.pi / 3, 2 * np.pi / 3):
            basis = 0.36056 * np.array([[np.cos(a), np.sin(a)] for a in (angle, angle + between)])
            a, b = reduced(basis)
            assert np.hypot(*b) == pytest.approx(np.hypot(*a))
            assert a @ b / (a @ a) == pytest.approx(-0.5)
    a, b = reduced(np.array([[0.18027756, 0.3122499], [0.18027756, -0.3122499]]))
    assert abs(np.linalg.det([a, b])) == pytest.approx(2 * 0.18027756 * 0.3122499)

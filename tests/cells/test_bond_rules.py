"""Bond rules on tilings of unit edge."""

import numpy as np
import pytest

from hyperspy_motifs.cells import (
    AutoBonds,
    BondRule,
    Bonds,
    DelaunayBonds,
    NearestBonds,
    RadiusBonds,
    VoronoiBonds,
    bond_rule,
    find_cells,
    vertex_figures,
)

NAMES = ["square", "triangular", "honeycomb", "kagome", "truncated", "snub"]
DISTORTIONS = {
    "exact": (np.eye(2), 0.0),
    "noise": (np.eye(2), 0.04),
    "shear": (np.array([[1, 0.05], [0, 1]]), 0.02),
    "strain": (np.array([[1.03, 0], [0, 0.97]]), 0.02),
}


def unit_bonds(points):
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    return {tuple(b) for b in np.argwhere(np.triu(np.abs(distance - 1) < 1e-6)).tolist()}


@pytest.mark.parametrize("distortion", DISTORTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_auto_finds_the_edges_of_a_tiling(tiling, tiling_truth, name, distortion):
    points, _ = tiling(name)
    matrix, noise = DISTORTIONS[distortion]
    moved = points @ matrix.T + np.random.default_rng(3).normal(0, noise, points.shape)
    found = AutoBonds()(moved)
    assert {tuple(b) for b in found.pairs.tolist()} == unit_bonds(points)
    assert found.clarity > 0.4
    figures = vertex_figures(find_cells(moved), len(points))
    assert figures.symbols == [tiling_truth[name][1]]


@pytest.mark.parametrize("name", NAMES)
def test_auto_bears_missing_atoms(tiling, name):
    points, _ = tiling(name)
    rng = np.random.default_rng(7)
    kept = points[rng.random(len(points)) > 0.03]
    found = AutoBonds()(kept + rng.normal(0, 0.03, kept.shape))
    assert {tuple(b) for b in found.pairs.tolist()} == unit_bonds(kept)


@pytest.mark.parametrize("name", ["square", "snub", "honeycomb"])
def test_auto_bears_a_slow_change_of_scale(tiling, name):
    points, _ = tiling(name, 40.3, 12.1)
    # A conformal map: the scale rises from 0.6 to 1.6 along x.
    image = np.exp((points[:, 0] + 1j * points[:, 1]) / 40)
    found = find_cells(np.column_stack([image.real, image.imag]))
    exact = find_cells(points)
    same = {frozenset(p.tolist()) for p in found.polygons} & {frozenset(p.tolist()) for p in exact.polygons}
    assert len(same) > 0.97 * len(exact)


def test_auto_leaves_out_short_diagonals_of_rhombs():
    angle = np.deg2rad(33)
    rows, x, y = [], 0.0, 0.0
    for k in range(15):
        rows.append(np.column_stack([np.arange(20) + x, np.full(20, y)]))
        # Every fifth row is one of rhombs, the others of squares.
        x, y = (x + np.cos(angle), y + np.sin(angle)) if k % 5 == 2 else (x, y + 1)
    points = np.concatenate(rows)
    for noise in (0.0, 0.03):
        cells = find_cells(points + np.random.default_rng(1).normal(0, noise, points.shape))
        kinds = {
            (c.n_corners, c.shape): int(n)
            for c, n in zip(cells.classes, np.bincount(cells.labels), strict=True)
        }
        assert kinds == {(4, "regular"): 11 * 19, (4, "rhombic"): 3 * 19}


def test_auto_takes_each_phase_in_its_unit(tiling):
    fine, _ = tiling("square", 20.3, 20.1)
    coarse, _ = tiling("triangular", 10.3, 10.1)
    points = np.vstack([fine, 2.1 * coarse + np.array([23.5, 0])])
    cells = find_cells(points)
    right = cells.centres[:, 0] > 13
    left = cells.centres[:, 0] < 9
    assert set(cells.n_corners[left].tolist()) == {4}
    assert np.mean(cells.n_corners[right] == 3) > 0.97


def test_a_motif_in_one_corner_does_not_change_bonds_elsewhere(tiling):
    # Rules are compared in parts of a large field, where rare motifs may be missing.
    points, site = tiling("honeycomb", 110.3, 90.1)
    points = points + np.random.default_rng(2).normal(0, 0.14, points.shape)
    kinds = site + 1
    odd = np.where((points < points.min(axis=0) + 3).all(axis=1), 0, kinds)
    pairs = {tuple(b) for b in AutoBonds()(points, kinds).pairs.tolist()}
    changed = pairs ^ {tuple(b) for b in AutoBonds()(points, odd).pairs.tolist()}
    assert len(points) > 7000
    assert len(changed) < 0.005 * len(pairs)


@pytest.mark.parametrize("scatter", [0.02, 0.08, 0.12])
def test_clarity_is_the_share_of_right_cells(tiling, scatter):
    points, _ = tiling("square", 41.3, 33.1)
    exact = {frozenset(p.tolist()) for p in find_cells(points).polygons}
    cells = find_cells(points + np.random.default_rng(0).normal(0, scatter, points.shape))
    right = np.mean([frozenset(p.tolist()) in exact for p in cells.polygons])
    assert cells.clarity == pytest.approx(right, abs=0.1)
    assert not cells.is_doubtful


def test_points_without_order_are_doubtful():
    points = np.random.default_rng(1).random((800, 2))
    cells = find_cells(points)
    assert cells.is_doubtful or cells.clarity < 0.8
    assert cells.cautions()
    assert not find_cells(np.stack(np.meshgrid(np.arange(9.0), np.arange(8.0)), -1).reshape(-1, 2)).cautions()


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (DelaunayBonds(1.25), NAMES),
        (VoronoiBonds(), ["square", "triangular", "honeycomb", "snub"]),
        (RadiusBonds(1.2), NAMES),
        (NearestBonds(3), ["honeycomb"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BondRule) else "",
)
def test_rules_on_the_tilings_they_suit(tiling, rule, names):
    for name in names:
        points, _ = tiling(name)
        middle = (np.abs(points - points.mean(axis=0)) < 5).all(axis=1)
        found = {tuple(b) for b in rule(points).pairs.tolist() if middle[b].all()}
        assert found == {b for b in unit_bonds(points) if middle[list(b)].all()}, name


def test_bonds_of_voronoi_cross_no_hole_longer_than_the_longest():
    x, y = (c.ravel() for c in np.meshgrid(np.arange(11.0), np.arange(9.0)))
    points = np.column_stack([x, y])[(np.abs(x - 5) > 1) | (np.abs(y - 4) > 1)]  # nine points are missing

    def lengths(rule):
        return np.unique(np.linalg.norm(np.diff(points[rule(points).pairs], axis=1)[:, 0], axis=1).round(9))

    # The corners of the hole are cut off; of the bonds across it all, some or none are short enough.
    np.testing.assert_allclose(lengths(VoronoiBonds()), [1, np.sqrt(2)])
    assert lengths(VoronoiBonds(longest=4.5)).max() == pytest.approx(2 * np.sqrt(2))
    np.testing.assert_array_equal(lengths(VoronoiBonds(longest=1.3)), [1])


def test_mutual_neighbours_are_fewer():
    points = np.random.default_rng(4).random((60, 2))
    either, both = NearestBonds(3)(points).pairs, NearestBonds(3, mutual=True)(points).pairs
    degree = np.bincount(both.ravel(), minlength=60)
    assert len(both) < len(either)
    assert degree.max() <= 3


def test_own_rule_is_taken(tiling):
    class RowBonds(BondRule):
        def __call__(self, points, labels=None):
            pairs = np.argwhere(np.triu(np.linalg.norm(points[:, None] - points[None], axis=2) < 1.5, 1))
            return Bonds(pairs, 1.0, "nearest and diagonal")

    points, _ = tiling("square", 6.3, 5.1)
    cells = find_cells(points, bonds=RowBonds())
    # Of two crossing diagonals one is left: two triangles for every square.
    assert set(cells.n_corners.tolist()) == {3}
    assert len(cells) == 2 * 6 * 4


def test_parameters_are_checked():
    for make in (lambda: RadiusBonds(0), lambda: NearestBonds(0)):
        with pytest.raises(ValueError, match=r"radius|k must"):
            make()
    with pytest.raises(ValueError, match="itself"):
        bond_rule([[1, 1]])(np.zeros((3, 2)))

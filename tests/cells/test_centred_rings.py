"""Rings with a centre atom, and tilings that must stay triangles."""

import numpy as np
import pytest

from hyperspy_motifs.cells import find_cells


def kagome_with_centres(tiling, empty, seed=0):
    """Kagome whose hexagons hold an atom of motif 1, but for a share that is empty."""
    points, _ = tiling("kagome", 25.3, 18.1)
    cells = find_cells(points)
    centres = cells.centres[cells.n_corners == 6]
    kept = np.random.default_rng(seed).random(len(centres)) >= empty
    labels = np.r_[np.zeros(len(points), int), np.ones(kept.sum(), int)]
    return np.vstack([points, centres[kept]]), labels, len(centres), int(kept.sum())


def test_filled_and_empty_channels_are_one_polygon(tiling, census):
    points, labels, channels, filled = kagome_with_centres(tiling, empty=0.2)
    cells = find_cells(points, labels)
    assert census(cells)[6] == channels
    assert (cells.centre_atoms >= 0).sum() == filled
    np.testing.assert_array_equal(labels[cells.centre_atoms[cells.centre_atoms >= 0]], 1)
    # The same sequence and shape, distinguished by the centre atom.
    hexagons = [k for k, c in enumerate(cells.classes) if c.n_corners == 6]
    assert {cells.classes[k] for k in hexagons} == {(6, (0,) * 6, "regular")}
    assert sorted(cells.class_centre_atoms[hexagons].tolist()) == [-1, 1]
    # Merged triangles leave no area uncovered.
    apart = find_cells(points, labels, merge_centred_rings=False)
    assert set(census(apart)) == {3, 6}
    assert cells.areas.sum() == pytest.approx(apart.areas.sum())
    assert cells.adjacency[:, 2].sum() == apart.adjacency[:, 2].sum() - 6 * filled


def test_an_empty_site_in_a_ring_is_no_centre_atom(tiling, census):
    points, labels, channels, _ = kagome_with_centres(tiling, empty=0.0)
    n = len(points) - channels // 4
    cells = find_cells(points[:n], labels[:n], empty=points[n:], merge_centred_rings=True)
    assert census(cells)[6] == channels
    assert cells.n_points == n
    filled = cells.centre_atoms[cells.centre_atoms >= 0]
    np.testing.assert_array_equal(np.sort(filled), np.flatnonzero(labels[:n]))
    np.testing.assert_array_equal(cells.n_centre_atoms, cells.centre_atoms >= 0)


def test_no_two_rings_share_a_triangle(tiling):
    points, labels, _, _ = kagome_with_centres(tiling, empty=0.2)
    cells = find_cells(points, labels, merge_centred_rings=True)
    hubs = cells.centre_atoms[cells.centre_atoms >= 0]
    assert len(np.unique(hubs)) == len(hubs)
    assert not np.isin(hubs, cells.vertices).any()


@pytest.mark.parametrize("content", ["one", "alloy", "dopant", "dopant and vacancies", "ordered"])
def test_close_packing_stays_triangles(tiling, content):
    points, _ = tiling("triangular")
    rng = np.random.default_rng(3)
    labels = {
        "one": np.zeros(len(points), int),
        "alloy": rng.integers(0, 2, len(points)),
        "dopant": (rng.random(len(points)) < 0.04).astype(int),
        "dopant and vacancies": (rng.random(len(points)) < 0.04).astype(int),
        "ordered": None,
    }[content]
    if labels is None:
        points, labels, _, _ = kagome_with_centres(tiling, empty=0.0)
    kept = rng.random(len(points)) > (0.03 if "vacancies" in content else 0)
    cells = find_cells((points + rng.normal(0, 0.03, points.shape))[kept], labels[kept])
    assert (cells.centre_atoms == -1).all()
    if kept.all():
        assert set(cells.n_corners.tolist()) == {3}


def test_square_triangle_tilings_keep_their_triangles(tiling, census):
    points, site = tiling("snub")
    cells = find_cells(points, site)
    assert set(census(cells)) == {3, 4}
    inner = census(cells, inner=True)
    assert inner[3] / inner[4] == pytest.approx(2, abs=0.25)


@pytest.fixture(scope="module")
def oxide(shared_data):
    truth = np.load(shared_data / "simulated" / "pom_m1_medium.truth.npz")
    rings = [frozenset(v.tolist()) for v in np.split(truth["cell_vertices"], truth["cell_offsets"][1:-1])]
    return truth["xy"], truth["motif"], truth["motif_coarse"], rings, truth["cell_centre_column"]


@pytest.mark.parametrize(
    "disorder", ["none", "no labels", "coarse labels", "split labels", "wrong labels", "scatter"]
)
def test_units_and_channels_of_an_oxide(oxide, disorder):
    points, labels, coarse, rings, centre = oxide
    rng = np.random.default_rng(8)
    if disorder == "no labels":
        labels = None
    if disorder == "split labels":
        labels = 4 * labels + rng.integers(0, 4, len(labels))
    if disorder == "coarse labels":
        labels = coarse
    if disorder == "wrong labels":
        labels = np.where(rng.random(len(labels)) < 0.02, rng.integers(0, 13, len(labels)), labels)
    if disorder == "scatter":
        points = points + rng.normal(0, 0.4, points.shape)
    cells = find_cells(points, labels)
    found = {frozenset(p.tolist()): int(o) for p, o in zip(cells.polygons, cells.centre_atoms, strict=True)}
    for size in (3, 5, 6, 7):
        true = {r for r in rings if len(r) == size}
        hit = {r for r in found if len(r) == size}
        assert true <= hit
        # The truth leaves out some cells at the frame.
        assert len(hit - true) <= 0.12 * len(true)
    for ring, column in zip(rings, centre.tolist(), strict=True):
        assert found[ring] == column


def test_missing_atoms_cost_only_their_own_rings(oxide):
    points, labels, _, rings, _ = oxide
    rng = np.random.default_rng(9)
    keep = rng.random(len(points)) > 0.015
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    whole = {frozenset(number[list(r)].tolist()) for r in rings if keep[list(r)].all()}
    moved = points[keep] + rng.normal(0, 0.3, (keep.sum(), 2))
    found = {frozenset(p.tolist()) for p in find_cells(moved, labels[keep]).polygons}
    for size in (3, 5, 6, 7):
        true = {r for r in whole if len(r) == size}
        assert len(true & found) > 0.97 * len(true)

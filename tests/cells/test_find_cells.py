"""Cells of networks and tilings whose truth is known."""

import csv

import numpy as np
import pytest

from hyperspy_motifs.cells import Cells, RadiusBonds, find_cells


def case(shared_data, name):
    truth = np.load(shared_data / "simulated" / f"{name}.truth.npz")
    true = np.split(truth["cell_vertices"], truth["cell_offsets"][1:-1])
    return truth["xy"], truth["motif"], {frozenset(v.tolist()) for v in true}


def test_rings_of_silica_need_no_threshold(silica, census):
    cells = find_cells(silica)
    assert census(cells) == {4: 11, 5: 79, 6: 130, 7: 46, 8: 21, 9: 2}
    given = find_cells(silica, bonds=RadiusBonds(3.8))
    assert {frozenset(p.tolist()) for p in cells.polygons} == {frozenset(p.tolist()) for p in given.polygons}


@pytest.mark.parametrize("name", ["mose2_mirror_medium", "mose2_mirror_medium_b", "graphene_gb_medium"])
@pytest.mark.parametrize("scatter", [0.0, 0.3])
def test_rings_of_simulated_boundaries(shared_data, name, scatter):
    points, labels, true = case(shared_data, name)
    rng = np.random.default_rng(5)
    cells = find_cells(points + rng.normal(0, scatter, points.shape), labels)
    assert {frozenset(p.tolist()) for p in cells.polygons} == true
    assert cells.clarity > 0.8


def test_four_rings_that_share_edges_need_no_labels(shared_data):
    # Their short diagonals, between like atoms, are shorter than some of their sides.
    points, _, true = case(shared_data, "mose2_mirror_medium_b")
    cells = find_cells(points)
    assert {frozenset(p.tolist()) for p in cells.polygons} == true
    assert np.sum(cells.n_corners == 4) == 44


@pytest.mark.parametrize(("scatter", "least"), [(0.0, 1.0), (0.1, 0.93), (0.15, 0.85)])
def test_rings_of_amorphous_carbon(shared_data, scatter, least):
    truth = np.load(shared_data / "coordinates" / "sAMC500-100_crop.truth.npz")
    true = [frozenset(v.tolist()) for v in np.split(truth["cell_vertices"], truth["cell_offsets"][1:-1])]
    points = truth["xy"] + np.random.default_rng(4).normal(0, scatter, truth["xy"].shape)
    found = [frozenset(p.tolist()) for p in find_cells(points).polygons]
    for rings in (range(5, 10), range(10, 13)):
        a, b = {r for r in true if len(r) in rings}, {r for r in found if len(r) in rings}
        assert 2 * len(a & b) / (len(a) + len(b)) >= least


def test_polygons_turn_counter_clockwise_and_cover_the_field(tiling, census):
    points, _ = tiling("kagome")
    cells = find_cells(points)
    for polygon, area in zip(cells.polygons, cells.areas, strict=True):
        x, y = points[polygon].T
        assert 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) == pytest.approx(area)
    expected = {3: np.sqrt(3) / 4, 6: 1.5 * np.sqrt(3)}
    for size, area in expected.items():
        np.testing.assert_allclose(cells.areas[cells.n_corners == size], area, rtol=1e-9)
    np.testing.assert_allclose(
        cells.centres, [points[p].mean(axis=0) for p in cells.polygons], rtol=0, atol=1e-12
    )


def test_adjacency_counts_shared_bonds(tiling):
    points, _ = tiling("square", 8.3, 5.1)
    cells = find_cells(points)
    i, j, shared = cells.adjacency.T
    assert (i < j).all()
    np.testing.assert_array_equal(shared, 1)
    np.testing.assert_allclose(np.linalg.norm(cells.centres[i] - cells.centres[j], axis=1), 1.0)
    rows, columns = 5 - 1, 9 - 1
    assert len(cells) == rows * columns
    assert len(shared) == rows * (columns - 1) + columns * (rows - 1)


def test_border_flags_cells_that_miss_a_neighbour(tiling):
    points, _ = tiling("square", 8.3, 5.1)
    cells = find_cells(points)
    edge = (np.abs(cells.centres - points.mean(axis=0)) > np.ptp(points, axis=0) / 2 - 0.9).any(axis=1)
    np.testing.assert_array_equal(cells.on_border, edge)
    low, high = points.min(axis=0), points.max(axis=0)
    wide = find_cells(points, extent=(low[0] - 5, high[0] + 5, low[1] - 5, high[1] + 5))
    np.testing.assert_array_equal(wide.on_border, edge)
    narrow = find_cells(points, extent=(low[0] + 1.9, high[0] - 1.9, low[1], high[1]))
    assert narrow.on_border.sum() > edge.sum()


def test_chosen_motifs_keep_the_numbers_of_all_points(tiling):
    points, site = tiling("honeycomb")
    cells = find_cells(points, site, motifs=[1])
    assert set(cells.n_corners.tolist()) == {3}
    assert (site[cells.vertices] == 1).all()
    assert (site[cells.bonds] == 1).all()
    assert {c.corner_sequence for c in cells.classes} == {(1, 1, 1)}


def test_vacancies_leave_larger_cells(tiling, census):
    points, _ = tiling("triangular")
    points = points[np.lexsort(points.T)]
    inner = np.flatnonzero((np.abs(points) < 4).all(axis=1))
    cells = find_cells(np.delete(points, inner[[10, 40]], axis=0))
    assert census(cells)[6] == 2
    assert [c.shape for c in cells.classes] == ["regular", "regular"]


def test_doubtful_labels_do_not_multiply_classes(tiling):
    points, site = tiling("honeycomb")
    rng = np.random.default_rng(2)
    wrong = rng.random(len(site)) < 0.06
    labels = np.where(wrong, rng.integers(2, 7, len(site)), site)
    probabilities = np.where(wrong, 0.3, 0.95)
    sure = find_cells(points, labels)
    assert len(sure.classes) > 15
    cells = find_cells(points, labels, probabilities=probabilities)
    assert {c.corner_sequence for c in cells.classes} == {(0, 1, 0, 1, 0, 1)}
    # A rare motif that is certain stays.
    probabilities[:] = 0.95
    assert len(find_cells(points, labels, probabilities=probabilities).classes) == len(sure.classes)


def test_atom_without_bonds_is_a_centre_atom(tiling):
    points, site = tiling("kagome")
    cells = find_cells(points, site)
    hexagon = int(np.flatnonzero((cells.n_corners == 6) & ~cells.on_border)[0])
    filled = np.vstack([points, cells.centres[hexagon]])
    labels = np.append(site, 3)
    again = find_cells(filled, labels, bonds=cells.bonds)
    host = np.flatnonzero(again.centre_atoms >= 0)
    assert again.centre_atoms[host].tolist() == [len(points)]
    np.testing.assert_allclose(again.centres[host[0]], cells.centres[hexagon])
    assert again.class_centre_atoms[again.labels[host[0]]] == 3


def test_large_faces_are_voids(tiling):
    points, _ = tiling("square", 14.3, 14.1)
    centre = points.mean(axis=0)
    ring = points[np.abs(points - centre).max(axis=1) > 3.4]
    cells = find_cells(ring)
    assert set(cells.n_corners.tolist()) == {4}
    inner = np.abs(cells.centres - centre).max(axis=1) < 4.4
    assert cells.on_border[inner].all()
    assert set(find_cells(ring, max_corners=100).n_corners.tolist()) == {4, 32}


def test_arrays_rebuild_cells():
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    cells = find_cells(grid + rng.normal(0, 0.02, grid.shape), rng.integers(0, 2, len(grid)))
    again = Cells.from_arrays(cells.to_arrays())
    for name, value in cells.to_arrays().items():
        assert np.array_equal(value, getattr(again, name)), name
    assert again.corner_sequences == cells.corner_sequences
    assert again.classes == cells.classes
    broken = cells.to_arrays()
    del broken["areas"]
    with pytest.raises(ValueError, match="areas"):
        Cells.from_arrays(broken)


def test_table_has_a_row_a_cell(tiling, tmp_path):
    points, site = tiling("snub")
    cells = find_cells(points, site % 2)
    table = cells.to_dict()
    assert {len(column) for column in table.values()} == {len(cells)}
    assert [
        tuple(map(int, sequence.split("-"))) for sequence in table["corner_sequence"]
    ] == cells.corner_sequences
    assert [list(map(int, c.split("-"))) for c in table["corners"]] == [p.tolist() for p in cells.polygons]
    np.testing.assert_array_equal(table["strain_xy"], cells.strain[:, 2])
    np.testing.assert_allclose(np.radians(table["orientation"]), cells.orientation)
    cells.to_csv(tmp_path / "cells.csv")
    with open(tmp_path / "cells.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(cells)
    assert list(rows[0]) == list(table)
    np.testing.assert_array_equal([float(row["area"]) for row in rows], cells.areas)
    assert [row["shape"] for row in rows] == table["shape"].tolist()
    empty = find_cells(points[:2]).to_dict()
    assert all(len(column) == 0 for column in empty.values())


@pytest.mark.parametrize(("name", "orders"), [("square", {4}), ("honeycomb", {6}), ("snub", {3, 4})])
def test_symmetry_of_classes_is_that_of_their_polygons(tiling, name, orders):
    cells = find_cells(tiling(name)[0])
    assert set(cells.symmetry.tolist()) == orders
    assert np.abs(cells.orientation).max() <= np.pi / cells.symmetry.min() + 1e-9


def test_motifs_lower_the_symmetry_of_a_hexagon(tiling):
    points, site = tiling("honeycomb")
    cells = find_cells(points, site)
    assert set(cells.symmetry.tolist()) == {3}


def test_labels_count_classes_in_order(tiling):
    points, site = tiling("snub")
    cells = find_cells(points, site % 2)
    counts = np.bincount(cells.labels)
    assert (np.diff(counts) <= 0).all()
    assert len(counts) == len(cells.classes)
    for polygon, sequence in zip(cells.polygons, cells.corner_sequences, strict=True):
        assert sorted(sequence) == sorted((site % 2)[polygon].tolist())


@pytest.mark.parametrize(
    "points", [np.zeros((0, 2)), [[0.0, 1.0], [2.0, 1.0]], [[float(k), 2.0 * k] for k in range(9)]]
)
def test_too_few_or_collinear_points_give_no_cells(points):
    cells = find_cells(points)
    assert len(cells) == 0
    assert cells.polygons == []
    assert cells.corner_sequences == []
    assert ("fewer than three" if len(points) < 3 else "no triangulation") in cells.reason
    assert Cells.from_arrays(cells.to_arrays()).centres.shape == (0, 2)


def test_same_place_is_told(tiling):
    points, _ = tiling("square", 6.3, 5.1)
    with pytest.warns(UserWarning, match="coincide"):
        cells = find_cells(np.vstack([points, points[:2]]))
    assert set(cells.n_corners.tolist()) == {4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((5, 3))}, r"shape \(n, 2\)"),
        ({"points": np.arange(4.0)}, r"shape \(n, 2\)"),
        (
            {"points": 1e31 * np.arange(6.0).reshape(3, 2)},
            "go up to 5e\\+31, and areas of that size overflow",
        ),
        (
            {"points": 1e-32 * np.arange(6.0).reshape(3, 2) ** 2},
            "go up to 2.5e-31, and areas of that size overflow",
        ),
        ({"points": [[0, 0], [1, np.nan], [2, 0]]}, "finite"),
        ({"labels": [0, 1]}, "labels"),
        ({"labels": np.full(30, 0.5)}, "whole"),
        ({"probabilities": [1.0]}, "probabilities"),
        ({"motifs": [7]}, "motif"),
        ({"bonds": "magic"}, "unknown bond rule"),
        ({"bonds": [[0, 99]]}, "99"),
        ({"merge_centred_rings": "perhaps"}, "merge_centred_rings"),
    ],
)
def test_bad_input_is_told(change, message):
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    with pytest.raises(ValueError, match=message):
        find_cells(**{"points": grid, **change})


def honeycomb_with_vacancies(tiling):
    """A honeycomb of two motifs without two of its inner points, the removed points and the complete points."""
    points, site = tiling("honeycomb")
    inner = np.flatnonzero((np.abs(points - points.mean(axis=0)) < [6, 4]).all(axis=1) & (site == 1))
    gone = inner[[3, 20]]
    return np.delete(points, gone, axis=0), np.delete(site, gone), points[gone], points


def test_empty_sites_are_corners(tiling, census):
    points, site, vacant, whole = honeycomb_with_vacancies(tiling)
    opened = find_cells(points, site)
    assert census(opened)[12] == 2
    cells = find_cells(points, site, empty=vacant)
    assert census(cells) == census(find_cells(whole))
    assert cells.n_points == len(points)
    np.testing.assert_array_equal(cells.empty_sites, vacant)
    # Three hexagons meet at a site of a honeycomb, and three bonds.
    assert cells.n_empty.sum() == cells.empty.sum() == 3 * len(vacant)
    assert (cells.bonds >= len(points)).any(axis=1).sum() == 3 * len(vacant)
    corners = cells.with_empty_sites(points)
    centres = [corners[p].mean(axis=0) for p in cells.corners]
    np.testing.assert_allclose(cells.centres, centres, rtol=0, atol=1e-12)
    names = {
        c.name: (c.corner_sequence, int(n))
        for c, n in zip(cells.classes, np.bincount(cells.labels), strict=True)
    }
    assert names["hexagon, 1 vacancy"] == ((-1, 0, 1, 0, 1, 0), 6)
    assert names["hexagon"][0] == (0, 1, 0, 1, 0, 1)
    table = cells.to_dict()
    assert set(table["corner_sequence"][table["n_empty"] == 1]) == {"v-0-1-0-1-0"}
    again = Cells.from_arrays(cells.to_arrays())
    np.testing.assert_array_equal(again.n_empty, cells.n_empty)


def test_empty_sites_take_part_in_any_choice_of_motifs(tiling):
    points, site, vacant, _ = honeycomb_with_vacancies(tiling)
    cells = find_cells(points, site, motifs=[1], empty=vacant)
    assert set(cells.n_corners.tolist()) == {3}
    # Six triangles meet at a site of the triangular sublattice.
    assert (cells.n_empty > 0).sum() == 6 * len(vacant)
    given = find_cells(points, site, bonds=cells.bonds, empty=vacant)
    np.testing.assert_array_equal(given.vertices, cells.vertices)
    with pytest.raises(ValueError, match="empty must be of shape"):
        find_cells(points, empty=[0.0, 1.0, 2.0])

"""Domains and boundaries."""

import numpy as np
import pytest

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.hierarchy import build_hierarchy


@pytest.mark.parametrize(("share", "jitter"), [(0.0, 0.0), (0.03, 0.006)])
def test_a_twin_has_two_domains_and_one_boundary(twin, patterns, share, jitter):
    points, labels = patterns["corrupt"](*twin[:2], share, jitter)
    domain = twin[3]
    hierarchy = build_hierarchy(points, labels, find_cells(points, labels), names=twin[2])
    level = hierarchy.level("domain")
    assert len(level) == 2
    assert sorted(level.labels.tolist()) == [0, 1]
    assert len(hierarchy.level("boundary")) == 1
    grain = domain != 0
    right = (hierarchy.atom_domains == (domain < 0))[grain].mean()
    assert max(right, 1 - right) >= 0.99


def test_the_boundary_of_a_twin_is_its_row_of_squares(twin):
    points, labels, names, _ = twin
    cells = find_cells(points, labels)
    boundary = build_hierarchy(points, labels, cells, names=names).level("boundary")
    inside = boundary.parts[:, 0]
    assert set(np.flatnonzero(cells.n_corners == 4)) <= set(inside.tolist())
    assert np.abs(cells.centres[inside, 1]).max() < 0.45


@pytest.mark.parametrize("degrees", [0.0, 31.0])
def test_a_crystal_has_no_domains_and_ends_at_its_unit_cell(patterns, degrees):
    points, labels = patterns["corrupt"](*patterns["honeycomb"](degrees=degrees), 0.02, 0.03)
    hierarchy = build_hierarchy(points, labels, find_cells(points, labels))
    assert "domain" not in hierarchy.kinds
    assert "composite" not in hierarchy.kinds
    assert hierarchy.kinds[-1] == "unit-cell"
    assert "unit cell" in hierarchy.reason
    assert (hierarchy.atom_domains == 0).all()


def test_turned_grains_are_domains_with_their_angle(patterns):
    left, kinds_left = patterns["honeycomb"](width=40, height=40)
    right, kinds_right = patterns["honeycomb"](width=40, height=40, degrees=17.0)
    left_in = (left[:, 0] < -0.15) & (np.abs(left) < [11, 8]).all(axis=1)
    right_in = (right[:, 0] > 0.15) & (np.abs(right) < [9, 8]).all(axis=1)
    points = np.vstack([left[left_in], right[right_in]])
    labels = np.concatenate([kinds_left[left_in], kinds_right[right_in]])
    hierarchy = build_hierarchy(points, labels, find_cells(points, labels))
    level = hierarchy.level("domain")
    assert len(level) == 2
    turn = np.degrees(level.columns["angle"][0] - level.columns["angle"][1])
    # The hexagons are of three-fold symmetry: angles are known up to 120 degrees.
    assert abs((turn + 60) % 120 - 60) == pytest.approx(17, abs=1)
    expected = np.repeat([0, 1], [left_in.sum(), right_in.sum()])
    away = np.abs(points[:, 0]) > 0.7
    assert np.mean(hierarchy.atom_domains[away] == expected[away]) >= 0.99
    # No translation holds over both grains, but each has its own unit cell.
    assert hierarchy.level("unit-cell").scalars["n_lattices"] == 2
    assert hierarchy.level("unit-cell").scalars["area"] == pytest.approx(np.sqrt(0.75), rel=0.01)


def test_a_checkerboard_is_one_domain_and_a_wall_in_it_makes_two():
    h, k = (v.ravel() for v in np.meshgrid(np.arange(22), np.arange(17)))
    points = np.column_stack([h, k]).astype(float) + np.random.default_rng(0).normal(0, 0.02, (len(h), 2))
    plain = (h + k) % 2
    bonds = "delaunay"
    assert "domain" not in build_hierarchy(points, plain, find_cells(points, plain, bonds)).kinds
    walled = np.where((plain == 1) & (h > 10), 2, plain)
    hierarchy = build_hierarchy(points, walled, find_cells(points, walled, bonds))
    level = hierarchy.level("domain")
    assert len(level) == 2
    assert sorted(level.labels.tolist()) == [0, 1]

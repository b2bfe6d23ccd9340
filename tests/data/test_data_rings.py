"""Rings of known nets."""

import numpy as np
import pytest

from hyperspy_motifs.data import (
    Imaging,
    grain_boundary_specimen,
    lattice_specimen,
    m1_oxide_specimen,
    simulate,
)
from hyperspy_motifs.data._rings import bonds_within, find_rings, group_names, signed_area, vertex_figures


def test_a_hexagon_with_a_tail_has_one_ring():
    angle = np.deg2rad(60.0 * np.arange(6))
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    points = np.concatenate([points, [[2.0, 0.0], [3.0, 0.0], [9.0, 9.0]]])
    bonds = bonds_within(points, 1.1)
    rings = find_rings(points, bonds)
    assert len(bonds) == 8
    assert [ring.tolist() for ring in rings] == [[0, 1, 2, 3, 4, 5]]
    assert signed_area(points[rings[0]]) == pytest.approx(1.5 * np.sqrt(3))


@pytest.mark.parametrize("kind", ["square", "triangular", "honeycomb", "kagome"])
def test_euler_formula_holds(kind):
    points = lattice_specimen(kind, 2.0, spacing=0.25).positions
    bonds = bonds_within(points, 0.3)
    degree = np.bincount(bonds.ravel(), minlength=len(points))
    while (degree[bonds] < 2).any():
        bonds = bonds[(degree[bonds] > 1).all(axis=1)]
        degree = np.bincount(bonds.ravel(), minlength=len(points))
    rings = find_rings(points, bonds)
    assert np.count_nonzero(degree) - len(bonds) + len(rings) == 1
    hull = sum(signed_area(points[ring]) for ring in rings)
    assert 0.75 * np.pi * 2.0**2 < hull < np.pi * 2.0**2


def test_figures_are_the_same_for_reflections():
    rng = np.random.default_rng(0)
    specimen = lattice_specimen("kagome", 1.5)
    order = rng.permutation(len(specimen.positions))
    points = specimen.positions[order]
    mirrored = points * [-1, 1]
    for net in (points, mirrored):
        rings = find_rings(net, bonds_within(net, 0.3))
        figures = vertex_figures(len(net), net, rings)
        inner = np.hypot(*net.T) < 0.8
        assert {f for f, ok in zip(figures, inner, strict=True) if ok} == {"3.6.3.6"}


def test_names_are_numbered_by_frequency():
    labels, names = group_names(["b", "a", "b", "c", "b", "a"])
    assert names == ["b", "a", "c"]
    assert labels.tolist() == [0, 1, 0, 2, 0, 1]


@pytest.mark.parametrize("rotation", [0.0, 77.0, 200.0])
def test_cells_are_counter_clockwise_in_the_image(rotation):
    imaging = Imaging(shape=(160, 200), rotation=rotation, strain=0.02, wobble=1.0)
    for specimen in (
        lattice_specimen("honeycomb", imaging.reach),
        m1_oxide_specimen(imaging.reach),
        grain_boundary_specimen(15.0, imaging.reach),
    ):
        _, truth = simulate(specimen, imaging)
        assert len(truth.cells) == len(truth.cell_types) > 3
        assert min(signed_area(truth.positions[cell]) for cell in truth.cells) > 0
        assert max(cell.max() for cell in truth.cells) < len(truth.positions)

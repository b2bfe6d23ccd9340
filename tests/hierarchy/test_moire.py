"""Moire lattices from coordinates and from Fourier peaks."""

import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.hierarchy import find_moire, fourier_moire, moire_level


def _hexagonal(parameter, degrees):
    turn = np.deg2rad(degrees + np.array([0.0, 60.0]))
    return parameter * np.column_stack([np.cos(turn), np.sin(turn)])


@pytest.fixture(scope="module")
def waves():
    """Points with the six waves of a moire of period 120, turned by 11 degrees, an extremum at (40, 70)."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, [520, 430], (2400, 2))
    vectors = _hexagonal(120.0, 11.0)
    phase = 2 * np.pi * (points - [40, 70]) @ np.linalg.inv(vectors)
    third = phase[:, 0] + phase[:, 1]
    even = np.cos(np.column_stack([phase, phase[:, 0] - phase[:, 1]]))
    odd = np.sin(np.column_stack([phase, third]))
    values = np.column_stack([even.sum(axis=1), even[:, :2], odd]) + rng.normal(0, 0.2, (2400, 6))
    return points, values, vectors


def test_cell_of_known_waves(waves):
    points, values, vectors = waves
    found = find_moire(points, values)
    assert found.period == pytest.approx(120.0, rel=0.005)
    assert found.angle == pytest.approx(120.0, abs=0.5)
    assert found.certainty > 0.8
    assert 0 < found.period_error < 1.0
    steps = found.vectors @ np.linalg.inv(vectors)
    np.testing.assert_allclose(steps, steps.round(), atol=0.02)


def test_sites_are_extrema_and_threefold_points(waves):
    points, values, vectors = waves
    found = find_moire(points, values)
    offset = (found.sites - [40, 70]) @ np.linalg.inv(vectors)
    fraction = offset - offset.round()
    assert np.abs(fraction[found.site_kinds == 0] @ vectors).max() < 5
    for kind in (1, 2):
        inside = np.abs(fraction[found.site_kinds == kind])
        np.testing.assert_allclose(inside, 1 / 3, atol=0.04)


def test_twist_and_heterostrain_from_the_cell():
    atomic = _hexagonal(10.0, 0.0)
    turn = np.deg2rad(4.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    strain = np.array([[0.004, 0.0], [0.0, -0.004]])
    upper = atomic @ ((np.eye(2) + strain) @ rotation).T
    difference = np.linalg.inv(upper).T - np.linalg.inv(atomic).T
    vectors = np.linalg.inv(difference).T
    rng = np.random.default_rng(1)
    points = rng.uniform(0, [520, 470], (2000, 2))
    phase = 2 * np.pi * points @ difference.T
    third = phase[:, 0] - phase[:, 1]
    values = np.column_stack([np.cos(phase), np.sin(phase), np.cos(third), np.sin(third)])
    mean = np.linalg.inv(0.5 * (np.linalg.inv(upper) + np.linalg.inv(atomic)))
    found = find_moire(points, values, lattice=mean)
    assert found.area == pytest.approx(abs(np.linalg.det(vectors)), rel=0.01)
    assert found.twist == pytest.approx(4.0, abs=0.1)
    np.testing.assert_allclose(found.heterostrain, strain, atol=0.002)


def test_no_moire_in_noise():
    rng = np.random.default_rng(2)
    points = rng.uniform(0, [300, 340], (900, 2))
    assert find_moire(points, rng.normal(size=(900, 5))) is None


@pytest.mark.parametrize(("twist", "dose"), [(5.0, 4e5), (11.0, 1e5), (3.4, 4e5)])
def test_fourier_peaks_of_a_twisted_bilayer(twist, dose):
    image, truth = data.twisted_bilayer(
        twist=twist, dose=dose, shape=(700, 760), rotation=23.0, random_state=3
    )
    found = fourier_moire(image.data)
    pixel = image.axes_manager[0].scale
    assert found.period * pixel == pytest.approx(truth.extra["moire_period"], rel=0.01)
    assert found.twist == pytest.approx(twist, abs=0.05)
    assert np.abs(found.heterostrain).max() < 0.002


def test_one_lattice_has_no_moire():
    image, _ = data.monolayer(shape=(360, 420))
    assert fourier_moire(image.data) is None


def test_large_twist_of_real_graphene(shared_data):
    file = np.load(shared_data / "real" / "twisted_graphene.npz")
    found = fourier_moire(file["im_array"])
    pixel = float(file["pixel_size"]) * 1e9
    # a / (2 sin(twist / 2)) with the lattice parameter of graphene.
    expected = 0.246 / (2 * np.sin(np.deg2rad(found.twist) / 2))
    assert found.period * pixel == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("points", "values"), [(np.ones((5, 3)), np.ones((5, 2))), (np.ones((5, 2)), np.ones((4, 2)))]
)
def test_shapes_that_do_not_fit(points, values):
    with pytest.raises(ValueError, match="expected"):
        find_moire(points, values)


def test_a_start_that_the_spectrum_of_few_cells_cannot_give(waves):
    points, values, _ = waves
    wrong = find_moire(points, values, start=_hexagonal(61.0, 3.0))
    # The start that explains more is taken.
    assert wrong.period == pytest.approx(120.0, rel=0.005)
    right = find_moire(points, values, start=_hexagonal(118.0, 12.0))
    assert right.period == pytest.approx(120.0, rel=0.005)


def test_cells_of_a_moire_are_a_level(waves):
    points, values, _ = waves
    found = find_moire(points, values)
    level = moire_level(found, points, "px")
    assert level.kind == "moire-cell"
    assert "120" in level.reason
    # Each atom in one cell at most; a whole cell holds the atoms of its area.
    assert len(np.unique(level.parts[:, 0])) == len(level.parts)
    counts = np.bincount(level.parts[:, 1], minlength=len(level))
    whole = ~level.columns["on_border"]
    expected = found.area * len(points) / (520 * 430)
    assert whole.any()
    # Random points: their number has a spread of a tenth.
    np.testing.assert_allclose(counts[whole], expected, rtol=0.35)
    # Neighbours lie one translation apart, and have one side in common.
    step = level.centres[level.adjacency[:, 1]] - level.centres[level.adjacency[:, 0]]
    np.testing.assert_allclose(np.hypot(*step.T), 120.0, rtol=0.01)
    assert (level.adjacency[:, 2] == 1).all()
    assert level.scalars["period"] == pytest.approx(found.period)
    assert "twist" not in level.scalars

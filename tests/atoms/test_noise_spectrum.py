"""Noise as it is: what was resampled, smoothed or averaged has grain, which is no column."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import NoiseSpectrum, estimate_separation, find_atoms
from hyperspy_motifs.data import grain_boundary, monolayer


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0])
def test_variance_of_sums_of_noise_that_was_smoothed(sigma):
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 5.0, (400, 500))
    noise = ndimage.gaussian_filter(noise, sigma) if sigma else noise
    y, x = np.mgrid[-7:8, -9:10]
    weights = np.exp(-(x**2 + 0.5 * y**2) / 18) - 0.2
    sums = ndimage.correlate(noise, weights, mode="wrap")
    spectrum = NoiseSpectrum.of_windows([noise[:, :256], noise[:, 244:]])
    assert spectrum.variance == pytest.approx(noise.var(), rel=0.1)
    assert spectrum.variance_of_sum(weights) == pytest.approx(sums.var(), rel=0.15)


def test_a_lattice_beneath_the_noise_is_no_noise():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:300, :320]
    lattice = 20 * np.cos(2 * np.pi * x / 11.3) * np.cos(2 * np.pi * y / 9.1)
    spectrum = NoiseSpectrum.of_windows([lattice + rng.normal(0, 2.0, lattice.shape)])
    assert spectrum.variance == pytest.approx(4.0, rel=0.1)


def test_the_slow_noise_is_that_of_the_next_frequency():
    rng = np.random.default_rng(2)
    shape = (260, 280)
    background = 30 * ndimage.gaussian_filter(rng.normal(size=shape), 12)
    spectrum = NoiseSpectrum.of_windows([background + rng.normal(0, 2.0, shape)])
    slow = np.exp(-((np.mgrid[-9:10, -11:12] / 6) ** 2).sum(axis=0))
    assert spectrum.variance_of_sum(slow) > 2 * 4.0 * (slow**2).sum()
    assert spectrum.level_below(0.15).variance_of_sum(slow) == pytest.approx(4.0 * (slow**2).sum(), rel=0.15)


def f1(found, truth, shape, separation):
    height, width = shape
    inside = lambda p: ((p > 2 * separation) & (p < np.array([width, height]) - 2 * separation)).all(axis=1)  # noqa: E731
    hit = (cKDTree(found).query(truth)[0] < 0.4 * separation) & inside(truth)
    false = (cKDTree(truth).query(found)[0] > 0.4 * separation) & inside(found)
    return 2 * hit.sum() / (hit.sum() + inside(truth).sum() + false.sum())


@pytest.mark.parametrize(
    ("specimen", "dose", "factor", "order"),
    [(monolayer, 3e4, 1.4, 3), (monolayer, 3e4, 2.6, 3), (grain_boundary, 2e6, 2.0, 1)],
)
def test_no_columns_in_the_grain_of_a_resampled_image(specimen, dose, factor, order):
    signal, truth = specimen(shape=(230, 251), dose=dose, random_state=4)
    image = ndimage.zoom(
        np.asarray(signal.data, float), factor, order=order, grid_mode=True, mode="grid-constant"
    )
    positions = (truth.positions + 0.5) * factor - 0.5
    separation = np.median(cKDTree(positions).query(positions, k=2)[0][:, 1])
    assert estimate_separation(image)[0] == pytest.approx(separation, rel=0.1)
    assert f1(find_atoms(image).positions, positions, image.shape, separation) > 0.99


def test_uncertainty_of_positions_in_correlated_noise():
    signal, truth = monolayer(shape=(260, 281), dose=1e5, random_state=2)
    image = ndimage.zoom(np.asarray(signal.data, float), 2.0, order=3, grid_mode=True, mode="grid-constant")
    atoms = find_atoms(image)
    positions = (truth.positions + 0.5) * 2 - 0.5
    distance, nearest = cKDTree(positions).query(atoms.positions)
    inside = ((atoms.positions > 60) & (atoms.positions < [500, 460])).all(axis=1) & (distance < 8)
    error = (atoms.positions - positions[nearest])[inside]
    pull = (error - np.median(error, axis=0)) / atoms.uncertainty[inside]
    # Robust standard deviation of the errors over what is reported; 2 to 3 if the noise is taken as white.
    assert 0.7 < 1.4826 * np.median(np.abs(pull)) < 1.4

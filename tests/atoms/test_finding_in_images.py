"""Columns of images of the simulators and of microscopes."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from hyperspy_motifs import data
from hyperspy_motifs.atoms import estimate_separation, find_atoms, nearest_neighbour_distance
from hyperspy_motifs.atoms._atoms import in_crystal


def test_coarse_columns_at_low_dose_are_not_taken_for_noise():
    signal, truth = data.perovskite("SrTiO3", pixel_size=0.008, dose=5e3, shape=(256, 277), random_state=0)
    spacing = np.median(cKDTree(truth.positions).query(truth.positions, k=2)[0][:, 1])
    separation, certainty = estimate_separation(np.asarray(signal.data, float))
    assert separation == pytest.approx(spacing, rel=0.1)
    assert certainty > 0.5


def test_light_columns_that_fade_before_the_heavy_ones_give_the_separation():
    signal, truth = data.monolayer(
        "WS2", pixel_size=0.0125, probe_size=0.1, dose=3e4, shape=(384, 405), rotation=7.0, random_state=0
    )
    spacing = np.median(cKDTree(truth.positions).query(truth.positions, k=2)[0][:, 1])
    separation, certainty = estimate_separation(np.asarray(signal.data, float))
    # The tungsten atoms alone, which respond at many more scales, are 1.7 times as far apart.
    assert separation == pytest.approx(spacing, rel=0.1)
    assert certainty > 0.5


def test_carbon_around_dopants_in_single_frames_of_low_dose(shared_data):
    found = np.load(shared_data / "real" / "si_graphene.npz")
    for k, image in enumerate(found["images"].astype(float)):
        atoms = find_atoms(image)
        assert atoms.polarity == "bright"
        assert atoms.separation == pytest.approx(17.0, rel=0.1)
        silicon = found["si_xy"][found["si_frame"] == k]
        assert cKDTree(atoms.positions).query(silicon)[0].max() < 4.0
        carbon = found["c_xy"][found["c_frame"] == k]
        assert np.mean(cKDTree(atoms.positions).query(carbon)[0] < 6.0) > 0.6


def test_ripples_of_a_cut_off_between_columns_are_no_columns(shared_data):
    image = np.asarray(hs.load(shared_data / "simulated" / "sto_ferro_medium.hspy").data, float)
    y, x = (np.fft.fftfreq(n) for n in image.shape)
    cut = np.fft.ifft2(np.fft.fft2(image) * (np.hypot(y[:, None], x) < 0.16)).real
    assert estimate_separation(cut)[0] == pytest.approx(19.1, rel=0.05)


def test_a_wide_grain_boundary_is_no_disorder():
    signal, truth = data.grain_boundary(shape=(420, 441), random_state=47)
    found = find_atoms(np.asarray(signal.data, float)).positions
    inner = ((truth.positions > 18) & (truth.positions < np.array([441, 420]) - 18)).all(axis=1)
    assert cKDTree(found).query(truth.positions[inner])[0].max() < 5.0


def test_columns_at_the_boundary_of_two_phases_are_no_disorder():
    # A tiling with many vectors next to a dense lattice with few, whose displacements outnumber its own.
    tiling = data.square_triangle_specimen("sigma", 30, edge=1.0).positions
    tiling = tiling[(np.abs(tiling[:, 0]) < 20) & (tiling[:, 1] > 2) & (tiling[:, 1] < 16)]
    i, j = np.meshgrid(np.arange(-60, 60), np.arange(-60, 60))
    c, s = np.cos(0.1), np.sin(0.1)
    dense = 0.62 * np.column_stack([i.ravel(), j.ravel()]) @ [[c, s], [-s, c]]
    dense = dense[(np.abs(dense[:, 0]) < 20) & (dense[:, 1] > -24) & (dense[:, 1] < 1.6)]
    points = np.concatenate([tiling, dense])
    points += np.random.default_rng(0).normal(0, 0.02, points.shape)
    assert in_crystal(points, nearest_neighbour_distance(points)).all()


def _rendered(points, shape, sigma):
    rows, columns = np.indices(shape)
    image = np.zeros(shape)
    for x, y in points:
        box = np.s_[max(int(y) - 16, 0) : int(y) + 17, max(int(x) - 16, 0) : int(x) + 17]
        image[box] += np.exp(-((columns[box] - x) ** 2 + (rows[box] - y) ** 2) / (2 * sigma**2))
    return image


def _triangular(spacing, shape, angle):
    i, j = np.meshgrid(np.arange(-60, 61), np.arange(-60, 61))
    c, s = np.cos(angle), np.sin(angle)
    points = np.column_stack([i.ravel() + 0.5 * j.ravel(), np.sqrt(0.75) * j.ravel()]) @ [[c, s], [-s, c]]
    points = spacing * points + np.array(shape[::-1]) / 2
    return points[((points > 0) & (points < np.array(shape[::-1]) - 1)).all(axis=1)]


def test_a_particle_on_an_amorphous_film_is_found_without_the_film():
    rng, shape = np.random.default_rng(5), (411, 434)
    crystal = _triangular(17.0, shape, 0.3)
    crystal = crystal[np.hypot(*(crystal - np.array(shape[::-1]) / 2).T) < 150]
    film = gaussian_filter(rng.normal(size=shape), 2.5)
    image = _rendered(crystal, shape, 3.2) + 0.08 * film / film.std() + 0.2
    found = find_atoms(rng.poisson(60 * np.clip(image, 0, None)).astype(float)).positions
    assert cKDTree(found).query(crystal)[0].max() < 4.0
    # Some maxima of the film are the continuation of the lattice.
    assert np.sum(cKDTree(crystal).query(found)[0] > 4.0) < 0.1 * len(crystal)


def test_a_glass_beside_a_crystal_is_found_too():
    rng, shape = np.random.default_rng(8), (402, 437)
    crystal = _triangular(14.0, shape, 0.2)
    glass = np.zeros((0, 2))
    for point in rng.uniform([272, 0], [shape[1] - 1, shape[0] - 1], (6_000, 2)):
        if not (np.hypot(*(glass - point).T) < 13.0).any():
            glass = np.vstack([glass, point])
    points = np.concatenate([crystal[crystal[:, 0] < 260], glass])
    image = rng.poisson(150 * (_rendered(points, shape, 2.6) + 0.1)).astype(float)
    found = find_atoms(image).positions
    inner = ((points > 14) & (points < np.array(shape[::-1]) - 15)).all(axis=1)
    assert np.mean(cKDTree(found).query(points[inner])[0] < 4.0) > 0.98

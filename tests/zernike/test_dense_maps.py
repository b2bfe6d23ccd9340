"""Moments of every pixel, and symmetry maps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_motifs.zernike import (
    NoiseModel,
    ZernikeBasis,
    dense_moments,
    get_moments,
    get_symmetry,
    get_symmetry_maps,
)


@pytest.fixture(scope="module")
def basis():
    return ZernikeBasis(6, 7.3)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((73, 91)) + 50


def test_maps_hold_the_moments_of_the_pixels(image, basis):
    maps = dense_moments(image, basis)
    assert maps.shape == (28, 73, 91)
    points = np.array([[20, 30], [9, 9], [80, 60]])
    moments = get_moments(image, points, basis, normalise=False, noise=NoiseModel(0, 1))
    assert_allclose(maps[:, points[:, 1], points[:, 0]].T, moments.values, atol=1e-4)


def test_tiles_do_not_show(basis, monkeypatch):
    from hyperspy_motifs.zernike import _dense

    image = np.random.default_rng(1).random((60, 80))
    whole = dense_moments(image, basis)
    monkeypatch.setattr(_dense, "_TILE", 32)
    assert_allclose(dense_moments(image, basis), whole, atol=1e-6)


@pytest.mark.parametrize(("fold", "other"), [(3, 4), (4, 3), (6, 4)])
def test_symmetry_map_of_a_star(fold, other):
    rows, columns = np.mgrid[-40:41, -45:46]
    image = sum(
        np.exp(-((columns - 11 * np.cos(t)) ** 2 + (rows - 11 * np.sin(t)) ** 2) / 18)
        for t in 2 * np.pi * np.arange(fold) / fold + 0.2
    )
    maps = get_symmetry_maps(image, ZernikeBasis(8, 16.0), folds=(fold, other))
    assert maps.scores.shape == (2, 81, 91)
    assert maps.scores[0, 40, 45] > 0.98
    assert maps.scores[1, 40, 45] < 0.05
    assert maps.mirror[40, 45] > 0.98
    assert_allclose(np.exp(2j * fold * maps.axis[40, 45]), np.exp(2j * fold * 0.2), atol=0.05)
    assert maps.scores[0, 40, 62] < 0.7
    inside = np.s_[16:-16, 16:-16]
    assert np.isfinite(maps.mirror[inside]).all()
    assert np.isfinite(maps.mirror).sum() == maps.mirror[inside].size


def test_symmetry_maps_hold_the_scores_of_the_pixels(basis):
    """The map equals the moments at an atom, with one level of noise subtracted for all pixels."""
    image = np.random.default_rng(3).poisson(900, (50, 60)).astype(float)
    image[20:32, 25:40] += 400
    noise = NoiseModel(0, 30)
    points = np.array([[25, 20], [31, 25], [42, 30]])
    maps = get_symmetry_maps(image, basis, noise=noise)
    moments = get_moments(image, points, basis, normalise=False, noise=noise)
    expected = get_symmetry(moments)
    assert_allclose(maps.scores[:, points[:, 1], points[:, 0]].T, expected.scores, atol=0.02)
    assert_allclose(maps.mirror[points[:, 1], points[:, 0]], expected.mirror, atol=0.02)
    turned = np.exp(2j * maps.axis[points[:, 1], points[:, 0]])
    assert_allclose(turned, np.exp(2j * expected.axis), atol=1e-3)


@pytest.mark.parametrize("shape", [(12, 50), (50,)])
def test_image_must_hold_a_disc(shape, basis):
    with pytest.raises(ValueError, match="at least 17 x 17"):
        dense_moments(np.zeros(shape), basis)


def test_symmetry_map_needs_angular_orders(image):
    with pytest.raises(ValueError, match="n_max"):
        get_symmetry_maps(image, ZernikeBasis(1, 5.0))

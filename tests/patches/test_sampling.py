"""Sub-pixel sampling of patches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

from hyperspy_motifs.patches import (
    check_positions,
    iterate_patches,
    sample_patches,
    spline_coefficients,
)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(1).normal(size=(41, 57))


def interpolated(image, positions, size):
    offset = np.arange(size) - size // 2
    rows = positions[:, 1, None, None] + offset[:, None] + 0 * offset
    columns = positions[:, 0, None, None] + offset + 0 * offset[:, None]
    return ndimage.map_coordinates(image, [rows, columns], order=3, mode="mirror")


def test_coefficients_are_those_of_scipy(image):
    expected = ndimage.spline_filter(image, order=3, mode="mirror")
    assert_allclose(spline_coefficients(image), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 9), (3, 40), (300, 5), (17, 600)])
def test_coefficients_of_narrow_and_wide_images(shape):
    image = np.random.default_rng(2).normal(size=shape)
    assert_allclose(
        spline_coefficients(image), ndimage.spline_filter(image, order=3, mode="mirror"), atol=1e-5
    )


def test_patches_are_those_of_scipy_also_at_the_border(image):
    positions = np.random.default_rng(3).uniform(0, [56, 40], (30, 2))
    patches = sample_patches(image, positions, radius=5.5)
    assert patches.shape == (30, 13, 13)
    assert_allclose(patches, interpolated(image, positions, 13), atol=1e-5)


def test_whole_pixels_give_the_pixels(image):
    patch = sample_patches(image, [[20, 15]], radius=4)[0]
    assert_allclose(patch, image[11:20, 16:25], atol=1e-5)


def test_blocks_cover_all_positions_in_order(image):
    positions = np.random.default_rng(4).uniform(0, [56, 40], (23, 2))
    blocks = [
        (chosen, patches.copy())
        for chosen, patches in iterate_patches(spline_coefficients(image), positions, 7, block=5)
    ]
    assert [chosen.start for chosen, _ in blocks] == [0, 5, 10, 15, 20]
    assert_allclose(np.concatenate([p for _, p in blocks]), sample_patches(image, positions, 3))


@pytest.mark.parametrize(
    ("positions", "message"),
    [([[1.0, 2.0, 3.0]], "shape"), ([[60.0, 3.0]], "outside"), ([[np.nan, 3.0]], "not finite")],
)
def test_bad_positions_are_named(positions, message):
    with pytest.raises(ValueError, match=message):
        check_positions(positions, (41, 57))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1j])
def test_image_must_be_real_and_finite(bad):
    image = np.ones((9, 11), dtype=complex if bad == 1j else float)
    image[4, 5] = bad
    with pytest.raises(ValueError, match=r"real|NaN"):
        sample_patches(image, [[5, 4]], 2)


def test_image_must_be_two_dimensional():
    with pytest.raises(ValueError, match="two-dimensional"):
        sample_patches(np.zeros((3, 4, 5)), [[1, 1]], 2)

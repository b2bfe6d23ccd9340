"""Reconstruction: the patches of an image at their positions give the image."""

import numpy as np
import pytest
from scipy import ndimage

from hyperspy_motifs.patches import paint_patches, sample_patches


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(2)
    x, y = np.meshgrid(np.arange(10, 130, 11.3), np.arange(9, 100, 10.7))
    points = np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.5, 0.5, (x.size, 2))
    image = np.zeros((107, 139))
    rows, columns = np.mgrid[:107, :139]
    for px, py in points:
        image += np.exp(-((columns - px) ** 2 + (rows - py) ** 2) / (2 * 2.5**2))
    return image, points


def test_patches_laid_back_give_the_image(scene):
    image, points = scene
    patches = sample_patches(image, points, 11)
    painted = paint_patches(image.shape, points, np.arange(len(points)), patches, width=3.5)
    inner = (slice(15, -15), slice(15, -15))
    assert np.isfinite(painted[inner]).all()
    assert np.abs(painted - image)[inner].max() < 0.02


def test_one_mean_patch_paints_equal_atoms_wherever_they_lie(scene):
    image, points = scene
    inner = np.all((points > 15) & (points < np.array([139, 107]) - 15), axis=1)
    mean = sample_patches(image, points[inner], 11).mean(axis=0, keepdims=True)
    painted = paint_patches(image.shape, points, np.zeros(len(points), int), mean, width=3.5)
    middle = np.rint(points[inner]).astype(int)
    values = painted[middle[:, 1], middle[:, 0]]
    np.testing.assert_allclose(values, image[middle[:, 1], middle[:, 0]], atol=0.05)


def test_turned_and_mirrored_patches_lie_as_told():
    patch = np.zeros((1, 21, 21))
    patch[0, 13, 17] = 1.0  # 7 px along x, 3 px along y
    patch = ndimage.gaussian_filter(patch, (0, 1.5, 1.5))

    def brightest(**turn):
        painted = np.nan_to_num(paint_patches((41, 47), [[23.0, 20.0]], [0], patch, width=6.0, **turn))
        # The patch itself, without the falling weight: a single patch divides it out.
        row, column = np.unravel_index(painted.argmax(), painted.shape)
        return column - 23, row - 20

    assert brightest() == (7, 3)
    assert brightest(angles=[np.pi / 2]) == (-3, 7)
    assert brightest(mirrored=[True]) == (7, -3)
    assert brightest(mirrored=[True], angles=[np.pi / 2]) == (3, 7)


def test_where_no_patch_reaches_there_is_no_value():
    painted = paint_patches(
        (50, 60), [[10.0, 12.0]], [0], np.ones((1, 9, 9)), width=2.0, offset=3.0, scale=2.0
    )
    assert painted[12, 10] == pytest.approx(5.0)
    assert np.isnan(painted[40, 40])


@pytest.mark.parametrize(
    ("kinds", "patches", "message"),
    [
        ([5], np.ones((1, 9, 9)), "Kinds run"),
        ([0], np.ones((1, 8, 8)), "odd side"),
        ([0, 0], np.ones((1, 9, 9)), "one kind each"),
    ],
)
def test_what_does_not_fit_is_refused(kinds, patches, message):
    with pytest.raises(ValueError, match=message):
        paint_patches((20, 20), [[5.0, 5.0]], kinds, patches, width=2.0)

"""Smoothing after the record is measured in the noise, and removed."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft, ndimage

from hyperspy_motifs.atoms import find_atoms, has_blocks, measure_smoothing, sharpen
from hyperspy_motifs.data import m1_oxide, monolayer, perovskite


@pytest.fixture(scope="module")
def recorded():
    signal, _ = monolayer(shape=(230, 251), dose=3e4, pixel_size=0.02, random_state=4)
    return np.asarray(signal.data, float)


@pytest.mark.parametrize("sigma", [0.8, 1.3, 2.0])
def test_the_noise_shows_how_far_an_image_was_smoothed(recorded, sigma):
    assert measure_smoothing(ndimage.gaussian_filter(recorded, sigma)) == pytest.approx(sigma, rel=0.12)


def test_what_was_not_smoothed_is_left(recorded):
    assert measure_smoothing(recorded) == 0
    # A cut-off removes what no filter brings back.
    frequency = np.hypot(fft.fftfreq(recorded.shape[0])[:, None], fft.rfftfreq(recorded.shape[1])[None])
    assert measure_smoothing(fft.irfft2(fft.rfft2(recorded) * (frequency < 0.25), recorded.shape)) == 0
    # Broad columns without noise are not smoothed ones.
    clean, _ = monolayer(shape=(150, 161), dose=None, pixel_size=0.012, probe_size=0.12, random_state=1)
    assert measure_smoothing(np.asarray(clean.data, float)) == 0


def test_a_removed_smoothing_gives_the_columns_of_the_record(recorded):
    back = sharpen(ndimage.gaussian_filter(recorded, 1.3, mode="reflect"), 1.3)
    before, after = find_atoms(recorded), find_atoms(back)
    assert len(before) == len(after)
    away = np.hypot(*(before.positions[:, None] - after.positions[None]).transpose(2, 0, 1)).min(axis=1)
    assert np.median(away) < 0.3 * np.median(before.uncertainty)
    assert np.median(after.amplitude) == pytest.approx(np.median(before.amplitude), rel=0.03)


def test_different_opposite_borders_make_no_ripples():
    """The inverse filter enlarges high frequencies a hundredfold, those of a jump between the borders included."""
    rows, columns = 90, 120
    image = np.linspace(0, 300, columns) + np.random.default_rng(0).normal(0, 1.0, (rows, columns))
    blurred = ndimage.gaussian_filter(image, 1.0, mode="reflect")
    # What was lost is part of the noise alone.
    assert np.abs(sharpen(blurred, 1.0) - image).max() < 5
    assert np.std(sharpen(blurred, 1.0) - image) < 1


def as_jpeg(image, quality):
    low, high = np.percentile(image, (0.1, 99.9))
    with io.BytesIO() as memory:
        pixels = (255 * np.clip((image - low) / (high - low), 0, 1)).astype(np.uint8)
        Image.fromarray(pixels).save(memory, "JPEG", quality=quality)
        memory.seek(0)
        return np.asarray(Image.open(memory)).astype(float)


@pytest.mark.parametrize("family", [monolayer, perovskite, m1_oxide], ids=lambda f: f.__name__)
def test_blocks_of_a_jpeg_are_known(family):
    signal, _ = family(shape=(251, 282), random_state=3)
    image = np.asarray(signal.data, float)
    assert has_blocks(as_jpeg(image, 40))
    # Cut off, so that no block begins at the first pixel.
    assert has_blocks(as_jpeg(image, 40)[3:, 5:])
    for other in (image, image.round(), ndimage.zoom(image, 2, order=1), ndimage.gaussian_filter(image, 1)):
        assert not has_blocks(other)


def test_a_lattice_of_eight_pixels_has_no_blocks():
    y, x = np.mgrid[:150, :171]
    for width in (1.0, 2.0):
        image = sum(
            np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * width**2))
            for a in range(4, 171, 8)
            for b in range(4, 150, 8)
        )
        assert not has_blocks(image)
        assert not has_blocks(np.random.default_rng(0).poisson(40 * image + 5).astype(float))

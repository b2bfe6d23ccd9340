"""Smoothing after the record is measured in the noise, and removed."""

import numpy as np
import pytest
from scipy import fft, ndimage

from hyperspy_motifs.atoms import find_atoms, measure_smoothing, sharpen
from hyperspy_motifs.data import monolayer


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

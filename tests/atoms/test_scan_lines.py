"""Offsets of scan lines are found where they are, and nowhere else."""

import numpy as np
import pytest
from scipy import ndimage

from hyperspy_motifs import data
from hyperspy_motifs.atoms import measure_flyback, measure_scan_lines

FAMILIES = (data.monolayer, data.perovskite, data.grain_boundary, data.twisted_bilayer)


def image_of(family, seed):
    signal, _ = family(shape=(211, 242), random_state=seed)
    return np.asarray(signal.data, float)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_images_without_offsets_are_not_changed(family):
    for seed in range(3):
        image = image_of(family, seed)
        for noise in (0.0, 0.3, 1.0):
            noisy = image + np.random.default_rng(seed).normal(0, noise * image.std(), image.shape)
            found = measure_scan_lines(noisy)
            # A specimen without noise may have rows of its own, far below its contrast.
            assert found.offset_std < (0.01 * image.std() if noise == 0 else 1e-30)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_offsets_are_measured(family):
    rng = np.random.default_rng(7)
    for seed in range(2):
        image = image_of(family, seed)
        noisy = image + rng.normal(0, 0.3 * image.std(), image.shape)
        offsets = rng.normal(0, 0.25 * image.std(), len(image))
        found = measure_scan_lines(noisy + offsets[:, None])
        assert found.offset_p < 1e-6
        assert found.offset_std == pytest.approx(offsets.std(), rel=0.35)
        # Slow changes are not distinguished from the background; differences of adjacent rows are.
        assert np.diff(offsets - found.offsets).std() < 0.25 * np.diff(offsets).std()


def test_offsets_below_the_noise_of_a_row_are_left():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(190, 230))
    # The mean of a row has a standard deviation of 1 / sqrt(230) = 0.066.
    assert not measure_scan_lines(noise).offsets.any()
    assert not measure_scan_lines(noise + rng.normal(0, 0.01, (190, 1))).offsets.any()
    offsets = rng.normal(0, 0.3, (190, 1))
    found = measure_scan_lines(noise + offsets)
    assert found.offset_std == pytest.approx(0.3, rel=0.2)
    left = (offsets[:, 0] - found.offsets).std()
    assert left < 0.1
    assert 0.5 < found.offset_error / left < 1.5


def test_a_layer_is_no_offset():
    """A layer that is brighter by 2 loses little of that with the offsets."""
    rng = np.random.default_rng(5)
    layer = np.repeat([0.0, 2.0, 0.0], [58, 70, 72])[:, None]
    offsets = rng.normal(0, 0.2, (200, 1))
    found = measure_scan_lines(layer + offsets + rng.normal(size=(200, 230)))
    wrong = found.offsets - offsets[:, 0]
    inside = layer[:, 0] > 0
    assert np.abs(found.offsets).max() > 0.3
    assert abs(wrong[inside].mean() - wrong[~inside].mean()) < 0.15


def test_level_on_noise():
    rejected = sum(
        measure_scan_lines(np.random.default_rng(k).normal(size=(96, 70))).offset_p < 0.05 for k in range(100)
    )
    assert rejected <= 5


def test_small_images_are_not_tested():
    assert not measure_scan_lines(np.random.default_rng(0).normal(size=(40, 200))).offsets.any()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_jitter_is_found_where_it_is(family):
    rng = np.random.default_rng(5)
    for seed in range(2):
        image = image_of(family, seed)
        noisy = image + rng.normal(0, 0.2 * image.std(), image.shape)
        assert measure_scan_lines(image).jitter < 0.02
        assert measure_scan_lines(noisy).jitter == 0
        moved = np.array([ndimage.shift(row, rng.normal(0, 0.5), order=3, mode="nearest") for row in image])
        found = measure_scan_lines(moved)
        assert found.jitter_p < 1e-3
        # A lower bound: the images have the noise of counts.
        assert 0.15 < found.jitter < 0.6
        assert not found.offsets.any()


def test_noise_of_counts_is_no_jitter():
    """Noise is highest on the columns, whose edges show jitter."""
    rng = np.random.default_rng(6)
    for seed in range(6):
        image = image_of(data.monolayer, seed)
        counts = rng.poisson(30 * (image - image.min()) / np.ptp(image)).astype(float)
        assert measure_scan_lines(counts).jitter == 0


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_jumps_are_found_at_their_rows(family):
    rng = np.random.default_rng(7)
    for seed in range(2):
        image = image_of(family, seed)
        shaken = np.array([ndimage.shift(row, rng.normal(0, 0.4), order=3, mode="nearest") for row in image])
        for steady in (image, shaken, image + rng.normal(0, 0.3 * image.std(), image.shape)):
            assert not len(measure_scan_lines(steady).jumps)
        # In the noise of the other images larger jumps alone show.
        for size in (1.5, -3.0) if family is data.monolayer else ():
            jumped = image.copy()
            jumped[90:] = ndimage.shift(image, (0, size), order=3, mode="nearest")[90:]
            assert measure_scan_lines(jumped).jumps == pytest.approx([90], abs=3)


def test_flyback_is_the_strain_of_the_first_columns():
    rng = np.random.default_rng(8)
    for angle in (0.0, 0.3, 0.9):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        x, y = np.meshgrid(np.arange(-60, 60), np.arange(-60, 60))
        points = np.column_stack([x.ravel() + 0.5 * y.ravel(), np.sqrt(0.75) * y.ravel()]) @ turn * 11.0
        points += rng.normal(0, 0.3, points.shape)
        points = points[(points > 0).all(axis=1) & (points < (401, 322)).all(axis=1)]
        assert measure_flyback(points, 11.0, 401) == 0
        late = points - np.column_stack([4 * (1 - np.exp(-points[:, 0] / 30)), np.zeros(len(points))])
        strain = 4 * (np.exp(-33 / 30) - 1) / 33
        assert measure_flyback(late, 11.0, 397) == pytest.approx(strain, rel=0.4)
        # A specimen that is strained throughout is no flyback.
        assert measure_flyback(points * (1.05, 1), 11.0, 421) == 0

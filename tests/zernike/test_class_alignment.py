"""Copies of two patterns, turned, mirrored and noisy: their means and their angles are found again."""

import numpy as np
import pytest

from hyperspy_motifs.zernike import align_classes, rotate_moments, zernike_modes

MODES = zernike_modes(6)


@pytest.fixture(scope="module")
def turned():
    rng = np.random.default_rng(11)
    patterns = rng.normal(size=(2, len(MODES)))
    labels = np.array([0] * 31 + [1] * 17)
    angles = rng.uniform(-np.pi, np.pi, len(labels))
    mirrored = rng.random(len(labels)) < 0.5
    moments = patterns[labels].copy()
    moments[np.ix_(mirrored, MODES[:, 1] < 0)] *= -1
    moments = rotate_moments(moments, MODES, angles) + 0.05 * rng.normal(size=moments.shape)
    return moments, labels, angles, mirrored


def test_angles_are_found_up_to_that_of_the_mean(turned):
    moments, labels, angles, mirrored = turned
    found = align_classes(moments, labels, MODES)
    for k in (0, 1):
        here = labels == k
        # The mean itself may be turned or mirrored against the pattern: one angle and one hand for all members.
        hand = mirrored[here] ^ found.mirrored[here]
        assert hand.all() or not hand.any()
        # A turn of the mean by c adds c, or -c after the mirror.
        difference = angles[here] - found.angles[here]
        shift = np.angle(np.mean(np.exp(1j * difference * np.where(found.mirrored[here], -1, 1))))
        residual = np.angle(np.exp(1j * (difference * np.where(found.mirrored[here], -1, 1) - shift)))
        assert np.abs(residual).max() < 0.05


def test_the_mean_has_less_noise_than_the_members(turned):
    moments, labels, _, _ = turned
    found = align_classes(moments, labels, MODES)
    assert np.median(found.distance) < 1.3 * 0.05 * np.sqrt(len(MODES))
    assert np.isfinite(found.means).all()


def test_without_reflection_mirror_images_stay_far(turned):
    moments, labels, _, _ = turned
    with_mirror = align_classes(moments, labels, MODES).distance
    without = align_classes(moments, labels, MODES, reflection=False)
    assert not without.mirrored.any()
    assert np.median(without.distance) > 3 * np.median(with_mirror)


def test_unknown_rows_are_left_out(turned):
    moments, labels, _, _ = turned
    holed = moments.copy()
    holed[3] = np.nan
    found = align_classes(holed, labels, MODES)
    assert np.isnan(found.angles[3])
    assert np.isfinite(np.delete(found.angles, 3)).all()
    assert np.isfinite(found.means).all()

"""Integrated intensities from one linear fit."""

import numpy as np
import pytest

from hyperspy_motifs.data import Imaging, lattice_specimen, simulate
from hyperspy_motifs.defects import fit_intensities

IMAGING = Imaging(shape=(260, 300), pixel_size=0.0125, dose=3e4, background_variation=0.5)


@pytest.fixture(scope="module")
def honeycomb():
    image, truth = simulate(lattice_specimen("honeycomb", IMAGING.reach, 0.19), IMAGING, 0)
    return image, truth.positions


def test_all_columns_of_a_lattice_are_equal_within_counting_noise(honeycomb):
    image, points = honeycomb
    widths = np.full(len(points), 0.1 / 0.0125 / 2.3548)
    intensities, noise = fit_intensities(image, points, widths, 15.2)
    extent = np.array(IMAGING.shape[::-1]) - 1
    inside = np.minimum(points, extent - points).min(axis=1) > 23
    expected = 5e-5 * 42**1.7 * IMAGING.dose / (2 * np.pi)
    middle = np.median(intensities[inside])
    scatter = 1.4826 * np.median(np.abs(intensities[inside] - middle)) / middle
    # Gaussians describe the core of the profile, 85 % of its integral.
    assert 0.8 * expected < middle < 1.2 * expected
    # Counting noise of this dose alone is 4 %.
    assert 0.03 < scatter < 0.065
    assert np.median(noise[inside]) / middle == pytest.approx(scatter, rel=0.15)
    # Pixels near the border, which columns beyond it reach, hardly count.
    assert np.median(noise[np.minimum(points, extent - points).min(axis=1) < 8]) > 2 * np.median(
        noise[inside]
    )


def test_pixels_without_data_leave_the_columns_beside_them(honeycomb):
    image, points = honeycomb
    missing = np.zeros(image.shape, bool)
    missing[90:150, 110:] = True
    away = np.hypot(points[:, 1] - points[:, 1].clip(90, 149), points[:, 0] - points[:, 0].clip(110, None))
    seen = away > 2
    width = 0.1 / 0.0125 / 2.3548
    whole = fit_intensities(image, points, np.full(len(points), width), 15.2)[0][seen]
    filled = np.where(missing, image[~missing].mean(), image)
    points, widths, away = points[seen], np.full(int(seen.sum()), width), away[seen]
    found = fit_intensities(filled, points, widths, 15.2, missing)[0] / whole
    wrong = fit_intensities(filled, points, widths, 15.2)[0] / whole
    beside, beyond = (away > 10) & (away < 23), away > 23
    # Else the fill takes more than a tenth of the heights of the columns beside it.
    assert wrong[beside].mean() < 0.9
    assert abs(found[beside].mean() - 1) < 0.02
    assert found[beyond].std() < 0.02


def test_two_columns_at_one_place_do_not_fail(honeycomb):
    image, points = honeycomb
    twice = np.concatenate([points, points[40:41]])
    assert np.isfinite(fit_intensities(image, twice, np.full(len(twice), 3.4), 15.2)[0]).all()

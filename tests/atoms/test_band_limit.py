"""Where a spectrum ends, and that most do not."""

import numpy as np
import pytest
from scipy import ndimage

from hyperspy_motifs import data
from hyperspy_motifs.atoms import band_limit, within_band


@pytest.mark.parametrize("family", [data.monolayer, data.perovskite, data.m1_oxide], ids=lambda f: f.__name__)
def test_the_limit_is_found_to_a_frequency_step(family):
    signal, _ = family(shape=(251, 282), random_state=3)
    image = np.asarray(signal.data, float)
    for limit in (0.09, 0.16, 0.31):
        made = within_band(image, limit)
        assert band_limit(made) == pytest.approx(limit, abs=1.5 / 251)
        assert band_limit(made[20:231, 30:250]) == pytest.approx(limit, abs=2.5 / 211)
        np.testing.assert_allclose(within_band(made, limit), made, atol=1e-9 * np.abs(made).max())
    for other in (
        image,
        image.round(),
        ndimage.gaussian_filter(image, 1.5),
        ndimage.gaussian_filter(image, 3.0),
        ndimage.zoom(image, 1.7, order=3),
        ndimage.median_filter(image, 3),
    ):
        assert band_limit(other) == np.inf

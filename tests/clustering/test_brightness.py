"""The brightness of an image, from the motifs that it shares with those of a classifier."""

from dataclasses import replace

import numpy as np
import pytest

from hyperspy_motifs.clustering import NestedRadii, brightness_of
from hyperspy_motifs.data import monolayer
from hyperspy_motifs.zernike import DiscImage, zernike_basis

RADII = (0.6, 1.2)


def moments_of(seed, **composition):
    """Moments of the columns of a monolayer of 183 x 214 pixels at two radii, at their true positions."""
    signal, truth = monolayer(
        shape=(183, 214), pixel_size=0.0158, dose=5e5, double_vacancies=0, random_state=seed,
        **{"metal_dopant": None, "chalcogen_dopant": None, **composition},
    )  # fmt: skip
    image = DiscImage(signal.data, truth.positions)
    return {radius: image.moments(zernike_basis(8, 12 * radius)) for radius in RADII}, truth


@pytest.fixture(scope="module")
def known():
    return NestedRadii(RADII[:1]).fit(moments_of(0, vacancies=0.1)[0].__getitem__)


def changed(moments, gain, level):
    """The moments of an image whose contrast is `gain` of what it was and whose mean is `level` higher."""
    mean = (moments.modes == 0).all(axis=1)
    return replace(moments, values=(gain * moments.values + level * mean).astype(np.float32))


@pytest.mark.parametrize(("gain", "level"), [(0.92, -0.03), (1.15, 0.2), (0.7, -0.2)])
def test_gain_and_level_are_found(known, gain, level):
    image, _ = moments_of(0, vacancies=0.1)
    found = brightness_of(known, lambda radius: changed(image[radius], gain, level))
    assert found.gain == pytest.approx([gain], abs=0.005)
    assert found.level == pytest.approx([level], abs=0.005)
    assert (found.error > 0).all()
    assert (found.error < 0.01).all()
    back = found.apply(changed(image[0.6], gain, level))
    np.testing.assert_allclose(back.values[back.valid], image[0.6].values[back.valid], atol=0.03)


def test_dopants_do_not_count(known):
    """A fifth of the metal is tungsten: the other kinds have less contrast, all by the same factor."""
    image, truth = moments_of(5, vacancies=0.1, metal_dopant=("W", 0.2))
    found = brightness_of(known, image.__getitem__)
    reference, old = moments_of(0, vacancies=0.1)
    means = [
        [np.nanmedian(m.values[t.labels == t.names.index(name)], axis=0)[4] for name in ("Mo", "Se2")]
        for m, t in ((image[0.6], truth), (reference[0.6], old))
    ]
    assert found.gain[0] == pytest.approx(np.mean(np.divide(*means)), rel=0.03)
    assert found.gain[0] < 0.9


def test_images_of_the_same_composition_have_the_same_brightness(known):
    image, _ = moments_of(0, vacancies=0.1)
    found = brightness_of(known, image.__getitem__)
    assert found.is_known
    assert found.apply(image[0.6]) is image[0.6]
    image, _ = moments_of(2, vacancies=0.1)
    assert brightness_of(known, image.__getitem__).gain == pytest.approx([1], abs=0.025)


def test_without_common_kinds_the_brightness_is_kept(known):
    """Moments of random patterns are like those of no kind, in any brightness."""
    image, _ = moments_of(3, vacancies=0.1)
    rng = np.random.default_rng(0)
    other = {
        radius: replace(m, values=rng.standard_normal(m.values.shape).astype(np.float32))
        for radius, m in image.items()
    }
    assert brightness_of(known, other.__getitem__).is_known

"""Orientation and changes of whole images, planted in moments."""

from dataclasses import replace

import numpy as np
import pytest

from hyperspy_motifs.data import monolayer
from hyperspy_motifs.models import DiscSource, find_orientation, image_effects, informative_images


@pytest.fixture(scope="module")
def moments():
    """Moments at radius 1.2 of images of a monolayer turned by 0, 37 and 64 degrees, with 14, 18 and 11 pixels a bond."""
    out = []
    for degrees, size, dose, seed in ((0, 0.0136, 1e6, 0), (37, 0.0105, 3e5, 1), (64, 0.0172, 1e6, 2)):
        signal, truth = monolayer(
            shape=(int(3.4 / size), int(3.9 / size)),
            pixel_size=size,
            rotation=degrees,
            dose=dose,
            random_state=seed,
        )
        out.append(DiscSource([signal.data.astype(float)], truth.positions, 0.19 / size, {1.2: 8})(1.2))
    return out


def modulo(angle, period):
    return (angle + period / 2) % period - period / 2


@pytest.mark.parametrize(("number", "degrees"), [(1, 37), (2, 64)])
def test_the_rotation_between_images_is_found(moments, number, degrees):
    found = find_orientation(moments[number], moments[0])
    assert not found.mirrored
    # The structure has a threefold axis.
    assert modulo(np.degrees(found.angle) + degrees, 120) == pytest.approx(0, abs=0.3)
    # Of the three equivalent angles it is the smallest.
    assert abs(np.degrees(found.angle)) < 60.3
    assert found.distance < 0.25 * found.chance


def test_a_mirror_image_is_found_where_it_is_looked_for(moments):
    one = moments[0]
    chiral = one.values + np.where(one.modes[:, 1] == -3, 0.2, 0) + np.where(one.modes[:, 1] == 1, 0.3, 0)
    turned_over = replace(one, values=np.where(one.modes[:, 1] < 0, -chiral, chiral).astype(np.float32))
    reference = replace(one, values=chiral.astype(np.float32))
    assert find_orientation(turned_over, reference, mirrors=True).mirrored
    assert find_orientation(turned_over, reference).distance > 5 * max(
        find_orientation(turned_over, reference, mirrors=True).distance, 0.1
    )


def planted(rng, effects, n=400):
    """Moments of three kinds in as many images as there are effects, with an unequal share of the kinds."""
    means = rng.normal(0, 1, (3, 7))
    images = np.repeat(np.arange(len(effects)), n)
    kinds = np.concatenate([rng.choice(3, n, p=p) for p in rng.dirichlet([8, 8, 2], len(effects))])
    return means[kinds] + effects[images, kinds] + rng.normal(0, 0.05, (len(kinds), 7)), kinds, images


def test_effects_of_images_are_found():
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 0.03, (6, 3, 7))
    values, kinds, images = planted(rng, effects)
    found = image_effects(values, kinds, images, np.ones(len(values), bool))
    relative = effects - effects.mean(axis=0)
    assert np.corrcoef(found.ravel(), relative.ravel())[0, 1] > 0.9


def test_without_effects_almost_nothing_is_removed():
    rng = np.random.default_rng(1)
    values, kinds, images = planted(rng, np.zeros((6, 3, 7)))
    assert np.abs(image_effects(values, kinds, images, np.ones(len(values), bool))).max() < 0.01


def test_an_image_of_another_structure_stays_different():
    rng = np.random.default_rng(2)
    effects = rng.normal(0, 0.02, (6, 3, 7))
    effects[4, 0] += 1.5
    values, kinds, images = planted(rng, effects)
    found = image_effects(values, kinds, images, np.ones(len(values), bool))
    assert np.abs(found[4, 0]).max() < 0.2


def test_a_single_image_has_no_effect():
    rng = np.random.default_rng(3)
    values, kinds, images = planted(rng, np.zeros((1, 3, 7)))
    assert not image_effects(values, kinds, images, np.ones(len(values), bool)).any()


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        ([0.05] * 6, [0, 1, 2, 3, 4, 5]),
        ([0.05, 0.06, 0.05, 0.07, 0.06, 0.05], [0, 1, 2, 3, 4, 5]),
        ([0.05, 0.5, 0.05, 0.05, 0.05, 0.5], [0, 2, 3, 4]),
        ([0.5, 0.02, 0.5, 0.5, 0.5, 0.5], [1]),
    ],
)
def test_images_whose_noise_would_hide_differences_are_found(noise, expected):
    rng = np.random.default_rng(4)
    values, kinds, images = planted(rng, np.zeros((6, 3, 7)))
    values = values + rng.normal(0, 1, values.shape) * np.array(noise)[images, None]
    # A rare motif that is not separated yet, and atoms of which nothing is known.
    values[::40] += 1.0
    sound = rng.random(len(values)) < 0.9
    values[~sound] = np.nan
    assert informative_images(values, kinds, images, sound).tolist() == expected

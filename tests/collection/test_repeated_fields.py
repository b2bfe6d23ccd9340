"""A list of images of one field, as a drift series: an atom that is seen many times is one atom."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree

import hyperspy_motifs
from hyperspy_motifs.collection import _finding
from hyperspy_motifs.data import monolayer

QUIET = {"show_progressbar": False}
ROWS, COLUMNS, N = 160, 178, 6


def field(seed):
    return monolayer(
        shape=(ROWS + 32, COLUMNS + 64), dose=1e8, double_vacancies=0, vacancies=0.2, metal_dopant=None,
        chalcogen_dopant=None, random_state=seed,
    )[0].data  # fmt: skip


def image_of(pixels, seed, drift=0):
    """A part of a field with noise of its own; `drift` in pixels."""
    part = np.asarray(pixels[drift : drift + ROWS, 2 * drift : 2 * drift + COLUMNS], float)
    signal = hs.signals.Signal2D(
        part + 0.06 * part.std() * np.random.default_rng(seed).standard_normal(part.shape)
    )
    signal.set_signal_type("atomic_image")
    return signal


@pytest.fixture(scope="module")
def series():
    """Six images of a field that drifts by up to 13 pixels from one to the next, and one of another field among them."""
    pixels = field(1)
    drift = [0, 1, 4, 10, 16, 32]
    images = [image_of(pixels, k, drift=step) for k, step in enumerate(drift)]
    images.insert(N, image_of(field(2), N))
    return hyperspy_motifs.find_motifs(images, **QUIET), [2 * step for step in drift]


def test_a_drift_series_has_the_motifs_of_its_field(series):
    collection, _ = series
    assert collection.n_motifs == 3
    assert "used once" in collection[0].summary()


def test_an_atom_has_one_motif_in_all_images(series):
    collection, drift = series
    first = collection[0].pixel_positions
    for number in range(1, N):
        found = collection[number].pixel_positions
        distance, nearest = cKDTree(first).query(found + np.array([drift[number], drift[number] / 2]))
        # Of a column on the border half of the disc is unknown.
        inside = np.minimum(found, [COLUMNS, ROWS] - found).min(axis=1) > 12
        same = (distance < 2) & inside
        assert same.sum() > 30
        assert np.mean(collection[number].labels[same] == collection[0].labels[nearest[same]]) > 0.97


def test_images_of_different_fields_of_one_crystal_are_not_repeated():
    two = [image_of(field(seed), seed) for seed in (3, 4)]
    collection = hyperspy_motifs.find_motifs(two, **QUIET)
    assert "used once" not in collection[0].summary()


def test_a_model_learns_nothing_from_a_repeated_field(series, monkeypatch):
    collection, _ = series
    pixels = field(1)
    again = [image_of(pixels, 20 + k, drift=k) for k in range(2)]
    used = []

    class Once(_finding.PooledOnce):
        def __init__(self, *given):
            used.append(self)
            super().__init__(*given)

    monkeypatch.setattr(_finding, "PooledOnce", Once)
    assert collection.model.update(again) is collection.model
    assert used

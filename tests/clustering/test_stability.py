"""Stability: what is told of runs that agree, disagree, and number their motifs otherwise."""

import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.clustering import estimate_stability


def test_numbers_of_motifs_do_not_matter():
    labels = np.repeat([0, 1, 2], [50, 30, 7])
    runs = np.array([labels, np.array([2, 0, 1])[labels], np.array([1, 2, 0])[labels]])
    found = estimate_stability(labels, runs)
    assert found.mean_agreement == 1
    np.testing.assert_array_equal(found.motifs, 1)
    np.testing.assert_array_equal(found.atoms, 1)
    assert found.n_motifs.tolist() == [3, 3, 3]


def test_a_motif_that_comes_and_goes():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    without = np.where(labels == 2, 1, labels)  # motif 2 is lost in motif 1
    found = estimate_stability(labels, [labels, without])
    np.testing.assert_allclose(found.motifs, [1, (1 + 30 / 40) / 2, (1 + 10 / 40) / 2])
    assert 0 < found.mean_agreement < 1
    assert found.n_motifs.tolist() == [3, 2]
    # All atoms of motif 2 lie in the one that stands for it, and so does motif 1's own.
    np.testing.assert_array_equal(found.atoms, 1)


def test_atoms_that_change_sides():
    labels = np.repeat([0, 1], [20, 20])
    moved = labels.copy()
    moved[:3] = 1
    found = estimate_stability(labels, [moved, labels, labels, moved])
    np.testing.assert_allclose(found.atoms, np.repeat([0.5, 1], [3, 37]))


def test_a_motif_that_a_crop_has_lost_is_neither_stable_nor_not():
    labels = np.repeat([0, 2, 3], [11, 5, 4])
    found = estimate_stability(labels, [labels, labels, labels])
    np.testing.assert_array_equal(found.motifs, [1, np.nan, 1, 1])


def test_labels_by_chance_do_not_agree():
    rng = np.random.default_rng(0)
    found = estimate_stability(rng.integers(0, 3, 900), rng.integers(0, 3, (4, 900)))
    assert abs(found.mean_agreement) < 0.02
    assert (found.motifs < 0.3).all()


def test_shapes_that_do_not_fit():
    for labels, runs in (
        ([0, 1], [[0, 1]]),
        ([0, 1, 1], [[0, 1], [0, 1]]),
        ([0, 1], [0, 1]),
        ([], [[], []]),
    ):
        with pytest.raises(ValueError, match="do not belong together"):
            estimate_stability(labels, runs)


def test_motifs_of_an_image_are_there_again():
    image, _ = data.monolayer(shape=(140, 164), random_state=0)
    motifs = image.find_motifs(radius=0.6, show_progressbar=False)
    found = motifs.get_stability(2)
    assert found.labels.shape == (2, len(motifs.labels))
    assert found.mean_agreement > 0.98
    assert (found.motifs > 0.95).all()
    # Half of a motif is not found by any seed.
    half = motifs.labels.copy()
    half[np.flatnonzero(half == 0)[::2]] = motifs.n_motifs
    spoiled = motifs.relabel(half).get_stability(2)
    assert spoiled.motifs.min() < 0.7
    assert spoiled.mean_agreement == found.mean_agreement
    with pytest.raises(ValueError, match="n_seeds"):
        motifs.get_stability(1)
    other, _ = data.monolayer(shape=(120, 142), random_state=5)
    with pytest.raises(ValueError, match="on a sample or on another image"):
        motifs.predict(other, show_progressbar=False).get_stability()

"""Dividing points into motifs, and merging what does not differ significantly."""

import numba
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs.clustering._partition import PartitionOptions, divide, merge_insignificant, partition

D = 9


def options(known_scatter=False, alpha=0.01, min_size=5):
    return PartitionOptions(alpha, 1, min_size, known_scatter, 0)


def motifs(sizes, seed, spreads=10.0):
    """Points of groups, each so many spreads from the first along an axis of its own, in random order."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    means = np.vstack([np.zeros(D), spreads * np.eye(D)[: len(sizes) - 1]])
    return means[truth] + rng.normal(size=(len(truth), D)), truth


def one(n):
    return np.zeros(n, dtype=np.int32)


@pytest.mark.parametrize("known_scatter", [False, True])
def test_groups_are_found_without_candidates_of_the_layout(known_scatter):
    X, truth = motifs((300, 210, 120, 60), 0)
    labels, evidence = divide(X, np.full(len(X), -1), one(len(X)), options(known_scatter))
    assert adjusted_rand_score(truth, labels) > 0.99
    assert labels.max() == 3
    assert evidence > 3 * np.log(100)


def test_a_rare_motif_is_found_among_frequent_ones():
    """Twenty points of 640, twelve spreads from a frequent motif that is itself one of two."""
    for seed in range(5):
        X, truth = motifs((320, 300, 20), seed, 12.0)
        mixtures, _ = partition(X, np.ones(len(X), bool), np.full(len(X), -1), one(len(X)), options(True))
        labels = mixtures[0].classify(X)[0]
        assert labels.max() == 2
        assert adjusted_rand_score(truth, labels) > 0.99


def test_noise_is_one_motif():
    found = 0
    for seed in range(12):
        X = np.random.default_rng(seed).normal(size=(300, D))
        clusters = np.random.default_rng(seed).integers(-1, 4, 300)
        found += int(divide(X, clusters, one(300), options())[0].max() > 0)
    assert found == 0


def test_a_slope_and_a_rare_species_are_two_motifs():
    """Columns whose brightness drifts over the field are one motif, and thirty of another species one more."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(930, D))
    drift = rng.uniform(-9, 9, 900)
    X[:900, 0] += drift
    X[900:, 1] += 12
    clusters = np.append(np.digitize(drift, [-6, -2, 2, 6]), np.full(30, 5))
    labels, _ = divide(X, clusters, one(930), options())
    assert labels.max() == 1
    np.testing.assert_array_equal(labels == labels[-1], np.arange(930) >= 900)


def test_bright_columns_scatter_more_and_are_one_motif():
    """Poisson noise: columns of a bright dopant scatter twice as much as the frequent ones."""
    split = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, truth = motifs((320, 300, 40), seed, 25.0)
        X[truth == 2] += rng.normal(size=(40, D)) * np.sqrt(3)
        noise = np.where(truth == 2, 4.0, 1.0)
        labels, _ = divide(X, truth, one(len(X)), options(True), noise)
        split += int(labels.max() > 2)
    assert split == 0


def test_groups_are_divided_each_for_itself():
    X, truth = motifs((260, 140), 3)
    groups = np.random.default_rng(4).integers(0, 2, len(X)).astype(np.int32)
    labels, _ = divide(X, truth, groups, options())
    assert labels.max() == 3
    assert adjusted_rand_score(truth + 2 * groups, labels) > 0.99


def test_fewer_points_than_a_motif_needs_are_no_motif():
    X, truth = motifs((200, 12), 5, 20.0)
    assert divide(X, truth, one(212), options(min_size=13))[0].max() == 0
    assert divide(X, truth, one(212), options(min_size=12))[0].max() == 1


def test_points_that_are_not_sound_are_classified_and_found_nothing():
    X, truth = motifs((300, 150), 6)
    sound = np.random.default_rng(7).random(450) < 0.7
    X[~sound & (truth == 0)] += [0, 0, 0, 3.0, 0, 0, 0, 0, 0]
    mixtures, _ = partition(X, sound, truth, one(450), options())
    assert [mixture.n_motifs for mixture in mixtures] == [2]
    labels = mixtures[0].classify(X)[0]
    assert adjusted_rand_score(truth, labels) > 0.99


def test_halves_of_one_motif_are_merged_and_motifs_are_not():
    X, truth = motifs((300, 150), 8)
    cut = 2 * truth + (X[:, 4] > 0)
    merged = merge_insignificant(X, cut, options())
    assert adjusted_rand_score(truth, merged) == 1
    assert merge_insignificant(X, truth, options()).max() == 1


@pytest.mark.parametrize("alpha", [0.1, 0.01, 0.001])
def test_groups_that_are_far_apart_are_found_at_every_level(alpha):
    X, truth = motifs((250, 130), 9, 15.0)
    labels, _ = divide(X, np.full(380, -1), one(380), options(alpha=alpha))
    assert adjusted_rand_score(truth, labels) > 0.99


def test_many_points_are_divided_alike_on_any_number_of_threads():
    """From 4,000 points on, what does not depend on one another is computed on several threads."""
    X, truth = motifs((4100, 150, 60), 1)
    before = numba.get_num_threads()
    found = []
    for n_threads in sorted({1, before}):
        numba.set_num_threads(n_threads)
        try:
            labels, evidence = divide(X, np.full(len(X), -1), one(len(X)), options())
            found.append((merge_insignificant(X, labels, options()).tobytes(), evidence))
        finally:
            numba.set_num_threads(before)
    assert len(set(found)) == 1
    assert adjusted_rand_score(truth, labels) > 0.99

"""The model of motifs: labels, probabilities and p-values of atoms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hyperspy_motifs.clustering import MotifMixture
from hyperspy_motifs.clustering._mixture import settled_labels

SIZES = (1700, 600, 200)


def motifs(seed, tails=None, d=6):
    """Features of atoms of three motifs, eight spreads apart and more, and their motifs."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(SIZES)), SIZES)
    means = np.zeros((len(SIZES), d))
    means[1, 0], means[2, 1] = 14.0, 17.0
    scatter = rng.normal(size=(len(truth), d))
    if tails is not None:
        scatter /= np.sqrt(rng.chisquare(tails, (len(truth), 1)) / tails)
    return means[truth] + scatter * np.linspace(0.8, 1.6, d), truth


@pytest.fixture(scope="module")
def fitted():
    X, truth = motifs(0)
    return MotifMixture.fit(X, truth), X, truth


def test_labels_are_the_motifs(fitted):
    mixture, X, truth = fitted
    labels, probabilities, _ = mixture.classify(X)
    assert_array_equal(labels, truth)
    assert np.median(probabilities) > 0.99
    assert_allclose(mixture.shares, np.array(SIZES) / sum(SIZES))


@pytest.mark.parametrize("tails", [None, 5])
@pytest.mark.parametrize("same_image", [True, False])
def test_p_values_of_atoms_of_a_motif_are_uniform(tails, same_image):
    """One in a hundred has a p-value below 0.01, one in ten one below 0.1, also where the scatter has heavy tails."""
    below = {0.01: [], 0.1: [], 0.5: []}
    for seed in range(6):
        X, truth = motifs(seed, tails)
        mixture = MotifMixture.fit(X, truth)
        p_values = mixture.classify(X if same_image else motifs(seed + 100, tails)[0])[2]
        for level, shares in below.items():
            shares.append((p_values < level).mean())
    for level, shares in below.items():
        # Three binomial errors of all atoms; the fit has an error of the same size.
        error = 3 * np.sqrt(2 * level * (1 - level) / (len(shares) * sum(SIZES)))
        assert np.mean(shares) == pytest.approx(level, abs=error + 0.2 * level)


@pytest.mark.parametrize("tails", [None, 5])
def test_an_atom_far_from_all_motifs_belongs_to_none(tails):
    X, truth = motifs(1, tails)
    mixture = MotifMixture.fit(X, truth)
    far = np.vstack([np.full(6, 60.0), [0.0, 0, 0, 0, -70, 0], [14.0, 90, 0, 0, 0, 0]])
    _, probabilities, p_values = mixture.classify(far)
    assert (p_values < 0.01).all()
    assert (probabilities < 0.01).all()


def test_an_atom_ten_spreads_from_its_motif_is_an_outlier(fitted):
    mixture, _, _ = fitted
    _, probabilities, p_values = mixture.classify(np.array([[0.0, 0, 10.0, 0, 0, 0]]))
    assert p_values[0] < 1e-4
    assert probabilities[0] < 0.01


def test_what_is_not_seen_lowers_the_probability_and_is_no_outlier(fitted):
    """An atom whose disc is cut has features of more noise; between two motifs it is uncertain, not an outlier."""
    mixture, _, _ = fitted
    rng = np.random.default_rng(7)
    variance = np.tile([16.0, 9.0, 25.0, 4.0, 36.0, 12.0], (900, 1))
    truth = rng.permutation(np.repeat([0, 1, 2], [610, 220, 70]))
    X, _ = motifs(3)
    place = np.array([0, SIZES[0], SIZES[0] + SIZES[1]])[truth] + rng.integers(0, 200, 900)
    truncated = X[place] + rng.normal(size=(900, 6)) * np.sqrt(variance)
    whole = mixture.classify(truncated)
    labels, probabilities, p_values = mixture.classify(truncated, variance)
    assert (whole[2] < 0.01).mean() > 0.5  # as if all were seen
    assert (p_values < 0.01).mean() < 0.03
    assert probabilities.mean() < mixture.classify(X[place])[1].mean()
    # The probabilities of belonging to the motif are right: so many are of that motif.
    assert (labels == truth).mean() == pytest.approx(probabilities.mean(), abs=0.04)


def test_the_variance_of_one_feature_lessens_what_that_feature_says():
    """A variance v on top of that of the motifs, s, leaves s / (s + v) of the logarithm of the odds."""
    rng = np.random.default_rng(4)
    truth = np.repeat([0, 1], [600, 300])
    X = rng.normal(size=(900, 3)) * [1.0, 2.0, 3.0]
    X[truth == 1, 0] += 8
    mixture = MotifMixture.fit(X, truth)
    points = np.tile([4.7, 0.2, -0.3], (3, 1))
    variance = np.zeros((3, 3))
    variance[1:, 0] = 3.0, 1e8
    labels, probabilities, _ = mixture.classify(points, variance)
    assert labels.tolist() == [1, 1, 0]
    # With so much noise no atom is an outlier: the probability is that of one motif against the other.
    assert probabilities[2] == pytest.approx(2 / 3, abs=0.02)
    odds = np.log(probabilities[1] / (1 - probabilities[1])) - np.log(0.5)
    assert odds == pytest.approx(8 * 0.7 / (1 + 0.2 + 3), rel=0.2)  # the scatter holds a ridge of 0.2


@pytest.mark.parametrize("variance", [None, np.zeros((2, 6))])
def test_an_atom_of_which_nothing_is_known_has_the_shares_of_the_motifs(fitted, variance):
    mixture, _, _ = fitted
    unknown = np.full((2, 6), np.nan)
    labels, probabilities, p_values = mixture.classify(unknown, variance)
    assert labels.tolist() == [0, 0]
    assert_allclose(probabilities, SIZES[0] / sum(SIZES), atol=0.01)
    assert (p_values > 0.5).all()


def test_separations_are_distances_in_units_of_the_scatter(fitted):
    mixture, _, _ = fitted
    apart = mixture.separations()
    spread = np.linspace(0.8, 1.6, 6)
    # A ridge of a fifth of the noise is part of the scatter.
    expected = np.sqrt(14.0**2 / (spread[0] ** 2 + 0.2) + 17.0**2 / (spread[1] ** 2 + 0.2))
    assert np.isinf(np.diag(apart)).all()
    assert_allclose(apart, apart.T)
    assert apart[1, 2] == pytest.approx(expected, rel=0.05)


def test_atoms_move_to_the_motif_that_they_resemble():
    X, truth = motifs(5)
    wrong = truth.copy()
    moved = np.random.default_rng(2).permutation(len(truth))[:120]
    wrong[moved] = (truth[moved] + 1) % 3
    assert (settled_labels(X, wrong) == truth).mean() > 0.998


def test_contaminated_atoms_do_not_take_a_rare_motif_away():
    """One atom in ten scatters eight times as much; twelve of 607 are a motif, seven spreads away."""
    kept = []
    for seed in range(6):
        X = np.random.default_rng(seed).normal(size=(607, 6))
        X[:60] *= 8
        X[-12:, 2] += 7
        labels = np.repeat([0, 1], [595, 12])
        settled = settled_labels(X, labels)
        kept.append(np.sum(settled[-12:] != np.bincount(settled).argmax()))
    # With the scatter of all atoms alike, it was six on average.
    assert np.mean(kept) > 11


def test_a_longer_tail_towards_a_rare_motif_does_not_join_it():
    """One in ten of 4,000 atoms is moved towards 120 others, by 1.2 spreads on average; none is moved away from them."""
    figures = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = np.repeat([0, 1], [4000, 120])
        X = rng.normal(size=(len(truth), 7)) * 2
        X[:400, 3] += rng.exponential(2.4, 400)
        X[4000:, 3] += 13
        found = MotifMixture.fit(X, truth, one_sided=True).classify(X)[0]
        # The best threshold on the axis on which they differ.
        F1 = [
            2 * np.sum(s & (truth == 1)) / (s.sum() + 120)
            for s in (X[:, 3] > t for t in np.arange(4, 13, 0.1))
        ]
        figures.append([max(F1), 2 * np.sum((found == 1) & (truth == 1)) / (np.sum(found == 1) + 120)])
    best, ours = np.mean(figures, axis=0)
    assert ours > best - 0.02
    assert best < 0.99


def test_arrays_restore_the_mixture_bit_for_bit(fitted):
    mixture, X, truth = fitted
    mixture = MotifMixture.fit(X, truth, one_sided=True)
    assert not np.array_equal(mixture.facing[0, 2], mixture.facing[2, 0])
    again = MotifMixture.from_arrays(mixture.to_arrays())
    for one, two in zip(mixture.classify(X[::3]), again.classify(X[::3]), strict=True):
        assert_array_equal(one, two)


def test_a_point_is_classified_alike_alone_and_among_others(fitted):
    mixture, X, _ = fitted
    _, all_probabilities, all_p = mixture.classify(X[:40])
    _, probabilities, p_values = mixture.classify(X[17:18])
    assert_allclose(probabilities, all_probabilities[17:18], rtol=1e-9)
    assert_allclose(p_values, all_p[17:18], rtol=1e-9)

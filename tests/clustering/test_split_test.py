"""One group or two: the level of the test, and what it finds."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs.clustering import split_evidence
from hyperspy_motifs.clustering._partition import PartitionOptions, best_splits, divide
from hyperspy_motifs.clustering._split_test import FrequentMotifs

KINDS = ("Gaussian", "uniform", "skewed", "Student's t", "sloped")


def cloud(kind, seed, n=140, d=6):
    """Points of one group: n points of d features, of which noise is the least scatter."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    if kind == "uniform":
        X[:, :3] = rng.uniform(-4, 4, (n, 3))
    elif kind == "skewed":
        X[:, :3] += rng.gamma(2, 2, (n, 3))
    elif kind == "Student's t":
        X /= np.sqrt(rng.chisquare(3, (n, 1)) / 3)
    elif kind == "sloped":
        X += np.outer(rng.uniform(-6, 6, n), rng.normal(size=d)) / np.sqrt(d)
    return X


def cut(X, share):
    """The points beyond a quantile of the axis along which the points scatter most."""
    centred = X - X.mean(axis=0)
    x = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    return x > np.quantile(x, 1 - share)


def two_groups(sizes, spreads, seed, d=6):
    rng = np.random.default_rng(seed)
    group = np.arange(sum(sizes)) >= sizes[0]
    X = rng.normal(size=(sum(sizes), d))
    X[group, 2] += spreads
    order = rng.permutation(len(X))
    return X[order], group[order]


def options(alpha, known_scatter=False):
    return PartitionOptions(alpha, 1, 5, known_scatter, 0)


def too_many(evidence, alpha):
    """Whether more clouds are split at the level alpha than three binomial errors above it."""
    n = len(evidence)
    return (np.array(evidence) > np.log(1 / alpha)).mean() > alpha + 3 * np.sqrt(alpha * (1 - alpha) / n)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_through_one_group_is_significant_no_more_often_than_alpha(kind):
    """The cut is made where one sees fit: along the axis of most scatter, through the middle or before a tail."""
    clouds = [cloud(kind, seed) for seed in range(100)]
    evidence = [split_evidence(X, cut(X, (0.5, 0.07)[k % 2]), k) for k, X in enumerate(clouds)]
    for alpha in (0.1, 0.01):
        assert not too_many(evidence, alpha)


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_split_of_one_group_is_significant_no_more_often_than_alpha(kind):
    """The best of many candidates, which all points propose."""
    evidence = []
    for seed in range(40):
        X = cloud(kind, 1000 + seed, n=(50, 130)[seed % 2])
        evidence.append(next(best_splits(X, np.full(len(X), -1), None, options(0.01)))[0])
    for alpha in (0.1, 0.01):
        assert not too_many(evidence, alpha)


@pytest.mark.parametrize("kind", ["Gaussian", "skewed"])
def test_many_features_do_not_make_two_groups_of_one(kind):
    """Among 45 features some direction shows two humps in any cloud of 600 points; points that it was not learned on do not."""
    evidence = []
    for seed in range(12):
        X = cloud("Gaussian", 40 + seed, n=600, d=45)
        if kind == "skewed":
            X[:, 0] = np.random.default_rng(seed).exponential(7.0, len(X))
        evidence.append(next(best_splits(X, np.full(len(X), -1), None, options(0.01)))[0])
    assert not too_many(evidence, 0.01)


def test_a_few_points_far_from_a_few_others_are_found():
    """Ten of thirty, and twelve of fifty: too few for folds of several points."""
    found = 0
    for seed in range(6):
        for sizes, spreads in (((20, 10), 14.0), ((38, 12), 11.0)):
            X, group = two_groups(sizes, spreads, seed)
            evidence, rarer = next(best_splits(X, np.full(len(X), -1), None, options(0.01)))
            found += evidence > np.log(100) and np.array_equal(rarer, group)
    assert found >= 10


@pytest.mark.parametrize("known_scatter", [False, True])
def test_a_cloud_of_noise_is_not_divided(known_scatter):
    for seed in range(4):
        X = cloud("Gaussian", 50 + seed, n=370, d=11)
        clusters = np.digitize(X[:, 0], [-0.5, 0.5]).astype(np.int32)
        labels, evidence = divide(X, clusters, np.zeros(len(X), dtype=int), options(0.001, known_scatter))
        assert labels.max() == 0
        assert evidence == 0


@pytest.mark.parametrize(
    ("sizes", "spreads"), [((450, 150), 6.0), ((260, 40), 7.0), ((300, 300), 5.0), ((1980, 30), 8.0)]
)
def test_two_groups_are_found(sizes, spreads):
    for seed in range(4):
        X, group = two_groups(sizes, spreads, seed)
        assert split_evidence(X, group) > np.log(100)
        clusters = np.where(group, 1, 0)
        evidence, found = next(best_splits(X, clusters, None, options(0.01)))
        assert evidence > np.log(100)
        wrong = min((found != group).sum(), (found == group).sum())
        # Of Gaussians cut half way, so many lie on the wrong side.
        assert wrong <= 3 + 3 * {5.0: 0.0062, 6.0: 0.00135, 7.0: 0.00023, 8.0: 0.00003}[spreads] * sum(sizes)


def test_a_minority_of_one_in_fifty_is_found():
    """Twenty points of a thousand, eight spreads away."""
    found = 0
    for seed in range(10):
        X, group = two_groups((980, 20), 8.0, 20 + seed)
        evidence, rarer = next(best_splits(X, np.where(group, 1, 0), None, options(0.01)))
        found += evidence > np.log(100) and np.array_equal(rarer, group)
    assert found >= 9


def test_one_search_finds_several_groups():
    """Three rare groups beside a frequent one, in different directions; two may come as one, which is divided later."""
    for seed in range(4):
        X = cloud("Gaussian", 300 + seed, n=700, d=9)
        truth = np.full(len(X), -1)
        for kind, size in enumerate((21, 27, 13)):
            truth[100 * kind : 100 * kind + size] = kind
            X[truth == kind, 3 + kind] += 11.0
        groups = [group for _, group in best_splits(X, truth, None, options(0.01), np.log(100))]
        assert len(groups) >= 2
        assert not np.any(groups, axis=0)[truth < 0].any()
        shares = [group[truth == kind].mean() for group in groups for kind in range(3)]
        assert sorted(shares) == [0] * (len(shares) - 3) + [1] * 3


def test_one_outlier_is_no_group():
    for seed in range(6):
        X = cloud("Gaussian", seed, n=230)
        X[17] += 40
        X[61] -= 55
        evidence, _ = next(best_splits(X, np.full(len(X), -1), None, options(0.01)))
        assert evidence < np.log(100)


def frequent_along(X, group, seed):
    """A frequent motif of unit scatter, further out in the direction in which the two halves of X differ."""
    direction = X[group].mean(axis=0) - X[~group].mean(axis=0)
    residuals = np.random.default_rng(100 + seed).normal(size=(1300, X.shape[1]))
    return FrequentMotifs((X.mean(axis=0) + 4 * direction)[None], residuals)


@pytest.mark.parametrize("spreads", [2.2, 2.5])
def test_a_known_scatter_separates_what_the_density_does_not(spreads):
    """Two groups so near that there is no valley between them: their scatter alone shows that they are two."""
    for seed in range(5):
        X, group = two_groups((190, 120), spreads, seed)
        assert split_evidence(X, group) < np.log(100)
        assert split_evidence(X, group, frequent=frequent_along(X, group, seed)) > np.log(100)


def test_two_rare_motifs_of_known_scatter_are_found_on_the_line_between_them():
    """Most of the known directions lead elsewhere: towards the frequent motifs."""
    means = np.zeros((4, 14))
    means[1, 0] = 40
    means[2:, :2] = [20, 25], [23, 29]  # five spreads apart
    truth = np.repeat(np.arange(4), (400, 380, 18, 12))
    agreement = []
    for seed in range(12):
        X = means[truth] + np.random.default_rng(seed).normal(size=(len(truth), 14))
        labels, _ = divide(X, np.zeros(len(X), int), np.zeros(len(X), int), options(0.01, True))
        assert labels.max() == 3
        agreement.append(adjusted_rand_score(truth[truth > 1], labels[truth > 1]))
    assert np.mean(agreement) > 0.9


def test_a_known_scatter_does_not_divide_one_group():
    evidence = []
    for seed in range(60):
        X = cloud("Gaussian", 300 + seed, n=(60, 170)[seed % 2])
        halves = cut(X, (0.5, 0.1)[seed % 3 == 0])
        residuals = np.random.default_rng(seed).normal(size=(900, X.shape[1]))
        # Where another motif lies says nothing of these points.
        frequent = FrequentMotifs(np.full((1, X.shape[1]), 9.0), residuals)
        evidence.append(split_evidence(X, halves, frequent=frequent))
    for alpha in (0.1, 0.01):
        assert not too_many(evidence, alpha)


def test_evidence_grows_with_the_separation_and_with_the_number_of_points():
    def median(sizes, spreads):
        return np.median([split_evidence(*two_groups(sizes, spreads, seed)) for seed in range(5)])

    assert median((180, 60), 4.0) < median((180, 60), 6.0) < median((180, 60), 9.0)
    assert median((90, 30), 7.0) < median((270, 90), 7.0)


def test_evidence_does_not_depend_on_the_units_of_directions():
    """A rotation of the features and a shift of the origin change nothing."""
    X, group = two_groups((170, 70), 6.0, 3)
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(6, 6)))[0]
    turned = split_evidence(X @ rotation + 17.0, group)
    assert turned == pytest.approx(split_evidence(X, group), rel=1e-6)


def test_groups_that_no_direction_separates_are_one():
    """A random group has no mean of its own: the direction that is learned points the wrong way in the fold left out."""
    X = cloud("Gaussian", 5, n=48)
    rng = np.random.default_rng(0)
    found = [split_evidence(X, rng.permutation(len(X)) < 3, seed) for seed in range(40)]
    assert max(found) < np.log(1 / 0.01)
    assert -np.inf in found


@pytest.mark.parametrize("seed", [2, 3])
def test_a_split_depends_little_on_the_division_into_folds(seed):
    """A twentieth of the points, 5.4 spreads from the others, is found at the level 0.001 whatever the folds."""
    X, group = two_groups((870, 43), 5.4, seed)
    nothing = np.zeros(len(X), dtype=int)
    for random_state in range(6):
        evidence, found = next(
            best_splits(X, nothing, None, PartitionOptions(0.01, 1, 5, False, random_state))
        )
        assert evidence > np.log(1 / 0.001)
        assert (found != group).sum() <= 3

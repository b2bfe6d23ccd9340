"""The clusterer of scikit-learn's kind."""

import pickle

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from hyperspy_motifs.clustering import MotifClustering


@parametrize_with_checks([MotifClustering()])
def test_clusterer_follows_the_rules_of_estimators(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def groups():
    """Two frequent groups and a rare one."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (500, 6)), rng.normal(0, 1, (300, 6)) + 9 * np.eye(6)[0]])
    return np.concatenate([X, rng.normal(0, 1, (8, 6)) + 11 * np.eye(6)[1]])


@pytest.fixture(scope="module")
def fitted(groups):
    return MotifClustering().fit(groups)


def test_a_rare_group_is_kept(fitted):
    assert np.bincount(fitted.labels_).tolist() == [500, 300, 8]
    assert (fitted.labels_[800:] == 2).all()


def test_a_number_of_clusters_can_be_asked_for(groups, fitted):
    two = MotifClustering(2).fit(groups)
    assert two.labels_.max() == 1
    # The rare group joins a frequent one; those stay apart.
    assert adjusted_rand_score(fitted.labels_[:800], two.labels_[:800]) > 0.99
    assert MotifClustering(1).fit(groups).labels_.max() == 0
    assert fitted.joins_.shape == (2, 3)


@pytest.mark.parametrize(("n", "d"), [(30, 4), (260, 7), (700, 21)])
def test_noise_is_one_group(n, d):
    for seed in range(5):
        X = np.random.default_rng(100 + seed).normal(size=(n, d)) * np.linspace(1, 3, d)
        assert MotifClustering().fit(X).labels_.max() == 0


def test_a_slope_is_one_group():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(640, 8)) + np.outer(rng.uniform(-10, 10, 640), rng.normal(size=8))
    assert MotifClustering().fit(X).labels_.max() == 0


def test_prediction_gives_the_labels_of_the_fit_bit_for_bit(groups, fitted):
    np.testing.assert_array_equal(fitted.predict(groups), fitted.labels_)
    np.testing.assert_array_equal(fitted.predict_probabilities(groups), fitted.probabilities_)
    np.testing.assert_array_equal(MotifClustering().fit_predict(groups), fitted.labels_)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(groups), fitted.labels_)
    np.testing.assert_array_equal(again.predict_probabilities(groups), fitted.probabilities_)


def test_a_point_far_from_all_groups_is_an_outlier(fitted):
    far = np.full((1, 6), 30.0)
    assert fitted.outlier_score(far)[0] > 0.9999
    assert fitted.predict_probabilities(far)[0] < 0.01


def test_outlier_scores_of_new_points_of_a_group_are_uniform(fitted):
    new = np.random.default_rng(5).normal(size=(4000, 6))
    score = fitted.outlier_score(new)
    assert (score > 0.99).mean() == pytest.approx(0.01, abs=0.01)
    assert np.median(score) == pytest.approx(0.5, abs=0.05)


def test_a_stricter_alpha_finds_no_more():
    rng = np.random.default_rng(6)
    X = np.concatenate([rng.normal(size=(160, 5)), rng.normal(size=(40, 5)) + 5 * np.eye(5)[1]])
    found = [int(MotifClustering(alpha=alpha).fit(X).labels_.max()) + 1 for alpha in (0.1, 1e-3, 1e-30)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == 1


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1, float("nan"), "0.01"])
def test_an_alpha_that_is_no_probability_is_refused(alpha):
    with pytest.raises(ValueError, match=r"alpha is .*; a probability between 0 and 1"):
        MotifClustering(alpha=alpha).fit(np.random.default_rng(0).normal(size=(20, 3)))

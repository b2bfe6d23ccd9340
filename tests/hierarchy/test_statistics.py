"""Neighbour statistics: exact moments, planted rules and false discoveries."""

import itertools

import numpy as np
import pytest
from scipy.spatial import Delaunay

from hyperspy_motifs.hierarchy import neighbour_statistics


def planar_graph(n, seed):
    triangles = Delaunay(np.random.default_rng(seed).random((n, 2))).simplices
    edges = np.sort(np.vstack([triangles[:, pair] for pair in ((0, 1), (1, 2), (0, 2))]), axis=1)
    return np.unique(edges, axis=0)


def test_moments_are_those_of_all_permutations():
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [1, 3], [4, 5]])
    labels = np.array([0, 0, 0, 1, 1, 2])
    counts = []
    for permuted in set(itertools.permutations(labels.tolist())):
        ends = np.sort(np.array(permuted)[edges], axis=1)
        counts.append(
            [
                np.sum((ends == pair).all(axis=1))
                for pair in itertools.combinations_with_replacement(range(3), 2)
            ]
        )
    statistics = neighbour_statistics(labels, edges, n_permutations=10)
    np.testing.assert_allclose(statistics.expected, np.mean(counts, axis=0))
    np.testing.assert_allclose(statistics.std, np.std(counts, axis=0), atol=1e-12)


def plant(labels, edges, first, second, factor, seed):
    """Swap labels until `first` and `second` are neighbours `factor` times as often."""
    rng = np.random.default_rng(seed)
    labels = labels.copy()

    def count():
        ends = np.sort(labels[edges], axis=1)
        return np.sum((ends[:, 0] == first) & (ends[:, 1] == second))

    now = count()
    aim = factor * now
    while now < aim:
        i, j = rng.integers(len(labels), size=2)
        labels[[i, j]] = labels[[j, i]]
        after = count()
        if after < now:
            labels[[i, j]] = labels[[j, i]]
        else:
            now = after
    return labels


def test_a_planted_rule_is_flagged():
    edges = planar_graph(2000, 3)
    for seed in range(3):
        labels = np.random.default_rng(seed).choice(5, 2000, p=[0.4, 0.25, 0.15, 0.12, 0.08])
        labels = plant(labels, edges, 1, 2, 1.3, seed)
        statistics = neighbour_statistics(labels, edges, random_state=seed)
        (pair,) = np.flatnonzero((statistics.first == 1) & (statistics.second == 2))
        assert statistics.flagged()[pair]
        assert statistics.z[pair] > 3


def test_random_labels_are_seldom_flagged():
    edges = planar_graph(500, 8)
    false = sum(
        neighbour_statistics(
            np.random.default_rng(seed).choice(6, 500, p=[0.5, 0.3, 0.1, 0.06, 0.03, 0.01]), edges, 300
        ).flagged().any()
        for seed in range(100)
    )  # fmt: skip
    # 1 % of these labelings measured over thousands; the promise is 5 %.
    assert false <= 5


def test_one_meeting_of_two_rare_classes_is_no_rule():
    # 150 classes of one member each: some are neighbours, as a few of 11,175 pairs must be.
    edges = planar_graph(1500, 4)
    labels = np.zeros(1500, dtype=int)
    labels[np.random.default_rng(5).choice(1500, 150, replace=False)] = np.arange(1, 151)
    statistics = neighbour_statistics(labels, edges, 1000)
    met = (statistics.first > 0) & (statistics.first < statistics.second) & (statistics.observed == 1)
    assert met.sum() > 20
    exact = len(edges) / (1500 * 1499 / 2)
    np.testing.assert_array_less(exact, statistics.p[met] * 1.01)
    assert not statistics.flagged().any()
    assert np.isfinite(neighbour_statistics(labels, edges, 0).p).all()


def test_p_values_are_those_of_the_permutations():
    edges = planar_graph(200, 2)
    labels = np.random.default_rng(3).choice(4, 200, p=[0.5, 0.3, 0.15, 0.05])
    statistics = neighbour_statistics(labels, edges, 2000)
    rng = np.random.default_rng(8)
    draws = np.array([rng.permutation(labels) for _ in range(4000)])
    low, high = np.sort(draws[:, edges], axis=2).transpose(2, 0, 1)
    for i in range(len(statistics.p)):
        counts = np.sum((low == statistics.first[i]) & (high == statistics.second[i]), axis=1)
        sides = np.mean(counts >= statistics.observed[i]), np.mean(counts <= statistics.observed[i])
        expected = min(1.0, 2 * min(sides))
        assert abs(statistics.p[i] - expected) < 4 * np.sqrt(expected / 1000) + 0.002


def test_same_seed_same_result_and_nodes_without_label_take_no_part():
    edges = planar_graph(60, 1)
    labels = np.random.default_rng(0).integers(0, 3, 60)
    one, two = (neighbour_statistics(labels, edges, 40, random_state=5) for _ in range(2))
    np.testing.assert_array_equal(one.p, two.p)
    labels[labels == 2] = -1
    statistics = neighbour_statistics(labels, edges, 40)
    assert statistics.first.tolist() == [0, 0, 1]
    assert statistics.observed.sum() == np.sum((labels[edges] >= 0).all(axis=1))


def test_one_class_and_no_edges_leave_no_freedom():
    one = neighbour_statistics(np.zeros(6, dtype=int), np.array([[0, 1], [1, 2]]))
    assert (one.observed.tolist(), one.p.tolist(), one.z.tolist()) == ([2], [1.0], [0.0])
    none = neighbour_statistics(np.array([0, 1]), np.empty((0, 2), dtype=int))
    assert none.p.tolist() == [1.0, 1.0, 1.0]
    assert len(neighbour_statistics(np.empty(0, dtype=int), np.empty((0, 2))).p) == 0


def test_edges_outside_the_nodes_are_refused():
    with pytest.raises(ValueError, match="does not exist"):
        neighbour_statistics(np.array([0, 1]), np.array([[0, 2]]))

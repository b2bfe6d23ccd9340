"""Nearest neighbours and the graph of them."""

import numba
import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs.relaxation import fuzzy_weights, nearest_neighbours, neighbour_graph


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(3)
    centres = rng.normal(0, 6, (7, 11))
    return (centres[rng.integers(0, 7, 903)] + rng.normal(0, 1, (903, 11))).astype(np.float32)


@pytest.mark.parametrize("k", [1, 9, 60])
@pytest.mark.parametrize("n", [903, 200])
def test_exact_neighbours_are_those_of_a_tree(points, n, k):
    points = points[:n]
    indices, distances = nearest_neighbours(points, k)
    true_distances, true_indices = cKDTree(points).query(points, k=k + 1)
    np.testing.assert_allclose(distances, true_distances[:, 1:], rtol=1e-5)
    # Two that are as far may change places.
    assert (indices == true_indices[:, 1:]).mean() > 0.999


def test_far_origin_costs_no_precision(points):
    near = nearest_neighbours(points, 5)[0]
    far = nearest_neighbours(points.astype(np.float64) + 64.0, 5)[0]
    assert np.mean(near == far) > 0.99


def test_forest_finds_as_many_neighbours_as_are_wanted():
    """Leaves with fewer points than neighbours would leave places empty, along one coordinate in all trees."""
    line = np.random.default_rng(5).normal(size=(3000, 1)).astype(np.float32)
    indices, _ = nearest_neighbours(line, 60, method="forest")
    exact = nearest_neighbours(line, 60, method="exact")[0]
    shared = [len(set(a) & set(b)) for a, b in zip(exact, indices, strict=True)]
    assert indices.min() >= 0
    assert np.mean(shared) > 0.9 * 60


def test_forest_finds_nearly_all(points):
    exact = nearest_neighbours(points, 9)[0]
    forest, distances = nearest_neighbours(points, 9, method="forest")
    shared = [len(set(a) & set(b)) for a, b in zip(exact, forest, strict=True)]
    assert np.mean(shared) > 0.97 * 9
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (forest != np.arange(len(points))[:, None]).all()


def test_correlation_forgets_amplitude(points):
    scaled = points * np.linspace(0.5, 3, len(points))[:, None].astype(np.float32) + 2
    one = nearest_neighbours(points, 4, metric="correlation")[0]
    other = nearest_neighbours(scaled, 4, metric="correlation")[0]
    assert np.mean(one == other) > 0.99


@pytest.mark.parametrize("method", ["exact", "forest"])
def test_threads_do_not_matter(points, method):
    before = numba.get_num_threads()
    results = []
    for threads in {1, before}:
        numba.set_num_threads(threads)
        results.append(nearest_neighbours(points, 8, method=method))
    numba.set_num_threads(before)
    for indices, distances in results[1:]:
        np.testing.assert_array_equal(indices, results[0][0])
        np.testing.assert_array_equal(distances, results[0][1])


def test_fuzzy_weights_are_a_symmetric_union(points):
    k = 9
    indices, distances = nearest_neighbours(points, k)
    graph = fuzzy_weights(indices, distances)
    dense = graph.toarray()
    np.testing.assert_array_equal(dense, dense.T)
    assert dense.diagonal().max() == 0
    np.testing.assert_allclose(
        dense[np.arange(len(points)), indices[:, 0]], 1
    )  # the nearest is fully a neighbour
    assert 0 < graph.data.min()
    assert graph.data.max() <= 1
    assert graph.has_sorted_indices


def test_memberships_sum_to_the_logarithm_of_k():
    """Neighbours of a star do not choose each other, so the union does not change the memberships."""
    k = 8
    distances = np.sort(np.random.default_rng(0).uniform(1, 3, (1, k)), axis=1).astype(np.float32)
    indices = np.arange(1, k + 1)[None]
    far = np.zeros((k, k), dtype=int) + np.arange(k + 1, 2 * k + 1)
    rest = np.array([[j for j in range(2 * k + 1) if j not in (0, i)][:k] for i in range(k + 1, 2 * k + 1)])
    table = np.concatenate([indices, far, rest])
    lengths = np.concatenate([distances, np.ones((2 * k, k))]).astype(np.float32)
    graph = fuzzy_weights(table, lengths)
    assert graph[[0], :].sum() == pytest.approx(np.log2(k), abs=1e-3)


def test_copies_of_one_point_keep_weights_finite():
    graph = neighbour_graph(np.repeat(np.arange(4.0)[:, None], 10, axis=0), 5)
    assert np.isfinite(graph.data).all()


def test_bad_input_is_told():
    X = np.zeros((5, 2))
    with pytest.raises(ValueError, match="between 1 and 4"):
        nearest_neighbours(X, 5)
    with pytest.raises(ValueError, match="NaN"):
        nearest_neighbours(np.full((5, 2), np.nan), 2)
    with pytest.raises(ValueError, match="forest"):
        nearest_neighbours(X, 2, method="magic")


@pytest.mark.parametrize("wrong", [-1, 3])
def test_neighbours_that_are_none_of_the_points_are_refused(wrong):
    with pytest.raises(ValueError, match="expected 0 to 2"):
        fuzzy_weights(np.array([[1, 2], [0, 2], [0, wrong]]), np.ones((3, 2), np.float32))

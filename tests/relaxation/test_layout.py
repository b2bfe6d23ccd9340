"""The force-relaxed layout."""

import numba
import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.utils.estimator_checks import parametrize_with_checks

from hyperspy_motifs.relaxation import STAGES, ForceRelaxedLayout, Stage, neighbour_graph, relax_layout

SIZES = (420, 300, 9)


@pytest.fixture(scope="module")
def groups():
    """Three groups of which one is rare, and their numbers."""
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 2.2, (len(SIZES), 13))
    y = np.repeat(np.arange(len(SIZES)), SIZES)
    return centres[y] + rng.normal(0, 1, (len(y), 13)), y


@pytest.fixture(scope="module")
def fitted(groups):
    return ForceRelaxedLayout(history=30).fit(groups[0])


@parametrize_with_checks([ForceRelaxedLayout()])
def test_follows_the_rules_of_estimators(estimator, check):
    check(estimator)


def test_neighbours_in_the_layout_are_of_one_group(groups, fitted):
    y = groups[1]
    nearest = cKDTree(fitted.embedding_).query(fitted.embedding_, k=6)[1][:, 1:]
    same = (y[nearest] == y[:, None]).mean(axis=1)
    for group in range(len(SIZES)):
        assert same[y == group].mean() > 0.95


def test_stage_two_draws_groups_together(groups, fitted):
    y = groups[1]

    def spread(layout):
        inside = np.mean([layout[y == g].var(axis=0).sum() for g in range(2)])
        return inside / layout.var(axis=0).sum()

    first, second = fitted.stage_embeddings_
    assert spread(second) < spread(first)


def test_bit_identical_for_any_number_of_threads(groups):
    before = numba.get_num_threads()
    layouts = []
    for threads in (1, before, 1):
        numba.set_num_threads(threads)
        layouts.append(ForceRelaxedLayout(random_state=4).fit_transform(groups[0]))
    numba.set_num_threads(before)
    np.testing.assert_array_equal(layouts[0], layouts[1])
    np.testing.assert_array_equal(layouts[0], layouts[2])


def test_seed_matters(groups):
    X = groups[0][:200]
    a, b = (ForceRelaxedLayout(random_state=s).fit_transform(X) for s in (0, 1))
    assert not np.array_equal(a, b)


def test_history_runs_from_start_to_end(groups, fitted):
    steps = sum(stage.n_iter for stage in STAGES)
    assert fitted.history_.shape == (steps // 30 + 1, len(groups[0]), 2)
    np.testing.assert_array_equal(fitted.history_[0], fitted.start_.astype(np.float32))
    np.testing.assert_array_equal(fitted.history_[-1], fitted.embedding_.astype(np.float32))
    assert [len(e) for e in fitted.energies_] == [stage.n_iter for stage in STAGES]


def test_energy_of_springs_falls(groups):
    graph = neighbour_graph(groups[0], 8)
    start = np.random.default_rng(0).normal(0, 5, (len(groups[0]), 2)).astype(np.float32)
    energy = relax_layout(graph, start, [Stage(0, 2, 1, 0, 30)]).energies[0]
    assert (np.diff(energy) < 0).all()


def test_two_vertices_rest_where_forces_balance():
    """One edge of weight 1: the spring 1/2 d against nothing draws both to their middle."""
    graph = neighbour_graph(np.array([[0.0], [1.0]]), 1)
    result = relax_layout(
        graph, np.array([[0, 0], [2, 0]], np.float32), [Stage(0, 2, 1, 0, 200)], n_negatives=0
    )
    np.testing.assert_allclose(result.layout, [[1, 0], [1, 0]], atol=1e-3)


def test_repulsion_parts_unconnected_vertices():
    graph = neighbour_graph(np.array([[0.0], [0.1], [9.0], [9.1]]), 1)
    start = np.array([[0, 0], [0.1, 0], [0.2, 0.1], [0.3, 0.1]], np.float32)
    layout = relax_layout(graph, start, [Stage(0, 2, 1, 1, 100)]).layout
    within = np.linalg.norm(layout[0] - layout[1])
    between = np.linalg.norm(layout[0] - layout[2])
    assert between > 3 * within


def test_new_points_come_to_their_group(groups, fitted):
    X, y = groups
    rng = np.random.default_rng(9)
    new = X + rng.normal(0, 0.3, X.shape)
    places = fitted.transform(new)
    nearest = cKDTree(fitted.embedding_).query(places)[1]
    assert (y[nearest] == y).mean() > 0.99
    np.testing.assert_array_equal(fitted.transform(X), fitted.embedding_)


def test_progress_ends_at_one(groups):
    seen = []
    ForceRelaxedLayout(stages=[Stage(0, 2, 1, 1, 5), Stage(2, 4, 5, 2, 3)], progress=seen.append).fit(
        groups[0][:40]
    )
    assert seen == sorted(seen)
    assert len(seen) == 8
    assert seen[-1] == 1


def test_bad_start_is_told():
    X = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(ValueError, match="init has shape"):
        ForceRelaxedLayout(init=np.zeros((9, 2))).fit(X)
    with pytest.raises(ValueError, match="'pca'"):
        ForceRelaxedLayout(init="spectral").fit(X)

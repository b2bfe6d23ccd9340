"""The tree of motifs, its cuts, and density clusters of a layout."""

import numpy as np
import pytest

from hyperspy_motifs.clustering import MotifTree, by_frequency, density_clusters, merging_order


@pytest.fixture(scope="module")
def tree():
    """Radius 0.6 splits 10 atoms into 6 and 4, radius 1.2 the six into 3, 2 and 1."""
    return MotifTree(
        parent=np.array([-1, 0, 0, 1, 1, 3, 3], np.int32),
        radius=np.array([0, 0.6, 0.6, 1.2, 1.2, 1.2, 1.2]),
        size=np.array([10, 6, 4, 5, 1, 3, 2], np.int32),
        height=np.array([9.0, 7, 0, 5, 0, 0, 0]),
        leaf_of=np.array([5, 5, 5, 6, 6, 4, 2, 2, 2, 2], np.int32),
        merges=np.array([[0.6, 0, 1, 9], [1.2, 1, 2, 5], [1.2, 1, 3, 7], [1.2, 0, 1, 9]]),
    )


def test_tree_gives_the_labels_of_every_radius(tree):
    assert tree.labels_at(0.6).tolist() == [0] * 6 + [1] * 4
    assert tree.labels_at(1.2).tolist() == [1, 1, 1, 2, 2, 3, 0, 0, 0, 0]
    assert tree.labels_at(0.3).tolist() == [0] * 10


def test_tree_counts_its_leaves_and_children(tree):
    assert tree.n_leaves == 4
    assert tree.children() == [[1, 2], [3, 4], [], [5, 6], [], [], []]


def test_tree_is_cut_into_any_number(tree):
    assert tree.cut(1).tolist() == [0] * 10
    assert tree.cut(2).tolist() == tree.labels_at(0.6).tolist()
    assert tree.cut(3).tolist() == [0] * 5 + [2] + [1] * 4
    assert tree.cut(9).tolist() == tree.labels_at(1.2).tolist()
    with pytest.raises(ValueError, match="at least one"):
        tree.cut(0)


def test_tree_is_cut_at_a_radius(tree):
    assert tree.cut(3, radius=0.6).tolist() == tree.labels_at(0.6).tolist()
    # The groups of five merge at 1.2, and the four are apart.
    assert tree.cut(2, radius=1.2).tolist() == [0] * 6 + [1] * 4


def test_the_least_separated_pair_merges_first():
    apart = np.array([[0, 6, 14, 40], [6, 0, 13, 41], [14, 13, 0, 42], [40, 41, 42, 0]], float)
    merges = merging_order(apart, np.array([300, 200, 100, 60]))
    assert [(a, b) for a, b, _ in merges] == [(0, 1), (0, 2), (0, 3)]
    assert merges[0][2] == 6
    assert merges[1][2] == pytest.approx((300 * 14 + 200 * 13) / 500)


def test_a_handful_of_odd_atoms_merges_before_a_frequent_motif():
    """At nearly the same separation the rarer motif joins another one first; one that differs strongly does not."""
    apart = np.array([[0, 10, 11], [10, 0, 15], [11, 15, 0]], float)
    assert merging_order(apart, np.array([500, 300, 6]))[0][:2] == (0, 2)
    apart[0, 2] = apart[2, 0] = 80
    apart[1, 2] = apart[2, 1] = 85
    assert merging_order(apart, np.array([500, 300, 6]))[0][:2] == (0, 1)


def test_every_merge_but_one_group_is_listed():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(9, 4))
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    merges = merging_order(apart, rng.integers(12, 40, 9))
    joined = [b for _, b, _ in merges]
    assert len(merges) == 8
    assert sorted(joined) == sorted(set(joined))
    assert merging_order(np.zeros((1, 1)), np.array([7])) == []


def test_density_clusters_find_clumps_of_six():
    rng = np.random.default_rng(11)
    clumps = np.array([[0, 0], [12, 0], [0, 15]])
    y = np.repeat([0, 1, 2], [300, 90, 6])
    layout = clumps[y] + rng.normal(0, 0.6, (396, 2))
    labels = density_clusters(layout, 5)
    for group in range(3):
        inside = labels[(y == group) & (labels >= 0)]
        assert len(inside) > 0
        assert not np.isin(inside, labels[(y != group)]).any()


def test_density_clusters_of_few_points_are_one():
    assert density_clusters(np.zeros((3, 2))).tolist() == [0, 0, 0]


def test_motifs_are_numbered_by_frequency():
    assert by_frequency(np.array([7, 3, 3, 9, 9, 3])).tolist() == [2, 0, 0, 1, 1, 0]
    assert by_frequency(np.array([5, 2])).tolist() == [0, 1]

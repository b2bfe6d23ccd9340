"""Which motifs tile the field."""

import numpy as np
import pytest

from hyperspy_motifs.cells import find_cells, rank_corner_motifs, regularity


def boride(tiling):
    """Heavy columns on the 3^2.4.3.4 net; light ones in its squares and between pairs of its triangles."""
    heavy, _ = tiling("snub", 31.3, 24.1)
    net = find_cells(heavy)
    squares = net.centres[net.n_corners == 4]
    i, j, _ = net.adjacency.T
    pairs = (net.n_corners[i] == 3) & (net.n_corners[j] == 3)
    rng = np.random.default_rng(0)
    dimers = 0.5 * (net.centres[i] + net.centres[j])[pairs] + rng.normal(0, 0.05, (pairs.sum(), 2))
    labels = np.r_[np.zeros(len(heavy)), np.ones(len(squares)), np.full(len(dimers), 2)].astype(int)
    return np.vstack([heavy, squares, dimers]), labels


def test_heavy_columns_of_a_boride_make_the_net(tiling):
    points, labels = boride(tiling)
    best = rank_corner_motifs(points, labels)[0]
    assert best.motifs == (0,)
    assert best.regularity > 0.99
    cells = find_cells(points, labels, motifs=best.motifs)
    inner = cells.n_corners[~cells.on_border]
    assert np.sum(inner == 3) / np.sum(inner == 4) == pytest.approx(2, abs=0.2)


def test_all_of_a_monolayer_with_defects(shared_data):
    truth = np.load(shared_data / "simulated" / "mose2_mirror_medium.truth.npz")
    best = rank_corner_motifs(truth["xy"], truth["motif"])[0]
    assert best.motifs == tuple(np.unique(truth["motif"]).tolist())


def test_many_motifs_are_searched(tiling):
    points, site = tiling("honeycomb", 16.3, 12.1)
    rng = np.random.default_rng(1)
    labels = 3 * site + rng.integers(0, 3, len(site))
    found = rank_corner_motifs(points, labels, n_suggestions=3)
    assert found[0].motifs == tuple(range(6))
    assert found[0].share == 1
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)


def test_regularity_of_known_shapes():
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [2.7, 0], [2.7, 1]])
    cells = find_cells(points, bonds=[[0, 1], [1, 2], [2, 3], [0, 3], [1, 4], [4, 5], [2, 5]])
    values = regularity(points, cells)[np.argsort(cells.areas)]
    ratio = (0.7 / 2.7) ** 2
    np.testing.assert_allclose(values, [1, 1 / (1 + ratio)])


def test_large_fields_are_sampled(tiling):
    points, site = tiling("honeycomb", 40.3, 30.1)
    best = rank_corner_motifs(points, site, max_points=300)[0]
    assert best.motifs == (0, 1)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="points"):
        rank_corner_motifs(np.zeros((2, 2)), [0, 1])
    with pytest.raises(ValueError, match="labels"):
        rank_corner_motifs(np.random.default_rng(0).random((5, 2)), [0, 1])

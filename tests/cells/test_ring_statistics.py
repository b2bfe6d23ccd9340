"""Ring statistics, bond order and vertex figures."""

import numpy as np
import pytest

from hyperspy_motifs.cells import bond_orientational_order, find_cells, ring_statistics, vertex_figures


def test_silica_follows_the_laws_of_glass(silica):
    found = ring_statistics(find_cells(silica))
    np.testing.assert_array_equal(found.sizes, [4, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(found.counts, [11, 79, 130, 46, 21, 2])
    assert found.mean == pytest.approx(np.average(found.sizes, weights=found.counts))
    assert found.second_moment == pytest.approx(
        np.average(found.sizes**2, weights=found.counts) - found.mean**2
    )
    # Published for silica bilayers: 0.2 to 0.3; small rings sit next to large ones.
    assert 0.1 < found.aboav_weaire < 0.4
    assert (np.diff(found.neighbour_means[:4]) < 0).all()
    assert found.lemaitre_second_moment == pytest.approx(found.second_moment, rel=0.25)


def test_aboav_weaire_of_a_crystal(tiling):
    points, _ = tiling("truncated", 40.3, 33.1)
    found = ring_statistics(find_cells(points), border=False)
    np.testing.assert_array_equal(found.sizes, [4, 8])
    # Squares touch octagons only; octagons touch four of each.
    np.testing.assert_allclose(found.neighbour_means, [8, 6])
    # 4 m(4) = 32 and 8 m(8) = 48, with <n> = 6: the slope is 4 = <n> (1 - alpha).
    assert found.aboav_weaire == pytest.approx(1 / 3, abs=0.02)


def test_neighbours_of_graphene_defects(shared_data):
    truth = np.load(shared_data / "simulated" / "graphene_gb_medium.truth.npz")
    found = ring_statistics(find_cells(truth["xy"]))
    np.testing.assert_array_equal(found.counts, [19, 635, 18])
    assert found.neighbour_means[0] > 6 > found.neighbour_means[2]
    assert found.aboav_weaire > 0


def test_no_rings_is_told():
    with pytest.raises(ValueError, match="no rings"):
        ring_statistics(find_cells(np.zeros((0, 2))))


@pytest.mark.parametrize(("name", "k"), [("triangular", 6), ("square", 4), ("honeycomb", 3), ("kagome", 6)])
def test_bond_order_is_one_in_its_lattice(tiling, name, k):
    points, _ = tiling(name)
    angle = 0.13
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cells = find_cells(points)
    inner = vertex_figures(cells, len(points)).labels >= 0
    here = bond_orientational_order(points, cells.bonds, k)[inner]
    there = bond_orientational_order(points @ turn.T, cells.bonds, k)[inner]
    np.testing.assert_allclose(np.abs(here), 1, atol=1e-9)
    np.testing.assert_allclose(there, here * np.exp(1j * k * angle), atol=1e-9)
    other = np.abs(bond_orientational_order(points, cells.bonds, 5)[inner])
    assert other.max() < 0.5


def test_bond_order_of_atoms_without_bonds():
    psi = bond_orientational_order(np.zeros((3, 2)), np.zeros((0, 2), int))
    np.testing.assert_array_equal(psi, 0)
    with pytest.raises(ValueError, match="positive"):
        bond_orientational_order(np.zeros((3, 2)), np.zeros((0, 2), int), 0)


def test_vertex_figures_of_a_defective_honeycomb(shared_data):
    truth = np.load(shared_data / "simulated" / "graphene_gb_medium.truth.npz")
    points, names, motif = truth["xy"], truth["motif_names"], truth["motif"]
    figures = vertex_figures(find_cells(points), len(points))
    symbol = {"666": "6^3", "667": "6^2.7", "566": "5.6^2", "567": "5.6.7"}
    assert set(figures.symbols) == set(symbol.values())
    closed = figures.labels >= 0
    assert closed.sum() > 0.8 * len(points)
    for k in np.flatnonzero(closed):
        assert figures.symbols[figures.labels[k]] == symbol[str(names[motif[k]])]
    np.testing.assert_array_equal(figures.counts, np.bincount(figures.labels[closed]))


def test_chiral_figures_have_a_hand():
    # A ring of 5, 6 and 7 corners around each atom of a 5-6-7 junction, drawn as a circle with three sectors.
    angles = np.linspace(0, 2 * np.pi, 13)[:-1]
    rim = np.column_stack([np.cos(angles), np.sin(angles)])
    points = np.vstack([[[0, 0]], rim])
    spokes = [(0, 1), (0, 4), (0, 8)]
    bonds = spokes + [(k, k % 12 + 1) for k in range(1, 13)]
    here = vertex_figures(find_cells(points, bonds=bonds, merge_centred_rings=False), 13)
    there = vertex_figures(find_cells(points * [1, -1], bonds=bonds, merge_centred_rings=False), 13)
    assert here.symbols == there.symbols == ["5.6.7"]
    assert here.labels.tolist() == [0] + [-1] * 12
    assert here.handedness[0] == -there.handedness[0] != 0


def test_number_of_points_is_checked(tiling):
    points, _ = tiling("square", 6.3, 5.1)
    with pytest.raises(ValueError, match="n_points"):
        vertex_figures(find_cells(points), 3)

"""Cells and graph of a result, and the atoms of atomap that it becomes."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import data
from hyperspy_motifs.cells import ring_statistics

pytestmark = pytest.mark.usefixtures("two_radii")


def test_cells_are_the_hexagons_of_the_honeycomb(motifs):
    cells = motifs.cells
    assert np.mean(cells.n_corners == 6) > 0.95
    a = 0.329
    inner = ~cells.on_border & (cells.n_corners == 6)
    assert np.median(cells.areas[inner]) == pytest.approx(np.sqrt(3) / 2 * a**2, rel=0.02)
    # Metal and chalcogen take turns.
    corners = np.array([motifs.labels[cells.polygons[k]] for k in np.flatnonzero(inner)])
    assert np.mean(corners != np.roll(corners, 1, axis=1)) > 0.95


def test_the_graph_holds_atoms_and_cells_with_their_types(motifs):
    graph = motifs.graph
    assert len(graph.find(level="atom")) == len(motifs.labels)
    hexagons = graph.find(level="cell", n_corners=6)
    assert len(hexagons) == int((motifs.cells.n_corners == 6).sum())
    children = graph.children(hexagons[0])
    assert len(children) == 6
    assert all(hexagons[0] in graph.parents(child) for child in children)


def test_the_graph_of_a_crop_has_no_class_without_cells(motifs):
    part = motifs.signal.isig[:90, :70].motifs
    present = np.unique(part.cells.labels)
    assert len(present) < len(motifs.cells.classes)
    classes = part.graph.find(kind="cell-class")
    assert sorted(classes) == sorted(f"cell-class:{k}" for k in present)
    sizes = [part.graph.nodes[name]["size"] for name in classes]
    assert min(sizes) > 0
    assert sum(sizes) == len(part.cells)


def test_a_crop_may_have_cells_of_motifs_without_atoms(motifs):
    part = motifs.signal.isig[:64, 80:140].motifs
    assert len(part.cells)
    assert max(max(c.corner_sequence) for c in part.cells.classes) >= part.n_motifs
    assert f"{len(part.labels)} atoms" in part.summary()
    assert len(part.graph.find(level="atom")) == len(part.labels)


def test_the_metal_alone_tiles_triangles(motifs, simulated, matched):
    truth = simulated[1]
    rows, index = matched(motifs, truth)
    species = np.array(truth.names)[truth.labels[index[rows]]]
    metal = np.isin(species, ["Mo", "W"])
    heavy = [k for k in range(motifs.n_motifs) if metal[motifs.labels[rows] == k].mean() > 0.5]
    cells = motifs.find_cells(motifs=heavy)
    assert np.mean(cells.n_corners == 3) > 0.95
    inner = ~cells.on_border & (cells.n_corners == 3)
    assert np.median(cells.areas[inner]) == pytest.approx(np.sqrt(3) / 4 * 0.329**2, rel=0.02)
    assert set(motifs.labels[cells.vertices]) <= set(heavy)
    assert len(motifs.cells) == len(cells)


def test_patches_of_cells_are_dark_in_the_middle_of_a_hexagon(motifs):
    patches = motifs.export.cell_patches(radius=0.15)
    hexagons = motifs.cells.n_corners[patches.atoms] == 6
    mean = patches.data[hexagons].mean(axis=0)
    middle = mean.shape[0] // 2
    assert mean[middle, middle] == pytest.approx(float(mean.min()), abs=0.1 * float(np.ptp(mean)))


def test_cells_can_be_coloured_by_all_that_is_known_of_them(motifs):
    import matplotlib.pyplot as plt

    for choice in ("class", "corners", "shape", "handedness", "centre_atom"):
        (cells,) = motifs.plot_cells(choice).collections
        assert len(cells.get_facecolors()) == len(motifs.cells)
    angles = motifs.plot_cells("orientation").collections[0]
    period = 360 / motifs.cells.symmetry
    turn = angles.get_array() / (angles.get_clim()[1] if len(np.unique(period)) == 1 else 1)
    expected = np.degrees(motifs.cells.orientation) / period
    np.testing.assert_allclose(np.exp(2j * np.pi * turn), np.exp(2j * np.pi * expected), atol=1e-9)
    assert angles.get_clim()[0] == 0
    np.testing.assert_allclose(angles.cmap(0.0), angles.cmap(1.0), atol=0.02)  # cyclic
    for choice, component in (("strain_xx", 0), ("strain_yy", 1), ("strain_xy", 2)):
        strain = motifs.plot_cells(choice).collections[0]
        np.testing.assert_allclose(strain.get_array(), 100 * motifs.cells.strain[:, component])
        low, high = strain.get_clim()
        assert low == -high < 0
    area = motifs.plot_cells("strain").collections[0]
    np.testing.assert_allclose(area.get_array(), 100 * motifs.cells.strain[:, :2].sum(axis=1))
    with pytest.raises(ValueError, match=r"orientation.*strain"):
        motifs.plot_cells("colour")
    plt.close("all")


def test_graph_knows_its_image_and_classes_their_pictures(motifs):
    import matplotlib.pyplot as plt

    ax = motifs.graph.plot(motifs.graph.find(level="cell")[:3])
    np.testing.assert_array_equal(ax.images[0].get_array(), motifs.signal.data)
    drawn = motifs.plot.hierarchy(most=3)
    rows = {d["kind"] for _, d in motifs.graph.types.nodes(data=True)} - {
        "domain-class",
        "boundary-class",
    }
    assert len(drawn.images) >= len(rows)
    # The mean of the brightest motif is brightest in its middle.
    picture = drawn.images[0].get_array()
    middle = np.array(picture.shape) // 2
    assert picture[tuple(middle)] > np.quantile(picture.data, 0.9)
    plt.close("all")


def test_cells_are_grouped_by_what_the_image_shows_in_them(motifs):
    sizes = motifs.cells.n_corners
    groups = motifs.cluster_cells(n_corners=6)
    assert set(np.unique(groups[sizes != 6]).tolist()) <= {-1}
    assert np.sum(groups[sizes == 6] >= 0) > 0.7 * np.sum(sizes == 6)
    with pytest.raises(ValueError, match="n_corners is 11"):
        motifs.cluster_cells(n_corners=11)


def test_most_rings_of_a_honeycomb_are_hexagons(motifs):
    found = ring_statistics(motifs.cells, border=True)
    assert found.sizes[np.argmax(found.counts)] == 6


def test_filled_and_empty_channels_fall_apart_by_what_the_image_shows():
    s, truth = data.m1_oxide(shape=(430, 410), empty_channels=0.4, random_state=3)
    names = np.array(truth.names)[truth.labels]
    filler = np.char.endswith(names, "channel")
    positions = truth.positions * s.axes_manager[0].scale
    framework = positions[~filler]
    motifs = s.find_motifs(
        framework, refine=False, radius=0.2, radius_units="axes", complete=False, show_progressbar=False
    )
    cells = motifs.cells
    groups = motifs.cluster_cells(n_corners=6)
    looked = np.flatnonzero(groups >= 0)
    assert len(looked) >= 8
    distance = np.linalg.norm(cells.centres[looked][:, None] - positions[filler], axis=2).min(axis=1)
    filled = distance < 0.1
    assert 0 < filled.sum() < len(looked)
    assert groups.max() == 1
    assert len(set(groups[looked][filled])) == len(set(groups[looked][~filled])) == 1


def test_an_atom_lattice_has_one_sublattice_a_motif(motifs):
    lattice = motifs.export.atom_lattice()
    assert len(lattice.sublattice_list) == motifs.n_motifs
    for sublattice, count in zip(lattice.sublattice_list, motifs.counts, strict=True):
        assert len(sublattice.x_position) == count
    again = motifs.signal.deepcopy().find_motifs(atoms=lattice, refine=False, radius=0.6)
    assert len(again.labels) == len(motifs.labels)
    assert (
        adjusted_rand_score(
            motifs.labels, again.labels[cKDTree(again.pixel_positions).query(motifs.pixel_positions)[1]]
        )
        > 0.95
    )

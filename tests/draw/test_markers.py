"""HyperSpy markers: colours and places come back from a file."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs.draw import add_motif_legend, cell_colours, cell_markers, motif_colours, motif_markers

NAMES = ["Mo", "Se2", "Se vacancy"]


@pytest.fixture
def image():
    s = hs.signals.Signal2D(np.random.default_rng(0).random((30, 50)))
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.offset, axis.units = 0.5, 2.0, "nm"
    return s


@pytest.fixture(scope="module")
def atoms():
    rng = np.random.default_rng(2)
    return rng.uniform([2, 2], [26, 16], (60, 2)), rng.integers(0, 3, 60)


@pytest.fixture(scope="module")
def polygons():
    rng = np.random.default_rng(3)
    cells = []
    for i in range(24):
        turn = np.linspace(0, 2 * np.pi, 3 + i % 5, endpoint=False)
        cells.append(rng.uniform(4, 14, 2) + np.column_stack([np.cos(turn), np.sin(turn)]))
    return cells


@pytest.mark.parametrize("extension", ["hspy", "zspy"])
def test_markers_come_back_from_a_file_in_their_colours_and_places(
    image, atoms, polygons, extension, tmp_path
):
    positions, labels = atoms
    classes = np.arange(len(polygons)) % 4
    image.add_marker(motif_markers(positions, labels, NAMES), permanent=True, plot_marker=False)
    image.add_marker(cell_markers(polygons, classes), permanent=True, plot_marker=False)
    image.save(tmp_path / f"image.{extension}")
    loaded = hs.load(tmp_path / f"image.{extension}")
    assert sorted(loaded.metadata.Markers.keys()) == ["Mo", "Se2", "Se_vacancy", "cells"]
    loaded.plot()
    drawn = [loaded.metadata.Markers.Mo, loaded.metadata.Markers.Se2, loaded.metadata.Markers.Se_vacancy]
    for k, marker in enumerate(drawn):
        np.testing.assert_array_equal(marker._collection.get_offsets(), positions[labels == k])
        np.testing.assert_allclose(marker._collection.get_facecolors(), motif_colours([k]))
    cells = loaded.metadata.Markers.cells._collection
    np.testing.assert_allclose(cells.get_facecolors()[:, :3], cell_colours(classes)[:, :3])
    for path, corners in zip(cells.get_paths(), polygons, strict=True):
        # More than ten polygons: those of a list would come back in another order.
        np.testing.assert_array_equal(np.unique(path.vertices, axis=0), np.unique(corners, axis=0))


def test_names_of_any_kind_leave_the_file_readable(image, atoms, tmp_path):
    positions, labels = atoms
    markers = motif_markers(positions, labels, ["Mo/W", "Se₂ vacancy", "a.b"])
    image.add_marker(markers, permanent=True, plot_marker=False)
    image.save(tmp_path / "image.hspy")
    for lazy in (False, True):
        loaded = hs.load(tmp_path / "image.hspy", lazy=lazy)
        found = [marker for _, marker in loaded.metadata.Markers]
        assert sorted(len(marker) for marker in found) == sorted(np.bincount(labels))
        loaded.plot()
        drawn = next(marker for marker in found if marker.name == "Mo_W")._collection
        np.testing.assert_array_equal(drawn.get_offsets(), positions[labels == 0])
        np.testing.assert_allclose(drawn.get_facecolors(), motif_colours([0]))


def test_one_marker_for_each_motif_that_occurs(atoms):
    positions, labels = atoms
    markers = motif_markers(positions, 2 * labels)
    assert [marker.name for marker in markers] == ["motif 0", "motif 2", "motif 4"]
    assert [len(marker) for marker in markers] == np.bincount(labels).tolist()
    np.testing.assert_allclose(markers[2].kwargs["facecolors"], motif_colours([4]))


def test_markers_of_a_stack_follow_the_navigator():
    s = hs.signals.Signal2D(np.zeros((2, 3, 20, 30)))
    n = 6 * 4
    positions = np.column_stack([np.arange(n), np.arange(n) / 2]).astype(float)
    frames = np.repeat(np.arange(6), 4)
    labels = np.tile([0, 0, 1, 1], 6)
    markers = motif_markers(
        positions, labels, frames=frames, navigation_shape=s.axes_manager.navigation_shape
    )
    s.plot()
    s.add_marker(markers)
    s.axes_manager.indices = (2, 1)  # x, y: the last frame
    np.testing.assert_array_equal(markers[0]._collection.get_offsets(), positions[20:22])
    np.testing.assert_array_equal(markers[1]._collection.get_offsets(), positions[22:24])
    s.axes_manager.indices = (1, 0)  # the second
    np.testing.assert_array_equal(markers[0]._collection.get_offsets(), positions[4:6])


def test_cells_of_a_stack_follow_the_navigator():
    triangles = [np.array([[0, 0], [4, 0], [0, 4]]) + i for i in range(4)]
    triangles[3] = np.array([[9, 9], [12, 9], [12, 12], [9, 12]])
    marker = cell_markers(triangles, [0, 1, 0, 2], frames=[0, 2, 2, 2], navigation_shape=(3,))
    stack = hs.signals.Signal2D(np.zeros((3, 20, 30)))
    stack.plot()
    stack.add_marker(marker)

    def drawn():
        return [path.vertices for path in marker._collection.get_paths()]

    for frame, expected in ((0, [0]), (2, [1, 2, 3]), (1, []), (0, [0])):
        stack.axes_manager.indices = (frame,)
        paths = drawn()
        assert len(paths) == len(expected)
        for path, cell in zip(paths, expected, strict=True):
            assert {tuple(p) for p in path} == {tuple(p) for p in triangles[cell]}
        colours = marker._collection.get_facecolors()[: len(expected), :3]
        np.testing.assert_allclose(colours, cell_colours(np.array([0, 1, 0, 2])[expected])[:, :3])
    with pytest.raises(ValueError, match="navigation_shape"):
        cell_markers(triangles, [0, 1, 0, 2], frames=[0, 2, 2, 2])


def test_a_motif_may_be_missing_in_a_frame():
    s = hs.signals.Signal2D(np.zeros((3, 20, 30)))
    markers = motif_markers([[1, 2], [3, 4], [5, 6]], [0, 0, 1], frames=[0, 2, 2], navigation_shape=(3,))
    s.plot()
    s.add_marker(markers)
    for frame, counts in enumerate([(1, 0), (0, 0), (1, 1)]):
        s.axes_manager.indices = (frame,)
        assert tuple(len(marker._collection.get_offsets()) for marker in markers) == counts
    with pytest.raises(ValueError, match="3 frames, but frames has a 3"):
        motif_markers([[1, 2]], [0], frames=[3], navigation_shape=(3,))


def test_legend_is_seen_above_the_image_of_hyperspy(image, atoms):
    positions, labels = atoms
    image.plot()
    image.add_marker(motif_markers(positions, labels, NAMES))
    figure = image._plot.signal_plot.figure
    without = np.asarray(figure.canvas.buffer_rgba()).copy()
    legend = add_motif_legend(image._plot.signal_plot.ax, labels, NAMES, location="upper left", marker="o")
    frame = legend.get_window_extent().extents.astype(int)
    shown = np.asarray(figure.canvas.buffer_rgba())
    inside = np.s_[shown.shape[0] - frame[3] : shown.shape[0] - frame[1], frame[0] : frame[2]]
    assert (shown[inside] != without[inside]).any(axis=-1).mean() > 0.5


def test_what_does_not_fit_together_is_refused(atoms, polygons):
    positions, labels = atoms
    with pytest.raises(ValueError, match="names, but there are labels up to 2"):
        motif_markers(positions, labels, NAMES[:2])
    with pytest.raises(ValueError, match="navigation_shape"):
        motif_markers(positions, labels, frames=np.zeros(60, int))
    with pytest.raises(ValueError, match="one value for each of 24"):
        cell_markers(polygons, [0, 1])
    with pytest.raises(ValueError, match="no cells"):
        cell_markers([], [])

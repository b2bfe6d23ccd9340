"""Results in HyperSpy's own plots: navigators, switches, regions and stacks."""

import dataclasses

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import MouseEvent

from hyperspy_motifs import store
from hyperspy_motifs.draw import inside_roi, motif_colours
from hyperspy_motifs.signals import AtomPatches
from hyperspy_motifs.store import patches_signal

ROWS, COLUMNS = 60, 84
NAMES = {0: "Mo", 1: "Se2", 2: "Se/vacancy"}


def image_with_motifs(n_frames=None, n=90):
    """An image, or a stack, with arbitrary motifs for tests of drawing."""
    rng = np.random.default_rng(n)
    shape = (ROWS, COLUMNS) if n_frames is None else (n_frames, ROWS, COLUMNS)
    signal = hs.signals.Signal2D(rng.random(shape).astype(np.float32))
    signal.set_signal_type("atomic_image")
    for axis, offset in zip(signal.axes_manager.signal_axes, (2.0, 5.0), strict=True):
        axis.scale, axis.units, axis.offset = 0.25, "nm", offset
    # Frames differ in their numbers of atoms.
    frames = np.sort(rng.choice(n_frames or 1, n, p=None if n_frames is None else [0.5, 0.2, 0.3]))
    labels = np.sort(rng.integers(0, 3, n)) if n_frames is None else rng.integers(0, 3, n)
    stamp = store.Stamp.of(signal)
    positions = stamp.to_units(rng.uniform([3, 3], [COLUMNS - 4, ROWS - 4], (n, 2)))
    store.write(
        signal,
        store.Record(
            positions=positions,
            frames=frames,
            labels=labels,
            probabilities=rng.random(n),
            radii=np.array([1.2]),
            radius_labels=labels[None],
            radius_probabilities=np.ones((1, n)),
            layouts=rng.random((1, n, 2)),
            chosen=0,
            stamp=stamp,
            names=NAMES,
            parameters={"spacing": 1.5, "n_max": 4},
        ),
    )
    return signal


@pytest.fixture
def image():
    return image_with_motifs()


@pytest.fixture
def stack():
    return image_with_motifs(3)


def drawn(signal):
    """Places of the markers that are on the plot now, by motif, read from what matplotlib draws."""
    colours = motif_colours(range(3))
    places = {}
    for collection in signal._plot.signal_plot.ax.collections:
        (motif,) = np.flatnonzero(np.isclose(collection.get_facecolors()[0], colours).all(axis=1))
        places[int(motif)] = np.asarray(collection.get_offsets())
    return places


def assert_shows(signal, frame):
    motifs = signal.motifs
    here = motifs.frames == frame
    for motif, places in drawn(signal).items():
        np.testing.assert_allclose(places, motifs.positions[here & (motifs.labels == motif)])


def test_markers_follow_the_navigator_of_a_stack(stack):
    stack.plot_motifs()
    assert len(drawn(stack)) == 3
    assert_shows(stack, 0)
    for frame in (2, 1):
        stack.axes_manager.indices = (frame,)
        assert_shows(stack, frame)


def test_a_frame_that_is_asked_for_is_shown(stack):
    stack.plot_motifs(frame=2)
    assert stack.axes_manager.indices == (2,)
    assert_shows(stack, 2)
    with pytest.raises(ValueError, match="3 frames"):
        stack.plot_motifs(frame=3)


def click_on(artist):
    """Press the left button in the middle of an artist."""
    figure = artist.get_figure(root=True)
    figure.canvas.draw()
    box = artist.get_window_extent(figure.canvas.get_renderer())
    place = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    for kind in ("button_press_event", "button_release_event"):
        figure.canvas.callbacks.process(kind, MouseEvent(kind, figure.canvas, *place, 1))


def test_a_click_on_the_legend_switches_the_atoms_of_a_motif(stack):
    stack.plot_motifs()
    ax = stack._plot.signal_plot.ax
    entry = ax.get_legend().get_texts()[1]
    assert entry.get_text().startswith("Se2")
    click_on(entry)
    assert [c.get_visible() for c in ax.collections] == [True, False, True]
    assert entry.get_alpha() < 1
    # It stays off when the navigator moves.
    stack.axes_manager.indices = (1,)
    assert [c.get_visible() for c in ax.collections] == [True, False, True]
    click_on(ax.get_legend().legend_handles[1])
    assert all(c.get_visible() for c in ax.collections)
    assert entry.get_alpha() is None


def test_patches_are_navigated_by_motif(image):
    motifs = image.motifs
    motifs.patches.plot()
    navigator = motifs.patches._plot.navigator_plot
    np.testing.assert_array_equal(navigator.ax_lines[0].line.get_ydata(), motifs.labels)
    assert [t.get_text() for t in navigator.ax.get_yticklabels()] == list(NAMES.values())
    (points,) = [c for c in navigator.ax.collections if len(c.get_offsets()) == len(motifs.labels)]
    np.testing.assert_allclose(points.get_facecolors(), motif_colours(motifs.labels))
    motifs.patches.axes_manager.indices = (7,)
    shown = motifs.patches._plot.signal_plot.ax.images[0].get_array()
    np.testing.assert_array_equal(shown, motifs.patches.data[7])


def test_patches_are_navigated_by_any_score(image):
    motifs = image.motifs
    motifs.patches.plot(navigator=motifs.probabilities)
    navigator = motifs.patches._plot.navigator_plot
    np.testing.assert_allclose(navigator.ax_lines[0].line.get_ydata(), motifs.probabilities)
    with pytest.raises(ValueError, match="one number per patch"):
        motifs.patches.plot(navigator=motifs.probabilities[1:])


def test_motifs_of_patches_follow_slices_and_files(image, tmp_path):
    motifs = image.motifs
    part = motifs.patches.inav[5:40:3]
    np.testing.assert_array_equal(part.motifs, motifs.labels[5:40:3])
    np.testing.assert_array_equal(part.atoms, np.arange(5, 40, 3))
    part.plot(navigator="motif")
    part.save(tmp_path / "part.hspy")
    loaded = hs.load(tmp_path / "part.hspy")
    assert isinstance(loaded, AtomPatches)
    np.testing.assert_array_equal(loaded.motifs, part.motifs)


def test_patches_without_motifs_say_so():
    patches = patches_signal(np.zeros((4, 5, 5)), 0.1, "nm")
    patches.plot()
    with pytest.raises(ValueError, match=r"motifs\.patches"):
        patches.plot(navigator="motif")
    with pytest.raises(ValueError, match="each of 4 patches"):
        patches.set_motifs([0, 1])
    patches.set_motifs([0, 2, 1, 0])
    patches.plot(navigator="motif")


def test_hyperspy_shows_the_means(image):
    means = image.motifs.means
    axes = hs.plot.plot_images(means, axes_decor="off", scalebar=None, label="titles")
    shown = [ax.images[0].get_array() for ax in axes]
    np.testing.assert_array_equal(shown, means.data)


@pytest.mark.parametrize(
    ("roi", "expected"),
    [
        (
            hs.roi.RectangularROI(left=5, top=6, right=12, bottom=13),
            lambda x, y: (5 <= x < 12) & (6 <= y < 13),
        ),
        (hs.roi.CircleROI(12, 11, 5, 2), lambda x, y: 2 <= np.hypot(x - 12, y - 11) <= 5),
        (hs.roi.PolygonROI([(4, 7), (16, 7), (4, 19)]), lambda x, y: (x > 4) & (y > 7) & (x + y < 23)),
        (hs.roi.SpanROI(6, 9), lambda x, y: 6 <= x < 9),
    ],
    ids=["rectangle", "ring", "polygon", "span"],
)
def test_atoms_in_a_region(image, roi, expected):
    positions = image.motifs.positions
    inside = [bool(expected(x, y)) for x, y in positions]
    assert 3 < sum(inside) < len(inside)
    np.testing.assert_array_equal(inside_roi(positions, roi), inside)


def test_the_layout_follows_a_region_of_the_image(image):
    motifs = image.motifs
    image.plot()
    roi = hs.roi.RectangularROI(left=4, top=6, right=9, bottom=12)
    roi.add_widget(image)
    followers = list(roi.events.changed.connected)
    ax = motifs.plot_layout(roi=roi)
    limits = ax.get_xlim()

    def assert_follows():
        inside = inside_roi(motifs.positions, roi)
        assert inside.any()
        (points,) = ax.collections
        expected = motifs.layout[inside]
        shown = np.asarray(points.get_offsets())
        np.testing.assert_allclose(np.sort(shown, axis=0), np.sort(expected, axis=0))
        assert ax.get_xlim() == limits

    assert_follows()
    roi.left, roi.right = 10, 20
    assert_follows()
    # Nothing is there: an empty layout, not an error.
    roi.left, roi.right, roi.top, roi.bottom = 2, 2.25, 5, 5.25
    assert not ax.collections
    plt.close(ax.figure)
    ax.figure.canvas.callbacks.process("close_event", None)
    # A closed figure is not drawn on.
    assert list(roi.events.changed.connected) == followers


def test_the_layout_in_a_region_takes_any_colours(image):
    roi = hs.roi.CircleROI(12, 11, 5)
    for colour_by in ("probability", "density"):
        assert image.motifs.plot_layout(colour_by, roi=roi).collections
    with pytest.raises(TypeError, match="Point2DROI"):
        image.motifs.plot_layout(roi=hs.roi.Point2DROI(1, 2))
    with pytest.raises(ValueError, match="no position"):
        image.motifs.plot_layout(roi=hs.roi.RectangularROI())


def test_the_tree_shows_the_motifs_in_their_colours(image):
    record = store.read(image)
    n = np.bincount(record.labels)
    # All; motifs 0 and 2 together, and 1; motif 2 split once more, at the next radius.
    part = np.flatnonzero(record.labels == 2)[: n[2] // 2]
    leaf = np.array([2, 3, 4])[record.labels]
    leaf[part] = 5
    tree = {
        "parent": np.array([-1, 0, 1, 0, 6, 6, 1]),
        "radius": np.array([0, 0.6, 0.6, 0.6, 1.2, 1.2, 0.6]),
        "size": np.array([n.sum(), n[0] + n[2], n[0], n[1], n[2] - len(part), len(part), n[2]]),
        "height": np.arange(7.0),
        "atom_leaf": leaf,
    }
    store.write(image, dataclasses.replace(record, tree=tree))
    ax = image.motifs.plot.tree()
    texts = {t.get_text() for t in ax.texts}
    assert {f"Mo ({n[0]})", f"Se2 ({n[1]})", f"Se/vacancy ({n[2]})"} <= texts
    (nodes,) = [c for c in ax.collections if len(c.get_offsets()) == 6]
    colours = nodes.get_facecolors()
    for motif in range(3):
        assert np.isclose(colours, motif_colours([motif])).all(axis=1).sum() == 1

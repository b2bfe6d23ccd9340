"""The explorer, worked by simulated events: clicks, lassos, keys, buttons."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent

from hyperspy_motifs.draw import Explorer, ExplorerArrays, Labelling, image_extent, motif_colours

SCALE = 0.5
NAMES = ["Mo", "Se2", "vacancy"]


class Hand:
    """Moves, clicks, draws and types in the explorer's window."""

    def __init__(self, explorer):
        self.canvas = explorer.figure.canvas
        self.canvas.draw()

    def send(self, name, ax, place, button=None, key=None):
        x, y = ax.transData.transform(place)
        event = MouseEvent(name, self.canvas, x, y, button=button, key=key)
        self.canvas.callbacks.process(name, event)

    def point(self, ax, place):
        self.send("motion_notify_event", ax, place)

    def click(self, ax, place, key=None):
        self.send("button_press_event", ax, place, 1, key)
        self.send("button_release_event", ax, place, 1, key)

    def draw_round(self, ax, corners, key=None):
        self.send("button_press_event", ax, corners[0], 1, key)
        for place in corners[1:]:
            self.send("motion_notify_event", ax, place, 1, key)
        self.send("button_release_event", ax, corners[0], 1, key)

    def press(self, key):
        self.canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", self.canvas, key))


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    rows, columns = 60, 90
    grid = np.stack(np.meshgrid(np.arange(5, 90, 10), np.arange(5, 60, 10)), axis=-1).reshape(-1, 2)
    labels = np.zeros(len(grid), int)
    labels[::3], labels[:5] = 1, 2
    layout = np.array([[0, 0], [10, 0], [0, 10]])[labels] + rng.normal(0, 0.5, (len(grid), 2))
    patches = rng.random((len(grid), 7, 7)) + labels[:, None, None]
    modes = np.array([(n, m) for n in range(4) for m in range(-n, n + 1, 2)])
    return ExplorerArrays(
        image=rng.random((rows, columns)), positions=grid * SCALE, labels=labels, layout=layout,
        patches=patches, reconstructions=patches * 0.5, moments=rng.normal(size=(len(grid), len(modes))),
        modes=modes, names=NAMES, extent=image_extent((rows, columns), SCALE), units="nm",
    )  # fmt: skip


@pytest.fixture
def explorer(arrays):
    # A small window is drawn faster.
    return Explorer(arrays, figure=plt.figure(figsize=(9, 5.5), dpi=80))


@pytest.fixture
def hand(explorer):
    return Hand(explorer)


def lit(explorer):
    return [panel.lit_points() for panel in explorer.atom_panels]


def same_points(first, second):
    np.testing.assert_array_equal(np.unique(first, axis=0), np.unique(second, axis=0))


def status(explorer):
    return explorer._status.get_text()


def test_an_atom_clicked_in_the_image_is_lit_in_the_layout(explorer, hand, arrays):
    hand.click(explorer.image_panel.ax, np.array(arrays.positions[17]) + 0.3)
    assert explorer.selection.tolist() == [17]
    in_image, in_layout = lit(explorer)
    np.testing.assert_array_equal(in_image, arrays.positions[[17]])
    np.testing.assert_array_equal(in_layout, arrays.layout[[17]])
    assert status(explorer) == "1 atom chosen: Mo (1)"


def test_an_atom_clicked_in_the_layout_is_lit_in_the_image(explorer, hand, arrays):
    hand.click(explorer.layout_panel.ax, arrays.layout[3])
    assert explorer.selection.tolist() == [3]
    np.testing.assert_array_equal(lit(explorer)[0], arrays.positions[[3]])


def test_a_click_beside_all_atoms_chooses_none_and_shift_adds(explorer, hand, arrays):
    ax = explorer.image_panel.ax
    hand.click(ax, arrays.positions[8])
    hand.click(ax, arrays.positions[20], key="shift")
    assert explorer.selection.tolist() == [8, 20]
    hand.click(ax, np.array(arrays.positions[20]) + 2.5)
    assert explorer.selection.tolist() == []
    assert status(explorer) == "no atom chosen"


@pytest.mark.parametrize("key", [None, "shift"])
def test_a_lasso_in_the_layout_lights_its_atoms_in_the_image(explorer, hand, arrays, key):
    hand.click(explorer.image_panel.ax, arrays.positions[10])
    hand.draw_round(explorer.layout_panel.ax, [(3, 7), (3, 13), (-3, 13), (-3, 7)], key)
    expected = np.flatnonzero(arrays.labels == 2)
    if key == "shift":
        expected = np.union1d(expected, [10])
    np.testing.assert_array_equal(explorer.selection, expected)
    same_points(lit(explorer)[0], arrays.positions[expected])


def test_many_chosen_atoms_stand_out_of_a_veil_in_their_colours(explorer, hand, arrays):
    hand.draw_round(explorer.image_panel.ax, [(-0.2, -0.2), (40, -0.2), (40, 20), (-0.2, 20)])
    inside = (arrays.positions < [40, 20]).all(axis=1)
    assert inside.sum() > 30
    np.testing.assert_array_equal(explorer.selection, np.flatnonzero(inside))
    same_points(lit(explorer)[1], arrays.layout[inside])
    pixels = np.asarray(hand.canvas.buffer_rgba())
    x, y = explorer.layout_panel.ax.transData.transform(arrays.layout[~inside][0])
    veiled = pixels[pixels.shape[0] - 1 - int(y), int(x), :3]
    full = motif_colours([arrays.labels[~inside][0]])[0, :3] * 255
    assert veiled.sum() > full.sum() + 60


def test_the_patch_is_that_of_the_atom_under_the_pointer(explorer, hand, arrays):
    hand.point(explorer.image_panel.ax, arrays.positions[12])
    shown = explorer.patch_panel._images
    np.testing.assert_array_equal(shown["patches"].get_array(), arrays.patches[12])
    np.testing.assert_array_equal(shown["reconstructions"].get_array(), arrays.reconstructions[12])
    assert shown["patches"].get_clim() == shown["reconstructions"].get_clim()
    spectrum = explorer.patch_panel._bars.get_ydata()[1::3]
    assert (spectrum**2).sum() == pytest.approx((arrays.moments[12] ** 2).sum())
    hand.point(explorer.layout_panel.ax, arrays.layout[30])
    np.testing.assert_array_equal(shown["patches"].get_array(), arrays.patches[30])
    assert not len(explorer.selection)


def test_what_is_lit_is_on_the_screen_at_once(explorer, hand, arrays):
    x, y = explorer.image_panel.ax.transData.transform(arrays.positions[20])
    near = np.s_[int(-y) - 12 : int(-y) + 12, int(x) - 12 : int(x) + 12]
    before = np.asarray(hand.canvas.buffer_rgba())[near].copy()
    hand.click(explorer.image_panel.ax, arrays.positions[20])
    assert (np.asarray(hand.canvas.buffer_rgba())[near] != before).any()
    explorer.clear()
    np.testing.assert_array_equal(np.asarray(hand.canvas.buffer_rgba())[near], before)


def test_a_click_does_not_redraw_the_figure(explorer, hand, arrays):
    draws = []
    hand.canvas.mpl_connect("draw_event", draws.append)
    hand.point(explorer.image_panel.ax, arrays.positions[5])
    hand.click(explorer.image_panel.ax, arrays.positions[5])
    hand.draw_round(explorer.layout_panel.ax, [(3, 7), (3, 13), (-3, 13), (-3, 7)])
    assert not draws


@pytest.mark.parametrize("name", ["figure.png", "figure.pdf"])
def test_saving_keeps_what_is_lit_and_does_not_disturb_the_window(explorer, hand, arrays, tmp_path, name):
    explorer.select([20])
    lit_window = np.asarray(hand.canvas.buffer_rgba()).copy()
    explorer.figure.savefig(tmp_path / name, dpi=57)
    if name.endswith("png"):
        saved = plt.imread(tmp_path / name)
        explorer.clear()
        explorer.figure.savefig(tmp_path / name, dpi=57)
        assert (plt.imread(tmp_path / name) != saved).any()
    hand.canvas.draw()
    explorer.select([20])
    np.testing.assert_array_equal(np.asarray(hand.canvas.buffer_rgba()), lit_window)


def test_a_click_on_a_mean_chooses_its_motif(explorer, hand, arrays):
    panel = explorer.means_panel
    assert [t.get_text() for t in panel.ax.texts] == [
        f"{name}\nn = {n}" for name, n in zip(NAMES, np.bincount(arrays.labels), strict=True)
    ]
    np.testing.assert_allclose(
        panel.ax.images[1].get_array(), arrays.patches[arrays.labels == 1].mean(axis=0)
    )
    hand.click(panel.ax, (1.5, 0.3))
    np.testing.assert_array_equal(explorer.selection, np.flatnonzero(arrays.labels == 1))
    hand.click(panel.ax, (2.5, 0.3), key="shift")
    assert explorer.selected_motifs == [1, 2]


def test_a_lasso_becomes_a_motif_and_back(explorer, hand, arrays):
    hand.draw_round(explorer.image_panel.ax, [(-0.2, 17), (20, 17), (20, 40), (-0.2, 40)])
    chosen = explorer.selection
    hand.press("n")
    expected = arrays.labels.copy()
    expected[chosen] = 3
    np.testing.assert_array_equal(explorer.labelling.labels, expected)
    assert explorer.labelling.names == (*NAMES, "motif 3")
    for panel in explorer.atom_panels:
        assert panel.colour_counts() == dict(enumerate(np.bincount(expected).tolist()))
    assert explorer.means_panel.ax.texts[3].get_text() == f"motif 3\nn = {len(chosen)}"
    hand.press("u")
    np.testing.assert_array_equal(explorer.labelling.labels, arrays.labels)
    assert explorer.image_panel.colour_counts() == dict(enumerate(np.bincount(arrays.labels).tolist()))
    hand.press("u")
    assert status(explorer) == "there is nothing to undo"


def test_motifs_of_chosen_atoms_merge_by_button(explorer, hand, arrays):
    hand.click(explorer.layout_panel.ax, arrays.layout[np.flatnonzero(arrays.labels == 1)[0]])
    hand.press("m")
    assert "two motifs" in status(explorer)
    np.testing.assert_array_equal(explorer.labelling.labels, arrays.labels)
    hand.click(explorer.layout_panel.ax, arrays.layout[0], key="shift")
    hand.click(explorer._buttons["merge"].ax, (0.5, 0.5))
    assert set(explorer.labelling.labels) == {0, 1}
    np.testing.assert_array_equal(explorer.labelling.labels == 1, arrays.labels >= 1)


def test_whole_motif_by_key(explorer, hand, arrays):
    hand.click(explorer.image_panel.ax, arrays.positions[0])
    hand.press("a")
    np.testing.assert_array_equal(explorer.selection, np.flatnonzero(arrays.labels == 2))
    hand.press("escape")
    assert not len(explorer.selection)


def test_callbacks_are_told_and_their_labels_are_taken(arrays):
    told = []
    halves = np.where((arrays.labels == 0) & (arrays.positions[:, 0] > 20), 3, arrays.labels)

    def note(kind, answer=None):
        def call(*args):
            told.append((kind, *args))
            return answer

        return call

    explorer = Explorer(
        arrays, on_new_motif=note("new", arrays.labels * 0), on_merge=note("merge"),
        on_split=note("split", halves), on_name=note("name"), on_undo=note("undo"),
    )  # fmt: skip
    hand = Hand(explorer)
    explorer.select_motifs([0])
    hand.press("x")
    assert told.pop() == ("split", 0)
    np.testing.assert_array_equal(explorer.labelling.labels, halves)
    explorer.select_motifs([1, 3])
    hand.press("m")
    assert told.pop() == ("merge", [1, 3])
    np.testing.assert_array_equal(explorer.labelling.labels, np.where(halves == 3, 1, halves))
    hand.press("u")
    assert told.pop() == ("undo",)
    np.testing.assert_array_equal(explorer.labelling.labels, halves)
    explorer.select([4, 2])
    hand.press("n")
    kind, indices = told.pop()
    assert (kind, indices.tolist()) == ("new", [2, 4])
    assert set(explorer.labelling.labels) == {0}
    explorer.rename("Mo in W")
    assert told.pop() == ("name", 0, "Mo in W")


def test_a_callback_may_renumber_the_motifs(arrays):
    swapped = np.array([1, 0, 2])[arrays.labels]
    explorer = Explorer(
        arrays,
        on_merge=lambda motifs: (swapped, ["Se2", "Mo", "v"]),
        on_undo=lambda: (arrays.labels, ["A", "B", "C"]),
    )
    explorer.select([0, 10])
    assert explorer.merge()
    np.testing.assert_array_equal(explorer.labelling.labels, swapped)
    assert explorer.labelling.names == ("Se2", "Mo", "v")
    assert explorer.undo()
    np.testing.assert_array_equal(explorer.labelling.labels, arrays.labels)
    assert explorer.labelling.names == ("A", "B", "C")


def test_a_name_is_typed(explorer, hand, arrays):
    hand.click(explorer.image_panel.ax, arrays.positions[0])
    box = explorer._name_box
    hand.click(box.ax, (0.5, 0.5))
    for letter in "nox":
        hand.press(letter)
    # While a name is typed, letters are letters: nothing was split or made.
    np.testing.assert_array_equal(explorer.labelling.labels, arrays.labels)
    hand.press("enter")
    assert explorer.labelling.names == ("Mo", "Se2", "nox")
    assert status(explorer) == "1 atom chosen: nox (1)"
    explorer.undo()
    assert explorer.labelling.names == tuple(NAMES)


def test_a_name_goes_to_the_motif_it_was_typed_for(explorer, hand, arrays):
    hand.click(explorer.image_panel.ax, arrays.positions[0])
    hand.click(explorer._name_box.ax, (0.5, 0.5))
    hand.press("V")
    hand.click(explorer.means_panel.ax, (0.5, 0.3))  # leaves the box by choosing motif 0
    assert explorer.labelling.names == ("Mo", "Se2", "V")
    assert explorer.selected_motifs == [0]


def test_nothing_is_chosen_while_zooming(explorer, hand, arrays):
    class Toolbar:
        mode = "zoom rect"

    hand.canvas.toolbar = Toolbar()
    hand.click(explorer.image_panel.ax, arrays.positions[9])
    assert not len(explorer.selection)
    hand.canvas.toolbar = None
    hand.click(explorer.image_panel.ax, arrays.positions[9])
    assert explorer.selection.tolist() == [9]


def test_means_are_those_of_turned_patches_where_there_are_such(arrays):
    turned = np.arange(len(arrays.labels))[:, None, None] * np.ones((1, 7, 7))
    means = dataclasses.replace(arrays, turned=turned).means(arrays.labels)
    for k in range(3):
        np.testing.assert_allclose(means[k], np.flatnonzero(arrays.labels == k).mean())
    with pytest.raises(ValueError, match="turned must hold one entry"):
        dataclasses.replace(arrays, turned=turned[1:])


def test_only_what_is_there_is_shown(arrays):
    explorer = Explorer(ExplorerArrays(arrays.image, arrays.positions, arrays.labels, arrays.layout))
    hand = Hand(explorer)
    hand.point(explorer.image_panel.ax, arrays.positions[1])
    hand.click(explorer.image_panel.ax, arrays.positions[1])
    assert explorer.selection.tolist() == [1]
    assert "split" not in explorer._buttons
    hand.press("x")
    assert "cannot be split" in status(explorer)
    assert explorer.labelling.names == ("motif 0", "motif 1", "motif 2")
    explorer.close()
    hand.click(explorer.image_panel.ax, arrays.positions[2])
    assert explorer.selection.tolist() == [1]


def test_the_window_listens_though_nobody_holds_the_explorer(arrays):
    import gc

    figure = Explorer(arrays).figure
    gc.collect()
    explorer = figure._motif_explorer
    Hand(explorer).click(explorer.image_panel.ax, arrays.positions[6])
    assert explorer.selection.tolist() == [6]


def test_a_given_figure_is_used(arrays):
    figure = plt.figure(figsize=(8, 5))
    assert Explorer(arrays, figure=figure).figure is figure


def test_labelling_keeps_numbers_and_undoes():
    labelling = Labelling([0, 0, 1, 2], ["a", "b", "c"])
    labelling.replace(labelling.with_merged([2, 1]))
    assert labelling.labels.tolist() == [0, 0, 1, 1]
    labelling.replace(labelling.with_new_motif([0]))
    assert labelling.labels.tolist() == [3, 0, 1, 1]  # 2 is not used again: its colour and name are known
    assert labelling.names == ("a", "b", "c", "motif 3")
    labelling.rename(3, "d")
    assert labelling.names[3] == "d"
    for _ in range(3):
        labelling.undo()
    assert labelling.labels.tolist() == [0, 0, 1, 2]
    assert labelling.names == ("a", "b", "c")
    assert not labelling.can_undo


def test_what_does_not_fit_together_is_refused(arrays):
    with pytest.raises(ValueError, match="layout must hold one value for each of"):
        ExplorerArrays(arrays.image, arrays.positions, arrays.labels, arrays.layout[1:])
    with pytest.raises(ValueError, match="moments and modes belong together"):
        ExplorerArrays(arrays.image, arrays.positions, arrays.labels, arrays.layout, moments=arrays.moments)
    with pytest.raises(ValueError, match="patches must hold one entry for each of"):
        ExplorerArrays(
            arrays.image, arrays.positions, arrays.labels, arrays.layout, patches=arrays.patches[2:]
        )
    with pytest.raises(ValueError, match="no atoms to explore"):
        ExplorerArrays(arrays.image, np.empty((0, 2)), np.empty(0, int), np.empty((0, 2)))
    with pytest.raises(ValueError, match="names, but there are 3 motifs"):
        Labelling([0, 1, 2], ["a"])
    with pytest.raises(ValueError, match="one label for each of 2"):
        Labelling([0, 1]).replace([0, 1, 2])
    with pytest.raises(ValueError, match="there is no motif 5"):
        Labelling([0, 1]).rename(5, "x")
    with pytest.raises(ValueError, match="indices must be those of"):
        Explorer(arrays).select([10_000])

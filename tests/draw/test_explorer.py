"""The explorer in a window, worked by simulated events: clicks, lassos, keys, buttons."""

import gc
import sys
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent

from hyperspy_motifs import store
from hyperspy_motifs.draw import Explorer, motif_colours


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

    def press(self, *keys):
        for key in keys:
            self.canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", self.canvas, key))


@pytest.fixture
def motifs(monolayer):
    return monolayer.deepcopy().motifs


@pytest.fixture
def explorer(motifs):
    # A small window is drawn faster.
    return motifs.explore(figure=plt.figure(figsize=(9, 5.5), dpi=80))


@pytest.fixture
def hand(explorer):
    return Hand(explorer)


def lit(explorer):
    return [panel.lit_points() for panel in explorer.atom_panels]


def same_points(first, second):
    np.testing.assert_array_equal(np.unique(first, axis=0), np.unique(second, axis=0))


def middle_of(motifs):
    return int(np.argmin(((motifs.positions - motifs.positions.mean(axis=0)) ** 2).sum(axis=1)))


def rectangle(points, margin):
    (x0, y0), (x1, y1) = points.min(axis=0) - margin, points.max(axis=0) + margin
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_an_atom_clicked_in_one_view_is_lit_in_both_and_shift_adds(explorer, hand, motifs):
    atom, state = middle_of(motifs), explorer.state
    hand.click(explorer.image_panel.ax, motifs.positions[atom] + 0.01)
    assert state.selection.tolist() == [atom]
    in_image, in_layout = lit(explorer)
    np.testing.assert_array_equal(in_image, motifs.positions[[atom]])
    np.testing.assert_array_equal(in_layout, explorer.state.layout[[atom]])
    assert explorer._status.get_text().startswith(
        f"selected: atom {atom}, motif {motifs.labels[atom]}, probability "
    )
    hand.click(explorer.image_panel.ax, motifs.positions[3], key="shift")
    assert state.selection.tolist() == sorted([3, atom])
    between = motifs.cells.centres[motifs.cells.n_corners == 6]
    hand.click(explorer.image_panel.ax, between[len(between) // 2])
    assert not len(state.selection)


def test_a_lasso_in_the_layout_stands_out_of_a_veil_in_the_image(explorer, hand, motifs):
    layout = explorer.state.layout
    hand.click(explorer.image_panel.ax, motifs.positions[10])
    corners = rectangle(layout[motifs.labels == 1], 0.02 * np.ptp(layout))
    hand.draw_round(explorer.layout_panel.ax, corners, "shift")
    inside = np.all((layout > corners[0]) & (layout < corners[2]), axis=1)
    assert inside.sum() > 30
    np.testing.assert_array_equal(explorer.state.selection, np.union1d(np.flatnonzero(inside), [10]))
    same_points(lit(explorer)[0], motifs.positions[explorer.state.selection])
    pixels = np.asarray(hand.canvas.buffer_rgba())
    away = int(np.argmax(np.abs(layout - layout[inside].mean(axis=0)).sum(axis=1)))
    x, y = explorer.layout_panel.ax.transData.transform(layout[away])
    veiled = pixels[pixels.shape[0] - 1 - int(y), int(x), :3]
    assert veiled.sum() > (motif_colours([motifs.labels[away]])[0, :3] * 255).sum() + 60


def test_the_patch_is_that_of_the_atom_under_the_pointer(explorer, hand, motifs):
    atom = middle_of(motifs)
    hand.point(explorer.image_panel.ax, motifs.positions[atom])
    assert explorer._status.get_text() == explorer.state.about(atom)
    patch, again = explorer.patch_panel.pictures
    np.testing.assert_array_equal(patch.get_array(), motifs.patches.data[atom])
    assert patch.get_clim() == again.get_clim()
    # Moments to order 8 describe most of a patch of one column.
    disc = np.isfinite(motifs.patches.data[atom])
    assert np.corrcoef(patch.get_array()[disc], again.get_array()[disc])[0, 1] > 0.7
    without = np.flatnonzero(~np.isfinite(motifs.features.data).all(axis=1))[0]
    explorer.state.select([without])
    assert "no moments" in explorer.patch_panel._note.get_text()


def test_a_click_is_seen_at_once_without_redrawing_the_figure(explorer, hand, motifs):
    draws, atom = [], middle_of(motifs)
    x, y = explorer.image_panel.ax.transData.transform(motifs.positions[atom])
    near = np.s_[int(-y) - 12 : int(-y) + 12, int(x) - 12 : int(x) + 12]
    before = np.asarray(hand.canvas.buffer_rgba())[near].copy()
    hand.canvas.mpl_connect("draw_event", draws.append)
    hand.click(explorer.image_panel.ax, motifs.positions[atom])
    assert (np.asarray(hand.canvas.buffer_rgba())[near] != before).any()
    hand.press("escape")
    np.testing.assert_array_equal(np.asarray(hand.canvas.buffer_rgba())[near], before)
    assert not draws


@pytest.mark.parametrize("name", ["figure.png", "figure.pdf"])
def test_saving_does_not_disturb_the_window(explorer, hand, tmp_path, name):
    explorer.state.select([20])
    lit_window = np.asarray(hand.canvas.buffer_rgba()).copy()
    explorer.figure.savefig(tmp_path / name, dpi=57)
    hand.canvas.draw()
    explorer.state.select([20])
    np.testing.assert_array_equal(np.asarray(hand.canvas.buffer_rgba()), lit_window)


def test_a_motif_is_made_merged_and_taken_back_by_hand(explorer, hand, motifs):
    before = motifs.labels.copy()
    chosen = np.sort(np.argsort(np.abs(motifs.positions - motifs.positions.mean(axis=0)).max(axis=1))[:4])
    hand.draw_round(explorer.image_panel.ax, rectangle(motifs.positions[chosen], 0.03))
    inside = explorer.state.selection
    assert set(chosen) <= set(inside)
    hand.press("n")
    labels = store.read(motifs.signal).labels
    np.testing.assert_array_equal(np.flatnonzero(labels == labels[inside[0]]), inside)
    for panel in explorer.atom_panels:
        assert panel.colour_counts() == dict(enumerate(np.bincount(labels).tolist()))
    assert explorer.means_panel.ax.texts[-1].get_text() == f"2\n{len(inside)} atoms"
    hand.press("u", "ctrl+y")
    np.testing.assert_array_equal(store.read(motifs.signal).labels, labels)
    button = explorer._buttons["undo"].ax
    hand.click(button, (0.5, 0.5))
    np.testing.assert_array_equal(store.read(motifs.signal).labels, before)
    hand.press("u")
    assert explorer._status.get_text() == "There is nothing to undo."
    hand.click(explorer.means_panel.ax, (0.5, 0.3))
    np.testing.assert_array_equal(explorer.state.selection, np.flatnonzero(before == 0))
    hand.click(explorer.means_panel.ax, (1.5, 0.3), key="shift")
    hand.press("m")
    assert motifs.n_motifs == 1


def test_a_hidden_motif_is_neither_drawn_nor_found(explorer, hand, motifs):
    atom = middle_of(motifs)
    hand.click(explorer.image_panel.ax, motifs.positions[atom])
    hand.press("h")
    assert explorer.image_panel.colour_counts() == {
        1 - motifs.labels[atom]: int((motifs.labels != motifs.labels[atom]).sum())
    }
    hand.press("escape")
    hand.click(explorer.image_panel.ax, motifs.positions[atom])
    assert atom not in explorer.state.selection
    hand.press("v")
    assert len(explorer.image_panel.colour_counts()) == 2


def test_names_and_conditions_are_typed(explorer, hand, motifs):
    name, condition = explorer._boxes["name"], explorer._boxes["filter"]
    before = motifs.labels.copy()
    hand.click(explorer.image_panel.ax, motifs.positions[0])
    hand.click(name.ax, (0.5, 0.5))
    hand.press(*"nox")
    # While a name is typed, letters are letters: nothing was split or made.
    np.testing.assert_array_equal(motifs.labels, before)
    # Leaving the box submits the name, for the motif it was typed for.
    hand.click(explorer.means_panel.ax, (1.5 - before[0], 0.3))
    assert motifs.names[before[0]] == "nox"
    hand.click(condition.ax, (0.5, 0.5))
    hand.press(*"motif == 1", "enter")
    np.testing.assert_array_equal(explorer.state.shown, before == 1)


def test_the_radius_slider_changes_labels_layout_and_means(explorer, motifs):
    explorer._radius_slider.set_val(motifs.radii[-1])
    labels = motifs.labels_at(motifs.radii[-1])
    assert explorer.image_panel.colour_counts() == dict(enumerate(np.bincount(labels).tolist()))
    np.testing.assert_allclose(explorer.layout_panel.points, motifs.at(motifs.radii[-1]).layout)
    explorer.state.radius = motifs.radius
    assert explorer._radius_slider.val == pytest.approx(motifs.radius)


def test_values_are_coloured_in_steps_and_the_keys_are_listed(explorer, hand, motifs):
    explorer.state.colour_by = "x"
    counts = explorer.image_panel.colour_counts()
    assert len(counts) > 10
    assert sum(counts.values()) == len(motifs.labels)
    hand.press("?")
    assert explorer._help.get_visible()
    assert "split" in explorer._help.get_text()
    hand.press("?")
    explorer.state.select_motifs([0])
    hand.press("d")
    assert explorer._help.get_visible()
    assert explorer._help.get_text().split() == motifs.describe()[0].text.split()
    explorer.state.radius = max(motifs.radii)
    hand.press("d")
    assert not explorer._help.get_visible()
    hand.press("d")
    assert "are shown: go back first" in explorer.state.message


def test_nothing_is_selected_while_zooming_or_after_closing(explorer, hand, motifs):
    class Toolbar:
        mode = "zoom rect"

    hand.canvas.toolbar = Toolbar()
    hand.click(explorer.image_panel.ax, motifs.positions[9])
    assert not len(explorer.state.selection)
    hand.canvas.toolbar = None
    hand.click(explorer.image_panel.ax, motifs.positions[9])
    assert explorer.state.selection.tolist() == [9]
    explorer.close()
    hand.click(explorer.image_panel.ax, motifs.positions[5])
    assert explorer.state.selection.tolist() == [9]


def test_the_window_listens_though_nobody_holds_the_explorer(motifs):
    figure = plt.figure(figsize=(8, 5))
    assert isinstance(motifs.explore(view="window", figure=figure), Explorer)
    gc.collect()
    explorer = figure._motif_explorer
    Hand(explorer).click(explorer.image_panel.ax, motifs.positions[6])
    assert explorer.state.selection.tolist() == [6]
    with pytest.raises(ValueError, match="view is 'qt'"):
        motifs.explore(view="qt")


@pytest.mark.parametrize("backend", ["qtagg", "module://ipympl.backend_nbagg", "widget"])
def test_a_window_of_matplotlib_in_jupyter_is_used(motifs, monkeypatch, backend):
    # Its first figure asks IPython for a display hook.
    plt.figure()
    jupyter = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", jupyter)
    monkeypatch.setattr(mpl, "get_backend", lambda: backend)
    assert isinstance(motifs.explore(), Explorer)

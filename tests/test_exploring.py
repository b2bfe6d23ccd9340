"""What is done in the explorer's window reaches the metadata."""

import hyperspy.api as hs
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent

from hyperspy_motifs import data, store


@pytest.fixture(scope="module")
def found():
    signal, _ = data.monolayer(shape=(170, 204), random_state=3)
    signal.find_motifs(radius=0.6)
    return signal


@pytest.fixture
def motifs(found):
    return found.deepcopy().motifs


def test_chosen_atoms_become_a_motif_of_the_image(motifs):
    explorer = motifs.explore()
    chosen = np.flatnonzero(motifs.labels == 0)[:9]
    explorer.select(chosen)
    n = motifs.n_motifs
    assert explorer.new_motif()
    labels = store.read(motifs.signal).labels
    assert len(np.unique(labels[chosen])) == 1
    assert (labels == labels[chosen[0]]).sum() == 9
    assert motifs.n_motifs == n + 1
    np.testing.assert_array_equal(explorer.labelling.labels, labels)


def test_merging_naming_and_undoing_step_by_step(motifs):
    explorer = motifs.explore()
    before = motifs.labels.copy()
    explorer.select_motifs([0, 1])
    assert explorer.merge()
    merged = motifs.labels.copy()
    assert motifs.n_motifs < before.max() + 1
    explorer.select_motifs([0])
    assert explorer.rename("both")
    assert motifs.names[0] == "both"
    explorer.undo()
    assert motifs.names[0] == "0"
    np.testing.assert_array_equal(motifs.labels, merged)
    explorer.undo()
    np.testing.assert_array_equal(motifs.labels, before)


def test_a_frame_without_atoms_is_refused(motifs):
    with pytest.raises(ValueError, match="Frame 7"):
        motifs.explore(frame=7)


def mouse(explorer, name, ax, place):
    x, y = ax.transData.transform(place)
    canvas = explorer.figure.canvas
    canvas.callbacks.process(name, MouseEvent(name, canvas, x, y, button=1))


def click(explorer, ax, place):
    mouse(explorer, "button_press_event", ax, place)
    mouse(explorer, "button_release_event", ax, place)


def draw_round(explorer, ax, corners):
    mouse(explorer, "button_press_event", ax, corners[0])
    for place in corners[1:]:
        mouse(explorer, "motion_notify_event", ax, place)
    mouse(explorer, "button_release_event", ax, corners[0])


def press(explorer, key):
    canvas = explorer.figure.canvas
    canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", canvas, key))


def press_button(explorer, text):
    click(explorer, explorer._buttons[text].ax, (0.5, 0.5))


def rectangle(points, margin):
    (x0, y0), (x1, y1) = points.min(axis=0) - margin, points.max(axis=0) + margin
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_a_lasso_in_the_image_and_a_key_reach_the_metadata(motifs):
    explorer = motifs.explore()
    middle = np.abs(motifs.positions - motifs.positions.mean(axis=0)).max(axis=1)
    chosen = np.sort(np.argsort(middle)[:4])
    corners = rectangle(motifs.positions[chosen], 0.03)
    inside = np.flatnonzero(np.all((motifs.positions > corners[0]) & (motifs.positions < corners[2]), axis=1))
    before = motifs.labels.copy()
    draw_round(explorer, explorer.image_panel.ax, corners)
    np.testing.assert_array_equal(explorer.selection, inside)
    press(explorer, "n")
    labels = store.read(motifs.signal).labels
    np.testing.assert_array_equal(np.flatnonzero(labels == labels[inside[0]]), inside)
    press(explorer, "u")
    np.testing.assert_array_equal(store.read(motifs.signal).labels, before)


def test_a_lasso_in_the_layout_and_a_button_reach_the_metadata(motifs):
    explorer = motifs.explore()
    rarest = np.flatnonzero(motifs.labels == motifs.n_motifs - 1)
    draw_round(
        explorer, explorer.layout_panel.ax, rectangle(motifs.layout[rarest], 0.04 * np.ptp(motifs.layout))
    )
    assert set(rarest) <= set(explorer.selection)
    n = len(explorer.selection)
    press_button(explorer, "new motif")
    labels = store.read(motifs.signal).labels
    assert (labels == labels[rarest[0]]).sum() == n
    press_button(explorer, "undo")
    assert (motifs.labels == motifs.n_motifs - 1).sum() == len(rarest)


def test_motifs_are_merged_and_named_by_hand_and_kept_in_the_file(motifs, tmp_path):
    explorer = motifs.explore()
    n_before = len(np.unique(motifs.labels))
    for motif in (0, 1):
        explorer.select(np.flatnonzero(motifs.labels == motif)[:1], add=True)
    press(explorer, "m")
    assert len(np.unique(store.read(motifs.signal).labels)) == n_before - 1
    explorer.select(np.flatnonzero(motifs.labels == 0)[:1])
    click(explorer, explorer._name_box.ax, (0.5, 0.5))
    for letter in "Mo":
        press(explorer, letter)
    press(explorer, "enter")
    assert store.read(motifs.signal).names[0] == "Mo"
    motifs.signal.save(tmp_path / "edited.hspy")
    again = hs.load(tmp_path / "edited.hspy").motifs
    assert again.names[0] == "Mo"
    np.testing.assert_array_equal(again.labels, motifs.labels)


def test_a_motif_that_is_two_is_split_by_key_in_the_metadata(motifs):
    explorer = motifs.explore()
    before = motifs.labels.copy()
    explorer.select_motifs([0, 1])
    press(explorer, "m")
    both = np.flatnonzero(motifs.labels == 0)
    assert set(before[both]) == {0, 1}
    explorer.select(both[:1])
    press(explorer, "x")
    labels = store.read(motifs.signal).labels
    # Mo and Se2 that were merged are separated again if their discs are complete, and no other atom changes.
    first, second = (np.flatnonzero((before == motif) & ~motifs.truncated) for motif in (0, 1))
    assert min(len(first), len(second)) >= 40
    assert set(np.flatnonzero(np.isin(labels, labels[both]))) == set(both)
    # Of a small field the few defects among them may go with either.
    most = [np.bincount(labels[members]).argmax() for members in (first, second)]
    assert most[0] != most[1]
    for label, members in zip(most, (first, second), strict=True):
        assert np.mean(labels[members] == label) > 0.85
    np.testing.assert_array_equal(explorer.labelling.labels, labels)


def test_a_motif_that_does_not_split_is_said_in_the_window(motifs):
    explorer = motifs.explore()
    before = motifs.labels.copy()
    explorer.select(np.flatnonzero(before == 0)[:1])
    press(explorer, "x")
    assert "does not split into groups" in explorer._status.get_text()
    np.testing.assert_array_equal(store.read(motifs.signal).labels, before)
    press(explorer, "u")
    assert explorer._status.get_text() == "there is nothing to undo"


def test_an_atom_without_moments_is_said_to_have_none(motifs):
    explorer = motifs.explore()
    without = np.flatnonzero(~np.isfinite(motifs.features.data).all(axis=1))
    inner = np.argmin(np.abs(motifs.positions - motifs.positions.mean(axis=0)).max(axis=1))
    assert len(without)
    note = explorer.patch_panel._note
    explorer.select([without[0]])
    assert "no moments" in note.get_text()
    explorer.select([inner])
    assert note.get_text() == ""

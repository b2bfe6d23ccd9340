"""The state of an explorer: what is selected, shown, edited and exported, without any view."""

import csv
from dataclasses import replace

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import data, store
from hyperspy_motifs.draw import inside_roi
from hyperspy_motifs.motifs import ExplorerState

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.fixture
def motifs(monolayer):
    return monolayer.deepcopy().motifs


@pytest.fixture
def state(motifs):
    return ExplorerState(motifs)


def test_every_edit_is_undone_and_made_again(state, motifs):
    before, chosen = motifs.labels.copy(), np.flatnonzero(motifs.labels == 0)[:9]
    state.select(chosen)
    state.new_motif()
    made = motifs.labels.copy()
    assert (made == made[chosen[0]]).sum() == 9
    assert motifs.n_motifs == before.max() + 2
    # It is now the rarest: the others keep their identity, and with it their colour.
    assert state.ids[made[chosen[0]]] == before.max() + 1
    np.testing.assert_array_equal(state.ids[made[before == 1]], 1)
    state.rename("corner")
    state.select_motifs([0, 1])
    state.merge()
    assert len(state.history) == 3
    for _ in range(3):
        state.undo()
    np.testing.assert_array_equal(store.read(motifs.signal).labels, before)
    assert motifs.names == ["0", "1"]
    assert state.undone == ["new motif of 9 atoms", f"name {made[chosen[0]]} corner", "merge 0, 1"]
    state.redo()
    state.redo()
    np.testing.assert_array_equal(motifs.labels, made)
    assert "corner" in motifs.names
    state.rename("other", 0)
    with pytest.raises(ValueError, match="nothing to redo"):
        state.redo()


def test_a_merged_motif_is_split_again_and_kept_in_the_file(state, motifs, tmp_path):
    before = motifs.labels.copy()
    state.select_motifs([0, 1])
    state.merge()
    state.select([0])
    state.split()
    first, second = (np.flatnonzero((before == k) & ~motifs.truncated) for k in (0, 1))
    most = [np.bincount(motifs.labels[members]).argmax() for members in (first, second)]
    assert most[0] != most[1]
    for label, members in zip(most, (first, second), strict=True):
        assert np.mean(motifs.labels[members] == label) > 0.85
    path = state.save(tmp_path / "edited.hspy")
    np.testing.assert_array_equal(hs.load(path).motifs.labels, motifs.labels)
    with pytest.raises(ValueError, match="exists already"):
        state.save(path)


def test_what_is_refused_is_said_and_changes_nothing(state, motifs):
    before, changes = motifs.labels.copy(), []
    stop = state.observe(changes.append)
    state.select_motifs([0])
    assert not state.attempt(state.merge)
    assert "two motifs" in state.status
    assert not state.attempt(state.split)
    assert "does not split into groups" in state.message
    assert not state.attempt(state.undo)
    assert changes == ["selection", "message", "message", "message"]
    stop()
    state.select([])
    assert len(changes) == 4
    assert state.status == "no atom selected"
    with pytest.raises(ValueError, match="atoms of the new motif first"):
        state.new_motif()
    with pytest.raises(ValueError, match="There is no atom 10000"):
        state.select([10_000])
    with pytest.raises(ValueError, match="Frame 7 has no atoms"):
        ExplorerState(motifs, 7)
    np.testing.assert_array_equal(motifs.labels, before)


def test_another_radius_shows_its_labels_and_allows_no_edit(state, motifs):
    radius = motifs.radii[-1]
    state.radius = radius
    np.testing.assert_array_equal(state.labels, motifs.labels_at(radius))
    np.testing.assert_allclose(state.layout, motifs.at(radius).layout)
    np.testing.assert_array_equal(state.columns["motif"], state.labels)
    state.select([3])
    with pytest.raises(ValueError, match="go back first"):
        state.new_motif()
    with pytest.raises(ValueError, match="There is no radius 9"):
        state.radius = 9
    state.radius = motifs.radius
    np.testing.assert_array_equal(state.labels, motifs.labels)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("probability < 0.9 and motif == 0", lambda t: (t["probability"] < 0.9) & (t["motif"] == 0)),
        ("not truncated or motif in [1, 2]", lambda t: ~t["truncated"] | (t["motif"] > 0)),
        ("0.5 < x <= 1.5", lambda t: (t["x"] > 0.5) & (t["x"] <= 1.5)),
        ("name != '1' and motif_at_0_6 == 0", lambda t: t["motif"] == 0),
        ("x + 2 * y > -(-1)", lambda t: t["x"] + 2 * t["y"] > 1),
    ],
)
def test_a_condition_in_words_shows_its_atoms(state, motifs, condition, expected):
    state.condition = condition
    np.testing.assert_array_equal(state.shown, expected(motifs.to_dict()))
    state.select_shown()
    assert len(state.selection) == state.shown.sum() > 0


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd()", "motif.__class__ == 1", "probability", "motif == ", "height < 3", "x if y else x",
        "9 ** 9 ** 9 > x", "'a' * 9999999999 == name", "[m for m in motif]", "x < 1 and y", "(" * 400 + "x" + ")" * 400,
        "x < 1 or " * 100 + "x < 1", "x < " + 400 * "9",
    ],
)  # fmt: skip
def test_nothing_but_conditions_is_evaluated(state, text):
    with pytest.raises(ValueError, match=r"condition|column|true nor false"):
        state.condition = text
    assert state.condition == ""
    assert state.shown.all()


def test_hidden_motifs_stay_hidden_through_edits(state):
    state.show_motifs([1])
    np.testing.assert_array_equal(state.shown, state.labels == 1)
    state.select_motifs([0, 1])
    assert set(state.labels[state.selection]) == {1}
    state.select(np.flatnonzero(state.labels == 1)[:6])
    state.new_motif()
    # The new motif is seen, the hidden one is not, whatever their numbers are now.
    assert state.shown.sum() == state.n_atoms - np.bincount(state.labels)[0]
    state.show_motifs()
    assert state.shown.all()


def test_colours_are_given_and_taken_back(state):
    state.select_motifs([1])
    state.recolour("#123456")
    assert state.colours == {1: "#123456"}
    state.undo()
    assert state.colours == {}


def test_values_of_the_cells_around_an_atom(state, motifs):
    cells, atom = (
        motifs.cells,
        int(np.argmin(((motifs.positions - motifs.positions.mean(axis=0)) ** 2).sum(axis=1))),
    )
    around = [k for k, corners in enumerate(cells.corners) if atom in corners]
    assert len(around) == 3
    assert state.columns["cell_area"][atom] == pytest.approx(cells.areas[around].mean())
    state.colour_by = "cell_area"
    np.testing.assert_allclose(state.values, state.columns["cell_area"])
    with pytest.raises(ValueError, match="There is no value 'colour'"):
        state.colour_by = "colour"


def test_means_show_the_neighbours_of_each_motif(state):
    means = state.mean_patches()
    assert set(means) == {0, 1}
    side = len(means[0])
    reach = 2 * state.spacing / state.extent[0][0]
    assert side // 2 == int(np.ceil(reach))
    # Metal and chalcogen alternate: at one nearest-neighbour distance there are three columns of the other kind.
    rows, columns = np.mgrid[:side, :side] - side // 2
    ring = np.abs(np.hypot(rows, columns) - reach / 2) < 1
    for k in (0, 1):
        assert means[k][ring].max() == pytest.approx(means[1 - k][side // 2, side // 2], rel=0.15)


def test_uncertain_and_cut_atoms_say_why(state, motifs):
    cut = np.flatnonzero(motifs.truncated)
    assert all("cut by the border" in state.reasons[i] for i in cut)
    motifs.defects  # noqa: B018
    state.defects()
    for atom, evidence in zip(motifs.defects.atoms, motifs.defects.evidence, strict=True):
        assert atom < 0 or evidence in state.reasons[atom]


def test_a_selection_becomes_a_table_a_region_and_motifs_of_their_own(state, motifs, tmp_path):
    chosen = np.flatnonzero((motifs.positions < 1.2).all(axis=1))
    state.select(chosen)
    with open(state.to_csv(tmp_path / "part.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == chosen.tolist()
    np.testing.assert_array_equal([float(row["x"]) for row in rows], motifs.positions[chosen, 0])
    assert state.to_text().splitlines()[1].split("\t")[0] == str(chosen[0])
    assert set(chosen) <= set(np.flatnonzero(inside_roi(motifs.positions, state.to_roi())))
    part = state.subset()
    np.testing.assert_array_equal(part.positions, motifs.positions[chosen])
    np.testing.assert_array_equal(part.labels, motifs.labels[chosen])
    kept = sum(set(corners) <= set(chosen) for corners in motifs.cells.corners)
    assert 0 < len(part.cells) == kept < len(motifs.cells)
    np.testing.assert_array_equal(motifs.signal.motifs.positions, motifs.positions)
    state.select([])
    with pytest.raises(ValueError, match="atoms of the region first"):
        state.to_roi()


def test_cells_of_a_frame_are_shown_also_if_their_first_corner_is_an_empty_site(state, motifs, monkeypatch):
    cells = motifs.cells
    vertices = cells.vertices.copy()
    vertices[0] = cells.n_points
    place = motifs.positions[cells.vertices[:1]]
    monkeypatch.setattr(type(motifs), "cells", replace(cells, vertices=vertices, empty_sites=place))
    monkeypatch.setattr(ExplorerState, "n_frames", 2)
    outlines, classes = state.cells
    assert len(outlines) == len(classes) == len(cells)
    np.testing.assert_allclose(outlines[0], motifs.positions[cells.corners[0]])


def test_an_atom_is_found_by_its_number(state):
    state.find("17")
    assert state.selection.tolist() == [17]
    x, y = state.positions[17]
    says = f"selected: atom 17, motif {state.labels[17]}, probability {state.probabilities[17]:.3f}, height "
    assert state.status.startswith(says)
    assert f"x {x:.4g}, y {y:.4g} nm" in state.status
    # What the text under a pointer says once the reasons are known.
    truncated = int(np.flatnonzero(state.columns["truncated"])[0])
    state.find(truncated)
    assert "border" not in state.status
    assert state.reasons[truncated] in state.status
    for wrong in ("-1", "x", "100000"):
        with pytest.raises(ValueError, match="There is no atom"):
            state.find(wrong)


def test_steps_go_to_the_next_atom_and_skip_hidden_ones(state, motifs):
    state.step(1, 0)
    centre = motifs.positions.mean(axis=0)
    distance = np.linalg.norm(motifs.positions - centre, axis=1)
    assert state.selection.tolist() == [distance.argmin()]
    for right, down in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        before = state.positions[state.selection[0]]
        state.step(right, down)
        (after,) = state.selection
        x, y = state.positions[after] - before
        along, across = (x * right, y) if right else (y * down, x)
        assert along >= abs(across)
        # None lies closer on this side.
        offsets = state.positions - before
        side = offsets @ (right, down)
        ahead = side > np.abs(offsets @ (down, right))
        assert np.hypot(x, y) == pytest.approx(np.linalg.norm(offsets[ahead], axis=1).min())
    motif = int(state.labels[state.selection[0]])
    state.show_motifs([motif])
    state.step(1, 0)
    assert state.labels[state.selection[0]] == motif
    state.select([int(motifs.positions[:, 0].argmax())])
    assert not state.attempt(state.step, 1, 0)
    assert "no atom on this side" in state.message
    state.show_motifs([])
    with pytest.raises(ValueError, match="No atom is shown"):
        state.step(1, 0)


def test_a_stack_follows_the_navigator_and_the_navigator_it():
    signal, _ = data.monolayer(shape=(70, 84), random_state=3)
    stack = hs.stack([signal, signal.deepcopy(), signal.deepcopy()])
    stack.set_signal_type("atomic_image")
    motifs = stack.find_motifs(radius=0.6, show_progressbar=False)
    state, changes = ExplorerState(motifs, 1), []
    state.observe(changes.append)
    np.testing.assert_array_equal(state.positions, motifs.positions[motifs.frames == 1])
    stack.axes_manager.indices = (2,)
    assert state.frame == 2
    assert changes == ["frame"]
    state.frame = 0
    assert stack.axes_manager.indices == (0,)
    last = len(motifs.frames) - 1
    state.find(last)
    assert state.frame == 2
    assert state.numbers[state.selection].tolist() == [last]
    state.close()
    stack.axes_manager.indices = (0,)
    assert state.frame == 2

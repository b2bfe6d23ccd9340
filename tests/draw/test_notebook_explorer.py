"""The explorer of a notebook, without a browser: what it would change reaches the motifs, and what they change reaches it."""

import subprocess
import sys

import numpy as np
import pytest

from hyperspy_motifs import store

pytest.importorskip("bokeh")
pytest.importorskip("jupyter_bokeh")


@pytest.fixture
def motifs(monolayer):
    return monolayer.deepcopy().motifs


@pytest.fixture
def explorer(motifs):
    return motifs.explore(view="notebook")


def click(explorer, button):
    from bokeh.events import ButtonClick

    model = explorer.controls[button]
    model._trigger_event(ButtonClick(model))


def press(explorer, key):
    explorer.controls["key"].value = f"{key} 1"


def test_a_selection_in_the_browser_reaches_the_state_and_back(explorer, motifs):
    atoms, table = explorer.sources["atoms"], explorer.sources["motifs"]
    atoms.selected.indices = [12, 4]
    assert explorer.state.selection.tolist() == [4, 12]
    assert table.selected.indices == np.unique(motifs.labels[[4, 12]]).tolist()
    assert "2 atoms selected" in explorer._status.text
    explorer.state.select([7])
    assert atoms.selected.indices == [7]
    np.testing.assert_array_equal([explorer.sources["here"].data[a][0] for a in "xy"], motifs.positions[7])
    other = int(motifs.labels[7] == 0)  # that of atom 7 is selected already
    table.selected.indices = [other]
    np.testing.assert_array_equal(explorer.state.selection, np.flatnonzero(motifs.labels == other))
    press(explorer, "?")
    assert explorer.tabs.tabs[explorer.tabs.active].title == "?"
    press(explorer, "d")
    assert explorer._about.text == f"<p>{motifs.describe()[other].text}</p>"
    explorer.controls["find"].value = "9"
    assert atoms.selected.indices == [9]
    assert motifs.describe()[motifs.labels[9]].text in explorer._about.text


def test_an_atom_that_is_found_or_stepped_to_is_brought_into_view(explorer, motifs):
    figure = explorer.figures["image"]
    width, height = (r.end - r.start for r in (figure.x_range, figure.y_range))
    x, y = motifs.positions[3]
    figure.x_range.update(start=x - 0.05 * width, end=x + 0.05 * width)
    figure.y_range.update(start=y - 0.05 * height, end=y + 0.05 * height)
    before = figure.x_range.start
    explorer.controls["find"].value = "3"
    assert figure.x_range.start == before
    far = int(np.argmax(np.abs(motifs.positions[:, 0] - x)))
    explorer.controls["find"].value = str(far)
    assert (figure.x_range.start + figure.x_range.end) / 2 == pytest.approx(motifs.positions[far, 0])
    assert figure.x_range.end - figure.x_range.start == pytest.approx(0.1 * width)
    assert figure.y_range.end - figure.y_range.start == pytest.approx(0.1 * height)
    press(explorer, "left" if motifs.positions[far, 0] > x else "right")
    assert explorer.state.selection.tolist() != [far]


def test_edits_by_button_key_and_table_reach_the_metadata(explorer, motifs):
    before = motifs.labels.copy()
    chosen = np.flatnonzero(before == 0)[:8]
    explorer.sources["atoms"].selected.indices = chosen.tolist()
    click(explorer, "new motif")
    labels = store.read(motifs.signal).labels
    assert (labels == labels[chosen[0]]).sum() == 8
    np.testing.assert_array_equal(explorer.sources["atoms"].data["motif"], labels)
    table = explorer.sources["motifs"]
    assert table.data["atoms"] == np.bincount(labels).tolist()
    assert all(uri.startswith("data:image/png") for uri in table.data["patch"])
    assert len(explorer.figures["mapper"].palette) == before.max() + 2
    explorer.tabs.active = 3
    assert "new motif of 8 atoms" in explorer._history.text
    press(explorer, "u")
    np.testing.assert_array_equal(store.read(motifs.signal).labels, before)
    assert "<s>" in explorer._history.text
    table.selected.indices = [1]
    explorer.controls["name"].value = "Se2"
    assert motifs.names[:2] == ["0", "Se2"]
    assert table.data["name"] == motifs.names
    assert explorer.controls["shown"].labels == ["0", "1 Se2", *map(str, range(2, before.max() + 1))]
    explorer.controls["colour"].color = "#102030"
    assert explorer.figures["mapper"].palette[1] == "#102030"
    explorer.state.select([])
    explorer.controls["colour"].color = "#405060"
    assert explorer.state.message == "Select atoms of one motif to colour it."


def test_what_is_shown_follows_choices_conditions_and_values(explorer, motifs):
    atoms, shown = explorer.sources["atoms"], explorer.controls["shown"]
    shown.active = [1]
    np.testing.assert_array_equal(atoms.data["shown"], motifs.labels == 1)
    press(explorer, "v")
    assert atoms.data["shown"].all()
    assert shown.active == list(range(motifs.n_motifs))
    explorer.controls["condition"].value = "motif == 1 and x < 1"
    np.testing.assert_array_equal(atoms.data["shown"], (motifs.labels == 1) & (motifs.positions[:, 0] < 1))
    explorer.controls["condition"].value = "no condition"
    assert "is no condition" in explorer._status.text
    explorer.controls["colour_by"].value = "amplitude"
    np.testing.assert_allclose(atoms.data["value"], motifs.to_dict()["amplitude"], rtol=1e-6)
    assert explorer.figures["bar"].visible
    assert explorer.figures["mapper"].low >= motifs.to_dict()["amplitude"].min()


def test_the_radius_slider_changes_all_columns(explorer, motifs):
    radius = motifs.radii[-1]
    explorer.controls["radius"].value = f"{radius:g}"
    atoms = explorer.sources["atoms"].data
    np.testing.assert_array_equal(atoms["motif"], motifs.labels_at(radius))
    np.testing.assert_allclose(np.column_stack([atoms["u"], atoms["v"]]), motifs.at(radius).layout)
    explorer.state.radius = motifs.radius
    assert explorer.controls["radius"].value == f"{motifs.radius:g}"


def test_the_image_cells_and_defects_are_those_of_the_motifs(explorer, motifs):
    figure, cells = explorer.figures["image"], explorer.sources["cells"].data
    rows, columns = motifs.signal.data.shape
    assert explorer.sources["image"].data["image"][0].shape == (rows, columns)
    # y runs down, as in HyperSpy.
    assert figure.y_range.start > figure.y_range.end
    assert figure.frame_width / figure.frame_height == pytest.approx(columns / rows, abs=0.01)
    assert len(cells["xs"]) == len(motifs.cells)
    k = int(np.argmax(motifs.cells.n_corners))
    np.testing.assert_allclose(cells["xs"][k], motifs.positions[motifs.cells.corners[k], 0])
    explorer.controls["layers"].active = []
    assert not explorer.figures["cells"].visible
    assert not explorer.figures["empty"].visible
    assert explorer.sources["defects"].data["kind"] == []
    explorer.tabs.active = 2
    table = explorer.sources["defects"]
    assert len(table.data["kind"]) == len(motifs.defects)
    # The text under the pointer names them, too.
    why, texts = explorer.sources["why"].data["why"], explorer.sources["texts"].data["text"]
    assert [texts[k] for k in why] == explorer.state.reasons
    assert any(explorer.state.reasons)
    with_atom = [k for k, atom in enumerate(table.data["atom"]) if atom is not None]
    for k in with_atom[:1]:
        table.selected.indices = [k]
        assert explorer.state.selection.tolist() == [table.data["atom"][k]]
        assert explorer.sources["here"].data["x"] == [table.data["x"][k]]


def test_a_selection_is_exported_by_buttons(explorer, motifs, tmp_path):
    explorer.sources["atoms"].selected.indices = [3, 5, 8]
    explorer.controls["file"].value = str(tmp_path / "three.csv")
    click(explorer, "CSV")
    assert len((tmp_path / "three.csv").read_text(encoding="utf-8").splitlines()) == 4
    click(explorer, "copy")
    assert explorer.controls["clipboard"].value.count("\n") == 4
    click(explorer, "subset")
    np.testing.assert_array_equal(explorer.exported.positions, motifs.positions[[3, 5, 8]])
    click(explorer, "region")
    assert len(explorer.exported.vertices) >= 12
    explorer.controls["file"].value = str(tmp_path / "no" / "such.csv")
    click(explorer, "CSV")
    assert "such.csv" in explorer._status.text


def test_the_widget_is_what_a_cell_shows(explorer):
    bundle = explorer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    # Each change of the browser is heard once, and the echo of the kernel's own changes not at all.
    widget, atoms = explorer._widget, explorer.sources["atoms"].selected

    def receive(model, attribute, new):
        content = {
            "event": "jsevent",
            "kind": "ModelChanged",
            "model": model.ref,
            "attr": attribute,
            "new": new,
        }
        widget._sync_model(widget, content, [])

    receive(atoms, "indices", [3, 4])
    assert explorer.state.selection.tolist() == [3, 4]
    receive(explorer.controls["key"], "value", "n 1")
    assert explorer.state.history == ["new motif of 2 atoms"]
    explorer.state.select([7])
    explorer.state.select([9])
    receive(atoms, "indices", [7])
    assert explorer.state.selection.tolist() == [9]
    receive(atoms, "indices", [9])
    receive(atoms, "indices", [7])
    assert explorer.state.selection.tolist() == [7]
    explorer.close()


def test_without_bokeh_the_extra_is_named_and_a_window_opens():
    code = (
        "import sys; sys.modules['jupyter_bokeh'] = None\n"
        "from hyperspy_motifs.draw import open_notebook_explorer\n"
        "try:\n    open_notebook_explorer(None)\n"
        "except ImportError as error:\n    print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "hyperspy_motifs[gui-jupyter]" in out.stdout

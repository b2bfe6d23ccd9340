"""The panel of find_motifs: what is set on it is what is done, first on a part, then on the whole image."""

import subprocess
import sys

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import store
from hyperspy_motifs.signals import MotifPanel, _panel

pytestmark = pytest.mark.usefixtures("two_radii")

ipywidgets = pytest.importorskip("ipywidgets")

SPACING, ROWS, COLUMNS = 10, 180, 216


def make_image():
    """Bright and dim columns in turn on a square lattice, 0.02 nm a pixel."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(float)
    image = np.zeros((ROWS, COLUMNS))
    centres = [(i, j) for j in range(ROWS // SPACING) for i in range(COLUMNS // SPACING)]
    for i, j in centres:
        height = 100 if (i + j) % 2 else 60
        u, v = (i + 0.6) * SPACING, (j + 0.6) * SPACING
        near = np.s_[max(int(v) - 9, 0) : int(v) + 10, max(int(u) - 9, 0) : int(u) + 10]
        image[near] += height * np.exp(-((x[near] - u) ** 2 + (y[near] - v) ** 2) / (2 * 1.9**2))
    signal = hs.signals.Signal2D(rng.poisson(image + 5).astype(float))
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units = 0.02, "nm"
    signal.set_signal_type("atomic_image")
    return signal


@pytest.fixture(scope="module", autouse=True)
def _small_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_panel, "PREVIEW_WIDTH", 10)
        yield


@pytest.fixture(scope="module")
def image():
    return make_image()


@pytest.fixture(scope="module")
def panel(image):
    # One radius alone, and so a quick preview.
    return MotifPanel(image, radius=0.14, radius_units="axes", random_state=3)


@pytest.fixture
def shown(image):
    # Of its own: the widgets of other tests would make previews too.
    panel = MotifPanel(image, radius=0.14, radius_units="axes", random_state=3)
    return panel, panel.gui(display=False, toolkit="ipywidgets")["ipywidgets"]["wdict"]


def test_a_part_of_the_image_is_tried_and_the_image_left_as_it_was(panel, image):
    before = image.data.copy()
    motifs = panel.preview()
    # Bright and dim columns are split, away from the border of the part.
    i, j = np.round(motifs.positions / (SPACING * 0.02) - 0.6).astype(int).T
    inner = np.all(np.abs(motifs.positions / 0.02 - np.array([COLUMNS, ROWS]) / 2) < 36, axis=1)
    parity, labels = ((i + j) % 2)[inner], motifs.labels[inner]
    for motif in np.unique(labels):
        assert np.ptp(parity[labels == motif]) == 0
    assert set(parity) == {0, 1}
    width, height = motifs.signal.axes_manager.signal_shape
    assert width == height == pytest.approx(_panel.PREVIEW_WIDTH * SPACING, rel=0.05)
    # In the middle: its positions are those of the image.
    low, high = motifs.positions.min(axis=0) / 0.02, motifs.positions.max(axis=0) / 0.02
    middle = np.array([COLUMNS, ROWS]) / 2
    np.testing.assert_allclose((low + high) / 2, middle, atol=SPACING)
    np.testing.assert_array_equal(image.data, before)
    assert not store.has_result(image)


def test_widgets_begin_with_what_was_given(shown, image):
    _, widgets = shown
    assert widgets["radius"].value == pytest.approx(0.14)
    assert not widgets["radius_auto"].value
    assert widgets["separation_auto"].value
    assert widgets["separation"].disabled
    assert widgets["alpha"].value == pytest.approx(0.01)
    # Lengths start at the estimates from the image.
    assert widgets["separation"].value == pytest.approx(SPACING * 0.02, rel=0.03)
    certainty = image.estimate_atom_separation()[1]
    assert f"certainty {certainty:.2f}" in widgets["estimate"].value
    assert "give the separation" not in widgets["estimate"].value
    assert bytes(widgets["picture"].value).startswith(b"\x89PNG")
    assert "atoms in this part" in widgets["status"].value


def test_widgets_set_parameters_and_the_preview_follows(shown):
    panel, widgets = shown
    widgets["n_motifs_auto"].value = False
    widgets["n_motifs"].value = 1
    assert panel.n_motifs == 1
    assert "(1 motif)" in widgets["status"].value
    old = bytes(widgets["picture"].value)
    widgets["another_part"].click()
    assert panel.part == 1
    assert bytes(widgets["picture"].value) != old
    widgets["live"].value = False
    widgets["n_motifs"].value = 2
    assert panel.n_motifs == 2
    assert "(1 motif)" in widgets["status"].value
    widgets["n_motifs_auto"].value = True
    assert panel.n_motifs is None
    assert panel.arguments()["random_state"] == 3


def test_a_rectangle_is_left_out_of_the_preview_and_the_search(shown, image):
    panel, widgets = shown
    middle = (panel.window[0] + panel.window[2]) / 2
    before = len(panel.preview().labels)
    widgets["live"].value = False
    view = bytes(widgets["overview"].value)
    widgets["mask_x"].value, widgets["mask_y"].value = (0.0, middle), (0.0, ROWS * 0.02)
    assert panel.left_out is None
    widgets["mask"].value = True
    assert panel.left_out[2] == pytest.approx(middle, abs=0.02)
    assert bytes(widgets["overview"].value) != view
    motifs = panel.preview()
    assert 0.3 * before < len(motifs.labels) < 0.7 * before
    assert motifs.positions[:, 0].min() > panel.left_out[2]
    assert not store.has_result(image)
    # All pixels are looked at again when the rectangle is taken away.
    widgets["mask"].value = False
    assert len(panel.preview().labels) == before


def test_traits_set_widgets(shown):
    panel, widgets = shown
    widgets["live"].value = False
    panel.trait_set(rotation_invariant=True, separation=0.3)
    assert widgets["rotation_invariant"].value
    assert widgets["separation"].value == pytest.approx(0.3)
    assert not widgets["separation_auto"].value


def test_what_cannot_be_done_is_said_in_the_panel(shown):
    panel, widgets = shown
    panel.radius = 90.0
    assert widgets["radius"].value == 90
    assert "radius" in widgets["status"].value
    assert "atoms in this part" not in widgets["status"].value


def test_a_radius_in_neighbour_distances(image):
    panel = MotifPanel(image, radius="auto", min_motif_size=4)
    assert panel.radius is None
    assert panel.arguments()["radius"] == "auto"
    panel.radius = 1.2
    assert panel.arguments()["radius"] == 1.2
    assert panel.arguments()["radius_units"] == "nn"
    widgets = panel.gui(display=False, toolkit="ipywidgets")["ipywidgets"]["wdict"]
    assert widgets["radius"].description == "radius (distances)"
    assert (widgets["radius"].min, widgets["radius"].max) == (0.3, 3.5)
    assert "min_motif_size is 4; a whole number of 5 or more" in widgets["status"].value


def test_the_button_finds_the_motifs_of_the_whole_image(shown, image):
    panel, widgets = shown
    widgets["live"].value = False
    widgets["find"].click()
    assert store.has_result(image)
    assert panel.motifs.parameters["options"]["radius"] == pytest.approx(0.14)
    assert len(panel.motifs.labels) > 300
    assert f"{len(panel.motifs.labels)} atoms" in widgets["status"].value
    store.remove(image)


def test_given_atoms_and_other_detectors_are_cut_with_the_image(image):
    x, y = np.meshgrid(np.arange(0.6, 20), np.arange(0.6, 17))
    atoms = np.column_stack([x.ravel(), y.ravel()]) * SPACING * 0.02
    panel = MotifPanel(
        image, atoms=atoms, refine=False, detectors=image.deepcopy(), radius=0.14, radius_units="axes"
    )
    motifs = panel.preview()
    distance = np.abs(motifs.positions[:, None] - atoms).sum(axis=2).min(axis=1)
    np.testing.assert_allclose(distance, 0, atol=1e-9)
    assert 0.2 * len(atoms) < len(motifs.labels) < len(atoms)
    assert motifs.parameters["detectors"] == 2


def test_parts_cover_the_image():
    corners = _panel._parts((300, 250), (120, 250))
    assert corners == [(90, 0), (0, 0), (180, 0)]


def test_other_toolkits_are_refused(panel):
    with pytest.raises(ValueError, match="ipywidgets"):
        panel.gui(toolkit="traitsui")


def test_without_ipywidgets_the_extra_is_named(panel, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "hyperspy_motifs.signals._panel_widgets", raising=False)
    with pytest.raises(ImportError, match="gui-jupyter"):
        panel.gui(display=False)


def test_interactive_returns_the_panel(image, monkeypatch):
    monkeypatch.setattr(MotifPanel, "gui", lambda self: setattr(self, "was_shown", True))
    assert image.find_motifs(interactive=True, n_motifs=3).n_motifs == 3
    panel = image.gui(n_motifs=3)
    assert isinstance(panel, MotifPanel)
    assert panel.was_shown
    assert panel.n_motifs == 3


def test_other_tools_of_hyperspy_still_say_what_to_install():
    code = (
        "import hyperspy.api as hs, hyperspy_motifs\n"
        "from hyperspy.ui_registry import TOOLKIT_REGISTRY\n"
        "before = sorted(TOOLKIT_REGISTRY)\n"
        "import hyperspy_motifs.signals._panel_widgets\n"
        "print(sorted(TOOLKIT_REGISTRY) == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"

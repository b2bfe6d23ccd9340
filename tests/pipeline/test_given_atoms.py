"""Atoms that a user gives or edits: they are kept where they are, and a warning says if the image shows none there."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs import data, store
from hyperspy_motifs.pipeline import MomentSource
from hyperspy_motifs.signals import AtomicImage

pytestmark = pytest.mark.usefixtures("two_radii")

FAST = {"radius": 0.6, "show_progressbar": False}
NO_COLUMNS = "no columns there"


@pytest.fixture(scope="module")
def field():
    signal, truth = data.lattice("honeycomb", shape=(120, 158), random_state=2)
    return signal, store.Stamp.of(signal).to_units(truth.positions)


@pytest.mark.filterwarnings(f"error:.*{NO_COLUMNS}")
@pytest.mark.parametrize("refine", [True, False])
def test_atoms_on_columns_are_taken_without_a_word(field, refine):
    signal, positions = field
    motifs = signal.deepcopy().find_motifs(positions, refine=refine, **FAST)
    assert len(motifs.labels) == len(positions)


@pytest.mark.parametrize("change", ["shifted", "y first"])
def test_atoms_beside_the_columns_are_told(field, change):
    signal, positions = field
    if change == "shifted":
        spacing = np.sort(np.hypot(*(positions - positions[0]).T))[1]
        positions = positions + np.array([0.4, 0.2]) * spacing
    else:
        positions = positions[:, ::-1]
    stamp = store.Stamp.of(signal)
    positions = positions[stamp.inside(positions)]
    with pytest.warns(UserWarning, match=NO_COLUMNS):
        signal.deepcopy().find_motifs(positions, refine=False, **FAST)


def test_atoms_near_the_long_border_stay_where_they_were_given():
    """The image is wider than high: the fit must be compared with the width."""
    for shape in ((120, 158), (158, 120)):
        signal, truth = data.lattice("square", spacing=0.2, shape=shape, random_state=0)
        cut = signal.isig[:-3, :-3]
        stamp = store.Stamp.of(cut)
        points = truth.positions[np.all(truth.positions < np.array(stamp.shape) + 1, axis=1)]
        points = np.clip(points, 0, np.array(stamp.shape) - 1)
        motifs = cut.find_motifs(stamp.to_units(points), **FAST)
        assert len(motifs.labels) == len(points)
        away = np.hypot(*(motifs.pixel_positions - points).T)
        # Columns far from the border are refined, and none is thrown out of the image.
        assert away.max() < 4
        assert (away > 0).mean() > 0.8


def test_positions_of_a_public_image_that_are_near_its_border_are_kept(shared_data):
    image = np.load(shared_data / "simulated" / "mos2_incostem_0.npy")
    positions = np.load(shared_data / "simulated" / "mos2_incostem_0.truth.npz", allow_pickle=True)["xy"]
    corner = [360, 0]
    signal = hs.signals.Signal2D(image[:150, corner[0] :])
    signal.set_signal_type("atomic_image")
    positions = positions - corner
    inside = store.Stamp.of(signal).inside(positions)
    near = np.argmin(np.hypot(*(positions[inside] - [88.04, 1.16]).T))
    motifs = signal.find_motifs(positions[inside], radius=0.6, show_progressbar=False)
    assert len(motifs.labels) == inside.sum()
    np.testing.assert_allclose(motifs.pixel_positions[near], [88.04, 1.16], atol=1.5)


# ------------------------------------------------------------------ edits


@pytest.fixture(scope="module")
def _analysed(field):
    signal = field[0].deepcopy()
    signal.find_motifs(**FAST)
    return signal


@pytest.fixture
def analysed(_analysed):
    return _analysed.deepcopy()


@pytest.fixture(params=["analysed", "loaded"])
def stored(analysed, request, tmp_path):
    """An image with motifs, as it is or after a load."""
    if request.param == "analysed":
        return analysed
    analysed.save(tmp_path / "image.hspy")
    return hs.load(tmp_path / "image.hspy")


def test_atoms_are_those_of_the_motifs(stored):
    np.testing.assert_array_equal(stored.atoms.positions, stored.motifs.positions)
    assert stored.atoms.separation == pytest.approx(stored.motifs.parameters["spacing"])
    assert "outlier_score" not in stored.atoms.columns


def test_the_editor_starts_from_the_motifs_and_the_next_search_keeps_its_edits(stored):
    before = stored.motifs.positions.copy()
    editor = stored.edit_atoms()
    shown = np.column_stack(editor._dots.get_data())
    np.testing.assert_allclose(shown, before)
    editor.toggle(*before[5])
    middle = before[[7, 8]].mean(axis=0) + 0.02
    editor.toggle(*middle)
    editor.close()
    plt.close("all")
    assert len(stored.atoms) == len(before)
    motifs = stored.find_motifs(**FAST)
    assert motifs.parameters["atoms"] == "edited"
    kept = {tuple(p) for p in motifs.positions.round(9)}
    expected = {tuple(p) for p in np.delete(before, 5, axis=0).round(9)} | {tuple(middle.round(9))}
    assert kept == expected
    # The edits are those of the next search as well.
    assert len(stored.find_motifs(**FAST).labels) == len(before)


def test_atoms_found_later_take_the_place_of_those_of_the_motifs(analysed):
    found = analysed.find_atoms(refine=False, show_progressbar=False)
    np.testing.assert_array_equal(analysed.atoms.positions, found.positions)
    analysed.find_motifs(found.positions[:60], refine=False, **FAST)
    np.testing.assert_array_equal(analysed.atoms.positions, found.positions[:60])


def test_patches_on_a_grid_are_no_atoms(field):
    signal = field[0].isig[:90, :80]
    signal.find_motifs("grid", **FAST)
    assert not hasattr(signal, "atoms")


@pytest.mark.parametrize("given", [False, True])
def test_a_soft_patch_does_not_displace_the_columns_on_it(given):
    signal, truth = data.grain_boundary(shape=(171, 192), random_state=4)
    image = np.asarray(signal.data, float)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    patch = 3 * image.std() / (1 + np.exp((np.hypot(x - 90, y - 80) - 45) / 7))
    flank = np.abs(np.hypot(*(truth.positions - [90, 80]).T) - 45) < 20
    errors = []
    for contaminated in (image, image + patch):
        one = hs.signals.Signal2D(contaminated)
        one.set_signal_type("atomic_image")
        if given:
            atoms = one.find_motifs(truth.positions, **FAST).pixel_positions
        else:
            atoms = one.find_atoms(show_progressbar=False).pixel_positions
        away = cKDTree(atoms).query(truth.positions[flank])[0]
        errors.append(np.sqrt(np.mean(away**2)))
    # With the patch left in the image it is five to ten times as large.
    assert errors[0] < 0.4
    assert errors[1] < 2 * errors[0]


def test_frames_with_the_same_atoms_have_random_scan_errors_of_their_own():
    signal, truth = data.lattice("square", shape=(150, 178), dose=1e6, row_jitter=0.8, random_state=2)
    points = truth.positions[np.all((truth.positions > 20) & (truth.positions < (157, 129)), axis=1)]
    frames = np.repeat([0, 1], len(points))
    stack = AtomicImage(np.stack([signal.data, signal.data]))
    spacing = float(np.sqrt(np.prod(signal.data.shape) / len(truth.positions)))
    moments = MomentSource([stack], np.tile(points, (2, 1)), frames, spacing, 6)(0.8)
    first, second = np.split(moments.scan_error, 2)
    np.testing.assert_array_equal(*np.split(moments.values, 2))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
    assert np.isclose(first.std(), second.std(), rtol=0.2)

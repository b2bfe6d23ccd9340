"""What HyperSpy does to an image, and what becomes of its motifs."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs.motifs import Motifs

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.mark.parametrize("ending", ["hspy", "zspy"])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_a_file_brings_everything_back(found, tmp_path, ending, lazy):
    found.save(tmp_path / f"image.{ending}")
    back = hs.load(tmp_path / f"image.{ending}", lazy=lazy)
    old, new = found.motifs, back.motifs
    for name in ("positions", "labels", "probabilities", "layout", "frames"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name), err_msg=name)
    assert new.radii == old.radii
    assert new.radius == old.radius
    assert new.parameters == old.parameters
    assert new.names == old.names
    assert new.cells.corner_sequences == old.cells.corner_sequences
    np.testing.assert_array_equal(np.asarray(new.features.data), old.features.data)
    assert set(new.graph.edges) == set(old.graph.edges)
    np.testing.assert_allclose(np.asarray(new.means.data), old.means.data)


def test_a_crop_keeps_the_atoms_and_whole_cells_that_remain(found):
    crop = found.isig[60:300, 40:]
    whole, left = found.motifs, crop.motifs
    tree = cKDTree(whole.positions)
    distance, index = tree.query(left.positions)
    assert distance.max() < 1e-9
    assert 0 < len(left.labels) < len(whole.labels)
    np.testing.assert_array_equal(left.labels, whole.labels[index])
    assert 0 < len(left.cells) < len(whole.cells)
    centres = cKDTree(whole.cells.centres)
    far, which = centres.query(left.cells.centres)
    assert far.max() < 1e-9
    assert [left.cells.corner_sequences[i] for i in range(len(left.cells))] == [
        whole.cells.corner_sequences[i] for i in which
    ]
    assert left.cells.on_border.sum() > 0
    assert len(left.graph.find(level="cell")) == len(left.cells)


def test_empty_sites_follow_a_crop_and_new_units(found):
    copy = found.deepcopy()
    atoms = copy.motifs.positions
    middle = atoms[np.argmin(np.abs(atoms - np.median(atoms, axis=0)).sum(axis=1))]
    # A site beside the image's middle, as if an atom were missing there.
    vacant = middle + np.array([0.07, 0.05])
    cells = copy.motifs.find_cells(empty=[vacant])
    around = np.flatnonzero(cells.n_empty)
    assert len(around) > 0
    pixels = np.round(
        [axis.value2index(v) for axis, v in zip(copy.axes_manager.signal_axes, vacant, strict=True)]
    )
    x, y = pixels.astype(int)
    crop = copy.isig[x - 90 : x + 90, y - 70 : y + 70]
    left = crop.motifs.cells
    assert len(crop.motifs.positions) < left.vertices.max() + 1 == left.n_points + 1
    np.testing.assert_allclose(left.empty_sites, [vacant])
    assert left.n_empty.sum() == cells.n_empty.sum()
    np.testing.assert_allclose(
        np.sort(left.centres[left.n_empty > 0], axis=0), np.sort(cells.centres[around], axis=0)
    )
    assert crop.motifs.plot_cells("corners") is not None
    for axis in crop.axes_manager.signal_axes:
        axis.scale, axis.offset, axis.units = axis.scale * 10, axis.offset * 10, "Å"
    np.testing.assert_allclose(crop.motifs.cells.empty_sites, [10 * vacant])
    crop.motifs.merge([0, 1])
    assert crop.motifs.cells.n_empty.sum() == cells.n_empty.sum()


def test_editing_a_crop_leaves_the_original_alone(found):
    crop = found.isig[60:300, 40:]
    before = found.motifs.labels.copy()
    crop.motifs.merge([0, 1])
    np.testing.assert_array_equal(found.motifs.labels, before)
    assert crop.motifs.n_motifs < found.motifs.n_motifs


def test_arithmetic_keeps_it(found):
    np.testing.assert_array_equal((found * 3).motifs.labels, found.motifs.labels)


def test_a_new_calibration_scales_positions_and_cells(found):
    other = found.deepcopy()
    for axis in other.axes_manager.signal_axes:
        axis.scale, axis.units = axis.scale * 10, "Å"
    assert other.motifs.units == "Å"
    np.testing.assert_allclose(other.motifs.positions, 10 * found.motifs.positions)
    np.testing.assert_allclose(other.motifs.cells.areas, 100 * found.motifs.cells.areas)
    np.testing.assert_allclose(other.motifs.cells.centres, 10 * found.motifs.cells.centres)


def test_an_image_without_motifs_says_so(simulated):
    with pytest.raises(AttributeError, match=r"find_motifs\(\)"):
        _ = simulated[0].deepcopy().motifs
    with pytest.raises(ValueError, match=r"find_motifs\(\)"):
        Motifs(simulated[0].deepcopy())


def test_everything_still_works_after_a_new_calibration(found):
    other = found.deepcopy()
    for axis in other.axes_manager.signal_axes:
        axis.scale, axis.units = axis.scale * 1000, "pm"
    old, new = found.motifs, other.motifs
    np.testing.assert_allclose(new.patches.data, old.patches.data)
    np.testing.assert_allclose(new.means.data, old.means.data)
    assert new.parameters["spacing"] == pytest.approx(1000 * old.parameters["spacing"])
    assert new.at(1.2).features.data.shape == old.at(1.2).features.data.shape


def test_a_part_without_atoms_says_so(motifs):
    left = motifs.subset(motifs.pixel_positions[:, 0] < 100)
    empty = left.signal.isig[200:260, :71].motifs
    assert len(empty.labels) == 0
    assert "no atoms" in empty.summary()
    for ask in (
        empty.reconstruct, empty.get_stability, empty.plot.layout, empty.plot.means, empty.plot.tree, empty.plot.spectrum,
        empty.plot.manifold, empty.plot.layouts, empty.plot.relaxation, empty.signal.get_atom_patches,
        lambda: empty.model, lambda: empty.continuity,
    ):  # fmt: skip
        with pytest.raises(ValueError, match="There are no atoms in this part of the image"):
            ask()


def test_a_frame_picked_from_a_stack_keeps_its_motifs(simulated):
    image = simulated[0].isig[:200, :150]
    other = image._deepcopy_with_new_data(image.data[::-1, ::-1].copy())
    stack = hs.stack([image, other, image])
    stack.set_signal_type("atomic_image")
    stack.axes_manager[0].scale = 0.5
    motifs = stack.find_motifs(radius=0.11, radius_units="axes")
    for k, by in ((1, 1), (1, 0.5), (2, -1)):
        picked = stack.inav[by]
        np.testing.assert_array_equal(picked.motifs.positions, motifs.positions[motifs.frames == k])
        np.testing.assert_array_equal(picked.motifs.labels, motifs.labels[motifs.frames == k])
        assert set(picked.motifs.frames) == {0}
    # A slice of a slice, on which an edit is written, and the stack itself as it was.
    part = stack.inav[1:].inav[0].isig[:, :100]
    part.motifs.relabel({0: "a"})
    assert 50 < len(part.motifs.labels) < (motifs.frames == 1).sum()
    assert len(stack.motifs.labels) == len(motifs.labels)
    # Where HyperSpy does not slice, nothing is known.
    lost = stack.max(axis=0)
    lost.set_signal_type("atomic_image")
    with pytest.warns(UserWarning, match="none of the frames"):
        assert not hasattr(lost, "motifs")


def test_a_crop_has_its_own_border(found):
    cropped = found.isig[50:, :].motifs
    assert cropped.truncated[np.argmin(cropped.pixel_positions[:, 0])]
    assert not cropped.truncated[np.argmin(np.abs(cropped.pixel_positions - 120).sum(axis=1))]

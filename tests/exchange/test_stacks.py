"""Frames of a stack in the objects of other tools, and back."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.exchange import read_atoms

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.fixture(scope="module")
def analysed():
    signal, _ = data.monolayer(shape=(190, 236), random_state=3)
    frames = [signal.isig[:120, :100].data, signal.isig[90:210, 60:160].data]
    stack = hs.signals.Signal2D(np.stack(frames))
    for axis, name, offset in zip(stack.axes_manager.signal_axes, "xy", (1.5, -2.5), strict=True):
        axis.name, axis.units, axis.offset = name, "nm", offset
        axis.scale = signal.axes_manager.signal_axes[0].scale
    stack.set_signal_type("atomic_image")
    stack.find_motifs(radius=0.6)
    return stack


@pytest.fixture
def stack(analysed):
    return analysed.deepcopy()


def test_tables_keep_their_frames(stack):
    pytest.importorskip("pandas")
    motifs, frame = stack.motifs, stack.motifs.to_dataframe()
    given = read_atoms(frame, stack)
    np.testing.assert_array_equal(given.frames, motifs.frames)
    assert np.bincount(given.frames).min() > 20
    # The rows of one frame are the atoms of this frame as an image of its own.
    second = frame[frame["frame"] == 1]
    one = read_atoms(second, stack.inav[1])
    np.testing.assert_array_equal(one.positions, motifs.positions[motifs.frames == 1])
    assert not one.frames.any()
    with pytest.raises(ValueError, match="frames 0 to 1, this image has 1"):
        stack.inav[1].get_atom_patches(frame, radius=0.6)


def test_motifs_are_found_at_the_atoms_of_every_frame(stack):
    pytest.importorskip("pandas")
    motifs = stack.motifs
    again = stack.deepcopy().find_motifs(motifs.to_dataframe(), refine=False, radius=0.6)
    np.testing.assert_array_equal(again.frames, motifs.frames)
    np.testing.assert_array_equal(again.positions, motifs.positions)


def test_structures_are_those_of_one_frame_and_a_file_holds_all(stack, tmp_path):
    read = pytest.importorskip("ase.io").read
    motifs = stack.motifs
    frames = read(motifs.export.extxyz(tmp_path / "movie.xyz"), ":")
    assert len(frames) == 2
    for number, atoms in enumerate(frames):
        here = motifs.frames == number
        np.testing.assert_allclose(atoms.positions[:, :2], 10 * motifs.positions[here], atol=1e-7)
        np.testing.assert_array_equal(atoms.get_tags(), motifs.labels[here])
        np.testing.assert_array_equal(motifs.export.ase(number).get_tags(), motifs.labels[here])
    with pytest.raises(ValueError, match="frame is 2; this signal has 2 frames"):
        motifs.export.ase(2)


def test_markers_follow_the_navigator_and_are_read_frame_by_frame(stack):
    motifs = stack.motifs
    given = read_atoms(motifs.export.markers(), stack)
    for number in (0, 1):
        theirs = given.positions[given.frames == number]
        ours = motifs.positions[motifs.frames == number]
        np.testing.assert_array_equal(theirs[np.lexsort(theirs.T)], ours[np.lexsort(ours.T)])
    assert len(motifs.export.markers(cells=True)) == motifs.n_motifs + 1


def test_cells_have_the_frame_of_their_atoms(stack):
    motifs = stack.motifs
    features = motifs.export.geojson()["features"]
    frames = [feature["properties"]["frame"] for feature in features]
    assert frames == [int(motifs.frames[p[0]]) for p in motifs.cells.polygons]
    assert set(frames) == {0, 1}


def test_bonds_of_annotated_data_do_not_connect_frames(stack):
    pytest.importorskip("anndata")
    motifs = stack.motifs
    rows, columns = motifs.export.anndata().obsp["spatial_connectivities"].nonzero()
    assert len(rows) > 50
    np.testing.assert_array_equal(motifs.frames[rows], motifs.frames[columns])

"""Arguments of find_motifs: atoms, radii, stacks, and what is refused."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import store

pytestmark = pytest.mark.usefixtures("two_radii")

# Rows and columns of the monolayer of these tests.
SHAPE = (300, 364)


def test_the_same_again_bit_for_bit(simulated, motifs):
    again = simulated[0].deepcopy().find_motifs(radius=0.6)
    np.testing.assert_array_equal(again.positions, motifs.positions)
    np.testing.assert_array_equal(again.labels, motifs.labels)
    np.testing.assert_array_equal(again.layout, motifs.layout)


def test_positions_given_without_refinement_are_kept_to_the_bit(simulated):
    signal, truth = simulated[0].deepcopy(), simulated[1]
    scale = signal.axes_manager.signal_axes[0].scale
    motifs = signal.find_motifs(atoms=truth.positions * scale, refine=False, radius=0.6)
    np.testing.assert_allclose(motifs.pixel_positions, truth.positions, atol=1e-9)
    assert motifs.parameters["atoms"] == "given"


def test_rough_positions_are_refined(simulated):
    signal, truth = simulated[0].deepcopy(), simulated[1]
    inside = np.all((truth.positions > 10) & (truth.positions < np.array(SHAPE[::-1]) - 10), axis=1)
    rough = truth.positions[inside] + np.random.default_rng(0).uniform(-1, 1, (inside.sum(), 2))
    motifs = signal.find_motifs(atoms=rough * signal.axes_manager.signal_axes[0].scale, radius=0.6)
    error = np.linalg.norm(motifs.pixel_positions - truth.positions[inside], axis=1)
    assert np.median(error) < 0.25


def test_atoms_edited_by_hand_are_used(simulated):
    signal = simulated[0].deepcopy()
    table = signal.find_atoms()
    signal.remove_atoms(table.positions[[5, 20]])
    motifs = signal.find_motifs(radius=0.6)
    assert len(motifs.labels) == len(table) - 2
    assert motifs.parameters["atoms"] == "edited"


def test_a_radius_in_axis_units_is_the_only_one(simulated):
    signal = simulated[0].deepcopy()
    length = 0.6 * float(signal.estimate_atom_separation()[0])
    motifs = signal.find_motifs(radius=length, radius_units="axes", show_progressbar=False)
    assert motifs.radii == (motifs.radius,)
    assert motifs.radius * motifs.parameters["spacing"] == pytest.approx(length)
    assert motifs.parameters["options"]["radius"] == length
    patches = motifs.signal.get_atom_patches(radius=length, radius_units="axes")
    assert patches.radius == pytest.approx(motifs.patches.radius)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"radius": "small"}, ValueError, "radius is 'small'"),
        ({"radius": 40.0}, ValueError, "0.2 to 10"),
        ({"radius": 1.2, "radius_units": "nm"}, ValueError, "radius_units is 'nm'; expected 'nn' or 'axes'"),
        ({"radius": 100.0, "radius_units": "axes"}, ValueError, "units of the axes"),
        ({"separation": -1.0}, ValueError, "positive length"),
        ({"polarity": "up"}, ValueError, "'bright' or 'dark'"),
        ({"n_motifs": 0}, ValueError, "n_motifs is 0"),
        ({"min_motif_size": 4}, ValueError, "min_motif_size is 4; a whole number of 5 or more"),
        ({"n_max": 2.5}, ValueError, "whole number"),
        ({"atoms": [[0.5, 0.5]]}, ValueError, "at least 12"),
        ({"atoms": "all"}, TypeError, "Sublattice"),
    ],
)
def test_a_wrong_argument_is_refused_and_the_earlier_result_stays(motifs, arguments, error, message):
    before, edition = motifs.labels.copy(), store.edition(motifs.signal)
    with pytest.raises(error, match=message):
        motifs.signal.find_motifs(**arguments)
    assert store.edition(motifs.signal) == edition
    np.testing.assert_array_equal(motifs.labels, before)


def test_a_stack_has_one_model_and_a_frame_for_every_atom(simulated):
    image = simulated[0]
    halves = [image.isig[:110, :150].data, image.isig[254:, 150:].data]
    stack = hs.signals.Signal2D(np.stack(halves))
    for axis, name in zip(stack.axes_manager.signal_axes, "xy", strict=True):
        axis.scale, axis.units, axis.name = 0.0125, "nm", name
    stack.set_signal_type("atomic_image")
    motifs = stack.find_motifs(radius=0.6)
    assert set(motifs.frames) == {0, 1}
    # The two frequent motifs of either frame are the same two.
    for frame in (0, 1):
        counts = np.bincount(motifs.labels[motifs.frames == frame], minlength=motifs.n_motifs)
        assert set(np.argsort(-counts)[:2]) == {0, 1}
    first = motifs.cells.vertices[motifs.cells.offsets[:-1]]
    for polygon, start in zip(motifs.cells.polygons, first, strict=True):
        assert (motifs.frames[polygon] == motifs.frames[start]).all()
    assert "Delaunay" in motifs.cells.reason
    assert "frame by frame" in motifs.cells.reason
    lazy = stack.as_lazy()
    lazy.set_signal_type("atomic_image")
    np.testing.assert_array_equal(lazy.find_motifs(radius=0.6).labels, motifs.labels)


def test_a_table_of_a_larger_field_is_refused(simulated):
    signal = simulated[0].deepcopy()
    table = signal.find_atoms()
    with pytest.raises(ValueError, match="outside the image"):
        signal.isig[:150, :150].find_motifs(atoms=table)


def test_what_was_known_of_atoms_survives_an_edit_by_hand(simulated):
    signal = simulated[0].deepcopy()
    table = signal.find_atoms()
    signal.remove_atoms(table.positions[[5]])
    motifs = signal.find_motifs(radius=0.11, radius_units="axes")
    np.testing.assert_array_equal(motifs.to_dict()["amplitude"], np.delete(table.amplitude, 5))
    assert motifs.parameters["polarity"] == "bright"


@pytest.mark.parametrize("argument", [{"random_state": None}, {"refine": "foo"}])
def test_arguments_are_checked_before_any_work(motifs, argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        motifs.signal.find_motifs(**argument)

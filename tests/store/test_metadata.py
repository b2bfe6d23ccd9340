"""The result survives what HyperSpy does to metadata, and follows the axes of its image."""

import dataclasses

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import store

N, L, K = 7, 3, 5


def image(navigation=()):
    rng = np.random.default_rng(3)
    signal = hs.signals.Signal2D(rng.random((*navigation, 40, 60)))
    for axis, name in zip(signal.axes_manager.signal_axes, "xy", strict=True):
        axis.scale, axis.units, axis.name = 0.5, "nm", name
    signal.axes_manager.signal_axes[1].offset = 100.0
    signal.set_signal_type("atomic_image")
    return signal


def record_of(signal, n=N, frames=None):
    rng = np.random.default_rng(5)
    stamp = store.Stamp.of(signal)
    features = hs.signals.Signal1D(rng.random((n, K)))
    features.metadata.General.title = "moments"
    features.set_signal_type("zernike_features")
    return store.Record(
        positions=stamp.to_units(rng.uniform(2, 38, (n, 2))),
        frames=np.zeros(n, int) if frames is None else frames,
        labels=rng.integers(0, 3, n),
        probabilities=rng.random(n),
        radii=np.array([0.6, 1.2, 2.4]),
        radius_labels=rng.integers(0, 3, (L, n)),
        radius_probabilities=rng.random((L, n)).astype(np.float32),
        layouts=rng.random((L, n, 2)).astype(np.float32),
        chosen=1,
        stamp=stamp,
        atoms={"amplitude": rng.random(n), "sigma": rng.random((n, 2)), "fitted": rng.random(n) > 0.5},
        names={0: "Mo", 2: "Se₂ Å"},
        tree={
            "parent": np.array([-1, 0, 0]),
            "atom_leaf": rng.integers(1, 3, n),
            "reason": "because",
            "height": 3.5,
        },
        result="1-07e5f09a",
        cells={"offsets": np.array([0, 3]), "vertices": np.array([0, 1, 2]), "clear": True, "nothing": None},
        parameters={"n_max": 8, "radius": "auto", "rotation_invariant": False, "radii": [1.0, 2.0]},
        previous={"labels": rng.integers(0, 3, n), "probabilities": rng.random(n), "names": {1: "W"}},
        features=features,
    )


def assert_same(a, b):
    for field in dataclasses.fields(store.Record):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "features":
            assert type(x) is type(y)
            np.testing.assert_array_equal(np.asarray(x.data), np.asarray(y.data))
            assert x.metadata.General.title == y.metadata.General.title
        elif isinstance(x, np.ndarray):
            np.testing.assert_array_equal(x, y)
            assert x.shape == y.shape
        elif isinstance(x, dict):
            assert x.keys() == y.keys(), field.name
            for key in x:
                np.testing.assert_array_equal(x[key], y[key], err_msg=f"{field.name}.{key}")
        else:
            assert x == y, field.name


@pytest.mark.parametrize("n", [0, 1, N, 11])
@pytest.mark.parametrize("ending", ["hspy", "zspy"])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_round_trip_through_files(tmp_path, n, ending, lazy):
    signal = image()
    record = record_of(signal, n)
    store.write(signal, record)
    path = tmp_path / f"image.{ending}"
    signal.save(path)
    back = hs.load(path, lazy=lazy)
    assert type(back).__name__ == ("Lazy" if lazy else "") + "AtomicImage"
    assert_same(store.read(back), record)


@pytest.mark.parametrize(
    "operation",
    [
        lambda s: s.deepcopy(),
        lambda s: s.as_lazy(),
        lambda s: s.isig[:, :],
        lambda s: s.map(np.array, inplace=False),
    ],
    ids=["deepcopy", "as_lazy", "isig all", "map"],
)
def test_operations_that_keep_the_axes_keep_the_result(operation):
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    assert_same(store.read(operation(signal)), record)


def test_set_signal_type_there_and_back_keeps_the_result():
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    signal.set_signal_type("")
    signal.set_signal_type("atomic_image")
    assert_same(store.read(signal), record)


def test_a_copy_is_independent_of_its_original():
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    copy = signal.deepcopy()
    store.write(copy, dataclasses.replace(record, labels=np.full(N, 2)))
    np.testing.assert_array_equal(store.read(signal).labels, record.labels)


def test_a_crop_leaves_the_atoms_that_remain_where_they_were():
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    crop = signal.isig[10:30, 5:]
    inside = (
        (record.positions[:, 0] >= 10 * 0.5 - 0.25)
        & (record.positions[:, 0] < 30 * 0.5 - 0.25)
        & (record.positions[:, 1] >= 100 + 5 * 0.5 - 0.25)
    )
    assert 0 < inside.sum() < N
    left = store.read(crop)
    np.testing.assert_array_equal(left.positions, record.positions[inside])
    np.testing.assert_array_equal(left.labels, record.labels[inside])
    np.testing.assert_array_equal(left.radius_labels, record.radius_labels[:, inside])
    np.testing.assert_array_equal(left.atoms["sigma"], record.atoms["sigma"][inside])
    np.testing.assert_array_equal(left.tree["atom_leaf"], record.tree["atom_leaf"][inside])
    np.testing.assert_array_equal(left.features.data, record.features.data[inside])
    assert type(left.features).__name__ == "ZernikeFeatures"
    pixels = left.stamp.to_pixels(left.positions)
    np.testing.assert_allclose(pixels, record.stamp.to_pixels(record.positions)[inside] - [10, 5], atol=1e-9)


def test_a_mirrored_crop_follows_as_well():
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    crop = signal.isig[::-1, 5:]
    left = store.read(crop)
    first = left.stamp.to_pixels(left.positions)[0]
    before = record.stamp.to_pixels(record.positions)[record.positions[:, 1] >= 102.25][0]
    np.testing.assert_allclose(first, [59 - before[0], before[1] - 5])


def test_a_new_calibration_moves_the_atoms_with_their_pixels():
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    pixels = record.stamp.to_pixels(record.positions)
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units, axis.offset = 0.02, "Å", 3.0
    again = store.read(signal)
    np.testing.assert_allclose(again.positions, pixels * 0.02 + 3.0)
    np.testing.assert_allclose(again.atoms["sigma"], record.atoms["sigma"] * 0.02 / 0.5)
    np.testing.assert_array_equal(again.atoms["amplitude"], record.atoms["amplitude"])


@pytest.mark.parametrize(("units", "factor"), [("axes", 0.02 / 0.5), ("nn", 1.0)])
def test_a_radius_in_axis_units_follows_a_new_calibration(units, factor):
    signal = image()
    chosen = {"radius": 1.5, "radius_units": units, "separation": None}
    store.write(signal, dataclasses.replace(record_of(signal), parameters={"options": chosen}))
    for axis in signal.axes_manager.signal_axes:
        axis.scale = 0.02
    options = store.read(signal).parameters["options"]
    assert options["radius"] == pytest.approx(1.5 * factor)


def test_units_converted_after_a_crop_are_followed():
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    crop = signal.isig[10:30, :]
    n_left = len(store.read(crop).labels)
    for axis in crop.axes_manager.signal_axes:
        axis.scale, axis.offset, axis.units = axis.scale * 10, axis.offset * 10, "Å"
    again = store.read(crop)
    assert len(again.labels) == n_left
    inside = (record.positions[:, 0] >= 4.75) & (record.positions[:, 0] < 14.75)
    np.testing.assert_allclose(again.positions, 10 * record.positions[inside])


def test_units_without_a_bridge_are_an_error_that_says_so():
    signal = image()
    store.write(signal, record_of(signal))
    crop = signal.isig[10:30, :]
    crop.axes_manager.signal_axes.set(units="bananas")
    with pytest.raises(ValueError, match="find_motifs"):
        store.read(crop)


def test_rebinning_keeps_the_atoms():
    signal = image()
    record = record_of(signal)
    store.write(signal, record)
    again = store.read(signal.rebin(scale=(2, 2)))
    np.testing.assert_array_equal(again.positions, record.positions)


def test_frames_of_a_stack_follow_inav():
    signal = image(navigation=(2, 4))
    frames = np.array([0, 1, 3, 4, 5, 6, 7])
    record = record_of(signal, frames=frames)
    store.write(signal, record)
    left = store.read(signal.inav[1:3, :])
    # HyperSpy's first navigation axis is the fast one: of each row of four frames, numbers 1 and 2 stay.
    np.testing.assert_array_equal(left.frames, [0, 2, 3])
    np.testing.assert_array_equal(left.labels, record.labels[np.isin(frames, [1, 5, 6])])


def test_arrays_of_the_result_are_read_only():
    signal = image()
    store.write(signal, record_of(signal))
    with pytest.raises(ValueError, match="read-only"):
        store.read(signal).labels[0] = 9


def test_a_later_schema_is_refused():
    signal = image()
    store.write(signal, record_of(signal))
    signal.metadata.Motifs.schema_version = store.SCHEMA_VERSION + 1
    with pytest.raises(ValueError, match="later version"):
        store.read(signal)


def test_without_a_result_it_says_what_to_do():
    with pytest.raises(ValueError, match=r"find_motifs\(\)"):
        store.read(image())


def test_editions_count_the_writes():
    signal = image()
    assert store.edition(signal) == 0
    store.write(signal, record_of(signal))
    store.write(signal, record_of(signal))
    assert store.edition(signal) == 2
    store.remove(signal)
    assert not store.has_result(signal)

"""The imaging model: positions, intensities, noise, distortions, metadata."""

import json
import subprocess
import sys

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from hyperspy_motifs.data import (
    Imaging,
    Specimen,
    grain_boundary_specimen,
    lattice,
    lattice_specimen,
    m1_oxide_specimen,
    noise,
    simulate,
)

SHAPE = (150, 190)


def columns(points, numbers, counts=None):
    """A specimen of lone columns of one kind of atom each."""
    n = len(points)
    return Specimen(
        positions=np.asarray(points, dtype=float),
        labels=np.arange(n),
        names=[str(k) for k in range(n)],
        column=np.arange(n),
        numbers=np.asarray(numbers),
        counts=np.ones(n) if counts is None else np.asarray(counts, dtype=float),
    )


def centres_of_maxima(image, truth):
    """Maximum nearest to each true column, refined by parabolas through the logarithm."""
    found = []
    height = np.log(image.astype(float))
    for column, row in np.rint(truth.positions).astype(int):
        if not (2 < row < image.shape[0] - 3 and 2 < column < image.shape[1] - 3):
            continue
        patch = height[row - 2 : row + 3, column - 2 : column + 3]
        i, j = np.unravel_index(patch.argmax(), patch.shape)
        i, j = row - 2 + i, column - 2 + j
        x = height[i, j - 1 : j + 2]
        y = height[i - 1 : i + 2, j]
        found.append((j + _vertex(x), i + _vertex(y)))
    return np.array(found)


def _vertex(values):
    before, here, after = values
    return 0.5 * (before - after) / (before - 2 * here + after)


@pytest.mark.parametrize("detector", ["ADF", "ABF"])
def test_maxima_lie_at_the_truth_under_every_smooth_distortion(detector):
    imaging = Imaging(
        shape=SHAPE, dose=None, detector=detector, rotation=13.0, strain=0.02, wobble=2.0, background=0.1,
        contrast_variation=0.2, scattering=5e-5 if detector == "ADF" else 0.1,
    )  # fmt: skip
    image, truth = simulate(lattice_specimen("square", imaging.reach, spacing=0.5), imaging, random_state=3)
    signal = image if detector == "ADF" else -np.log(image) + 1e-6
    found = centres_of_maxima(signal, truth)
    nearest = np.linalg.norm(found[:, None] - truth.positions[None], axis=-1).min(axis=1)
    assert len(found) > 10
    assert nearest.max() < 0.05
    # The distortion is not nothing: an ideal square lattice would have one spacing.
    spacing = np.sort(np.linalg.norm(truth.positions[:, None] - truth.positions[None], axis=-1), axis=1)[:, 1]
    assert np.ptp(spacing) > 0.2


def test_every_column_of_a_dense_lattice_is_a_maximum():
    imaging = Imaging(shape=SHAPE, dose=None, rotation=21.0)
    image, truth = simulate(lattice_specimen("honeycomb", imaging.reach, spacing=0.2), imaging)
    row, column = np.nonzero(image == maximum_filter(image, 7))
    peaks = np.column_stack([column, row])
    inner = (np.abs(truth.positions - [95, 75]) < [85, 65]).all(axis=1)
    distance = np.linalg.norm(truth.positions[inner, None] - peaks[None], axis=-1).min(axis=1)
    assert inner.sum() > 50
    assert distance.max() < 1.0


def test_a_column_scatters_its_cross_section():
    imaging = Imaging(shape=SHAPE, dose=None, background=0.0, scattering=4e-5, tails=0.3)
    image, _ = simulate(columns([(0.1, -0.05)], [42], [3.0]), imaging)
    cross_section = image.sum(dtype=float) * (10 * imaging.pixel_size) ** 2
    assert cross_section == pytest.approx(4e-5 * 3 * 42**1.7, rel=1e-4)


def test_intensity_grows_as_a_power_of_the_atomic_number():
    imaging = Imaging(shape=(120, 260), dose=None, background=0.0, z_exponent=1.6)
    image, truth = simulate(columns([(-0.8, 0.0), (0.0, 0.0), (0.8, 0.0)], [42, 74, 34], [1, 1, 2]), imaging)
    x, y = np.rint(truth.positions).astype(int).T
    box = [image[r - 25 : r + 26, c - 25 : c + 26].sum() for r, c in zip(y, x, strict=True)]
    assert box[1] / box[0] == pytest.approx((74 / 42) ** 1.6, rel=0.01)
    assert box[2] / box[0] == pytest.approx(2 * (34 / 42) ** 1.6, rel=0.01)


def test_profile_has_the_width_that_was_asked_for():
    imaging = Imaging(shape=(121, 141), dose=None, background=0.0, tails=0.0, probe_size=0.1)
    image, _ = simulate(columns([(0.0, 0.0)], [42]), imaging)
    row = image[60]
    half = np.flatnonzero(row >= 0.5 * row.max())
    assert len(half) * imaging.pixel_size == pytest.approx(0.1, abs=1.2 * imaging.pixel_size)
    tailed, _ = simulate(
        columns([(0.0, 0.0)], [42]), Imaging(shape=(121, 141), dose=None, background=0.0, tails=0.3)
    )
    assert tailed[60, 70 + 16] / tailed.max() > 10 * image[60, 70 + 16] / image.max()


def test_abf_is_dark_and_sees_light_columns_better_than_adf():
    points, numbers = [(-0.5, 0.0), (0.5, 0.0)], [38, 8]
    contrast = {}
    for detector, scattering in (("ADF", 1e-5), ("ABF", 0.1)):
        imaging = Imaging(shape=SHAPE, dose=None, detector=detector, scattering=scattering, background=0.0)
        image, truth = simulate(columns(points, numbers), imaging)
        (heavy, light) = (image[y, x] for x, y in np.rint(truth.positions).astype(int))
        level = image[0, 0]
        assert (heavy > level) == (detector == "ADF")
        contrast[detector] = (light - level) / (heavy - level)
    assert contrast["ABF"] > 5 * contrast["ADF"]


@pytest.mark.parametrize(("gain", "read_noise"), [(1.0, 0.0), (4.0, 3.0)])
def test_variance_is_gain_times_mean_plus_read_noise(gain, read_noise):
    signal, truth = noise(level=0.004, shape=(300, 340), dose=3e5, gain=gain, read_noise=read_noise)
    mean = gain * 0.004 * 3e5 * 0.125**2
    assert len(truth.positions) == 0
    assert signal.data.mean() == pytest.approx(mean, rel=0.01)
    assert truth.extra["noise_free"][0, 0] == pytest.approx(mean, rel=1e-5)
    assert signal.data.var() == pytest.approx(gain * mean + read_noise**2, rel=0.03)


def test_background_and_contrast_drift_change_slowly_by_as_much_as_asked():
    base = {"shape": SHAPE, "dose": None}
    specimen = lattice_specimen("triangular", Imaging(**base).reach)
    flat, _ = simulate(specimen, Imaging(**base))
    raised, _ = simulate(specimen, Imaging(**base, background_variation=0.5))
    added = (raised - flat).astype(float)
    lone, _ = simulate(columns([(0.0, 0.0)], [42]), Imaging(shape=(151, 191), dose=None, background=0.0))
    assert added.min() > -1e-6 * lone.max()
    assert 0.25 * lone.max() < np.ptp(added) <= 0.5001 * lone.max()
    assert np.abs(np.diff(added, axis=1)).max() < 0.05 * added.max()
    drifted, _ = simulate(specimen, Imaging(**base, contrast_variation=0.3, background=0.0))
    plain, _ = simulate(specimen, Imaging(**base, background=0.0))
    ratio = drifted / plain
    assert ratio.min() > 0.699
    assert ratio.max() < 1.301
    assert np.abs(ratio - 1).max() > 0.25


def test_jitter_moves_rows_of_the_image_but_not_the_truth():
    base = {"shape": SHAPE, "dose": None}
    specimen = lattice_specimen("square", Imaging(**base).reach, spacing=0.4)
    steady, truth = simulate(specimen, Imaging(**base))
    shaken, same = simulate(specimen, Imaging(**base, row_jitter=0.5))
    np.testing.assert_array_equal(truth.positions, same.positions)
    # Shifting a row keeps what it holds, apart from what leaves or enters at its ends.
    difference = np.abs(steady.sum(axis=1) - shaken.sum(axis=1)) / steady.sum(axis=1)
    assert difference.max() < 0.05
    assert np.abs(steady - shaken).max() > 0.05 * steady.max()


def test_pixels_and_specimen_are_inverse():
    imaging = Imaging(shape=SHAPE, rotation=33.0, strain=0.05, wobble=3.0)
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    there = imaging.to_pixels(points, random_state=5)
    np.testing.assert_allclose(imaging.to_specimen(there, random_state=5), points, atol=1e-12)
    middle = Imaging(shape=SHAPE, rotation=33.0).to_pixels(np.zeros((1, 2)))
    np.testing.assert_allclose(middle, [[(190 - 1) / 2, (150 - 1) / 2]])


def test_rotation_turns_x_towards_y():
    turned = Imaging(shape=SHAPE, rotation=90.0).to_pixels(np.array([[0.1, 0.0]]))
    np.testing.assert_allclose(turned, [[94.5, 74.5 + 0.1 / 0.0125]], atol=1e-9)


def test_seed_reproduces_and_dose_leaves_the_specimen_alone():
    arguments = {"shape": (90, 110), "disorder": 0.003}
    first, truth = lattice(**arguments, random_state=4)
    again, same = lattice(**arguments, random_state=4)
    other, moved = lattice(**arguments, random_state=5)
    low, low_truth = lattice(**arguments, random_state=4, dose=1e4)
    np.testing.assert_array_equal(first.data, again.data)
    np.testing.assert_array_equal(truth.positions, same.positions)
    assert not np.array_equal(first.data, other.data)
    assert not np.array_equal(truth.positions, moved.positions)
    np.testing.assert_array_equal(truth.positions, low_truth.positions)
    assert low.data.mean() == pytest.approx(first.data.mean() / 30, rel=0.05)


def test_another_frame_is_the_same_view_with_other_noise():
    arguments = {"shape": (90, 110), "disorder": 0.003, "row_jitter": 0.2}
    first, truth = lattice(**arguments)
    second, same = lattice(**arguments, frame=1)
    np.testing.assert_array_equal(truth.positions, same.positions)
    free = truth.extra["noise_free"]
    noise_of = [signal.data - t.extra["noise_free"] for signal, t in ((first, truth), (second, same))]
    assert abs(np.corrcoef(noise_of[0].ravel(), noise_of[1].ravel())[0, 1]) < 0.05
    assert np.corrcoef(first.data.ravel(), second.data.ravel())[0, 1] > 0.5
    assert not np.array_equal(free, same.extra["noise_free"])


def test_arrays_do_without_hyperspy():
    code = (
        "import sys; from hyperspy_motifs.data import Imaging, lattice_specimen, simulate; "
        "simulate(lattice_specimen('square', 1.0), Imaging(shape=(40, 50))); "
        "sys.exit('hyperspy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("rotation", [0.0, 77.0, 200.0])
def test_cells_are_counter_clockwise_in_the_image(rotation):
    imaging = Imaging(shape=(160, 200), rotation=rotation, strain=0.02, wobble=1.0)
    for specimen in (
        lattice_specimen("honeycomb", imaging.reach),
        m1_oxide_specimen(imaging.reach),
        grain_boundary_specimen(15.0, imaging.reach),
    ):
        _, truth = simulate(specimen, imaging)
        assert len(truth.cells) == len(truth.cell_types) > 3
        for cell in truth.cells:
            (x, y), (u, v) = truth.positions[cell].T, truth.positions[np.roll(cell, -1)].T
            assert (x * v - u * y).sum() > 0
        assert max(cell.max() for cell in truth.cells) < len(truth.positions)


def test_disorder_has_the_rms_that_was_asked_for():
    specimen = lattice_specimen("square", 4.0, spacing=0.2)
    step = specimen.displaced(0.005, random_state=1).positions - specimen.positions
    np.testing.assert_allclose(step.std(axis=0), 0.005, rtol=0.1)


def test_field_is_full_whatever_its_shape_and_rotation():
    imaging = Imaging(shape=(100, 260), rotation=40.0, strain=0.03)
    _, truth = simulate(lattice_specimen("square", imaging.reach, spacing=0.25), imaging, random_state=2)
    x, y = truth.positions.T
    assert x.min() >= 0
    assert x.max() <= 259
    assert y.min() >= 0
    assert y.max() <= 99
    expected = 100 * 260 / (0.25 / 0.0125) ** 2
    assert len(x) == pytest.approx(expected, rel=0.12)
    for corner in ((0, 0), (259, 0), (0, 99), (259, 99)):
        assert np.linalg.norm(truth.positions - corner, axis=1).min() < 1.6 * 20


def test_signal_is_calibrated_and_survives_a_file(tmp_path):
    signal, _ = lattice("square", shape=SHAPE, pixel_size=0.02, random_state=7)
    assert signal._signal_type == "atomic_image"
    assert signal.data.shape == SHAPE
    assert signal.data.dtype == np.float32
    x, y = signal.axes_manager.signal_axes
    assert [(a.name, a.units, a.scale, a.size) for a in (x, y)] == [
        ("x", "nm", 0.02, 190),
        ("y", "nm", 0.02, 150),
    ]
    assert signal.metadata.General.title == "Simulated square lattice"
    record = json.loads(signal.metadata.Simulation.parameters)
    assert record["kind"] == "square"
    assert record["random_state"] == 7
    assert record["function"] == "lattice"
    assert json.loads(signal.metadata.Simulation.imaging)["pixel_size"] == 0.02
    signal.save(tmp_path / "image.hspy")
    loaded = hs.load(tmp_path / "image.hspy")
    assert type(loaded) is type(signal)
    assert loaded.metadata.Simulation.parameters == signal.metadata.Simulation.parameters
    assert "disorder : float" in lattice.__doc__
    assert "%(" not in lattice.__doc__


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shape": (0, 5)}, "rows and columns"),
        ({"shape": (5,)}, "rows and columns"),
        ({"pixel_size": 0.0}, "pixel_size"),
        ({"dose": -1.0}, "dose"),
        ({"dose": np.inf}, "None for an image without noise"),
        ({"detector": "HAADF"}, "choose one of"),
        ({"tails": 1.5}, "0 to 1"),
        ({"row_jitter": -0.1}, "row_jitter"),
        ({"strain": 1.0}, "less than 1"),
    ],
)
def test_impossible_imaging_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Imaging(**wrong)


def test_unknown_parameter_is_named_with_the_known_ones():
    with pytest.raises(TypeError, match=r"magnification.*pixel_size"):
        lattice(magnification=5)

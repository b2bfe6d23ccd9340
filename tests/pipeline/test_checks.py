"""Invalid input is rejected before any computation, with a remedy in the message."""

import re
import warnings

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs.pipeline import check_axes, check_positions, clean_image
from hyperspy_motifs.pipeline._checks import warn_of_channels
from hyperspy_motifs.store import Stamp

pytestmark = pytest.mark.usefixtures("two_radii")


def image(**axis):
    signal = hs.signals.Signal2D(np.random.default_rng(0).random((31, 43)))
    signal.axes_manager[0].scale = signal.axes_manager[1].scale = 0.02
    for name, value in axis.items():
        setattr(signal.axes_manager[1], name, value)
    return signal


def test_units_that_are_no_lengths_are_refused():
    with pytest.raises(ValueError, match=r"different units.*no unit of length"):
        check_axes(image(units="1/nm"))


def test_other_units_of_length_are_converted():
    signal = image()
    x, y = signal.axes_manager.signal_axes
    x.units, y.units = "nm", "\u212b"
    x.scale, y.scale, y.offset = 0.02, 0.2, 30.0
    check_axes(signal)
    assert y.units == "nm"
    assert y.scale == pytest.approx(0.02)
    assert y.offset == pytest.approx(3.0)
    x.units, y.units = "\u00b5m", "\u03bcm"
    check_axes(signal)
    assert y.scale == pytest.approx(0.02)


def test_pixels_that_are_far_from_square_are_refused():
    with pytest.raises(ValueError, match=r"10 times as long"):
        check_axes(image(scale=0.2))


def test_oblong_pixels_give_results_in_axis_units():
    """Every second row of an oxide shows its thirteen sites, in both halves of the image."""
    from scipy.spatial import cKDTree
    from sklearn.metrics import adjusted_rand_score

    from hyperspy_motifs import data

    signal, truth = data.m1_oxide(shape=(340, 351), dose=1e6, random_state=1, pixel_size=0.02)
    scale = 0.02
    half = hs.signals.Signal2D(signal.data[::2])
    half.axes_manager.signal_axes.set(scale=scale, units="nm")
    half.axes_manager.signal_axes[1].scale = 2 * scale
    half.set_signal_type("atomic_image")
    motifs = half.find_motifs(show_progressbar=False, rotation_invariant=True)
    true = truth.positions * scale
    inside = ((motifs.positions > 0.4) & (motifs.positions < np.array([350, 339]) * scale - 0.4)).all(axis=1)
    distance, nearest = cKDTree(true).query(motifs.positions[inside])
    assert distance.max() < 0.04
    np.testing.assert_allclose(motifs.pixel_positions * [scale, 2 * scale], motifs.positions, atol=1e-9)
    assert adjusted_rand_score(truth.labels[nearest], motifs.labels[inside]) > 0.97


def test_pixels_mirrored_by_slicing_are_accepted():
    mirrored = image().isig[::-1, :]
    assert mirrored.axes_manager[0].scale < 0
    check_axes(mirrored)


def test_axes_that_are_not_uniform_are_refused():
    signal = image()
    signal.axes_manager[0].convert_to_non_uniform_axis()
    with pytest.raises(ValueError, match="not uniform"):
        check_axes(signal)


def test_a_sliver_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        check_axes(image().isig[:9, :])


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<i4", "float16", ">f8", "bool"])
def test_every_real_dtype_keeps_its_values(dtype):
    data = (np.arange(17 * 19).reshape(17, 19) % 2).astype(dtype)
    out, missing = clean_image(data)
    assert missing is None
    assert out.dtype == np.float64
    assert out.dtype.isnative
    np.testing.assert_array_equal(out, data.astype(float))


def test_the_input_is_never_changed():
    data = np.random.default_rng(0).random((17, 19))
    data[3:6, 4:7] = np.nan
    before = data.copy()
    with pytest.warns(UserWarning, match="without data"):
        clean_image(data)
    np.testing.assert_array_equal(data, before)


def test_a_missing_pixel_is_filled_from_its_neighbours():
    data = np.tile(np.arange(19.0), (17, 1)) + 0.01 * np.arange(17)[:, None] ** 2
    data[5, 0] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out, missing = clean_image(data)
    assert missing is None
    assert out[5, 0] == pytest.approx(0.25, abs=0.6)


def test_half_of_an_image_may_be_missing():
    data = np.random.default_rng(1).normal(5, 1, (17, 19))
    data[:9] = np.nan
    with pytest.warns(UserWarning, match="53 %"):
        out, missing = clean_image(data)
    assert missing[:9].all()
    assert not missing[9:].any()
    assert np.isfinite(out).all()
    with pytest.raises(ValueError, match="no data"):
        clean_image(np.full((17, 19), np.nan))


@pytest.mark.parametrize("value", [0.0, -3.5, 1e12])
def test_a_constant_image_is_refused(value):
    with pytest.raises(ValueError, match="constant"):
        clean_image(np.full((17, 19), value))


def test_complex_and_colour_are_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"signal\.amplitude"):
        clean_image(np.ones((17, 19), complex))
    with pytest.raises(TypeError, match="RGB"):
        clean_image(np.zeros((17, 19), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]))


def test_the_way_out_of_colour_gives_the_mean_of_the_channels():
    pixels = np.zeros((17, 19), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
    pixels["R"], pixels["G"], pixels["A"] = np.arange(19), np.arange(17)[:, None], 255
    signal = hs.signals.Signal2D(pixels)
    signal.set_signal_type("atomic_image")
    with pytest.raises(TypeError) as refused:
        signal.find_motifs()
    recipe = re.search(r"signal\.change_dtype.*\.T", str(refused.value))[0]
    scope = {"signal": signal}
    exec(recipe, scope)
    grey = scope["signal"]
    assert type(grey).__name__ == "AtomicImage"
    np.testing.assert_allclose(grey.data, (np.arange(19) + np.arange(17)[:, None]) / 3)


STAMP = Stamp((43, 31), (0.5, 0.5), (10.0, -2.0), "nm")


def test_positions_become_pixels_by_the_calibration_of_x_and_y():
    np.testing.assert_allclose(check_positions([[12.0, 3.0]], STAMP), [[4.0, 10.0]])


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (np.zeros((3, 3)), r"expected \(n, 2\)"),
        (np.zeros((0, 2)), "no positions"),
        ([[11.0, np.nan]], "NaN"),
        ([[200.0, 3.0]], r"outside the image.*y first"),
        ([[12.0, 3.0], [12.0, 3.0]], "lie on another"),
    ],
)
def test_positions_that_cannot_be_are_refused(positions, message):
    with pytest.raises(ValueError, match=message):
        check_positions(positions, STAMP)


def test_positions_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="Sublattice"):
        check_positions("everywhere", STAMP)


def frames_of_8_bits(n_frames, dtype=np.uint8, units=None):
    signal = hs.signals.Signal2D(np.random.default_rng(0).integers(0, 255, (n_frames, 31, 43)).astype(dtype))
    signal.set_signal_type("atomic_image")
    if units:
        signal.axes_manager.navigation_axes[0].units = units
    return signal


def test_a_colour_picture_with_channels_first_is_not_silently_a_movie():
    for n_frames in (3, 4):
        with pytest.warns(UserWarning, match=r"movie of . frames of 8 bits.*signal.inav\[:3\].mean\(\)"):
            warn_of_channels(frames_of_8_bits(n_frames))
    assert frames_of_8_bits(4).inav[:3].mean().data.shape == (31, 43)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for movie in (frames_of_8_bits(5), frames_of_8_bits(3, float), frames_of_8_bits(3, units="s")):
            warn_of_channels(movie)


def test_the_search_warns_of_channels():
    with (
        pytest.warns(UserWarning, match="channels of a colour picture"),
        pytest.raises(ValueError, match="columns"),
    ):
        frames_of_8_bits(3).find_motifs(show_progressbar=False)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_complex_image_is_refused_in_words(lazy):
    wave = hs.signals.ComplexSignal2D(np.ones((31, 43)) + 1j)
    wave = wave.as_lazy() if lazy else wave
    wave.set_signal_type("atomic_image")
    for call in (wave.find_motifs, wave.find_atoms, wave.apply_model):
        with pytest.raises(TypeError, match=r"complex.*signal.amplitude.find_motifs\(\)"):
            call()
    assert hasattr(wave.amplitude, "find_motifs")
    assert wave.amplitude.data.dtype.kind == "f"

"""What was wrong with an image is told, and scan lines can be levelled."""

import warnings

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates, shift

from hyperspy_motifs import data
from hyperspy_motifs.atoms import measure_scan_lines, within_band
from hyperspy_motifs.pipeline import ImageQuality

pytestmark = pytest.mark.usefixtures("two_radii")

FAST = {"radius": 0.6, "show_progressbar": False}


def image_of(array):
    signal = hs.signals.Signal2D(np.asarray(array))
    signal.set_signal_type("atomic_image")
    return signal


def test_offsets_of_scan_lines_are_taken_off():
    rng = np.random.default_rng(0)
    for family in (data.monolayer, data.perovskite):
        signal, _ = family(shape=(211, 242), random_state=2)
        image = np.asarray(signal.data, float)
        offsets = rng.normal(0, 0.4 * image.std(), (len(image), 1))
        level = image_of(image + offsets).level_rows().data
        left = level - image
        assert (left.mean(axis=1) - left.mean()).std() < 0.55 * offsets.std()
        # An image without offsets keeps its columns.
        assert not measure_scan_lines(image).offsets.any()


def test_quality_tells_what_was_done(tmp_path):
    signal, _ = data.monolayer(shape=(180, 201), random_state=3)
    clean = np.asarray(signal.data, float)
    good = image_of(clean).find_motifs(**FAST)
    assert good.quality.lines() == []
    assert good.quality.refusals() == []
    assert "image:" not in good.summary()
    bad = clean.copy()
    bad[:, -20:] = np.nan
    bad[50, 60] = bad[90, 100] = 20 * clean.max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motifs = image_of(bad + np.random.default_rng(1).normal(0, 0.5 * clean.std(), (180, 1))).find_motifs(
            show_progressbar=False
        )
    quality = motifs.quality
    assert quality.no_data == pytest.approx(20 / 201, abs=0.01)
    assert quality.interpolated == 2
    assert quality.row_offsets > 0.2
    assert "left out" in motifs.summary()
    assert "scan lines" in motifs.summary()
    motifs.signal.save(tmp_path / "bad.hspy")
    assert hs.load(tmp_path / "bad.hspy").motifs.quality == quality


def test_a_part_is_told_in_percent():
    assert ImageQuality(patches=0.997).lines() == ["100 % of the atoms under soft patches, taken off"]
    assert ImageQuality(no_data=0.234).lines() == ["23 % of the field without data, left out"]


def test_jumps_and_flyback_of_the_scan_are_told():
    signal, _ = data.monolayer(shape=(230, 261), random_state=5)
    image = np.asarray(signal.data, float)
    made = image.copy()
    made[120:] = shift(image, (0, 2.5), order=3, mode="nearest")[120:]
    jumped = image_of(made).find_motifs(**FAST)
    assert jumped.quality.row_jumps == 1
    assert jumped.quality.lines() == ["scan jumps along x at 1 row, left"]
    y, x = np.mgrid[:230, :261].astype(float)
    made = map_coordinates(image, [y, x - 5 * np.exp(-x / 25)], order=3, mode="nearest")
    late = image_of(made).find_motifs(**FAST)
    assert -0.2 < late.quality.flyback < -0.03
    assert "compressed" in late.summary()


def test_an_image_of_one_order_of_reflections_is_warned_of():
    signal, _ = data.monolayer(shape=(130, 141), pixel_size=0.025, random_state=3)
    image = np.asarray(signal.data, float)
    # The columns are 7.6 pixels apart; a honeycomb has reflections at 2/3 and at 2/sqrt(3) of the inverse distance.
    with pytest.warns(UserWarning, match="one order of reflections"):
        motifs = image_of(within_band(image, 1.1 / 7.6)).find_motifs(**FAST)
    assert motifs.quality.band_limit == pytest.approx(1.1, abs=0.1)
    assert "one order of reflections" in motifs.summary()
    finer = ImageQuality(band_limit=1.6)
    assert finer.refusals() == []
    assert "no frequencies above 1.6" in finer.lines()[0]


def test_an_image_without_columns_is_called_so_in_the_first_line():
    rng = np.random.default_rng(0)
    slow = gaussian_filter(rng.normal(size=(384, 392)), 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motifs = image_of(20 * slow + rng.normal(size=slow.shape)).find_motifs(show_progressbar=False)
    assert motifs.summary().startswith("caution: nothing regular was found")
    # One of the two alone is another fault.
    assert "nothing" not in ImageQuality(separation_certainty=0.1).refusals()[0]

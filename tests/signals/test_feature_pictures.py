"""Features for users: differences of motifs, power of orders, units after a new calibration."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.draw import plot_explanation, plot_orders
from hyperspy_motifs.pipeline import MomentSource, source_of
from hyperspy_motifs.store import read
from hyperspy_motifs.zernike import limit_n_max


@pytest.fixture(scope="module")
def image():
    s, _ = data.monolayer(shape=(156, 178), random_state=0)
    s.find_motifs(show_progressbar=False)
    return s


@pytest.fixture(scope="module")
def motifs(image):
    return image.motifs


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_picture_of_a_difference(motifs):
    features = motifs.features
    axes = features.plot_explanation(motifs.labels, (0, 1), n_modes=3)
    assert len(axes) == 6
    first, second, difference = (ax.images[0].get_array() for ax in axes[:3])
    inside = ~np.ma.getmaskarray(difference)
    # Means, and their difference, are the same linear combination of the same functions.
    np.testing.assert_allclose(difference[inside], (first - second)[inside], atol=1e-5)
    # Mo is brighter or darker than Se2, which the centre of the disc shows.
    middle = difference.shape[0] // 2
    assert abs(difference[middle, middle]) > 0.5 * abs(difference[inside]).max()
    shares = [int(ax.get_title().split("\n")[1].split()[0]) for ax in axes[3:]]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 101
    low, high = (axes[0].images[0].get_clim(), axes[1].images[0].get_clim())
    assert low == high


def test_against_all_others(motifs):
    axes = motifs.features.plot_explanation(motifs.labels, (1, -1))
    assert [ax.get_title() for ax in axes[:3]] == ["motif 1", "all others", "difference"]


def test_orders_of_the_features(motifs):
    ax = motifs.features.plot_orders()
    patterns, _, noise = (line.get_ydata() for line in ax.lines)
    assert len(noise) == motifs.features.n_max + 1
    # A lattice at this dose exceeds its noise, in particular in the order of its threefold sites.
    assert patterns[3] > 10 * noise[3]


def test_pictures_of_what_does_not_fit():
    with pytest.raises(ValueError, match="pictures of shape"):
        plot_explanation(np.zeros((2, 5, 5)), ["a", "b"], np.zeros((1, 5, 5)), ["m"])
    with pytest.raises(ValueError, match="titles"):
        plot_explanation(np.zeros((3, 5, 5)), ["a", "b", "c"], np.zeros((2, 5, 5)), ["m"])
    with pytest.raises(ValueError, match="noise"):
        plot_orders([0, 1, 2], [1, 1, 1], [1, 1])


def test_the_radius_follows_a_new_calibration(image):
    s = image.deepcopy()
    before = s.motifs.features.radius
    for axis in s.axes_manager.signal_axes:
        axis.scale *= 10
        axis.units = "Å"
    after = s.motifs.features
    assert after.radius == pytest.approx(10 * before)
    assert after.radius == pytest.approx(s.motifs.patches.radius)
    assert after.reconstruct().axes_manager.signal_axes[0].units == "Å"
    assert image.motifs.features.radius == before
    np.testing.assert_array_equal(after.data, image.motifs.features.data)


def test_a_crop_leaves_the_radius(image):
    part = image.isig[20:150, 15:140].motifs.features
    assert part.radius == image.motifs.features.radius
    assert len(part.data) < len(image.motifs.features.data)


def test_orders_by_signal_and_noise(image):
    s = image.deepcopy()
    found = s.find_motifs(n_max="auto", show_progressbar=False)
    orders = {float(k): v for k, v in found.parameters["orders"].items()}
    # A larger disc holds more detail.
    assert [orders[radius] for radius in found.radii] == sorted(orders.values())
    assert orders[0.6] < 8 < orders[2.4]
    assert found.features.n_max == orders[found.radius]
    assert found.at(2.4).features.n_max == orders[2.4]
    # Kept with the result: the same orders at another time.
    assert source_of(s, read(s))(1.2).n_max == orders[1.2]
    assert found.predict(image.deepcopy(), show_progressbar=False).features.n_max == found.features.n_max


def test_an_order_that_pixels_do_not_carry(image):
    pixels = image.motifs.pixel_positions[:40]
    for spacing, order in ((4.0, 8), (11.0, 10), (40.0, 16)):
        source = MomentSource([image], pixels, np.zeros(40, int), spacing, 16)
        assert source(0.6).n_max == order == source.orders[0.6]
        assert order == max(8, min(16, limit_n_max(0.6 * spacing)))


def test_more_motifs_than_there_are(image):
    s = image.deepcopy()
    with pytest.warns(UserWarning, match="5000 were requested"):
        found = s.find_motifs(n_motifs=5000, radius=1.2, show_progressbar=False)
    assert f"no more than {found.n_motifs} motifs" in found.summary()


def test_patches_of_an_impossible_radius(image):
    for radius in (0, 100, "auto", np.nan):
        with pytest.raises(ValueError, match=r"0\.2 to 10"):
            image.get_atom_patches(radius=radius)


def test_motifs_are_given_to_atomic_images(image):
    plain = hs.signals.Signal2D(image.data)
    for other in (plain, image.data):
        with pytest.raises(TypeError, match=r"set_signal_type\('atomic_image'\)"):
            image.motifs.predict(other)


def test_an_order_that_is_none(image):
    s = image.deepcopy()
    with pytest.raises(ValueError, match="'auto' or None"):
        s.find_motifs(n_max="many", show_progressbar=False)
    assert s.motifs.n_motifs == image.motifs.n_motifs


def test_two_detectors_have_a_verdict_on_continuity(image):
    s, other = image.deepcopy(), image.deepcopy()
    found = s.find_motifs(detectors=other, radius=1.2, show_progressbar=False)
    assert found.features.data.shape[1] == 2 * image.motifs.features.data.shape[1]
    assert not found.continuity.is_continuous
    assert set(found.continuity.groups) == set(range(found.n_motifs))

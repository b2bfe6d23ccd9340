"""An image whose axes differ in everything, the columns in it, and its motifs."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import data

#: Column, row in pixels of the planted columns; whole numbers, in no order.
PIXELS = np.array([[11, 8], [70, 9], [40, 12], [25, 22], [58, 30], [12, 35], [72, 38], [33, 41]])
SHAPE = (47, 83)


def make_image(scale=(0.02, -0.03), offset=(3.0, -2.0), units="nm"):
    """Gaussians at PIXELS; the y axis is flipped, and both axes have an offset."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.zeros(SHAPE)
    for x, y in PIXELS:
        image += np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.7**2))
    signal = hs.signals.Signal2D(image)
    for axis, name, s, o in zip(signal.axes_manager.signal_axes, "xy", scale, offset, strict=True):
        axis.name, axis.scale, axis.offset, axis.units = name, s, o, units
    signal.set_signal_type("atomic_image")
    return signal


@pytest.fixture
def image():
    return make_image()


@pytest.fixture
def new_image():
    """Function that makes the image with other axes."""
    return make_image


@pytest.fixture
def pixels():
    return PIXELS.astype(float)


@pytest.fixture
def positions():
    """x, y of the planted columns in nm."""
    return PIXELS * [0.02, -0.03] + [3.0, -2.0]


@pytest.fixture(scope="session")
def _analysed(first_two_radii):
    signal, _ = data.monolayer(shape=(190, 236), random_state=3)
    x, y = signal.axes_manager.signal_axes
    x.offset = 5.0
    y.scale, y.offset = -y.scale, 2.0
    with first_two_radii():
        signal.find_motifs(radius=0.6).relabel({0: "Se2", 1: "Mo"})
    return signal


@pytest.fixture
def motifs(_analysed):
    """Motifs of a monolayer whose y axis is flipped, and whose axes have an offset."""
    return _analysed.deepcopy().motifs

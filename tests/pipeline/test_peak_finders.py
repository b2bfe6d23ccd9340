"""Peak finders of the user, and atomap's by name, in place of the search."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs import data

pytestmark = pytest.mark.usefixtures("two_radii")

FAST = {"radius": 0.6, "show_progressbar": False}


@pytest.fixture(scope="module")
def field():
    return data.lattice("honeycomb", shape=(120, 158), random_state=2)


@pytest.mark.parametrize("sign", [1, -1])
def test_atomap_finds_the_columns_of_a_crystal_bright_or_dark(field, sign):
    signal, truth = field
    image = signal.deepcopy()
    image.data = sign * image.data
    motifs = image.find_motifs(atoms="atomap", polarity="bright" if sign > 0 else "dark", **FAST)
    found = motifs.pixel_positions
    for some, others in ((truth.positions, found), (found, truth.positions)):
        inside = np.all((some > 8) & (some < np.array([149, 111])), axis=1)
        away, _ = cKDTree(others).query(some[inside])
        assert inside.sum() > 20
        assert away.max() < 0.5


def test_a_finder_that_refines_keeps_its_positions_of_every_frame(field):
    signal, truth = field
    stack = hs.stack([signal.deepcopy(), signal.isig[:, ::-1].deepcopy()], show_progressbar=False)
    stack.set_signal_type("atomic_image")
    mirrored = truth.positions * [1, -1] + [0, 119]
    given, seen = [truth.positions, mirrored], []

    def finder(image, separation):
        seen.append((image.shape, separation))
        return given[len(seen) - 1]

    motifs = stack.find_motifs(atoms=finder, refine=False, separation=0.142, **FAST)
    assert [shape for shape, _ in seen] == [(120, 158)] * 2
    assert seen[0][1] == pytest.approx(0.142 / abs(signal.axes_manager[0].scale))
    for number, positions in enumerate(given):
        np.testing.assert_allclose(motifs.pixel_positions[motifs.frames == number], positions, atol=1e-9)


def test_positions_of_the_wrong_shape_are_refused(field):
    with pytest.raises(ValueError, match=r"shape \(20, 3\) for the image; expected \(n, 2\)"):
        field[0].deepcopy().find_motifs(atoms=lambda image, separation: np.ones((20, 3)), **FAST)

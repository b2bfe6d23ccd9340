"""Groups of odd cells: a rotated bond in a honeycomb makes one, a boundary and the border of the field none."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.data import Imaging, lattice_specimen, simulate
from hyperspy_motifs.defects import find_odd_cells
from hyperspy_motifs.signals import AtomicImage

pytestmark = pytest.mark.usefixtures("two_radii")

LENGTH = 0.142


def rotated_bond(specimen, place):
    """The specimen with the bond next to `place` turned by a right angle: two pentagons and two heptagons."""
    positions = specimen.positions.copy()
    one = int(np.hypot(*(positions - place).T).argmin())
    other = int(cKDTree(positions).query(positions[one], k=2)[1][1])
    middle = (positions[one] + positions[other]) / 2
    x, y = positions[one] - middle
    turned = np.array([-y, x])
    positions[one], positions[other] = middle + turned, middle - turned
    return replace(specimen, positions=positions), middle


@pytest.fixture(scope="module")
def crystal():
    return lattice_specimen("honeycomb", 2.2, LENGTH, "C")


def test_a_rotated_bond_is_one_group_of_four_cells(crystal):
    turned, middle = rotated_bond(crystal, [0.1, -0.2])
    cells = find_cells(turned.positions)
    groups, q_value = find_odd_cells(cells)
    assert [sorted(cells.n_corners[members].tolist()) for members in groups] == [[5, 5, 7, 7]]
    assert cells.centres[groups[0]].mean(axis=0) == pytest.approx(middle, abs=0.1 * LENGTH)
    assert q_value < 0.05
    assert find_odd_cells(find_cells(crystal.positions))[0] == []


def test_groups_that_touch_the_border_or_repeat_are_none(crystal):
    inner = crystal.positions.min(axis=0) + 2.5 * LENGTH
    assert find_odd_cells(find_cells(rotated_bond(crystal, inner)[0].positions))[0] == []
    many = crystal
    for x in np.linspace(-1.3, 1.3, 6):
        many, _ = rotated_bond(many, [x, 0.4])
    assert find_odd_cells(find_cells(many.positions))[0] == []


def test_a_rotated_bond_is_a_defect_of_the_image_once():
    imaging = Imaging.of(
        {"shape": (348, 330), "pixel_size": 0.0094, "probe_size": 0.075, "dose": 3e6, "rotation": 7.0}, {}
    )
    crystal = lattice_specimen("honeycomb", imaging.reach, LENGTH, "C").displaced(0.001, 0)
    turned, middle = rotated_bond(crystal, [0.3, 0.2])
    image, _ = simulate(turned, imaging, 0)
    motifs = AtomicImage(image).find_motifs(show_progressbar=False)
    defects = motifs.defects
    assert defects.counts == {"odd cells": 1}
    assert defects.pixel_positions[0] == pytest.approx(imaging.to_pixels(middle[None], 0)[0], abs=4)
    assert "5 corners (2), 7 corners (2)" in defects.evidence[0]
    assert "1 group of odd cells" in motifs.summary()
    assert not motifs.graph.find(kind="vacancy")
    # It is stored with the image like the others.
    motifs._cache.clear()
    assert motifs.defects.kinds.tolist() == ["odd cells"]

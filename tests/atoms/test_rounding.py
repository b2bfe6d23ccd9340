"""Columns that a simulation placed on its pixels are found, and no others; equal atoms are then one motif."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import measure_rounding, undo_rounding

pytestmark = pytest.mark.usefixtures("two_radii")

SHAPE = (243, 287)  # rows, columns
LEVEL = 5e-4  # of one axis


def honeycomb(spacing, angle=0.0):
    """Places x, y in pixels of the two sites of a honeycomb, and which site each is."""
    i, j = (v.ravel() for v in np.mgrid[-40:40, -40:40])
    one = np.column_stack([i + j / 2, j * np.sqrt(3) / 2])
    places = np.sqrt(3) * spacing * np.concatenate([one, one + np.array([0.5, np.sqrt(3) / 6])])
    c, s = np.cos(angle), np.sin(angle)
    places = places @ [[c, s], [-s, c]] + [SHAPE[1] / 2 + 0.3, SHAPE[0] / 2 - 0.2]
    inside = np.all((places > 4) & (places < np.array(SHAPE[::-1]) - 5), axis=1)
    return places[inside], np.repeat([0, 1], len(one))[inside]


def image_of(places, heights, width):
    """An image of Gaussian columns, with noise of 2 % of the higher ones."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.random.default_rng(4).normal(0, 0.02 * max(heights), SHAPE)
    for (cx, cy), height in zip(places, heights, strict=True):
        image += height * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
    return image


@pytest.mark.parametrize("step", [0.9, 1.0, 1.3])
def test_rounded_places_are_found_and_their_displacements_measured(step):
    places, _ = honeycomb(8.43, angle=0.21)
    # Strain, without which a lattice may have rows at whole or half steps by chance.
    places += 1.5 * np.column_stack([np.sin(places[:, 1] / 90), np.cos(places[:, 0] / 130)])
    rounded = np.rint(places / step) * step
    fitted = rounded + np.random.default_rng(1).normal(0, 0.08, rounded.shape)
    found = measure_rounding(fitted)
    assert max(found.p) < LEVEL
    middle = np.all((places > 25) & (places < np.array(SHAPE[::-1]) - 25), axis=1)
    for axis in (0, 1):
        true = (rounded - places)[middle, axis]
        assert np.corrcoef(found.displacements[middle, axis], true)[0, 1] > 0.8


def test_an_axis_along_which_places_are_not_rounded_is_left():
    places, _ = honeycomb(8.43, angle=0.21)
    places[:, 1] = np.rint(places[:, 1])
    found = measure_rounding(places + np.random.default_rng(1).normal(0, 0.05, places.shape))
    assert found.p[0] > LEVEL > found.p[1]
    assert not found.displacements[:, 0].any()
    assert found.displacements[:, 1].std() == pytest.approx(1 / np.sqrt(12), rel=0.3)


@pytest.mark.parametrize("kind", ["thermal", "superstructure", "wave", "domains", "glass", "few"])
def test_displacements_of_the_structure_are_left(kind):
    places, site = honeycomb(8.43, angle=0.02)
    rng = np.random.default_rng(5)
    if kind == "thermal":
        places += rng.normal(0, 0.3, places.shape)
    elif kind == "superstructure":
        places[:, 1] += 0.5 * np.sign(np.sin(places[:, 0] / 8.43))
    elif kind == "wave":
        places[:, 1] += 0.5 * np.sin(places[:, 1] / 11)
    elif kind == "domains":
        places[:, 1] += np.where(site, 0.5, 0.0) * np.sign(places[:, 0] - 140)
    elif kind == "glass":
        places = rng.uniform(5, 230, (700, 2))
    else:
        places = places[:2]
    found = measure_rounding(places + rng.normal(0, 0.03, places.shape))
    assert min(found.p) > LEVEL
    assert found.std == 0


def test_places_given_in_whole_pixels_say_nothing_of_the_image():
    places, _ = honeycomb(8.43, angle=0.21)
    assert measure_rounding(np.rint(places)).std == 0


def test_columns_are_moved_back():
    places, _ = honeycomb(9.7, angle=0.1)
    moved = np.rint(places)
    image = undo_rounding(image_of(moved, np.ones(len(places)), 2.0), moved, moved - places)
    size = 4
    for x, y in places[len(places) // 2 :: 29]:
        column, row = int(np.rint(x)), int(np.rint(y))
        if min(column, row) < 9 or column > SHAPE[1] - 10 or row > SHAPE[0] - 10:
            continue
        part = image[row - size : row + size + 1, column - size : column + size + 1]
        weighted = np.array(ndimage.center_of_mass(np.clip(part - 0.2, 0, None)))[::-1]
        centre = weighted + np.array([column - size, row - size])
        assert np.hypot(*(centre - [x, y])) < 0.15


def test_equal_atoms_of_rounded_rows_are_one_motif():
    """Rows on whole pixels, which thermal motion and strain leave visible."""
    places, site = honeycomb(8.43, angle=0.02)
    places += np.column_stack([np.sin(places[:, 1] / 90), np.cos(places[:, 0] / 130)])
    rounded = np.column_stack([places[:, 0], np.rint(places[:, 1])])
    rng = np.random.default_rng(2)
    rounded += rng.normal(0, 0.12, places.shape)
    image = image_of(rounded, np.where(site, 0.6, 1.0), 2.2) + rng.normal(0, 0.03, SHAPE)
    signal = hs.signals.Signal2D(image)
    signal.set_signal_type("atomic_image")
    motifs = signal.find_motifs(show_progressbar=False)
    distance, nearest = cKDTree(places).query(motifs.pixel_positions)
    assert (distance < 1).mean() > 0.99
    # Without the correction each site becomes two motifs of half of its atoms.
    for kind in (0, 1):
        of_kind = motifs.labels[site[nearest] == kind]
        assert np.bincount(of_kind).max() > 0.9 * len(of_kind)
    assert "whole pixels" in str(motifs.summary())


@pytest.mark.parametrize("seed", range(8))
def test_three_columns_in_a_row_are_too_few(seed):
    places = np.column_stack([[0, 9, 19], [0, 0, 0]]) + np.random.default_rng(seed).normal(0, 0.02, (3, 2))
    rounding = measure_rounding(places)
    assert rounding.std == 0
    assert min(rounding.p) >= 5e-4

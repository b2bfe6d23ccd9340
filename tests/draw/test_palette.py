"""Colours: fixed for a motif, and apart for all eyes."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from hyperspy_motifs.draw import cell_colours, motif_colormap, motif_colour, motif_colours, motif_marker

# Machado, Oliveira and Fernandes 2009, severity 1.
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
TRITANOPIA = np.array(
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
)


def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(linear):
    lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(np.clip(linear, 0, 1) @ lms.T) @ lab.T


def least_distance(rgb, view):
    lab = oklab(np.clip(linear(rgb) @ view.T, 0, 1))
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return distance[np.triu_indices(len(rgb), 1)].min()


@pytest.mark.parametrize(
    ("colours", "n", "normal", "dichromat"),
    [
        (motif_colours, 12, 0.15, 0.075),
        (motif_colours, 30, 0.095, 0.06),
        (motif_colours, 40, 0.075, 0.05),
        (cell_colours, 12, 0.09, 0.045),
    ],
)
def test_colours_are_apart_for_all_eyes(colours, n, normal, dichromat):
    rgb = colours(np.arange(n))[:, :3]
    assert least_distance(rgb, np.eye(3)) > normal
    assert least_distance(rgb, PROTANOPIA) > dichromat
    assert least_distance(rgb, DEUTERANOPIA) > dichromat


def cielab(linear):
    """CIELAB of linear sRGB, white D65 (IEC 61966-2-1, CIE 15)."""
    xyz_from_rgb = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = np.clip(linear, 0, 1) @ xyz_from_rgb.T / xyz_from_rgb.sum(axis=1)
    x, y, z = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29).T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("view", [np.eye(3), PROTANOPIA, DEUTERANOPIA, TRITANOPIA])
def test_motifs_differ_by_a_colour_or_a_shape_for_all_eyes(view):
    # CIE 1976 distance: 2.3 is just noticeable (Mahy et al. 1994), 10 is seen at a glance.
    lab = cielab(np.clip(linear(motif_colours(np.arange(40))[:, :3]) @ view.T, 0, 1))
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    shapes = np.array([motif_marker(k) for k in range(40)])
    alike = (shapes[:, None] == shapes) & ~np.eye(40, dtype=bool)
    # The first twelve, and all that follow each other, by their colours alone.
    assert distance[:12, :12][~np.eye(12, dtype=bool)].min() > 15
    assert np.diagonal(distance, 1).min() > 15
    # Shape is a second cue where colours are closer.
    assert distance[alike].min() > 7.5


def test_a_motif_has_one_colour_whatever_the_number_of_motifs():
    few, many = motif_colours([2, 0, 2]), motif_colours(np.arange(40))
    np.testing.assert_array_equal(few, many[[2, 0, 2]])
    assert to_rgba(motif_colour(7)) == tuple(many[7])
    np.testing.assert_array_equal(motif_colormap(9).colors, many[:9])


def test_colour_and_shape_together_tell_a_hundred_motifs_apart():
    assert len({(motif_colour(k), motif_marker(k)) for k in range(100)}) == 100


def test_cell_classes_do_not_look_like_motifs_and_rare_ones_are_grey():
    cells, motifs = cell_colours(np.arange(12))[:, :3], motif_colours(np.arange(8))[:, :3]
    both = oklab(linear(np.vstack([cells, motifs])))
    assert np.linalg.norm(both[:12, None] - both[None, 12:], axis=-1).min() > 0.05
    grey = cell_colours([12, 47])
    np.testing.assert_array_equal(grey[0], grey[1])
    assert np.ptp(grey[0, :3]) == 0


def test_labels_must_be_motifs():
    with pytest.raises(ValueError, match="must not be negative"):
        motif_colours([0, -1])
    with pytest.raises(TypeError, match="must be integers"):
        motif_colours([0.0, 1.5])
    with pytest.raises(ValueError, match="at least 1"):
        motif_colormap(0)

"""Shares of atoms in polygons, compositions and formulae."""

import numpy as np
import pytest

from hyperspy_motifs.hierarchy import compositions, corner_shares, formula, polygon_shares


def test_corners_of_a_square_and_a_reflex_corner():
    points = np.array([[0, 0], [2, 0], [2, 2], [1, 0.5], [0, 2]], dtype=float)
    polygon, share = corner_shares(points, np.array([0, 1, 2, 4, 0, 1, 2, 3, 4]), np.array([0, 4, 9]))
    np.testing.assert_array_equal(polygon, [0] * 4 + [1] * 5)
    np.testing.assert_allclose(share[:4], 0.25)
    # The angles of a pentagon add up to 540 degrees, convex or not.
    assert share[4:].sum() == pytest.approx(1.5)
    assert share[7] > 0.5


def test_points_inside_on_sides_and_on_corners():
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [2, 0], [4, 0], [4, 2], [2, 2]], dtype=float)
    points = np.array([[1, 1], [2.05, 1], [2, 0], [5, 1], [3, 0], [0.0, 1.95]])
    pairs, shares = polygon_shares(points, square, np.array([0, 4, 8]), 0.1)
    table = {(int(p), int(c)): s for (p, c), s in zip(pairs, shares, strict=True)}
    sides = {(0, 0): 1.0, (1, 0): 0.5, (1, 1): 0.5, (4, 1): 0.5}
    corners = {(2, 0): 0.25, (2, 1): 0.25, (5, 0): 0.25}
    assert table == pytest.approx(sides | corners)


def test_shares_in_a_tiling_add_up_to_one():
    rng = np.random.default_rng(1)
    lines = [np.concatenate([[0.0], np.sort(rng.uniform(0.5, 8.5, 6)), [9.0]]) for _ in range(2)]
    vertices = np.array(
        [
            corner
            for x0, x1 in zip(lines[0][:-1], lines[0][1:], strict=True)
            for y0, y1 in zip(lines[1][:-1], lines[1][1:], strict=True)
            for corner in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        ]
    )
    offsets = 4 * np.arange(50)
    points = np.vstack([rng.uniform(0.3, 8.7, (500, 2)), [[lines[0][2], lines[1][3]], [lines[0][2], 4.4]]])
    pairs, shares = polygon_shares(points, vertices, offsets, 1e-9)
    np.testing.assert_allclose(np.bincount(pairs[:, 0], shares, minlength=len(points)), 1.0)


def test_compositions_count_fractions():
    parts = np.array([[0, 0], [1, 0], [1, 1], [2, 1]])
    content = compositions(parts, np.array([1.0, 0.25, 0.75, 0.5]), np.array([0, 2, 2]), 2, 3)
    np.testing.assert_allclose(content, [[1, 0, 0.25], [0, 0, 1.25]])


@pytest.mark.parametrize(
    ("composition", "text"),
    [
        ({"Mo": 1.0, "Se2": 1.0}, "Mo1 Se2"),
        ({"Mo": 0.999, "Se2": 0.97}, "Mo1 (Se2)0.97"),
        ({"Mo": 40.0, "Te": 7.4, "V": 0.001}, "Mo40 Te7.4"),
        ({"0": 1.0, "1": 0.5, "Se": 2.0}, "motif 0, 0.5 × motif 1, 2 × Se"),
        ({"W": 1.0, "W (2)": 1.0, "Se2 (3)": 0.5}, "W1 W (2) (Se2 (3))0.5"),
        ({}, ""),
    ],
)
def test_formula(composition, text):
    assert formula(composition) == text

"""A honeycomb of two motifs as atoms and cells."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import cKDTree


def make_honeycomb(n_columns, n_rows, a=20.0):
    """Return positions, labels and cells (as arrays) of a honeycomb with two atoms in each unit cell."""
    i, j = (v.ravel() for v in np.meshgrid(np.arange(n_columns), np.arange(n_rows)))
    first = np.column_stack([a * (i + 0.5 * (j % 2)), a * np.sqrt(3) / 2 * j])
    points = np.vstack([first, first + np.array([a / 2, a / np.sqrt(12)])])
    labels = np.repeat([0, 1], len(first))
    bond = a / np.sqrt(3)
    tree = cKDTree(points)
    angles = np.arange(6) * np.pi / 3 + np.pi / 6
    centres = first + np.array([0, bond])
    corners = centres[:, None] + bond * np.column_stack([np.cos(angles), np.sin(angles)])
    distance, polygons = tree.query(corners)
    whole = (distance < 0.1 * a).all(axis=1)
    polygons, centres = polygons[whole], centres[whole]
    sides = np.sort(np.stack([polygons, np.roll(polygons, -1, axis=1)], axis=-1), axis=-1).reshape(-1, 2)
    seen, adjacency = {}, []
    for owner, side in zip(np.repeat(np.arange(len(polygons)), 6).tolist(), map(tuple, sides), strict=True):
        if side in seen:
            adjacency.append((seen[side], owner, 1))
        seen[side] = owner
    m = len(polygons)
    cells = SimpleNamespace(
        polygons=list(polygons),
        corners=list(polygons),
        n_corners=np.full(m, 6),
        centres=centres,
        labels=np.zeros(m, dtype=int),
        corner_sequences=[(0, 1) * 3] * m,
        areas=np.full(m, a**2 * np.sqrt(3) / 2),
        on_border=np.zeros(m, dtype=bool),
        handedness=np.zeros(m, dtype=np.int8),
        orientation=np.zeros(m),
        bonds=tree.query_pairs(1.1 * bond, output_type="ndarray"),
        adjacency=np.array(adjacency),
    )
    return points, labels, cells


@pytest.fixture(scope="session")
def honeycomb():
    """Positions (n, 2), labels (n,) and cells of 7 x 9 unit cells."""
    return make_honeycomb(7, 9)

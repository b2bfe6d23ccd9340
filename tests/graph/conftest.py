"""A honeycomb of two motifs as atoms and cells."""

import numpy as np
import pytest

from hyperspy_motifs.cells import find_cells


@pytest.fixture(scope="session")
def honeycomb():
    """Positions (n, 2), labels (n,) and cells of a honeycomb of 7 x 9 unit cells of two atoms."""
    a = 20.0
    i, j = (v.ravel() for v in np.meshgrid(np.arange(7), np.arange(9)))
    first = np.column_stack([a * (i + 0.5 * (j % 2)), a * np.sqrt(3) / 2 * j])
    points = np.vstack([first, first + np.array([a / 2, a / np.sqrt(12)])])
    labels = np.repeat([0, 1], len(first))
    return points, labels, find_cells(points, labels)

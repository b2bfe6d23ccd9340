"""Tilings of unit edge, whose cells are known."""

import numpy as np
import pytest

ROOT = np.sqrt(3)
SNUB = np.sqrt(2 + ROOT)
CELLS = {
    "square": ((1, 0), (0, 1), [(0, 0)]),
    "triangular": ((1, 0), (0.5, ROOT / 2), [(0, 0)]),
    "honeycomb": ((ROOT, 0), (ROOT / 2, 1.5), [(0, 0), (ROOT / 2, 0.5)]),
    "kagome": ((2, 0), (1, ROOT), [(0, 0), (1, 0), (0.5, ROOT / 2)]),
    "truncated": (
        (1 + np.sqrt(2), 0),
        (0, 1 + np.sqrt(2)),
        [(np.sqrt(0.5), 0), (-np.sqrt(0.5), 0), (0, np.sqrt(0.5)), (0, -np.sqrt(0.5))],
    ),
    "snub": (
        (SNUB, 0),
        (0, SNUB),
        [(np.sqrt(0.5) * np.cos(a), np.sqrt(0.5) * np.sin(a)) for a in np.pi * (1 / 6 + np.arange(4) / 2)],
    ),
}
#: Corners of the cells and the vertex figure.
TRUTH = {
    "square": ({4}, "4^4"),
    "triangular": ({3}, "3^6"),
    "honeycomb": ({6}, "6^3"),
    "kagome": ({3, 6}, "3.6.3.6"),
    "truncated": ({4, 8}, "4.8^2"),
    "snub": ({3, 4}, "3^2.4.3.4"),
}


def make_tiling(name, width=21.3, height=15.1):
    """Points (n, 2) of a tiling inside a field, and the number of each in its unit cell."""
    a, b, basis = CELLS[name]
    k = np.arange(-45, 46)
    i, j = (x.ravel()[:, None] for x in np.meshgrid(k, k))
    origin = i * np.array(a, float) + j * np.array(b, float)
    points = (origin[:, None] + np.array(basis, float)).reshape(-1, 2)
    site = np.tile(np.arange(len(basis)), len(origin))
    inside = (np.abs(points[:, 0] - 0.07) < width / 2) & (np.abs(points[:, 1] - 0.03) < height / 2)
    return points[inside], site[inside]


@pytest.fixture(scope="session")
def tiling():
    return make_tiling


@pytest.fixture(scope="session")
def tiling_truth():
    return TRUTH


def count_corners(cells, inner=False):
    sizes, counts = np.unique(
        cells.n_corners[~cells.on_border] if inner else cells.n_corners, return_counts=True
    )
    return dict(zip(sizes.tolist(), counts.tolist(), strict=True))


@pytest.fixture(scope="session")
def census():
    """Function that counts cells by their corners."""
    return count_corners


def assert_euler_characteristic(points, faces):
    """Vertices - bonds + bounded faces = components, and the shoelace areas are those of the polygons."""
    vertices = len(np.unique(faces.bonds))
    assert vertices - len(faces.bonds) + len(faces.areas) == faces.n_components
    for k in range(len(faces.areas)):
        p = points[faces.vertices[faces.offsets[k] : faces.offsets[k + 1]]]
        x, y = (p - p[0]).T
        area = 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
        assert area > 0
        if faces.n_holes[k] == 0:
            assert area == pytest.approx(faces.areas[k], rel=1e-9)
        else:
            assert area > faces.areas[k]


@pytest.fixture(scope="session")
def assert_euler():
    return assert_euler_characteristic


@pytest.fixture(scope="session")
def silica(shared_data):
    """Si positions of vitreous bilayer silica, in angstrom."""
    lines = (shared_data / "real" / "silica_bilayer.xyz").read_text().splitlines()[2:]
    rows = [line.split() for line in lines]
    return np.array([[float(r[1]), float(r[2])] for r in rows if r[0] == "Si"])

"""Point patterns with known structure."""

import numpy as np
import pytest

from hyperspy_motifs.data import m1_oxide_specimen, twin_boundary_specimen
from hyperspy_motifs.data._lattices import square_triangle_vertices


def turn(points, degrees):
    """Turn points (n, 2) about the origin."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])


def corrupt(points, labels, share, jitter, seed=0):
    """Move points by a normal `jitter` and give a share of them random labels."""
    rng = np.random.default_rng(seed)
    labels = labels.copy()
    wrong = rng.random(len(labels)) < share
    labels[wrong] = rng.integers(0, labels.max() + 1, wrong.sum())
    return points + rng.normal(0, jitter, points.shape), labels


def crop(points, width, height):
    """Return which points lie in a frame about the origin."""
    return (np.abs(points[:, 0]) <= width / 2) & (np.abs(points[:, 1]) <= height / 2)


def honeycomb(a=1.0, width=17.0, height=14.0, degrees=0.0):
    """Two kinds of atoms, one of each in a cell."""
    h, k = (v.ravel() for v in np.meshgrid(np.arange(-40, 41), np.arange(-40, 41)))
    corners = np.column_stack([h + 0.5 * k, np.sqrt(0.75) * k]) * a
    points = turn(np.vstack([corners, corners + np.array([a / 2, a / np.sqrt(12)])]), degrees)
    labels = np.repeat([0, 1], len(corners))
    inside = crop(points, width, height)
    return points[inside], labels[inside]


def square_triangle(kind, seed=0, size=24.0):
    """Vertices of a tiling of squares and triangles with edge 1, turned by 17 degrees."""
    points = turn(square_triangle_vertices(kind, 0.75 * size, seed), 17.0)
    points = points + np.random.default_rng(seed).normal(0, 0.02, points.shape)
    return points[crop(points, size, 0.9 * size)]


@pytest.fixture(scope="session")
def m1():
    """Positions in nm, labels and names of the M1 oxide, turned by 11 degrees."""
    specimen = m1_oxide_specimen(9.0, empty_channels=0.0)
    points = turn(specimen.positions, 11.0)
    inside = crop(points, 12.0, 11.0) & (specimen.labels >= 0)
    return points[inside], specimen.labels[inside], specimen.names


@pytest.fixture(scope="session")
def twin():
    """Positions in nm, labels, names and domain (0 on the boundary) of a twinned monolayer."""
    specimen = twin_boundary_specimen("MoSe2", 5.0, "4|4P", vacancies=0.02)
    inside = crop(specimen.positions, 6.6, 6.0) & (specimen.labels >= 0)
    domain = specimen.per_column["domain"]
    return specimen.positions[inside], specimen.labels[inside], specimen.names, domain[inside]


@pytest.fixture(scope="session")
def patterns():
    """Makers of further patterns, by name."""
    return {"honeycomb": honeycomb, "square_triangle": square_triangle, "corrupt": corrupt, "turn": turn}

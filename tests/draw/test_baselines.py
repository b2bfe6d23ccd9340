"""Comparison of figures with approved baselines; a change must be inspected.

``HYPERSPY_MOTIFS_DRAW_BASELINES=1 pytest tests/draw/test_baselines.py`` draws new baselines.
"""

import os
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.testing.compare import compare_images

from hyperspy_motifs.draw import (
    image_extent,
    plot_cells,
    plot_enrichment,
    plot_layout,
    plot_means,
    plot_motifs,
    plot_tree,
    plot_values,
)

BASELINES = Path(__file__).parent / "baselines"
# Texts and their places differ between versions of matplotlib more than a fault of ours would show.
DRAWN_WITH = "3.11"
# Root mean square over grey levels: fonts are rendered a little differently from machine to machine.
TOLERANCE = 6
NAMES = ["Mo", "Se2", "vacancy"]
DPI = 80
# Sizes in inches of figures that are not whole pixels, and of those that get their final size with the key.
SIZES = {"means.png": (3.15, 1.57), "layout.png": (4.856, 2.8338)}
STARTS = {"enrichment.png": (2.4, 2.4)}


def axes(figure):
    """Axes of a figure of the size of the baseline, as a new figure has them."""
    ax = figure.subplots()
    ax.set_anchor("W")
    return ax


@pytest.fixture(scope="module")
def honeycomb():
    """Image, extent, positions, labels and hexagons of a honeycomb, 10 pixels of 0.02 nm an edge."""
    a = 10 * np.sqrt(3)
    rows = [(i, j) for j in range(-2, 9) for i in range(-4, 8)]
    corner = np.array([(i + j / 2, j * np.sqrt(3) / 2) for i, j in rows]) * a + 8
    atoms = np.concatenate([corner, corner + np.array([0, 10])])
    labels = np.repeat([0, 1], len(corner))
    labels[len(corner) + 40 : len(corner) + 100 : 13] = 2
    inside = np.all((atoms > 2) & (atoms < [117, 93]), axis=1)
    y, x = np.mgrid[:96, :120]
    height = np.array([1.0, 0.7, 0.3])
    image = sum(
        height[k] * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 12)
        for (u, v), k in zip(atoms, labels, strict=True)
    )
    turn = np.arange(6) * np.pi / 3 + np.pi / 6
    hexagons = [c + [0, -10] + 10 * np.column_stack([np.cos(turn), np.sin(turn)]) for c in corner]
    hexagons = [0.02 * h for h in hexagons if np.all((h > 0) & (h < [119, 95]))]
    return image, image_extent((96, 120), 0.02), 0.02 * atoms[inside], labels[inside], hexagons


def motifs(honeycomb, figure):
    image, extent, positions, labels, _ = honeycomb
    plot_motifs(positions, labels, image, extent=extent, units="nm", names=NAMES, ax=axes(figure))


def cells(honeycomb, figure):
    image, extent, _, _, hexagons = honeycomb
    classes = np.arange(len(hexagons)) % 3
    plot_cells(hexagons, classes, image, extent=extent, units="nm", ax=axes(figure))


def values(honeycomb, figure):
    image, extent, positions, *_ = honeycomb
    turns = np.linspace(0, 1, len(positions))
    plot_values(positions, turns, image, extent=extent, units="nm", label="probability", ax=axes(figure))


def layout(honeycomb, figure):
    labels = honeycomb[3]
    rng = np.random.default_rng(1)
    centre = np.array([[0, 0], [3, 1], [1, 3]])[labels]
    plot_layout(centre + 0.4 * rng.standard_normal((len(labels), 2)), labels, names=NAMES, ax=axes(figure))


def means(honeycomb, figure):
    y, x = np.mgrid[-6:7, -6:7]
    patches = [h * np.exp(-(x**2 + y**2) / 14) for h in (1, 0.7, 0.3)]
    plot_means(
        patches, [40, 30, 5], names=NAMES, symmetries=["3m", "3m", "1"], pixel_size=0.02, units="nm",
        figure=figure,
    )  # fmt: skip


def tree(honeycomb, figure):
    plot_tree(
        [-1, 0, 0, 0, 1, 1],
        [75, 40, 30, 5, 28, 12],
        [0, 0.6, 0.6, 0.6, 1.2, 1.2],
        labels=[-1, 0, 1, 2, -1, -1],
        names=NAMES,
        ax=axes(figure),
    )


def enrichment(honeycomb, figure):
    z = np.array([[-5.0, 8.0, 0.4], [8.0, -6.0, -1.0], [0.4, -1.0, 3.5]])
    plot_enrichment(z, NAMES, q=np.where(abs(z) > 3, 0.01, 0.5), ax=axes(figure))


@pytest.mark.skipif(
    not mpl.__version__.startswith(DRAWN_WITH), reason=f"baselines are of matplotlib {DRAWN_WITH}"
)
@pytest.mark.parametrize("draw", [motifs, cells, values, layout, means, tree, enrichment])
def test_figure_looks_as_it_did(draw, honeycomb, tmp_path, monkeypatch):
    name = f"{draw.__name__}.png"
    with plt.style.context("default"):
        height, width = plt.imread(BASELINES / name).shape[:2]
        size = SIZES.get(name, (width / DPI, height / DPI))
        figure = plt.figure(figsize=STARTS.get(name, size), layout="constrained")
        for module in ("_layout_plot", "_population_plot"):
            monkeypatch.setattr(
                f"hyperspy_motifs.draw.{module}.make_room",
                lambda ax, made_here: ax.figure.set_size_inches(size),
            )
        draw(honeycomb, figure)
        drawn = BASELINES / name if os.environ.get("HYPERSPY_MOTIFS_DRAW_BASELINES") else tmp_path / name
        drawn.parent.mkdir(exist_ok=True)
        figure.savefig(drawn, dpi=DPI, metadata={"Software": None})
    difference = compare_images(str(BASELINES / name), str(drawn), tol=TOLERANCE)
    assert difference is None, difference

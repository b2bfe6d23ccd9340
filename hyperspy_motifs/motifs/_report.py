"""The report of a result: one HTML file with its figures, tables, parameters and versions."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ._page import Page, swatch

# Rows of a table that a reader still reads; the graph and the table of atoms hold them all.
MOST_ROWS = 24
PACKAGES = (
    "hyperspy_motifs", "hyperspy", "rosettasciio", "atomap", "numpy", "scipy", "scikit-learn", "numba", "networkx",
    "matplotlib",
)  # fmt: skip


def write_report(motifs: Any, path: str | PathLike[str], title: str | None = None, frame: int = 0) -> Path:
    """See :meth:`hyperspy_motifs.motifs.Motifs.report`."""
    import matplotlib.pyplot as plt

    target = Path(path)
    if target.is_dir():
        raise ValueError(
            f"{target} is a folder; give the name of the file, such as {target / 'report.html'}."
        )
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {target.absolute().parent} to write the report into.")
    if not (motifs.frames == frame).any():
        raise ValueError(
            f"Frame {frame} has no atoms; there are atoms in {np.unique(motifs.frames).tolist()[:10]}."
        )
    name = title or str(motifs.signal.metadata.General.title) or "untitled image"
    now = datetime.datetime.now(datetime.UTC)
    page = Page(f"Motifs of {name}", f"{_about(motifs)} Written {now:%Y-%m-%d %H:%M} UTC.")
    # Figures are for the file: none shall appear as a window, or stay open.
    with plt.ioff():
        _motifs(page, motifs, frame)
        # The continuum of several detectors cannot be computed from one of them.
        if motifs.is_continuous and int(motifs.parameters.get("detectors", 1)) == 1:
            _continuum(page, motifs, frame)
        _cells(page, motifs, frame)
        _levels(page, motifs)
    _neighbours(page, motifs)
    _how(page, motifs)
    page.write(target)
    return target


def _about(motifs: Any) -> str:
    shape = motifs.signal.axes_manager
    rows, columns = shape.signal_shape[::-1]
    frames = int(np.prod(shape.navigation_shape, dtype=int))
    scale = abs(shape.signal_axes[0].scale)
    text = f"{columns} × {rows} pixels"
    if frames > 1:
        text = f"{frames} frames of {text}"
    if motifs.units != "px":
        text += f" of {scale:.4g} {motifs.units}"
    return f"{text}, {len(motifs.labels):,} atoms, {motifs.n_motifs} motifs."


def _add(
    page: Page, draw: Callable[..., Any], alternative: str, caption: str, *args: Any, **kwargs: Any
) -> None:
    """Draw a figure into the page and close it."""
    import matplotlib.pyplot as plt

    figure = np.ravel(draw(*args, **kwargs))[0].figure
    try:
        page.figure(figure, alternative, caption)
    finally:
        plt.close(figure)


# ---------------------------------------------------------------------- sections


def _motifs(page: Page, motifs: Any, frame: int) -> None:
    page.heading("Motifs")
    page.paragraph(_how_looked_at(motifs))
    n_frames = len(np.unique(motifs.frames))
    of_frame = f" of frame {frame}" if n_frames > 1 else ""
    _add(
        page,
        motifs.plot,
        f"The image{of_frame} with a coloured dot on each atom",
        f"The image{of_frame}, its atoms coloured by motif. Numbers in brackets are atoms.",
        frame=frame,
    )
    _add(
        page,
        motifs.plot_means,
        "Mean patch of each motif",
        "Mean of the patches round the atoms of each motif, all on one grey scale, framed in the colour of the motif, with "
        "its point group below (of the projection, within this disc).",
        symmetry=True,
    )
    _add(
        page,
        motifs.plot_layout,
        "Scatter plot of all atoms in two dimensions, grouped by motif",
        "Force-relaxed layout: atoms whose surroundings look alike lie together. Its axes have no units.",
    )
    page.table(
        "The motifs, the most frequent first",
        *_motif_table(motifs),
    )
    if n_frames > 1:
        page.table("Atoms of each motif in each frame", *_frame_table(motifs))
    if len(motifs.lenses) > 1:
        _add(
            page,
            motifs.plot_tree,
            "Tree of the motifs at all lenses",
            "How motifs part as more of the surroundings is looked at. Lenses are radii in nearest-neighbour distances.",
        )


def _how_looked_at(motifs: Any) -> str:
    lenses = ", ".join(f"{motifs.labels_at(lens).max() + 1} at {lens:g}" for lens in motifs.lenses)
    text = (
        f"Every atom was looked at through discs of several radii (lenses, in nearest-neighbour distances); "
        f"motifs found: {lenses}. Shown are those at {motifs.lens:g}"
        if len(motifs.lenses) > 1
        else f"Every atom was looked at through a disc of {motifs.lens:.3g} nearest-neighbour distances"
    )
    reason = motifs.parameters.get("reason")
    # The stored reason begins with the lens and the number of motifs, which stand in the text already.
    text += f": {reason.split('): ', 1)[-1]}." if reason else "."
    if motifs.is_continuous:
        text += " The layout has no gaps: the motifs are parts of a continuum, not classes of their own."
    return text


def _motif_table(motifs: Any) -> tuple[list[str], list[list[Any]]]:
    from hyperspy_motifs.draw import motif_colour

    columns = ["motif", "atoms", "share (%)", "mean probability"]
    amplitude = motifs.to_dict().get("amplitude")
    if amplitude is not None:
        columns += ["median height", "spread of height"]
    rows: list[list[Any]] = []
    for k, name in enumerate(motifs.names):
        here = motifs.labels == k
        row = [
            swatch(motif_colour(k), name),
            int(here.sum()),
            round(100 * float(here.mean()), 2),
            round(float(motifs.probabilities[here].mean()), 3),
        ]
        if amplitude is not None:
            middle = float(np.median(amplitude[here]))
            # Robust: one bad fit shall not make a motif look broad.
            row += [middle, float(1.4826 * np.median(np.abs(amplitude[here] - middle)))]
        rows.append(row)
    return columns, rows


def _frame_table(motifs: Any) -> tuple[list[str], list[list[Any]]]:
    frames = np.unique(motifs.frames)
    rows: list[list[Any]] = []
    for number in frames[:MOST_ROWS].tolist():
        counts = np.bincount(motifs.labels[motifs.frames == number], minlength=motifs.n_motifs)
        rows.append([number, *counts.tolist()])
    if len(frames) > MOST_ROWS:
        rows.append([f"and {len(frames) - MOST_ROWS} more", *[None] * motifs.n_motifs])
    return ["frame", *motifs.names], rows


def _continuum(page: Page, motifs: Any, frame: int) -> None:
    from hyperspy_motifs.draw import plot_manifold, plot_values

    manifold = motifs.manifold
    coordinates = np.asarray(manifold.coordinates)[:, :2]
    if not coordinates.shape[1]:
        return
    values = coordinates if coordinates.shape[1] == 2 else coordinates[:, 0]
    page.heading("Continuum")
    page.paragraph(
        f"Surroundings change from atom to atom without gaps, along {manifold.dimension:.1f} dimensions. Coordinates along the "
        "slowest of these (diffusion coordinates, without units) take the place of classes."
    )
    here = motifs.frames == frame
    image, where = motifs._image(frame)
    _add(
        page,
        plot_values,
        "The image with its atoms in colours that change gradually",
        f"The image, its atoms coloured by {'the first two' if values.ndim == 2 else 'their'} coordinates: like colours, like "
        "surroundings.",
        motifs.positions[here],
        values[here],
        image,
        **where,
    )
    if coordinates.shape[1] == 2:
        _add(
            page,
            plot_manifold,
            "Scatter plot of the atoms by their first two coordinates",
            "All atoms by the same coordinates, in the same colours.",
            coordinates,
        )


def _cells(page: Page, motifs: Any, frame: int) -> None:
    cells = motifs.cells
    page.heading("Cells")
    if not len(cells.polygons):
        page.paragraph("The atoms form no closed cells.")
        return
    page.paragraph(
        "Cells are the polygons that the bonds between atoms enclose. Cells with the same corners in the same order, and the "
        "same shape, are of one class."
    )
    if any(motifs.frames[polygon[0]] == frame for polygon in cells.polygons):
        _add(
            page,
            motifs.plot_cells,
            "The image with its cells as coloured polygons",
            "The cells over the image, coloured by class. Numbers in brackets are cells.",
            frame=frame,
        )
    graph = motifs.graph
    page.table(
        "Classes of cells, the most frequent first; corners are motifs, and an atom counts in a cell by its angle there",
        ["class", "cells", "corners", f"area ({motifs.units}²)", "composition"],
        _shortened(
            [
                [
                    _cell_class(node, attributes),
                    attributes["size"],
                    attributes.get("n_corners"),
                    attributes.get("area"),
                    graph.formula(node),
                ]
                for node, attributes in _classes(graph, "cell-class")
            ]
        ),
    )


def _levels(page: Page, motifs: Any) -> None:
    graph = motifs.graph
    kinds = [kind for level, kind in sorted(graph.levels.items()) if level > 1]
    page.heading("Hierarchy")
    if not kinds:
        page.paragraph("Nothing was built above the cells.")
        return
    if graph.graph.get("reason"):
        page.paragraph(str(graph.graph["reason"]))
    _add(
        page,
        motifs.plot_hierarchy,
        "Levels as rows of symbols, joined by lines to what they are made of",
        "The levels, from motifs at the bottom upwards. Lines join a class to what it is made of: the thicker, the more of it "
        "(a number, where lines are few, says how many). Numbers in brackets are instances.",
    )
    for kind in kinds:
        reason = graph.graph.get(f"reason:{kind}")
        classes = _classes(graph, f"{kind}-class")
        columns = {
            "class": [_short(attributes["name"]) for _, attributes in classes],
            "instances": [attributes["size"] for _, attributes in classes],
        }
        if kind != "vertex-figure":  # whose cells are shared by many: it has no composition of its own
            columns["composition"] = [graph.formula(node) for node, _ in classes]
        if any("area" in attributes for _, attributes in classes):
            columns[f"area ({motifs.units}²)"] = [attributes.get("area") for _, attributes in classes]
        name = _plural(_plain(kind).capitalize())
        if kind == "vertex-figure":
            name += " (corners of the cells round an atom, in order: 3^2.6 are two triangles and a hexagon)"
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        page.table(f"{name}. {reason}" if reason else name, list(columns), _shortened(rows))
    if "bits_per_atom" in graph.graph:
        bits, error = graph.graph["bits_per_atom"], graph.graph.get("bits_per_atom_std", 0.0)
        page.paragraph(
            f"Disorder: {bits:.3f} ± {error:.3f} bits an atom to describe the cells; an endless crystal would need none."
        )


def _neighbours(page: Page, motifs: Any) -> None:
    graph = motifs.graph
    found = [
        (-abs(d["z"]), graph.nodes[u], graph.nodes[v], d)
        for u, v, d in graph.types.edges(data=True)
        if d["kind"] == "neighbours" and d["q"] <= 0.05
    ]
    page.heading("Neighbours")
    if not found:
        page.paragraph("No two classes are neighbours more or less often than chance has it.")
        return
    page.paragraph(
        "Pairs of classes that are neighbours more often (favoured) or less often (frustrated) than if the classes were dealt "
        "out at random over the same bonds, at a false discovery rate of 5 %. z is the difference in standard deviations."
    )
    found.sort(key=lambda item: item[0])
    page.table(
        "The largest differences first",
        ["of", "class", "beside", "observed", "by chance", "z", "false discovery rate", ""],
        _shortened(
            [
                [
                    _plain(first["kind"].removesuffix("-class")),
                    _short(first["name"]),
                    _short(second["name"]),
                    d["observed"],
                    float(d["expected"]),
                    float(d["z"]),
                    _rate(float(d["q"])),
                    "favoured" if d["z"] > 0 else "frustrated",
                ]
                for _, first, second, d in found
            ]
        ),
    )


def _how(page: Page, motifs: Any) -> None:
    page.heading("How it was done")
    parameters = dict(motifs.parameters)
    asked = parameters.pop("asked", {})
    page.table(
        "Asked for, in find_motifs", ["argument", "value"], [[k, _value(v)] for k, v in sorted(asked.items())]
    )
    page.table(
        f"Estimated from the image (lengths in {motifs.units})",
        ["quantity", "value"],
        [[_plain(k), _value(v)] for k, v in sorted(parameters.items()) if k != "reason"],
    )
    page.table("Versions", ["package", "version"], [[name, _version(name)] for name in PACKAGES])
    page.paragraph(
        "Method: Dan et al., “Learning motifs and their hierarchies in atomic resolution microscopy”, Science Advances 8, "
        "eabk1005 (2022), doi:10.1126/sciadv.abk1005."
    )


# ---------------------------------------------------------------------- small things


def _classes(graph: Any, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Nodes of the classes of one kind, the most frequent first."""
    nodes = [(node, graph.nodes[node]) for node in graph.find(kind=kind)]
    return sorted(nodes, key=lambda item: -item[1]["size"])


def _shortened(rows: list[list[Any]]) -> list[list[Any]]:
    """The first rows, and one that tells how many more there are."""
    if len(rows) <= MOST_ROWS:
        return rows
    return [*rows[:MOST_ROWS], [f"and {len(rows) - MOST_ROWS} more", *[None] * (len(rows[0]) - 1)]]


def _short(name: str) -> str:
    """Name with repetitions written once, ``(Mo Se)×3``, on one line."""
    from hyperspy_motifs.draw._types import short_name

    return short_name(name, 10_000)


def _cell_class(node: str, attributes: dict[str, Any]) -> str:
    """A class of cells in its colour, with the number that it has in the figure."""
    from matplotlib.colors import to_hex

    from hyperspy_motifs.draw import cell_colours
    from hyperspy_motifs.draw._types import type_number

    number = type_number(node)
    return swatch(to_hex(cell_colours([number])[0]), f"{number}: {_short(attributes['name'])}")


def _plural(name: str) -> str:
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _rate(q: float) -> str:
    """A false discovery rate; far out in the tail of a normal distribution its figures mean nothing."""
    return f"{q:.1g}" if q >= 1e-6 else "< 1e−6"


def _plain(name: str) -> str:
    return name.replace("-", " ").replace("_", " ")


def _value(value: Any) -> str:
    """A parameter as text; unlike numbers of a table, booleans and choices stand beside each other."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_value(v)}" for k, v in value.items()) or "as by default"
    return str(value)


def _version(package: str) -> str:
    if package == "hyperspy_motifs":
        from hyperspy_motifs import __version__

        return __version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

"""Sections of the report on cells, levels and neighbours."""

from __future__ import annotations

from typing import Any

from ._page import MOST_ROWS, Page, add_drawing, plain, swatch


def add_cells(page: Page, motifs: Any, frame: int) -> None:
    """The section of the cells and their classes."""
    cells = motifs.cells
    page.heading("Cells")
    if not len(cells):
        page.paragraph("The atoms form no closed cells.")
        return
    page.paragraph(
        "Cells are the polygons that the bonds between atoms enclose. Cells with the same corners in the same order and the "
        "same shape belong to one class."
    )
    if (cells.of_points(motifs.frames) == frame).any():
        add_drawing(
            page,
            motifs.plot_cells,
            "The image with its cells as coloured polygons",
            "The cells over the image, coloured by class. Numbers in brackets count cells.",
            frame=frame,
        )
    graph = motifs.graph
    page.table(
        "Classes of cells, the most frequent first. Corners are motifs; an atom contributes to a cell by its angle in it",
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


def add_levels(page: Page, motifs: Any) -> None:
    """The section of the levels above the cells."""
    graph = motifs.graph
    kinds = [kind for level, kind in sorted(graph.levels.items()) if level > 1]
    page.heading("Hierarchy")
    if not kinds:
        page.paragraph("There are no levels above the cells.")
        return
    if graph.graph.get("reason"):
        page.paragraph(str(graph.graph["reason"]))
    add_drawing(
        page,
        motifs.plot_hierarchy,
        "Levels as rows of symbols, joined by lines to their components",
        "The levels, from motifs at the bottom upwards. Lines join a class to its components; their width "
        "shows the number of components (given as a number where lines are few). Numbers in brackets count instances.",
    )
    for kind in kinds:
        reason = graph.graph.get(f"reason:{kind}")
        classes = _classes(graph, f"{kind}-class")
        columns = {
            "class": [_short(attributes["name"]) for _, attributes in classes],
            "instances": [attributes["size"] for _, attributes in classes],
        }
        if kind != "vertex-figure":  # its cells are shared by many vertex figures, so it has no composition
            columns["composition"] = [graph.formula(node) for node, _ in classes]
        if any("area" in attributes for _, attributes in classes):
            columns[f"area ({motifs.units}²)"] = [attributes.get("area") for _, attributes in classes]
        name = _plural(plain(kind).capitalize())
        if kind == "vertex-figure":
            name += " (corners of the cells around an atom, in order: 3^2.6 are two triangles and a hexagon)"
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        page.table(f"{name}. {reason}" if reason else name, list(columns), _shortened(rows))
    if "bits_per_atom" in graph.graph:
        bits, error = graph.graph["bits_per_atom"], graph.graph.get("bits_per_atom_std", 0.0)
        page.paragraph(
            f"Disorder: {bits:.3f} ± {error:.3f} bits per atom to describe the cells (0 for an infinite crystal)."
        )


def add_neighbours(page: Page, motifs: Any) -> None:
    """The section of classes that are neighbours more or less often than by chance."""
    graph = motifs.graph
    found = [
        (-abs(d["z"]), graph.nodes[u], graph.nodes[v], d)
        for u, v, d in graph.types.edges(data=True)
        if d["kind"] == "neighbours" and d["q"] <= 0.05
    ]
    page.heading("Neighbours")
    if not found:
        page.paragraph("No two classes are neighbours more or less often than by chance.")
        return
    page.paragraph(
        "Pairs of classes that are neighbours more often (enriched) or less often (depleted) than if the classes were "
        "assigned at random on the same bonds, at a false discovery rate of 5 %. z is the difference in standard deviations."
    )
    found.sort(key=lambda item: item[0])
    page.table(
        "The largest differences first",
        ["of", "class", "next to", "observed", "by chance", "z", "false discovery rate", ""],
        _shortened(
            [
                [
                    plain(first["kind"].removesuffix("-class")),
                    _short(first["name"]),
                    _short(second["name"]),
                    d["observed"],
                    float(d["expected"]),
                    float(d["z"]),
                    _rate(float(d["q"])),
                    "enriched" if d["z"] > 0 else "depleted",
                ]
                for _, first, second, d in found
            ]
        ),
    )


def _classes(graph: Any, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Nodes of the classes of one kind, the most frequent first."""
    nodes = [(node, graph.nodes[node]) for node in graph.find(kind=kind)]
    return sorted(nodes, key=lambda item: -item[1]["size"])


def _shortened(rows: list[list[Any]]) -> list[list[Any]]:
    """The first rows, and the number of the others."""
    if len(rows) <= MOST_ROWS:
        return rows
    return [*rows[:MOST_ROWS], [f"and {len(rows) - MOST_ROWS} more", *[None] * (len(rows[0]) - 1)]]


def _short(name: str) -> str:
    """Name with repetitions written once, ``(Mo Se)×3``, on one line."""
    from hyperspy_motifs.draw import short_name

    return short_name(name, 10_000)


def _cell_class(node: str, attributes: dict[str, Any]) -> str:
    """A class of cells in its colour, with its number in the figure."""
    from matplotlib.colors import to_hex

    from hyperspy_motifs.draw import cell_colours, type_number

    number = type_number(node)
    return swatch(to_hex(cell_colours([number])[0]), f"{number}: {_short(attributes['name'])}")


def _plural(name: str) -> str:
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _rate(q: float) -> str:
    """A false discovery rate; the digits are not meaningful far in the tail of a normal distribution."""
    return f"{q:.1g}" if q >= 1e-6 else "< 1e−6"

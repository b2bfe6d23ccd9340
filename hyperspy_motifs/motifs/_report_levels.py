"""Sections of the report on cells, levels and neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._colouring import level_words
from ._page import Page, add_drawing, plain

if TYPE_CHECKING:
    from ._motifs import Motifs


def add_cells(page: Page, motifs: Motifs, views: Any) -> None:
    """The section of the cells and their classes; `views` has the cells of the image that is shown."""
    from hyperspy_motifs.draw import linked_source, linked_table

    cells, graph = motifs.cells, motifs.graph
    page.add("heading", "Cells")
    if not len(cells):
        page.add("paragraph", "The atoms form no closed cells.")
        return
    page.add(
        "paragraph",
        "Cells are the polygons that the bonds between atoms enclose. Cells with the same corners in the same order and the "
        "same shape belong to one class.",
    )
    if len(shown := np.asarray(views.data["cell"])):
        frame = int(cells.of_points(motifs.frames)[shown[0]])
        add_drawing(
            page,
            motifs.plot_cells,
            "The image with its cells as coloured polygons",
            "The cells over the image, coloured by class. Numbers in brackets count cells.",
            frame=frame,
        )
    # In a part of an image some classes have no cell left.
    present, labels = np.unique(cells.labels).tolist(), cells.labels[shown]
    words = level_words(motifs)
    table = {
        "class": [words[f"cell-class:{k}"] for k in present],
        **_columns(graph, [f"cell-class:{k}" for k in present], "cells", motifs.units),
        "rows": [np.flatnonzero(labels == k).tolist() for k in present],
    }
    page.linked(
        linked_table(linked_source(table), lights=views),
        "Classes of cells. An atom contributes to a cell by its angle in it. A click on a row shows its cells.",
    )


def _columns(graph: Any, nodes: list[str], instances: str, units: str) -> dict[str, Any]:
    """Columns of a table of types: number of instances, composition, and area where it is known."""
    columns = {
        instances: np.array([graph.nodes[n]["size"] for n in nodes]),
        "composition": [graph.formula(n) for n in nodes],
    }
    areas = np.array([graph.nodes[n].get("area", np.nan) for n in nodes])
    return columns | ({f"area ({units}²)": areas} if np.isfinite(areas).any() else {})


def add_levels(page: Page, motifs: Motifs, views: Any) -> None:
    """The section of the levels above the cells; `views` has the atoms of the image that is shown."""
    from hyperspy_motifs.draw import linked_source, linked_table

    graph, words = motifs.graph, level_words(motifs)
    kinds = [kind for level, kind in sorted(graph.levels.items()) if level > 1]
    page.add("heading", "Hierarchy")
    if not kinds:
        page.add("paragraph", "There are no levels above the cells.")
        return
    if graph.graph.get("reason"):
        page.add("paragraph", str(graph.graph["reason"]))
    add_drawing(
        page,
        motifs.plot.hierarchy,
        "Levels as rows of symbols, joined by lines to their components",
        "The levels, from motifs at the bottom upwards. Lines join a class to its components; their width shows the number "
        "of components. Numbers in brackets count instances.",
    )
    row_of = {int(atom): row for row, atom in enumerate(views.data["number"])}
    for kind in kinds:
        nodes = sorted(graph.find(kind=f"{kind}-class"), key=lambda n: -graph.nodes[n]["size"])
        table = {
            "class": [words[n] for n in nodes],
            **_columns(graph, nodes, "instances", motifs.units),
            "rows": [
                sorted(row_of[a] for a in _atoms_of(graph, graph.instances(n)) if a in row_of) for n in nodes
            ],
        }
        if kind == "vertex-figure":  # its cells are shared by many vertex figures, so it has no composition
            del table["composition"]
        name = _plural(plain(kind).capitalize())
        if kind == "vertex-figure":
            name += " (corners of the cells around an atom, in order: 3².6 are two triangles and a hexagon)"
        reason = graph.graph.get(f"reason:{kind}")
        page.linked(
            linked_table(linked_source(table), lights=views),
            f"{name}. {reason}" if reason else f"{name}.",
        )
    if "bits_per_atom" in graph.graph:
        bits, error = graph.graph["bits_per_atom"], graph.graph.get("bits_per_atom_std", 0.0)
        page.add(
            "paragraph",
            f"Disorder: {bits:.3f} ± {error:.3f} bits per atom to describe the cells (0 for an infinite crystal).",
        )


def _atoms_of(graph: Any, nodes: list[str]) -> set[int]:
    """Numbers of the atoms in some nodes."""
    seen, open_nodes = set(nodes), list(nodes)
    while open_nodes:
        children = [child for child in graph.children(open_nodes.pop()) if child not in seen]
        seen.update(children)
        open_nodes += children
    return {int(node.partition(":")[2]) for node in seen if node.startswith("atom:")}


def add_neighbours(page: Page, motifs: Motifs) -> None:
    """The section of classes that are neighbours more or less often than by chance."""
    from hyperspy_motifs.draw import linked_source, linked_table

    graph, words = motifs.graph, level_words(motifs)
    found = [
        (d, u, v) for u, v, d in graph.types.edges(data=True) if d["kind"] == "neighbours" and d["q"] <= 0.05
    ]
    page.add("heading", "Neighbours")
    if not found:
        page.add("paragraph", "No two classes are neighbours more or less often than by chance.")
        return
    found.sort(key=lambda item: -abs(item[0]["z"]))
    kinds = [str(graph.nodes[first]["kind"]).removesuffix("-class") for _, first, _ in found]
    if "motif" in kinds:
        add_drawing(
            page,
            motifs.plot.enrichment,
            "Bubbles for each pair of motifs, larger for pairs that differ more from chance",
            "Motifs that are neighbours more often (red) or less often (blue) than by chance.",
        )
    table = {
        "of": [plain(kind) for kind in kinds],
        "class": [words[first] for _, first, _ in found],
        "next to": [words[second] for _, _, second in found],
        "more or less": ["enriched" if d["z"] > 0 else "depleted" for d, _, _ in found],
        **{name: np.array([d[name] for d, _, _ in found]) for name in ("observed", "expected", "z", "q")},
    }
    page.linked(
        linked_table(linked_source(table)),
        "Pairs of classes that are neighbours more often (enriched) or less often (depleted) than if the classes were assigned "
        "at random on the same bonds, at a false discovery rate q of 5 %. z is the difference in standard deviations.",
    )


def _plural(name: str) -> str:
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"

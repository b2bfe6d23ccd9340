"""A self-contained HTML page with text, tables and figures, and its sections on cells, levels and neighbours."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs.common import REPORTED_LEVEL
from hyperspy_motifs.graph import written_whole

from ._levels import level_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hyperspy_motifs.graph import MotifGraph

    from ._motifs import Motifs


# Pixels of a picture in a report for each inch of its figure.
_DPI = 130


def written(value: object) -> str:
    """`value` as text: numbers with four digits, a dash for what is unknown."""
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    # A minus sign, not a hyphen, and no line break after it.
    return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)


class Page:
    """A page that is written from top to bottom. It fetches nothing; texts and names in it cannot execute code.

    Parameters
    ----------
    title : str
    about : str
        One line below the title.
    """

    def __init__(self, title: str, about: str) -> None:
        self._title, self._about = title, about
        self._blocks: list[dict[str, object]] = []
        self._models: dict[str, object] = {}
        self.n_figures = 0

    def add(self, kind: str, text: str = "", **values: object) -> None:
        """Add a block: "heading", "paragraph", "caution" (a sentence without its full stop) or "code".

        Others are "facts", with ``facts``, pairs of a name and texts; "motif", a text in a ``colour`` (hexadecimal RGB) with a
        picture (``source``, ``alternative``).
        """
        self._blocks.append({"kind": kind, "text": text, **values})

    def figure(self, figure: Figure, alternative: str, caption: str) -> None:
        """Add a matplotlib figure as an image.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        alternative : str
            Alternative text.
        caption : str
        """
        self.n_figures += 1
        source, width = as_picture(figure)
        self.add(
            "picture", source=source, width=width, alternative=alternative, caption=caption, number=self.n_figures
        )  # fmt: skip

    def linked(self, model: object, caption: str) -> None:
        """Add a figure or a table of Bokeh; those with a common source of data are linked."""
        name = f"model{len(self._models)}"
        self._models[name] = model
        self.add("linked", model=name, caption=caption)

    def table(self, caption: str, columns: Mapping[str, Sequence[object]]) -> None:
        """Add a table of columns by their heads; the first one names the rows."""
        rows = [[written(value) for value in row] for row in zip(*columns.values(), strict=True)]
        self.add("table", caption=caption, columns=list(columns), rows=rows)

    def write(self, path: str | PathLike[str]) -> None:
        """Write the page; an existing file at `path` is replaced by the complete new one."""
        from jinja2 import Environment, PackageLoader

        scripts, models = "", dict[str, Any]()
        if self._models:
            from bokeh.embed import components
            from bokeh.resources import Resources

            from hyperspy_motifs.draw import keyboard_script

            script, models = components(self._models)
            library = Resources(mode="inline", components=["bokeh", "bokeh-widgets", "bokeh-tables"])
            scripts = library.render() + script + keyboard_script()
        environment = Environment(loader=PackageLoader("hyperspy_motifs.motifs", "."), autoescape=True)
        template = environment.get_template("report.html.jinja")
        text = template.render(
            title=self._title, about=self._about, blocks=self._blocks, models=models, scripts=scripts
        )
        with written_whole(path) as file:
            # A lone surrogate (for example in the name of a file) cannot be written.
            file.write(text.encode("utf-8", "replace").decode("utf-8"))


def as_picture(figure: Figure) -> tuple[str, int]:
    """A matplotlib figure as the address of its image, a fifth of a PNG's size, and the width at which it is shown."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="webp", dpi=_DPI, bbox_inches="tight", pil_kwargs={"quality": 85})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{data}", Image.open(buffer).width * 96 // _DPI


def add_drawing(
    page: Page, draw: Callable[..., Any], alternative: str, caption: str, *args: Any, **kwargs: Any
) -> None:
    """Draw a figure into the page and close it.

    Parameters
    ----------
    page : Page
    draw : callable
        Returns axes.
    alternative, caption : str
        Alternative text and caption.
    *args, **kwargs
        Passed to `draw`.
    """
    import matplotlib.pyplot as plt

    figure = np.ravel(draw(*args, **kwargs))[0].figure
    try:
        page.figure(figure, alternative, caption)
    finally:
        plt.close(figure)


def plain(name: str) -> str:
    """A name of the graph or of a parameter as plain text."""
    return name.replace("-", " ").replace("_", " ")


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


def _columns(graph: MotifGraph, nodes: list[str], instances: str, units: str) -> dict[str, object]:
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


def _atoms_of(graph: MotifGraph, nodes: list[str]) -> set[int]:
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
        (d, u, v)
        for u, v, d in graph.types.edges(data=True)
        if d["kind"] == "neighbours" and d["q"] <= REPORTED_LEVEL
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

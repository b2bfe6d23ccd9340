"""Values of atoms, cells and nodes of the tree for colours, and their display."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs.cells import EMPTY_SITE
from hyperspy_motifs.naming import motif_name

from ._levels import missing_motifs

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.clustering import MotifTree

    from ._motifs import Motifs

_STRAINS = {"strain_xx": 0, "strain_yy": 1, "strain_xy": 2}
_LABELS = {
    "strain": "change of area from the mean of its class (%)",
    "strain_xx": r"strain $\varepsilon_{xx}$ (%)",
    "strain_yy": r"strain $\varepsilon_{yy}$ (%)",
    "strain_xy": r"strain $\varepsilon_{xy}$ (%)",
}
# The symmetry of the motifs is not known in general, so angles are drawn over a full turn.
_TURN = 360.0
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# A unit cell of more motifs has their number in place of its formula, which would be cut.
_MOST_PARTS = 4
_HANDS = ("counter-clockwise", "achiral", "clockwise")
CHOICES = (
    "class",
    "corners",
    "shape",
    "handedness",
    "centre_atom",
    "area",
    "orientation",
    "strain",
    *_STRAINS,
)


def named_values(motifs: Motifs, name: str, options: dict[str, Any]) -> np.ndarray:
    """Values by name; their label and display are added to `options`."""
    if name == "manifold":
        coordinates = np.asarray(motifs.manifold.coordinates)[:, :2]
        options["label"] = "coordinate"
        return coordinates if coordinates.shape[1] == 2 else coordinates[:, 0]
    if name == "disorder":
        options["label"] = "distance to manifold (noise)"
        return np.asarray(motifs.manifold.disorder.distance)
    if name == "roughness":
        options["label"] = "roughness of coordinates (std)"
        return np.asarray(motifs.manifold.disorder.roughness)
    if name == "angle":
        if motifs.angles is None:
            raise ValueError("These motifs have no angles; use find_motifs(rotation_invariant=True).")
        options |= {"label": "angle (°)", "period": _TURN}
        return np.degrees(motifs.angles)
    columns = {k: v for k, v in motifs.to_dict().items() if np.issubdtype(v.dtype, np.number)}
    if name not in columns:
        known = sorted({"manifold", "disorder", "roughness", "angle", *columns})
        raise ValueError(f"values is {name!r}; expected one of {known} or one value per atom.")
    if name in ("probability", "outlier_score"):
        options |= {"vmin": 0, "vmax": 1}
    options["label"] = name
    return np.asarray(columns[name], dtype=float)


def layout_colouring(motifs: Motifs, colour_by: str) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Values of all atoms (n,) for the layout, and the options of ``plot_layout``."""
    if colour_by == "probability":
        return motifs.probabilities, {"label": "probability", "vmin": 0, "vmax": 1}
    if colour_by in ("motif", "density"):
        return (motifs.labels if colour_by == "motif" else None), {}
    known = ["density", "motif", "probability"]
    raise ValueError(f"colour_by is {colour_by!r}; expected one of {known} or one value per atom.")


def cell_colouring(motifs: Motifs, colour_by: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Values of all cells (m,), and the options of ``plot_cells``; `colour_by` is one of ``CHOICES``.

    Raises
    ------
    ValueError
        If the choice does not exist.
    """
    cells, names = motifs.cells, motifs.names
    if colour_by == "class":
        return cells.labels, {"names": class_words(cells, names, missing_motifs(motifs))}
    if colour_by == "corners":
        return _named(cells.n_corners, [f"{v} corners" for v in np.unique(cells.n_corners)])
    if colour_by == "shape":
        table = cells.to_dict()["shape"]
        return _named(table, np.unique(table).tolist())
    if colour_by == "handedness":
        return _named(-cells.handedness, [_HANDS[v + 1] for v in np.unique(-cells.handedness).tolist()])
    if colour_by == "centre_atom":
        held = np.where(cells.centre_atoms >= 0, motifs.labels[cells.centre_atoms], -1)
        return _named(held, ["empty" if v < 0 else f"with {names[v]}" for v in np.unique(held).tolist()])
    if colour_by == "area":
        return cells.areas, {"label": f"area ({motifs.units}²)"}
    if colour_by == "orientation":
        return _orientation(cells)
    if colour_by in _LABELS:
        strain = cells.strain
        part = strain[:, 0] + strain[:, 1] if colour_by == "strain" else strain[:, _STRAINS[colour_by]]
        return _diverging(100 * part, _LABELS[colour_by])
    raise ValueError(f"colour_by is {colour_by!r}; expected one of {sorted(CHOICES)} or one value per cell.")


def class_words(cells: Cells, names: list[str], missing: np.ndarray) -> list[str]:
    """Each class of cells in words: "hexagon", "hexagon, 1 Se vacancy", "hexagon with Ti".

    The most frequent class of a polygon has its name alone, others with one or two other corners say which; further ones have
    the sequence of their corners.
    """
    from hyperspy_motifs.draw import short_name

    missing_of = np.concatenate([np.full(cells.n_points, EMPTY_SITE), missing])
    present, first = np.unique(cells.labels, return_index=True)
    first_cell = dict(zip(present.tolist(), first.tolist(), strict=True))
    typical: dict[int, Counter[int]] = {}
    words: list[str] = []
    for number, found in enumerate(cells.classes):
        if number not in first_cell:
            # In a part of an image some classes have no cell left, and some motifs no atom.
            words.append(found.name)
            continue
        corners = [k for k in found.corner_sequence if k != EMPTY_SITE]
        empty = [int(k) for k in missing_of[cells.corners[first_cell[number]]] if k >= 0]
        usual = typical.setdefault(found.n_corners, Counter(corners + empty))
        other = Counter(corners + empty) - usual
        unknown = (EMPTY_SITE,) * (found.n_empty - len(empty))
        text = found._replace(corner_sequence=unknown).name
        if other.total() > 2:
            text += f" of {_listed(Counter(corners + empty), names)}"
        elif other:
            text += f" with {_listed(other, names)}"
        for motif, count in Counter(empty).items():
            name, plural = motif_name(motif, names), "y" if count == 1 else "ies"
            own = f"{name} vacanc{plural}" if name == names[motif] else f"vacanc{plural} of {name}"
            text += f", {count} {own}"
        if text in words:
            text += f" ({short_name(' '.join(_corner(k, names) for k in found.corner_sequence), 10_000)})"
        if text in words:
            text += f", {found.shape}"
        words.append(text)
    return words


def level_words(motifs: Motifs) -> dict[str, str]:
    """Each class of the graph in words, by its id: "3³.4²", "2 × triangle, pentagon", "hexagon at 19.1 degrees"."""
    graph, words = motifs.graph, class_words(motifs.cells, motifs.names, missing_motifs(motifs))
    out = {f"cell-class:{k}": name for k, name in enumerate(words)}
    for node, attributes in graph.types.nodes(data=True):
        name, kind = str(attributes.get("name", node)), attributes["kind"]
        parts = [v for v, edge in graph.adj[node].items() if edge["kind"] == "composed_of"]
        if kind == "composite-class":
            polygons: Counter[str] = Counter()
            for part in parts:
                polygons[re.split("[ ,]", out.get(part, part))[0]] += round(graph.edges[node, part]["count"])
            name = ", ".join(f"{n} × {polygon}" if n > 1 else polygon for polygon, n in polygons.items())
        elif len(parts) > _MOST_PARTS and kind in ("unit-cell-class", "half-cell-class"):
            total = sum(graph.edges[node, part]["fraction"] for part in parts)
            name = f"{total:.3g} atoms of {len(parts)} motifs"
        name = re.sub("cell-class:[0-9]+", lambda found: out.get(found[0], found[0]), name)
        name = re.sub(r"\^([0-9]+)", lambda found: found[1].translate(_SUPERSCRIPTS), name)
        out.setdefault(node, name)
    return out


def _listed(counts: Counter[int], names: list[str]) -> str:
    """Motifs with their numbers where there are several: "2 × Ti, motif 3"."""
    return ", ".join(
        f"{n} × {motif_name(k, names)}" if n > 1 else motif_name(k, names) for k, n in sorted(counts.items())
    )


def _corner(motif: int, names: list[str]) -> str:
    return "empty" if motif == EMPTY_SITE else names[motif]


def _named(values: np.ndarray, names: list[str]) -> tuple[np.ndarray, dict[str, Any]]:
    _, numbers = np.unique(values, return_inverse=True)
    return numbers.ravel(), {"names": names}


def _orientation(cells: Cells) -> tuple[np.ndarray, dict[str, Any]]:
    """Angles modulo the symmetry of each class, in cyclic colours.

    If classes differ in symmetry there is no common angle: the full range of colours is then used for each class.
    """
    symmetry = cells.symmetry
    turned = np.mod(cells.orientation * symmetry / (2 * np.pi), 1.0)
    orders = np.unique(symmetry)
    if len(orders) == 1:
        period = 360 / int(orders[0])
        return turned * period, {"label": "orientation (°)", "cmap": "twilight", "clim": (0, period)}
    label = "orientation over 360° / symmetry of the class"
    return turned, {"label": label, "cmap": "twilight", "clim": (0, 1)}


def _diverging(values: np.ndarray, label: str) -> tuple[np.ndarray, dict[str, Any]]:
    """A scale symmetric about zero, to the 98th percentile, so that a few outliers do not determine it."""
    limit = float(np.nanpercentile(np.abs(values), 98)) if len(values) else 1.0
    limit = limit if limit > 0 else 1.0
    return values, {"label": label, "cmap": "RdBu_r", "clim": (-limit, limit)}


def motif_of_node(tree: MotifTree, labels: np.ndarray) -> np.ndarray:
    """Motif of each node of the tree with the same atoms as the motif; -1 for other nodes."""
    parent, leaf = tree.parent, tree.leaf_of
    counts = np.zeros((len(parent), int(labels.max(initial=-1)) + 1), dtype=np.int64)
    node = leaf.copy()
    while (inside := node >= 0).any():
        np.add.at(counts, (node[inside], labels[inside]), 1)
        node = np.where(inside, parent[node], -1)
    held = counts.sum(axis=1)
    is_motif = (counts == held[:, None]) & (counts == np.bincount(labels)) & (held[:, None] > 0)
    return np.where(is_motif.any(axis=1), is_motif.argmax(axis=1), -1)

"""The graph of a result and its levels above the cells, and the values of atoms, cells and nodes for colours."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.cells import EMPTY_SITE
from hyperspy_motifs.clustering import motif_name

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.clustering import MotifTree
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.hierarchy import Hierarchy, HierarchyOptions, Level
    from hyperspy_motifs.signals import AtomicImage

    from ._motif_view import MotifView
    from ._motifs import Motifs


_STRAINS = {"strain_xx": 0, "strain_yy": 1, "strain_xy": 2}
_LABELS = {
    "strain": "change of area from the mean of its class (%)",
    "strain_xx": r"strain $\varepsilon_{xx}$ (%)",
    "strain_yy": r"strain $\varepsilon_{yy}$ (%)",
    "strain_xy": r"strain $\varepsilon_{xy}$ (%)",
}
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


def named_values(motifs: Motifs, name: str, options: dict[str, object]) -> np.ndarray:
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
        options |= {"label": "angle (°)", "period": 360.0}  # the symmetry of the motifs is not known
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


def _named(values: np.ndarray, names: list[str]) -> tuple[np.ndarray, dict[str, object]]:
    _, numbers = np.unique(values, return_inverse=True)
    return numbers.ravel(), {"names": names}


def _orientation(cells: Cells) -> tuple[np.ndarray, dict[str, object]]:
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


def _diverging(values: np.ndarray, label: str) -> tuple[np.ndarray, dict[str, object]]:
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


def make_graph(motifs: MotifView) -> MotifGraph:
    from hyperspy_motifs.defects import ODD_CELLS
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.pipeline import stored_defects

    record, signal = motifs._refresh(), motifs._signal
    graph = MotifGraph.from_arrays(
        positions=record.positions,
        labels=record.labels,
        probabilities=record.probabilities,
        cells=motifs.cells if len(motifs.cells) else None,
        hierarchy=motifs.hierarchy,
        names=motifs.names,
        units=record.stamp.units,
        frames=record.frames if len(np.unique(record.frames)) > 1 else None,
    )
    _describe_vacancies(motifs, graph)
    for k, words in enumerate(class_words(motifs.cells, motifs.names, missing_motifs(motifs))):
        if f"cell-class:{k}" in graph.nodes:
            graph.nodes[f"cell-class:{k}"]["description"] = words
    graph.canvas = lambda: _canvas(signal)
    defects = stored_defects(signal, record)
    if defects is not None:
        at = defects.select(defects.kinds != ODD_CELLS)
        graph.add_defects(at.atoms, at.positions, at.kinds, at.q_values, at.spacing)
    _describe_species(motifs, graph)
    for description in motifs._cache.get("descriptions", ()):
        graph.nodes[f"motif:{description.motif}"]["description"] = description.text
    return graph


def _describe_vacancies(motifs: MotifView, graph: MotifGraph) -> None:
    """Add to the vacancies of a graph the motif that is missing, and the probability that the site is occupied."""
    for j, site in enumerate(_sites_of_corners(motifs).tolist()):
        if site >= 0:
            missing = f"motif:{motifs.sites.expected_motifs[site]}"
            graph.nodes[f"vacancy:{j}"].update(
                missing=missing, probability=float(motifs.sites.probability[site])
            )


def _describe_species(motifs: MotifView, graph: MotifGraph) -> None:
    """Add the names and their probabilities to the atoms of a graph, and compositions to its cells."""
    found = motifs._identification()
    if found is None:
        return
    for i, (name, probability) in enumerate(
        zip(found.names.tolist(), found.probabilities.tolist(), strict=True)
    ):
        graph.nodes[f"atom:{i}"].update(species=name, species_probability=probability)
    for i, name in enumerate(found.cell_names()):
        if f"cell:{i}" in graph.nodes:
            graph.nodes[f"cell:{i}"]["composition"] = name


def _sites_of_corners(motifs: MotifView) -> np.ndarray:
    """Row in `sites` of each of ``cells.empty_sites``; -1 for none."""
    from scipy.spatial import cKDTree

    empty, vacant = motifs.cells.empty_sites, np.flatnonzero(motifs.sites.vacant)
    if not len(empty) or not len(vacant):
        return np.full(len(empty), -1)
    distance, nearest = cKDTree(motifs.sites.positions[vacant]).query(empty)
    return np.where(distance < 1e-6 * float(np.ptp(motifs.sites.positions)), vacant[nearest], -1)


def missing_motifs(motifs: MotifView) -> np.ndarray:
    """Motif that is missing at each of ``cells.empty_sites``; -1 where it is unknown."""
    sites = _sites_of_corners(motifs)
    return np.append(motifs.sites.expected_motifs, -1)[sites]


def make_hierarchy(motifs: MotifView) -> Hierarchy | None:
    from hyperspy_motifs.hierarchy import HierarchyOptions

    record, cells = motifs._refresh(), motifs.cells
    if not len(cells):
        return None
    options = HierarchyOptions(**record.parameters.get("hierarchy", {}))
    if len(np.unique(record.frames)) > 1:
        return _of_frames(motifs, record, cells, options)
    return _with_moire(motifs, _built(motifs, record, record.positions, cells, options))


def _built(
    motifs: MotifView, record: store.Record, positions: np.ndarray, cells: Cells, options: HierarchyOptions
) -> Hierarchy:
    from hyperspy_motifs.hierarchy import build_hierarchy

    return build_hierarchy(
        positions,
        record.labels,
        cells,
        names=motifs.names,
        angles=record.atoms.get("motif_angle"),
        reflected=record.atoms.get("motif_mirrored"),
        options=options,
        units=record.stamp.units,
    )


def _of_frames(motifs: MotifView, record: store.Record, cells: Cells, options: HierarchyOptions) -> Hierarchy:
    """Return the hierarchy of all frames, with common classes: of a field in which they lie side by side, far apart."""
    step = 3 * float(np.ptp(record.positions[:, 0]))
    frame_of_cell = cells.of_points(record.frames)
    of_corners = np.zeros(len(record.frames) + len(cells.empty_sites))
    of_corners[cells.vertices] = np.repeat(frame_of_cell, cells.n_corners)
    start = float(record.positions[:, 0].min()) - step / 3

    def moved(points: np.ndarray, frames: np.ndarray) -> np.ndarray:
        return points + np.column_stack([step * frames, np.zeros(len(frames))])

    apart = replace(
        cells,
        centres=moved(cells.centres, frame_of_cell),
        empty_sites=moved(cells.empty_sites, of_corners[len(record.frames) :]),
    )
    positions = moved(record.positions, record.frames)

    def frames_of(level: Level) -> np.ndarray:
        return np.floor((level.centres[:, 0] - start) / step).astype(np.int64)

    found = _built(motifs, record, positions, apart, options)
    domains = [frames_of(level) for level in found.levels if level.kind == "domain"]
    # Frames are not domains of one another.
    if domains and np.bincount(domains[0]).max(initial=0) < 2:
        found = _built(motifs, record, positions, apart, replace(options, domains=False))
    levels = tuple(
        replace(
            level,
            centres=moved(level.centres, -frames_of(level)),
            columns={**level.columns, "frame": frames_of(level)},
        )
        for level in found.levels
    )
    return replace(found, levels=levels)


def _with_moire(motifs: MotifView, found: Hierarchy) -> Hierarchy:
    """Return the hierarchy with the moiré cells as the top level, if the atoms form a periodic continuum."""
    from hyperspy_motifs.hierarchy import moire_level

    record = motifs._refresh()
    moire = motifs.manifold.moire if motifs.is_continuous else None
    level = None if moire is None else moire_level(moire, record.positions, record.stamp.units)
    if level is None:
        return found
    reason = "The hierarchy ends at the moiré cell: all larger units are translations of it."
    return replace(found, levels=(*found.levels, level), reason=reason)


def unit_cell(motifs: MotifView) -> np.ndarray | None:
    """Rows a and b of the unit cell in axis units, if the hierarchy has one."""
    hierarchy = motifs.hierarchy
    if hierarchy is None or "unit-cell" not in hierarchy.kinds:
        return None
    values = hierarchy.level("unit-cell").scalars
    return np.array([[values["ax"], values["ay"]], [values["bx"], values["by"]]])


def _canvas(signal: AtomicImage) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Return the first frame of the image and its extent in axis units."""
    from hyperspy_motifs.draw import image_extent
    from hyperspy_motifs.pipeline import frame

    stamp = store.Stamp.of(signal)
    image = np.asarray(frame(signal, 0), float)
    return image, image_extent(image.shape, stamp.scale, stamp.offset)

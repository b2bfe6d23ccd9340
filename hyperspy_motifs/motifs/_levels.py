"""The graph of a result, and its levels above the cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.hierarchy import Hierarchy, HierarchyOptions, Level
    from hyperspy_motifs.signals import AtomicImage

    from ._motif_view import MotifView


def make_graph(motifs: MotifView) -> MotifGraph:
    from hyperspy_motifs.defects import ODD_CELLS
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.pipeline import stored_defects

    from ._colouring import class_words

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

"""The report of a result: one HTML file with its answers, linked figures, tables, parameters and versions."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hyperspy_motifs.defects import ANOTHER
from hyperspy_motifs.store import radius_words

from ._report_sections import Page, add_cells, add_drawing, add_levels, add_neighbours, as_picture, plain
from ._summary import answers, cautions

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource

    from ._motifs import Motifs

PACKAGES = (
    "hyperspy_motifs", "hyperspy", "rosettasciio", "atomap", "numpy", "scipy", "scikit-learn", "numba", "networkx",
    "matplotlib", "bokeh",
)  # fmt: skip
_CITATION = (
    "J. Dan et al., “Learning motifs and their hierarchies in atomic resolution microscopy”, Science Advances 8, eabk1005 "
    "(2022), doi:10.1126/sciadv.abk1005"
)
# Motifs with a picture and a paragraph; the table has all.
_MOST_DESCRIBED = 24


def write_report(motifs: Motifs, path: str | PathLike[str], title: str | None = None, frame: int = 0) -> Path:
    """See :meth:`hyperspy_motifs.motifs.Motifs.report`."""
    import matplotlib.pyplot as plt

    target = Path(path)
    if target.is_dir():
        raise ValueError(
            f"{target} is a folder; give the name of the file, such as {target / 'report.html'}."
        )
    if target.suffix.lower() not in ("", ".html", ".htm"):
        raise ValueError(
            f"A report is HTML, but {target.name} ends in {target.suffix}: give a name such as {target.stem}.html, and print "
            "that from a browser."
        )
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"The folder {target.absolute().parent} for the report does not exist.")
    if not (motifs.frames == frame).any():
        raise ValueError(
            f"Frame {frame} has no atoms; frames with atoms: {np.unique(motifs.frames).tolist()[:10]}."
        )
    name = title or str(motifs.signal.metadata.General.title) or "untitled image"
    now = datetime.datetime.now(datetime.UTC)
    page = Page(f"Motifs of {name}", f"{_about(motifs)} Written {now:%Y-%m-%d %H:%M} UTC.")
    for line in cautions(motifs):
        page.add("caution", line)
    page.add("facts", facts=answers(motifs))
    # Figures are only for the file: no window is opened, and none stays open.
    with plt.ioff():
        views = _linked_views(page, motifs, frame)
        _motifs(page, motifs, views.atoms)
        _defects(page, motifs, views.defects)
        _species(page, motifs)
        if motifs.is_continuous:
            _continuum(page, motifs, frame)
        add_cells(page, motifs, views.cells)
        add_levels(page, motifs, views.atoms)
    add_neighbours(page, motifs)
    _how(page, motifs)
    page.write(target)
    return target


def _about(motifs: Motifs) -> str:
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


class _Views(NamedTuple):
    """Data of the linked views: atoms and cells of one frame, and the defects, None where they are not looked for."""

    atoms: ColumnDataSource
    cells: ColumnDataSource | None
    defects: ColumnDataSource | None


def _linked_views(page: Page, motifs: Motifs, frame: int) -> _Views:
    """Add the image and the layout."""
    from hyperspy_motifs.draw import linked_atoms, linked_cells, linked_source, linked_views

    here = np.flatnonzero(motifs.frames == frame)
    columns = motifs.to_dict()
    more = {}
    if "amplitude" in columns:
        heights = columns["amplitude"][here]
        more["height"] = heights / np.nanmedian(heights)
    atoms = linked_atoms(
        motifs.positions[here], motifs.labels[here], motifs.names, motifs.layout[here],
        {"probability": motifs.probabilities[here], "number": here, **more},
    )  # fmt: skip
    found = motifs.cells
    inside = np.flatnonzero(found.of_points(motifs.frames) == frame) if len(found) else np.empty(0, int)
    places = found.with_empty_sites(motifs.positions)
    cells = linked_cells([places[found.corners[i]] for i in inside.tolist()], found.labels[inside])
    cells.data["cell"] = inside
    image, where = motifs._image(frame)
    defects = None
    if motifs.parameters.get("atoms") != "grid" and len(np.unique(motifs.frames)) == 1:
        odd, names = motifs.defects, np.array([*motifs.names, "none"])
        defects = linked_source(
            {
                "kind": odd.kinds, "x": odd.positions[:, 0], "y": odd.positions[:, 1], "motif": names[odd.motifs],
                "expected": names[odd.expected], "q": odd.q_values, "why": odd.evidence,
                "ring": np.where(odd.kinds == ANOTHER, 0.0, 1.0),
            }
        )  # fmt: skip
    page.add("heading", "The image, the layout and what is selected in them")
    spacing = float(motifs.parameters.get("spacing", np.ptp(motifs.positions[:, 0]) / np.sqrt(len(here))))
    at = {"spacing": spacing, "cells": cells, "marks": defects}
    page.linked(
        linked_views(image, where["extent"], where["units"], atoms, **at),
        "Left: the image, its atoms coloured by motif; rings are defects other than atoms of another motif, which have its "
        "colour. Right: the force-relaxed layout, in which atoms with similar neighbourhoods lie close together; its axes have "
        "no units. Draw around atoms to select them in both, turn the wheel to zoom, click on a name or its box to hide a "
        "motif, point at an atom to see its numbers. A click on a row of a table below selects what it counts. By keyboard: "
        "Tab reaches figures, boxes and tables, arrows choose the rows of a table, and Enter on a head sorts them.",
    )
    return _Views(atoms, cells, defects)


def _motifs(page: Page, motifs: Motifs, atoms: ColumnDataSource) -> None:
    import matplotlib.pyplot as plt

    from hyperspy_motifs.draw import linked_source, linked_table, motif_colour

    page.add("heading", "Motifs")
    page.add("paragraph", _radii_text(motifs))
    descriptions = motifs.describe()
    labels = motifs.labels[np.asarray(atoms.data["number"])]
    facts = descriptions.to_dict()
    table = {
        "motif": motifs.names, "atoms": motifs.counts, "share (%)": 100 * facts["share"], "± %": 100 * facts["share_error"],
        "mean probability": facts["probability"], "relative height": facts["brightness"], "point group": facts["point_group"],
        "neighbours": facts["coordination"], "most similar": np.array([*motifs.names, ""])[facts["nearest"]],
        "distance (std)": facts["separation"], "confused": facts["confused"],
        "rows": [np.flatnonzero(labels == k).tolist() for k in range(motifs.n_motifs)],
    }  # fmt: skip
    page.linked(
        linked_table(linked_source(table), lights=atoms),
        "The motifs. A click on a row selects its atoms, one on a head sorts.",
    )
    for k in range(min(motifs.n_motifs, _MOST_DESCRIBED)):
        if not motifs.counts[k]:
            continue
        compared = descriptions[k].nearest >= 0 and np.isfinite(descriptions[k].separation)
        axes = motifs.plot.description(k, n_modes=2) if compared else motifs.plot_means()
        figure = np.ravel(axes)[0].get_figure(root=True)
        source, _ = as_picture(figure)
        plt.close(figure)
        page.add(
            "motif", descriptions[k].text, source=source, colour=motif_colour(k),
            alternative=f"Mean patch of {motifs.names[k]}, the most similar motif, and their difference",
        )  # fmt: skip
    if motifs.n_motifs > _MOST_DESCRIBED:
        page.add("paragraph", f"And {motifs.n_motifs - _MOST_DESCRIBED} rarer ones.")
    add_drawing(
        page,
        motifs.plot_means,
        "Mean patch of each motif",
        "Mean of the patches around the atoms of each motif, on one grey scale. The circle is the radius that was compared.",
    )
    if len(motifs.radii) > 1:
        add_drawing(
            page,
            motifs.plot.tree,
            "Tree of the motifs at all radii",
            "Splits of the motifs with increasing radius. Radii are in nearest-neighbour distances.",
        )
    shown = {"number": "atom", "name": "motif"} | {k: k for k in ("probability", "height", "x", "y")}
    caption = f"All atoms; x and y in {motifs.units}, heights relative to the median."
    page.linked(linked_table(atoms, shown, height=220), caption)


def _defects(page: Page, motifs: Motifs, defects: ColumnDataSource) -> None:
    """The table of defects; its rows are lit in the image, which has the same data."""
    from hyperspy_motifs.draw import linked_table

    if defects is None:
        return
    page.add("heading", "Defects")
    page.add("paragraph", f"{motifs.defects.headline()}.")
    if len(motifs.defects):
        shown = [name for name in defects.data if name != "ring"]
        caption = f"The defects; x and y in {motifs.units}, q is the false discovery rate."
        page.linked(linked_table(defects, dict(zip(shown, shown, strict=True))), caption)


def _species(page: Page, motifs: Motifs) -> None:
    """Names from a structure, if there are some."""
    found = motifs._identification()
    if found is None:
        return
    page.add("heading", "Structure")
    page.add("paragraph", f"{found.headline()}. By {found.method}.")
    if found.refused:
        return
    page.add("paragraph", f"Stoichiometry: {found.formula()}.")
    add_drawing(
        page,
        found.plot,
        "The image with its atoms coloured by species",
        "The image, its atoms coloured by species; open circles are sites of the structure without a column.",
    )
    table = found.motif_table()
    columns = {key: [row[key] for row in table] for key in ("motif", "name", "atoms", "probability")}
    others = [", ".join(f"{name} {share:.2f}" for name, share in row["alternatives"]) for row in table]
    page.table("The motifs with their names", {**columns, "alternatives": others})


def _radii_text(motifs: Motifs) -> str:
    radii = ", ".join(f"{motifs.labels_at(radius).max() + 1} at {radius:g}" for radius in motifs.radii)
    length = motifs.parameters.get("length")
    unit = f"units of {length:.3g} {motifs.units}" if length else "nearest-neighbour distances"
    text = (
        f"Atoms were compared within several radii (in {unit}); motifs found: {radii}. The figures show those at "
        f"{motifs.radius:g}"
        if len(motifs.radii) > 1
        else f"Atoms were compared within {radius_words(motifs.radius, motifs.parameters, motifs.units)}"
    )
    reason = motifs.parameters.get("reason")
    # The stored reason begins with the radius and the number of motifs, which are in the text already.
    text += f": {reason.split('): ', 1)[-1]}." if reason else "."
    if motifs.is_continuous:
        text += " The neighbourhoods change gradually: the motifs are regions of a continuum, not separate classes."
    return text


def _continuum(page: Page, motifs: Motifs, frame: int) -> None:
    from hyperspy_motifs.draw import plot_manifold, plot_values

    manifold = motifs.manifold
    coordinates = np.asarray(manifold.coordinates)[:, :2]
    if not coordinates.shape[1]:
        return
    values = coordinates if coordinates.shape[1] == 2 else coordinates[:, 0]
    page.add("heading", "Continuum")
    page.add(
        "paragraph",
        f"The neighbourhoods change gradually, along {manifold.dimension:.1f} dimensions. Coordinates along the "
        "slowest of these (diffusion coordinates, without units) replace classes.",
    )
    here = motifs.frames == frame
    image, where = motifs._image(frame)
    add_drawing(
        page,
        plot_values,
        "The image with its atoms in colours that change gradually",
        f"The image, its atoms coloured by {'the first two' if values.ndim == 2 else 'their'} coordinates. Similar colours "
        "mean similar neighbourhoods.",
        motifs.positions[here],
        values[here],
        image,
        **where,
    )
    if coordinates.shape[1] == 2:
        add_drawing(
            page,
            plot_manifold,
            "Scatter plot of the atoms by their first two coordinates",
            "All atoms by the same coordinates, in the same colours.",
            coordinates,
        )


def _how(page: Page, motifs: Motifs) -> None:
    page.add("heading", "Methods")
    page.add("paragraph", _methods(motifs))
    page.add("paragraph", f"Please cite: {_CITATION}.")
    parameters = dict(motifs.parameters)
    options = parameters.pop("options", {})
    page.add("heading", "To reproduce it")
    page.add("code", _recipe(motifs, options))
    estimated = {plain(k): _value(v) for k, v in sorted(parameters.items()) if k != "reason"}
    page.table(
        f"Estimated from the image (lengths in {motifs.units})",
        {"quantity": list(estimated), "value": list(estimated.values())},
    )
    versions = [platform.python_version(), *(_version(name) for name in PACKAGES)]
    page.table("Versions", {"package": ("Python", *PACKAGES), "version": versions})


def _methods(motifs: Motifs) -> str:
    """A paragraph for the methods section of a paper."""
    parameters, options = motifs.parameters, motifs.parameters.get("options", {})
    n = f"{len(motifs.labels):,}"
    how = {"grid": f"{n} patches on a grid were taken", "given": f"{n} given atomic columns were used"}
    text = how.get(
        str(parameters.get("atoms")), f"{n} atomic columns were found and fitted by two-dimensional Gaussians"
    )
    orders = int(np.max(np.asarray(motifs.features.modes)[:, 0]))
    radius = radius_words(motifs.radius, parameters, motifs.units)
    if "spacing" in parameters and not parameters.get("length"):
        radius += f" ({motifs.radius * parameters['spacing']:.3g} {motifs.units})"
    turned = "rotation-invariant combinations of " if options.get("rotation_invariant") else ""
    return (
        f"{text}. The discs around them with a radius of {radius} were described by {turned}Zernike moments up to the radial "
        f"order {orders}, and grouped without labels into {motifs.n_motifs} motifs in the force-relaxed layout of the moments "
        f"[1], with hyperspy_motifs {_version('hyperspy_motifs')}. Defects are at a false discovery rate of 5 %. "
        f"[1] {_CITATION}."
    )


def _recipe(motifs: Motifs, options: Mapping[str, object]) -> str:
    """The calls that give this result again, of the image with this checksum."""
    import hashlib
    import inspect

    signal = motifs.signal
    defaults = inspect.signature(type(signal).find_motifs).parameters
    chosen = [
        f"{name}={value!r}"
        for name, value in options.items()
        if name in defaults
        and (name == "random_state" or value != defaults[name].default)
        and isinstance(value, str | int | float | list)
    ]
    given = {"given": "atoms=POSITIONS", "grid": 'atoms="grid"'}.get(str(motifs.parameters.get("atoms")))
    chosen[:0] = [given] if given else []
    file = str(signal.metadata.get_item("General.original_filename") or "FILE")
    lines = ["import hashlib", "import hyperspy.api as hs", f"s = hs.load({file!r})"]
    if not signal._lazy:
        checksum = hashlib.sha256(signal.data.tobytes()).hexdigest()
        lines.append(f"assert hashlib.sha256(s.data.tobytes()).hexdigest() == {checksum!r}")
    lines += ['s.set_signal_type("atomic_image")', f"motifs = s.find_motifs({', '.join(chosen)})"]
    for number, name in enumerate(motifs.names):
        if name != str(number):
            lines.append(f"motifs.relabel({{{number}: {name!r}}})")
    return "\n".join(lines)


def _value(value: object) -> str:
    """A parameter as text."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_value(v)}" for k, v in value.items()) or "default"
    return str(value)


def _version(package: str) -> str:
    if package == "hyperspy_motifs":
        from hyperspy_motifs import __version__

        return __version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

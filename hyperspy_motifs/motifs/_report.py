"""The report of a result: one HTML file with its figures, tables, parameters and versions."""

from __future__ import annotations

import datetime
import importlib.metadata
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ._page import MOST_ROWS, Page, add_drawing, plain, swatch
from ._report_levels import add_cells, add_levels, add_neighbours
from ._summary import cautions

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
        raise FileNotFoundError(f"The folder {target.absolute().parent} for the report does not exist.")
    if not (motifs.frames == frame).any():
        raise ValueError(
            f"Frame {frame} has no atoms; frames with atoms: {np.unique(motifs.frames).tolist()[:10]}."
        )
    name = title or str(motifs.signal.metadata.General.title) or "untitled image"
    now = datetime.datetime.now(datetime.UTC)
    page = Page(f"Motifs of {name}", f"{_about(motifs)} Written {now:%Y-%m-%d %H:%M} UTC.")
    for line in cautions(motifs):
        page.paragraph(f"Caution: {line}.")
    # Figures are only for the file: no window is opened, and none stays open.
    with plt.ioff():
        _image(page, motifs)
        _motifs(page, motifs, frame)
        _species(page, motifs)
        if motifs.is_continuous:
            _continuum(page, motifs, frame)
        add_cells(page, motifs, frame)
        add_levels(page, motifs)
    add_neighbours(page, motifs)
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


# ---------------------------------------------------------------------- sections


def _image(page: Page, motifs: Any) -> None:
    """What was found wrong with the image, before any result."""
    found = motifs.quality.lines()
    if found:
        page.heading("Image")
        page.paragraph(f"Found in the image: {'; '.join(found)}.")


def _motifs(page: Page, motifs: Any, frame: int) -> None:
    page.heading("Motifs")
    page.paragraph(_radii_text(motifs))
    n_frames = len(np.unique(motifs.frames))
    of_frame = f" of frame {frame}" if n_frames > 1 else ""
    add_drawing(
        page,
        motifs.plot,
        f"The image{of_frame} with a coloured dot on each atom",
        f"The image{of_frame}, its atoms coloured by motif. Numbers in brackets count atoms.",
        frame=frame,
    )
    add_drawing(
        page,
        motifs.plot_means,
        "Mean patch of each motif",
        "Mean of the patches around the atoms of each motif, all on one grey scale. The frame has the colour of the motif. "
        "The point group below is that of the projection, within this disc.",
        symmetry=True,
    )
    add_drawing(
        page,
        motifs.plot_layout,
        "Scatter plot of all atoms in two dimensions, grouped by motif",
        "Force-relaxed layout: atoms with similar neighbourhoods lie close together. Its axes have no units.",
    )
    page.table(
        "The motifs, the most frequent first",
        *_motif_table(motifs),
    )
    if n_frames > 1:
        page.table("Atoms of each motif in each frame", *_frame_table(motifs))
    if len(motifs.radii) > 1:
        add_drawing(
            page,
            motifs.plot_tree,
            "Tree of the motifs at all radii",
            "Splits of the motifs with increasing radius. Radii are in nearest-neighbour distances.",
        )


def _species(page: Page, motifs: Any) -> None:
    """Names from a structure, if there are some."""
    found = motifs._identification()
    if found is None:
        return
    page.heading("Structure")
    page.paragraph(f"{found.headline()}. By {found.method}.")
    if found.refused:
        return
    page.paragraph(f"Stoichiometry: {found.formula()}.")
    add_drawing(
        page,
        found.plot,
        "The image with its atoms coloured by species",
        "The image, its atoms coloured by species; open circles are sites of the structure without a column.",
    )
    page.table(
        "The motifs with their names",
        ["motif", "name", "atoms", "probability", "alternatives"],
        [
            [
                str(row["motif"]),
                row["name"],
                f"{row['atoms']:,}",
                f"{row['probability']:.2f}",
                ", ".join(f"{name} {share:.2f}" for name, share in row["alternatives"]),
            ]
            for row in found.motif_table()
        ],
    )


def _radii_text(motifs: Any) -> str:
    radii = ", ".join(f"{motifs.labels_at(radius).max() + 1} at {radius:g}" for radius in motifs.radii)
    text = (
        f"Atoms were compared within several radii (in nearest-neighbour distances); "
        f"motifs found: {radii}. The figures show those at {motifs.radius:g}"
        if len(motifs.radii) > 1
        else f"Atoms were compared within {motifs.radius:.3g} nearest-neighbour distances"
    )
    reason = motifs.parameters.get("reason")
    # The stored reason begins with the radius and the number of motifs, which are in the text already.
    text += f": {reason.split('): ', 1)[-1]}." if reason else "."
    if motifs.is_continuous:
        text += " The neighbourhoods change gradually: the motifs are regions of a continuum, not separate classes."
    return text


def _motif_table(motifs: Any) -> tuple[list[str], list[list[Any]]]:
    from hyperspy_motifs.draw import motif_colour

    columns = ["motif", "atoms", "share (%)", "mean probability"]
    amplitude = motifs.to_dict().get("amplitude")
    if amplitude is not None:
        columns += ["median height", "spread of heights"]
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
            # Robust: one failed fit must not increase the spread.
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
        f"The neighbourhoods change gradually, along {manifold.dimension:.1f} dimensions. Coordinates along the "
        "slowest of these (diffusion coordinates, without units) replace classes."
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


def _how(page: Page, motifs: Any) -> None:
    page.heading("Methods")
    parameters = dict(motifs.parameters)
    options = parameters.pop("options", {})
    page.table(
        "Arguments of find_motifs",
        ["argument", "value"],
        [[k, _value(v)] for k, v in sorted(options.items())],
    )
    page.table(
        f"Estimated from the image (lengths in {motifs.units})",
        ["quantity", "value"],
        [[plain(k), _value(v)] for k, v in sorted(parameters.items()) if k != "reason"],
    )
    page.table("Versions", ["package", "version"], [[name, _version(name)] for name in PACKAGES])
    page.paragraph(
        "Method: Dan et al., “Learning motifs and their hierarchies in atomic resolution microscopy”, Science Advances 8, "
        "eabk1005 (2022), doi:10.1126/sciadv.abk1005."
    )


# ---------------------------------------------------------------------- small things


def _value(value: Any) -> str:
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

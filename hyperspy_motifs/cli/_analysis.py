"""One image, from its data to its folder of results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._images import Choice, FoundImage, find_images, read_mask
from ._results import replacing_folder, write_summary, write_table

# Width of the picture in the overview.
_THUMBNAIL_INCHES, _THUMBNAIL_DPI = 3.2, 100


def analyse(
    found: FoundImage, name: str, folder: Path, options: argparse.Namespace, run: Mapping[str, Any]
) -> dict[str, Any]:
    """Find the motifs of an image, write the folder of its results, and return its key figures."""
    start = time.perf_counter()
    image = found.signal
    motifs = _find(found, options)
    row = {"name": name, "title": found.title, **key_figures(motifs)}
    with replacing_folder(folder / name) as partial:
        if _has_defects(motifs):
            # Before the image is saved and the graph is made, which then hold them.
            motifs.defects.to_csv(partial / f"{name}_defects.csv")
        image.save(partial / f"{name}.hspy", overwrite=True)
        motifs.graph.to_graphml(partial / f"{name}.graphml")
        write_table(motifs.to_dict(), partial / f"{name}_atoms.csv")
        write_table(motifs.cells.to_dict(), partial / f"{name}_cells.csv")
        if not options.no_figures:
            save_figures(motifs, partial, name)
            row["thumbnail"] = f"{name}_small.png"
        if options.report:
            motifs.report(partial / f"{name}.html", title=name)
            row["report"] = f"{name}.html"
        row["seconds"] = round(time.perf_counter() - start, 1)
        write_summary(partial, row, run)
    if not options.quiet:
        print(f"\n{name}\n{motifs.summary()}\nwritten to {folder / name}")
    return row


def key_figures(motifs: Any) -> dict[str, Any]:
    """What the overview shows of a result: numbers and texts in JSON types."""
    scale = abs(motifs.signal.axes_manager.signal_axes[0].scale)
    columns, rows = motifs.signal.axes_manager.signal_shape
    probabilities = np.asarray(motifs.probabilities)
    return {
        "columns": int(columns),
        "rows": int(rows),
        "frames": int(max(motifs.signal.axes_manager.navigation_size, 1)),
        "pixel_size": float(scale),
        "units": motifs.units,
        "atoms": len(motifs.labels),
        "motifs": int(motifs.n_motifs),
        "counts": [int(n) for n in motifs.counts],
        "names": list(motifs.names),
        "radius": float(motifs.radius),
        "spacing": float(motifs.parameters["spacing"]),
        "cells": len(motifs.cells),
        **_defect_figures(motifs),
        "median_probability": float(np.median(probabilities)),
        "uncertain": float(np.mean(probabilities < 0.5)),
        "continuous": bool(motifs.is_continuous),
        "doubts": [*motifs.quality.refusals(), *motifs.cells.cautions()],
    }


def _defect_figures(motifs: Any) -> dict[str, Any]:
    from hyperspy_motifs.defects import RARE, VACANCY

    if not _has_defects(motifs):
        return {}
    defects, densities = motifs.defects, motifs.defects.densities()
    vacancies, rare = (defects.counts.get(kind, 0) for kind in (VACANCY, RARE))
    return {
        "vacancies": vacancies,
        "vacancies_percent": 100 * densities[VACANCY].per_site if vacancies else 0.0,
        "rare_atoms": rare,
        "outliers": len(defects) - vacancies - rare,
        "defects_per_area": len(defects) / defects.area if defects.area else None,
    }


def save_figures(motifs: Any, folder: Path, name: str) -> None:
    """Save the figures of a result as PNG files, and a small one for the overview."""
    import matplotlib.pyplot as plt

    draws = {
        "motifs": motifs.plot,
        "layout": motifs.plot_layout,
        "means": motifs.plot_means,
        "cells": motifs.plot_cells,
    }
    if _has_defects(motifs):
        draws["defects"] = motifs.plot_defects
    for kind, draw in draws.items():
        figure = np.ravel(draw())[0].figure
        figure.savefig(folder / f"{name}_{kind}.png", dpi=200, bbox_inches="tight")
        if kind == "motifs":
            dpi = _THUMBNAIL_DPI * _THUMBNAIL_INCHES / figure.get_figwidth()
            figure.savefig(folder / f"{name}_small.png", dpi=dpi, bbox_inches="tight")
        plt.close(figure)


def _has_defects(motifs: Any) -> bool:
    """Whether the summary counts defects: those of the atoms of a single image."""
    return motifs.parameters.get("atoms") != "grid" and len(np.unique(motifs.frames)) == 1


def _find(found: FoundImage, options: argparse.Namespace) -> Any:
    image, progress = found.signal, not options.quiet
    atoms = options.atoms if options.atoms is not None else found.atoms
    mask = None if options.mask is None else read_mask(options.mask)
    if options.model is not None:
        from hyperspy_motifs.store import write_mask

        if mask is not None:
            write_mask(image, mask)
        detectors = _detectors(options.detectors, image) or None
        return image.apply_model(options.model, atoms=atoms, detectors=detectors, show_progressbar=progress)
    return image.find_motifs(
        atoms=atoms,
        detectors=_detectors(options.detectors, image) or None,
        mask=mask,
        separation=options.separation,
        polarity=options.polarity,
        radius=options.radius,
        radius_units=options.radius_units,
        rotation_invariant=options.rotation_invariant,
        n_motifs=options.n_motifs,
        min_motif_size=options.min_motif_size,
        alpha=options.alpha,
        random_state=options.seed,
        show_progressbar=progress,
    )


def _detectors(paths: list[Path], image: Any) -> list[Any]:
    """The images of other detectors: of each file the first one with as many pixels as `image`."""
    out = []
    for path in paths:
        alike = [
            one.signal
            for one in find_images(path, Choice())
            if one.signal is not None and one.signal.data.shape == image.data.shape
        ]
        if not alike:
            raise ValueError(f"the detector {path} contains no image of the same size")
        out.append(alike[0])
    return out

"""Files of one image, and the overview of all."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arguments import Choice, FoundImage, find_images, read_mask

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.motifs import Motifs

# What marks a folder as one of results, and holds its key figures.
SUMMARY = "summary.json"


def prefixes(files: Sequence[str]) -> list[str]:
    """A name for the results of each file: its stem, with a number where it repeats."""
    used: set[str] = set()
    out = []
    for file in files:
        stem = prefix = Path(file).stem
        number = 2
        while prefix in used:
            prefix, number = f"{stem}_{number}", number + 1
        used.add(prefix)
        out.append(prefix)
    return out


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder for writing, which takes the place of `folder` only when it is complete.

    Raises
    ------
    FileExistsError
        If `folder` exists and is no folder of results, which would be lost.
    """
    if folder.exists() and not (folder / SUMMARY).is_file():
        raise FileExistsError(
            f"{folder} exists and holds no results of this command; choose another folder with -o"
        )
    partial, old = (folder.with_name(f".{folder.name}.{what}") for what in ("partial", "old"))
    for rest in (partial, old):
        shutil.rmtree(rest, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            os.replace(folder, old)
        os.replace(partial, folder)
    finally:
        for rest in (partial, old):
            shutil.rmtree(rest, ignore_errors=True)


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """A temporary path for writing, which takes the place of `path` only when it is complete."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_summary(folder: Path, row: Mapping[str, object], run: Mapping[str, object]) -> None:
    """Write the key figures of a result, and the `run` that they belong to."""
    text = json.dumps({"run": dict(run), "row": dict(row)}, indent=1, ensure_ascii=True)
    (folder / SUMMARY).write_text(text, encoding="ascii")


def read_summary(folder: Path, run: Mapping[str, object]) -> dict[str, Any] | None:
    """Key figures of the result in `folder`; None if there is none, or it is of another run."""
    try:
        kept = json.loads((folder / SUMMARY).read_text(encoding="ascii"))
        return dict(kept["row"]) if kept["run"] == json.loads(json.dumps(dict(run))) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_table(columns: Mapping[str, np.ndarray], path: Path) -> None:
    """One row per atom or cell, one column per quantity, as comma-separated values."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True))


# Width of the picture in the overview.
_THUMBNAIL_INCHES, _THUMBNAIL_DPI = 3.2, 100


def analyse(
    found: FoundImage, name: str, folder: Path, options: argparse.Namespace, run: Mapping[str, object]
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


def key_figures(motifs: Motifs) -> dict[str, Any]:
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


def _defect_figures(motifs: Motifs) -> dict[str, object]:
    from hyperspy_motifs.defects import ANOTHER, VACANCY

    if not _has_defects(motifs):
        return {}
    defects, densities = motifs.defects, motifs.defects.densities()
    vacancies, rare = (defects.counts.get(kind, 0) for kind in (VACANCY, ANOTHER))
    return {
        "vacancies": vacancies,
        "vacancies_percent": 100 * densities[VACANCY].per_site if vacancies else 0.0,
        "rare_atoms": rare,
        "outliers": len(defects) - vacancies - rare,
        "defects_per_area": len(defects) / defects.area if defects.area else None,
    }


def save_figures(motifs: Motifs, folder: Path, name: str) -> None:
    """Save the figures of a result as PNG files, and a small one for the overview."""
    import matplotlib.pyplot as plt

    draws: dict[str, Callable[[], Any]] = {
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


def _has_defects(motifs: Motifs) -> bool:
    """Whether the summary counts defects: those of the atoms of a single image."""
    return motifs.parameters.get("atoms") != "grid" and len(np.unique(motifs.frames)) == 1


def _find(found: FoundImage, options: argparse.Namespace) -> Motifs:
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


def _detectors(paths: list[Path], image: BaseSignal) -> list[BaseSignal]:
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


COLUMNS = (
    "name", "file", "title", "state", "reason", "columns", "rows", "frames", "pixel_size", "units", "atoms", "spacing",
    "motifs", "counts", "radius", "cells", "vacancies", "vacancies_percent", "rare_atoms", "outliers", "defects_per_area",
    "median_probability", "uncertain", "continuous", "doubts", "seconds",
)  # fmt: skip


def write_overview(rows: Sequence[Mapping[str, object]], folder: Path) -> None:
    """Write the page and the table of the images `rows` to `folder`; neither is ever half written."""
    with (
        replacing_file(folder / "summary.csv") as path,
        open(path, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([_cell(row.get(name)) for name in COLUMNS] for row in rows)
    with replacing_file(folder / "index.html") as path:
        path.write_text(_page(rows), encoding="utf-8")


def _cell(value: object) -> object:
    if isinstance(value, list | tuple):
        return "; ".join(str(v) for v in value)
    return "" if value is None else value


def _page(rows: Sequence[Mapping[str, object]]) -> str:
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("hyperspy_motifs.cli", "."), autoescape=True)
    environment.filters["count_of"] = _count
    of_state = {
        state: [row for row in rows if row["state"] == state] for state in ("analysed", "failed", "skipped")
    }
    analysed = of_state.pop("analysed")
    return environment.get_template("index.html.jinja").render(
        analysed=analysed, problems=list(of_state.items()), facts=_facts
    )


def _facts(row: Mapping[str, Any]) -> dict[str, str]:
    shares = ", ".join(
        f"{motif} ({n:,})" if motif != str(k) else f"{n:,}"
        for k, (motif, n) in enumerate(zip(row["names"][:6], row["counts"][:6], strict=True))
    )
    more = ", …" if len(row["counts"]) > 6 else ""
    frames = f"{row['frames']} frames of " if row["frames"] > 1 else ""
    units = row["units"]
    return {
        "image": f"{frames}{row['columns']} × {row['rows']} pixels of {row['pixel_size']:.4g} {units}",
        "atoms": f"{row['atoms']:,}, {row['spacing']:.4g} {units} apart",
        "motifs": f"{row['motifs']} at radius {row['radius']:g}: {shares}{more}",
        "cells": f"{row['cells']:,}",
        "defects": _defects(row),
        "probability": f"median {row['median_probability']:.2f}; below 0.5: {100 * row['uncertain']:.2g} %",
    }


def _defects(row: Mapping[str, Any]) -> str:
    if row.get("vacancies") is None:
        return "not looked for"
    if row["defects_per_area"] is None:
        return "all atoms are too close to the border to say"
    kinds = [_count(row["vacancies"], "vacancy", "vacancies")]
    if row["vacancies"]:
        kinds[0] += f" ({row['vacancies_percent']:.2g} % of their sites)"
    kinds.append(_count(row["rare_atoms"], "atom of another motif", "atoms of another motif"))
    kinds.append(_count(row["outliers"], "outlier"))
    return f"{', '.join(kinds)}; {row['defects_per_area']:.2g} per {row['units']}²"


def _count(n: int, what: str, more: str = "") -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {more or what + 's'}"

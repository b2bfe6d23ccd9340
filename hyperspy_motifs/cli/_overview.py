"""``index.html`` and ``summary.csv``: all images of a run at one look."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._results import replacing_file

COLUMNS = (
    "name", "file", "title", "state", "reason", "columns", "rows", "frames", "pixel_size", "units", "atoms", "spacing",
    "motifs", "counts", "radius", "cells", "vacancies", "vacancies_percent", "rare_atoms", "outliers", "defects_per_area",
    "median_probability", "uncertain", "continuous", "doubts", "seconds",
)  # fmt: skip


def write_overview(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
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


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return "; ".join(str(v) for v in value)
    return "" if value is None else value


def _page(rows: Sequence[Mapping[str, Any]]) -> str:
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
    kinds.append(_count(row["rare_atoms"], "atom of rare motifs", "atoms of rare motifs"))
    kinds.append(_count(row["outliers"], "outlier"))
    return f"{', '.join(kinds)}; {row['defects_per_area']:.2g} per {row['units']}²"


def _count(n: int, what: str, more: str = "") -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {more or what + 's'}"

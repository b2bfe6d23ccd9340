"""``index.html`` and ``summary.csv``: all images of a run at one look."""

from __future__ import annotations

import csv
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ._results import replacing_file

COLUMNS = (
    "name", "file", "title", "state", "reason", "columns", "rows", "frames", "pixel_size", "units", "atoms", "spacing",
    "motifs", "counts", "radius", "cells", "vacancies", "vacancies_percent", "rare_atoms", "outliers", "defects_per_area",
    "median_probability", "uncertain", "continuous", "doubts", "seconds",
)  # fmt: skip

# The page runs nothing and loads only the pictures beside it.
_POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1b1b1b; background: #fff;
  margin: 0 auto; padding: 1.5rem; max-width: 90rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
.about { color: #505050; margin: 0 0 1.2rem; }
.failures { margin: 0 0 1.4rem; padding: .7rem 1rem; border-left: 4px solid #b3261e; background: #fbeeed; }
.skipped { border-left-color: #8c8c8c; background: #f4f4f4; }
.failures ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
.image { border: 1px solid #d4d4d4; border-radius: 6px; padding: .7rem; break-inside: avoid; }
.image h2 { font-size: 1rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
.image h2 small { font-weight: 400; color: #505050; }
.image img { width: 100%; height: 13rem; object-fit: contain; background: #f6f6f6; display: block; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .5rem 0 0; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
dt { color: #505050; } dd { margin: 0; }
.doubt { color: #8a4b00; font-size: .88rem; margin: .4rem 0 0; }
a { color: #0b57a4; }
@media print { body { padding: 0; font-size: 10px; } }
"""


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
    analysed = [row for row in rows if row["state"] == "analysed"]
    atoms = sum(int(row["atoms"]) for row in analysed)
    about = f"{_count(len(analysed), 'image')} analysed, {_count(atoms, 'atom')}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Motifs of {_count(len(analysed), 'image')}</title><style>{_STYLE}</style></head><body>",
        "<h1>Motifs</h1>",
        f'<p class="about">{about}. All numbers are in <a href="summary.csv">summary.csv</a>.</p>',
    ]
    for state, heading, kind in (("failed", "Failed", ""), ("skipped", "Skipped", " skipped")):
        wrong = [row for row in rows if row["state"] == state]
        if wrong:
            lines = "".join(f"<li>{_text(_source(row))}: {_text(row['reason'])}</li>" for row in wrong)
            parts.append(
                f'<section class="failures{kind}"><strong>{heading}: {len(wrong)}</strong><ul>{lines}</ul></section>'
            )
    parts.append('<main class="images">')
    parts += [_card(row) for row in analysed]
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _card(row: Mapping[str, Any]) -> str:
    name, units = str(row["name"]), str(row["units"])
    link = quote(f"{name}/")
    title = f" <small>{_text(row['title'])}</small>" if row.get("title") and row["title"] != name else ""
    picture = ""
    if row.get("thumbnail"):
        large, small = quote(f"{name}/{name}_motifs.png"), quote(f"{name}/{row['thumbnail']}")
        picture = f'<a href="{large}"><img src="{small}" loading="lazy" alt="Image {_text(name)}, atoms coloured by motif"></a>'
    report = f' · <a href="{quote(name + "/" + row["report"])}">report</a>' if row.get("report") else ""
    shares = ", ".join(
        f"{motif} ({n:,})" if motif != str(k) else f"{n:,}"
        for k, (motif, n) in enumerate(zip(row["names"][:6], row["counts"][:6], strict=True))
    )
    more = ", …" if len(row["counts"]) > 6 else ""
    frames = f"{row['frames']} frames of " if row["frames"] > 1 else ""
    facts = {
        "image": f"{frames}{row['columns']} × {row['rows']} pixels of {row['pixel_size']:.4g} {units}",
        "atoms": f"{row['atoms']:,}, {row['spacing']:.4g} {units} apart",
        "motifs": f"{row['motifs']} at radius {row['radius']:g}: {shares}{more}",
        "cells": f"{row['cells']:,}",
        "defects": _defects(row),
        "probability": f"median {row['median_probability']:.2f}; below 0.5: {100 * row['uncertain']:.2g} %",
    }
    listed = "".join(f"<dt>{key}</dt><dd>{_text(value)}</dd>" for key, value in facts.items())
    doubts = list(row["doubts"])
    if row["continuous"]:
        doubts.append("a continuum: the motifs are regions, whose boundaries are arbitrary")
    told = "".join(f'<p class="doubt">{_text(doubt)}</p>' for doubt in doubts)
    heading = f'<h2><a href="{link}">{_text(name)}</a>{title}{report}</h2>'
    return f'<article class="image">{heading}{picture}<dl>{listed}</dl>{told}</article>'


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


def _source(row: Mapping[str, Any]) -> str:
    return f"{row['file']}, '{row['title']}'" if row.get("title") else str(row["file"])


def _count(n: int, what: str, more: str = "") -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {more or what + 's'}"


def _text(value: Any) -> str:
    return html.escape(str(value))

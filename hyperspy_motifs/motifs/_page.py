"""A self-contained HTML page with text, tables and figures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any

import numpy as np

from hyperspy_motifs.graph import written_whole

# The page runs and loads nothing, independent of the names in it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_DPI = 160

# Largest number of rows of a table; the graph and the table of atoms contain all rows.
MOST_ROWS = 24

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid #c8c8c8; }
.about { color: #505050; margin-top: 0; }
p { max-width: 46rem; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #3c3c3c; font-size: .9rem; max-width: 46rem; margin-top: .4rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; min-width: min(34rem, 100%); font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #3c3c3c; padding-bottom: .3rem; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e4e4; }
thead th { border-bottom: 1px solid #767676; font-weight: 600; }
td.number, th.number { text-align: right; }
tbody th { font-weight: 400; }
.swatch { display: inline-block; width: .8em; height: .8em; border: 1px solid #555; margin-right: .45em;
  vertical-align: -.05em; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } .scroll { overflow: visible; } }
"""


class Markup(str):
    """HTML text, which is not escaped again."""

    __slots__ = ()


def escape(value: Any) -> str:
    """`value` as text of a page: numbers with four digits, markup escaped."""
    if isinstance(value, Markup):
        return str(value)
    if value is None:
        return "–"
    if isinstance(value, float):
        # A minus sign, not a hyphen, and no line break after it.
        return html.escape(f"{value:.4g}".replace("-", "−") if value == value else "–")
    return html.escape(str(value))


def swatch(colour: str, text: str, *, inline: bool = False) -> Markup:
    """`text` with a square of `colour` (hexadecimal RGB) before it; `inline` if the style sheet of the page is missing."""
    shape = "display:inline-block;width:.8em;height:.8em;border:1px solid #555;margin-right:.45em;"
    style = f"{shape if inline else ''}background:{escape(colour)}"
    return Markup(f'<span class="swatch" style="{style}"></span>{escape(text)}')


class Page:
    """A page that is written from top to bottom.

    Parameters
    ----------
    title : str
    about : str
        One line below the title.
    """

    def __init__(self, title: str, about: str) -> None:
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1>", f'<p class="about">{escape(about)}</p>']
        self.n_figures = 0

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def paragraph(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def figure(self, figure: Any, alternative: str, caption: str) -> None:
        """Add a matplotlib figure as a PNG image.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        alternative : str
            Alternative text.
        caption : str
        """
        self.n_figures += 1
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None})
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        width = int.from_bytes(buffer.getvalue()[16:20], "big") * 96 // _DPI
        self._parts.append(
            f'<figure><img src="data:image/png;base64,{data}" width="{width}" alt="{escape(alternative)}">'
            f"<figcaption>Figure {self.n_figures}. {escape(caption)}</figcaption></figure>"
        )

    def table(self, caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add a table; the first column names the row, columns of numbers are right-aligned.

        Parameters
        ----------
        caption : str
        columns : sequence of str
        rows : iterable of sequences, each as long as `columns`
        """
        kept = [list(row) for row in rows]
        numeric = [
            bool(kept) and all(isinstance(row[i], int | float) or row[i] is None for row in kept)
            for i in range(len(columns))
        ]
        side = ["class=number" if right else "" for right in numeric]
        head = "".join(
            f"<th scope=col {s}>{escape(name)}</th>" for name, s in zip(columns, side, strict=True)
        )
        body = []
        for row in kept:
            first, *rest = zip(row, side, strict=True)
            cells = [f"<th scope=row {first[1]}>{escape(first[0])}</th>"]
            cells += [f"<td {s}>{escape(value)}</td>" for value, s in rest]
            body.append(f"<tr>{''.join(cells)}</tr>")
        self._parts.append(
            f"<div class=scroll><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table></div>"
        )

    def write(self, path: str | PathLike[str]) -> None:
        """Write the page; an existing file at `path` is replaced by the complete new one."""
        head = (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        )
        body = "\n".join(self._parts)
        # A lone surrogate (for example in the name of a file) cannot be written.
        text = f"{head}{body}\n</body></html>\n".encode("utf-8", "replace").decode("utf-8")
        with written_whole(path) as file:
            file.write(text)


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

"""A self-contained HTML page with text, tables and figures, some of them to click in (Bokeh)."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from hyperspy_motifs.graph import written_whole

# Pixels of a picture in a report for each inch of its figure.
_DPI = 130


def written(value: Any) -> str:
    """`value` as text: numbers with four digits, a dash for what is unknown."""
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    # A minus sign, not a hyphen, and no line break after it.
    return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)


class Page:
    """A page that is written from top to bottom. It fetches nothing; texts and names in it cannot execute code.

    Parameters
    ----------
    title : str
    about : str
        One line below the title.
    """

    def __init__(self, title: str, about: str) -> None:
        self._title, self._about = title, about
        self._blocks: list[dict[str, Any]] = []
        self._models: dict[str, Any] = {}
        self.n_figures = 0

    def add(self, kind: str, text: str = "", **values: Any) -> None:
        """Add a block: "heading", "paragraph", "caution" (a sentence without its full stop) or "code".

        Others are "facts", with ``facts``, pairs of a name and texts; "motif", a text in a ``colour`` (hexadecimal RGB) with a
        picture (``source``, ``alternative``).
        """
        self._blocks.append({"kind": kind, "text": text, **values})

    def figure(self, figure: Any, alternative: str, caption: str) -> None:
        """Add a matplotlib figure as an image.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        alternative : str
            Alternative text.
        caption : str
        """
        self.n_figures += 1
        source, width = as_picture(figure)
        self.add(
            "picture", source=source, width=width, alternative=alternative, caption=caption, number=self.n_figures
        )  # fmt: skip

    def linked(self, model: Any, caption: str) -> None:
        """Add a figure or a table of Bokeh; those with a common source of data are linked."""
        name = f"model{len(self._models)}"
        self._models[name] = model
        self.add("linked", model=name, caption=caption)

    def table(self, caption: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Add a table of columns by their heads; the first one names the rows."""
        rows = [[written(value) for value in row] for row in zip(*columns.values(), strict=True)]
        self.add("table", caption=caption, columns=list(columns), rows=rows)

    def write(self, path: str | PathLike[str]) -> None:
        """Write the page; an existing file at `path` is replaced by the complete new one."""
        from jinja2 import Environment, PackageLoader

        scripts, models = "", dict[str, Any]()
        if self._models:
            from bokeh.embed import components
            from bokeh.resources import Resources

            script, models = components(self._models)
            library = Resources(mode="inline", components=["bokeh", "bokeh-widgets", "bokeh-tables"])
            scripts = library.render() + script
        environment = Environment(loader=PackageLoader("hyperspy_motifs.motifs", "."), autoescape=True)
        template = environment.get_template("report.html.jinja")
        text = template.render(
            title=self._title, about=self._about, blocks=self._blocks, models=models, scripts=scripts
        )
        with written_whole(path) as file:
            # A lone surrogate (for example in the name of a file) cannot be written.
            file.write(text.encode("utf-8", "replace").decode("utf-8"))


def as_picture(figure: Any) -> tuple[str, int]:
    """A matplotlib figure as the address of its image, a fifth of a PNG's size, and the width at which it is shown."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="webp", dpi=_DPI, bbox_inches="tight", pil_kwargs={"quality": 85})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{data}", Image.open(buffer).width * 96 // _DPI


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

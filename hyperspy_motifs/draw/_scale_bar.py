"""Scale bar: a round length of about a fifth of the image."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

# Prefixes in steps of a thousand, so that 2000 pm reads 2 nm.
_LENGTHS = ("pm", "nm", "µm", "mm", "m")
_SPELLINGS = {
    "um": "µm", "μm": "µm", "micron": "µm", "A": "Å", "Å": "Å", "angstrom": "Å", "Angstrom": "Å",
    "ångström": "Å", "pixel": "px", "pixels": "px",
}  # fmt: skip


def readable_units(units: object) -> str:
    """Units as printed: ``'um'`` is ``'µm'``, ``'angstrom'`` is ``'Å'``, undefined ones are ``'px'``."""
    text = units.strip() if isinstance(units, str) else ""
    if not text or text.startswith("<"):
        return "px"
    return _SPELLINGS.get(text, text)


def round_length(width: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is at most a quarter of `width`."""
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"the width of the figure must be positive and finite, got {width}.")
    target = width / 4
    power = 10.0 ** math.floor(math.log10(target))
    # A small tolerance for rounding: 0.2 / 0.1 may be 1.9999.
    step = next(s for s in (5, 2, 1) if s * power <= target * (1 + 1e-9))
    return step * power


def length_text(length: float, units: object) -> str:
    """Length with its units, with another prefix for numbers of 1000 or more or below 0.1."""
    name = readable_units(units)
    if name in _LENGTHS:
        rank = _LENGTHS.index(name)
        while length >= 1000 and rank < len(_LENGTHS) - 1:
            length, rank = length / 1000, rank + 1
        while length < 0.1 and rank > 0:
            length, rank = length * 1000, rank - 1
        name = _LENGTHS[rank]
    return f"{length:.6g} {name}"


def add_scale_bar(
    ax: Axes,
    units: object = "px",
    *,
    length: float | None = None,
    location: str = "lower right",
    colour: str = "white",
    background: str | None = "black",
) -> AnchoredSizeBar:
    """Draw a scale bar on axes whose coordinates are lengths.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with limits.
    units : str
        Units of the axes' coordinates. Undefined units of HyperSpy mean pixels.
    length : float, optional
        Length of the bar in `units`; by default a round one of 1/10 to 1/4 of the width.
    location : str
        As for a legend of matplotlib.
    colour, background : str
        Of the bar with its text, and of the translucent box behind it; no box if `background` is None.

    Returns
    -------
    mpl_toolkits.axes_grid1.anchored_artists.AnchoredSizeBar
        Its ``size_bar`` holds a rectangle whose width is `length` in data coordinates.

    Raises
    ------
    ValueError
        If the length is not positive.
    """
    x0, x1 = ax.get_xlim()
    y0, y1 = ax.get_ylim()
    if length is None:
        length = round_length(abs(x1 - x0))
    elif not length > 0:
        raise ValueError(f"the length of a scale bar must be positive, got {length}.")
    bar = AnchoredSizeBar(
        ax.transData,
        length,
        length_text(length, units),
        loc=location,
        pad=0.35,
        borderpad=0.5,
        sep=3,
        frameon=background is not None,
        size_vertical=abs(y1 - y0) * 0.01,
        color=colour,
        fill_bar=True,
        label_top=True,
        fontproperties=FontProperties(size="small"),
    )
    if background is not None:
        bar.patch.set(
            facecolor=background, edgecolor="none", alpha=0.55, boxstyle="round,pad=0,rounding_size=0.2"
        )
    ax.add_artist(bar)
    return bar

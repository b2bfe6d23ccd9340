"""One colour and one shape for each motif, the same in every figure."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap, to_rgba_array
from numpy.typing import ArrayLike, NDArray

# The first seven are those of Okabe and Ito (2008) without black, which is not visible on a dark image. Each later
# one is the colour, of a grid of 33 levels a channel in sRGB (OKLab lightness 0.36 to 0.91, chroma above 0.07), that
# is farthest in OKLab from all before it, the distance being the least of three: that with normal vision, and 1.5
# times that with protanopia and with deuteranopia (matrices of Machado, Oliveira and Fernandes 2009, severity 1, on
# linear RGB). Each depends only on those before it, so motif k has the same colour for any number of motifs. Least
# distance (normal, protan, deutan): 0.156, 0.096, 0.076 for 12 colours, 0.096, 0.063, 0.061 for 30 and 0.078, 0.051,
# 0.051 for all 40; 0.02 is just noticeable.
PALETTE: tuple[str, ...] = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#780040",
    "#3800A8", "#20F8D8", "#7810FF", "#705000", "#9078FF", "#B80078", "#90C090", "#D800C0",
    "#B8C8FF", "#FFD0A0", "#600078", "#106068", "#FF4868", "#A05840", "#682800", "#0000D8",
    "#A0D860", "#FF80C8", "#6040A0", "#5868E0", "#883848", "#F8A8B8", "#503060", "#A06890",
    "#58C858", "#C070D8", "#A048A0", "#888848", "#FF80FF", "#C09028", "#881888", "#B80810",
)  # fmt: skip

# Nine shapes and forty colours have no common divisor: colour and shape together repeat after 360 motifs.
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X", "p", "h")

# Areas are lighter than atoms. The first seven are those of the scheme "light" of Paul Tol (SRON/EPS/TN/09-002, 2021), made
# for filled areas, without grey and the blue that is motif 4. Each later one is the colour of the grid above (OKLab
# lightness 0.62 to 0.95, chroma 0.05 to 0.17, at least 0.07 from the first eight motifs) farthest from all before it and
# from RARE, in the distance above. Least distance (normal, protan, deutan): 0.094, 0.049, 0.053. Rarer classes are grey: more
# colours than these are not found in a legend.
CELL_PALETTE: tuple[str, ...] = (
    "#EE8866", "#EEDD88", "#FFAABB", "#99DDFF", "#44BB99", "#BBCC33", "#AAAA00", "#7078E7", "#CF8FFF", "#C758A7",
    "#B77800", "#87FFCF",
)  # fmt: skip

# Colour of classes that are too rare for a separate colour.
RARE = (0.75, 0.75, 0.75, 1.0)

_RGBA = to_rgba_array(PALETTE)
_CELL_RGBA = np.vstack([to_rgba_array(CELL_PALETTE), RARE])


def as_labels(labels: ArrayLike) -> NDArray[np.intp]:
    array = np.asarray(labels)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"labels must be integers, got an array of {array.dtype}.")
    if array.size and array.min() < 0:
        raise ValueError(
            "labels must not be negative: motif 0 is the most frequent, and there is no noise motif."
        )
    return array.astype(np.intp)


def motif_colour(motif: int) -> str:
    """Colour of one motif.

    Parameters
    ----------
    motif : int
        Number of the motif, 0 or more. Colours repeat after 40.

    Returns
    -------
    str
        Hexadecimal RGB.
    """
    return PALETTE[int(as_labels(motif)) % len(PALETTE)]


def motif_marker(motif: int) -> str:
    """Matplotlib's name of the marker shape of one motif: a second cue in addition to the colour."""
    return MARKERS[int(as_labels(motif)) % len(MARKERS)]


def motif_colours(labels: ArrayLike) -> NDArray[np.float64]:
    """Colours of motifs, the same for a motif in all figures.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Motif of each atom; ``range(k)`` gives the first k colours.

    Returns
    -------
    numpy.ndarray, shape (n, 4)
        RGBA from 0 to 1.

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If a label is negative.

    Examples
    --------
    >>> from hyperspy_motifs.draw import motif_colours
    >>> motif_colours([0, 3, 0]).shape
    (3, 4)
    """
    return _RGBA[as_labels(labels) % len(PALETTE)]


def cell_colours(labels: ArrayLike) -> NDArray[np.float64]:
    """Colours (m, 4) RGBA of cell classes, none of which is that of a motif; classes from 12 on are grey."""
    return _CELL_RGBA[np.minimum(as_labels(labels), len(CELL_PALETTE))]


def motif_colormap(n_motifs: int) -> ListedColormap:
    """Colour map of the first `n_motifs` motifs, for images of labels (limits -0.5, n_motifs - 0.5)."""
    if n_motifs < 1:
        raise ValueError(f"n_motifs must be at least 1, got {n_motifs}.")
    return ListedColormap(motif_colours(np.arange(n_motifs)), name=f"motifs_{n_motifs}")


def contrast_colours(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Black or white outline (n, 4), with the higher contrast to each fill (WCAG relative luminance)."""
    rgb = np.asarray(colours)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear @ np.array([0.2126, 0.7152, 0.0722]) > 0.18
    return np.where(light[:, None], np.array([0.0, 0.0, 0.0, 0.8]), np.array([1.0, 1.0, 1.0, 0.8]))

"""The image with its atoms coloured by motif."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.markers import MarkerStyle
from numpy.typing import ArrayLike, NDArray

from ._image import Extent, check_length, check_positions, make_room, marker_area, prepare_field
from ._legend import add_motif_legend
from ._palette import as_labels, contrast_colours, motif_colours, motif_marker


def scatter_motifs(ax: Axes, positions: ArrayLike, labels: ArrayLike, **kwargs: Any) -> PathCollection:
    """Draw atoms in the colours and shapes of their motifs as one collection, in the order given.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with limits: the default size depends on the spacing.
    positions : array_like, shape (n, 2)
        x, y in data coordinates.
    labels : array_like of int, shape (n,)
        Motif of each.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter`; ``marker`` sets one shape for all.

    Returns
    -------
    matplotlib.collections.PathCollection
    """
    xy = check_positions(positions)
    motifs = as_labels(labels)
    check_length(motifs, len(xy), "labels")
    colours = motif_colours(motifs)
    own_shapes = "marker" not in kwargs
    area = kwargs.pop("s", None)
    area = marker_area(ax, xy, motifs) if area is None else area
    # The width of outlines decreases with the size of the markers to zero.
    diameter = np.sqrt(area)
    width = np.where(diameter < 2.5, 0.0, np.clip(0.09 * diameter, 0.1, 0.5))
    kwargs.setdefault("linewidths", width)
    kwargs.setdefault("edgecolors", contrast_colours(colours))
    kwargs.setdefault("zorder", 2)
    collection = ax.scatter(xy[:, 0], xy[:, 1], s=area, c=colours, **kwargs)
    if own_shapes and len(xy):
        styles = {int(k): MarkerStyle(motif_marker(k)) for k in np.unique(motifs)}
        paths = {k: style.get_path().transformed(style.get_transform()) for k, style in styles.items()}
        collection.set_paths([paths[int(k)] for k in motifs])
    return collection


def _scatter_vacancies(ax: Axes, positions: NDArray[np.float64], area: Any) -> None:
    """Open circles in two colours, which show on bright and dark backgrounds."""
    x, y = positions.T
    width = float(np.clip(0.12 * np.sqrt(np.max(area)), 0.6, 1.5))
    for colour, scale in (("black", 2.2), ("white", 1.0)):
        ax.scatter(x, y, s=area, facecolors="none", edgecolors=colour, linewidths=scale * width, zorder=2.5)


def drawing_order(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order in which atoms are drawn: the most frequent motif first, so that rare ones are on top."""
    if not len(labels):
        return np.empty(0, dtype=np.intp)
    counts = np.bincount(labels)
    return np.lexsort((labels, -counts[labels]))


def plot_motifs(
    positions: ArrayLike,
    labels: ArrayLike,
    image: ArrayLike | None = None,
    *,
    extent: Extent | None = None,
    units: object = "px",
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    legend: bool = True,
    vacancies: ArrayLike = (),
    **kwargs: Any,
) -> Axes:
    """Draw the image in grey and its atoms in the colours and shapes of their motifs.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y of the atoms in axis units.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    image : array_like, shape (rows, columns), optional
        Background. Without an image only the atoms are drawn.
    extent : tuple of float, optional
        Left, right, bottom, top of the image in axis units (:func:`image_extent`); pixels by default.
    units : str
        Units of the axes, for the scale bar.
    names : sequence of str, optional
        Name of each motif for the legend.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    legend : bool
        Whether to add the legend with names and counts.
    vacancies : array_like, shape (k, 2), optional
        x, y of empty sites in axis units, drawn as open circles.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter`: ``s`` the area of a marker in points squared (by default it depends
        on the spacing, and rare motifs have larger markers), ``marker`` one shape for all motifs.

    Returns
    -------
    matplotlib.axes.Axes
        It has one new collection with the atoms, those of the most frequent motif first, and another with the vacancies,
        if there are some.

    Raises
    ------
    ValueError
        If shapes do not match, a label is negative or there are too few names.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_motifs.draw import plot_motifs
    >>> xy = np.indices((6, 8)).reshape(2, -1).T * 10.0
    >>> ax = plot_motifs(xy, np.arange(len(xy)) % 3, names=["Mo", "Se2", "vacancy"], units="px")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Mo (16)', 'Se2 (16)', 'vacancy (16)']
    """
    xy = check_positions(positions)
    made_here = ax is None
    ax = prepare_field(image, xy, extent, units, ax)
    motifs = as_labels(labels)
    check_length(motifs, len(xy), "labels")
    order = drawing_order(motifs)
    scatter_motifs(ax, xy[order], motifs[order], **kwargs)
    empty = check_positions(np.asarray(vacancies, float).reshape(-1, 2))
    if len(empty):
        area = kwargs.get("s")
        area = 2.5 * float(np.median(marker_area(ax, xy, motifs))) if area is None else area
        _scatter_vacancies(ax, empty, area)
    if legend:
        add_motif_legend(ax, labels, names, marker=kwargs.get("marker"), n_vacancies=len(empty))
        make_room(ax, made_here=made_here)
    return ax

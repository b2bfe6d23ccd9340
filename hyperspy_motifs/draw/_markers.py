"""Motifs and cells as HyperSpy markers, saved with the signal and switched individually."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._image import check_length, check_positions
from ._style import as_labels, cell_colours, contrast_colours, motif_colours

if TYPE_CHECKING:
    from hyperspy.drawing._markers.points import Points
    from hyperspy.drawing._markers.polygons import Polygons


# A marker with one of these in its name would be written as nested groups, and the file could not be read.
_SEPARATORS = re.compile(r"[/.\\]")


def _marker_diameter(positions: NDArray[np.float64]) -> float:
    """Diameter in points of about half the atoms' spacing, in a figure of HyperSpy's usual size."""
    if len(positions) < 2:
        return 6.0
    span = np.ptp(positions, axis=0)
    spacing = np.sqrt(np.prod(span) / len(positions)) / max(float(span.max()), np.finfo(float).tiny) * 330
    return float(np.clip(0.5 * spacing, 2.0, 8.0))


def _by_frame(
    values: NDArray[np.float64], frames: NDArray[np.intp] | None, navigation_shape: tuple[int, ...]
) -> Any:
    """Object array over HyperSpy's navigation indices, each element the rows of `values` of that frame; or all `values`."""
    if frames is None:
        return values
    result = np.empty(navigation_shape, dtype=object)
    for frame in range(result.size):
        # HyperSpy's indices are in the reverse order of the data's axes.
        index = np.unravel_index(frame, navigation_shape[::-1])[::-1]
        result[index] = values[frames == frame]
    return result


def _checked_frames(
    frames: ArrayLike | None, n: int, navigation_shape: tuple[int, ...]
) -> NDArray[np.intp] | None:
    """Frame of each of `n` items; None without frames."""
    if frames is None:
        return None
    if not navigation_shape:
        raise ValueError("frames= also needs navigation_shape=s.axes_manager.navigation_shape.")
    frame_of = as_labels(frames)
    check_length(frame_of, n, "frames")
    n_frames = int(np.prod(navigation_shape))
    if frame_of.max(initial=0) >= n_frames:
        raise ValueError(f"there are {n_frames} frames, but frames has a {frame_of.max()}.")
    return frame_of


def motif_markers(
    positions: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    size: float | None = None,
    frames: ArrayLike | None = None,
    navigation_shape: tuple[int, ...] = (),
) -> list[Points]:
    """HyperSpy markers of the atoms: one :class:`hyperspy.api.plot.markers.Points` for each motif.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y in axis units.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    names : sequence of str, optional
        Name of each motif; ``'motif 0'`` and so on by default. The key in ``metadata.Markers`` is the name
        with characters other than letters and digits replaced, such as ``motif_0``. Slashes and dots become ``_``.
    size : float, optional
        Diameter in points; by default about half the spacing of the atoms.
    frames : array_like of int, shape (n,), optional
        For a stack: frame of each atom, counted in the order of the data (C order).
    navigation_shape : tuple of int
        For a stack: ``s.axes_manager.navigation_shape``.

    Returns
    -------
    list of hyperspy.api.plot.markers.Points
        For :meth:`hyperspy.api.signals.BaseSignal.add_marker`. Colours are stored explicitly, because mapped values
        are not restored from files. Markers of a stack should not be added with ``permanent=True``: a file with
        markers that follow the navigator cannot be loaded with ``lazy=True``.

    Raises
    ------
    ValueError
        If shapes do not match, a label is negative, there are too few names or `frames` comes without
        `navigation_shape`.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> from hyperspy_motifs.draw import motif_markers
    >>> s = hs.signals.Signal2D(np.zeros((30, 40)))
    >>> markers = motif_markers([[5, 5], [15, 5], [25, 5]], [0, 0, 1], names=["Mo", "Se"])
    >>> s.add_marker(markers, permanent=True, plot_marker=False)
    >>> [marker.name for marker in markers]
    ['Mo', 'Se']
    """
    import hyperspy.api as hs

    xy = check_positions(positions)
    motifs = as_labels(labels)
    check_length(motifs, len(xy), "labels")
    present = np.unique(motifs)
    if names is not None and len(present) and len(names) <= present[-1]:
        raise ValueError(f"names has {len(names)} names, but there are labels up to {present[-1]}.")
    frame_of = _checked_frames(frames, len(xy), navigation_shape)
    # Positions of frames overlap, so the spacing is that of one frame.
    diameter = size if size is not None else _marker_diameter(xy if frame_of is None else xy[frame_of == 0])
    markers = []
    for k in present:
        colour, own = motif_colours([k]), motifs == k
        offsets = _by_frame(xy[own], None if frame_of is None else frame_of[own], navigation_shape)
        markers.append(
            hs.plot.markers.Points(
                offsets=offsets, sizes=np.array([diameter]), facecolors=colour, edgecolors=contrast_colours(colour),
                linewidths=np.array([0.5]), name=_SEPARATORS.sub("_", names[k] if names is not None else f"motif {k}"),
            )
        )  # fmt: skip
    return markers


def vacancy_markers(
    positions: ArrayLike,
    *,
    size: float | None = None,
    frames: ArrayLike | None = None,
    navigation_shape: tuple[int, ...] = (),
) -> Points:
    """HyperSpy markers of empty sites: open circles.

    Parameters
    ----------
    positions : array_like, shape (k, 2)
        x, y in axis units.
    size : float, optional
        Diameter in points; 8 by default.
    frames : array_like of int, shape (k,), optional
        For a stack: frame of each site, counted in the order of the data (C order).
    navigation_shape : tuple of int
        For a stack: ``s.axes_manager.navigation_shape``.

    Returns
    -------
    hyperspy.api.plot.markers.Points
        Named ``vacancies``.

    Raises
    ------
    ValueError
        If shapes do not match, or `frames` comes without `navigation_shape`.
    """
    import hyperspy.api as hs

    xy = check_positions(positions)
    offsets = _by_frame(xy, _checked_frames(frames, len(xy), navigation_shape), navigation_shape)
    return hs.plot.markers.Points(
        offsets=offsets, sizes=np.array([8.0 if size is None else size]), facecolors="none", edgecolors="white",
        linewidths=np.array([1.2]), name="vacancies",
    )  # fmt: skip


def cell_markers(
    polygons: Sequence[ArrayLike],
    labels: ArrayLike,
    *,
    alpha: float = 0.45,
    name: str = "cells",
    frames: ArrayLike | None = None,
    navigation_shape: tuple[int, ...] = (),
) -> Polygons:
    """HyperSpy marker of all cells, coloured by class.

    Parameters
    ----------
    polygons : sequence of array_like, each of shape (k, 2)
        x, y of the corners of each cell in axis units.
    labels : array_like of int, shape (m,)
        Class of each cell.
    alpha : float
        Opacity of the areas.
    name : str
        Key in ``metadata.Markers``.
    frames : array_like of int, shape (m,), optional
        For a stack: frame of each cell, counted in the order of the data (C order).
    navigation_shape : tuple of int
        For a stack: ``s.axes_manager.navigation_shape``.

    Returns
    -------
    hyperspy.api.plot.markers.Polygons
        Its vertices are one rectangular array (m, most corners, 2): a cell with fewer corners repeats its last one.
        HyperSpy writes lists of more than ten polygons in another order than it reads them.

    Raises
    ------
    ValueError
        If there are no polygons, or not one label for each.
    """
    import hyperspy.api as hs

    classes = as_labels(labels)
    check_length(classes, len(polygons), "labels")
    if not len(polygons):
        raise ValueError("there are no cells to draw: polygons is empty.")
    corners = [check_positions(polygon, "each polygon") for polygon in polygons]
    most = max(len(polygon) for polygon in corners)
    verts: Any = np.stack(
        [np.pad(polygon, ((0, most - len(polygon)), (0, 0)), mode="edge") for polygon in corners]
    )
    faces: Any = cell_colours(classes)
    faces[:, 3] = alpha
    frame_of = _checked_frames(frames, len(corners), navigation_shape)
    return hs.plot.markers.Polygons(
        verts=_by_frame(verts, frame_of, navigation_shape), facecolors=_by_frame(faces, frame_of, navigation_shape),
        edgecolors=np.array([[1.0, 1.0, 1.0, 0.8]]), linewidths=np.array([0.6]), name=_SEPARATORS.sub("_", name),
    )  # fmt: skip

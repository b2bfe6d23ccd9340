"""The panels of the explorer, their arrays and their actions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import Event
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from ._image import Extent, check_length, check_positions
from ._palette import contrast_colours, motif_colours
from ._zernike import group_magnitudes


def refusing(edit: Callable[..., bool]) -> Callable[..., bool]:
    """An edit that shows errors of callbacks in the status line, because exceptions would not be visible."""

    @functools.wraps(edit)
    def call(explorer: Any, *arguments: object) -> bool:
        try:
            return edit(explorer, *arguments)
        except ValueError as error:
            return explorer._refuse(str(error).split(". ")[0].rstrip("."))

    return call


def without_event(action: Callable[[], object]) -> Callable[[Event], None]:
    """`action` as the callback of a button."""

    def call(event: Event) -> None:
        action()

    return call


@dataclass(frozen=True)
class ExplorerArrays:
    """Data of the explorer.

    Attributes
    ----------
    image : array_like, shape (rows, columns)
        The image.
    positions : array_like, shape (n, 2)
        x, y of the atoms in axis units.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    layout : array_like, shape (n, 2)
        Force-relaxed layout of the atoms.
    patches, reconstructions : sequence of array_like of shape (size, size), optional
        Patch of each atom, and the patch reconstructed from its moments: any sequence of length n that returns an
        array for an index, read on demand.
    turned : sequence of array_like of shape (size, size), optional
        Patches for the means, each rotated so that equal sites have equal patches; `patches` by default.
    moments : array_like, shape (n, K), optional
        Zernike moments of each atom, with `modes`.
    modes : array_like of int, shape (K, 2), optional
        Columns n, m of each moment.
    names : sequence of str, optional
        Name of each motif.
    extent : tuple of float, optional
        Left, right, bottom, top of the image in axis units; pixels by default.
    units : str
        Units of the image's axes.
    """

    image: ArrayLike
    positions: ArrayLike
    labels: ArrayLike
    layout: ArrayLike
    patches: Any = None
    reconstructions: Any = None
    turned: Any = None
    moments: ArrayLike | None = None
    modes: ArrayLike | None = None
    names: Sequence[str] | None = None
    extent: Extent | None = None
    units: object = "px"

    def __post_init__(self) -> None:
        n = len(check_positions(self.positions))
        if not n:
            raise ValueError("there are no atoms to explore: positions is empty.")
        check_length(check_positions(self.layout, "layout"), n, "layout")
        check_length(np.asarray(self.labels), n, "labels")
        for name in ("patches", "reconstructions", "turned", "moments"):
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise ValueError(f"{name} must hold one entry for each of {n} atoms, got {len(values)}.")
        if (self.moments is None) != (self.modes is None):
            raise ValueError("moments and modes belong together: give both or neither.")

    def means(self, labels: NDArray[np.intp], most: int = 300) -> dict[int, NDArray[np.float64]]:
        """Mean patch of each motif that occurs, over an even sample of at most `most` of its atoms.

        The mean of hundreds of patches is sufficient and fast. Atoms without moments, whose disc leaves the image,
        are excluded if there are others.
        """
        result: dict[int, NDArray[np.float64]] = {}
        patches = self.patches if self.turned is None else self.turned
        if patches is None:
            return result
        known = np.ones(len(labels), dtype=bool) if self.moments is None else np.any(self.moments, axis=1)
        for k in np.unique(labels):
            members = np.flatnonzero(labels == k)
            members = members[known[members]] if known[members].any() else members
            chosen = members[np.linspace(0, len(members) - 1, min(most, len(members))).astype(np.intp)]
            if isinstance(patches, np.ndarray):
                result[int(k)] = patches[chosen].mean(axis=0, dtype=float)
            else:
                result[int(k)] = np.mean([np.asarray(patches[i], dtype=float) for i in chosen], axis=0)
        return result


REACH = 15.0
"""Largest distance in screen pixels between the pointer and its atom."""

MOST_RINGS = 30
"""Largest number of highlighted atoms with rings."""


class AtomPanel:
    """Atoms as points in one pair of axes, in the colours of their motifs, some of them highlighted.

    A few lit atoms are ringed. When there are more, a veil is drawn over all atoms and the lit ones above it:
    rings of hundreds would hide the atoms.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with limits.
    points : numpy.ndarray, shape (n, 2)
        Coordinates of the atoms in these axes.
    size : float
        Diameter of the points, in typographic points.
    dark : bool
        Whether the background is dark.
    """

    def __init__(self, ax: Axes, points: NDArray[np.float64], size: float, *, dark: bool) -> None:
        self.ax = ax
        self.points = points
        self.size = size
        self.lit: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._labels: NDArray[np.intp] = np.zeros(len(points), dtype=np.intp)
        self._tree = cKDTree(points)
        # One line of markers for each motif: Agg stamps them four times as fast as a collection.
        self._lines: dict[int, Line2D] = {}
        self._lit_lines: dict[int, Line2D] = {}
        self._veil = Rectangle(
            (0, 0), 1, 1, transform=ax.transAxes, facecolor="black" if dark else "white", alpha=0.7,
            animated=True, visible=False, zorder=5,
        )  # fmt: skip
        ax.add_patch(self._veil)
        ring: dict[str, Any] = {"linestyle": "none", "marker": "o", "fillstyle": "none", "animated": True}
        colour = "white" if dark else "black"
        self._rings = ax.plot(
            [], [], markersize=size + 5, markeredgewidth=1.6, color=colour, zorder=7, **ring
        )[0]
        self._hover = ax.plot(
            [], [], markersize=size + 9, markeredgewidth=1.4, color="red", zorder=8, **ring
        )[0]

    @property
    def moving(self) -> list[Artist]:
        """Artists over the stored background, in order."""
        return [self._veil, *self._lit_lines.values(), self._rings, self._hover]

    def set_labels(self, labels: NDArray[np.intp]) -> None:
        """Colour the atoms by motif, the rare ones on top."""
        self._labels = labels
        for line in self._lines.values():
            line.set_data([], [])
        present, counts = np.unique(labels, return_counts=True)
        for rank, k in enumerate(present[np.argsort(-counts, kind="stable")]):
            if int(k) not in self._lines:
                self._lines[int(k)] = self._new_line(int(k))
            line = self._lines[int(k)]
            line.set_data(*self.points[labels == k].T)
            line.set_zorder(2 + rank / len(present))
        self.light(self.lit)

    def _new_line(self, motif: int, **kwargs: Any) -> Line2D:
        colour = motif_colours([motif])
        (line,) = self.ax.plot(
            [], [], linestyle="none", marker="o", markersize=self.size, markerfacecolor=colour[0],
            # The outline would dominate a small marker.
            markeredgecolor=contrast_colours(colour)[0],
            markeredgewidth=0.3 if self.size > 3 else 0.0, **kwargs,
        )  # fmt: skip
        return line

    def colour_counts(self) -> dict[int, int]:
        """Number of points drawn in the colour of each motif."""
        sizes = {k: np.size(line.get_xdata()) for k, line in self._lines.items()}
        return {k: size for k, size in sizes.items() if size}

    def light(self, indices: NDArray[np.intp]) -> None:
        """Highlight only the given atoms."""
        self.lit = indices
        many = len(indices) > MOST_RINGS
        self._veil.set_visible(many)
        for line in self._lit_lines.values():
            line.remove()
        self._lit_lines = {}
        if many:
            motifs = self._labels[indices]
            for k in np.unique(motifs):
                line = self._new_line(int(k), animated=True, zorder=6)
                line.set_data(*self.points[indices[motifs == k]].T)
                self._lit_lines[int(k)] = line
        self._rings.set_data(*self.points[indices[:0] if many else indices].T)

    def lit_points(self) -> NDArray[np.float64]:
        """Coordinates (k, 2) of the highlighted atoms."""
        drawn = [self._rings, *self._lit_lines.values()]
        return np.concatenate([np.column_stack(line.get_data()) for line in drawn])

    def point_at(self, index: int | None) -> None:
        """Draw a ring around the atom under the pointer, or none."""
        self._hover.set_data(*(self.points[[index]] if index is not None else np.empty((0, 2))).T)

    def nearest(self, x: float, y: float) -> int | None:
        """Atom nearest to a position in data coordinates, if it is close on the screen."""
        _, index = self._tree.query([x, y])
        there = self.ax.transData.transform(np.array([self.points[index], [x, y]]))
        return int(index) if np.hypot(*(there[0] - there[1])) <= REACH else None

    def inside(self, polygon: NDArray[np.float64]) -> NDArray[np.intp]:
        """Atoms inside a polygon (k, 2) in data coordinates."""
        from matplotlib.path import Path

        low, high = polygon.min(axis=0), polygon.max(axis=0)
        near = np.flatnonzero(((self.points >= low) & (self.points <= high)).all(axis=1))
        return near[Path(polygon).contains_points(self.points[near])]


class PatchPanel:
    """Patch of one atom, its reconstruction from moments, and their spectrum."""

    def __init__(self, axes: dict[str, Axes], arrays: Any) -> None:
        self.arrays = arrays
        self.shown: int | None = None
        self.moving: list[Artist] = []
        self._images: dict[str, Any] = {}
        for name in ("patches", "reconstructions"):
            if name in axes:
                ax = axes[name]
                first = np.asarray(getattr(arrays, name)[0], dtype=float)
                ax.set_title(
                    {"patches": "atom under pointer", "reconstructions": "from its moments"}[name],
                    fontsize="small",
                )
                ax.set_xticks([])
                ax.set_yticks([])
                picture = ax.imshow(np.full(first.shape, np.nan), cmap="gray", animated=True)
                self._images[name] = picture
                self.moving.append(picture)
        self._note: Text | None = None
        if "reconstructions" in axes and "moments" in axes:
            ax = axes["reconstructions"]
            self._note = ax.text(
                0.5,
                0.5,
                "",
                transform=ax.transAxes,
                ha="center",
                va="center",
                fontsize="x-small",
                animated=True,
            )
            self.moving.append(self._note)
        self._bars: Line2D | None = None
        if "moments" in axes:
            ax = axes["moments"]
            self._all, pairs = group_magnitudes(np.asarray(arrays.moments), np.asarray(arrays.modes))
            x = np.arange(len(pairs))
            ax.set_xlim(-1, len(x))
            ax.set_ylim(0, 1.05 * float(np.percentile(self._all.max(axis=1), 99)))
            starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
            even = starts[::2]
            ax.set_xticks(even, [str(n) for n in pairs[even, 0]])
            ax.tick_params(labelsize="x-small")
            ax.set_xlabel("n", fontsize="small", style="italic", labelpad=1)
            ax.set_title(r"$|A_{nm}|$", fontsize="small")
            self._x = np.repeat(x, 3).astype(float)
            self._bars = ax.plot([], [], color="0.25", linewidth=1.6, animated=True)[0]
            self.moving.append(self._bars)

    def show(self, index: int | None) -> bool:
        """Show another atom; return False if it is already shown."""
        if index is None or index == self.shown:
            return False
        self.shown = index
        for name, picture in self._images.items():
            values = np.asarray(getattr(self.arrays, name)[index], dtype=float)
            picture.set_data(values)
            if name == "patches" or "patches" not in self._images:
                limits = (float(np.nanmin(values)), float(np.nanmax(values)))
            # One grey scale for both: a difference in contrast is a difference.
            picture.set_clim(*limits)
        if self._note is not None:
            known = bool(self._all[index].any())
            self._note.set_text("" if known else "no moments:\ntoo near the border")
            if not known:
                self._images["reconstructions"].set_data(np.full_like(values, np.nan))
        if self._bars is not None:
            heights = np.zeros(len(self._x))
            heights[1::3] = self._all[index]
            heights[2::3] = np.nan
            self._bars.set_data(self._x, heights)
        return True


class MeansPanel:
    """Strip with the mean patch, name and count of every motif; a click selects the motif."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        self.motifs: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self.columns = 1
        ax.set_axis_off()

    def set_labels(
        self, labels: NDArray[np.intp], names: tuple[str, ...], means: dict[int, NDArray[np.float64]]
    ) -> None:
        """Draw the strip again."""
        ax = self.ax
        ax.clear()
        ax.set_axis_off()
        self.motifs, counts = np.unique(labels, return_counts=True)
        box = ax.get_window_extent()
        n = len(self.motifs)
        # Fields slightly higher than wide, so that the strip is filled for 3 and for 40 motifs.
        rows = max(1, int(np.round(np.sqrt(n * box.height / box.width / 1.5))))
        self.columns = -(-n // rows)
        side = min(0.9 * box.width / self.columns, 0.62 * box.height / rows)
        width, height = side * self.columns / box.width, side * rows / box.height
        size = "x-small" if rows == 1 else "xx-small"
        finite = [m[np.isfinite(m)] for m in means.values()]
        low = min((float(m.min()) for m in finite if m.size), default=0.0)
        high = max((float(m.max()) for m in finite if m.size), default=1.0)
        for i, (k, count) in enumerate(zip(self.motifs, counts, strict=True)):
            left, top = i % self.columns + (1 - width) / 2, i // self.columns + 0.03
            colour = motif_colours([k])[0]
            if int(k) in means:
                extent = (left, left + width, top + height, top)
                ax.imshow(
                    means[int(k)], cmap="gray", vmin=low, vmax=high, aspect="auto", extent=extent, zorder=1
                )
            frame: dict[str, Any] = {
                "fill": int(k) not in means,
                "facecolor": colour,
                "edgecolor": colour,
                "linewidth": 2.5,
            }
            ax.add_patch(Rectangle((left, top), width, height, zorder=2, **frame))
            text = f"{names[k]}\nn = {count:,}"
            ax.text(left + width / 2, top + height + 0.04, text, ha="center", va="top", fontsize=size)
        ax.set_xlim(0, self.columns)
        ax.set_ylim(rows, 0)
        ax.set_aspect("auto")

    def motif_at(self, x: float, y: float) -> int | None:
        """Motif in the field at a position in data coordinates."""
        i = int(y) * self.columns + int(x)
        inside = 0 <= x < self.columns and y >= 0 and i < len(self.motifs)
        return int(self.motifs[i]) if inside else None

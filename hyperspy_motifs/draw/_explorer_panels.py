"""The panels of the explorer of a window, and the colours of both explorers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import Event
from matplotlib.colors import to_rgba
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._style import contrast_colours, motif_colours
from ._tree_and_moments import group_magnitudes

if TYPE_CHECKING:
    from hyperspy_motifs.motifs import ExplorerState


def without_event(action: Callable[[], object]) -> Callable[[Event], None]:
    """`action` as the callback of a button."""

    def call(event: Event) -> None:
        action()

    return call


def identity_colours(state: ExplorerState) -> NDArray[np.float64]:
    """RGBA of each motif of an explorer's state, shape (n_motifs, 4): that of its identity, or the one given to it."""
    colours = motif_colours(state.ids).copy()
    for k, identity in enumerate(state.ids.tolist()):
        if identity in state.colours:
            colours[k] = to_rgba(state.colours[identity])
    return colours


def value_limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Limits of a colour scale: 1st and 99th percentile, so that a single outlier does not take all colours."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [1, 99]) if len(finite) else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def classes_and_colours(state: ExplorerState) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Class of each atom and RGBA of each class: the motifs, or steps of the values by which atoms are coloured."""
    if state.colour_by == "motif":
        return state.labels, identity_colours(state)
    low, high = value_limits(state.values)
    scaled = np.clip((state.values - low) / (high - low), 0, 1)
    last = COLOUR_STEPS - 1
    classes = np.where(np.isfinite(scaled), np.round(last * np.nan_to_num(scaled)), COLOUR_STEPS)
    unknown = np.array([[0.5, 0.5, 0.5, 1.0]])
    return classes.astype(np.intp), np.concatenate(
        [mpl.colormaps["viridis"](np.linspace(0, 1, COLOUR_STEPS)), unknown]
    )


#: Colours of a continuous value: each is a line of markers, and neighbouring ones cannot be distinguished.
COLOUR_STEPS = 32

#: Largest distance in screen pixels between the pointer and its atom.
REACH = 15.0

#: Largest number of highlighted atoms with rings.
MOST_RINGS = 30


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
        self._classes: NDArray[np.intp] = np.zeros(len(points), dtype=np.intp)
        self._colours: NDArray[np.float64] = np.ones((1, 4))
        self._shown: NDArray[np.intp] = np.arange(len(points))
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

    def set_points(self, points: NDArray[np.float64]) -> None:
        """Other coordinates of the atoms, shape (n, 2)."""
        self.points = points
        self.lit = self.lit[:0]

    def set_classes(
        self, classes: NDArray[np.intp], colours: NDArray[np.float64], shown: NDArray[np.bool_]
    ) -> None:
        """Colour the shown atoms by their class, those of rare classes on top."""
        self._classes, self._colours, self._shown = classes, colours, np.flatnonzero(shown)
        # Of hidden atoms none is found under the pointer.
        self._tree = cKDTree(self.points[self._shown])
        for line in self._lines.values():
            line.remove()
        self._lines = {}
        present, counts = np.unique(classes[self._shown], return_counts=True)
        for rank, k in enumerate(present[np.argsort(-counts, kind="stable")]):
            line = self._lines[int(k)] = self._new_line(int(k), zorder=2 + rank / len(present))
            line.set_data(*self.points[shown & (classes == k)].T)
        self.light(self.lit)

    def _new_line(self, k: int, **kwargs: Any) -> Line2D:
        colour = self._colours[[k]]
        (line,) = self.ax.plot(
            [], [], linestyle="none", marker="o", markersize=self.size, markerfacecolor=colour[0],
            # The outline would dominate a small marker.
            markeredgecolor=contrast_colours(colour)[0],
            markeredgewidth=0.3 if self.size > 3 else 0.0, **kwargs,
        )  # fmt: skip
        return line

    def colour_counts(self) -> dict[int, int]:
        """Number of points drawn in the colour of each class that occurs."""
        return {k: np.size(line.get_xdata()) for k, line in self._lines.items()}

    def light(self, indices: NDArray[np.intp]) -> None:
        """Highlight only the given atoms."""
        self.lit = indices
        many = len(indices) > MOST_RINGS
        self._veil.set_visible(many)
        for line in self._lit_lines.values():
            line.remove()
        self._lit_lines = {}
        if many:
            classes = self._classes[indices]
            for k in np.unique(classes):
                line = self._new_line(int(k), animated=True, zorder=6)
                line.set_data(*self.points[indices[classes == k]].T)
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
        """Shown atom nearest to a position in data coordinates, if it is close on the screen."""
        if not len(self._shown):
            return None
        index = self._shown[self._tree.query([x, y])[1]]
        there = self.ax.transData.transform(np.array([self.points[index], [x, y]]))
        return int(index) if np.hypot(*(there[0] - there[1])) <= REACH else None

    def inside(self, polygon: NDArray[np.float64]) -> NDArray[np.intp]:
        """Shown atoms inside a polygon (k, 2) in data coordinates."""
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        points = self.points[self._shown]
        near = self._shown[((points >= low) & (points <= high)).all(axis=1)]
        return near[Path(polygon).contains_points(self.points[near])]


class PatchPanel:
    """Patch of one atom, its reconstruction from moments, and their spectrum."""

    def __init__(self, axes: tuple[Axes, Axes, Axes], state: ExplorerState) -> None:
        self.state = state
        self.shown: int | None = None
        titles = "atom under pointer", "from its moments"
        self.pictures: list[AxesImage] = []
        for ax, title in zip(axes[:2], titles, strict=True):
            ax.set_title(title, fontsize="small")
            ax.set(xticks=[], yticks=[])
            self.pictures.append(ax.imshow(np.full((2, 2), np.nan), cmap="gray", animated=True))
        self._note = axes[1].text(
            0.5, 0.5, "", transform=axes[1].transAxes, ha="center", va="center", fontsize="x-small",
            animated=True,
        )  # fmt: skip
        ax = axes[2]
        ax.set_yticks([])
        ax.tick_params(labelsize="x-small")
        ax.set_xlabel("n", fontsize="small", style="italic", labelpad=1)
        ax.set_title(r"$|A_{nm}|$", fontsize="small")
        _, pairs = group_magnitudes(np.zeros((1, len(state.modes))), state.modes)
        even = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))[::2]
        names = [str(n) for n in pairs[even, 0]]
        ax.set(xlim=(-1, len(pairs)), ylim=(0, 1.05), xticks=even, xticklabels=names)
        self._bars = ax.plot([], [], color="0.25", linewidth=1.6, animated=True)[0]

    @property
    def moving(self) -> list[Artist]:
        """Artists over the stored background, in order."""
        return [*self.pictures, self._note, self._bars]

    def show(self, index: int | None) -> bool:
        """Show another atom; return False if it is already shown."""
        if index is None or index == self.shown:
            return False
        self.shown = index
        patch, again = self.state.patch(index), self.state.reconstruct(index)
        magnitudes, pairs = group_magnitudes(self.state.moments(index)[None], self.state.modes)
        known = bool(magnitudes.any())
        self._note.set_text("" if known else "no moments:\ntoo near the border")
        for picture, values in zip(
            self.pictures, (patch, again if known else np.full_like(again, np.nan)), strict=True
        ):
            picture.set_data(values)
            size = len(values) - 0.5
            picture.set_extent((-0.5, size, size, -0.5))
            # One grey scale for both: a difference in contrast is a difference.
            picture.set_clim(float(np.nanmin(patch)), float(np.nanmax(patch)))
        bars = np.zeros((len(pairs), 3))
        bars[:, 1], bars[:, 2] = magnitudes[0] / max(float(magnitudes.max()), 1e-12), np.nan
        self._bars.set_data(np.repeat(np.arange(len(pairs)), 3), bars.ravel())
        return True


class MeansPanel:
    """Strip with the mean patch, name and count of every motif; a click selects the motif."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        self.motifs: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self.columns = 1
        self._drawn: list[Artist] = []
        ax.set_axis_off()

    def draw(self, state: ExplorerState) -> None:
        """Draw the strip again; a circle shows the compared radius, a faint patch a hidden motif."""
        ax = self.ax
        # Clearing the axes, and patches that move their limits, would take longer than all else.
        for artist in self._drawn:
            artist.remove()
        self._drawn = []
        means, colours, visible = state.mean_patches(), identity_colours(state), set(state.visible_motifs)
        self.motifs = np.array(sorted(means))
        box = ax.get_window_extent()
        n = len(self.motifs)
        # Fields slightly higher than wide, so that the strip is filled for 3 and for 40 motifs.
        rows = max(1, int(np.round(np.sqrt(n * box.height / box.width / 1.5))))
        self.columns = -(-n // rows)
        side = min(0.9 * box.width / self.columns, 0.62 * box.height / rows)
        width, height = side * self.columns / box.width, side * rows / box.height
        size = "x-small" if rows == 1 else "xx-small"
        low, high = min(m.min() for m in means.values()), max(m.max() for m in means.values())
        circle = state.radius * state.spacing / state.patch_reach
        for i, (k, mean) in enumerate(means.items()):
            left, top = i % self.columns + (1 - width) / 2, i // self.columns + 0.03
            alpha = 1.0 if k in visible else 0.25
            extent = (left, left + width, top + height, top)
            picture = ax.imshow(
                mean, cmap="gray", vmin=low, vmax=high, aspect="auto", extent=extent, zorder=1, alpha=alpha
            )
            frame: dict[str, Any] = {"fill": False, "edgecolor": colours[k], "alpha": alpha}
            edge = Rectangle((left, top), width, height, zorder=2, linewidth=2.5, **frame)
            middle = left + width / 2, top + height / 2
            ring = Ellipse(middle, circle * width, circle * height, zorder=2, linewidth=0.8, **frame)
            text = f"{state.names[k]}\n{state.counts[k]:,} atoms"
            name = ax.text(middle[0], top + height + 0.04, text, ha="center", va="top", fontsize=size)
            self._drawn += [picture, ax.add_artist(edge), ax.add_artist(ring), name]
        ax.set_xlim(0, self.columns)
        ax.set_ylim(rows, 0)
        ax.set_aspect("auto")

    def motif_at(self, x: float, y: float) -> int | None:
        """Motif in the field at a position in data coordinates."""
        i = int(y) * self.columns + int(x)
        inside = 0 <= x < self.columns and y >= 0 and i < len(self.motifs)
        return int(self.motifs[i]) if inside else None


KEYS = {
    "left": "select the next atom on the left",
    "right": "select the next atom on the right",
    "up": "select the next atom above",
    "down": "select the next atom below",
    "a": "select the whole motifs of the selected atoms",
    "f": "select all shown atoms",
    "escape": "select no atom",
    "n": "new motif of the selected atoms",
    "m": "merge the motifs of the selected atoms",
    "x": "split the motif of the selected atoms",
    "u": "undo the last edit",
    "r": "redo it",
    "h": "hide the motifs of the selected atoms",
    "v": "show all motifs",
    "d": "describe the motifs of the selected atoms",
    "?": "show or hide this list",
}
"""Keys of both explorers, and what they do."""


def key_actions(state: ExplorerState) -> dict[str, Callable[[], object]]:
    """What each key does with an explorer's state; those of "d" and "?" are of the view."""
    hide = lambda: state.show_motifs(set(state.visible_motifs) - set(state.selected_motifs))  # noqa: E731
    actions: dict[str, Callable[[], object]] = {
        "a": lambda: state.select_motifs(state.selected_motifs), "f": state.select_shown,
        "escape": lambda: state.select([]), "n": state.new_motif, "m": state.merge, "x": state.split,
        "u": state.undo, "r": state.redo, "h": hide, "v": state.show_motifs,
        "left": lambda: state.step(-1, 0), "right": lambda: state.step(1, 0), "up": lambda: state.step(0, -1),
        "down": lambda: state.step(0, 1),
    }  # fmt: skip
    return {key: (lambda action=action: state.attempt(action)) for key, action in actions.items()}  # type: ignore[misc]

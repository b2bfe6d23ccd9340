from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._described import DescribedMotifs
from ._hierarchy_figures import HierarchyFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hyperspy_motifs.clustering import MotifTree


# In nearest-neighbour distances: the second shell of a honeycomb or a triangular lattice is at 1.73, with half a column.
_SECOND_SHELL = 2.1


class MotifFigures(HierarchyFigures, DescribedMotifs):
    """Figures of :class:`~hyperspy_motifs.motifs.Motifs`: each passes its arrays to a function of ``draw``."""

    def _image(self, frame: int) -> tuple[np.ndarray, dict[str, Any]]:
        from hyperspy_motifs.draw import image_extent
        from hyperspy_motifs.pipeline import frame as image_of_frame

        stamp = self._refresh().stamp
        image = np.asarray(image_of_frame(self.signal, frame), float)
        return image, {"extent": image_extent(image.shape, stamp.scale, stamp.offset), "units": stamp.units}

    def plot(self, *, frame: int = 0, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the image with its atoms coloured by motif, open circles at empty sites, and a legend with counts.

        Rare motifs are on top, and above 1,000 atoms frequent ones are faded. Outliers (``motifs.defects``) have a ring once
        they have been found, as by ``print(motifs)``.

        Parameters
        ----------
        frame : int, optional
            Flat index of the frame of a stack.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_motifs`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_motifs

        here = self.frames == frame
        image, where = self._image(frame)
        sites = self.sites
        where["vacancies"] = sites.positions[sites.vacant & (sites.frames == frame)]
        where["outliers"] = np.flatnonzero(np.isin(np.flatnonzero(here), self._known_outliers()))
        return plot_motifs(
            self.positions[here], self.labels[here], image, names=self.names, ax=ax, **{**where, **kwargs}
        )

    def plot_defects(
        self,
        kinds: str | Sequence[str] | None = None,
        *,
        frame: int = 0,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Axes:
        """Mark the defects on a muted image, rare kinds on top.

        Parameters
        ----------
        kinds : str or sequence of str, optional
            Only these kinds of ``motifs.defects``.
        frame : int, optional
            Flat index of the frame of a stack.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_defects`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.defects import KINDS
        from hyperspy_motifs.draw import plot_defects

        defects = self.defects if kinds is None else self.defects.select(kinds)
        here = defects.frames == frame
        image, where = self._image(frame)
        options = {**where, "order": KINDS, **kwargs}
        return plot_defects(defects.positions[here], defects.kinds[here], image, ax=ax, **options)

    def plot_layout(
        self,
        colour_by: Any = "motif",
        *,
        radius: float | None = None,
        roi: Any = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Axes:
        """Draw the force-relaxed layout of the atoms.

        Parameters
        ----------
        colour_by : {"motif", "probability", "density"} or array of shape (n,), optional
        radius : float, optional
            One of ``radii``; the chosen one by default.
        roi : hyperspy.api.roi.RectangularROI, CircleROI, PolygonROI or SpanROI, optional
            Draw only the atoms in this region of the image, and follow it when it is moved:
            ``roi.add_widget(s)`` adds it to the plot of the image.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_layout`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_layout

        layout = self.layout if radius is None else self.layout_at(radius)
        choices = {"motif": self.labels, "probability": self.probabilities, "density": None}
        if isinstance(colour_by, str):
            if colour_by not in choices:
                raise ValueError(
                    f"colour_by is {colour_by!r}; expected one of {sorted(choices)} or one value per atom."
                )
            if colour_by == "probability":
                kwargs = {"label": "probability", "vmin": 0, "vmax": 1, **kwargs}
            colour_by = choices[colour_by]
        if roi is None:
            return plot_layout(layout, colour_by, names=self.names, ax=ax, **kwargs)
        return _layout_in_region(self, layout, colour_by, roi, ax, kwargs)

    def plot_means(self, *, symmetry: bool = True, **kwargs: Any) -> Any:
        """Draw the mean patch of each motif with its surroundings, name, point group and count.

        The patches reach to the second shell of neighbours; the circle is the radius within which the atoms were compared.

        Parameters
        ----------
        symmetry : bool, optional
            Whether to write the point group, :attr:`~hyperspy_motifs.motifs.Motifs.symmetries`.
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_means`.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_means

        means = self._surroundings()
        if symmetry:
            kwargs.setdefault("symmetries", self.symmetries)
        pixel_size = means.axes_manager.signal_axes[0].scale
        where = {
            "pixel_size": pixel_size,
            "units": self.units,
            "radius": self.radius * self.parameters["spacing"],
        }
        return plot_means(np.asarray(means.data), self.counts, names=self.names, **{**where, **kwargs})

    def _surroundings(self) -> Any:
        """Mean patch of each motif to the second shell, or to the compared radius where that is larger."""
        from hyperspy_motifs.pipeline import means_of_record, radius_in_pixels

        record = self._refresh()
        reach = radius_in_pixels(record, max(self.radius, _SECOND_SHELL))
        return self._cached("surroundings", lambda: means_of_record(self.signal, record, reach))

    def plot_cells(
        self, colour_by: Any = "class", *, frame: int = 0, ax: Axes | None = None, **kwargs: Any
    ) -> Axes:
        """Draw the cells over the image.

        Parameters
        ----------
        colour_by : str or array of shape (m,), optional
            "class", "corners", "shape", "handedness" or "centre_atom", with a legend; "area"; "orientation", in
            cyclic colours; "strain" (the change of area) and its components "strain_xx", "strain_yy",
            "strain_xy", relative to the mean of the class, in diverging colours.
        frame : int, optional
            Flat index of the frame of a stack.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_cells`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_cells

        from ._cell_colouring import cell_colouring

        cells = self.cells
        if isinstance(colour_by, str):
            colour_by, style = cell_colouring(
                cells, colour_by, self.labels, self.names, self.units, self._missing_motifs()
            )
            kwargs = {**style, **kwargs}
        here = np.flatnonzero(cells.of_points(self.frames) == frame).tolist()
        image, where = self._image(frame)
        corners = cells.with_empty_sites(self.positions)
        polygons = [corners[cells.corners[i]] for i in here]
        return plot_cells(polygons, np.asarray(colour_by)[here], image, ax=ax, **{**where, **kwargs})

    def plot_tree(self, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the splits of the motifs with increasing radius.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_tree`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_tree

        tree = self.tree
        motifs = {"labels": _motif_of_node(tree, self.labels), "names": self.names}
        return plot_tree(tree.parent, tree.size, tree.radius, ax=ax, **{**motifs, **kwargs})

    def report(self, path: str | PathLike[str], *, title: str | None = None, frame: int = 0) -> Path:
        """Write one HTML file with the figures, tables, parameters and versions of this result.

        The file is self-contained, needs no network, and contains no script.

        Parameters
        ----------
        path : str or path
            The file; an existing one is replaced by the complete new one.
        title : str, optional
            Name of the image; its ``metadata.General.title`` by default.
        frame : int, optional
            Flat index of the frame in the figures, for a stack.

        Returns
        -------
        pathlib.Path
            The file that was written.

        Raises
        ------
        ValueError
            If `path` is a folder or the frame has no atoms.
        FileNotFoundError
            If the folder to write into does not exist.
        """
        from ._report import write_report

        return write_report(self, path, title, frame)

    def compare_layouts(self, *, umap: bool | None = None, figure: Any = None, **kwargs: Any) -> Any:
        """Draw the same features by principal components, after each stage of the relaxation and, if installed, by UMAP.

        Parameters
        ----------
        umap : bool, optional
            Whether to include UMAP; by default if umap-learn is installed.
        figure : matplotlib.figure.Figure, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.compare_layouts`.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import compare_layouts
        from hyperspy_motifs.relaxation import layouts_to_compare

        values, known = self._noise_units()
        layouts = layouts_to_compare(
            values, random_state=self.parameters["options"]["random_state"], umap=umap
        )
        return compare_layouts(layouts, self.labels[known], names=self.names, figure=figure, **kwargs)

    def animate_relaxation(self, *, every: int = 2, ax: Axes | None = None, **kwargs: Any) -> Any:
        """The relaxation of the atoms at the chosen radius as a movie.

        Parameters
        ----------
        every : int, optional
            Steps between frames.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.animate_relaxation`.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            Keep a reference to it while it runs; its ``save`` writes a file.
        """
        from hyperspy_motifs.draw import animate_relaxation

        history, known = self._relaxation(every)
        return animate_relaxation(history, self.labels[known], names=self.names, ax=ax, **kwargs)

    def get_relaxation(self, *, every: int = 2, size: int = 256) -> Any:
        """The relaxation of the atoms at the chosen radius as a HyperSpy stack: density of the layout at each step.

        Parameters
        ----------
        every : int, optional
            Steps between frames.
        size : int, optional
            Pixels along a side.

        Returns
        -------
        hyperspy.signals.Signal2D
            Navigation axis: steps; signal axes: the plane of the layout.
        """
        from hyperspy.signals import Signal2D

        from hyperspy_motifs.relaxation import film_frames

        history, _ = self._relaxation(every)
        images, low, step = film_frames(history, size)
        plane = {"scale": step, "offset": low + step / 2, "size": size, "navigate": False}
        axes = [
            {"name": "step", "size": len(images), "scale": every, "navigate": True},
            {"name": "FR 2", **plane},
            {"name": "FR 1", **plane},
        ]
        film = Signal2D(images, axes=axes)
        film.metadata.General.title = "Force-relaxed layout, step by step"
        return film

    def _noise_units(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of the chosen radius in units of noise, and the atoms that have them."""
        from hyperspy_motifs.zernike import invariants, whiten

        moments = self.features.get_moments()
        known = np.flatnonzero(moments.valid)
        moments = moments.take(known)
        turned = self.parameters["options"]["rotation_invariant"]
        values, noise = invariants(moments) if turned else (moments.values, moments.noise_std)
        return whiten(values, noise), known

    def _relaxation(self, every: int) -> tuple[np.ndarray, np.ndarray]:
        from hyperspy_motifs.relaxation import ForceRelaxedLayout

        if int(every) != every or every < 1:
            raise ValueError(f"every is {every!r}; a whole number of steps from 1 is expected.")
        values, known = self._noise_units()
        seed = self.parameters["options"]["random_state"]
        history = ForceRelaxedLayout(history=int(every), random_state=seed).fit(values).history_
        return np.asarray(history), known

    def explore(self, *, frame: int = 0, view: str = "auto", figure: Any = None) -> Any:
        """Open the explorer: linked image, layout, mean patches and lists; edits are applied to the motifs.

        Parameters
        ----------
        frame : int, optional
            Flat index of the frame of a stack.
        view : {"auto", "notebook", "window"}, optional
            "notebook" is a widget that the browser draws; it needs the extra ``gui-jupyter``. "window" is a figure of
            matplotlib, for Qt and other windows. "auto" takes the notebook in Jupyter, unless matplotlib has a window
            (``%matplotlib qt``, ``%matplotlib widget``) or a figure is given.
        figure : matplotlib.figure.Figure, optional

        Returns
        -------
        hyperspy_motifs.draw.Explorer or NotebookExplorer
            Its ``state`` (:class:`~hyperspy_motifs.motifs.ExplorerState`) selects, filters, edits and exports. The widget is
            shown as the result of a cell; keep a reference to it while it is open.

        Raises
        ------
        ValueError
            If the frame has no atoms, or there is no such view.
        ImportError
            If the widget is asked for and not installed.
        """
        from hyperspy_motifs.draw import Explorer, open_notebook_explorer

        from ._explorer_state import ExplorerState, is_in_notebook

        if view not in ("auto", "notebook", "window"):
            raise ValueError(f'view is {view!r}; expected "auto", "notebook" or "window".')
        state = ExplorerState(self, frame)
        if view == "notebook" or (view == "auto" and figure is None and is_in_notebook()):
            try:
                return open_notebook_explorer(state)
            except ImportError as error:
                if view == "notebook":
                    raise
                warnings.warn(str(error), UserWarning, stacklevel=2)
        return Explorer(state, figure=figure)


def _layout_in_region(
    motifs: MotifFigures, layout: np.ndarray, values: Any, roi: Any, ax: Axes | None, options: dict[str, Any]
) -> Axes:
    """The layout of the atoms in a region of interest, on the axes of the whole layout."""
    from hyperspy_motifs.draw import RegionView, inside_roi, plot_layout

    positions, names = motifs.positions, motifs.names
    values = None if values is None else np.asarray(values)
    inside_roi(positions[:0], roi)  # raises an error before drawing
    if values is not None and values.dtype.kind == "f" and "norm" not in options:
        # The colours of the remaining atoms must not change.
        options = {"vmin": values.min(), "vmax": values.max(), **options}
    axes = plot_layout(layout, values, names=names, ax=ax, **options)

    def draw(inside: np.ndarray) -> None:
        axes.set(xticks=[], yticks=[])
        if inside.any():
            chosen = None if values is None else values[inside]
            plot_layout(layout[inside], chosen, names=names, ax=axes, **options)

    RegionView(axes, positions, roi, draw)
    return axes


def _motif_of_node(tree: MotifTree, labels: np.ndarray) -> np.ndarray:
    """Motif of each node of the tree with the same atoms as the motif; -1 for other nodes."""
    parent, leaf = tree.parent, tree.leaf_of
    counts = np.zeros((len(parent), int(labels.max(initial=-1)) + 1), dtype=np.int64)
    node = leaf.copy()
    while (inside := node >= 0).any():
        np.add.at(counts, (node[inside], labels[inside]), 1)
        node = np.where(inside, parent[node], -1)
    held = counts.sum(axis=1)
    is_motif = (counts == held[:, None]) & (counts == np.bincount(labels)) & (held[:, None] > 0)
    return np.where(is_motif.any(axis=1), is_motif.argmax(axis=1), -1)

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._described import draw_description, mean_moments, noise_units, relaxation_history, surroundings
from ._levels import cell_colouring, layout_colouring, level_words, motif_of_node, named_values
from ._views import frame_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from ._motifs import Motifs


class MotifPlots:
    """``motifs.plot``: the figures of a result. ``motifs.plot()`` draws the image with its atoms coloured by motif.

    Every figure passes its arrays, and further keywords, to a function of :mod:`hyperspy_motifs.draw`, and returns the axes. It
    is drawn on `ax`, or on a new figure. `frame` is the flat index of the frame of a stack.

    Parameters
    ----------
    motifs : Motifs

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
    >>> motifs = s.find_motifs(show_progressbar=False)
    >>> motifs.plot.layout(colour_by="probability").get_xlabel()
    'FR 1'
    """

    def __init__(self, motifs: Motifs) -> None:
        self._motifs = motifs

    def __call__(self, *, frame: int = 0, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the image with its atoms coloured by motif, open circles at empty sites, and a legend with counts.

        Rare motifs are on top, and above 1,000 atoms frequent ones are faded. Outliers (``motifs.defects``) have a ring once
        they have been found, as by ``print(motifs)``.

        Parameters
        ----------
        frame : int, optional
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_motifs`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_motifs

        motifs = self._motifs
        here = motifs.frames == frame
        image, where = motifs._image(frame)
        sites = motifs.sites
        where["vacancies"] = sites.positions[sites.vacant & (sites.frames == frame)]
        where["outliers"] = np.flatnonzero(np.isin(np.flatnonzero(here), motifs._known_outliers()))
        where |= {"names": motifs.names, **kwargs}
        return plot_motifs(motifs.positions[here], motifs.labels[here], image, ax=ax, **where)

    def layout(
        self,
        colour_by: ArrayLike | None = "motif",
        *,
        radius: float | None = None,
        roi: object = None,
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
        from hyperspy_motifs.draw import plot_layout, plot_layout_in_region

        motifs = self._motifs._with_atoms()
        layout = motifs.layout if radius is None else motifs.at(radius).layout
        if isinstance(colour_by, str):
            colour_by, style = layout_colouring(motifs, colour_by)
            kwargs = {**style, **kwargs}
        if roi is None:
            return plot_layout(layout, colour_by, names=motifs.names, ax=ax, **kwargs)
        return plot_layout_in_region(
            layout, motifs.positions, roi, colour_by, names=motifs.names, ax=ax, **kwargs
        )

    def means(self, *, symmetry: bool = True, **kwargs: Any) -> np.ndarray:
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

        motifs = self._motifs._with_atoms()
        means = surroundings(motifs)
        if symmetry:
            kwargs.setdefault("symmetries", motifs.symmetries)
        pixel_size = means.axes_manager.signal_axes[0].scale
        where = {
            "pixel_size": pixel_size,
            "units": motifs.units,
            "radius": motifs.radius * motifs.parameters["spacing"],
        }
        return plot_means(np.asarray(means.data), motifs.counts, names=motifs.names, **{**where, **kwargs})

    def tree(self, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
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

        motifs = self._motifs._with_atoms()
        tree = motifs.tree
        kwargs = {"labels": motif_of_node(tree, motifs.labels), "names": motifs.names, **kwargs}
        return plot_tree(tree.parent, tree.size, tree.radius, ax=ax, **kwargs)

    def defects(
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
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_defects`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.defects import KINDS
        from hyperspy_motifs.draw import motif_colour, plot_defects

        defects = self._motifs.defects.select(KINDS if kinds is None else kinds)
        (image, where), here = self._motifs._image(frame), defects.frames == frame
        shown = [defects.label(k) for k in np.flatnonzero(here).tolist()]
        rows = zip(shown, defects.motifs[here].tolist(), strict=True)
        colours = {label: motif_colour(motif) for label, motif in rows if label not in KINDS}
        kwargs = {**where, "order": [*KINDS, *sorted(colours)], "colours": colours, **kwargs}
        return plot_defects(defects.positions[here], shown, image, ax=ax, **kwargs)

    def values(
        self, values: ArrayLike = "probability", *, frame: int = 0, ax: Axes | None = None, **kwargs: Any
    ) -> Axes:
        """Draw a value of every atom over the image.

        Parameters
        ----------
        values : str or array of shape (n,) or (n, 2), optional
            "probability" of the motif; "disorder", the distance to the local manifold beyond noise; "manifold", the
            first two coordinates of the continuum; "roughness", the difference of the coordinates from those of the
            neighbours; "angle" in degrees, of rotation-invariant motifs; another column of :meth:`Motifs.to_dict`, such as
            "outlier_score" after ``predict``; or one or two values per atom.
        frame : int, optional
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_values`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_values

        motifs = self._motifs
        options: dict[str, Any] = {}
        array = named_values(motifs, values, options) if isinstance(values, str) else np.asarray(values)
        if array.shape[:1] != motifs.frames.shape:
            raise ValueError(
                f"values have the shape {array.shape}; one for each of {len(motifs.frames)} atoms is expected."
            )
        here = motifs.frames == frame
        image, where = motifs._image(frame)
        return plot_values(
            motifs.positions[here], array[here], image, ax=ax, **{**where, **options, **kwargs}
        )

    def heights(self, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the histogram of the fitted heights of the columns of each motif.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_heights`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_heights

        motifs = self._motifs
        heights = motifs.to_dict().get("amplitude")
        if heights is None:
            raise ValueError(
                "These atoms have no fitted heights: find_atoms(), or find_motifs() without atoms, fits them."
            )
        return plot_heights(heights, motifs.labels, ax=ax, **{"names": motifs.names, **kwargs})

    def manifold(self, colour_by: ArrayLike | None = None, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the atoms in the first two coordinates of their continuum.

        Parameters
        ----------
        colour_by : array of shape (n,), optional
            Values for the colours; by default the colours of ``motifs.plot.values("manifold")``.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_manifold`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_manifold

        return plot_manifold(self._motifs.manifold.coordinates, colour_by, ax=ax, **kwargs)

    def spectrum(self, motifs: Sequence[int] | None = None, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the mean Zernike spectrum of motifs, which shows the orders that distinguish them regardless of
        rotation.

        Parameters
        ----------
        motifs : sequence of int, optional
            The six most frequent by default, because more lines overlap.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_zernike_spectrum`.

        Returns
        -------
        matplotlib.axes.Axes
            Error bars are standard deviations of the mean due to the noise of the image.
        """
        from hyperspy_motifs.draw import plot_zernike_spectrum

        chosen = (
            range(min(6, self._motifs.n_motifs)) if motifs is None else self._motifs._check_motifs(motifs)
        )
        means, known = mean_moments(self._motifs._with_atoms())
        shown = [k for k in chosen if k in known]
        rows = [known.index(k) for k in shown]
        return plot_zernike_spectrum(
            means.values[rows], means.modes, errors=means.noise_std[rows], ax=ax,
            **{"labels": shown, "names": self._motifs.names, **kwargs}
        )  # fmt: skip

    def description(self, motif: int, *, n_modes: int = 2, figure: Figure | None = None) -> np.ndarray:
        """Draw a motif beside the most similar one, their difference, and the moments in which they differ.

        First the two means with their surroundings, where circles are the radius that was compared; then what is compared: the
        means within this radius as their moments give them, their difference, and the moments that contribute most to it. Of
        rotation-invariant motifs the magnitudes of all moments are drawn.

        Parameters
        ----------
        motif : int
        n_modes : int, optional
            Number of moments, the most important first.
        figure : matplotlib.figure.Figure, optional

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If there is no such motif, or no other one to compare it with.
        """
        return draw_description(self._motifs, motif, n_modes, figure)

    def cells(
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
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_cells`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_cells

        motifs = self._motifs
        cells = motifs.cells
        if isinstance(colour_by, str):
            colour_by, style = cell_colouring(motifs, colour_by)
            kwargs = {**style, **kwargs}
        here = np.flatnonzero(cells.of_points(motifs.frames) == frame).tolist()
        image, where = motifs._image(frame)
        corners = cells.with_empty_sites(motifs.positions)
        polygons = [corners[cells.corners[i]] for i in here]
        return plot_cells(polygons, np.asarray(colour_by)[here], image, ax=ax, **{**where, **kwargs})

    def hierarchy(self, *, pictures: bool = True, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the levels as rows of classes, with their images and components.

        Parameters
        ----------
        pictures : bool, optional
            Whether classes are drawn as mean images instead of symbols.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_hierarchy`: ``most=30`` draws up to 30 classes per level.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_hierarchy

        motifs = self._motifs
        kwargs = {"names": level_words(motifs), **kwargs}
        if pictures:
            kwargs = {"pictures": motifs._class_pictures(), **kwargs}
        return plot_hierarchy(motifs.graph, ax=ax, **kwargs)

    def enrichment(self, *, kind: str = "motif", ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the pairs of classes that are neighbours more or less often than by chance.

        Parameters
        ----------
        kind : str, optional
            "motif", "cell-class" or another kind of class of the graph.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_enrichment`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_enrichment

        kwargs = {"names": level_words(self._motifs), **kwargs}
        return plot_enrichment(self._motifs.graph, kind=kind, ax=ax, **kwargs)

    def populations(self, *, fraction: bool = False, times: Any = None, ax: Axes | None = None) -> Axes:
        """Draw the number of atoms of each motif in each frame, or in one image.

        Bars are standard errors: how much the number varies between fields of the same specimen (multinomial).

        Parameters
        ----------
        fraction : bool, optional
            Draw fractions of the atoms of each frame instead of numbers.
        times : array-like of shape (frames,), optional
            Position of each frame on the x axis; by default the navigation axis, or else the number of the frame.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_populations

        motifs = self._motifs
        times, label = frame_axis(motifs.signal, times)
        counts = motifs.movie.populations
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        errors = np.sqrt(counts * (1 - counts / total))
        return plot_populations(
            counts, errors, times=times, names=motifs.names, fraction=fraction, label=label, ax=ax
        )

    def transitions(self, lag: int = 1, *, ax: Axes | None = None) -> Axes:
        """Draw the probabilities of transitions between motifs over `lag` frames.

        Parameters
        ----------
        lag : int, optional
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_transitions

        found = self._motifs.movie.transitions(lag)
        counts = np.column_stack([found.counts, found.vanished])
        return plot_transitions(found.probabilities, counts, names=self._motifs.names, lag=lag, ax=ax)

    def layouts(self, *, umap: bool | None = None, figure: Figure | None = None, **kwargs: Any) -> Any:
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

        motifs = self._motifs._with_atoms()
        values, known = noise_units(motifs)
        layouts = layouts_to_compare(
            values, random_state=motifs.parameters["options"]["random_state"], umap=umap
        )
        return compare_layouts(layouts, motifs.labels[known], names=motifs.names, figure=figure, **kwargs)

    def relaxation(self, *, every: int = 2, ax: Axes | None = None, **kwargs: Any) -> Any:
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

        motifs = self._motifs._with_atoms()
        history, known = relaxation_history(motifs, every)
        return animate_relaxation(history, motifs.labels[known], names=motifs.names, ax=ax, **kwargs)

"""``AtomicImage``, also lazy, and a complex image, which is rejected in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from hyperspy.signals import ComplexSignal2D, LazyComplexSignal2D, LazySignal2D

from ._image_atoms import ImageAtoms

if TYPE_CHECKING:
    from os import PathLike

    from hyperspy.signals import BaseSignal, Signal2D
    from numpy.typing import ArrayLike

    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.motifs import Motifs

    from ._panel import MotifPanel
    from ._patches_and_analysis import AtomPatches


def plot_motifs(signal: BaseSignal, motifs: Motifs, frame: int | None, cells: bool, **kwargs: object) -> None:
    """Plot `signal` with one set of markers per motif, optionally the cells, and a legend with counts."""
    from hyperspy_motifs.draw import MotifSwitch, add_motif_legend

    navigation_shape = signal.axes_manager.navigation_shape
    if frame is not None:
        if not 0 <= frame < int(np.prod(navigation_shape, dtype=int)):
            raise ValueError(
                f"frame is {frame}; this signal has {int(np.prod(navigation_shape, dtype=int))} frames."
            )
        if navigation_shape:
            signal.axes_manager.indices = np.unravel_index(frame, navigation_shape[::-1])[::-1]
    signal.plot(**kwargs)
    markers = motifs.export.markers(cells=cells)
    for marker in markers:
        signal.add_marker(marker, permanent=False, render_figure=False)
    ax = signal._plot.signal_plot.ax
    # The legend does not change when the navigator moves.
    counted: dict[str, Any] = {"title": "motif (atoms in all frames)"} if navigation_shape else {}
    counted["n_vacancies"] = int(motifs.sites.vacant.sum())
    legend = add_motif_legend(
        ax,
        motifs.labels,
        motifs.names,
        location="upper right",
        marker="o",
        **counted,
    )
    present = np.unique(motifs.labels).tolist()
    MotifSwitch(legend, dict(zip(present, markers[len(markers) - len(present) :], strict=True)))
    ax.figure.canvas.draw_idle()


def as_html(signal: BaseSignal) -> str:
    """Representation of an image in a notebook: HyperSpy's line and the result."""
    from html import escape

    from hyperspy_motifs import store
    from hyperspy_motifs.motifs import Motifs

    lines = [repr(signal)]
    if store.has_result(signal):
        try:
            motifs = Motifs(signal)
            many = f"{motifs.n_motifs} motif{'s' if motifs.n_motifs != 1 else ''}"
            lines.append(f"{len(motifs.labels):,} atoms, {many}" if len(motifs.labels) else "no atoms in it")
        except ValueError as error:
            # An invalid result must not prevent the display of the image.
            lines.append(str(error))
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


class AtomicImage(ImageAtoms):
    """An image in which atomic columns are resolved, or a stack of such images.

    Any HyperSpy image becomes one by ``s.set_signal_type("atomic_image")``. Results are stored in its metadata and
    are therefore saved and loaded with it.

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
    >>> motifs = s.find_motifs(show_progressbar=False)
    >>> motifs.n_motifs > 1
    True
    """

    _signal_type = "atomic_image"
    _alias_signal_types = ("AtomicImage", "atomic_resolution_image")

    def _slicer(self, slices: object, isNavigation: bool | None = None, out: object = None) -> object:
        # HyperSpy's inav and isel use this method only: it records the remaining frames of a stack with its motifs.
        sliced = super()._slicer(slices, isNavigation, out=out)
        if isNavigation and out is None and self.axes_manager.navigation_dimension:
            from hyperspy_motifs.pipeline import numbers_of_slice

            numbers_of_slice(self, sliced, slices)
        return sliced

    def _repr_html_(self) -> str:

        return as_html(self)

    @property
    def motifs(self) -> Motifs:
        """The motifs that were found in this image (:class:`~hyperspy_motifs.motifs.Motifs`).

        After a crop they contain only the remaining atoms. They follow a mirrored (``isig[::-1]``) or transposed image, and a
        new calibration. If the pixels have changed otherwise, they are dropped with a warning; of a lazy image only the
        axes are compared.

        Raises
        ------
        AttributeError
            If none were found yet.
        """
        from hyperspy_motifs import store
        from hyperspy_motifs.motifs import Motifs

        # AttributeError, so that hasattr and inspection treat a missing result as a missing attribute.
        if not store.has_result(self):
            raise AttributeError(store.why_missing(self))
        try:
            return Motifs(self)
        except ValueError as error:
            if store.has_result(self):
                raise
            raise AttributeError(str(error)) from error  # dropped: the image has changed

    def level_rows(self) -> AtomicImage:
        """A copy of the image without the offsets of its scan lines, as of topographs and of emission noise.

        :meth:`find_atoms` and :meth:`find_motifs` do the same inside; this is for other uses of the image. An image in which
        :func:`hyperspy_motifs.atoms.measure_scan_lines` finds no offsets is not changed.

        Returns
        -------
        AtomicImage
            Of floating-point numbers.
        """
        from hyperspy_motifs.pipeline import level_rows

        return level_rows(self)

    def get_atom_patches(
        self, atoms: object = None, *, radius: float = 1.2, radius_units: str = "nn", normalise: bool = True
    ) -> AtomPatches:
        """The disc around each atom, sampled at its sub-pixel centre.

        Parameters
        ----------
        atoms : optional
            As in :meth:`find_motifs`. By default those of ``s.motifs``, or else those of ``s.atoms``, or else they
            are found.
        radius : float, optional
            Radius of the disc.
        radius_units : {"nn", "axes"}
            Whether `radius` is in nearest-neighbour distances or in the units of the axes.
        normalise : bool, optional
            Divide by the local mean and remove slow background, as :meth:`find_motifs` does.

        Returns
        -------
        AtomPatches
            Navigation axis: the atoms with at least 70 % of the disc inside the image; signal axes x, y with 0 at the
            atom.
        """
        from hyperspy_motifs.pipeline import get_atom_patches

        return get_atom_patches(self, atoms, radius, radius_units, normalise)

    def get_zernike_map(
        self, n_max: int = 8, *, radius: float, modes: Sequence[Sequence[int]] | None = None
    ) -> Signal2D:
        """Zernike moments of the disc around every pixel, by fast Fourier transform.

        Parameters
        ----------
        n_max : int, optional
            Highest radial order.
        radius : float
            Radius of the disc in axis units.
        modes : sequence of (n, m), optional
            Only these modes.

        Returns
        -------
        hyperspy.signals.Signal2D
            Navigation axis: modes; signal axes: those of the image.
        """
        from hyperspy_motifs.pipeline import get_zernike_map

        return get_zernike_map(self, n_max, radius, modes)

    def find_motifs(
        self,
        atoms: Any = None,
        *,
        detectors: Any = None,
        separation: float | None = None,
        polarity: str = "auto",
        refine: bool | str = True,
        radius: str | float = "auto",
        radius_units: str = "nn",
        n_max: int | str | None = None,
        rotation_invariant: bool = False,
        n_motifs: int | None = None,
        min_motif_size: int = 5,
        alpha: float = 0.01,
        random_state: int = 0,
        complete: bool = True,
        mask: ArrayLike | BaseSignal | None = None,
        checkpoint: str | PathLike[str] | None = None,
        show_progressbar: bool | None = None,
        interactive: bool = False,
    ) -> Motifs | MotifPanel:
        """Find the motifs of the image: its atoms, classified by their local structure, without labels.

        Atoms are found and refined. The disc around each atom is described by Zernike moments. A layout of the
        moments is computed by attraction and repulsion [1]_. Groups that differ significantly are the motifs. The
        smallest radius separates species. A group at a larger radius is a motif unless the kinds of the neighbours
        explain it; in that case it is an environment. ``motifs.radii`` lists the radii. A given `radius` is the only one
        that divides the kinds.

        Parameters
        ----------
        atoms : array-like of shape (n, 2), object or file of another tool, peak finder, or "grid", optional
            x, y in the units of the axes, or anything that :func:`hyperspy_motifs.exchange.read_atoms` reads: results of
            ``find_peaks``, markers, data frames, ASE and pymatgen structures, atomap, AtomAI, StatSTEM, and their files.
            Given positions are used without a search, and with ``refine=False`` unchanged. By default atoms are searched
            for, unless they were edited manually (:meth:`add_atoms`, :meth:`remove_atoms`); then the edited atoms are used.
            A peak finder (:class:`~hyperspy_motifs.atoms.PeakFinder`), ``"atomap"`` or a function, searches in place of the
            package. "grid" uses patches on a triangular grid, for images in which columns overlap; ``print(motifs)`` reports
            overlap.
        detectors : AtomicImage or list of AtomicImage, optional
            Images of the same scan by other detectors. Atoms are found in this image; the features of all detectors
            are combined, each in units of its own noise.
        separation : float, optional
            Distance of nearest columns in axis units. Estimated if not given.
        polarity : {"auto", "bright", "dark"}
            Whether columns are bright or dark.
        refine : bool or {"gaussian", "center_of_mass", "atomap"}
            How positions are refined.
        radius : "auto" or float
            Radius of the compared neighbourhood; "auto" chooses that of the irreducible motifs, and
            ``print(motifs)`` gives the reason.
        radius_units : {"nn", "axes"}
            With "nn" `radius` is in nearest-neighbour distances, and motifs are found at the default radii as well. With
            "axes" it is in the units of the axes, and the only radius.
        n_max : int or "auto", optional
            Highest radial order of the moments; 8 if not given, at every radius. Larger values are used at radii with
            sufficient pixels (:func:`hyperspy_motifs.zernike.limit_n_max`). "auto" chooses it for each radius by
            signal and noise (:func:`hyperspy_motifs.zernike.choose_basis`), which is useful for reconstruction and
            drawing. It does not improve motifs, because they differ in the lower orders.
        rotation_invariant : bool, optional
            Whether sites that are equal up to a rotation (or reflection) are one motif.
        n_motifs : int, optional
            Number of motifs, at which the tree is cut; a warning is given if fewer differ significantly.
        min_motif_size : int, optional
            Fewest atoms of a motif, 5 or more.
        alpha : float, optional
            Significance level of the test of every split: the probability of a false split of a single motif.
        random_state : int, optional
            The same image and number give the same labels, bit for bit.
        complete : bool, optional
            Whether to complete the atoms by what repeats: places where the structure repeats are measured, missed columns are
            added, false ones removed, and the places without a column are the empty ones of ``motifs.sites``. Given atoms
            are not changed.
        mask : array of bool (rows, columns), signal or HyperSpy ROI, optional
            Where there is no data: True, or inside the ROI. No atoms are found there, and discs that reach into it are cut by
            it. It is kept with the image for later calls; False forgets it. NaN, fill, scale bars, dead and hot pixels are
            found without it.
        checkpoint : path, optional
            Folder in which the results of every frame of a stack are stored, so that an interrupted run can continue.
            A folder of another run is rejected. The folder can be removed after the run.
        show_progressbar : bool, optional
            HyperSpy's preference if not given.
        interactive : bool, optional
            In Jupyter: show a panel with the parameters and a preview on a part of the image. Needs ipywidgets from
            the extra ``gui-jupyter``.

        Returns
        -------
        Motifs
            Also available as ``s.motifs``, and after loading. An earlier result is replaced only after success. With
            ``interactive=True`` the :class:`~hyperspy_motifs.signals.MotifPanel`, whose ``motifs`` are set by its
            button.

        Raises
        ------
        ValueError, TypeError
            If the image or an argument cannot be used; the message states the expected input and a remedy.

        References
        ----------
        .. [1] Dan et al., "Learning motifs and their hierarchies in atomic resolution microscopy",
           Science Advances 8, eabk1005 (2022), doi:10.1126/sciadv.abk1005.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
        >>> motifs = s.find_motifs(show_progressbar=False)
        >>> len(motifs.labels) == len(motifs.positions)
        True
        """
        from hyperspy_motifs.pipeline import FindOptions, find_motifs, set_mask

        set_mask(self, mask)
        options = FindOptions(
            separation=separation,
            polarity=polarity,
            refine=refine,
            radius=radius,
            radius_units=radius_units,
            n_max=n_max,
            rotation_invariant=rotation_invariant,
            n_motifs=n_motifs,
            min_motif_size=min_motif_size,
            alpha=alpha,
            random_state=random_state,
            complete=complete,
        )
        if interactive:
            from ._panel import MotifPanel

            others = {"detectors": detectors, "checkpoint": checkpoint, "show_progressbar": show_progressbar}
            panel = MotifPanel(self, atoms=atoms, **asdict(options), **others)
            panel.gui()
            return panel
        find_motifs(self, atoms, options, detectors, checkpoint, show_progressbar)
        return self.motifs

    def gui(self, **parameters: Any) -> MotifPanel:
        """Show a panel with the parameters of :meth:`find_motifs` and a preview on a part of the image, in Jupyter.

        Parameters
        ----------
        **parameters
            Initial values: arguments of :meth:`find_motifs` by name.

        Returns
        -------
        MotifPanel
            Its ``motifs`` are set by its button.

        Raises
        ------
        ImportError
            If ipywidgets, from the extra ``gui-jupyter``, is not installed.
        """
        return self.find_motifs(**parameters, interactive=True)  # type: ignore[return-value]

    def apply_model(
        self,
        model: MotifModel | str | PathLike[str],
        *,
        atoms: object = None,
        detectors: object = None,
        show_progressbar: bool | None = None,
    ) -> Motifs:
        """Assign the atoms of this image to the motifs of a model.

        Parameters
        ----------
        model : path or hyperspy_motifs.models.MotifModel
            File of :meth:`MotifModel.save() <hyperspy_motifs.models.MotifModel.save>`, or ``motifs.model``.
        atoms : optional
            As in :meth:`find_motifs`; found if not given.
        detectors : AtomicImage or list of AtomicImage, optional
            Images of the same scan by the further detectors of the model, in the same order.
        show_progressbar : bool, optional

        Returns
        -------
        Motifs
            With the numbers and names of the model; see :meth:`Motifs.predict
            <hyperspy_motifs.motifs.Motifs.predict>`.

        Raises
        ------
        ValueError
            If the file is not a model, or if it was written by a later version of this package.
        """
        from hyperspy_motifs.models import MotifModel, load_model
        from hyperspy_motifs.motifs import Motifs
        from hyperspy_motifs.pipeline import predict

        if not isinstance(model, MotifModel):
            model = load_model(model)
        predict(model, self, atoms, show_progressbar, detectors=detectors)
        return Motifs(self)

    def _update_model(
        self, model: MotifModel, images: Sequence[BaseSignal], detectors: Sequence[object] | None = None
    ) -> MotifModel:
        """See :meth:`hyperspy_motifs.models.MotifModel.update`, which calls it of the first of its images."""
        from hyperspy_motifs.collection import update_model

        return update_model(model, images, detectors)

    def plot_motifs(self, *, frame: int | None = None, cells: bool = False, **kwargs: object) -> None:
        """Plot the image with HyperSpy, with one coloured set of markers per motif, and a legend with counts.

        Parameters
        ----------
        frame : int, optional
            Of a stack: show this frame. If not given, the markers follow the navigator.
        cells : bool, optional
            Draw the motif-cells as well.
        **kwargs
            Passed to :meth:`plot` (``cmap``, ``vmin``, ``scalebar`` ...).
        """

        plot_motifs(self, self.motifs, frame, cells, **kwargs)


class LazyAtomicImage(LazySignal2D, AtomicImage):
    """AtomicImage whose data are a dask array: data are read on demand."""


class ComplexAtomicImage(ComplexSignal2D):
    """A complex image, such as an exit wave or a Fourier transform. Its amplitude or its phase may be an atomic image.

    HyperSpy chooses the class of a signal by its numbers. Without this class a complex signal would have no
    ``find_motifs`` at all, and the error would not say why.
    """

    _signal_type = "atomic_image"

    def find_motifs(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Reject the image.

        Raises
        ------
        TypeError
            In every case.
        """
        raise TypeError(
            "The image is complex. One real number a pixel is expected: use signal.amplitude.find_motifs() or "
            "signal.phase.find_motifs()."
        )

    find_atoms = apply_model = estimate_polarity = estimate_atom_separation = edit_atoms = find_motifs


class LazyComplexAtomicImage(ComplexAtomicImage, LazyComplexSignal2D):
    """A lazy complex image."""

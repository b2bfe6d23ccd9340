from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._image_atoms import ImageAtoms

if TYPE_CHECKING:
    from hyperspy.signals import Signal2D

    from hyperspy_motifs.motifs import Motifs

    from ._atom_patches import AtomPatches
    from ._panel import MotifPanel


class AtomicImage(ImageAtoms):
    """An image in which atomic columns are resolved, or a stack of such images.

    Any HyperSpy image becomes one by ``s.set_signal_type("atomic_image")``. Results live in its metadata, so they are
    saved with it and come back with it.

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

    def _slicer(self, slices: Any, isNavigation: bool | None = None, out: Any = None) -> Any:
        # The one place that HyperSpy's inav and isel go through: what they leave of a stack is noted with its motifs.
        sliced = super()._slicer(slices, isNavigation, out=out)
        if isNavigation and out is None and self.axes_manager.navigation_dimension:
            from ._frames import numbers_of_slice

            numbers_of_slice(self, sliced, slices)
        return sliced

    def _repr_html_(self) -> str:
        from ._plotting import as_html

        return as_html(self)

    @property
    def motifs(self) -> Motifs:
        """The motifs that were found in this image (:class:`~hyperspy_motifs.motifs.Motifs`).

        After a crop they are those of the atoms that remain.

        Raises
        ------
        AttributeError
            If none were found yet.
        """
        from hyperspy_motifs import store
        from hyperspy_motifs.motifs import Motifs

        # AttributeError, so that hasattr and everything that inspects an object finds a property that is not there yet.
        if not store.has_result(self):
            raise AttributeError("This image has no motifs yet. Call find_motifs() first.")
        return Motifs(self)

    def level_rows(self) -> AtomicImage:
        """A copy of the image whose scan lines are level: none is brighter or darker than those beside it.

        For topographs and for emission noise. Offsets that change over 25 lines or more are left to the background, which is
        taken off anyway.

        Returns
        -------
        AtomicImage
            Of floating-point numbers.
        """
        from ._quality import level_rows

        return level_rows(self)

    def get_atom_patches(
        self, atoms: Any = None, *, radius: float = 1.2, radius_units: str = "nn", normalise: bool = True
    ) -> AtomPatches:
        """The disc round each atom, sampled at its sub-pixel centre.

        Parameters
        ----------
        atoms : optional
            As in :meth:`find_motifs`. If not given, those of ``s.motifs``, else those of ``s.atoms``, else they are found.
        radius : float, optional
            Radius of the disc.
        radius_units : {"nn", "axes"}
            Whether `radius` is in nearest-neighbour distances or in the units of the axes.
        normalise : bool, optional
            Divide by the local mean and remove slow background, as :meth:`find_motifs` does.

        Returns
        -------
        AtomPatches
            Navigation axis: the atoms whose disc lies in the image to 70 % or more; signal axes x, y with 0 at the atom.
        """
        from ._patch_extraction import get_atom_patches

        return get_atom_patches(self, atoms, radius, radius_units, normalise)

    def get_zernike_map(self, n_max: int = 8, *, radius: float, modes: Any = None) -> Signal2D:
        """Zernike moments of the disc round every pixel, by fast Fourier transform.

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
        from ._patch_extraction import get_zernike_map

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
        random_state: int = 0,
        mask: Any = None,
        checkpoint: Any = None,
        show_progressbar: bool | None = None,
        interactive: bool = False,
    ) -> Motifs | MotifPanel:
        """Find the motifs of the image: its atoms, classed by their local structure, without labels.

        Atoms are found and refined, the disc round each is described by Zernike moments, the moments are laid out by
        attraction and repulsion [1]_ and the groups that differ by more than noise are the motifs. Several radii
        are compared in turn: within a small one an atom is its species, within larger ones its bonds and its second
        shell. ``motifs.radii`` lists them, ``radius`` chooses which one gives the labels.

        Parameters
        ----------
        atoms : array-like of shape (n, 2), AtomTable, atomap.Sublattice, atomap.Atom_Lattice or "grid", optional
            x, y in the units of the axes. Given, nothing is searched, and with ``refine=False`` nothing is moved. Not
            given, atoms are searched, except where they were edited by hand (:meth:`add_atoms`, :meth:`remove_atoms`):
            then those are taken. "grid" takes patches on a triangular grid, for images in which columns overlap;
            ``print(motifs)`` says where that is so.
        detectors : AtomicImage or list of AtomicImage, optional
            Images of the same scan by other detectors. Atoms are found in this image; the features of all stand side by
            side, each in units of its own noise.
        separation : float, optional
            Distance of nearest columns in axis units. Estimated if not given.
        polarity : {"auto", "bright", "dark"}
            Whether columns are bright or dark.
        refine : bool or {"gaussian", "center_of_mass", "atomap"}
            How positions are refined.
        radius : "auto" or float
            Radius of the neighbourhood whose motifs are taken; "auto" takes the smallest that separates the frequent
            sites, and ``print(motifs)`` says which and why.
        radius_units : {"nn", "axes"}
            With "nn" `radius` is in nearest-neighbour distances, and motifs are found at the default radii as well. With
            "axes" it is in the units of the axes, and the only radius.
        n_max : int or "auto", optional
            Highest radial order of the moments; 8 if not given, at every radius. Larger ones hold for the radii whose
            pixels can tell them apart (:func:`hyperspy_motifs.zernike.limit_n_max`). "auto" chooses it for each radius by
            signal and noise (:func:`hyperspy_motifs.zernike.choose_basis`), which serves reconstruction and drawing;
            motifs are no better by it, as what they differ in lies in the lower orders.
        rotation_invariant : bool, optional
            Whether sites that are equal up to a rotation (or reflection) are one motif.
        n_motifs : int, optional
            Cut the tree of motifs to this number; a warning says where fewer differ by more than noise.
        min_motif_size : int, optional
            Fewest atoms of a motif, 5 or more.
        random_state : int, optional
            The same image and number give the same labels, bit for bit.
        mask : array of bool (rows, columns), signal or HyperSpy ROI, optional
            Where there is no data: True, or inside the ROI. No atoms are found there, and discs that reach into it are cut by
            it. It is kept with the image for later calls; False forgets it. NaN, fill, scale bars, dead and hot pixels are
            found without it.
        checkpoint : path, optional
            Folder in which the results of every frame of a stack are kept as they come, so that a run that was interrupted
            goes on where it stopped. A folder of another run is refused; when all is done it may be removed.
        show_progressbar : bool, optional
            HyperSpy's preference if not given.
        interactive : bool, optional
            In Jupyter: show a panel to set the parameters on, with a preview on a part of the image, and find the motifs
            from there. Needs ipywidgets, of the extra ``gui-jupyter``.

        Returns
        -------
        Motifs
            Also there after a load, as ``s.motifs``. An earlier result is replaced only when all has succeeded.
            With ``interactive=True`` the :class:`~hyperspy_motifs.signals.MotifPanel`, whose ``motifs`` they are once its
            button was pressed.

        Raises
        ------
        ValueError, TypeError
            If the image or an argument cannot be used; the message says what was expected and what to do.

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
        from ._checks import set_mask
        from ._motif_finding import find_motifs

        set_mask(self, mask)
        chosen: dict[str, Any] = dict(
            detectors=detectors,
            separation=separation,
            polarity=polarity,
            refine=refine,
            radius=radius,
            radius_units=radius_units,
            n_max=n_max,
            rotation_invariant=rotation_invariant,
            n_motifs=n_motifs,
            min_motif_size=min_motif_size,
            random_state=random_state,
            checkpoint=checkpoint,
            show_progressbar=show_progressbar,
        )
        if interactive:
            from ._panel import MotifPanel

            panel = MotifPanel(self, atoms=atoms, **chosen)
            panel.gui()
            return panel
        return find_motifs(self, atoms, **chosen)

    def apply_model(self, model: Any, *, atoms: Any = None, show_progressbar: bool | None = None) -> Motifs:
        """Give the atoms of this image the motifs that were learned on another.

        Parameters
        ----------
        model : path or hyperspy_motifs.models.MotifModel
            File of :meth:`Motifs.save_model <hyperspy_motifs.motifs.Motifs.save_model>`, or ``motifs.model``.
        atoms : optional
            As in :meth:`find_motifs`; found if not given.
        show_progressbar : bool, optional

        Returns
        -------
        Motifs
            Under the numbers and names of the model; see :meth:`Motifs.predict
            <hyperspy_motifs.motifs.Motifs.predict>`.

        Raises
        ------
        ValueError
            If the file is no model, or one of a later version of this package.
        """
        from hyperspy_motifs.models import MotifModel, load_model
        from hyperspy_motifs.motifs import Motifs

        from ._prediction import predict

        if not isinstance(model, MotifModel):
            model = load_model(model)
        predict(model, self, atoms, show_progressbar)
        return Motifs(self)

    def plot_motifs(self, *, frame: int | None = None, cells: bool = False, **kwargs: Any) -> None:
        """Plot the image in HyperSpy's way, with one marker set a motif, in colour, and a legend with counts.

        Parameters
        ----------
        frame : int, optional
            Of a stack: show this frame. If not given, the markers follow the navigator.
        cells : bool, optional
            Draw the motif-cells as well.
        **kwargs
            Passed to :meth:`plot` (``cmap``, ``vmin``, ``scalebar`` ...).
        """
        from ._plotting import plot_motifs

        plot_motifs(self, self.motifs, frame, cells, **kwargs)

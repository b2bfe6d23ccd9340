from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperspy.signals import Signal2D

if TYPE_CHECKING:
    from hyperspy_motifs.pipeline import AtomTable


class ImageAtoms(Signal2D):
    """The atoms of :class:`~hyperspy_motifs.signals.AtomicImage`: finding, estimation, editing."""

    @property
    def atoms(self) -> AtomTable:
        """The atoms of :meth:`find_atoms`, including later edits; or those of the motifs, if these are newer.

        Raises
        ------
        AttributeError
            If none were found yet.
        """
        from hyperspy_motifs.pipeline import stored_atoms

        table = stored_atoms(self)
        if table is None:
            raise AttributeError("This image has no atoms yet. Call find_atoms() first.")
        return table

    def find_atoms(
        self,
        *,
        separation: float | None = None,
        polarity: str = "auto",
        refine: bool | str = True,
        threshold: float | None = None,
        mask: Any = None,
        show_progressbar: bool | None = None,
    ) -> AtomTable:
        """Find the atomic columns and refine them to a fraction of a pixel.

        Parameters
        ----------
        separation : float, optional
            Distance of nearest columns in axis units. Estimated from the image if not given.
        polarity : {"auto", "bright", "dark"}
            Whether columns are bright, or dark as in annular bright field. Estimated from the image if "auto".
        refine : bool or {"gaussian", "center_of_mass", "atomap"}
            True is "gaussian": a joint fit of 2-D Gaussians on a local background. False gives whole pixels.
        threshold : float, optional
            Response of the weakest column to the band-pass filter, relative to a typical column; 0.1 by default, and
            above the noise.
        mask : array of bool (rows, columns), signal or HyperSpy ROI, optional
            Where there is no data: True, or inside the ROI. No atoms are found there, and discs that reach into it are cut by
            it. It is kept with the image for later calls; False forgets it. NaN, fill, scale bars, dead and hot pixels are
            found without it.
        show_progressbar : bool, optional
            HyperSpy's preference if not given.

        Returns
        -------
        AtomTable
            Also stored in the metadata: ``s.atoms``.

        Raises
        ------
        ValueError, TypeError
            If the image cannot be searched (see the message) or contains no columns.

        See Also
        --------
        find_motifs, add_atoms, remove_atoms, estimate_atom_separation, estimate_polarity
        """
        from hyperspy_motifs.pipeline import find_atoms, keep_atoms, set_mask

        set_mask(self, mask)
        table = find_atoms(
            self, separation, show_progressbar, polarity=polarity, refine=refine, threshold=threshold
        )
        keep_atoms(self, table)
        return table

    def add_atoms(self, positions: Any, *, refine: bool | str = False, frame: int = 0) -> AtomTable:
        """Add atoms to the detected ones.

        Parameters
        ----------
        positions : array-like of shape (k, 2)
            x, y in axis units.
        refine : bool or str, optional
            Whether to refine the new atoms as in :meth:`find_atoms`.
        frame : int, optional
            Flat index of the frame of a stack.

        Returns
        -------
        AtomTable
        """
        from ._atom_editing import add_atoms

        return add_atoms(self, positions, refine, frame)

    def remove_atoms(self, positions: Any, *, frame: int = 0) -> AtomTable:
        """Remove the atoms nearest to the given points.

        Parameters
        ----------
        positions : array-like of shape (k, 2)
            x, y in axis units. Each must lie within half the separation of an atom.
        frame : int, optional
            Flat index of the frame of a stack.

        Returns
        -------
        AtomTable
        """
        from ._atom_editing import remove_atoms

        return remove_atoms(self, positions, frame)

    def edit_atoms(self) -> Any:
        """Plot the image with its atoms and edit them by mouse.

        A click removes an atom, or adds one where there is none; a drag moves it; a rectangle with the right button removes all
        atoms in it. The slider marks weak atoms, which the key ``enter`` removes; ``u`` undoes.

        The editor starts from ``s.atoms``, which are the atoms of the motifs after :meth:`find_motifs` or a load. The next
        ``find_motifs()`` uses the edited atoms.

        Returns
        -------
        AtomEditor
            Keep a reference to it while the figure is open. Every edit is written to ``s.atoms`` at once.
        """
        from hyperspy_motifs.draw import AtomEditor

        return AtomEditor(self)

    def estimate_atom_separation(self, polarity: str = "auto") -> tuple[float, float]:
        """Distance of nearest atomic columns, estimated from the image.

        Returns
        -------
        separation : float
            In axis units.
        certainty : float
            0 to 1; below 0.5 the separation should be given.
        """
        from hyperspy_motifs import atoms, store
        from hyperspy_motifs.pipeline import check_axes, clean_image, data_frame

        check_axes(self)
        image, _ = clean_image(data_frame(self, 0))
        if polarity == "auto":
            polarity, _ = atoms.estimate_polarity(image)
        separation, certainty = atoms.estimate_separation(image, polarity=polarity)
        return float(separation) * abs(store.Stamp.of(self).scale[0]), float(certainty)

    def estimate_polarity(self) -> tuple[str, float]:
        """Whether the columns are bright or dark, estimated from the image.

        Returns
        -------
        polarity : {"bright", "dark"}
        certainty : float
            0 to 1.
        """
        from hyperspy_motifs import atoms
        from hyperspy_motifs.pipeline import check_axes, clean_image, data_frame

        check_axes(self)
        image, _ = clean_image(data_frame(self, 0))
        polarity, certainty = atoms.estimate_polarity(image)
        return str(polarity), float(certainty)

"""The atoms of ``AtomicImage``: finding, estimation, editing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.signals import Signal2D
from scipy.spatial import cKDTree

from hyperspy_motifs import store
from hyperspy_motifs.pipeline import (
    AtomTable,
    check_positions,
    given_atoms,
    keep_atoms,
    n_frames,
    stored_atoms,
)

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from numpy.typing import ArrayLike

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
        mask: ArrayLike | BaseSignal | None = None,
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

    def add_atoms(self, positions: ArrayLike, *, refine: bool | str = False, frame: int = 0) -> AtomTable:
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

        return add_atoms(self, positions, refine, frame)

    def remove_atoms(self, positions: ArrayLike, *, frame: int = 0) -> AtomTable:
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


def add_atoms(signal: BaseSignal, positions: ArrayLike, refine: bool | str, frame: int) -> AtomTable:
    """Atoms of `signal` with new ones at `positions` (x, y in axis units) of one frame appended."""
    stamp = store.Stamp.of(signal)
    old = stored_atoms(signal)
    pixels = check_positions(np.atleast_2d(np.asarray(positions, float)), stamp)
    _check_frame(signal, frame)
    new = AtomTable(stamp.to_units(pixels), pixels, np.full(len(pixels), frame), units=stamp.units)
    if refine:
        new = _refined(signal, new, old, refine)
    if old is None:
        table = AtomTable(
            new.positions, new.pixel_positions, new.frames, new.columns, {"edited": True}, stamp.units
        )
        keep_atoms(signal, table)
        return table
    here = old.pixel_positions[old.frames == frame]
    if len(here):
        distance, nearest = cKDTree(here).query(new.pixel_positions)
        if (distance < 0.5).any():
            x, y = stamp.to_units(here[nearest[distance.argmin()]][None])[0]
            raise ValueError(
                f"There is an atom at x, y = {x:g}, {y:g} {stamp.units} already. Remove it first, or choose another position."
            )
    n_old, n_new = len(old), len(new)
    columns = {}
    for name, values in old.columns.items():
        # The fit parameters of an atom that was added manually are unknown, not zero.
        blank = np.zeros((n_new, *values.shape[1:]), values.dtype)
        if values.dtype.kind == "f":
            blank[:] = np.nan
        columns[name] = np.concatenate([values, new.columns.get(name, blank)])
    table = AtomTable(
        np.concatenate([old.positions, new.positions]),
        np.concatenate([old.pixel_positions, new.pixel_positions]),
        np.concatenate([old.frames, new.frames]),
        columns,
        {**old.facts, "edited": True},
        stamp.units,
    )
    order = np.argsort(table.frames, kind="stable") if n_frames(signal) > 1 else np.arange(n_old + n_new)
    table = _pick(table, order)
    keep_atoms(signal, table)
    return table


def remove_atoms(signal: BaseSignal, positions: ArrayLike, frame: int) -> AtomTable:
    """Atoms of `signal` without those nearest to `positions` (x, y in axis units) of one frame."""
    stamp = store.Stamp.of(signal)
    table = stored_atoms(signal)
    if table is None:
        raise ValueError("This image has no atoms to remove. Call find_atoms() or add_atoms() first.")
    pixels = check_positions(np.atleast_2d(np.asarray(positions, float)), stamp)
    _check_frame(signal, frame)
    here = np.flatnonzero(table.frames == frame)
    if not len(here):
        raise ValueError(f"Frame {frame} has no atoms to remove.")
    tree = cKDTree(table.pixel_positions[here])
    reach = np.inf if len(here) < 2 else np.median(tree.query(tree.data, k=2)[0][:, 1]) / 2
    distance, nearest = tree.query(pixels)
    if (distance > reach).any():
        x, y = stamp.to_units(pixels[distance.argmax()][None])[0]
        raise ValueError(
            f"No atom lies within {reach * abs(stamp.scale[0]):.3g} {stamp.units} of x, y = {x:g}, {y:g}: nothing was removed."
        )
    keep = np.ones(len(table), bool)
    keep[here[nearest]] = False
    if not keep.any():
        raise ValueError("This would remove all atoms; nothing was removed.")
    table = _pick(table, np.flatnonzero(keep), edited=True)
    keep_atoms(signal, table)
    return table


def _refined(signal: BaseSignal, new: AtomTable, old: AtomTable | None, refine: bool | str) -> AtomTable:
    """The new atoms, refined jointly with the old atoms of their frame, whose tails overlap with them."""
    if old is None or not (old.frames == new.frames[0]).any():
        if len(new) < 2:
            raise ValueError(
                "A single atom in an empty frame cannot be refined: its size is not known. Use refine=False."
            )
        return given_atoms(signal, new, refine, "auto")
    here = old.frames == new.frames[0]
    pixels = np.concatenate([old.pixel_positions[here], new.pixel_positions])
    stamp = store.Stamp.of(signal)
    both = AtomTable(stamp.to_units(pixels), pixels, np.full(len(pixels), new.frames[0]), units=stamp.units)
    both = given_atoms(signal, both, refine, str(old.facts.get("polarity", "auto")))
    return _pick(both, np.arange(int(here.sum()), len(pixels)))


def _pick(table: AtomTable, index: np.ndarray, edited: bool | None = None) -> AtomTable:
    facts = dict(table.facts) if edited is None else {**table.facts, "edited": edited}
    return AtomTable(
        table.positions[index],
        table.pixel_positions[index],
        table.frames[index],
        {k: v[index] for k, v in table.columns.items()},
        facts,
        table.units,
    )


def _check_frame(signal: BaseSignal, frame: int) -> None:
    if not 0 <= frame < n_frames(signal):
        raise ValueError(f"frame is {frame}; this signal has frames 0 to {n_frames(signal) - 1}.")

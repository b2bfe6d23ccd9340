from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._motif_view import MotifView


class MotifExchange(MotifView):
    """The result of :class:`~hyperspy_motifs.motifs.Motifs` as objects of other tools."""

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row per atom, ready for ``pandas.DataFrame`` or a CSV file."""
        record = self._refresh()
        names = np.array(self.names)
        out = {
            "x": record.positions[:, 0],
            "y": record.positions[:, 1],
            "frame": record.frames,
            "motif": record.labels,
            "name": names[record.labels],
            "probability": record.probabilities,
            "truncated": self.truncated,
        }
        for radius in self.radii:
            out[f"motif_at_{radius:g}"] = self.labels_at(radius)
        for name, values in record.atoms.items():
            if values.ndim == 2:
                out |= {f"{name}_x": values[:, 0], f"{name}_y": values[:, 1]}
            else:
                out[name] = values
        return out

    def to_dataframe(self, backend: str = "pandas") -> Any:
        """The columns of :meth:`to_dict` as a data frame, one row per atom.

        Parameters
        ----------
        backend : {"pandas", "polars"}

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            x, y and other lengths are in the units of the axes, which are in ``attrs["units"]`` (pandas).
            ``find_motifs(atoms=...)`` reads it.

        Raises
        ------
        ImportError
            If the package is not installed.
        """
        from hyperspy_motifs.exchange import to_dataframe

        return to_dataframe(self.to_dict(), units=self.units, backend=backend)

    def to_ase(self, frame: int = 0, *, species: Mapping[int | str, str] | None = None) -> Any:
        """The atoms as ``ase.Atoms``, one for each column, at z = 0.

        Parameters
        ----------
        frame : int, optional
            Flat index of the frame of a stack.
        species : mapping, optional
            Chemical symbol of a motif, by its number or name. By default a name that is a symbol, such as ``Mo`` or ``Se2``,
            gives it (:meth:`relabel`); other motifs are ``X``.

        Returns
        -------
        ase.Atoms
            In ångström, at the x and y of the axes with their offset. As in the image, y points down: seen along +z (from
            below) it looks like the image. ``tags`` are the motifs; ``arrays`` also hold ``probability`` and ``truncated``. The cell
            is the unit cell of the hierarchy, if there is one, without periodic boundaries.

        Raises
        ------
        ValueError
            If the image is not calibrated in a unit of length, or a symbol or the frame does not exist.
        """
        from hyperspy_motifs.exchange import to_ase

        here = self._atoms_of(frame)
        atoms = to_ase(
            self.positions[here],
            self.units,
            labels=self.labels[here],
            names=self.names,
            species=species,
            columns={"probability": self.probabilities[here], "truncated": self.truncated[here]},
            cell=self._unit_cell(),
        )
        atoms.info["names"] = ", ".join(self.names)
        return atoms

    def to_atom_lattice(self, frame: int = 0) -> Any:
        """The atoms as an ``atomap.Atom_Lattice``, one sublattice per motif."""
        from hyperspy_motifs.atoms import to_atom_lattice
        from hyperspy_motifs.signals._frames import frame as image_of_frame

        record = self._refresh()
        here = self._atoms_of(frame)
        return to_atom_lattice(
            np.asarray(image_of_frame(self._signal, frame), float),
            record.stamp.to_pixels(record.positions[here]),
            record.labels[here],
            pixel_size=abs(record.stamp.scale[0]),
            units=record.stamp.units,
            names=[self.names[k] for k in np.unique(record.labels[here])],
        )

    def _atoms_of(self, frame: int) -> np.ndarray:
        """Mask of the atoms of a frame."""
        n = int(np.prod(self._refresh().stamp.navigation_shape, dtype=int))
        if not 0 <= frame < n:
            raise ValueError(f"frame is {frame}; this signal has {n} frames, from 0.")
        return self.frames == frame

    def _unit_cell(self) -> np.ndarray | None:
        """Rows a and b of the unit cell in axis units, if the hierarchy has one."""
        hierarchy = self.hierarchy
        if hierarchy is None or "unit-cell" not in hierarchy.kinds:
            return None
        values = hierarchy.level("unit-cell").scalars
        return np.array([[values["ax"], values["ay"]], [values["bx"], values["by"]]])

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class AtomTable:
    """The atoms of an image, one row each.

    Used as an array it is its positions, so it can be given to any function that takes an (n, 2) array, and to
    ``find_motifs(atoms=...)``.

    Attributes
    ----------
    positions : numpy.ndarray of shape (n, 2)
        x, y in axis units.
    pixel_positions : numpy.ndarray of shape (n, 2)
        Column, row in pixels, pixel centres at integers.
    frames : numpy.ndarray of shape (n,)
        Flat index of the frame (C order of the navigation shape); 0 for a single image.
    columns : dict of str to numpy.ndarray
        Results of the refinement for each atom: ``amplitude`` and ``background`` (units of the image), ``sigma`` and
        ``uncertainty`` (n, 2; axis units), ``ellipticity``, ``angle`` (radians, from x towards y), ``fitted``
        (False where the fit failed and the centre of mass is used).
    facts : dict
        Estimated values: ``separation`` (axis units), ``separation_certainty``, ``polarity``,
        ``polarity_certainty``, ``edited`` (True once atoms were added or removed manually).
    units : str
    sites : dict of str to numpy.ndarray
        Columns of the sites, occupied or empty, as in the stored result; empty if they were not looked for.
    """

    positions: np.ndarray
    pixel_positions: np.ndarray
    frames: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    units: str = "px"
    sites: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.positions, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("columns", "facts", "sites"):
            raise AttributeError(name)
        for source in (self.columns, self.facts):
            if name in source:
                return source[name]
        raise AttributeError(
            f"AtomTable has no column '{name}'; it has {sorted(self.columns)} and {sorted(self.facts)}."
        )

    def __repr__(self) -> str:
        text = f"<AtomTable: {len(self)} atoms"
        if "separation" in self.facts:
            text += f", separation {self.facts['separation']:.4g} {self.units}"
        if "polarity" in self.facts:
            text += f", {self.facts['polarity']} columns"
        if "fitted" in self.columns:
            failed = int((~np.asarray(self.columns["fitted"], bool)).sum())
            text += f", {failed} by centre of mass" if failed else ""
        return text + ">"

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain one-dimensional columns, ready for ``pandas.DataFrame`` or a CSV file."""
        from hyperspy_motifs.exchange import flat_columns

        out = {"x": self.positions[:, 0], "y": self.positions[:, 1], "frame": self.frames}
        return out | flat_columns(self.columns)

    def to_dataframe(self, backend: str = "pandas") -> Any:
        """The columns of :meth:`to_dict` as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars"}

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            Lengths in the units of the axes, which are in ``attrs["units"]`` (pandas). After a selection of rows
            ``find_motifs(atoms=...)`` reads it.

        Raises
        ------
        ImportError
            If the package is not installed.
        """
        from hyperspy_motifs.exchange import to_dataframe

        return to_dataframe(self.to_dict(), units=self.units, backend=backend)

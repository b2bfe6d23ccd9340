"""Ground truth of a simulated image."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """Ground truth of a simulated image.

    It lists only columns with the centre inside the frame, and cells with all corners inside.

    Attributes
    ----------
    positions : (n, 2) float64 array
        Centres of the columns in pixels, x (column) then y (row), pixel centres at integers.
    labels : (n,) int array
        Class of each column, an index into `names`.
    names : list of str
        Names of the classes.
    cells : list of int arrays
        Rings of the structure: indices into `positions`, counter-clockwise in (x, y), that is with positive
        shoelace area.
    cell_types : (m,) int array
        Class of each cell, an index into `cell_names`.
    cell_names : list of str
        Names of the classes of cells.
    extra : dict
        Further values of a family. Always present: ``noise_free``, the expected image (float32, in the units of the
        image), and ``rotation``, in degrees.
    """

    positions: np.ndarray
    labels: np.ndarray
    names: list[str]
    cells: list[np.ndarray] = field(default_factory=list)
    cell_types: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    cell_names: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        columns = ", ".join(f"{name}: {n:,}" for name, n in self.counts().items())
        cells = f"; {len(self.cells):,} cells" if self.cells else ""
        return f"<Truth: {len(self.positions):,} columns ({columns}){cells}>"

    def counts(self) -> dict[str, int]:
        """Number of columns of each class.

        Returns
        -------
        dict
            From the name of the class to its count, in the order of `names`.
        """
        number = np.bincount(self.labels, minlength=len(self.names))
        return {name: int(n) for name, n in zip(self.names, number, strict=True)}

    def cell_counts(self) -> dict[str, int]:
        """Number of cells of each class.

        Returns
        -------
        dict
            From the name of the class to its count, in the order of `cell_names`.
        """
        number = np.bincount(self.cell_types, minlength=len(self.cell_names))
        return {name: int(n) for name, n in zip(self.cell_names, number, strict=True)}

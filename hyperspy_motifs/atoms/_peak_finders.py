"""The contract of peak finders, and those that are known by a name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Protocol

import numpy as np


class PeakFinder(Protocol):
    """Finds the columns of one image; given as ``find_motifs(atoms=finder)``.

    Any function with these arguments will do. Its positions are refined by the joint fit of all columns, and unchanged with
    ``refine=False``: then the finder is also the refinement.
    """

    def __call__(self, image: np.ndarray, separation: float) -> np.ndarray:
        """Find the columns.

        Parameters
        ----------
        image : ndarray of float, shape (rows, columns)
            Without missing pixels; columns are bright.
        separation : float
            Estimated or given distance of nearest columns in pixels.

        Returns
        -------
        ndarray of float, shape (n, 2)
            x (column), y (row) in pixels; pixel centres at whole numbers.
        """
        ...


def atomap_peaks(image: np.ndarray, separation: float) -> np.ndarray:
    """Find columns by atomap's ``get_atom_positions``: the maxima that are highest within the separation.

    It is suited to crystals whose columns are alike. Faint columns between bright ones need the default search.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
    separation : float
        In pixels.

    Returns
    -------
    ndarray of float, shape (n, 2)
        x (column), y (row) in pixels.
    """
    from atomap.atom_finding_refining import get_atom_positions

    # It compares a maximum with those up to its separation, and two columns of an estimated distance may be a little closer.
    reach = max(int(0.7 * separation), 1)
    # It ignores a margin as wide as the separation.
    padded = np.pad(np.asarray(image, float) - image.min(), reach)
    found = (
        np.asarray(get_atom_positions(SimpleNamespace(data=padded), separation=reach), float).reshape(-1, 2)
        - reach
    )
    # A maximum at the border itself is the flank of a column beyond it.
    return found[np.all((found > 0) & (found < np.array(image.shape[::-1]) - 1), axis=1)]


#: Finders by name, for ``find_motifs(atoms="atomap")``.
PEAK_FINDERS: dict[str, PeakFinder] = {"atomap": atomap_peaks}

"""Measured properties of the atomic columns of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Atoms:
    """Atomic columns of one image; all lengths in pixels, positions as x (column), y (row).

    Attributes
    ----------
    positions : ndarray of shape (n, 2)
        Pixel centres lie at integers.
    amplitude : ndarray of shape (n,)
        Height above the local background; negative for dark columns.
    sigma : ndarray of shape (n, 2)
        Standard deviations along the long and the short axis of the column.
    ellipticity : ndarray of shape (n,)
        Ratio of the long to the short axis, 1 for a round column.
    angle : ndarray of shape (n,)
        Angle of the long axis, radians from x towards y (downwards in the image), in [0, pi).
    background : ndarray of shape (n,)
    uncertainty : ndarray of shape (n, 2)
        Standard deviation of x and y from the covariance of the fit; NaN without a fit.
    fitted : ndarray of bool of shape (n,)
        False if the fit failed and the position is the centre of mass, or if no fit was requested.
    separation : float
        Typical nearest-neighbour distance.
    separation_certainty : float
        0 to 1.
    polarity : {"bright", "dark"}
    polarity_certainty : float
        0 to 1.
    """

    positions: np.ndarray
    amplitude: np.ndarray
    sigma: np.ndarray
    ellipticity: np.ndarray
    angle: np.ndarray
    background: np.ndarray
    uncertainty: np.ndarray
    fitted: np.ndarray
    separation: float
    separation_certainty: float
    polarity: str
    polarity_certainty: float

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, which: np.ndarray) -> Atoms:
        """Return the atoms of a boolean mask or an index array."""
        per_atom = (
            "positions", "amplitude", "sigma", "ellipticity", "angle", "background", "uncertainty", "fitted",
        )  # fmt: skip
        values = {name: getattr(self, name)[which] for name in per_atom}
        return Atoms(
            **values,
            separation=self.separation,
            separation_certainty=self.separation_certainty,
            polarity=self.polarity,
            polarity_certainty=self.polarity_certainty,
        )

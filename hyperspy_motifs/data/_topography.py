"""Height images of a scanning probe."""

from dataclasses import dataclass

import numpy as np

from ._columns import add_columns
from ._imaging import Imaging, visible_truth
from ._specimen import Specimen
from ._truth import Truth


@dataclass(frozen=True)
class Tip:
    r"""Effects of a scanning probe and its feedback on a height map.

    The map is a sum of bumps on a tilted plane,

    .. math:: z(r) = \sum_k h_k P(r - r_k) + t \cdot r + \ell_y + \epsilon,

    where :math:`P` is 1 at its centre and has the width of the tip (``probe_size`` and ``tails`` of
    :class:`Imaging`), :math:`\ell_y` the offset of a row and :math:`\epsilon` noise of the pixel. Offsets of rows are
    correlated: the feedback depends on the previous row.

    Parameters
    ----------
    noise : float
        Root mean square noise of a pixel in nm.
    line_noise : float
        Root mean square offset between successive rows, in nm.
    memory : float
        Share of the offset of a row that the next row keeps, 0 to less than 1.
    tilt : (float, float)
        Height differences of the right from the left edge and of the lower from the upper edge of the frame, in nm.
    streaks : float
        Expected number of short horizontal streaks in the frame, where the tip is unstable.
    streak_height : float
        Root mean square height of a streak in nm.
    """

    noise: float = 0.003
    line_noise: float = 0.003
    memory: float = 0.7
    tilt: tuple[float, float] = (0.0, 0.0)
    streaks: float = 0.0
    streak_height: float = 0.04

    def __post_init__(self) -> None:
        for name in ("noise", "line_noise", "streaks", "streak_height"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or more.")
        if not 0 <= self.memory < 1:
            raise ValueError(f"memory={self.memory} is a share; it must be 0 or more and less than 1.")

    def trace(self, heights: np.ndarray, random_state: int = 0, frame: int = 0) -> np.ndarray:
        """Heights recorded by this tip.

        Parameters
        ----------
        heights : (rows, columns) array
            Height map in nm, without noise.
        random_state : int
            Seed.
        frame : int
            Number of the frame, which changes the noise.

        Returns
        -------
        (rows, columns) float32 array
        """
        rng = np.random.default_rng([random_state, 10, frame])
        rows, columns = heights.shape
        y, x = np.ogrid[-0.5 : 0.5 : 1j * rows, -0.5 : 0.5 : 1j * columns]
        traced = heights + self.tilt[0] * x + self.tilt[1] * y
        offsets = np.asarray(rng.normal(0.0, self.line_noise, rows))
        for row in range(1, rows):
            offsets[row] += self.memory * offsets[row - 1]
        traced += offsets[:, None]
        for _ in range(rng.poisson(self.streaks)):
            row, first = int(rng.integers(rows)), int(rng.integers(columns))
            length = 1 + int(rng.exponential(columns / 12))
            traced[row, first : first + length] += self.streak_height * rng.normal()
        return (traced + np.asarray(rng.normal(0.0, self.noise, heights.shape))).astype(np.float32)


def topograph(
    specimen: Specimen, imaging: Imaging, tip: Tip, random_state: int = 0
) -> tuple[np.ndarray, Truth]:
    """Height map of a surface and its ground truth, as arrays.

    Parameters
    ----------
    specimen : Specimen
        With ``per_column["height"]``, the height of each atom, in nm.
    imaging : Imaging
        Its frame, distortions, drift and ``probe_size`` are used; dose and detector are not.
    tip : Tip
    random_state : int
        Seed of distortions and noise.

    Returns
    -------
    heights : (rows, columns) float32 array
        In nm.
    truth : Truth
    """
    jitter = np.random.default_rng([random_state, 9, imaging.frame])
    row_shift = imaging.row_jitter * jitter.normal(size=imaging.shape[0])
    peak = sum(share / (2.0 * np.pi * sigma**2) for share, sigma in imaging.profile)
    surface = np.zeros(imaging.shape)
    pixels = imaging.to_pixels(specimen.positions, random_state)
    add_columns(surface, pixels, specimen.per_column["height"] / peak, imaging.profile, row_shift)
    truth = visible_truth(specimen, imaging, surface, random_state)
    return tip.trace(surface, random_state, imaging.frame), truth

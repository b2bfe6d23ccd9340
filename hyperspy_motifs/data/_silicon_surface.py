"""The Si(111)-(7x7) surface, and the topograph of a scanning tip."""

from dataclasses import dataclass

import numpy as np

from ._imaging import Imaging, image_signal, visible_truth
from ._specimen import (
    Simulated,
    Specimen,
    Truth,
    add_columns,
    atomic_number,
    family,
    lattice_points,
    specimen_of,
)


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
        """Heights (rows, columns) in nm recorded by this tip from a map without noise; `frame` changes the noise."""
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


# Vector of the unreconstructed surface in nm: that of the crystal, 0.5431, over the root of two.
SURFACE_VECTOR = 0.5431 / np.sqrt(2.0)
OPTICS = {"shape": (360, 400), "pixel_size": 0.045, "dose": None, "probe_size": 0.4, "tails": 0.2}
# The six adatoms of the faulted half, in sevenths of the cell's vectors, which enclose 60 degrees; the corner
# holes are at the corners of the cell. The other half is the image of the first in the cell's centre.
CORNERS = ((1, 1), (5, 1), (1, 5))
CENTRES = ((3, 1), (1, 3), (3, 3))
NAMES = ["faulted_corner", "faulted_centre", "unfaulted_corner", "unfaulted_centre"]
# Heights of the adatoms in nm, in this order, for filled states, in which the halves differ.
HEIGHTS = np.array([0.125, 0.11, 0.095, 0.08])


def silicon_7x7_specimen(
    reach: float, vacancies: float = 0.02, reacted: float = 0.0, random_state: int = 0
) -> Specimen:
    """Adatoms of Si(111)-(7x7) in a disc.

    Parameters
    ----------
    reach : float
        Radius of the disc in nm.
    vacancies, reacted
        See :func:`silicon_7x7`.
    random_state : int
        Seed of the defects.

    Returns
    -------
    Specimen
        Labels: corner and centre adatoms of the faulted and of the unfaulted half, then reacted ones.
        ``per_column["height"]`` in nm; ``markers["vacancies"]`` and ``markers["corner_holes"]``.
    """
    for name, fraction in (("vacancies", vacancies), ("reacted", reacted), ("sum", vacancies + reacted)):
        if not 0 <= fraction <= 1:
            raise ValueError(f"{name} is {fraction} of the adatoms; it must lie between 0 and 1.")
    faulted = np.array(CORNERS + CENTRES) / 7.0
    basis = np.concatenate([faulted, 1.0 - faulted, [[0.0, 0.0]]])
    vectors = 7.0 * SURFACE_VECTOR * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    points, site = lattice_points(vectors, basis, reach)
    hole = site == len(basis) - 1
    corner_holes, points = points[hole], points[~hole]
    labels = (site[~hole] // len(CORNERS)).astype(int)
    height = HEIGHTS[labels]
    chance = np.random.default_rng([random_state, 0]).random(len(points))
    weak = (chance >= vacancies) & (chance < vacancies + reacted)
    height[weak] *= 0.45
    labels[weak] = len(NAMES)
    kept = chance >= vacancies
    return specimen_of(
        points[kept],
        labels[kept],
        [*NAMES, *(["reacted"] if reacted > 0 else [])],
        atomic_number("Si"),
        per_column={"height": height[kept]},
        markers={"vacancies": points[~kept], "corner_holes": corner_holes},
    )


@family
def silicon_7x7(
    *,
    vacancies: float = 0.02,
    reacted: float = 0.0,
    noise: float = 0.003,
    line_noise: float = 0.003,
    tilt: tuple[float, float] = (0.0, 0.0),
    streaks: float = 0.0,
    disorder: float = 0.004,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate a scanning tunnelling micrograph of Si(111)-(7x7), with missing adatoms.

    The positions are those of the dimer-adatom-stacking-fault model [1]_ on ideal sites, twelve adatoms per cell. The
    heights are indicative, of filled states, in which the faulted half appears higher [2]_: each adatom is a bump
    with the width of the tip. The model does not include electronic structure, rest atoms, or the depth of the corner
    holes; :class:`Tip` adds the effects of the scan.

    Parameters
    ----------
    vacancies : float
        Fraction of the adatoms that are missing.
    reacted : float
        Fraction of the adatoms that are present but dark, at 0.45 of their height, as after a reaction at their
        dangling bond.
    noise, line_noise, tilt, streaks
        See :class:`Tip`, in nm.
    %(disorder)s
    %(random_state)s
    **imaging
        Parameters of :class:`Imaging` for the frame: ``shape``, ``pixel_size``, ``rotation``,
        ``drift``, ``row_jitter``, and ``probe_size``, here the width of an adatom.

    Returns
    -------
    %(image)s
        Heights in nm.
    truth : Truth
        Labels: corner and centre adatoms of the faulted and of the unfaulted half, and reacted ones.
        ``extra["vacancies"]`` (j, 2) and ``extra["corner_holes"]`` (k, 2) in pixels.

    References
    ----------
    .. [1] K. Takayanagi, Y. Tanishiro, S. Takahashi and M. Takahashi, Surf. Sci. 164 (1985) 367.
    .. [2] R. M. Tromp, R. J. Hamers and J. E. Demuth, Phys. Rev. B 34 (1986) 1388.

    Examples
    --------
    >>> from hyperspy_motifs.data import silicon_7x7
    >>> image, truth = silicon_7x7(shape=(200, 240), vacancies=0.0)
    >>> truth.names
    ['faulted_corner', 'faulted_centre', 'unfaulted_corner', 'unfaulted_centre']
    """
    optics = Imaging.of(OPTICS, imaging)
    tip = Tip(noise=noise, line_noise=line_noise, tilt=tilt, streaks=streaks)
    specimen = silicon_7x7_specimen(optics.reach, vacancies, reacted, random_state)
    heights, truth = topograph(specimen.displaced(disorder, random_state), optics, tip, random_state)
    model = f"sum of bumps, traced by {tip}"
    return image_signal(heights, optics, "Simulated STM of Si(111)-(7x7)", "Height (nm)", model), truth

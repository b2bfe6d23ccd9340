"""Centres of patches: peaks, or a grid where peaks do not represent columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import ORDERLY, order_of_sites
from hyperspy_motifs.common import FEWEST_ATOMS

_PIXELS = 1_000_000  # from which the range of an image is computed
# Least contrast of a column with its surroundings, as a share of the range of the image.
_SEPARATE = 0.12
# Least share of the pairs of neighbours with a clear minimum between them, in columns of one layer.
_CLEAR = 0.7


@dataclass(frozen=True)
class PatchCentres:
    """Centres of patches.

    Attributes
    ----------
    positions : ndarray, shape (n, 2)
        x, y in pixels.
    kind : {"peaks", "grid"}
    reason : str
        Reason for the choice.
    certainty : float
        Of the choice, 0 to 1.
    spacing : float
        Nearest-neighbour distance, pixels.
    """

    positions: NDArray[np.float64]
    kind: str
    reason: str
    certainty: float
    spacing: float


def choose_patch_centres(
    image: ArrayLike, positions: ArrayLike | None = None, *, spacing: float | None = None
) -> PatchCentres:
    """Choose peaks or a grid as the centres of patches.

    Peaks represent columns if the image has a clear minimum between neighbouring peaks, or if their arrangement repeats from
    place to place, as that of dumbbells does and that of a noisy lattice. Where columns of two layers overlap, most pairs have
    no such minimum, and the arrangement of the peaks changes with the moiré pattern. A triangular grid with half the distance
    of the peaks then covers the image evenly.

    Parameters
    ----------
    image : array_like, shape (rows, columns)
    positions : array_like, shape (n, 2), optional
        x, y of peaks in pixels. Default: those that `find_atoms` finds.
    spacing : float, optional
        Distance of the columns in pixels. Default: that of the peaks.

    Returns
    -------
    PatchCentres
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 8 or not np.isfinite(values).all():
        raise ValueError(f"A finite image of 8 x 8 pixels at least is needed, not shape {values.shape}.")
    if positions is None:
        from hyperspy_motifs.atoms import find_atoms

        atoms = find_atoms(values, separation=spacing, refine=False)
        peaks = np.asarray(atoms.positions, dtype=np.float64)
    else:
        peaks = np.asarray(positions, dtype=np.float64)
        if peaks.ndim != 2 or peaks.shape[1] != 2 or not np.isfinite(peaks).all():
            raise ValueError(f"positions must be finite and of shape (n, 2) (x, y), not {peaks.shape}.")
    inside = (peaks >= 0).all(axis=1) & (peaks <= np.array(values.shape[::-1]) - 1).all(axis=1)
    peaks = peaks[inside]
    if len(peaks) < FEWEST_ATOMS:
        step = spacing if spacing is not None else min(values.shape) / 20
        reason = f"only {len(peaks)} peaks were found"
        return PatchCentres(grid_centres(values.shape, step), "grid", reason, 0.5, float(step))
    distances, neighbours = cKDTree(peaks).query(peaks, k=7)
    apart = float(np.median(distances[:, 1])) if spacing is None else float(spacing)
    share = _separate(values, peaks, neighbours[:, 1:], distances[:, 1:], apart)
    certainty = float(1 / (1 + np.exp(-12 * abs(share - _CLEAR))))
    percent = round(100 * share)
    if share >= _CLEAR:
        reason = f"the image falls clearly between {percent} % of the pairs of neighbouring peaks"
        return PatchCentres(peaks, "peaks", reason, certainty, apart)
    order = float(np.median(order_of_sites(peaks, apart, by_others=True)))
    if order >= ORDERLY:
        certainty = float(1 / (1 + np.exp(-12 * (order - ORDERLY))))
        reason = (
            f"the arrangement of neighbouring peaks repeats ({round(100 * order)} % of their displacements)"
        )
        return PatchCentres(peaks, "peaks", reason, certainty, apart)
    reason = (
        f"the image falls clearly between only {percent} % of the pairs of neighbouring peaks, and only "
        f"{round(100 * order)} % of their displacements repeat: columns overlap"
    )
    return PatchCentres(grid_centres(values.shape, apart / 2), "grid", reason, certainty, apart / 2)


def _separate(
    values: NDArray[np.float64],
    peaks: NDArray[np.float64],
    neighbours: NDArray[np.int64],
    distances: NDArray[np.float64],
    apart: float,
) -> float:
    """Share of the pairs of close peaks with a clear minimum between them."""
    smooth = _contrast(values, apart)
    # A subset of the pixels of a large image has the same range.
    step = max(int(np.sqrt(values.size / _PIXELS)), 1)
    reach = np.subtract(*np.percentile(smooth[::step, ::step], (98, 2)))
    close = distances < 1.4 * apart
    first = np.repeat(np.arange(len(peaks)), neighbours.shape[1])[close.ravel()]
    second = neighbours[close]
    heights = map_coordinates(smooth, peaks.T[::-1], order=1)
    steps = np.linspace(0.3, 0.7, 5)
    between = peaks[first, None] + steps[None, :, None] * (peaks[second] - peaks[first])[:, None]
    lowest = (
        map_coordinates(smooth, between.reshape(-1, 2).T[::-1], order=1).reshape(-1, len(steps)).min(axis=1)
    )
    dip = np.minimum(heights[first], heights[second]) - lowest
    return float((dip > _SEPARATE * reach).mean()) if len(dip) else 1.0


def _contrast(values: NDArray[np.float64], apart: float) -> NDArray[np.float32]:
    """Contrast of the columns, without that of a tilt, a blob or a wedge below them."""
    image = (values - values.mean()).astype(np.float32)
    smooth = gaussian_filter(image, 0.12 * apart)
    # Pixels of a third of a distance are fine enough for a filter that is two distances wide.
    width = max(int(apart / 3), 1)
    rows, columns = (-(-size // width) for size in image.shape)
    padded = np.pad(
        image, ((0, rows * width - image.shape[0]), (0, columns * width - image.shape[1])), "symmetric"
    )
    coarse = padded.reshape(rows, width, columns, width).mean(axis=(1, 3))
    wide = gaussian_filter(coarse, 2.0 * apart / width)
    for axis in (0, 1):
        places = (np.arange(image.shape[axis]) + 0.5) / width - 0.5
        below = np.clip(places.astype(np.int64), 0, max(wide.shape[axis] - 2, 0))
        above = np.minimum(below + 1, wide.shape[axis] - 1)
        share = np.clip(places - below, 0, 1).astype(np.float32)
        share = share[:, None] if axis == 0 else share
        wide = wide.take(below, axis) * (1 - share) + wide.take(above, axis) * share
    smooth -= wide
    return np.asarray(smooth, dtype=np.float32)


def grid_centres(shape: tuple[int, ...], step: float) -> NDArray[np.float64]:
    """Return a triangular grid over an image that starts half a step from its border.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    step : float
        Distance of neighbouring points in pixels.

    Returns
    -------
    ndarray, shape (n, 2)
        x, y in pixels.
    """
    rows = np.arange(step / 2, shape[0] - 0.5, step * np.sqrt(0.75))
    points = []
    for i, y in enumerate(rows):
        x = np.arange(step / 2 * (1 + i % 2), shape[1] - 0.5, step)
        points.append(np.column_stack([x, np.full(len(x), y)]))
    return np.concatenate(points)

"""Local maxima of band-passed images, the contract of peak finders, and atomap, imported on use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from hyperspy_motifs.common import MOST_IN_MEMORY

from ._noise_spectrum import NoiseSpectrum

# A filtered copy of the image is only valid where the filter does not wrap around. The image is first mirrored over this
# many filter widths.
_PADDING_SIGMAS = 3.0
# Frequencies, relative to the highest of a row, above which a ring of the spectrum contains only noise.
_NOISE_ALONE = 0.8
# A false maximum from noise is worse than a blurred one, so noise has a higher weight than in Wiener's optimum. Between 1 and
# 10 the number of false and missed maxima in simulated images hardly changes.
_NOISE_WEIGHT = 3.0


def local_maxima(
    response: np.ndarray, sign: int = 1, threshold: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and heights of the 3 x 3 maxima of ``sign * response`` above `threshold`.

    Parameters
    ----------
    response : ndarray of shape (rows, columns)
    sign : 1 or -1
        -1 finds the minima; their heights are then positive.
    threshold : float

    Returns
    -------
    positions : ndarray of shape (n, 2)
        x (column) and y (row) in pixels.
    heights : ndarray of shape (n,)
    """
    height, width = response.shape
    padded = np.full((height + 2, width + 2), -np.inf, response.dtype)
    np.multiply(response, sign, out=padded[1:-1, 1:-1])
    here = padded[1:-1, 1:-1]
    # The first pixel of a plateau in reading order represents the plateau.
    highest = (here > padded[1:-1, :-2]) & (here >= padded[1:-1, 2:])
    highest &= (here > padded[:-2, 1:-1]) & (here >= padded[2:, 1:-1]) & (here > threshold)
    rows, columns = np.nonzero(highest)
    values = here[rows, columns]
    above = np.maximum(padded[rows, columns], padded[rows, columns + 2])
    below = np.maximum(padded[rows + 2, columns], padded[rows + 2, columns + 2])
    kept = (values > above) & (values >= below)
    return np.column_stack([columns[kept], rows[kept]]).astype(float), values[kept].astype(float)


def maxima_by_height(response: np.ndarray) -> np.ndarray:
    """Return all 3 x 3 maxima of a filtered image, the highest first.

    Parameters
    ----------
    response : ndarray of shape (rows, columns)

    Returns
    -------
    ndarray of shape (n, 2)
        x (column) and y (row) in pixels, whole numbers.
    """
    positions, heights = local_maxima(response, 1, -np.inf)
    return positions[np.argsort(-heights, kind="stable")]


def typical_height(heights: np.ndarray) -> float:
    """Return the median of the heights of maxima without the low ones, below 0.3 of the 95th percentile."""
    return float(np.median(heights[heights > 0.3 * np.percentile(heights, 95)]))


class ScaleSpace:
    """Scale-normalised Laplacians of Gaussians of one image.

    The response at scale s is ``-s**2 * laplacian(gaussian(image, s))``. A column of amplitude A and width w
    has the response 2 A s^2 w^2 / (w^2 + s^2)^2 at its centre; a linear background has none
    (Lindeberg, Int. J. Comput. Vis. 30, 79 (1998)).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    largest_scale : float
        In pixels; sets the distance over which the image is mirrored beyond its border.

    Attributes
    ----------
    noise : NoiseSpectrum or None
        Noise of the image. If it is None, white noise is assumed, with the power just below the frequency where
        pixels alternate.
    """

    def __init__(self, image: np.ndarray, largest_scale: float):
        self.shape = image.shape
        wanted = int(np.ceil(_PADDING_SIGMAS * largest_scale))
        self.pad = (min(wanted, image.shape[0] - 1), min(wanted, image.shape[1] - 1))
        centred = np.asarray(image, np.float32) - np.float32(image.mean())
        height, width = (n + 2 * p for n, p in zip(self.shape, self.pad, strict=True))
        self._full = (fft.next_fast_len(height, real=True), fft.next_fast_len(width, real=True))
        extra = (
            (self.pad[0], self._full[0] - image.shape[0] - self.pad[0]),
            (self.pad[1], self._full[1] - image.shape[1] - self.pad[1]),
        )
        self._spectrum = fft.rfft2(np.pad(centred, extra, mode="symmetric"), workers=numba.get_num_threads())
        self.noise: NoiseSpectrum | None = None
        self._q2_rows = (fft.fftfreq(self._full[0]) ** 2).astype(np.float32)
        self._q2_columns = (fft.rfftfreq(self._full[1]) ** 2).astype(np.float32)

    def _rings(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], Callable[[NDArray[np.float64]], NDArray[np.float64]]]:
        """Return the power of the spectrum, its mean over rings of equal frequency, and the ring of each element."""
        n = min(self._full) // 2
        rows, columns = np.sqrt(self._q2_rows)[:, None], np.sqrt(self._q2_columns)[None, :]
        ring = np.minimum(np.hypot(rows, columns) * np.float32(2 * n), n).astype(np.int32)
        pixels = np.maximum(np.bincount(ring.ravel(), minlength=n + 1), 1)

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return gaussian_filter1d(np.bincount(ring.ravel(), values.ravel(), minlength=n + 1) / pixels, 1.0)

        return mean(self._spectrum.real**2 + self._spectrum.imag**2), ring, mean

    def _noise_power(self, white: bool, power: NDArray[np.float64] | None = None) -> np.float32 | np.ndarray:
        """Return the noise power of each element of the spectrum: an array, or one number."""
        pixels = self._full[0] * self._full[1]
        if white or self.noise is None:
            power = self._rings()[0] if power is None else power
            return np.float32(np.median(power[int(_NOISE_ALONE * (len(power) - 1)) : len(power) - 1]))
        return pixels * self.noise.at(fft.fftfreq(self._full[0]), fft.rfftfreq(self._full[1]))

    def _deviation(self, weights: NDArray[np.float32], noise: np.float32 | np.ndarray) -> float:
        """Return the standard deviation of noise of a given power after a filter: Parseval over half a spectrum."""
        return float(np.sqrt(2.0 * np.sum(weights**2 * noise, dtype=float))) / (self._full[0] * self._full[1])

    def noise_of_response(self, scale: float, *, white: bool = False) -> float:
        """Return the standard deviation of the response at `scale` (pixels) for the actual noise, or for `white` noise."""
        return self._deviation(self._weights(scale), self._noise_power(white))

    def denoised(self, sign: float = 1.0, *, white: bool = False) -> tuple[np.ndarray, float]:
        """Return ``sign`` times the image minus its mean, Wiener filtered, and the standard deviation of the remaining noise.

        The filter uses the measured noise, or `white` noise. The spectrum of the signal is the power minus that of the noise,
        averaged over rings of equal frequency.
        """
        power, ring, mean = self._rings()
        noise = self._noise_power(white, power)
        signal = np.maximum(power - (mean(noise) if isinstance(noise, np.ndarray) else noise), 0.0)[ring]
        weights = (signal / (signal + _NOISE_WEIGHT * noise + np.finfo(np.float32).tiny)).astype(np.float32)
        return self._filtered(np.float32(sign) * weights), self._deviation(weights, noise)

    def response(self, scale: float) -> np.ndarray:
        """Return the response at `scale` (pixels), an array of the image's shape."""
        return self._filtered(self._weights(scale))

    def _weights(self, scale: float) -> NDArray[np.float32]:
        factor = np.float32(2 * np.pi**2 * scale**2)
        weights = np.exp(-factor * self._q2_rows)[:, None] * np.exp(-factor * self._q2_columns)[None, :]
        weights *= 2 * factor * (self._q2_rows[:, None] + self._q2_columns[None, :])
        return weights

    def _filtered(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        # Each line is transformed by one thread, so the number of threads does not change the result.
        weights = self._spectrum * weights
        padded = fft.irfft2(weights, self._full, overwrite_x=True, workers=numba.get_num_threads())
        (top, left), (height, width) = self.pad, self.shape
        return padded[top : top + height, left : left + width]


def vertices(image: np.ndarray, positions: np.ndarray, sign: float = 1) -> np.ndarray:
    """Return extrema of an image with sub-pixel positions: the vertices of parabolas along x and along y.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : ndarray of shape (n, 2)
        x, y of pixels that are maxima, or minima if `sign` is -1.

    Returns
    -------
    ndarray of shape (n, 2)
    """
    fine = np.array(positions, float)
    column, row = fine.astype(int).T
    for axis in (0, 1):
        dx, dy = (1, 0) if axis == 0 else (0, 1)
        inside = (fine[:, axis] > 0) & (fine[:, axis] < image.shape[1 - axis] - 1)
        x, y = column[inside], row[inside]
        before, here, after = (sign * image[y + k * dy, x + k * dx] for k in (-1, 0, 1))
        bend = np.maximum(2 * here - before - after, 1e-30)
        fine[inside, axis] += np.clip(0.5 * (after - before) / bend, -0.5, 0.5)
    return fine


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


# Okabe and Ito: eight colours that colour-blind readers can distinguish; black comes last.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")


def peaks_by_atomap(response: np.ndarray) -> np.ndarray:
    """Find all maxima of a prepared image with atomap's ``get_atom_positions``.

    Parameters
    ----------
    response : ndarray of shape (rows, columns)
        The band-passed image; columns are its maxima.

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, whole numbers.
    """
    from atomap.atom_finding_refining import get_atom_positions

    lowest = response.min()
    height = max(MOST_IN_MEMORY // response.shape[1], 1)
    bands = []
    for top in range(0, len(response), height):
        # Each band includes one row of each neighbour, so that a maximum at its edge is compared with both sides.
        first, last = max(top - 1, 0), min(top + height + 1, len(response))
        # A larger separation would compare each maximum with the flanks of its neighbours and lose the faint
        # ones. The prepared image is smooth, so its maxima are as far apart as columns are. The finder ignores a
        # margin as wide as the separation, where columns are equally reliable: hence the padding.
        padded = np.pad(response[first:last] - lowest, 1)
        found = get_atom_positions(SimpleNamespace(data=padded), separation=1, threshold_rel=0.0)
        band = np.asarray(found, float).reshape(-1, 2) + np.array([-1.0, first - 1.0])
        bands.append(band[(band[:, 1] >= top) & (band[:, 1] < top + height)])
    peaks = np.concatenate(bands)
    if len(bands) == 1:
        return peaks
    heights = response[peaks[:, 1].astype(int), peaks[:, 0].astype(int)]
    return peaks[np.argsort(-heights, kind="stable")]


def positions_from_atomap(lattice: object) -> np.ndarray:
    """Return the positions of an atomap ``Sublattice`` or of all sublattices of an ``Atom_Lattice``.

    Parameters
    ----------
    lattice : atomap.sublattice.Sublattice or atomap.atom_lattice.Atom_Lattice

    Returns
    -------
    ndarray of shape (n, 2)
        x (column), y (row) in pixels, in the order of atomap.

    Raises
    ------
    TypeError
        If the object is neither.
    """
    if hasattr(lattice, "sublattice_list"):
        parts = [positions_from_atomap(sublattice) for sublattice in lattice.sublattice_list]
        return np.concatenate(parts) if parts else np.empty((0, 2))
    if hasattr(lattice, "atom_list"):
        return np.array([(a.pixel_x, a.pixel_y) for a in lattice.atom_list], float).reshape(-1, 2)
    raise TypeError(
        f"expected an atomap Sublattice or Atom_Lattice, not {type(lattice).__name__}; "
        "give positions as an array of shape (n, 2)"
    )


def to_atom_lattice(
    image: np.ndarray,
    positions: np.ndarray,
    labels: np.ndarray | None = None,
    pixel_size: float = 1.0,
    units: str = "pixel",
    names: Sequence[str] | None = None,
) -> Any:
    """Create atomap's ``Atom_Lattice`` with one sublattice for each label.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : array_like of shape (n, 2)
        x (column), y (row) in pixels.
    labels : array_like of int of shape (n,), optional
        By default all columns form one sublattice.
    pixel_size : float
        In `units`.
    units : str
    names : sequence of str, optional
        Name of each label in ascending order; by default ``motif 0`` and so on.

    Returns
    -------
    atomap.atom_lattice.Atom_Lattice
        Its sublattices are in the order of the labels. atomap's neighbour search, which precedes its zone axes,
        needs at least nine columns in a sublattice.

    Raises
    ------
    ValueError
        If the numbers of positions, labels and names do not agree.
    """
    points = np.asarray(positions, float).reshape(-1, 2)
    classes = np.zeros(len(points), int) if labels is None else np.asarray(labels)
    if len(classes) != len(points):
        raise ValueError(f"there are {len(points)} positions but {len(classes)} labels")
    values = np.unique(classes)
    if names is None:
        names = [f"motif {value}" for value in values]
    if len(names) != len(values):
        raise ValueError(f"there are {len(values)} different labels but {len(names)} names")
    from atomap.api import Atom_Lattice, Sublattice

    data = np.asarray(image, float)
    sublattices = [
        Sublattice(
            points[classes == value],
            image=data,
            name=str(name),
            color=_COLOURS[k % len(_COLOURS)],
            pixel_size=pixel_size,
            units=units,
        )
        for k, (value, name) in enumerate(zip(values, names, strict=True))
    ]
    lattice = Atom_Lattice(image=data, name="motifs", sublattice_list=sublattices)
    lattice.pixel_size, lattice.units = pixel_size, units
    return lattice


def refine_by_atomap(image: np.ndarray, positions: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Refine columns one by one with atomap's two-dimensional Gaussian fit, and return the parameters.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Image with bright columns.
    positions : ndarray of shape (n, 2)
        x, y in pixels.
    radii : ndarray of shape (n,)
        Radius of the disc of each fit, in pixels.

    Returns
    -------
    ndarray of shape (n, 6)
        x, y, sigma_x, sigma_y, rotation (radians) and amplitude.
    """
    # Not imported from atomap.sublattice: that import is circular and only works after others.
    from atomap.api import Sublattice

    data = np.asarray(image, float)
    sublattice = Sublattice(positions, image=data - data.min())
    rows = []
    for atom, radius in zip(sublattice.atom_list, radii, strict=True):
        for rotation in (False, True):
            atom.refine_position_using_2d_gaussian(
                sublattice.original_image.astype(float), rotation_enabled=rotation, mask_radius=radius
            )
        rows.append(
            (atom.pixel_x, atom.pixel_y, atom.sigma_x, atom.sigma_y, atom.rotation, atom.amplitude_gaussian)
        )
    return np.array(rows, float).reshape(-1, 6)

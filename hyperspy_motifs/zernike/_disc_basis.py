"""Functions of a disc integrated over its pixels, and their rotation."""

from abc import ABC, abstractmethod
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.common import MOST_IN_MEMORY
from hyperspy_motifs.patches import patch_size

from ._modes_and_noise import partner_columns, zernike_modes

# Gauss-Legendre order in a pixel cut by the rim: integrals of order 16 are then exact to 1e-9 for discs of 2 to 40 pixels.
_RIM_ORDER = 12


class DiscNodes(NamedTuple):
    """Quadrature nodes of a disc: a weighted sum over the nodes of a pixel is the integral over its part."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    pixel: NDArray[np.int64]
    pixels: NDArray[np.int64]


@lru_cache(maxsize=32)
def _legendre(order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    node, weight = np.polynomial.legendre.leggauss(order)
    node.flags.writeable = weight.flags.writeable = False  # shared by all callers
    return node, weight


def _interior(
    rows: NDArray[np.int64], columns: NDArray[np.int64], order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    node, weight = _legendre(order)
    node, weight = node / 2, weight / 2
    x = columns[:, None, None] + node[None, None, :] + 0 * node[None, :, None]
    y = rows[:, None, None] + node[None, :, None] + 0 * node[None, None, :]
    w = np.broadcast_to(weight[:, None] * weight[None, :], x.shape)
    shape = len(rows), order**2  # of which there may be none, in a disc smaller than a pixel
    return x.reshape(shape), y.reshape(shape), w.reshape(shape)


def _rim(
    rows: NDArray[np.int64], columns: NDArray[np.int64], radius: float, order: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Nodes of the parts of pixels in the circle: exact chords, split where the circle cuts the sides.

    Returned are the number of the pixel of each part, and x, y and weights of its nodes in a row each.
    """
    node, weight = _legendre(order)
    low, high = np.maximum(rows - 0.5, -radius), np.minimum(rows + 0.5, radius)
    side = columns[:, None] + np.array([-0.5, 0.5])
    crossing = np.where(np.abs(side) < radius, np.sqrt(np.maximum(radius**2 - side**2, 0)), np.inf)
    cuts = np.concatenate([-crossing, crossing, high[:, None]], axis=1)
    # What is no cut is put to the lower side, where it divides nothing.
    cuts = np.where((low[:, None] < cuts) & (cuts <= high[:, None]), cuts, low[:, None])
    cuts = np.sort(np.column_stack([low, cuts]), axis=1)
    pixel, part = np.nonzero(cuts[:, :-1] < cuts[:, 1:])
    start, stop = cuts[pixel, part, None], cuts[pixel, part + 1, None]
    # y = mean + half sin(pi t / 2) removes the square root at the top of the circle.
    angle = np.pi / 2 * node
    y = (start + stop) / 2 + (stop - start) / 2 * np.sin(angle)
    wy = (stop - start) / 2 * np.cos(angle) * np.pi / 2 * weight
    reach = np.sqrt(np.maximum(radius**2 - y**2, 0))
    column = columns[pixel, None]
    left, right = np.maximum(column - 0.5, -reach), np.minimum(column + 0.5, reach)
    width = np.maximum(right - left, 0)
    x = (left + right)[..., None] / 2 + width[..., None] / 2 * node
    w = wy[..., None] * width[..., None] / 2 * weight
    shape = len(pixel), order**2
    return pixel, x.reshape(shape), np.repeat(y, order, axis=1), w.reshape(shape)


def disc_nodes(radius: float, size: int, order: int) -> DiscNodes:
    """Return quadrature nodes for the pixels with x, y >= 0 that overlap with the disc of `radius` pixels.

    The disc lies about the centre of the central pixel of a window of `size` x `size` pixels; `order` is the Gauss-Legendre
    order per axis inside a pixel. x, y of the nodes are in pixels from the centre, their weights areas in square pixels; the
    pixel of each is numbered in ascending order, and `pixels` are flat indices in the window.
    """
    half = size // 2
    rows, columns = (grid.ravel() for grid in np.mgrid[: half + 1, : half + 1])
    far = np.hypot(rows + 0.5, columns + 0.5)
    near = np.hypot(np.maximum(rows - 0.5, 0), np.maximum(columns - 0.5, 0))
    inner = np.flatnonzero(far <= radius)
    rim = np.flatnonzero((far > radius) & (near < radius))
    whole = _interior(rows[inner], columns[inner], order)
    part, *cut = _rim(rows[rim], columns[rim], radius, max(order, _RIM_ORDER))
    x, y, w = (np.concatenate([a.ravel(), b.ravel()]) for a, b in zip(whole, cut, strict=True))
    of = np.concatenate([np.repeat(inner, whole[0].shape[1]), np.repeat(rim[part], cut[0].shape[1])])
    ascending = np.argsort(of, kind="stable")
    pixels, number = np.unique(of[ascending], return_inverse=True)
    x, y, w = x[ascending], y[ascending], w[ascending]
    return DiscNodes(x, y, w, number, (rows[pixels] + half) * size + columns[pixels] + half)


# In pixels. Far smaller than any disc of use; the area of one of 1e-160 pixels is 0 in float64.
_LEAST_RADIUS = 1e-3


class DiscBasis(ABC):
    r"""Functions :math:`Z_{nm}(\rho, \theta)` on a disc: radial part times cos or sin of :math:`m \theta`.

    Subclasses define the radial functions; integration over pixels, moments, reconstruction and rotation
    are the same for all.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    radius : float
        Radius of the disc in pixels; need not be whole.

    Attributes
    ----------
    modes : (K, 2) int array
        (n, m) of each function in OSA/ANSI order (n ascending, m = -n ... n): m < 0 sine, m > 0 cosine.
    size : int
        Side of the patches, 2 ceil(radius) + 1; the centre of the disc is that of the central pixel.

    Notes
    -----
    Angles run from x (columns) towards y (rows), clockwise on the screen. The functions are
    normalised to a mean square of 1 over the disc, as Noll's and motif-learn's Zernike polynomials are,
    and moments are

    .. math:: a_{nm} = \frac{1}{\pi R^2} \int_{r < R} f Z_{nm} \,\mathrm{d}A,

    so that a_00 is the mean of the patch, f = sum of a Z, and white noise of variance s^2 per pixel gives every
    moment the variance s^2 / (pi R^2). Moments of the orthonormal functions of the unit disc are sqrt(pi) times
    these.

    Each function is integrated over the area of every pixel inside the disc (whole or part): sampling at pixel
    centres increases the violation of rotation invariance ten times.
    """

    def __init__(self, n_max: int, radius: float) -> None:
        self.modes = zernike_modes(n_max)
        self.n_max = int(n_max)
        self.size = patch_size(radius)
        self.radius = float(radius)
        if self.radius < _LEAST_RADIUS:
            raise ValueError(
                f"A disc with a radius of {self.radius:.3g} pixels contains no pixel; was it given in axis units?"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_max={self.n_max}, radius={self.radius:g})"

    @property
    def parameters(self) -> dict[str, float | int | str]:
        """Identity of a basis: the name of the class and its arguments."""
        return {"basis": type(self).__name__, "n_max": self.n_max, "radius": self.radius}

    @abstractmethod
    def radial(self, rho: NDArray[np.float64]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return the radial functions {(n, m >= 0): values}, each normalised so that Z has mean square 1."""

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the functions at points of the unit disc.

        Parameters
        ----------
        x, y : array_like, same shape
            Coordinates over the radius.

        Returns
        -------
        (K, ...) array
            Values; 0 outside the disc.
        """
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        rho = np.hypot(x, y)
        radial = self.radial(np.minimum(rho, 1))
        # exp(i m theta) by repeated multiplication: the cosines and sines of every m would take most of the time.
        there = rho > 0
        direction = (np.where(there, x, 1) + 1j * y) / np.where(there, rho, 1)
        phase = (rho <= 1 + 1e-12).astype(np.complex128)
        out = np.empty((len(self.modes), *rho.shape))
        for m in range(self.n_max + 1):
            cosine, sine = phase.real.copy(), phase.imag.copy()
            for n in range(m, self.n_max + 1, 2):
                column = (n * (n + 2) + m) // 2
                np.multiply(radial[n, m], cosine, out=out[column])
                if m:
                    np.multiply(radial[n, m], sine, out=out[column - m])
            phase *= direction
        return out

    @cached_property
    def _integrals(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Integrals (K, P) over the P pixels of the disc, areas (P,), flat pixel indices (P,)."""
        # A pixel holds about n_max / (2 R) periods of the finest mode.
        order = int(np.clip(4 + np.ceil(2 * self.n_max / self.radius), 4, 24))
        nodes = disc_nodes(self.radius, self.size, order)
        n_pixels = len(nodes.pixels)
        integrals = np.zeros((len(self.modes), n_pixels))
        starts = np.searchsorted(nodes.pixel, np.arange(n_pixels + 1))
        first = 0
        while first < n_pixels:
            limit = starts[first] + max(MOST_IN_MEMORY // len(self.modes), 1)
            last = max(int(np.searchsorted(starts, limit, side="right")) - 1, first + 1)
            chosen = slice(starts[first], starts[last])
            values = self.evaluate(nodes.x[chosen] / self.radius, nodes.y[chosen] / self.radius)
            values *= nodes.weight[chosen]
            integrals[:, first:last] = np.add.reduceat(values, starts[first:last] - starts[first], axis=1)
            first = last
        areas = np.add.reduceat(nodes.weight, starts[:-1])
        return self._unfold(integrals, areas, nodes.pixels)

    def _unfold(
        self, integrals: NDArray[np.float64], areas: NDArray[np.float64], pixels: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Whole disc from its quarter x, y >= 0, by the parity of each mode."""
        quarter = np.full(self.size * self.size, -1)
        quarter[pixels] = np.arange(len(pixels))
        half = self.size // 2
        rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
        source = quarter[((np.abs(rows) + half) * self.size + np.abs(columns) + half).ravel()]
        whole = np.flatnonzero(source >= 0)
        source = source[whole]
        m = self.modes[:, 1]
        # x -> -x is theta -> pi - theta, y -> -y is theta -> -theta.
        across = np.where(m >= 0, 1, -1) * np.where(m % 2 == 0, 1, -1)
        down = np.where(m >= 0, 1, -1)
        full = integrals[:, source]
        full[:, columns.ravel()[whole] < 0] *= across[:, None]
        full[:, rows.ravel()[whole] < 0] *= down[:, None]
        return full, areas[source], whole

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Flat indices (P,) in a (size, size) patch of the pixels that overlap with the disc."""
        return self._integrals[2]

    @property
    def areas(self) -> NDArray[np.float64]:
        """Area (P,) of each of these pixels inside the disc, in square pixels."""
        return self._integrals[1]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weights (K, P) with moments = patch[pixels] @ weights.T."""
        return self._integrals[0] / (np.pi * self.radius**2)

    @cached_property
    def functions(self) -> NDArray[np.float64]:
        """The functions (K, size, size), integrated over each pixel (0 outside the disc)."""
        integrals, _, pixels = self._integrals
        out = np.zeros((len(self.modes), self.size * self.size))
        out[:, pixels] = integrals
        return out.reshape(-1, self.size, self.size)

    @cached_property
    def window_weights(self) -> NDArray[np.float32]:
        """Weights (size * size, K) in single precision for whole patches: moments = patches @ weights."""
        out = np.zeros((self.size * self.size, len(self.modes)), np.float32)
        out[self.pixels] = self.weights.T
        return out

    @cached_property
    def interpolated_noise(self) -> NDArray[np.float64]:
        r"""Variance (K,) of each moment divided by that of white noise at whole pixels.

        Cubic-spline interpolation damps noise between pixels. Averaged over sub-pixel centres its power
        response along an axis is :math:`\sum_g \mathrm{sinc}^8(f + g) / b(f)^2`, with
        :math:`b(f) = (2 + \cos 2 \pi f) / 3`.
        """
        length = 2 * self.size
        frequency = np.fft.fftfreq(length)
        response = sum(np.sinc(frequency + g) ** 8 for g in range(-3, 4))
        response = response / ((2 + np.cos(2 * np.pi * frequency)) / 3) ** 2
        response = response[:, None] * response[: self.size + 1]
        # Both halves of the spectrum of a real function contribute.
        fold = np.full(self.size + 1, 2.0)
        fold[[0, -1]] = 1.0
        ratio = np.empty(len(self.modes))
        for k, function in enumerate(self.functions):
            power = np.abs(np.fft.rfft2(function, (length, length))) ** 2 * fold
            ratio[k] = (power * response).sum() / power.sum()
        return ratio

    def _check_patches(self, patches: ArrayLike) -> NDArray[np.floating]:
        values = np.asarray(patches)
        if values.ndim < 2 or values.shape[-2:] != (self.size, self.size):
            raise ValueError(
                f"Patches of {self.size} x {self.size} pixels belong to a radius of {self.radius:g} px, "
                f"not an array of shape {values.shape}: sample them with radius={self.radius:g}."
            )
        return values if values.dtype.kind == "f" else values.astype(np.float64)

    def transform(self, patches: ArrayLike) -> NDArray[np.floating]:
        """Return the moments (..., K) of patches (..., size, size), in the precision of the patches."""
        values = self._check_patches(patches)
        flat = values.reshape(*values.shape[:-2], -1)
        if values.dtype == np.float32:
            return np.asarray(flat @ self.window_weights)
        return np.asarray(flat[..., self.pixels] @ self.weights.T.astype(values.dtype))

    @cached_property
    def _dual(self) -> NDArray[np.float64]:
        """Operator (K, K) from moments to the coefficients of least squares."""
        # Means over pixels as model values: sum over pixels of area (f - sum c Z)^2 is least.
        integrals, areas, _ = self._integrals
        gram = (integrals / areas) @ integrals.T / (np.pi * self.radius**2)
        # With more modes than the pixels determine the matrix is singular: these modes have no weight.
        return np.asarray(np.linalg.pinv(gram, rcond=1e-8, hermitian=True), dtype=np.float64)

    def reconstruct(self, moments: ArrayLike) -> NDArray[np.float64]:
        """Return the patches (..., size, size) of moments (..., K); 0 outside the disc.

        They are the least-squares combination of the pixel-averaged functions, with areas of pixels as weights.

        Parameters
        ----------
        moments : (..., K) array_like
            Real moments, all modes of this basis (0 for excluded modes).

        Returns
        -------
        (..., size, size) float64 array
        """
        values = np.asarray(moments, dtype=np.float64)
        if values.shape[-1:] != (len(self.modes),):
            raise ValueError(f"{self!r} has {len(self.modes)} modes; moments of shape {values.shape} given.")
        integrals, areas, pixels = self._integrals
        out = np.zeros((*values.shape[:-1], self.size * self.size))
        out[..., pixels] = values @ self._dual @ (integrals / areas)
        return out.reshape(*values.shape[:-1], self.size, self.size)

    def rotate(self, moments: ArrayLike, angle: ArrayLike) -> NDArray[np.floating]:
        """Return the moments of the patterns rotated by `angle`.

        Parameters
        ----------
        moments : (..., K) array_like
            Real moments.
        angle : float or (...) array_like
            Angle in radians from x towards y (clockwise on the screen), one or one per pattern.

        Returns
        -------
        (..., K) array
            Real moments.
        """
        return rotate_moments(moments, self.modes, angle)


def rotate_moments(moments: ArrayLike, modes: NDArray[np.int64], angle: ArrayLike) -> NDArray[np.floating]:
    """Return real moments after a rotation of the patterns by `angle` (radians, from x towards y).

    With A_nm = a_{n,m} + i a_{n,-m}, a rotation by theta changes it to A_nm exp(i m theta).

    Parameters
    ----------
    moments : (..., K) array_like
        Real moments.
    modes : (K, 2) int array
        Their (n, m); each sine mode needs its cosine mode.
    angle : float or (...) array_like
        One angle, or one per pattern.

    Returns
    -------
    (..., K) array
        Real moments.

    Raises
    ------
    ValueError
        If a mode lacks its partner of the opposite m, or there is not one angle, or one per pattern.
    """
    values = np.asarray(moments)
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    partner = partner_columns(modes)
    turns = np.shape(angle)
    if turns not in ((), (1,), values.shape[:-1]):
        raise ValueError(
            f"Angles of shape {turns} do not match patterns of shape {values.shape[:-1]}: one, or one per pattern."
        )
    phase = np.asarray(angle, dtype=np.float64)[..., None] * modes[:, 1]
    # cosine' = cosine cos - sine sin; sine' = sine cos + cosine sin: the sign is in m of the partner.
    return (values * np.cos(phase) - values[..., partner] * np.sin(phase)).astype(values.dtype)

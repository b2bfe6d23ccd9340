"""Sub-pixel positions of all columns of an image: one simultaneous fit of Gaussians on local backgrounds."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.common import robust_spread

from ._atoms import (
    REACH,
    Atoms,
    nearest_in_table,
    nearest_neighbour_distance,
    neighbour_table,
    subset_of_table,
)
from ._disc_fits import (
    NARROWEST_SHAPES,
    WIDEST_SHAPES,
    Discs,
    centres_of_mass,
    common_precision,
    fitted,
    in_blocks,
    measured,
    median_of_known,
    quality,
    shape_scatter,
    spread_sample,
    subtract_columns,
)
from ._noise_spectrum import NoiseSpectrum, tiles, within_band
from ._peaks import refine_by_atomap

#: Standard deviation of a column from which a fit starts, in separations.
START_WIDTH = 0.22
# Largest number of passes over all columns.
_PASSES = 8
# Passes end when positions move by less than this fraction of their uncertainty, or of a pixel.
_SETTLED = 0.1
_SETTLED_PIXELS = 0.003
# Levenberg-Marquardt steps in each pass, and the relative improvement below which they end.
_STEPS = (6, 1e-5)
_LINEAR_PASSES = 3
# If the typical residual variance after a pass is this many times the smallest so far, the pass is undone. From then
# on half of each step is taken, down to the smallest fraction. The limit allows for twice the part of the noise in a
# disc that three shape parameters can explain, because their constraint varies from pass to pass.
_WORSE = 1.02
_FREEDOM = 2 * 3 / np.pi
_LEAST_DAMPING = 0.1
_FURTHEST_SHIFT = 0.3
# A fit that leaves less than this fraction of the typical column has not found a column.
_LEAST_AMPLITUDE = 1e-3
_METHODS = ("gaussian", "center_of_mass", "atomap", "none")
# Fits of the columns of an image with a band limit.
_EXTRAPOLATIONS = 6
#: Frequency, times the separation, up to which fitted columns take up noise: a third of it at that of a separation. 0.9 to 1.7
#: give as many right results for smoothed and enlarged images in benchmarks/bench_finding.py.
TAKEN_UP = 1.3

# Misfit, median radius, parameters, lost columns, common precision, its scatter, and the strength of the prior.
_State = tuple[float, float, NDArray[np.float64], NDArray[np.bool_], float, float, float]


class ColumnFit:
    """Simultaneous fit of Gaussian columns on local backgrounds to one image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : ndarray of shape (n, 2)
        x, y in pixels.
    separation : float
        Pixels.
    sign : 1.0 or -1.0
        -1 for dark columns.
    width : float, optional
        Initial standard deviation of the columns in pixels.

    Attributes
    ----------
    parameters : ndarray of shape (n, 7)
        Amplitude, x, y, precision matrix xx, xy, yy, background; of ``sign * image``.
    """

    def __init__(
        self,
        image: np.ndarray,
        positions: np.ndarray,
        separation: float,
        sign: float,
        width: float | None = None,
    ):
        self.image = sign * np.ascontiguousarray(image, np.float64)
        self.sign = sign
        self.separation = separation
        self.start = np.array(positions, float)
        n = len(self.start)
        self.common = 1.0 / (START_WIDTH * separation if width is None else width) ** 2
        self.parameters = np.zeros((n, 7))
        self.parameters[:, 1:3] = self.start
        self.parameters[:, 3] = self.parameters[:, 5] = self.common
        self._strength, self._scatter = 0.0, WIDEST_SHAPES
        self.noise: NoiseSpectrum | None = None
        # Fraction of each step that is taken; less than 1 where full steps overshoot.
        self._damping = 1.0
        self.table: tuple[np.ndarray, np.ndarray]
        self._update_neighbours()
        self.fitted = np.zeros(n, bool)
        self.variance = np.full(n, np.nan)
        self.uncertainty = np.full((n, 2), np.nan)

    @classmethod
    def of_atoms(cls, image: np.ndarray, atoms: Atoms) -> ColumnFit:
        """Return the state of a finished fit: the columns of `image` as `atoms` describes them."""
        sign = 1.0 if atoms.polarity == "bright" else -1.0
        width = float(np.median(np.sqrt(atoms.sigma.prod(axis=1))))
        fit = cls(image, atoms.positions, atoms.separation, sign, width)
        long, short = 1 / atoms.sigma.T**2
        cosine, sine = np.cos(atoms.angle), np.sin(atoms.angle)
        fit.parameters[:, 0], fit.parameters[:, 6] = sign * atoms.amplitude, sign * atoms.background
        fit.parameters[:, 3] = long * cosine**2 + short * sine**2
        fit.parameters[:, 4] = (long - short) * cosine * sine
        fit.parameters[:, 5] = long * sine**2 + short * cosine**2
        fit.fitted, fit.uncertainty = atoms.fitted.copy(), atoms.uncertainty.copy()
        fit._update_radii()
        # The shapes are held together as they were at the end of that fit.
        precision = np.sqrt(long * short) / fit.common
        seen = float(robust_spread(precision - np.median(precision)))
        fit._scatter = float(np.clip(seen, NARROWEST_SHAPES, WIDEST_SHAPES))
        fit._strength = fit.measure_noise().variance / fit._scatter**2
        return fit

    def _disc_radii(self) -> NDArray[np.float64]:
        wide = np.clip(0.75 * self._nearest, max(2.0, 0.45 * self.separation), 0.9 * self.separation)
        # Beyond 3 widths a disc contains no signal of the column, and more and more of the area between columns.
        return np.minimum(wide, np.maximum(3.0 / np.sqrt(self.common), 2.0))

    def measure_amplitudes(self, passes: int = _LINEAR_PASSES, which: np.ndarray | None = None) -> np.ndarray:
        """Measure amplitudes at fixed positions and shapes, of all columns or of the indices `which`.

        Returns the significance of each amplitude relative to the noise.
        """
        if which is None:
            which = np.arange(len(self.start))
        doubt = self.measure_with_uncertainty(passes, which)
        with np.errstate(divide="ignore", invalid="ignore"):
            significance = self.parameters[which, 0] / doubt
        return np.nan_to_num(significance, posinf=np.inf)

    def measure_with_uncertainty(self, passes: int, which: np.ndarray) -> np.ndarray:
        """Measure the amplitudes of the columns `which` at fixed positions and shapes; returns their standard deviations."""
        if not len(which):
            return np.empty(0)
        variance = np.full((len(self.parameters), 2), np.nan)
        for _ in range(passes):
            new = self.parameters.copy()

            def measure(part: np.ndarray, new: np.ndarray = new) -> None:
                new[part], variance[part] = measured(self._discs(part))

            in_blocks(measure, which)
            self.parameters = new
        self.variance[which] = variance[which, 0]
        # The residual of one small disc is noisy: it is averaged with the typical residual.
        noise = 0.5 * (self.variance + median_of_known(self.variance))[which]
        return np.sqrt(noise * variance[which, 1] * self._correlation()[0])

    def measure_noise(self) -> NoiseSpectrum:
        """Measure the noise spectrum in the residual of the columns, and use it from then on.

        Below the frequency of the columns the residual holds their backgrounds, and lacks the noise that they take up.
        Recorded noise is white, and smoothing leaves the slow part of it: there it is as at that frequency.
        """
        measured = NoiseSpectrum.of_windows(self.residual(window) for window in tiles(self.image.shape))
        self.noise = measured.level_below(TAKEN_UP / self.separation)
        return self.noise

    def _correlation(self) -> NDArray[np.float64]:
        """Return the ratio, at least 1, of the variances of amplitude, x and y for the actual noise to those for white noise.

        The white noise has the residual variance. Correlated noise has more power at the frequencies of the columns, and
        a disc shows less of it.
        """
        misfit = median_of_known(self.variance)
        if self.noise is None or not misfit > 0:
            return np.ones(3)
        radius, width = float(np.median(self.radii)), 1 / np.sqrt(self.common)
        y, x = np.mgrid[-int(radius) : int(radius) + 1, -int(radius) : int(radius) + 1].astype(float)
        disc = x * x + y * y <= radius * radius
        column = np.where(disc, np.exp(-0.5 * (x * x + y * y) / width**2), 0.0)
        level = np.where(disc, column - column[disc].mean(), 0.0)
        weights = level, x * column, y * column
        factors = [self.noise.variance_of_sum(w) / (misfit * (w**2).sum()) for w in weights]
        return np.maximum(factors, 1.0)

    def refine(self, passes: int = _PASSES, final: bool = True, which: np.ndarray | None = None) -> None:
        """Run passes of Gaussian fits, of all columns or the indices `which`; where they fail the centre of mass is taken.

        The common shape is kept for the next call. Only the `final` call computes uncertainties, for `which` alone.
        """
        n = len(self.parameters)
        every = np.arange(n) if which is None else which
        own, sample = np.isin(np.arange(n), every), spread_sample(n)
        lost = np.zeros(n, bool)
        self._damping = min(1.0, 2 * self._damping)
        best, done = self._state(np.inf, lost), 0
        while done < passes if self._damping == 1.0 else done < 2 * passes:
            done += 1
            self.radii = self._disc_radii()
            new = self.parameters.copy()

            def fit(part: np.ndarray, new: np.ndarray = new) -> None:
                new[part] = fitted(self._discs(part), (self.common, self._strength), *_STEPS)

            in_blocks(fit, every)
            lost = self._lost(new) & own
            if self._damping < 1.0:
                new = self.parameters + self._damping * (new - self.parameters)
            new[lost] = self._restart(lost)
            moved = np.median(np.abs(new[own, 1:3] - self.parameters[own, 1:3]))
            self.parameters = new
            sound = ~lost & (new[:, 0] > 0)
            if not sound.any():
                break
            self.common = common_precision(new[sound])
            chosen = sample[sound[sample]]
            if not len(chosen):
                continue
            variance, spread = self._quality(chosen, 0.0, shapes_only=True)
            relative, doubt = new[chosen, 3] / self.common, spread[:, 3] / self.common**2
            self._scatter = shape_scatter(relative, doubt, self._scatter)
            misfit = median_of_known(variance)
            self._strength = misfit / self._scatter**2
            radius = float(np.median(self.radii))
            if misfit > (_WORSE + _FREEDOM / radius**2) * best[0] and radius > 0.98 * best[1]:
                # Columns with strong overlap, each fitted to the residual of the others, overshoot together.
                _, _, self.parameters, lost, self.common, self._scatter, self._strength = best
                self._damping *= 0.5
                if self._damping < _LEAST_DAMPING:
                    break
                continue
            if misfit < best[0] or radius < 0.98 * best[1]:
                best = self._state(misfit, lost)
            # Position uncertainty of a Gaussian: its width times the relative uncertainty of its amplitude.
            doubt = median_of_known(np.sqrt(spread[:, 2]) / new[chosen, 0]) / np.sqrt(self.common)
            if moved < max(_SETTLED * doubt, _SETTLED_PIXELS):
                break
        floor = _LEAST_AMPLITUDE * np.median(self.parameters[:, 0])
        self.fitted = ~lost & (self.parameters[:, 0] > max(floor, 0.0))
        if final:
            spread = np.full((n, 4), np.nan)
            self.variance[every], spread[every] = self._quality(every, self._strength)
            if self.noise is None:
                self.measure_noise()
            self.fitted &= np.isfinite(spread).all(axis=1)
            spread[:, :2] *= self._correlation()[1:]
            self.uncertainty = np.where(self.fitted[:, None], np.sqrt(spread[:, :2]), np.nan)
        self.take_centres_of_mass(~self.fitted & own)

    def extrapolate(self, limit: float) -> None:
        """Add to the image what its columns have above the band limit (cycles a pixel), and fit them again.

        A sharp cut-off surrounds each column with ripples, whose sums would be columns of their own.
        """
        recorded = self.image
        for _ in range(_EXTRAPOLATIONS):
            model = self.image - self.residual()
            self.image = recorded + model - within_band(model, limit)
            self.refine(passes=2, final=False)

    def _state(self, misfit: float, lost: NDArray[np.bool_]) -> _State:
        radius = float(np.median(self.radii))
        return misfit, radius, self.parameters, lost, self.common, self._scatter, self._strength

    def extend(self, positions: np.ndarray) -> None:
        """Add columns of the common shape at `positions` (n, 2); their amplitudes are still to be measured."""
        n = len(positions)
        added = np.zeros((n, 7))
        added[:, 1:3] = positions
        added[:, 3] = added[:, 5] = self.common
        if not n:
            return
        self.start = np.concatenate([self.start, positions])
        self.parameters = np.concatenate([self.parameters, added])
        self.fitted = np.concatenate([self.fitted, np.zeros(n, bool)])
        self.variance = np.concatenate([self.variance, np.full(n, np.nan)])
        self.uncertainty = np.concatenate([self.uncertainty, np.full((n, 2), np.nan)])
        self._update_neighbours()

    def rescale(self, separation: float) -> None:
        """Set another separation (pixels), for example after sites between the columns were added."""
        self.separation = separation
        self._update_neighbours()

    def with_neighbours(self, which: np.ndarray) -> np.ndarray:
        """Return the ascending indices of the columns `which` and of all their neighbours."""
        starts, neighbours = self.table
        mask = np.zeros(len(self.start), bool)
        mask[which] = True
        near = np.repeat(mask, np.diff(starts))
        mask[neighbours[near]] = True
        return np.flatnonzero(mask)

    def keep(self, which: np.ndarray) -> None:
        """Remove the columns that are not in the mask `which`."""
        if which.all():
            return
        for name in ("start", "parameters", "fitted", "variance", "uncertainty"):
            setattr(self, name, getattr(self, name)[which])
        starts, neighbours = self.table
        self.table = subset_of_table(starts, neighbours, which)
        self._update_radii()

    def copy(self) -> ColumnFit:
        """Return an independent copy of the columns, on the same image."""
        twin = copy.copy(self)
        for name in ("start", "parameters", "fitted", "variance", "uncertainty"):
            setattr(twin, name, getattr(self, name).copy())
        return twin

    def residual(self, window: tuple[slice, slice] = np.s_[0:, 0:]) -> np.ndarray:
        """Return ``sign * image`` minus all columns in a window of it; their backgrounds remain."""
        rest, n = self.image[window][None].copy(), len(self.parameters)
        corner = np.array([[window[1].start, window[0].start]])
        subtract_columns(rest, corner, np.array([0, n]), np.arange(n), self.parameters)
        return rest[0]

    def _discs(self, which: np.ndarray, margin: float = 0.0) -> Discs:
        return Discs(self.image, self.parameters, self.radii, self.table, which, margin)

    def _quality(
        self, which: NDArray[np.int64], strength: float, shapes_only: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the residual variances and the variances of the parameters, with a prior on the shapes."""
        variance, spread = np.full(len(self.parameters), np.nan), np.full((len(self.parameters), 4), np.nan)

        def assess(part: np.ndarray) -> None:
            variance[part], spread[part] = quality(self._discs(part), (self.common, strength), shapes_only)

        in_blocks(assess, which)
        return variance[which], spread[which]

    def _update_neighbours(self) -> None:
        self.table = neighbour_table(self.start, REACH * self.separation)
        self._update_radii()

    def _update_radii(self) -> None:
        self._nearest = nearest_in_table(self.start, *self.table)
        alone = np.flatnonzero(np.isinf(self._nearest))
        if len(alone):
            n = len(self.start)
            self._nearest[alone] = (
                cKDTree(self.start).query(self.start[alone], k=2)[0][:, 1] if n > 1 else self.separation
            )
        self.radii = self._disc_radii()

    def take_centres_of_mass(self, which: np.ndarray) -> None:
        """Move the columns of the mask `which` to the centre of mass of their discs."""
        centres = self.parameters[:, 1:3].copy()

        def move(part: np.ndarray) -> None:
            centres[part] = centres_of_mass(self._discs(part, _FURTHEST_SHIFT * self.separation))

        in_blocks(move, np.flatnonzero(which))
        near = np.hypot(*(centres - self.start).T) < _FURTHEST_SHIFT * self.separation
        self.parameters[which, 1:3] = np.where(near[:, None], centres, self.start)[which]

    def refine_with_atomap(self) -> None:
        """Refine positions and shapes with atomap; its fits give no uncertainties."""
        nearest = cKDTree(self.start).query(self.start, k=2)[0][:, 1]
        found = refine_by_atomap(self.image, self.start, np.maximum(0.4 * nearest, 1.5))
        near = np.hypot(*(found[:, :2] - self.start).T) < _FURTHEST_SHIFT * self.separation
        self.fitted = near & np.isfinite(found).all(axis=1) & (found[:, 2:4] > 0).all(axis=1)
        x, y, sigma_x, sigma_y, rotation, _ = found[self.fitted].T
        cosine, sine = np.cos(rotation), np.sin(rotation)
        u, v = 1 / sigma_x**2, 1 / sigma_y**2
        shape = (u * cosine**2 + v * sine**2, (u - v) * cosine * sine, u * sine**2 + v * cosine**2)
        self.parameters[self.fitted, 1:6] = np.column_stack([x, y, *shape])
        self.measure_amplitudes()
        self.take_centres_of_mass(~self.fitted)

    def _lost(self, parameters: NDArray[np.float64]) -> NDArray[np.bool_]:
        shift = np.hypot(*(parameters[:, 1:3] - self.start).T)
        determinant = parameters[:, 3] * parameters[:, 5] - parameters[:, 4] ** 2
        size = np.sqrt(np.maximum(determinant, 0)) / self.common
        sound = np.isfinite(parameters).all(axis=1) & (size > 0.1) & (size < 16)
        return ~sound | (shift > _FURTHEST_SHIFT * self.separation)

    def _restart(self, which: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the parameters of columns reset to their start positions, with the common shape."""
        back = self.parameters[which].copy()
        back[:, 1:3] = self.start[which]
        back[:, 3:6] = self.common, 0.0, self.common
        return back

    def atoms(self) -> Atoms:
        """Return the columns in their current state."""
        xx, xy, yy = self.parameters[:, 3:6].T
        middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        sigma = 1 / np.sqrt(np.maximum(np.column_stack([middle - half, middle + half]), 1e-12))
        # The eigenvector of the smaller precision is the long axis.
        angle = (0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2) % np.pi
        return Atoms(
            positions=self.parameters[:, 1:3].copy(),
            amplitude=self.sign * self.parameters[:, 0],
            sigma=sigma,
            ellipticity=sigma[:, 0] / sigma[:, 1],
            angle=angle,
            background=self.sign * self.parameters[:, 6],
            uncertainty=self.uncertainty.copy(),
            fitted=self.fitted.copy(),
            separation=float(self.separation),
            separation_certainty=1.0,
            polarity="bright" if self.sign > 0 else "dark",
            polarity_certainty=1.0,
        )


def refine_atoms(
    image: np.ndarray,
    positions: np.ndarray,
    *,
    polarity: str = "bright",
    separation: float | None = None,
    method: str = "gaussian",
) -> Atoms:
    """Fit a two-dimensional Gaussian on a local background to every column at once.

    Each pass fits every column by Levenberg-Marquardt to the image minus its neighbours from the last pass (Jacobi).
    The tails of neighbours therefore do not shift positions, and the result does not depend on the order of the
    columns or the number of threads. A prior draws the shape towards the common shape of all columns. Its strength
    follows from the noise (empirical Bayes: the scatter of the shapes is the observed scatter minus that of the noise).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : array_like of shape (n, 2)
        x (column), y (row) in pixels, correct to a fraction of the nearest-neighbour distance.
    polarity : {"bright", "dark"}
    separation : float, optional
        Typical nearest-neighbour distance in pixels; by default that of `positions`.
    method : {"gaussian", "center_of_mass", "atomap", "none"}
        ``"center_of_mass"`` uses the centre of mass of each disc, with the neighbours subtracted. ``"atomap"`` is the
        Gaussian refinement of atomap, some 200 times slower. ``"none"`` keeps positions and only measures amplitudes.

    Returns
    -------
    Atoms

    Raises
    ------
    ValueError
        If the positions are not finite or lie outside the image, or the method is unknown.
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, not {method!r}")
    if polarity not in ("bright", "dark"):
        raise ValueError(f"polarity must be 'bright' or 'dark', not {polarity!r}")
    start = np.array(positions, float).reshape(-1, 2)
    height, width = image.shape
    inside = (start > -0.5).all(axis=1) & (start[:, 0] < width - 0.5) & (start[:, 1] < height - 0.5)
    if not inside.all():
        raise ValueError(
            f"{int((~inside).sum())} of {len(start)} positions are not finite or lie outside the image of "
            f"{width} x {height} pixels"
        )
    if separation is None:
        separation = nearest_neighbour_distance(start)
    fit = ColumnFit(image, start, separation, 1.0 if polarity == "bright" else -1.0)
    fit.measure_amplitudes()
    if method == "gaussian":
        fit.refine()
    elif method == "center_of_mass":
        fit.take_centres_of_mass(np.ones(len(start), bool))
    elif method == "atomap":
        fit.refine_with_atomap()
    return fit.atoms()

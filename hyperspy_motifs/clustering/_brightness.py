"""The unit of brightness of an image, from the motifs that it shares with those that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp
from scipy.stats import norm

from hyperspy_motifs.common import FEWEST_ATOMS_OF_A_TREND, SMALL_SAMPLE
from hyperspy_motifs.threads import one_blas_thread

from ._constants import CONSTANTS
from ._mixture import MotifMixture
from ._nested_radii import NestedRadii
from ._site_classifier import RadiusModel

# The scatter decreases to that of the motifs by this factor, in squares, from step to step.
_COOLING = 4.0
# Steps at the scatter of the motifs, and the change of a gain after which no more are made.
_STEPS, _CHANGE = 20, 1e-4
# Coverage of the whole discs of images with more noise than most. Below 1, so that the noise of each of their atoms enters its
# classification, as that of a truncated disc does.
ALMOST_WHOLE = 1 - 1e-6
# Gains from which the fit starts.
_STARTS = (1.0, 0.7, 1.4)

AnyMoments = TypeVar("AnyMoments")


@dataclass(frozen=True)
class Brightness:
    """Brightness of an image relative to that of known images, for each of d detectors.

    The contrast, which is the unit of the moments, depends on the composition: heavy dopants increase it, and all other atoms
    are dimmer in units of it. The mean, from which the moments are counted, increases as well.

    Attributes
    ----------
    gain : ndarray, shape (d,)
        Moments of a motif in the image, over those in the known images.
    level : ndarray, shape (d,)
        What the image adds to the mean of every disc, in units of its contrast.
    error : ndarray, shape (d, 2)
        Standard errors of gain and level.
    """

    gain: NDArray[np.float64]
    level: NDArray[np.float64]
    error: NDArray[np.float64]

    @classmethod
    def known(cls, modes: NDArray[np.integer]) -> Brightness:
        """Return that of the known images: gain 1, level 0."""
        d = int(_detector(modes)[-1]) + 1
        return cls(np.ones(d), np.zeros(d), np.zeros((d, 2)))

    @property
    def is_known(self) -> bool:
        """Whether it is that of the known images."""
        return bool((self.gain == 1).all() and (self.level == 0).all())

    def apply(self, moments: AnyMoments) -> AnyMoments:
        """Return the moments of the image in the brightness of the known images."""
        if self.is_known:
            return moments
        given: Any = moments
        of = _detector(given.modes)
        gain = self.gain[of].astype(np.float32)
        level = np.where(_is_mean(given.modes), self.level[of], 0).astype(np.float32)
        noise_std = given.noise_std / gain
        error = None if given.scan_error is None else given.scan_error / gain
        return replace(given, values=(given.values - level) / gain, noise_std=noise_std, scan_error=error)


def _is_mean(modes: NDArray[np.integer]) -> NDArray[np.bool_]:
    return np.asarray((np.asarray(modes) == 0).all(axis=1))


def _detector(modes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the detector (K,) of each mode: the modes of each begin with its mean."""
    return np.maximum(np.cumsum(_is_mean(modes)) - 1, 0)


# Sums of BLAS depend on the number of its threads: one, so that the bits do not.
@one_blas_thread()
def brightness_of(classifier: NestedRadii, moments_of: Callable[[float], Any]) -> Brightness:
    r"""Fit the brightness of an image to the kinds of a classifier that occur in it.

    An atom of kind k has the moments :math:`g \mu_k + c` at the smallest radius, where c is the same for all atoms, or it is
    of another kind, with the wide distribution of outliers (see `MotifMixture`). Gain and level are those of greatest
    likelihood, found by expectation maximisation while the scatter decreases to that of the kinds, so that it ends where most
    atoms agree, however far from 1 (deterministic annealing: Ueda and Nakano, Neural Networks 11 (1998) 271). They are used if
    the atoms are significantly more likely with them (Vuong, Econometrica 57 (1989) 307, with the penalty of Schwarz,
    Ann. Stat. 6 (1978) 461, for two parameters). Images that share no kind with the classifier keep their brightness.

    Parameters
    ----------
    classifier : NestedRadii
    moments_of : callable
        Returns the moments of the atoms of the image at a radius, in the orientation of those of the fit.

    Returns
    -------
    Brightness
    """
    first = classifier.radii_[0]
    model, invariant = classifier._models[first], bool(classifier.rotation_invariant)
    moments = moments_of(first)
    known = Brightness.known(moments.modes)
    sound = np.flatnonzero(np.asarray(moments.valid, bool) & (np.asarray(moments.coverage) > 0.99))
    sound = sound[:: max(-(-len(sound) // SMALL_SAMPLE), 1)]
    if not model.mixtures or len(sound) < FEWEST_ATOMS_OF_A_TREND:
        return known
    needed = (first,) if model.crosstalk is None else (first, CONSTANTS.ring_radius)
    sample = {}
    for radius in needed:
        some = moments_of(radius).take(sound)
        # Below 1, so that the noise of this image counts, as that of truncated discs does.
        sample[radius] = replace(some, coverage=np.minimum(some.coverage, ALMOST_WHOLE))
    return _fitted(_Atoms(model, model.mixtures[0], sample, first, invariant), known)


@one_blas_thread()
def brightness_of_known(mixture: MotifMixture, unit: NDArray[np.float64], moments: Any) -> Brightness:
    """Fit the brightness of known atoms of another model to the kinds of a mixture, as :func:`brightness_of`.

    Parameters
    ----------
    mixture : MotifMixture
    unit : ndarray, shape (K,)
        The unit of its features.
    moments : MomentsLike
        Of the atoms, at the radius of the mixture.

    Returns
    -------
    Brightness
    """
    known, n = Brightness.known(moments.modes), len(moments.values)
    if n < FEWEST_ATOMS_OF_A_TREND:
        return known
    some = np.arange(0, n, max(-(-n // SMALL_SAMPLE), 1))
    sample = replace(
        moments,
        **{name: getattr(moments, name)[some] for name in ("values", "noise_std", "valid")},
        coverage=np.minimum(moments.coverage[some], ALMOST_WHOLE),
    )
    return _fitted(_Atoms(RadiusModel(unit), mixture, {0.0: sample}, 0.0, False), known)


def _fitted(atoms: _Atoms, known: Brightness) -> Brightness:
    """Return the brightness of greatest likelihood if it is significantly better than the known one."""
    tried = [atoms.settled(replace(known, gain=known.gain * start)) for start in _STARTS]
    best = max(tried, key=lambda one: float(atoms.log_density(one).sum()))
    more = atoms.log_density(best) - atoms.log_density(known)
    excess = more.sum() - 0.5 * 2 * len(best.gain) * np.log(len(more))
    significant = excess > norm.isf(CONSTANTS.alpha) * np.sqrt(len(more)) * more.std()
    return best if significant and atoms.share_of_kinds(best) > 0.5 else known


@dataclass(frozen=True)
class _Atoms:
    """Some atoms of an image, compared with the kinds of a model."""

    model: RadiusModel
    mixture: MotifMixture
    sample: dict[float, Any]
    radius: float
    invariant: bool

    def _features(self, brightness: Brightness) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return features (n, d) in the brightness of the known images, and the scatter (k, k) with the noise of the image."""
        found = self.model.features(
            self.radius, lambda radius: brightness.apply(self.sample[radius]), self.invariant
        )
        added = found.variance.mean(axis=0, dtype=float)
        m = self.mixture
        return found.values, m.covariance + (m.vectors.T * added) @ m.vectors

    def distances(self, brightness: Brightness) -> NDArray[np.float64]:
        """Return the squared distance (n,) from the nearest kind, over its expectation for an atom of the kind."""
        X, covariance = self._features(brightness)
        return self.mixture.squares(X, covariance).min(axis=1) / len(covariance)

    def log_density(self, brightness: Brightness) -> NDArray[np.float64]:
        """Return the logarithm (n,) of the density of the features of each atom."""
        X, covariance = self._features(brightness)
        inside, outside = self.mixture.log_densities(self.mixture.squares(X, covariance))
        jacobian = np.log(brightness.gain).mean() * len(covariance)
        determinant = 0.5 * float(np.linalg.slogdet(covariance)[1])
        return np.asarray(logsumexp(np.logaddexp(inside, outside), axis=1)) - jacobian - determinant

    def share_of_kinds(self, brightness: Brightness) -> float:
        """Return which share of the atoms belongs to the kinds; the others are outliers."""
        X, covariance = self._features(brightness)
        inside, outside = (
            logsumexp(v, axis=1) for v in self.mixture.log_densities(self.mixture.squares(X, covariance))
        )
        return float(expit(inside - outside).mean())

    def settled(self, best: Brightness) -> Brightness:
        """Return the brightness to which expectation maximisation leads from a first one."""
        temperature, cold = max(float(np.median(self.distances(best))), 1.0), 0
        while cold < _STEPS:
            before, best = best, self.improved(best, temperature)
            change = np.abs(best.gain - before.gain).max() + np.abs(best.level - before.level).max()
            cold += temperature == 1
            if temperature == 1 and change < _CHANGE:
                break
            temperature = max(temperature / _COOLING, 1.0)
        return best

    def improved(self, brightness: Brightness, temperature: float) -> Brightness:
        """Return the brightness after one step, with squared distances divided by a temperature."""
        m = self.mixture
        X, covariance = self._features(brightness)
        squares = m.squares(X, covariance) / temperature
        weights = m.weights(squares)
        modes = self.sample[self.radius].modes
        # What a gain of each detector and its level change in the features of each kind, in the axes of the mixture.
        units = self._changes(modes)
        solved = np.linalg.solve(covariance, units.reshape(-1, units.shape[2]).T).T.reshape(units.shape)
        P = (X - m.centre) @ m.vectors
        sums = weights.T @ P - weights.sum(axis=0)[:, None] * m.means
        normal = np.einsum("pgk,g,qgk->pq", solved, weights.sum(axis=0), units)
        ridge = 1e-9 * np.trace(normal) * np.eye(len(normal)) + 1e-12
        inverse = np.linalg.inv(normal + ridge)
        step = inverse @ np.einsum("pgk,gk->p", solved, sums)
        d = len(brightness.gain)
        gain = np.clip(1 + step[:d], 0.5, 2.0)
        error = np.sqrt(np.maximum(np.diag(inverse), 0)).reshape(2, d).T
        scale = brightness.gain
        return Brightness(scale * gain, brightness.level + scale * step[d:], scale[:, None] * error)

    def _changes(self, modes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the changes (2 d, g, k) of the features of each kind with the gain and the level of each detector."""
        m, unit = self.mixture, self.model.unit
        of, mean = _detector(modes), _is_mean(modes)
        if self.invariant:
            kept = np.asarray(modes)[:, 1] >= 0
            of, mean, unit = of[kept], mean[kept], unit[kept]
        whole = m.centre + m.means @ m.vectors.T
        out = []
        for d in range(int(of[-1]) + 1):
            out.append((whole * (of == d)) @ m.vectors)
        for d in range(int(of[-1]) + 1):
            level = (mean & (of == d)) / unit
            out.append(np.broadcast_to(level @ m.vectors, m.means.shape))
        return np.array(out)

"""A model and other images: their moments as the model knows them, motifs learned later, and the comparison of two models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.clustering import CONSTANTS, MIN_MOTIF_SIZE, MotifMixture, brightness_of_known
from hyperspy_motifs.common import robust_spread
from hyperspy_motifs.zernike import zernike_modes

from ._moment_sources import ORIENTED_AT, Orientation, PooledMoments, find_orientation, image_effects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperspy_motifs.clustering import Brightness
    from hyperspy_motifs.sites import Neighbourhoods
    from hyperspy_motifs.zernike import Moments

    from ._motif_model import MotifModel, Prediction


def informative_images(
    values: NDArray[np.floating],
    kinds: NDArray[np.integer],
    images: NDArray[np.integer],
    sound: NDArray[np.bool_],
) -> NDArray[np.int64]:
    r"""Return the images that show differences between atoms best if they are analysed together.

    Atoms of one kind scatter by the variance v of the noise and of the specimen. Two groups of atoms, a small share of all n,
    whose moments differ by :math:`\Delta` are separated by a statistic with the square :math:`\Delta^2 n / \bar v`, where the
    variance is the mean over the atoms. An image with much noise adds atoms, but raises the mean. Of the images in the order of
    their variance those are taken for which :math:`n / \bar v` is largest.

    Parameters
    ----------
    values, kinds, images, sound
        As in :func:`image_effects`.

    Returns
    -------
    ndarray of int
        Numbers of the images, ascending.
    """
    n_images = int(images.max()) + 1
    number = np.array([np.count_nonzero(sound & (images == i)) for i in range(n_images)], float)
    variance = np.full((n_images, values.shape[1]), np.inf)
    for i in range(n_images):
        residuals = []
        for k in np.unique(kinds[sound & (images == i)]).tolist():
            own = np.asarray(values[sound & (images == i) & (kinds == k)], float)
            if len(own) >= MIN_MOTIF_SIZE:
                residuals.append(own - np.median(own, axis=0))
        if residuals:
            # Robust, as a kind may still hold a rare motif.
            variance[i] = robust_spread(np.concatenate(residuals), axis=0) ** 2
    usable = np.isfinite(variance[:, 0])
    if not usable.any():
        return np.arange(n_images)
    relative = variance / np.maximum(np.median(variance[usable], axis=0), 1e-300)
    v = np.where(usable, relative.mean(axis=1), np.inf)
    order = np.argsort(v, kind="stable")[: int(usable.sum())]
    together = np.cumsum(number[order])
    information = together**2 / np.cumsum(number[order] * v[order])
    return np.sort(order[: int(np.argmax(information)) + 1])


class InKnownBrightness:
    """Moments of an image in the brightness of known images.

    Parameters
    ----------
    moments_of : callable
        Moments of the atoms of the image at a radius, with ``neighbours()`` if those are asked for.
    brightness : Brightness
        Of the image.
    """

    def __init__(self, moments_of: Callable[[float], Moments], brightness: Brightness) -> None:
        self._moments_of, self.brightness = moments_of, brightness
        self._kept: dict[float, Moments] = {}

    def __call__(self, radius: float) -> Moments:
        if radius not in self._kept:
            self._kept[radius] = self.brightness.apply(self._moments_of(radius))
        return self._kept[radius]

    def neighbours(self) -> Neighbourhoods:
        """Return the neighbours of the atoms."""
        return self._moments_of.neighbours()  # type: ignore[attr-defined,no-any-return]


class AlignedMoments:
    """Moments of the atoms of an image, in the orientation and with the contrast of the known atoms of a model.

    Parameters
    ----------
    motif_model : MotifModel
        With anchors.
    moments_of : callable
        Moments of the atoms at a radius, with ``neighbours()``.
    labels : dict of float to ndarray of int, shape (n,), optional
        Preliminary motifs of the atoms at each radius. What the image changes in all atoms of a motif is then removed.
    orientation : Orientation, optional
        If it is known.
    """

    def __init__(
        self,
        motif_model: MotifModel,
        moments_of: Callable[[float], Moments],
        labels: Mapping[float, NDArray[np.integer]] | None = None,
        orientation: Orientation | None = None,
    ) -> None:
        self._model, self._labels = motif_model, {} if labels is None else dict(labels)
        if orientation is None:
            radius = min(motif_model.anchors, key=lambda known: abs(known - ORIENTED_AT))
            orientation = find_orientation(
                moments_of(radius), _known(motif_model, radius, moments_of(radius))
            )
        #: How the image is turned relative to the known atoms.
        self.orientation = orientation
        neighbours = moments_of.neighbours()  # type: ignore[attr-defined]
        self._own = PooledMoments(
            [_Lazy(moments_of)], [neighbours], [orientation], 1.0, dict(motif_model.orders)
        )
        self._kept: dict[float, Moments] = {}

    def __call__(self, radius: float) -> Moments:
        if radius not in self._kept:
            self._kept[radius] = self._without_effects(radius)
        return self._kept[radius]

    def neighbours(self) -> Neighbourhoods | None:
        """Return the neighbours of the atoms, in the orientation of the model."""
        return self._own.neighbours()

    def _without_effects(self, radius: float) -> Moments:
        moments = self._own(radius)
        anchors = self._model.anchors.get(radius)
        if anchors is None or radius not in self._labels:
            return moments
        known = _known(self._model, radius, moments)
        own, n = np.asarray(self._labels[radius]), len(anchors.fitted)
        effects = image_effects(
            np.concatenate([known.values, moments.values]),
            np.concatenate([anchors.fitted, own]),
            np.repeat([0, 1], [n, len(own)]),
            np.concatenate([np.ones(n, bool), moments.valid & (moments.coverage > 0.99)]),
        )
        change = (effects[1] - effects[0]).astype(np.float32)
        return dataclasses.replace(moments, values=moments.values - change[own])


class _Lazy(Mapping[float, "Moments"]):
    """A function of the radius as a mapping."""

    def __init__(self, moments_of: Callable[[float], Moments]) -> None:
        self._moments_of = moments_of

    def __getitem__(self, radius: float) -> Moments:
        return self._moments_of(radius)

    def __iter__(self) -> Iterator[float]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _known(motif_model: MotifModel, radius: float, like: Moments) -> Moments:
    """Return the moments of the known atoms of a model, with the modes of `like`."""
    anchors = motif_model.anchors[radius]
    n = len(anchors.features)
    return dataclasses.replace(
        like,
        values=(anchors.features * anchors.unit).astype(np.float32),
        noise_std=np.broadcast_to(anchors.unit.astype(np.float32), anchors.features.shape),
        coverage=np.ones(n),
        valid=np.ones(n, bool),
        offset=np.zeros(n),
        scale=np.ones(n),
        scan_error=None,
    )


@dataclass(frozen=True)
class Extension:
    """Motifs that a model did not know when it was fitted.

    Attributes
    ----------
    model : MotifModel
        Fitted to the images in which they occur, with all other motifs of these images.
    numbers : ndarray of int32, shape (m,)
        Number of each of its motifs in the extended model; -1 for motifs that were known before.
    """

    model: MotifModel
    numbers: NDArray[np.int32]

    def apply(
        self, found: Prediction, moments_of: Callable[[float], Moments], alpha: float, row: int
    ) -> Prediction:
        """Return the prediction after atoms that belong to no motif so far were compared with the new ones.

        An atom takes a new motif if its p-value is below `alpha` for the known ones and larger for the new one; `row` is that
        of the chosen radius. All others keep what `found` says, to the last bit.
        """
        outside = found.outlier_score > 1 - alpha
        if not outside.any():
            return found
        own = self.model.predict(moments_of)
        numbers = self.numbers[own.labels]
        taken = outside & (numbers >= 0) & (own.outlier_score < found.outlier_score)

        def joined(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            return np.where(taken, new, old).astype(old.dtype)

        radius_labels, radius_probabilities = found.radius_labels.copy(), found.radius_probabilities.copy()
        radius_labels[row] = joined(radius_labels[row], numbers)
        radius_probabilities[row] = joined(radius_probabilities[row], own.probabilities)
        return replace(
            found,
            labels=joined(found.labels, numbers),
            probabilities=joined(found.probabilities, own.probabilities),
            outlier_score=joined(found.outlier_score, own.outlier_score),
            radius_labels=radius_labels,
            radius_probabilities=radius_probabilities,
        )


def level_of(motif_model: MotifModel) -> float:
    """Return the significance level at which the motifs of a model were found."""
    return float(motif_model.facts.get("options", {}).get("alpha", CONSTANTS.alpha))


def extended(
    motif_model: MotifModel, other: MotifModel, p_values: NDArray[np.floating], labels: NDArray[np.integer]
) -> MotifModel:
    """Return a model with those motifs of another one that it does not know.

    Parameters
    ----------
    motif_model, other : MotifModel
    p_values : ndarray, shape (n,)
        Of atoms of the other model, of the hypothesis that they belong to motifs of the first.
    labels : ndarray of int, shape (n,)
        Their motifs by the other model.

    Returns
    -------
    MotifModel
        A motif is new if the median of the p-values of its atoms is below the level of the model. The same object if none is.
    """
    alpha, n_known, n_other = level_of(motif_model), motif_model.n_motifs, other.n_motifs
    numbers = np.full(n_other, -1, np.int32)
    n_new = 0
    for motif in range(n_other):
        here = labels == motif
        if here.any() and np.median(p_values[here]) < alpha:
            numbers[motif] = n_known + n_new
            n_new += 1
    if not n_new:
        return motif_model
    added = [Extension(replace(other, extensions=()), numbers)]
    for one in other.extensions:
        added.append(
            Extension(one.model, np.where(one.numbers >= 0, numbers[one.numbers], -1).astype(np.int32))
        )
    names = {int(numbers[k]): name for k, name in other.names.items() if k < n_other and numbers[k] >= 0}
    return replace(
        motif_model,
        extensions=(*motif_model.extensions, *(one for one in added if (one.numbers >= 0).any())),
        names={**motif_model.names, **names},
        facts={**motif_model.facts, "learned_on": _learned_on(motif_model, other)},
    )


def _learned_on(first: MotifModel, second: MotifModel) -> dict[str, object]:
    """Return on what two models were learned together."""
    a, b = (dict(one.facts.get("learned_on", {})) for one in (first, second))
    if not a or not b:
        return a or b
    return {
        "images": a["images"] + b["images"],
        "atoms": a["atoms"] + b["atoms"],
        "pixel_sizes": sorted({*a["pixel_sizes"], *b["pixel_sizes"]}),
        "units": ", ".join(sorted({*a["units"].split(", "), *b["units"].split(", ")})),
        "date": max(a["date"], b["date"]),
    }


class MotifComparison:
    """The known atoms of two models in one space of features: that of the first, in its brightness and units of its noise.

    Parameters
    ----------
    first, second : MotifModel
        With known atoms at a common radius.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
        Motifs of the known atoms of the second model.
    p_values : ndarray, shape (n,)
        Of the hypothesis that they belong to motifs of the first.
    distances : ndarray, shape (motifs of the first, motifs of the second)
        Between the means, in units of the scatter of the atoms of a motif.
    """

    def __init__(self, first: MotifModel, second: MotifModel) -> None:
        radius = _common_radius(first, second)
        known, unit, of_known = _atoms_at(first, radius)
        other, other_unit, self.labels = _atoms_at(second, radius)
        mixture = MotifMixture.fit(known / unit, of_known)
        if second is not first:
            other = _turned(other, second, first, radius)
            # The contrast of images, the unit of moments, depends on what they hold.
            own = _AnchorMoments.of(second, radius, other, other_unit)
            alike = brightness_of_known(mixture, unit, own).apply(own)
            other, other_unit = alike.values, alike.noise_std[0]
            nearest = mixture.classify(other / unit)[0]
            effects = image_effects(
                np.concatenate([known, other]),
                np.concatenate([of_known, nearest]),
                np.repeat([0, 1], [len(known), len(other)]),
                np.ones(len(known) + len(other), bool),
            )
            other = other - (effects[1] - effects[0])[nearest]
        noisier = np.maximum((other_unit / unit) ** 2 - 1, 0)
        self.p_values = mixture.classify(other / unit, np.broadcast_to(noisier, other.shape))[2]
        means = np.array([(other / unit)[self.labels == k].mean(axis=0) for k in np.unique(self.labels)])
        apart = (means - mixture.centre) @ mixture.vectors - mixture.means[:, None]
        solved = np.linalg.solve(mixture.covariance, apart.reshape(-1, apart.shape[2]).T).T
        self.distances = np.full((first.n_motifs, second.n_motifs), np.inf)
        self.distances[np.ix_(np.unique(of_known), np.unique(self.labels))] = np.sqrt(
            np.maximum((apart * solved.reshape(apart.shape)).sum(axis=2), 0)
        )


def _common_radius(first: MotifModel, second: MotifModel) -> float:
    """Return the radius at which motifs of two models are compared.

    Raises
    ------
    ValueError
        If they have none in common, or their moments are not the same ones.
    """
    common = [r for r in (first.radius, second.radius) if r in first.anchors and r in second.anchors]
    like = bool(first.classifier.rotation_invariant) == bool(second.classifier.rotation_invariant)
    for radius in common if like else ():
        shapes = (first.anchors[radius].features.shape[1], second.anchors[radius].features.shape[1])
        if shapes[0] == shapes[1]:
            return radius
    raise ValueError(
        "The known atoms of the two models have no moments in common: models of the same radius (find_motifs(radius=...)), "
        "n_max, detectors and rotation_invariant are expected. model.update(images) needs only the images of the other model."
    )


def _atoms_at(
    motif_model: MotifModel, radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return moments (n, K), noise (K,) and current motifs (n,) of the known atoms of a model with its extensions."""
    anchors = motif_model.anchors[radius]
    values = [np.asarray(anchors.features, float) * anchors.unit]
    labels = [np.asarray(anchors.labels, np.int64)]
    for one in motif_model.extensions:
        more = one.model.anchors[radius]
        numbers = one.numbers[more.labels]
        own = _turned(np.asarray(more.features, float) * more.unit, one.model, motif_model, radius)
        values.append(own[numbers >= 0])
        labels.append(numbers[numbers >= 0].astype(np.int64))
    return np.concatenate(values), anchors.unit, np.concatenate(labels)


def _turned(
    values: NDArray[np.float64], of: MotifModel, to: MotifModel, radius: float
) -> NDArray[np.float64]:
    """Return moments (n, K) of known atoms of a model in the orientation of another one.

    A model of one image is in the orientation of that image, whichever it was.
    """
    at = ORIENTED_AT if ORIENTED_AT in of.anchors and ORIENTED_AT in to.anchors else radius
    if of.classifier.rotation_invariant:
        return values
    orientation = find_orientation(_moments_at(of, at), _moments_at(to, at))
    return np.asarray(orientation.apply(values, _modes(of, radius)), float)


def _modes(motif_model: MotifModel, radius: float) -> NDArray[np.int64]:
    """Return the modes (K, 2) of the known atoms of a model: those of each detector one after another."""
    modes = zernike_modes(motif_model.orders[radius])
    return np.tile(modes, (int(motif_model.facts.get("detectors", 1)), 1))


@dataclass(frozen=True)
class _AnchorMoments:
    """Moments of known atoms, which are whole."""

    values: NDArray[np.float64]
    modes: NDArray[np.int64]
    noise_std: NDArray[np.float64]
    valid: NDArray[np.bool_]
    coverage: NDArray[np.float64]
    radius: float
    scan_error: None = None

    @classmethod
    def of(
        cls, motif_model: MotifModel, radius: float, values: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> _AnchorMoments:
        modes = _modes(motif_model, radius)
        if motif_model.classifier.rotation_invariant:
            modes = modes[modes[:, 1] >= 0]
        n = len(values)
        return cls(values, modes, np.broadcast_to(noise, values.shape), np.ones(n, bool), np.ones(n), radius)


def _moments_at(motif_model: MotifModel, radius: float) -> _AnchorMoments:
    """Return the moments of the known atoms as far as an orientation needs them."""
    anchors = motif_model.anchors[radius]
    return _AnchorMoments.of(motif_model, radius, anchors.features * anchors.unit, anchors.unit)

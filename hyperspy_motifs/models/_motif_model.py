"""The fitted model and the known atoms that it keeps."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs import store
from hyperspy_motifs.clustering import ManifoldRegions, NestedRadii, brightness_of, to_state
from hyperspy_motifs.relaxation import nearest_in
from hyperspy_motifs.threads import one_blas_thread
from hyperspy_motifs.zernike import invariants

from ._moment_sources import Orientation
from ._other_images import AlignedMoments, Extension, InKnownBrightness, MotifComparison, extended, level_of

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.zernike import Moments

# Number of anchors that vote where a motif was edited by hand, and that determine the layout position of an atom.
_N_VOTES = 7
_N_PLACES = 3

MODEL_FORMAT = "hyperspy_motifs model"
# Grows with every change that an older version of this package cannot read; version 2 has extensions.
MODEL_VERSION = 3


@dataclass(frozen=True)
class Anchors:
    """Atoms that the model was fitted to, at one radius.

    Attributes
    ----------
    features : ndarray of float32, shape (a, d)
        In units of the noise; rotation invariants if the model is rotation invariant.
    unit : ndarray of float64, shape (d,)
        The noise of each feature.
    layout : ndarray of float32, shape (a, 2)
    fitted : ndarray of int32, shape (a,)
        Motif of each atom in the fit.
    labels : ndarray of int32, shape (a,)
        Current motif of each atom. It differs from `fitted` where motifs were merged, split or assigned by hand.
    """

    features: NDArray[np.float32]
    unit: NDArray[np.float64]
    layout: NDArray[np.float32]
    fitted: NDArray[np.int32]
    labels: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        moments: Moments,
        layout: NDArray[np.floating],
        fitted: NDArray[np.integer],
        labels: NDArray[np.integer],
        invariant: bool,
        most: int | None = None,
    ) -> Anchors:
        """Select at most `most` anchors from the moments of atoms; rare motifs keep all their atoms where possible."""
        chosen = np.arange(len(fitted)) if most is None else _share(labels, most)
        values, noise = _values(moments.take(chosen), invariant)
        unit = np.sqrt(np.nanmean(np.asarray(noise, float) ** 2, axis=0))
        unit = np.maximum(unit, 1e-3 * max(float(np.nanmax(unit)), 1e-30))
        return cls(
            np.nan_to_num(np.asarray(values, float) / unit).astype(np.float32),
            unit,
            np.asarray(layout, np.float32)[chosen],
            np.asarray(fitted, np.int32)[chosen],
            np.asarray(labels, np.int32)[chosen],
        )

    def features_of(self, moments: Moments, invariant: bool) -> NDArray[np.float32]:
        """Return the features (n, d) of other atoms, in the units of the anchors."""
        values, _ = _values(moments, invariant)
        return np.nan_to_num(np.asarray(values, float) / self.unit).astype(np.float32)

    def places(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the layout positions (n, 2): the mean of the three nearest anchors in feature space."""
        nearest = _nearest(features, self.features, _N_PLACES)
        return np.asarray(self.layout[nearest].mean(axis=1), np.float32)

    def relabel(self, labels: NDArray[np.integer], features: NDArray[np.float32]) -> NDArray[np.int32]:
        """Map fitted labels (n,) to the current ones; where a motif was split, its nearest anchors vote."""
        out = np.array(labels, np.int32)
        if np.array_equal(self.fitted, self.labels):
            return out
        for motif in np.unique(labels):
            here = np.flatnonzero(labels == motif)
            members = np.flatnonzero(self.fitted == motif)
            if not len(members):
                members = np.arange(len(self.fitted))
            owners = np.unique(self.labels[members])
            if len(owners) == 1:
                out[here] = owners[0]
                continue
            nearest = _nearest(features[here], self.features[members], _N_VOTES)
            out[here] = [np.bincount(v).argmax() for v in self.labels[members][nearest]]
        return out


def _nearest(queries: NDArray[np.float32], points: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    if not len(queries):
        return np.zeros((0, min(k, len(points))), np.int32)
    return nearest_in(queries, points, min(k, len(points)))[0]


def _values(moments: Moments, invariant: bool) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    if invariant:
        values, noise = invariants(moments)
        return values, noise
    return moments.values, moments.noise_std


def _share(labels: NDArray[np.integer], most: int) -> NDArray[np.int64]:
    """Select evenly spaced members of every motif: all of the rare motifs, the remainder from the frequent ones."""
    kinds, count = np.unique(labels, return_counts=True)
    left, wanted = most, {}
    for turn, rank in enumerate(np.argsort(count, kind="stable")):
        wanted[int(kinds[rank])] = min(int(count[rank]), left // (len(kinds) - turn))
        left -= wanted[int(kinds[rank])]
    parts = []
    for kind, n in wanted.items():
        members = np.flatnonzero(labels == kind)
        parts.append(members[np.linspace(0, len(members) - 1, n).astype(int)] if n else members[:0])
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


@dataclass(frozen=True)
class Prediction:
    """Motifs of n atoms, predicted by a model.

    Attributes
    ----------
    labels, probabilities : ndarray, shape (n,)
        At the chosen radius, after edits. The probability is low for an atom that resembles none of the motifs.
    outlier_score : ndarray, shape (n,)
        1 - outlier_score is the p-value of the hypothesis that the atom belongs to its motif.
    radius_labels, radius_probabilities : ndarray, shape (radii, n)
    layouts : ndarray, shape (radii, n, 2)
        Positions in the layout of the model; NaN at radii without a stored layout.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    outlier_score: NDArray[np.float64]
    radius_labels: NDArray[np.int32]
    radius_probabilities: NDArray[np.float64]
    layouts: NDArray[np.float32]


@dataclass(frozen=True, repr=False)
class MotifModel:
    """Fitted motifs, ready to be applied to other atoms.

    Attributes
    ----------
    classifier : NestedRadii or ManifoldRegions
        The fitted classifier.
    radius : float
        The chosen radius.
    spacing : float
        Nearest-neighbour distance, the unit of the radii, in `units`.
    units : str
        "px" if the image had no calibration.
    orders : dict of float to int
        Highest radial order of the Zernike basis at each radius.
    anchors : dict of float to Anchors
        Known atoms, at least at the chosen radius.
    finest_to_label : ndarray of int32 or None
        Label of each motif of the largest radius, if the tree was cut to a number of motifs.
    names : dict of int to str
        Names that the user gave to motifs.
    facts : dict
        JSON types: ``options`` (arguments of ``find_motifs``), ``polarity``, ``noise`` (gain, read_std, dark of the image
        of the fit), ``title``, ``aligned`` (whether images were turned), ``package`` (version).
    """

    classifier: NestedRadii | ManifoldRegions
    radius: float
    spacing: float
    units: str
    orders: Mapping[float, int]
    anchors: Mapping[float, Anchors]
    finest_to_label: NDArray[np.int32] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    extensions: tuple[Extension, ...] = ()

    def __repr__(self) -> str:
        learned, n = self.facts.get("learned_on", {}), self.n_motifs
        lines = [f"Model of {n} motifs (radius {store.radius_words(self.radius, self.facts, self.units)})"]
        if learned:
            sizes, units = learned["pixel_sizes"], learned["units"]
            of_pixels = f"{sizes[0]:.3g}" if len(sizes) == 1 else f"{sizes[0]:.3g} to {sizes[-1]:.3g}"
            lines.append(
                f"  learned on {learned['images']} images, {learned['atoms']:,} atoms, {of_pixels} {units} per pixel, "
                f"{learned['date']}"
            )
        added = sum(int((one.numbers >= 0).sum()) for one in self.extensions)
        if added:
            lines.append(f"  {added} of the motifs were added later")
        return "\n".join(lines)

    @property
    def n_motifs(self) -> int:
        """Number of motifs at the chosen radius."""
        added = [int(one.numbers.max()) for one in self.extensions]
        return max([int(self.anchors[self.radius].labels.max()), *added]) + 1

    def update(
        self, images: Iterable[BaseSignal], *, detectors: Sequence[object] | None = None
    ) -> MotifModel:
        """Learn the motifs of further images that this model does not know.

        Motifs of the images are found as this model was, by the same tests at the same level. A motif is new if the median
        of the p-values of its atoms, of the hypothesis that they belong to the motifs of this model, is below the level
        ``alpha``. It takes the next free number.

        Parameters
        ----------
        images : iterable of AtomicImage, Signal2D or path
            Single images. They are not changed: :meth:`AtomicImage.apply_model
            <hyperspy_motifs.signals.AtomicImage.apply_model>` writes their motifs.
        detectors : sequence of AtomicImage, path, or lists of these, length images, optional
            Further detectors of each image, for a model of several.

        Returns
        -------
        MotifModel
            Known motifs keep their numbers, and atoms that belong to them at the level ``alpha`` their probabilities, to the
            last bit. The same model if nothing is new.

        Raises
        ------
        ValueError
            If the model is that of a continuum or of another number of detectors, or an image cannot be used.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> pure, other = (
        ...     hm.data.monolayer("MoSe2", shape=(160, 192), metal_dopant=None, chalcogen_dopant=dopant, random_state=0)[0]
        ...     for dopant in (None, ("Te", 0.15))
        ... )
        >>> model = pure.find_motifs(show_progressbar=False).model
        >>> model.update([other]).n_motifs > model.n_motifs
        True
        """
        signals = store.open_images(images)
        if not signals:
            raise ValueError("No image was given; a list of one or more is expected.")
        # Images know how they are analysed; models do not.
        return cast("MotifModel", signals[0]._update_model(self, signals, detectors))

    def merge(self, other: MotifModel) -> MotifModel:
        """Add the motifs of another model that this one does not know.

        The known atoms of both are compared, in the orientation and the contrast of this model. A motif of the other is new
        if the median of the p-values of its atoms is below the level ``alpha``, as for :meth:`update`.

        Parameters
        ----------
        other : MotifModel

        Returns
        -------
        MotifModel
            As for :meth:`update`. Names of the new motifs are those of `other`.

        Raises
        ------
        ValueError
            If the models have no radius with the same moments in common.
        """
        if not isinstance(other, MotifModel):
            raise TypeError(f"A MotifModel is expected, such as motifs.model, not a {type(other).__name__}.")
        found = MotifComparison(self, other)
        if self.facts.get("aligned") and not other.classifier.rotation_invariant:
            # Images of this model may be turned, and so may those in which its new motifs are.
            other = replace(other, facts={**other.facts, "aligned": True})
        return extended(self, other, found.p_values, found.labels)

    def nearest(self, motif: int, of: MotifModel | None = None) -> tuple[int, float]:
        """Return the motif that is most like a given one.

        Parameters
        ----------
        motif : int
            Number of a motif of this model, or of another one.
        of : MotifModel, optional
            The other model; then its motif is compared with all motifs of this one.

        Returns
        -------
        motif : int
            Number in this model.
        distance : float
            Between the means of both, in units of the scatter of the atoms of a motif (Mahalanobis distance).

        Raises
        ------
        ValueError
            If there is no such motif, or the models have no radius with the same moments in common.
        """
        distances = MotifComparison(self, self if of is None else of).distances
        if motif not in range(distances.shape[1]):
            raise ValueError(f"There is no motif {motif!r}; motifs are 0 to {distances.shape[1] - 1}.")
        apart = distances[:, motif].copy()
        if of is None:
            apart[motif] = np.inf
        found = int(np.argmin(apart))
        if not np.isfinite(apart[found]):
            raise ValueError(f"No atoms are known to compare motif {motif} with another one.")
        return found, float(apart[found])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model to a file, for other images, other machines and the command ``hyperspy-motifs --model``.

        Parameters
        ----------
        path : path
            ``.npz`` is appended if the name has no extension.

        Returns
        -------
        pathlib.Path
            The file appears only when it is complete. It contains arrays without pickled objects: radii, basis, classes,
            reference atoms, the noise of the image and the version of this package. ``other.apply_model(path)`` reads it.
        """
        target = Path(path)
        target = target if target.suffix else target.with_suffix(".npz")
        partial = target.with_name(f".{target.name}.partial")
        try:
            partial.write_bytes(to_bytes(self).tobytes())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    def orientation_of(self, moments_of: Callable[[float], Moments]) -> Orientation:
        """Return how an image is turned relative to the known atoms of a model of many images; not at all, for others.

        `moments_of` is as in :meth:`predict`.
        """
        if not self._turns(moments_of):
            return Orientation()
        turned = AlignedMoments(self, moments_of)
        # Minima of the distance are sharp between atoms of one brightness.
        alike = InKnownBrightness(moments_of, brightness_of(self.classifier, turned))
        return AlignedMoments(self, alike).orientation

    def _turns(self, moments_of: Callable[[float], Moments]) -> bool:
        return bool(self.facts.get("aligned") and self.anchors) and hasattr(moments_of, "neighbours")

    # BLAS sums depend on the number of threads. One thread makes the result reproducible to the last bit.
    @one_blas_thread()
    def predict(
        self, moments_of: Callable[[float], Moments], orientation: Orientation | None = None
    ) -> Prediction:
        """Predict the motifs of other atoms, at all radii.

        Parameters
        ----------
        moments_of : callable
            Returns the moments of the atoms at a given radius, as :class:`DiscSource` does. If motifs are sites, its
            ``neighbours()`` is also called. They are brought into the brightness of the known atoms first
            (:func:`~hyperspy_motifs.clustering.brightness_of`), and, by a model of many images (``facts["aligned"]``), into
            their orientation (:class:`AlignedMoments`).
        orientation : Orientation, optional
            How the image is turned, for a model of many images; found if not given.

        Returns
        -------
        Prediction
        """
        invariant, as_given = bool(self.classifier.rotation_invariant), moments_of
        where = getattr(moments_of, "neighbours", None)
        if self._turns(moments_of):
            orientation = self.orientation_of(moments_of) if orientation is None else orientation
            turned = AlignedMoments(self, moments_of, orientation=orientation)
            moments_of = InKnownBrightness(moments_of, brightness_of(self.classifier, turned))
            turned = AlignedMoments(self, moments_of, orientation=orientation)
            first = self.classifier.predict_all(turned, turned.neighbours())
            labels_of = {radius: labels for radius, (labels, _, _) in first.items()}
            moments_of = AlignedMoments(self, moments_of, labels_of, orientation)
            where = moments_of.neighbours
        else:
            moments_of = InKnownBrightness(moments_of, brightness_of(self.classifier, moments_of))
        found = self.classifier.predict_all(moments_of, None if where is None else where())
        labels, probabilities, outlier_score = found[self.radius]
        n = len(labels)
        if self.finest_to_label is not None:
            labels = self.finest_to_label[found[self.classifier.radii_[-1]][0]]
        layouts = np.full((len(self.classifier.radii_), n, 2), np.nan, np.float32)
        for row, radius in enumerate(self.classifier.radii_):
            anchors = self.anchors.get(radius)
            if anchors is None:
                continue
            features = anchors.features_of(moments_of(radius), invariant)
            layouts[row] = anchors.places(features)
            if radius == self.radius:
                labels = anchors.relabel(labels, features)
        prediction = Prediction(
            labels=np.asarray(labels, np.int32),
            probabilities=probabilities,
            outlier_score=outlier_score,
            radius_labels=np.array([found[radius][0] for radius in self.classifier.radii_], np.int32).reshape(
                -1, n
            ),
            radius_probabilities=np.array([found[radius][1] for radius in self.classifier.radii_]).reshape(
                -1, n
            ),
            layouts=layouts,
        )
        row = self.classifier.radii_.index(self.radius)
        for extension in self.extensions:
            prediction = extension.apply(prediction, as_given, level_of(self), row)
        return prediction


def to_arrays(motif_model: MotifModel) -> dict[str, np.ndarray]:
    """Return the arrays of a model by name: numbers and one JSON text, no objects."""
    header = {
        "format": MODEL_FORMAT,
        "version": MODEL_VERSION,
        "radius": motif_model.radius,
        "spacing": motif_model.spacing,
        "units": motif_model.units,
        "names": {str(k): v for k, v in motif_model.names.items()},
        "facts": dict(motif_model.facts),
    }
    out: dict[str, np.ndarray] = {
        # Stored as ASCII bytes: a text array takes four bytes per letter.
        "header": np.frombuffer(json.dumps(header, default=np.generic.item).encode("ascii"), np.uint8),
        "orders": np.array(sorted(motif_model.orders.items()), float).reshape(-1, 2),
    }
    out |= {f"classifier/{k}": v for k, v in to_state(motif_model.classifier).items()}
    out["anchors/radii"] = np.array(sorted(motif_model.anchors), float)
    for number, radius in enumerate(sorted(motif_model.anchors)):
        anchors = motif_model.anchors[radius]
        out |= {f"anchors/{number}/{f.name}": getattr(anchors, f.name) for f in fields(Anchors)}
    if motif_model.finest_to_label is not None:
        out["finest_to_label"] = motif_model.finest_to_label
    for number, one in enumerate(motif_model.extensions):
        out[f"extensions/{number}/numbers"] = one.numbers
        out |= {f"extensions/{number}/model/{k}": v for k, v in to_arrays(one.model).items()}
    return out


def to_bytes(motif_model: MotifModel) -> NDArray[np.uint8]:
    """Return the content of the file of a model."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **to_arrays(motif_model))  # type: ignore[arg-type]
    return np.frombuffer(stream.getvalue(), np.uint8)

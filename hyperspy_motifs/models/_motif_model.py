from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.clustering import ManifoldRegions, NestedRadii
from hyperspy_motifs.threads import one_blas_thread

from ._aligned_moments import AlignedMoments
from ._anchors import Anchors
from ._orientation import Orientation


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


@dataclass(frozen=True)
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

    @property
    def n_motifs(self) -> int:
        """Number of motifs at the chosen radius."""
        return int(self.anchors[self.radius].labels.max()) + 1

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
        from ._model_files import to_bytes

        target = Path(path)
        target = target if target.suffix else target.with_suffix(".npz")
        partial = target.with_name(f".{target.name}.partial")
        try:
            partial.write_bytes(to_bytes(self).tobytes())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    # BLAS sums depend on the number of threads. One thread makes the result reproducible to the last bit.
    @one_blas_thread()
    def predict(
        self, moments_of: Callable[[float], Any], orientation: Orientation | None = None
    ) -> Prediction:
        """Predict the motifs of other atoms, at all radii.

        Parameters
        ----------
        moments_of : callable
            Returns the moments of the atoms at a given radius, as :class:`DiscSource` does. If motifs are sites, its
            ``neighbours()`` is also called. A model of many images (``facts["aligned"]``) brings them into its own
            frame first (:class:`AlignedMoments`).
        orientation : Orientation, optional
            How the image is turned, for a model of many images; found if not given.

        Returns
        -------
        Prediction
        """
        invariant = bool(self.classifier.rotation_invariant)
        where = getattr(moments_of, "neighbours", None)
        if self.facts.get("aligned") and self.anchors and where is not None:
            turned = AlignedMoments(self, moments_of, orientation=orientation)
            first = self.classifier.predict_all(turned, turned.neighbours())
            labels_of = {radius: labels for radius, (labels, _, _) in first.items()}
            moments_of = AlignedMoments(self, moments_of, labels_of, turned.orientation)
            where = moments_of.neighbours
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
        return Prediction(
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

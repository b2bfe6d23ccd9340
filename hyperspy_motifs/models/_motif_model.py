from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.clustering import ManifoldRegions, NestedRadii
from hyperspy_motifs.threads import one_blas_thread

from ._anchors import Anchors


@dataclass(frozen=True)
class Prediction:
    """Motifs of n atoms by a model.

    Attributes
    ----------
    labels, probabilities : ndarray, shape (n,)
        At the chosen radius, edits included. The probability of an atom that is like none of the motifs is low.
    outlier_score : ndarray, shape (n,)
        1 - outlier_score is the p-value of an atom that belongs to its motif.
    radius_labels, radius_probabilities : ndarray, shape (radii, n)
    layouts : ndarray, shape (radii, n, 2)
        Places in the layout of the model; NaN at radii of which it kept none.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    outlier_score: NDArray[np.float64]
    radius_labels: NDArray[np.int32]
    radius_probabilities: NDArray[np.float64]
    layouts: NDArray[np.float32]


@dataclass(frozen=True)
class MotifModel:
    """Motifs that were learned, ready for other atoms.

    Attributes
    ----------
    classifier : NestedRadii or ManifoldRegions
        Fitted.
    radius : float
        Chosen one of its radii.
    spacing : float
        Nearest-neighbour distance that radii are multiples of, in `units`.
    units : str
        "px" where the image had no calibration.
    orders : dict of float to int
        Highest radial order of the Zernike basis at each radius.
    anchors : dict of float to Anchors
        Known atoms; at the chosen radius at least.
    finest_to_label : ndarray of int32 or None
        Where the tree was cut to a number of motifs: the label of each motif of the largest radius.
    names : dict of int to str
        That the user gave.
    facts : dict
        JSON types: ``options`` (arguments of ``find_motifs``), ``polarity``, ``noise`` (gain, read_std, dark of the image
        it was learned on), ``title``, ``package`` (version).
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

    # Sums of BLAS depend on the number of its threads: one, so that the bits do not.
    @one_blas_thread()
    def predict(self, moments_of: Callable[[float], Any]) -> Prediction:
        """Motifs of other atoms, at all radii.

        Parameters
        ----------
        moments_of : callable
            Given a radius it returns the moments of the atoms, as :class:`DiscSource` does; where motifs are sites its
            ``neighbours()`` are asked for too.

        Returns
        -------
        Prediction
        """
        invariant = bool(self.classifier.rotation_invariant)
        where = getattr(moments_of, "neighbours", None)
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

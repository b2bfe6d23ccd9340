from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.clustering import NestedLenses
from hyperspy_motifs.threads import one_blas_thread

from ._anchors import Anchors


@dataclass(frozen=True)
class Prediction:
    """Motifs of n atoms by a vocabulary.

    Attributes
    ----------
    labels, probabilities : ndarray, shape (n,)
        At the chosen lens, edits included. The probability of an atom that is like none of the motifs is low.
    strangeness : ndarray, shape (n,)
        1 - strangeness is the p-value of an atom that belongs to its motif.
    lens_labels, lens_probabilities : ndarray, shape (lenses, n)
    layouts : ndarray, shape (lenses, n, 2)
        Places in the layout of the vocabulary; NaN through lenses of which it kept none.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    strangeness: NDArray[np.float64]
    lens_labels: NDArray[np.int32]
    lens_probabilities: NDArray[np.float64]
    layouts: NDArray[np.float32]


@dataclass(frozen=True)
class Vocabulary:
    """Motifs that were learned, ready for other atoms.

    Attributes
    ----------
    model : NestedLenses
        Fitted.
    lens : float
        Chosen one of its lenses.
    spacing : float
        Nearest-neighbour distance that lenses are multiples of, in `units`.
    units : str
        "px" where the image had no calibration.
    orders : dict of float to int
        Highest radial order of the Zernike basis through each lens.
    anchors : dict of float to Anchors
        Known atoms; through the chosen lens at least.
    finest_to_label : ndarray of int32 or None
        Where the tree was cut to a number of motifs: the label of each motif of the largest lens.
    names : dict of int to str
        That the user gave.
    facts : dict
        JSON types: ``asked`` (arguments of ``find_motifs``), ``polarity``, ``noise`` (gain, read_std, dark of the image
        it was learned on), ``title``, ``package`` (version).
    """

    model: NestedLenses
    lens: float
    spacing: float
    units: str
    orders: Mapping[float, int]
    anchors: Mapping[float, Anchors]
    finest_to_label: NDArray[np.int32] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_motifs(self) -> int:
        """Number of motifs at the chosen lens."""
        return int(self.anchors[self.lens].labels.max()) + 1

    # Sums of BLAS depend on the number of its threads: one, so that the bits do not.
    @one_blas_thread()
    def predict(self, moments_of: Callable[[float], Any]) -> Prediction:
        """Motifs of other atoms, through all lenses.

        Parameters
        ----------
        moments_of : callable
            Given a lens it returns the moments of the atoms, as :class:`DiscSource` does; where motifs are sites its
            ``neighbours()`` are asked for too.

        Returns
        -------
        Prediction
        """
        invariant = bool(self.model.rotation_invariant)
        where = getattr(moments_of, "neighbours", None)
        found = self.model.predict_all(moments_of, None if where is None else where())
        labels, probabilities, strangeness = found[self.lens]
        n = len(labels)
        if self.finest_to_label is not None:
            labels = self.finest_to_label[found[self.model.lenses_[-1]][0]]
        layouts = np.full((len(self.model.lenses_), n, 2), np.nan, np.float32)
        for row, lens in enumerate(self.model.lenses_):
            anchors = self.anchors.get(lens)
            if anchors is None:
                continue
            features = anchors.features_of(moments_of(lens), invariant)
            layouts[row] = anchors.places(features)
            if lens == self.lens:
                labels = anchors.relabel(labels, features)
        return Prediction(
            labels=np.asarray(labels, np.int32),
            # 1 - strangeness is a p-value: of n atoms that belong, one is expected below 1 / n.
            probabilities=probabilities * np.minimum(1.0, n * (1 - strangeness)),
            strangeness=strangeness,
            lens_labels=np.array([found[lens][0] for lens in self.model.lenses_], np.int32).reshape(-1, n),
            lens_probabilities=np.array([found[lens][1] for lens in self.model.lenses_]).reshape(-1, n),
            layouts=layouts,
        )

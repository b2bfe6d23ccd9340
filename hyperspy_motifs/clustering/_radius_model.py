"""What is learned at one radius."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.sites import Neighbourhoods
from hyperspy_motifs.zernike import MomentsLike

from ._constants import CONSTANTS
from ._crosstalk import NeighbourCrosstalk
from ._environment import Environments, Surroundings
from ._mixture import MotifMixture
from ._neighbour_effects import Explanation
from ._neighbourhood_features import NeighbourhoodFeatures

Found = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]
Around = tuple[Neighbourhoods, Surroundings]


@dataclass(frozen=True)
class RadiusModel:
    """What was learned at one radius: all that is needed to find the same motifs among other atoms.

    Attributes
    ----------
    unit : ndarray, shape (K,)
        Noise of the moments of whole discs.
    crosstalk : NeighbourCrosstalk or None
    explanation : Explanation or None
        At larger radii than the first.
    mixtures : list of MotifMixture
        One for each group that this radius divides; empty where motifs are those of another radius.
    names : ndarray of int32, shape (g,)
        Motif of each component of the mixtures, in their order. A motif has several components if its surroundings differ.
    environments : Environments or None
        At radii beyond that of the motifs.
    """

    unit: NDArray[np.float64]
    crosstalk: NeighbourCrosstalk | None = None
    explanation: Explanation | None = None
    mixtures: list[MotifMixture] = field(default_factory=list)
    names: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    environments: Environments | None = None

    @property
    def n_motifs(self) -> int:
        """Number of motifs."""
        return len(np.unique(self.names))

    def features(
        self,
        radius: float,
        moments_of: Callable[[float], MomentsLike],
        rotation_invariant: bool,
        around: Around | None = None,
        kinds: NDArray[np.integer] | None = None,
    ) -> NeighbourhoodFeatures:
        """Return the features without what neighbours leak into them and without what they explain."""
        moments = moments_of(radius)
        if self.explanation is not None and around is not None and kinds is not None:
            return self.explanation.features(*around, moments, self.unit, kinds)
        values: NDArray[np.floating] = moments.values
        if self.crosstalk is not None:
            values = self.crosstalk.remove(moments, moments_of(CONSTANTS.ring_radius))
        return NeighbourhoodFeatures.of(moments, rotation_invariant, self.unit, values)

    def classify(self, features: NeighbourhoodFeatures, groups: NDArray[np.integer]) -> Found:
        """Return labels, probabilities within the group, and p-values of atoms of known groups (n,)."""
        n = len(groups)
        labels, probabilities, p_values = np.zeros(n, np.int32), np.ones(n), np.ones(n)
        first = 0
        for group, mixture in enumerate(self.mixtures):
            members = np.flatnonzero(groups == group)
            if len(members):
                variance = features.variance[members]
                names = self.names[first : first + mixture.n_motifs]
                own, sure, p = mixture.classify(features.values[members], variance, names)
                labels[members], probabilities[members], p_values[members] = names[own], sure, p
            first += mixture.n_motifs
        return labels, probabilities, p_values

"""The moments of an image in the frame of a model that was learned from many images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._image_effects import image_effects
from ._orientation import Orientation, find_orientation
from ._pooled_moments import PooledMoments

if TYPE_CHECKING:
    from ._motif_model import MotifModel

# Radius that reaches the neighbours, for the orientation.
ORIENTED_AT = 1.2


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
        moments_of: Callable[[float], Any],
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
        self._kept: dict[float, Any] = {}

    def __call__(self, radius: float) -> Any:
        if radius not in self._kept:
            self._kept[radius] = self._without_effects(radius)
        return self._kept[radius]

    def neighbours(self) -> Any:
        """Return the neighbours of the atoms, in the orientation of the model."""
        return self._own.neighbours()

    def _without_effects(self, radius: float) -> Any:
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


class _Lazy(Mapping[float, Any]):
    """A function of the radius as a mapping."""

    def __init__(self, moments_of: Callable[[float], Any]) -> None:
        self._moments_of = moments_of

    def __getitem__(self, radius: float) -> Any:
        return self._moments_of(radius)

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def _known(motif_model: MotifModel, radius: float, like: Any) -> Any:
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
    )

"""Moments of an image as a model knows them: in the orientation and the brightness of its known atoms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._moment_sources import ORIENTED_AT, Orientation, PooledMoments, find_orientation, image_effects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperspy_motifs.clustering import Brightness
    from hyperspy_motifs.sites import Neighbourhoods

    from ._motif_model import MotifModel


class InKnownBrightness:
    """Moments of an image in the brightness of known images.

    Parameters
    ----------
    moments_of : callable
        Moments of the atoms of the image at a radius, with ``neighbours()`` if those are asked for.
    brightness : Brightness
        Of the image.
    """

    def __init__(self, moments_of: Callable[[float], Any], brightness: Brightness) -> None:
        self._moments_of, self.brightness = moments_of, brightness
        self._kept: dict[float, Any] = {}

    def __call__(self, radius: float) -> Any:
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

    def neighbours(self) -> Neighbourhoods | None:
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

    def __iter__(self) -> Iterator[float]:
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

"""A result at one of its radii, and as a continuum."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy_motifs.signals import ZernikeFeatures

    from ._motif_view import MotifView


class ManifoldView:
    """The atoms of a result as points of a continuum, for images whose surroundings change continuously.

    It is computed on first use, from the moments at the largest radius without rotation invariance: a shift between two
    layers is a vector, and invariants would lose its direction.

    Parameters
    ----------
    signal : AtomicImage
    record : hyperspy_motifs.store.Record
    """

    def __init__(self, signal: Any, record: store.Record) -> None:
        self._signal, self._record = signal, record

    @property
    def _radius(self) -> float:
        from hyperspy_motifs.pipeline import available_radii

        return max(available_radii(self._record))

    @cached_property
    def _features(self) -> Any:
        from hyperspy_motifs.manifold import manifold_features
        from hyperspy_motifs.pipeline import source_of

        return manifold_features(source_of(self._signal, self._record)(self._radius))

    @cached_property
    def fit(self) -> Any:
        """The fitted :class:`hyperspy_motifs.manifold.Manifold`, with ``transform`` for other atoms."""
        from hyperspy_motifs.manifold import Manifold

        return Manifold().fit(self._features.values, self._record.positions)

    @property
    def coordinates(self) -> np.ndarray:
        """Diffusion coordinates of the atoms, shape (n, d), the slowest first."""
        return self.fit.coordinates_

    def transform(self, other: Any, atoms: Any = None) -> np.ndarray:
        """Coordinates of the atoms of another image on this continuum.

        The other image is treated as this one was: the same radius, units of the same noise, the same axes. A bilayer of
        another twist has other surroundings at a large radius. The result is more accurate the smaller the difference is.

        Parameters
        ----------
        other : Motifs or AtomicImage
            A single image, with similar resolution and brightness.
        atoms : array_like of shape (m, 2), optional
            x, y in axis units, used without refinement. Default: the atoms of the motifs, or those that the image stores
            from ``find_atoms()``.

        Returns
        -------
        numpy.ndarray of shape (m, d)
            Coordinates in the order of the atoms.

        Examples
        --------
        >>> other.find_motifs()                                                     # doctest: +SKIP
        >>> coordinates = motifs.manifold.transform(other.motifs)                   # doctest: +SKIP
        """
        from hyperspy_motifs.manifold import manifold_features
        from hyperspy_motifs.pipeline import source_like

        if atoms is None and hasattr(other, "pixel_positions"):
            atoms = other
        source = source_like(self._record, getattr(other, "signal", other), atoms)
        features = manifold_features(source(self._radius), like=self._features)
        return np.asarray(self.fit.transform(features.values, source.places()))

    @property
    def dimension(self) -> float:
        """Intrinsic dimension, corrected for noise."""
        return float(self.fit.dimension_)

    @cached_property
    def topology(self) -> Any:
        """Topology of the continuum, if the data determine it (:class:`hyperspy_motifs.manifold.Topology`).

        It follows from the borders of the cloud of coordinates, or from the image, whichever is more certain: coordinates that
        repeat on a lattice lie on a torus. The certainty from the image is that of the lattice times the root of the fraction
        of the coordinates that it explains.
        """
        from hyperspy_motifs.manifold import Topology

        found, moire = self.fit.topology_, self.moire
        sure = 0.0 if moire is None else float(moire.certainty * np.sqrt(moire.explained))
        if sure <= (found.certainty if found.kind == "torus" else max(found.certainty, 0.5)):
            return found
        return Topology("torus", found.dimension, found.border, sure)

    @cached_property
    def disorder(self) -> Any:
        """Distance of each atom from the local manifold beyond noise (``ManifoldDisorder``), and one value for the image."""
        from hyperspy_motifs.manifold import estimate_disorder

        return estimate_disorder(self._features.whole, self._record.positions, manifold=self.fit)

    @cached_property
    def moire(self) -> Any:
        """Moiré cell, twist and heterostrain (:class:`hyperspy_motifs.hierarchy.Moire`), or None if there is none.

        The twist requires the lattices of the two layers. They come from the Fourier peaks of the image.
        """
        from hyperspy_motifs.hierarchy import find_moire

        peaks, scale = self.fourier_moire, np.array(self._record.stamp.scale)
        return find_moire(
            self._record.positions,
            self.coordinates,
            lattice=None if peaks is None else peaks.lattice * scale,
            start=None if peaks is None else peaks.vectors * scale,
        )

    @cached_property
    def fourier_moire(self) -> Any:
        """Layers and moiré from the Fourier peaks, in pixels (:class:`hyperspy_motifs.hierarchy.FourierMoire`), or None.

        This result does not use the atoms and serves as an independent check of `moire`.
        """
        from hyperspy_motifs.hierarchy import fourier_moire
        from hyperspy_motifs.pipeline import clean_image, data_frame

        image, _ = clean_image(data_frame(self._signal, int(self._record.frames[0])), tell=False)
        return fourier_moire(image)

    def __repr__(self) -> str:
        return f"<Manifold of {len(self._record.labels)} atoms: dimension {self.dimension:.1f}, {self.topology.kind}>"


class MotifsAtRadius:
    """Motifs, layout and features at one radius.

    Parameters
    ----------
    view : MotifView
    number : int
        Number of the radius in ``radii``.
    """

    def __init__(self, view: MotifView, number: int) -> None:
        self._view, self._number = view, number
        self.radius = view.radii[number]

    @property
    def labels(self) -> np.ndarray:
        """Motif of each atom, shape (n,)."""
        return self._view._refresh().radius_labels[self._number]

    @property
    def probabilities(self) -> np.ndarray:
        """Certainty of the motif of each atom, shape (n,), 0 to 1."""
        return self._view._refresh().radius_probabilities[self._number]

    @property
    def layout(self) -> np.ndarray:
        """Force-relaxed layout of the atoms, shape (n, 2)."""
        return self._view._refresh().layouts[self._number]

    @property
    def features(self) -> ZernikeFeatures:
        """Zernike features of the atoms; navigation axis: atoms."""
        from hyperspy_motifs.pipeline import features_at

        view = self._view
        if self.radius == view.radius:
            return view.features
        return features_at(view._signal, view._refresh(), self.radius)

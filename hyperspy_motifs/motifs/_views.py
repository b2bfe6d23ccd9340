"""A result at one of its radii, as a continuum, and in time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from numpy.typing import ArrayLike

    from hyperspy_motifs.hierarchy import FourierMoire, Moire
    from hyperspy_motifs.manifold import Manifold, ManifoldDisorder, ManifoldFeatures, Topology
    from hyperspy_motifs.movies import FollowedUnits, Transitions
    from hyperspy_motifs.signals import AtomicImage, ZernikeFeatures

    from ._motif_view import MotifView
    from ._motifs import Motifs


class ManifoldView:
    """The atoms of a result as points of a continuum, for images whose surroundings change continuously.

    It is computed on first use, from the moments at the largest radius without rotation invariance: a shift between two
    layers is a vector, and invariants would lose its direction.

    Parameters
    ----------
    signal : AtomicImage
    record : hyperspy_motifs.store.Record
    """

    def __init__(self, signal: BaseSignal, record: store.Record) -> None:
        self._signal, self._record = signal, record

    @property
    def _radius(self) -> float:
        from hyperspy_motifs.pipeline import available_radii

        return max(available_radii(self._record))

    @cached_property
    def _features(self) -> ManifoldFeatures:
        from hyperspy_motifs.manifold import manifold_features
        from hyperspy_motifs.pipeline import source_of

        return manifold_features(source_of(self._signal, self._record)(self._radius))

    @cached_property
    def fit(self) -> Manifold:
        """The fitted :class:`hyperspy_motifs.manifold.Manifold`, with ``transform`` for other atoms."""
        from hyperspy_motifs.manifold import Manifold

        return Manifold().fit(self._features.values, self._record.positions)

    @property
    def coordinates(self) -> np.ndarray:
        """Diffusion coordinates of the atoms, shape (n, d), the slowest first."""
        return self.fit.coordinates_

    def transform(self, other: object, atoms: object = None) -> np.ndarray:
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
    def topology(self) -> Topology:
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
    def disorder(self) -> ManifoldDisorder:
        """Distance of each atom from the local manifold beyond noise (``ManifoldDisorder``), and one value for the image."""
        from hyperspy_motifs.manifold import estimate_disorder

        return estimate_disorder(self._features.whole, self._record.positions, manifold=self.fit)

    @cached_property
    def moire(self) -> Moire | None:
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
    def fourier_moire(self) -> FourierMoire | None:
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


# Fraction of the nearest-neighbour distance: a half minus a margin for noise and drift.
_REACH = 0.4


class MotifMovie:
    """``motifs.movie``: the atoms of a stack in time, frame by frame in flat order.

    Parameters
    ----------
    motifs : Motifs
    """

    def __init__(self, motifs: Motifs) -> None:
        self._motifs = motifs

    @property
    def populations(self) -> np.ndarray:
        """Number of atoms of each motif in each frame, shape (frames, n_motifs)."""
        from hyperspy_motifs.movies import count_populations

        motifs = self._motifs
        return count_populations(
            motifs.labels,
            motifs.frames,
            motifs.n_motifs,
            int(np.prod(motifs._refresh().stamp.navigation_shape, dtype=int)),
        )

    def link(
        self,
        reach: float | None = None,
        *,
        drift: ArrayLike | None = "auto",
        method: str = "assignment",
        memory: int = 0,
    ) -> np.ndarray:
        """Track the atoms from frame to frame.

        Parameters
        ----------
        reach : float, optional
            Largest displacement from frame to frame in axis units, after correction for drift; 0.4 nearest-neighbour
            distances by default.
        drift, method, memory
            As in :func:`hyperspy_motifs.movies.link_frames`.

        Returns
        -------
        numpy.ndarray of shape (n,)
            Number of the track of each atom, which :meth:`transitions` uses.
        """
        from hyperspy_motifs.movies import link_frames

        record = self._motifs._refresh()
        if reach is None:
            reach = _REACH * float(record.parameters["spacing"])
        tracks = link_frames(
            record.positions, record.frames, reach, drift=drift, method=method, memory=memory
        )
        self._motifs._cache["tracks"] = tracks
        return tracks

    @property
    def tracks(self) -> np.ndarray:
        """Number of the track of each atom, shape (n,): atoms of one track are the same atom in several frames."""
        motifs = self._motifs
        motifs._refresh()
        return motifs._cache["tracks"] if "tracks" in motifs._cache else self.link()

    def transitions(self, lag: int = 1) -> Transitions:
        """Count the transitions of the atoms between motifs over `lag` frames.

        Parameters
        ----------
        lag : int, optional

        Returns
        -------
        hyperspy_motifs.movies.Transitions
            ``counts``, ``probabilities`` with ``errors``, and the atoms that ``vanished`` or ``appeared``. Atoms
            within two nearest-neighbour distances of the border are excluded: their discs are truncated, and drift
            can move them out of the image.
        """
        return self.follow("atoms").transitions(lag)

    def follow(
        self, what: str = "cells", reach: float | None = None, *, drift: ArrayLike | None = "auto"
    ) -> FollowedUnits:
        """Follow atoms, sites, cells or defects from frame to frame.

        Parameters
        ----------
        what : {"cells", "sites", "defects", "atoms"}
            Cells with their classes; sites with the motif of their atom, or empty; entries of ``motifs.defects`` with their
            kinds; or atoms with their motifs (:attr:`tracks`).
        reach : float, optional
            As in :meth:`link`.
        drift : array-like of shape (frames, 2), "auto" or None
            As in :meth:`link`; it is estimated from the atoms.

        Returns
        -------
        hyperspy_motifs.movies.FollowedUnits
            With ``events()``, the births, deaths and changes, and ``transitions()``.

        Raises
        ------
        ValueError
            If `what` is unknown.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> stack, truth = hm.data.beam_damage(n_frames=3, knock_on=0.1, shape=(140, 150), random_state=2)
        >>> sites = stack.find_motifs(show_progressbar=False).movie.follow("sites")
        >>> events = sites.events()
        >>> vacancies = events["frame"][events["after"] == "empty"]
        """
        from hyperspy_motifs.movies import FollowedUnits, drift_of_frames, link_frames

        if what not in ("atoms", "sites", "cells", "defects"):
            raise ValueError(f"what is {what!r}; expected 'atoms', 'sites', 'cells' or 'defects'.")
        motifs = self._motifs
        record = motifs._refresh()
        states, labels, frames, positions, whole = self._units(what)
        spacing = float(record.parameters["spacing"])
        if what == "atoms" and reach is None:
            tracks = self.tracks
        else:
            if isinstance(drift, str) and drift == "auto":
                drift = drift_of_frames(record.positions, record.frames)[: int(frames.max(initial=-1)) + 1]
            tracks = link_frames(positions, frames, _REACH * spacing if reach is None else reach, drift=drift)
        pixels = record.stamp.to_pixels(positions)
        margin = 2 * spacing / abs(record.stamp.scale[0])
        inside = np.all((pixels > margin) & (pixels < np.array(record.stamp.shape) - 1 - margin), axis=1)
        return FollowedUnits(what, tuple(states), positions, frames, tracks, labels, inside & whole)

    def _units(self, what: str) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the states, and of each unit its state, frame, position, and whether it is complete."""
        from ._levels import class_words, missing_motifs

        motifs = self._motifs
        if what == "cells":
            cells = motifs.cells
            words = class_words(cells, motifs.names, missing_motifs(motifs))
            frames = cells.of_points(motifs.frames)
            return words, cells.labels, frames, cells.centres, ~cells.on_border
        if what == "sites":
            sites = motifs.sites
            # Row -1 of the atoms is none.
            present = np.append(motifs.labels, motifs.n_motifs)[sites.atoms]
            labels = np.where((sites.atoms < 0) & ~sites.vacant, sites.expected_motifs, present)
            return [*motifs.names, "empty"], labels, sites.frames, sites.positions, np.ones(len(sites), bool)
        if what == "defects":
            defects = motifs.defects
            kinds, labels = np.unique(defects.kinds, return_inverse=True)
            return kinds.tolist(), labels, defects.frames, defects.positions, np.ones(len(defects), bool)
        return motifs.names, motifs.labels, motifs.frames, motifs.positions, np.ones(len(motifs.labels), bool)


def frame_axis(signal: AtomicImage, times: object) -> tuple[Any, str]:
    """Positions of frames on an axis of time, if they are not given, and its label."""
    label = "frame"
    axes = signal.axes_manager.navigation_axes
    if times is None and len(axes) == 1 and axes[0].is_uniform:
        times = axes[0].axis
        units = str(axes[0].units)
        if units not in ("<undefined>", ""):
            name = str(axes[0].name)
            label = f"{'time' if name.startswith('<') else name} ({units})"
    return times, label

"""``ZernikeFeatures``, also lazy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.signals import LazySignal1D, Signal1D

from hyperspy_motifs.common import distinct_rows
from hyperspy_motifs.store import MOMENTS_NODE, moments_signal, patches_signal

from ._patches_and_analysis import FeatureAnalysis, slice_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperspy.misc.utils import DictionaryTreeBrowser
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from hyperspy_motifs.signals import AtomPatches
    from hyperspy_motifs.zernike import Explanation, Moments, SymmetryScores


class ZernikeFeatures(FeatureAnalysis):
    """Zernike moments of the discs around atoms: navigation axis atoms, signal axis modes.

    As a ``Signal1D``, it supports HyperSpy's ``decomposition``, ``cluster_analysis`` and plots. ``metadata.Zernike``
    holds the modes of the columns and their noise.
    """

    _signal_type = "zernike_features"
    _alias_signal_types = ("ZernikeFeatures",)

    @property
    def modes(self) -> np.ndarray:
        """(n, m) of each column, shape (K, 2); m < 0 sine, m > 0 cosine."""
        return np.asarray(self._node().get_item("modes"))

    @property
    def noise_std(self) -> np.ndarray:
        """Standard deviation of each moment due to the noise of the image, shape (n, K) or (K,)."""
        return np.asarray(self._node().get_item("noise_std"))

    @property
    def atoms(self) -> np.ndarray:
        """Index of each row's atom among those of the image, shape (n,)."""
        kept = self._node().get_item("atoms")
        return np.arange(self.axes_manager.navigation_size) if kept is None else np.asarray(kept)

    @property
    def n_max(self) -> int:
        """Highest radial order."""
        return int(self._facts()["n_max"])

    @property
    def radius(self) -> float:
        """Radius of the disc in the units of the image."""
        return float(self._facts()["radius"])

    @property
    def n_detectors(self) -> int:
        """Number of detectors whose moments stand side by side."""
        return len(self.modes) // len(distinct_rows(self.modes)[0])

    def of_detector(self, detector: int = 0) -> ZernikeFeatures:
        """The features of one of several detectors, in units of the contrast of its patches instead of its noise.

        Parameters
        ----------
        detector : int, optional
            0 is the image itself, 1 the first of ``detectors=``.

        Returns
        -------
        ZernikeFeatures

        Raises
        ------
        ValueError
            If there is no such detector.
        """
        n = self.n_detectors
        if not 0 <= int(detector) < n:
            raise ValueError(f"There is no detector {detector}: these features are of {n}, counted from 0.")
        if n == 1:
            return self
        columns = self._columns_of(int(detector))
        unit = self._unit()
        scale = np.ones(len(columns)) if unit is None else unit[columns]
        # HyperSpy slices ranges only, and the detectors may hold different modes.
        moments = self.get_moments()
        alone = replace(
            moments,
            values=(moments.values[:, columns] * scale).astype(np.float32),
            noise_std=(moments.noise_std[:, columns] * scale).astype(np.float32),
            modes=moments.modes[columns],
            unit=None,
            n_max=int(moments.modes[columns, 0].max()),
        )
        facts = self._facts()
        return moments_signal(alone, facts["radius"] / facts["radius_px"], facts["units"], self.atoms)

    def _columns_of(self, detector: int) -> np.ndarray:
        """Columns of a detector: the modes occur once for each, in the order of the detectors."""
        seen: dict[tuple[int, int], int] = {}
        number = []
        for n, m in self.modes.tolist():
            number.append(seen.get((n, m), 0))
            seen[n, m] = number[-1] + 1
        return np.flatnonzero(np.array(number) == detector)

    def take(self, index: object, atoms: np.ndarray | None = None) -> ZernikeFeatures:
        """The features of some atoms in any order; HyperSpy's ``inav`` supports only ranges.

        Parameters
        ----------
        index : array-like of int or bool
            Rows that are kept.
        atoms : numpy.ndarray of int, optional
            New indices of the atoms in the image; unchanged by default.

        Returns
        -------
        ZernikeFeatures

        Raises
        ------
        ValueError
            If these are the features of a single atom, such as ``inav[3]``.
        """
        if not self.axes_manager.navigation_dimension:
            raise ValueError("These are the features of one atom: there is nothing to select.")
        chosen = np.asarray(index)
        rows = np.arange(len(self.data))[chosen if chosen.size else chosen.astype(np.int64)]
        axes = [axis.get_axis_dictionary() for axis in self.axes_manager._axes]
        axes[0] |= {"size": len(rows), "offset": 0.0, "scale": 1.0}
        picked = ZernikeFeatures(
            np.asarray(self.data)[rows], axes=axes, metadata=self.metadata.as_dictionary()
        )
        if self.metadata.has_item(f"{MOMENTS_NODE}.modes"):
            node, noise = picked.metadata.get_item(MOMENTS_NODE), self.noise_std
            node.set_item("atoms", self.atoms[rows] if atoms is None else np.asarray(atoms))
            node.set_item("noise_std", noise[rows] if noise.ndim == 2 else noise)
        return picked

    def _slicer(self, slices: object, isNavigation: bool | None = None, out: object = None) -> object:
        # HyperSpy's inav and isel use this method only: it slices the metadata of rows and columns as well.
        sliced = super()._slicer(slices, isNavigation, out=out)
        if (
            out is None
            and isinstance(sliced, ZernikeFeatures)
            and self.metadata.has_item(f"{MOMENTS_NODE}.modes")
        ):
            slice_node(self, sliced.metadata.get_item(MOMENTS_NODE), slices, bool(isNavigation))
        return sliced

    def _node(self) -> DictionaryTreeBrowser:
        if not self.metadata.has_item(f"{MOMENTS_NODE}.modes"):
            raise AttributeError(
                "These features do not record the modes of their columns. Make them with patches.get_zernike_features()."
            )
        return self.metadata.get_item(MOMENTS_NODE)

    def _facts(self) -> dict[str, Any]:
        return json.loads(self._node().get_item("facts"))

    def get_moments(self) -> Moments:
        """The features as plain arrays (:class:`hyperspy_motifs.zernike.Moments`) for the functions of that module."""
        from hyperspy_motifs.zernike import Moments, NoiseModel

        values = np.asarray(self.data, dtype=np.float32).reshape(-1, self.data.shape[-1])
        n = len(values)
        return Moments(
            values=values,
            modes=self.modes,
            radius=float(self._facts()["radius_px"]),
            n_max=self.n_max,
            noise_std=np.broadcast_to(self.noise_std, values.shape),
            coverage=np.ones(n),
            valid=np.asarray(np.isfinite(values).all(axis=1), dtype=bool),
            offset=np.zeros(n),
            scale=np.ones(n),
            noise=NoiseModel(0.0, 0.0),
            unit=self._unit(),
        )

    def _unit(self) -> np.ndarray | None:
        unit = self._node().get_item("unit")
        return None if unit is None else np.asarray(unit)

    def get_invariants(self, chirality: bool = False) -> Signal1D:
        """Features that are invariant under rotations about the atom (see :func:`hyperspy_motifs.zernike.invariants`).

        Parameters
        ----------
        chirality : bool, optional
            Append features that distinguish a disc from its mirror image.

        Returns
        -------
        hyperspy.signals.Signal1D
        """
        from hyperspy_motifs.zernike import invariants

        values, _ = invariants(self.get_moments(), chirality=chirality)
        out = Signal1D(values)
        out.metadata.General.title = "Rotation-invariant Zernike features"
        out.axes_manager[0].name = "atom"
        return out

    def get_layout(
        self, *, rotation_invariant: bool = False, random_state: int = 0, **options: Any
    ) -> np.ndarray:
        """Force-relaxed layout of the features, in units of their noise.

        Parameters
        ----------
        rotation_invariant : bool, optional
            Use the rotation invariants instead of the moments.
        random_state : int, optional
        **options
            Parameters of :class:`hyperspy_motifs.relaxation.ForceRelaxedLayout`.

        Returns
        -------
        numpy.ndarray of shape (n, 2)
            NaN for atoms without moments (too near the border).

        Raises
        ------
        ValueError
            If fewer than two atoms have moments.
        """
        from hyperspy_motifs.relaxation import ForceRelaxedLayout
        from hyperspy_motifs.zernike import invariants, whiten

        moments = self.get_moments()
        known = np.flatnonzero(moments.valid)
        if len(known) < 2:
            raise ValueError(f"{len(known)} of these atoms have moments, a layout needs at least two.")
        layout = np.full((len(moments), 2), np.nan, dtype=np.float32)
        moments = moments.take(known)
        values, noise = invariants(moments) if rotation_invariant else (moments.values, moments.noise_std)
        model = ForceRelaxedLayout(random_state=random_state, **options)
        layout[known] = model.fit_transform(whiten(values, noise))
        return layout

    def reconstruct(self, detector: int = 0) -> AtomPatches:
        """The patches reconstructed from the moments (least squares).

        Parameters
        ----------
        detector : int, optional
            Of the features of several detectors: the one whose patches are returned; 0 is the image itself.

        Returns
        -------
        AtomPatches
        """
        from hyperspy_motifs.zernike import ZernikeBasis

        facts = self._facts()
        if self.n_detectors > 1:
            return self.of_detector(detector).reconstruct()
        basis = ZernikeBasis(self.n_max, facts["radius_px"])
        column = {tuple(mode): k for k, mode in enumerate(basis.modes.tolist())}
        full = np.zeros((*self.data.shape[:-1], len(basis.modes)))
        full[..., [column[tuple(mode)] for mode in self.modes.tolist()]] = np.asarray(self.data)
        scale = facts["radius"] / facts["radius_px"]
        return patches_signal(basis.reconstruct(full), scale, facts["units"], radius=facts["radius_px"])

    def rotate(self, angle: ArrayLike) -> ZernikeFeatures:
        """The features of the discs rotated by `angle`.

        Parameters
        ----------
        angle : float or array-like of shape (n,)
            Radians, from x towards y (clockwise on the screen).

        Returns
        -------
        ZernikeFeatures
        """
        from hyperspy_motifs.zernike import rotate_moments

        return self._deepcopy_with_new_data(rotate_moments(np.asarray(self.data), self.modes, angle))

    def select(self, n: ArrayLike | None = None, m: ArrayLike | None = None) -> ZernikeFeatures:
        """The features of some modes.

        Parameters
        ----------
        n, m : int or sequence of int, optional
            Radial and angular orders that are kept, regardless of the sign of m, so that cosine and sine stay together.

        Returns
        -------
        ZernikeFeatures
        """
        kept = self.get_moments().select(n=n, m=m)
        facts = self._facts()
        return moments_signal(kept, facts["radius"] / facts["radius_px"], facts["units"], self.atoms)

    def get_symmetry(self, folds: Sequence[int] = (2, 3, 4, 6)) -> SymmetryScores:
        """Scores of the symmetry of each disc under rotations and reflections, corrected for the bias by noise.

        Parameters
        ----------
        folds : sequence of int, optional
            Orders of rotation.

        Returns
        -------
        hyperspy_motifs.zernike.SymmetryScores
            ``scores`` (n, len(folds)), ``mirror`` and ``axis`` (n,), each with its standard deviation due to noise;
            formula and source in :func:`hyperspy_motifs.zernike.get_symmetry`.
        """
        from hyperspy_motifs.zernike import get_symmetry

        return get_symmetry(self.get_moments(), folds)

    def explain(self, labels: ArrayLike, groups: tuple[int, int] = (0, 1)) -> Explanation:
        """The modes that distinguish two groups of atoms.

        Parameters
        ----------
        labels : array-like of int of shape (n,)
            Group of each atom, e.g. ``motifs.labels``.
        groups : (int, int), optional
            The two groups; -1 as the second one means all others.

        Returns
        -------
        hyperspy_motifs.zernike.Explanation
        """
        from hyperspy_motifs.zernike import explain

        return explain(np.asarray(self.data), labels, self.modes, groups)

    def plot_explanation(
        self,
        labels: ArrayLike,
        groups: tuple[int, int] = (0, 1),
        *,
        n_modes: int = 4,
        detector: int = 0,
        figure: Figure | None = None,
    ) -> Any:
        """Draw the means of two groups of atoms, their difference, and the modes that distinguish them.

        Parameters
        ----------
        labels : array-like of int of shape (n,)
            Group of each atom, e.g. ``motifs.labels``.
        groups : (int, int), optional
            As in :meth:`explain`.
        n_modes : int, optional
            Number of modes, in order of decreasing contribution; cosine and sine of one (n, m) are shown as their
            sum.
        detector : int, optional
            Of the features of several detectors: the one that is drawn; 0 is the image itself.
        figure : matplotlib.figure.Figure or SubFigure, optional
            Axes to draw on; a new figure by default.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes
        """
        from ._patches_and_analysis import plot_explanation

        return plot_explanation(self.of_detector(detector), labels, groups, n_modes, figure)

    def plot_orders(self, *, ax: Axes | None = None) -> Axes:
        """Draw the power of the moments of each radial order and that of their noise.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
            Orders beyond the one that :func:`hyperspy_motifs.zernike.choose_n_max` would keep are shaded.
        """
        from hyperspy_motifs.draw import plot_orders
        from hyperspy_motifs.zernike import choose_n_max

        found = choose_n_max(self.get_moments())
        return plot_orders(
            found.n, found.signal, found.noise, variation=found.variation, n_max=found.n_max, ax=ax
        )

    def turned(self, angle: float, mirrored: bool) -> ZernikeFeatures:
        """The features of the same discs after their image was mirrored (y to -y) and then rotated by right angles.

        Parameters
        ----------
        angle : float
            Radians, from x towards y: a multiple of pi / 2.
        mirrored : bool

        Returns
        -------
        ZernikeFeatures
        """
        from hyperspy_motifs.zernike import partner_columns, rotate_moments

        if not self.metadata.has_item(f"{MOMENTS_NODE}.modes"):
            return self
        modes, noise = self.modes, self.noise_std
        values = np.asarray(self.data)
        if mirrored:
            values = np.where(modes[:, 1] < 0, -values, values)
        out = self._deepcopy_with_new_data(rotate_moments(values, modes, angle))
        # A quarter of a turn exchanges cosine and sine of the odd orders.
        exchanged = (round(angle / (np.pi / 2)) * modes[:, 1]) % 2 != 0
        columns = np.where(exchanged, partner_columns(modes), np.arange(len(modes)))
        out.metadata.get_item(MOMENTS_NODE).set_item("noise_std", noise[..., columns])
        return out

    def calibrated(self, stretch: float, scale: float, units: str) -> ZernikeFeatures:
        """The same features in the current units of their image.

        Parameters
        ----------
        stretch : float
            Current units per former unit of length.
        scale : float
            Size of a pixel in current units.
        units : str

        Returns
        -------
        ZernikeFeatures
            The same object if nothing has changed.
        """
        facts = self._facts()
        radius = facts["radius"] * stretch
        new = {**facts, "radius": radius, "radius_px": radius / scale, "units": units}
        if units == facts["units"] and np.allclose([new[k] / facts[k] for k in ("radius", "radius_px")], 1):
            return self
        out = self._deepcopy_with_new_data(self.data)
        out.metadata.set_item(f"{MOMENTS_NODE}.facts", json.dumps(new))
        return out


class LazyZernikeFeatures(LazySignal1D, ZernikeFeatures):
    """ZernikeFeatures whose data are a dask array: data are read on demand."""

    # HyperSpy's lazy decomposition precedes that of ZernikeFeatures in the method resolution order.
    def decomposition(self, *args: object, **kwargs: object) -> Any:
        """HyperSpy's lazy decomposition; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of HyperSpy's lazy signals; ``navigation_mask`` by name.

        Returns
        -------
        object
            None, or what HyperSpy returns.
        """
        return super().decomposition(*args, **self._without_unknown(kwargs))

"""``AtomPatches``, also lazy, and their navigator; slices, analyses and pictures of features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.signals import BaseSignal, LazySignal2D, Signal1D, Signal2D

from hyperspy_motifs.common import distinct_rows
from hyperspy_motifs.draw import plot_explanation as draw_explanation
from hyperspy_motifs.store import PATCHES_NODE, moments_signal
from hyperspy_motifs.zernike import ZernikeBasis

if TYPE_CHECKING:
    from hyperspy.misc.utils import DictionaryTreeBrowser
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from hyperspy_motifs.signals import ZernikeFeatures
    from hyperspy_motifs.zernike import DiscBasis


def choose_navigator(patches: AtomPatches, navigator: object) -> tuple[Any, np.ndarray | None]:
    """The navigator for HyperSpy, and the values to show as points for navigators of this package.

    Parameters
    ----------
    patches : AtomPatches
    navigator : str, array-like of shape (n,), signal or None

    Returns
    -------
    navigator : str, signal or None
        For HyperSpy's ``plot``.
    values : numpy.ndarray of shape (n,) or None
        Of integers for motifs, of floats for scores.
    """
    if navigator is None or isinstance(navigator, BaseSignal):
        return navigator, None
    if isinstance(navigator, str):
        labels = patches.motifs if patches.axes_manager.navigation_dimension == 1 else None
        if navigator == "auto" and (labels is None or patches.navigator is not None):
            return "auto", None
        if navigator not in ("auto", "motif"):
            return navigator, None
        if labels is None:
            raise ValueError("These patches have no motifs: use motifs.patches.")
        return _navigator(patches, labels), labels
    values = np.asarray(navigator, float)
    n = patches.axes_manager.navigation_shape
    if values.shape != n:
        raise ValueError(
            f"navigator has the shape {values.shape}; one number per patch is expected, shape {n}."
        )
    return _navigator(patches, values), values


def _navigator(patches: AtomPatches, values: np.ndarray) -> Signal1D:
    axis = patches.axes_manager.navigation_axes[0].get_axis_dictionary()
    return Signal1D(np.asarray(values, float), axes=[{**axis, "navigate": False}])


def show_points(patches: AtomPatches, values: np.ndarray) -> None:
    """Points instead of the line of the navigator, because neighbours in a list are not neighbours in the image."""
    from hyperspy_motifs.draw import motif_colours

    plot = patches._plot.navigator_plot
    places = patches.axes_manager.navigation_axes[0].axis
    (line,) = plot.ax_lines
    line.line.set_visible(False)
    labels = patches.motifs
    is_motif = values.dtype.kind in "iu"
    colours = motif_colours(labels) if labels is not None else "black"
    plot.ax.scatter(places, values, s=_area(len(values)), c=colours, linewidths=0)
    if is_motif:
        given = patches._facts().get("names", {})
        names = [given.get(str(k), str(k)) for k in range(int(values.max(initial=0)) + 1)]
        plot.ax.set_yticks(np.arange(len(names)), names)
        plot.ax.set_ylim(-0.6, len(names) - 0.4)
    plot.ax.set_ylabel("motif" if is_motif else "score")
    plot.figure.canvas.draw_idle()


def _area(n: int) -> float:
    """Area of a point, so that many do not hide each other."""
    return float(np.clip(8000 / max(n, 1), 2.0, 20.0))


class AtomPatches(Signal2D):
    """The discs around atoms as small images: navigation axis atoms, signal axes x and y with 0 at the atom."""

    _signal_type = "atom_patches"
    _alias_signal_types = ("AtomPatches",)

    @property
    def radius(self) -> float:
        """Radius of the disc in the units of the axes."""
        return float(self._facts()["radius_px"]) * self.axes_manager.signal_axes[0].scale

    @property
    def atoms(self) -> np.ndarray:
        """Index of each patch's atom among those of the image, shape (n,)."""
        kept = self._of_each("atoms")
        return self._numbers() if kept is None else kept

    @property
    def motifs(self) -> np.ndarray | None:
        """Motif of each patch at the time of extraction, shape (n,); None if unknown."""
        return self._of_each("motifs")

    def set_motifs(self, labels: np.ndarray, names: Mapping[int, str] | None = None) -> None:
        """Set the motifs of the patches for the navigator of :meth:`plot`.

        Parameters
        ----------
        labels : array-like of int, shape (n,)
            Motif of each patch.
        names : dict of int to str, optional
            Names of motifs; numbers by default.

        Raises
        ------
        ValueError
            If there is not one whole number from 0 for each patch, or the patches are a slice of others.
        """
        values = np.asarray(labels)
        n = self.axes_manager.navigation_size
        if values.shape != (n,) or values.dtype.kind not in "iu" or values.min(initial=0) < 0:
            raise ValueError(
                f"One whole number from 0 for each of {n} patches is expected, got shape {values.shape} of {values.dtype}."
            )
        if not np.array_equal(self._numbers(), np.arange(n)):
            raise ValueError("These patches are a slice of others: set the motifs before slicing.")
        node = self.metadata.get_item(PATCHES_NODE)
        facts = self._facts() | {"names": {str(k): str(v) for k, v in (names or {}).items()}}
        kept = {} if node is None else node.as_dictionary()
        setattr(
            self.metadata,
            PATCHES_NODE,
            {**kept, "facts": json.dumps(facts), "motifs": np.array(values, dtype=np.int64)},
        )

    def plot(self, navigator: Any = "auto", axes_manager: Any = None, **kwargs: Any) -> None:
        """Plot the patches one by one with a navigator of their motifs or of any score.

        Parameters
        ----------
        navigator : "auto", "motif", array-like of shape (n,), or an argument of
        :meth:`hyperspy.api.signals.Signal2D.plot`
            "motif" shows the motif of each patch; it is the default for patches with motifs, such as
            ``motifs.patches``. An array is one number per patch, such as ``motifs.probabilities``.
        axes_manager : optional
            As in HyperSpy.
        **kwargs
            Passed to HyperSpy's ``plot``.

        Raises
        ------
        ValueError
            If the motifs are not known, or there is not one number per patch.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
        >>> motifs = s.find_motifs(show_progressbar=False)
        >>> motifs.patches.plot(navigator=motifs.probabilities)
        """

        chosen, points = choose_navigator(self, navigator)
        super().plot(navigator=chosen, axes_manager=axes_manager, **kwargs)
        if points is not None:
            show_points(self, points)

    def _numbers(self) -> np.ndarray:
        """Indices of the original patches that remain after slicing, shape (n,), from the navigation axis."""
        if not self.axes_manager.navigation_dimension:
            return np.zeros(0, dtype=np.int64)
        return np.rint(self.axes_manager.navigation_axes[0].axis).astype(np.int64)

    def _of_each(self, name: str) -> np.ndarray | None:
        """A column of the metadata for the patches that remain after slicing; None if it has none, or they are not known."""
        kept = self.metadata.get_item(f"{PATCHES_NODE}.{name}")
        if kept is None:
            return None
        numbers = self._numbers()
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(kept):
            return None
        return np.asarray(kept)[numbers]

    def _facts(self) -> dict[str, Any]:
        text = self.metadata.get_item(f"{PATCHES_NODE}.facts")
        half = (self.axes_manager.signal_axes[0].size - 1) / 2
        return {"radius_px": half} if text is None else json.loads(text)

    def get_zernike_features(self, n_max: int = 8) -> ZernikeFeatures:
        """Zernike moments of the patches.

        Parameters
        ----------
        n_max : int, optional
            Highest radial order.

        Returns
        -------
        ZernikeFeatures
            One row per patch, in the same order, with the same ``atoms``. Discs that the border of the image
            truncates by up to 30 % are described by their part inside, as in :meth:`AtomicImage.find_motifs`;
            features of other truncated discs are NaN.
        """
        from hyperspy_motifs.zernike import ZernikeBasis, get_patch_moments

        basis = ZernikeBasis(n_max, self._facts()["radius_px"])
        patches = np.asarray(self.data).reshape(-1, *self.data.shape[-2:])
        noise, limits = self._of_each("noise_std"), self._of_each("limits")
        moments = get_patch_moments(patches, basis, noise_std=1.0 if noise is None else noise, limits=limits)
        axis, atoms = self.axes_manager.signal_axes[0], self.atoms
        return moments_signal(
            moments, axis.scale, str(axis.units), atoms if len(atoms) == len(patches) else None
        )


class LazyAtomPatches(LazySignal2D, AtomPatches):
    """AtomPatches whose data are a dask array: data are read on demand."""


def slice_node(features: ZernikeFeatures, node: DictionaryTreeBrowser, slices: object, rows: bool) -> None:
    """Reduce `node` to the rows (or columns) of `features` that HyperSpy's `slices` keep."""
    axes = features.axes_manager
    axis = axes.navigation_axes[0] if rows else axes.signal_axes[0]
    if axis.size != len(features.atoms if rows else features.modes):
        return  # transposed or stacked: the axis is no longer that of the atoms (or modes)
    # HyperSpy slices by number, by calibrated value and by ROI: a signal of the numbers is sliced in the same way.
    numbers = Signal1D(np.arange(axis.size), axes=[{**axis.get_axis_dictionary(), "navigate": False}])
    kept = np.atleast_1d(numbers.isig[slices].data)
    noise = features.noise_std
    if not rows:
        modes = features.modes[kept]
        facts = json.loads(node.get_item("facts"))
        node.set_item("modes", modes)
        node.set_item("facts", json.dumps({**facts, "n_max": int(modes[:, 0].max())}))
        node.set_item("noise_std", noise[..., kept])
        if node.has_item("unit"):
            node.set_item("unit", np.asarray(node.get_item("unit"))[kept])
        return
    node.set_item("atoms", features.atoms[kept])
    if noise.ndim == 2:
        node.set_item("noise_std", noise[kept])


class FeatureAnalysis(Signal1D):
    """HyperSpy's analyses of features with missing rows, which are masked."""

    def _unknown(self) -> np.ndarray:
        """Atoms without moments, whose disc lies outside the image to a large part, shape (n,)."""
        return ~np.isfinite(np.asarray(self.data)).all(axis=-1)

    def _without_unknown(self, options: dict[str, object]) -> dict[str, object]:
        """`options` of an analysis of HyperSpy with a mask of the atoms without moments."""
        unknown = self._unknown()
        if unknown.ndim and unknown.any():
            mask = options.get("navigation_mask")
            given = False if mask is None else np.asarray(getattr(mask, "data", mask), dtype=bool)
            return {**options, "navigation_mask": unknown | given}
        return options

    def decomposition(self, *args: object, **kwargs: object) -> Any:
        """HyperSpy's decomposition; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of :meth:`hyperspy.api.signals.BaseSignal.decomposition`; ``navigation_mask`` by name.

        Returns
        -------
        object
            None, or what HyperSpy returns with ``return_info=True``.
        """
        return super().decomposition(*args, **self._without_unknown(kwargs))

    def cluster_analysis(self, *args: object, **kwargs: object) -> Any:
        """HyperSpy's cluster analysis; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of :meth:`hyperspy.api.signals.BaseSignal.cluster_analysis`; ``navigation_mask`` by name.

        Returns
        -------
        object
            None, or what HyperSpy returns with ``return_info=True``.
        """
        return super().cluster_analysis(*args, **self._without_unknown(kwargs))

    def estimate_number_of_clusters(self, *args: object, **kwargs: object) -> Any:
        """HyperSpy's estimate of the number of clusters; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of :meth:`hyperspy.api.signals.BaseSignal.estimate_number_of_clusters`; ``navigation_mask`` by name.

        Returns
        -------
        int
            The best number according to HyperSpy.
        """
        return super().estimate_number_of_clusters(*args, **self._without_unknown(kwargs))


# Least radius of the picture of a mode in pixels.
_LEAST_RADIUS = 20.0


def plot_explanation(
    features: ZernikeFeatures, labels: ArrayLike, groups: tuple[int, int], n_modes: int, figure: Figure | None
) -> np.ndarray:
    """See :meth:`hyperspy_motifs.signals.ZernikeFeatures.plot_explanation`."""
    modes = features.modes
    found = features.explain(labels, groups)
    # Smooth functions are drawn finer than the pixels of the image.
    radius = max(float(features.get_moments().radius), _LEAST_RADIUS)
    basis = ZernikeBasis(int(modes[:, 0].max()), radius)
    column = {tuple(mode): k for k, mode in enumerate(basis.modes.tolist())}
    rows = [column[tuple(mode)] for mode in modes.tolist()]
    values, marks = np.asarray(features.data), np.asarray(labels)
    known = np.isfinite(values).all(axis=1)
    first, second = groups
    means = [
        values[known & (marks == first)].mean(axis=0),
        values[known & (marks != first if second == -1 else marks == second)].mean(axis=0),
        found.difference_in_order(),
    ]
    full = np.zeros((3, len(basis.modes)))
    full[:, rows] = means
    outside = ~np.isfinite(_disc(basis))
    pictures = np.where(outside, np.nan, basis.reconstruct(full))
    # The sine and cosine of one (n, |m|) are rotated copies of one mode: their shares are added.
    pairs = np.column_stack([found.modes[:, 0], np.abs(found.modes[:, 1])])
    of_kind, index, _ = distinct_rows(pairs)
    kinds, share = pairs[of_kind], np.bincount(index, weights=found.share)
    chosen = np.argsort(-share, kind="stable")[:n_modes]
    functions, titles = [], []
    for kind in chosen:
        n, m = (int(v) for v in kinds[kind])
        alone = np.zeros(len(basis.modes))
        for sign in {m, -m}:
            if (n, sign) in column:
                alone[column[n, sign]] = full[2, column[n, sign]]
        functions.append(np.where(outside, np.nan, np.tensordot(alone, basis.functions, axes=1)))
        titles.append(f"n = {n}, m = {f'±{m}' if m else 0}\n{100 * share[kind]:.0f} %")
    names = [f"motif {first}", "all others" if second == -1 else f"motif {second}", "difference"]
    return draw_explanation(pictures, names, np.array(functions), titles, groups=groups, figure=figure)


def _disc(basis: DiscBasis) -> np.ndarray:
    """1 inside the disc, NaN outside."""
    rows, columns = np.indices((basis.size, basis.size)) - basis.size // 2
    return np.where(np.hypot(rows, columns) <= basis.radius + 0.5, 1.0, np.nan)

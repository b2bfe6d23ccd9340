from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._figures import MotifFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The symmetry of the motifs is not known in general, so angles are drawn over a full turn.
_TURN = 360.0


class ValueFigures(MotifFigures):
    """Figures of values of atoms: probability, disorder, coordinates of a continuum, modes."""

    def plot_values(
        self,
        values: Any = "probability",
        *,
        frame: int = 0,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Axes:
        """Draw a value of every atom over the image.

        Parameters
        ----------
        values : str or array of shape (n,) or (n, 2), optional
            "probability" of the motif; "disorder", the distance to the local manifold beyond noise; "manifold", the
            first two coordinates of the continuum; "roughness", the difference of the coordinates from those of the
            neighbours; "angle" in degrees, of rotation-invariant motifs; another column of :meth:`to_dict`, such as
            "outlier_score" after :meth:`predict`; or one or two values per atom.
        frame : int, optional
            Flat index of the frame of a stack.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_values`.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If there are no such values, or not one per atom.
        """
        from hyperspy_motifs.draw import plot_values

        options: dict[str, Any] = {}
        array = self._named_values(values, options) if isinstance(values, str) else np.asarray(values)
        if array.shape[:1] != self.frames.shape:
            raise ValueError(
                f"values have the shape {array.shape}; one for each of {len(self.frames)} atoms is expected."
            )
        here = self.frames == frame
        image, where = self._image(frame)
        return plot_values(self.positions[here], array[here], image, ax=ax, **{**where, **options, **kwargs})

    def plot_heights(self, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the histogram of the fitted heights of the columns of each motif.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_heights`.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If the atoms were not fitted, or are patches on a grid.
        """
        from hyperspy_motifs.draw import plot_heights

        heights = self.to_dict().get("amplitude")  # type: ignore[attr-defined]
        if heights is None:
            raise ValueError(
                "These atoms have no fitted heights: find_atoms(), or find_motifs() without atoms, fits them."
            )
        return plot_heights(heights, self.labels, ax=ax, **{"names": self.names, **kwargs})

    def plot_manifold(self, colour_by: Any = None, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the atoms in the first two coordinates of their continuum.

        Parameters
        ----------
        colour_by : array of shape (n,), optional
            Values for the colours; by default the colours of ``plot_values("manifold")``.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_manifold`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_manifold

        return plot_manifold(self.manifold.coordinates, colour_by, ax=ax, **kwargs)

    def plot_spectrum(
        self, motifs: Sequence[int] | None = None, *, ax: Axes | None = None, **kwargs: Any
    ) -> Axes:
        """Draw the mean Zernike spectrum of motifs, which shows the orders that distinguish them regardless of
        rotation.

        Parameters
        ----------
        motifs : sequence of int, optional
            The six most frequent by default, because more lines overlap.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_zernike_spectrum`.

        Returns
        -------
        matplotlib.axes.Axes
            Error bars are standard deviations of the mean due to the noise of the image.
        """
        from hyperspy_motifs.draw import plot_zernike_spectrum

        from ._mean_symmetry import mean_moments

        chosen = range(min(6, self.n_motifs)) if motifs is None else self._check_these(motifs)
        means, known = mean_moments(self)
        shown = [k for k in chosen if k in known]
        rows = [known.index(k) for k in shown]
        return plot_zernike_spectrum(
            means.values[rows], means.modes, errors=means.noise_std[rows], ax=ax,
            **{"labels": shown, "names": self.names, **kwargs},
        )  # fmt: skip

    def _check_these(self, motifs: Sequence[int]) -> list[int]:
        chosen = [int(k) for k in motifs]
        if not chosen or not all(0 <= k < self.n_motifs for k in chosen):
            raise ValueError(f"motifs are {chosen}; numbers from 0 to {self.n_motifs - 1} are expected.")
        return chosen

    def _named_values(self, name: str, options: dict[str, Any]) -> np.ndarray:
        """Values by name; their label and display are added to `options`."""
        if name == "manifold":
            coordinates = np.asarray(self.manifold.coordinates)[:, :2]
            options["label"] = "coordinate"
            return coordinates if coordinates.shape[1] == 2 else coordinates[:, 0]
        if name == "disorder":
            options["label"] = "distance to manifold (noise)"
            return np.asarray(self.manifold.disorder.distance)
        if name == "roughness":
            options["label"] = "roughness of coordinates (std)"
            return np.asarray(self.manifold.disorder.roughness)
        if name == "angle":
            if self.angles is None:
                raise ValueError("These motifs have no angles; use find_motifs(rotation_invariant=True).")
            options |= {"label": "angle (°)", "period": _TURN}
            return np.degrees(self.angles)
        columns = {k: v for k, v in self.to_dict().items() if np.issubdtype(v.dtype, np.number)}  # type: ignore[attr-defined]
        if name not in columns:
            known = sorted({"manifold", "disorder", "roughness", "angle", *columns})
            raise ValueError(f"values is {name!r}; expected one of {known} or one value per atom.")
        if name in ("probability", "outlier_score"):
            options |= {"vmin": 0, "vmax": 1}
        options["label"] = name
        return np.asarray(columns[name], dtype=float)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._motif_view import MotifView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hyperspy_motifs.movies import Transitions

# Fraction of the nearest-neighbour distance: a half minus a margin for noise and drift.
_REACH = 0.4


class MotifMovies(MotifView):
    """The atoms of a stack in time: :class:`~hyperspy_motifs.motifs.Motifs` frame by frame, in flat order."""

    @property
    def populations(self) -> np.ndarray:
        """Number of atoms of each motif in each frame, shape (frames, n_motifs)."""
        from hyperspy_motifs.movies import count_populations

        return count_populations(self.labels, self.frames, self.n_motifs, self._n_frames())

    def link(
        self, reach: float | None = None, *, drift: Any = "auto", method: str = "assignment", memory: int = 0
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
            Number of the track of each atom, which :meth:`get_transitions` uses.
        """
        from hyperspy_motifs.movies import link_frames

        record = self._refresh()
        if reach is None:
            reach = _REACH * float(record.parameters["spacing"])
        tracks = link_frames(
            record.positions, record.frames, reach, drift=drift, method=method, memory=memory
        )
        self._cached("tracks", lambda: tracks)
        self._cache["tracks"] = tracks
        return tracks

    @property
    def tracks(self) -> np.ndarray:
        """Number of the track of each atom, shape (n,): atoms of one track are the same atom in several frames."""
        self._refresh()
        return self._cache["tracks"] if "tracks" in self._cache else self.link()

    def get_transitions(self, lag: int = 1) -> Transitions:
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
        from hyperspy_motifs.movies import count_transitions

        record, tracks = self._refresh(), self.tracks
        pixels = record.stamp.to_pixels(record.positions)
        margin = 2 * float(record.parameters["spacing"]) / abs(record.stamp.scale[0])
        inside = np.all((pixels > margin) & (pixels < np.array(record.stamp.shape) - 1 - margin), axis=1)
        return count_transitions(record.labels, record.frames, tracks, self.n_motifs, lag=lag, inside=inside)

    def plot_populations(self, *, fraction: bool = False, times: Any = None, ax: Axes | None = None) -> Axes:
        """Draw the number of atoms of each motif in each frame, or in one image.

        Bars are standard errors: how much the number varies between fields of the same specimen (multinomial).

        Parameters
        ----------
        fraction : bool, optional
            Draw fractions of the atoms of each frame instead of numbers.
        times : array-like of shape (frames,), optional
            Position of each frame on the x axis; by default the navigation axis, or else the number of the frame.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_populations

        label = "frame"
        axes = self.signal.axes_manager.navigation_axes
        if times is None and len(axes) == 1 and axes[0].is_uniform:
            times = axes[0].axis
            units = str(axes[0].units)
            if units not in ("<undefined>", ""):
                name = str(axes[0].name)
                label = f"{'time' if name.startswith('<') else name} ({units})"
        counts = self.populations
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        errors = np.sqrt(counts * (1 - counts / total))
        return plot_populations(
            counts, errors, times=times, names=self.names, fraction=fraction, label=label, ax=ax
        )

    def plot_transitions(self, lag: int = 1, *, ax: Axes | None = None) -> Axes:
        """Draw the probabilities of transitions between motifs over `lag` frames.

        Parameters
        ----------
        lag : int, optional
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_transitions

        found = self.get_transitions(lag)
        counts = np.column_stack([found.counts, found.vanished])
        return plot_transitions(found.probabilities, counts, names=self.names, lag=lag, ax=ax)

    def _n_frames(self) -> int:
        return int(np.prod(self._refresh().stamp.navigation_shape, dtype=int))

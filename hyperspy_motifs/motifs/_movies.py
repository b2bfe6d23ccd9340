from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hyperspy_motifs.movies import Transitions
    from hyperspy_motifs.signals import AtomicImage

    from ._motifs import Motifs

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
        from hyperspy_motifs.movies import count_transitions

        record, tracks = self._motifs._refresh(), self.tracks
        pixels = record.stamp.to_pixels(record.positions)
        margin = 2 * float(record.parameters["spacing"]) / abs(record.stamp.scale[0])
        inside = np.all((pixels > margin) & (pixels < np.array(record.stamp.shape) - 1 - margin), axis=1)
        return count_transitions(
            record.labels, record.frames, tracks, self._motifs.n_motifs, lag=lag, inside=inside
        )


def frame_axis(signal: AtomicImage, times: Any) -> tuple[Any, str]:
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

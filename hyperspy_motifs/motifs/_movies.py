from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hyperspy_motifs.movies import FollowedUnits, Transitions
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
        return self.follow("atoms").transitions(lag)

    def follow(
        self, what: str = "cells", reach: float | None = None, *, drift: Any = "auto"
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
        from ._colouring import class_words
        from ._levels import missing_motifs

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

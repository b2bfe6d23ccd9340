"""Editable labels of atoms, with undo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._palette import as_labels


class Labelling:
    """Motif of each atom and name of each motif, with edits.

    Numbers do not change during the edits (a merged motif leaves a gap), so that colours are constant.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Motif of each atom.
    names : sequence of str, optional
        Name of each motif; ``'motif 0'`` and so on by default.

    Attributes
    ----------
    labels : numpy.ndarray of int, shape (n,)
        Current motif of each atom.
    names : tuple of str
        Current name of each motif.
    """

    def __init__(self, labels: ArrayLike, names: Sequence[str] | None = None) -> None:
        self.labels: NDArray[np.intp] = as_labels(labels).copy()
        self.names: tuple[str, ...] = ()
        self._past: list[tuple[NDArray[np.intp], tuple[str, ...]]] = []
        if names is not None and len(names) < self.n_motifs:
            raise ValueError(f"names has {len(names)} names, but there are {self.n_motifs} motifs.")
        self.names = self._filled(tuple(names or ()))

    @property
    def n_motifs(self) -> int:
        """One more than the largest number in use, or the number of names if that is larger."""
        return max(int(self.labels.max(initial=-1)) + 1, len(self.names))

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._past)

    def _filled(self, names: tuple[str, ...]) -> tuple[str, ...]:
        needed = int(self.labels.max(initial=-1)) + 1
        return names + tuple(f"motif {k}" for k in range(len(names), needed))

    def replace(self, labels: ArrayLike, names: Sequence[str] | None = None) -> None:
        """Set other labels, and store the current ones for undo.

        Raises
        ------
        ValueError
            If there is not one label for each atom.
        """
        new = as_labels(labels)
        if new.shape != self.labels.shape:
            raise ValueError(
                f"there must be one label for each of {len(self.labels)} atoms, got {new.shape}."
            )
        self._past.append((self.labels, self.names))
        self.labels = new.copy()
        self.names = self._filled(tuple(names) if names is not None else self.names)

    def with_new_motif(self, indices: ArrayLike) -> NDArray[np.intp]:
        """Labels with the atoms `indices` as a new motif."""
        labels = self.labels.copy()
        labels[np.asarray(indices, dtype=np.intp)] = self.n_motifs
        return labels

    def with_merged(self, motifs: Iterable[int]) -> NDArray[np.intp]:
        """Labels with the given motifs merged into that of the lowest number."""
        wanted = sorted(set(motifs))
        return np.where(np.isin(self.labels, wanted), wanted[0], self.labels)

    def rename(self, motif: int, name: str) -> None:
        """Name a motif, and store the old name for undo."""
        if not 0 <= motif < self.n_motifs:
            raise ValueError(f"there is no motif {motif}: there are {self.n_motifs}.")
        self._past.append((self.labels, self.names))
        self.names = (*self.names[:motif], name, *self.names[motif + 1 :])

    def undo(self, labels: ArrayLike | None = None, names: Sequence[str] | None = None) -> None:
        """Undo one step, if there is one; restore `labels` and `names` if they are given."""
        if not self._past:
            return
        before, names_before = self._past.pop()
        if labels is not None:
            given = as_labels(labels)
            if given.shape != before.shape:
                raise ValueError(
                    f"there must be one label for each of {len(before)} atoms, got {given.shape}."
                )
            before = given.copy()
        self.labels = before
        self.names = self._filled(tuple(names) if names is not None else names_before)

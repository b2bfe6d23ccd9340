from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from hyperspy_motifs import store

from ._motif_view import MotifView


class MotifEdits(MotifView):
    """The edits of :class:`~hyperspy_motifs.motifs.Motifs`: each writes to the metadata, and the last one can be
    undone."""

    def merge(self, motifs: Sequence[int]) -> Self:
        """Merge motifs.

        Parameters
        ----------
        motifs : sequence of int
            Two motifs or more.

        Returns
        -------
        Motifs
            The same object; motifs are renumbered by frequency.
        """
        chosen = sorted(self._check_motifs(motifs))
        if len(chosen) < 2:
            raise ValueError(f"merge needs two motifs or more, got {list(motifs)}.")
        labels = self.labels.copy()
        labels[np.isin(labels, chosen)] = chosen[0]
        return self._relabelled(labels)

    def split(self, motif: int, *, min_motif_size: int = 5, random_state: int = 0) -> Self:
        """Relax the atoms of one motif again and split it into groups.

        Parameters
        ----------
        motif : int
        min_motif_size : int, optional
            Fewest atoms of each of the new motifs, 5 or more.
        random_state : int, optional

        Returns
        -------
        Motifs
            The same object; motifs are renumbered by frequency.

        Raises
        ------
        ValueError
            If the motif does not split into groups that differ by more than noise, or `min_motif_size` is below 5.
        """
        from hyperspy_motifs.pipeline import split_motif

        (chosen,) = self._check_motifs([motif])
        parts, certainty = split_motif(self._signal, self._refresh(), chosen, min_motif_size, random_state)
        if len(np.unique(parts)) < 2:
            raise ValueError(
                f"Motif {motif} ({self.counts[chosen]} atoms) does not split into groups that differ by more than noise at "
                f"radius {self.radius:g}. A larger radius may split it: motifs.radii."
            )
        labels, probabilities = self.labels.copy(), self.probabilities.copy()
        here = labels == chosen
        labels[here] = np.where(parts == 0, chosen, self.n_motifs + parts - 1)
        probabilities[here] = certainty
        return self._relabelled(labels, probabilities)

    def relabel(self, names_or_labels: Mapping[int, str] | Any) -> Self:
        """Name motifs, or set the motif of every atom.

        Parameters
        ----------
        names_or_labels : dict of int to str, or array-like of int of shape (n,)
            ``{0: "Mo", 1: "Se2"}`` names motifs; an array replaces the labels.

        Returns
        -------
        Motifs
            The same object.
        """
        if isinstance(names_or_labels, Mapping):
            self._check_motifs(list(names_or_labels))
            record = self._refresh()
            names = {**record.names, **{int(k): str(v) for k, v in names_or_labels.items()}}
            self._write(replace(record, names=names))
            return self
        labels = np.asarray(names_or_labels)
        if labels.shape != self.labels.shape or labels.dtype.kind not in "iu" or (labels < 0).any():
            raise ValueError(
                f"relabel expects a dict of names or one whole number from 0 per atom, shape {self.labels.shape}; "
                f"got shape {labels.shape} of {labels.dtype}."
            )
        return self._relabelled(labels.astype(np.int64))

    def undo(self) -> Self:
        """Revert the last :meth:`merge`, :meth:`split` or :meth:`relabel`; a second call restores it."""
        record = self._refresh()
        if not record.previous:
            raise ValueError("There is nothing to undo: the motifs were not edited.")
        self._write(replace(record, **record.previous))
        return self

    def _check_motifs(self, motifs: Sequence[int]) -> list[int]:
        chosen = list(dict.fromkeys(int(m) for m in motifs))
        wrong = [m for m in chosen if not 0 <= m < self.n_motifs]
        if wrong or not chosen:
            raise ValueError(f"There is no motif {wrong or motifs}; motifs are 0 to {self.n_motifs - 1}.")
        return chosen

    def _relabelled(self, labels: np.ndarray, probabilities: np.ndarray | None = None) -> Self:
        """Write new labels, numbered by frequency (ties: by the older number); motifs keep their names."""
        record = self._refresh()
        values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
        order = np.lexsort((values, -counts))
        rank = np.argsort(order)
        names = {int(rank[i]): record.names[int(v)] for i, v in enumerate(values) if int(v) in record.names}
        self._write(
            replace(
                record,
                labels=rank[inverse],
                probabilities=record.probabilities if probabilities is None else probabilities,
                names=names,
            )
        )
        return self

    def _write(self, record: store.Record, has_cells: bool = False) -> None:
        """Write a record; the corner sequences of its cells are found again if its labels are others, unless it `has_cells`."""
        from hyperspy_motifs.pipeline import same_cells_relabelled, stored_form

        now = self._refresh()
        previous = {"labels": now.labels, "probabilities": now.probabilities, "names": now.names}
        changed = not np.array_equal(record.labels, now.labels)
        cells = same_cells_relabelled(record) if changed and not has_cells else stored_form(record)
        store.write(self._signal, replace(record, cells=cells, previous=previous), same_atoms=not changed)

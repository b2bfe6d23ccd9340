from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.graph import MotifGraph

    from ._motifs import Motifs


class MotifEdits:
    """``motifs.edit``: changes of a result. Each is written to the metadata of the image.

    Parameters
    ----------
    motifs : Motifs

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
    >>> motifs = s.find_motifs(show_progressbar=False)
    >>> before = motifs.n_motifs
    >>> motifs.edit.merge([0, 1]).n_motifs == before - 1
    True
    >>> motifs.edit.undo().n_motifs == before
    True
    """

    def __init__(self, motifs: Motifs) -> None:
        self._motifs = motifs

    def merge(self, motifs: Sequence[int]) -> Motifs:
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
        chosen = sorted(self._motifs._check_motifs(motifs))
        if len(chosen) < 2:
            raise ValueError(f"merge needs two motifs or more, got {list(motifs)}.")
        labels = self._motifs.labels.copy()
        labels[np.isin(labels, chosen)] = chosen[0]
        return self._relabelled(labels)

    def split(self, motif: int, *, min_motif_size: int = 5, random_state: int = 0) -> Motifs:
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

        motifs = self._motifs
        (chosen,) = motifs._check_motifs([motif])
        parts, certainty = split_motif(
            motifs._signal, motifs._refresh(), chosen, min_motif_size, random_state
        )
        if len(np.unique(parts)) < 2:
            raise ValueError(
                f"Motif {motif} ({motifs.counts[chosen]} atoms) does not split into groups that differ by more than noise at "
                f"radius {motifs.radius:g}. A larger radius may split it: motifs.radii."
            )
        labels, probabilities = motifs.labels.copy(), motifs.probabilities.copy()
        here = labels == chosen
        labels[here] = np.where(parts == 0, chosen, motifs.n_motifs + parts - 1)
        probabilities[here] = certainty
        return self._relabelled(labels, probabilities)

    def relabel(self, names_or_labels: Mapping[int, str] | Any) -> Motifs:
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
        motifs = self._motifs
        if isinstance(names_or_labels, Mapping):
            motifs._check_motifs(list(names_or_labels))
            record = motifs._refresh()
            names = {**record.names, **{int(k): str(v) for k, v in names_or_labels.items()}}
            self._write(replace(record, names=names))
            return motifs
        labels = np.asarray(names_or_labels)
        if labels.shape != motifs.labels.shape or labels.dtype.kind not in "iu" or (labels < 0).any():
            raise ValueError(
                f"relabel expects a dict of names or one whole number from 0 per atom, shape {motifs.labels.shape}; "
                f"got shape {labels.shape} of {labels.dtype}."
            )
        return self._relabelled(labels.astype(np.int64))

    def undo(self) -> Motifs:
        """Revert the last :meth:`merge`, :meth:`split` or :meth:`relabel`; a second call restores it."""
        record = self._motifs._refresh()
        if not record.previous:
            raise ValueError("There is nothing to undo: the motifs were not edited.")
        self._write(replace(record, **record.previous))
        return self._motifs

    def cells(
        self,
        bonds: Any = "auto",
        *,
        motifs: Sequence[int] | None = None,
        vacancies: bool = True,
        **options: Any,
    ) -> Cells:
        """Build the cells again, with another bond rule or on the atoms of some motifs.

        Parameters
        ----------
        bonds : str, BondRule or array of shape (b, 2), optional
            As in :func:`hyperspy_motifs.cells.find_cells`.
        motifs : sequence of int, optional
            Motifs whose atoms are the corners; all by default. Indices in polygons always refer to all atoms.
        vacancies : bool, optional
            Whether the empty sites (``motifs.sites``) carry bonds and are corners: a hexagon with a missing column is then a
            "hexagon, 1 vacancy", otherwise the hole around the column. With given pairs of bonds there are none.
        **options
            Passed to :func:`hyperspy_motifs.cells.find_cells`.

        Returns
        -------
        Cells
            Also available as ``motifs.cells``.
        """
        from hyperspy_motifs.pipeline import find_cells

        record = self._motifs._refresh()
        chosen = None if motifs is None else sorted(self._motifs._check_motifs(motifs))
        stored = find_cells(record, bonds, chosen, vacancies=vacancies, **options)
        store.write(self._motifs._signal, replace(record, cells=stored), same_atoms=True)
        return self._motifs.cells

    def hierarchy(self, **options: Any) -> MotifGraph:
        """Build the levels above the cells again, with other options.

        Parameters
        ----------
        **options
            Fields of :class:`~hyperspy_motifs.hierarchy.HierarchyOptions`: ``vertex_figures``, ``composites``, ``domains``
            (bool), ``coarse`` ("auto", "unit-cell", "centres" or "none"), ``corner_motif`` (int).

        Returns
        -------
        MotifGraph
            Also available as ``motifs.graph``; ``print(graph.summary())`` describes the levels and the end of the
            hierarchy.
        """
        from hyperspy_motifs.hierarchy import HierarchyOptions
        from hyperspy_motifs.pipeline import stored_form

        motifs = self._motifs
        HierarchyOptions(**options)  # raises an error for an unknown option before writing
        record = motifs._refresh()
        parameters = {**record.parameters, "hierarchy": options}
        changed = replace(record, cells=stored_form(record), parameters=parameters)
        store.write(motifs._signal, changed, same_atoms=True)
        return motifs.graph

    def _relabelled(self, labels: np.ndarray, probabilities: np.ndarray | None = None) -> Motifs:
        """Write new labels, numbered by frequency (ties: by the older number); motifs keep their names."""
        record = self._motifs._refresh()
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
        return self._motifs

    def _write(self, record: store.Record, has_cells: bool = False) -> None:
        """Write a record; the corner sequences of its cells are found again if its labels are others, unless it `has_cells`."""
        from hyperspy_motifs.pipeline import same_cells_relabelled, stored_form

        now = self._motifs._refresh()
        previous = {"labels": now.labels, "probabilities": now.probabilities, "names": now.names}
        changed = not np.array_equal(record.labels, now.labels)
        cells = same_cells_relabelled(record) if changed and not has_cells else stored_form(record)
        store.write(
            self._motifs._signal, replace(record, cells=cells, previous=previous), same_atoms=not changed
        )

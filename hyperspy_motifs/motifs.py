"""``Motifs``: the result that a user holds, a view on the metadata of its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import store
from .draw._result import ResultFigures

if TYPE_CHECKING:
    from .cells import Cells
    from .graph import MotifGraph
    from .signals import AtomicImage, AtomPatches, ZernikeFeatures


class Motifs(ResultFigures):
    """The motifs of an image, its cells and its graph.

    A view: what it shows lies in ``signal.metadata.Motifs``, is saved with the image and follows every edit. Arrays
    have one row an atom and are read-only; the methods change them.

    Parameters
    ----------
    signal : AtomicImage
        An image on which ``find_motifs`` has been called.

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
    >>> motifs = s.find_motifs(show_progressbar=False)
    >>> int(motifs.counts.sum()) == len(motifs.labels)
    True
    """

    def __init__(self, signal: AtomicImage) -> None:
        self._signal = signal
        self._seen: tuple[Any, ...] = ()
        self._cache: dict[str, Any] = {}
        self._refresh()

    def _refresh(self) -> store.Record:
        now = (store.edition(self._signal), store.Stamp.of(self._signal))
        if now != self._seen:
            self._record = store.read(self._signal)
            self._seen = now
            self._cache.clear()
        return self._record

    def _cached(self, name: str, make: Any) -> Any:
        self._refresh()
        if name not in self._cache:
            self._cache[name] = make()
        return self._cache[name]

    # ------------------------------------------------------------------ the atoms

    @property
    def signal(self) -> AtomicImage:
        """The image that the motifs belong to."""
        return self._signal

    @property
    def positions(self) -> np.ndarray:
        """Positions of the atoms, shape (n, 2): x, y in axis units."""
        return self._refresh().positions

    @property
    def pixel_positions(self) -> np.ndarray:
        """Positions of the atoms, shape (n, 2): column, row in pixels, pixel centres at integers."""
        record = self._refresh()
        return record.stamp.to_pixels(record.positions)

    @property
    def frames(self) -> np.ndarray:
        """Flat index of the frame of each atom (C order of the navigation shape), shape (n,); 0 for a single image."""
        return self._refresh().frames

    @property
    def units(self) -> str:
        """Units of `positions`; "px" for an image without calibration."""
        return self._refresh().stamp.units

    @property
    def labels(self) -> np.ndarray:
        """Motif of each atom, shape (n,); 0 is the most frequent."""
        return self._refresh().labels

    @property
    def probabilities(self) -> np.ndarray:
        """How sure the motif of each atom is, shape (n,), 0 to 1. Every atom has a motif; the least sure a low value."""
        return self._refresh().probabilities

    @property
    def angles(self) -> np.ndarray | None:
        """Angle of each atom against the mean of its motif, shape (n,), radians from x towards y.

        None unless the motifs were found with ``rotation_invariant=True``.
        """
        return self._refresh().atoms.get("motif_angle")

    @property
    def n_motifs(self) -> int:
        """Number of motifs."""
        return len(self.counts)

    @property
    def counts(self) -> np.ndarray:
        """Number of atoms of each motif, shape (n_motifs,)."""
        return np.bincount(self.labels)

    @property
    def names(self) -> list[str]:
        """Name of each motif: what :meth:`relabel` gave it, else its number."""
        given = self._refresh().names
        return [given.get(i, str(i)) for i in range(self.n_motifs)]

    @property
    def parameters(self) -> dict[str, Any]:
        """What was asked for and what was estimated, by name."""
        return dict(self._refresh().parameters)

    # ------------------------------------------------------------------ lenses, layout, features

    @property
    def lenses(self) -> tuple[float, ...]:
        """Radii that the atoms were looked at through, in nearest-neighbour distances."""
        return tuple(float(v) for v in self._refresh().lenses)

    @property
    def lens(self) -> float:
        """The lens whose motifs are `labels`."""
        return self.lenses[self._refresh().chosen]

    def labels_at(self, lens: float) -> np.ndarray:
        """Motif of each atom through one of `lenses`, shape (n,)."""
        return self._refresh().lens_labels[self._lens_index(lens)]

    def probabilities_at(self, lens: float) -> np.ndarray:
        """How sure the motif of each atom is through one of `lenses`, shape (n,)."""
        return self._refresh().lens_probabilities[self._lens_index(lens)]

    @property
    def layout(self) -> np.ndarray:
        """Force-relaxed layout of the atoms at the chosen lens, shape (n, 2)."""
        return self._refresh().layouts[self._refresh().chosen]

    def layout_at(self, lens: float) -> np.ndarray:
        """Force-relaxed layout of the atoms through one of `lenses`, shape (n, 2)."""
        return self._refresh().layouts[self._lens_index(lens)]

    @property
    def features(self) -> ZernikeFeatures:
        """Zernike features of the atoms at the chosen lens; navigation axis: atoms, in the order of `labels`."""
        return self._refresh().features

    def features_at(self, lens: float) -> ZernikeFeatures:
        """Zernike features of the atoms through one of `lenses`."""
        from .signals._motif_finding import features_at

        if self._lens_index(lens) == self._refresh().chosen:
            return self.features
        return features_at(self._signal, self._refresh(), lens)

    @property
    def patches(self) -> AtomPatches:
        """The disc round each atom at the chosen lens; navigation axis: atoms, in the order of `labels`."""
        from .signals._patch_extraction import patches_of_record

        return self._cached("patches", lambda: patches_of_record(self._signal, self._refresh()))

    @property
    def means(self) -> AtomPatches:
        """Mean patch of each motif; navigation axis: motifs. Of rotation-invariant motifs the patches are turned first."""
        from .signals._patch_extraction import means_of_record

        return self._cached("means", lambda: means_of_record(self._signal, self._refresh()))

    @property
    def tree(self) -> dict[str, Any]:
        """How motifs merge, over lenses and granularities, as arrays (see :mod:`hyperspy_motifs.clustering`)."""
        return dict(self._refresh().tree)

    @property
    def is_continuous(self) -> bool:
        """Whether the layout has no gaps, so that any classes in it would be invented."""
        return bool(self._refresh().parameters.get("continuous", False))

    def _lens_index(self, lens: float) -> int:
        lenses = np.array(self.lenses)
        close = np.flatnonzero(np.isclose(lenses, float(lens)))
        if not len(close):
            raise ValueError(f"There is no lens {lens}; the lenses of these motifs are {self.lenses}.")
        return int(close[0])

    # ------------------------------------------------------------------ cells and graph

    @property
    def cells(self) -> Cells:
        """The polygons that the atoms tile, in axis units (:class:`~hyperspy_motifs.cells.Cells`)."""
        from .signals._cell_finding import cells_of_record

        return self._cached("cells", lambda: cells_of_record(self._signal, self._refresh()))

    def find_cells(
        self, bonds: Any = "auto", *, motifs: Sequence[int] | None = None, **options: Any
    ) -> Cells:
        """Build the cells again: by another bond rule, or on the atoms of chosen motifs.

        Parameters
        ----------
        bonds : str, BondRule or array of shape (b, 2), optional
            As in :func:`hyperspy_motifs.cells.find_cells`.
        motifs : sequence of int, optional
            Motifs whose atoms are the corners; all if not given. The polygons index all atoms either way.
        **options
            Passed to :func:`hyperspy_motifs.cells.find_cells`.

        Returns
        -------
        Cells
            Also ``motifs.cells`` from now on.
        """
        from .signals._cell_finding import find_cells

        record = self._refresh()
        chosen = None if motifs is None else sorted(self._check_motifs(motifs))
        stored = find_cells(record, bonds, chosen, **options)
        store.write(self._signal, replace(record, cells=stored))
        return self.cells

    @property
    def graph(self) -> MotifGraph:
        """Atoms, cells, domains and their types as one networkx graph (:class:`~hyperspy_motifs.graph.MotifGraph`)."""
        return self._cached("graph", self._make_graph)

    def _make_graph(self) -> MotifGraph:
        from .graph import MotifGraph

        record = self._refresh()
        cells = self.cells
        return MotifGraph.from_arrays(
            positions=record.positions,
            labels=record.labels,
            probabilities=record.probabilities,
            cells=cells if len(cells.polygons) else None,
            names=self.names,
            units=record.stamp.units,
        )

    # ------------------------------------------------------------------ edits

    def merge(self, motifs: Sequence[int]) -> Motifs:
        """Make one motif of several.

        Parameters
        ----------
        motifs : sequence of int
            Two motifs or more.

        Returns
        -------
        Motifs
            Itself; motifs are numbered by frequency again.
        """
        chosen = sorted(self._check_motifs(motifs))
        if len(chosen) < 2:
            raise ValueError(f"merge needs two motifs or more, got {list(motifs)}.")
        labels = self.labels.copy()
        labels[np.isin(labels, chosen)] = chosen[0]
        return self._relabelled(labels)

    def split(self, motif: int, *, min_motif_size: int | None = None, random_state: int = 0) -> Motifs:
        """Relax the atoms of one motif again and part it where they fall into groups.

        Parameters
        ----------
        motif : int
        min_motif_size : int, optional
            Fewest atoms of a part.
        random_state : int, optional

        Returns
        -------
        Motifs
            Itself; motifs are numbered by frequency again.

        Raises
        ------
        ValueError
            If the motif does not fall into groups that differ by more than noise.
        """
        from .signals._motif_finding import split_motif

        (chosen,) = self._check_motifs([motif])
        parts, certainty = split_motif(self._signal, self._refresh(), chosen, min_motif_size, random_state)
        if len(np.unique(parts)) < 2:
            raise ValueError(
                f"Motif {motif} ({self.counts[chosen]} atoms) does not fall into groups that differ by more than noise at "
                f"lens {self.lens:g}. A larger lens may part it: motifs.lenses."
            )
        labels, probabilities = self.labels.copy(), self.probabilities.copy()
        here = labels == chosen
        labels[here] = np.where(parts == 0, chosen, self.n_motifs + parts - 1)
        probabilities[here] = certainty
        return self._relabelled(labels, probabilities)

    def relabel(self, names_or_labels: Mapping[int, str] | Any) -> Motifs:
        """Name motifs, or give every atom a motif by hand.

        Parameters
        ----------
        names_or_labels : dict of int to str, or array-like of int of shape (n,)
            ``{0: "Mo", 1: "Se2"}`` names motifs; an array replaces the labels.

        Returns
        -------
        Motifs
            Itself.
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
                f"relabel expects a dict of names or one whole number from 0 an atom, shape {self.labels.shape}; "
                f"got shape {labels.shape} of {labels.dtype}."
            )
        return self._relabelled(labels.astype(np.int64))

    def undo(self) -> Motifs:
        """Take back the last :meth:`merge`, :meth:`split` or :meth:`relabel`; once more brings it back."""
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

    def _relabelled(self, labels: np.ndarray, probabilities: np.ndarray | None = None) -> Motifs:
        """Write new labels, numbered by frequency (ties: by the older number); names go with the motif they mean."""
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

    def _write(self, record: store.Record) -> None:
        from .signals._cell_finding import same_cells_relabelled, stored_form

        now = self._refresh()
        previous = {"labels": now.labels, "probabilities": now.probabilities, "names": now.names}
        changed = not np.array_equal(record.labels, now.labels)
        cells = same_cells_relabelled(record) if changed else stored_form(record)
        store.write(self._signal, replace(record, cells=cells, previous=previous))

    # ------------------------------------------------------------------ out

    def reconstruct(self) -> AtomicImage:
        """The image painted anew: the mean patch of its motif on every atom.

        What differs between the image and this (``s - motifs.reconstruct()``) is noise, and what the vocabulary does
        not explain: a map of anomalies.

        Returns
        -------
        AtomicImage
            NaN where no atom is near.
        """
        from .signals._patch_extraction import reconstruct

        return reconstruct(self._signal, self._refresh())

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row an atom, ready for ``pandas.DataFrame`` or a CSV file."""
        record = self._refresh()
        names = np.array(self.names)
        out = {
            "x": record.positions[:, 0],
            "y": record.positions[:, 1],
            "frame": record.frames,
            "motif": record.labels,
            "name": names[record.labels],
            "probability": record.probabilities,
        }
        for lens in self.lenses:
            out[f"motif_at_{lens:g}"] = self.labels_at(lens)
        for name, values in record.atoms.items():
            if values.ndim == 2:
                out |= {f"{name}_x": values[:, 0], f"{name}_y": values[:, 1]}
            else:
                out[name] = values
        return out

    def to_atom_lattice(self, frame: int = 0) -> Any:
        """The atoms as an ``atomap.Atom_Lattice``, one sublattice a motif."""
        from .atoms import to_atom_lattice
        from .signals._frames import frame as image_of_frame

        record = self._refresh()
        here = record.frames == frame
        return to_atom_lattice(
            np.asarray(image_of_frame(self._signal, frame), float),
            self.pixel_positions[here],
            record.labels[here],
            pixel_size=abs(record.stamp.scale[0]),
            units=record.stamp.units,
            names=self.names,
        )

    def summary(self) -> str:
        """The result in words: how many atoms, which lens and why, the motifs with their counts, the cells."""
        from .summary import summarise

        return summarise(self)

    def __repr__(self) -> str:
        return (
            f"<Motifs: {len(self.labels)} atoms, {self.n_motifs} motifs at lens {self.lens:g} of "
            f"{', '.join(f'{v:g}' for v in self.lenses)}; print(motifs.summary()) tells more>"
        )

    def __str__(self) -> str:
        return self.summary()

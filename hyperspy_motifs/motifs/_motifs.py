from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

from ._exchange import MotifExchange
from ._identified import MotifNames
from ._movies import MotifMovies
from ._value_figures import ValueFigures

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.clustering import Stability
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.signals import AtomicImage, AtomPatches


class Motifs(MotifNames, ValueFigures, MotifMovies, MotifExchange):
    """The motifs of an image, its cells and its graph.

    A view of ``signal.metadata.Motifs``, which is saved with the image. Arrays have one row per atom and are
    read-only; methods change them.

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

    def find_cells(
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
            Whether the empty sites (:attr:`sites`) carry bonds and are corners: a hexagon with a missing column is then a
            "hexagon, 1 vacancy", otherwise the hole around the column. With given pairs of bonds there are none.
        **options
            Passed to :func:`hyperspy_motifs.cells.find_cells`.

        Returns
        -------
        Cells
            Also available as ``motifs.cells``.
        """
        from hyperspy_motifs.pipeline import find_cells

        record = self._refresh()
        chosen = None if motifs is None else sorted(self._check_motifs(motifs))
        stored = find_cells(record, bonds, chosen, vacancies=vacancies, **options)
        store.write(self._signal, replace(record, cells=stored), same_atoms=True)
        return self.cells

    def rank_corner_motifs(self, **options: Any) -> list[Any]:
        """Rank sets of motifs by how well they tile the field; all columns of an oxide rarely do.

        Parameters
        ----------
        **options
            Passed to :func:`hyperspy_motifs.cells.rank_corner_motifs`.

        Returns
        -------
        list of hyperspy_motifs.cells.MotifSuggestion
            In order of decreasing quality; pass ``motifs`` of one to :meth:`find_cells`.
        """
        from hyperspy_motifs.cells import rank_corner_motifs

        record = self._refresh()
        here = record.frames == record.frames[0]
        return rank_corner_motifs(record.positions[here], record.labels[here], **options)

    def ring_statistics(self, *, border: bool = False) -> Any:
        """Distribution of cell sizes, Aboav-Weaire and Lemaitre's law (:class:`hyperspy_motifs.cells.RingStatistics`).

        Parameters
        ----------
        border : bool, optional
            Whether to include cells at the border.

        Returns
        -------
        RingStatistics
        """
        from hyperspy_motifs.cells import ring_statistics

        return ring_statistics(self.cells, border=border)

    def get_cell_patches(
        self,
        *,
        n_corners: int | Sequence[int] | None = None,
        radius: float | None = None,
        normalise: bool = True,
    ) -> AtomPatches:
        """The disc around the centre of each cell, which shows for example an empty or a filled channel.

        Parameters
        ----------
        n_corners : int or sequence of int, optional
            Only cells with this number of corners.
        radius : float, optional
            In axis units; by default the disc has the area of the median cell.
        normalise : bool, optional
            As in :meth:`~hyperspy_motifs.signals.AtomicImage.get_atom_patches`.

        Returns
        -------
        AtomPatches
            Its ``atoms`` are the numbers of the cells. ``get_zernike_features()`` gives the features of the cells.
        """
        from hyperspy_motifs.pipeline import cell_patches, chosen_cells

        record, cells = self._refresh(), self.cells
        return cell_patches(self._signal, record, cells, chosen_cells(cells, n_corners), radius, normalise)

    def cluster_cells(
        self,
        *,
        n_corners: int | Sequence[int] | None = None,
        radius: float | None = None,
        n_clusters: int | None = None,
        rotation_invariant: bool = True,
        random_state: int = 0,
    ) -> np.ndarray:
        """Group cells by the image inside them, independently of their corners.

        The features of the discs around their centres are clustered like those of atoms. This separates empty and
        filled channels, even if the column inside was not detected.

        Parameters
        ----------
        n_corners : int or sequence of int, optional
            Only cells with this number of corners. Each kind of ring should be analysed separately.
        radius : float, optional
            In axis units; by default the disc has the area of the median cell.
        n_clusters : int, optional
            Number of groups; by default groups that differ by more than noise.
        rotation_invariant : bool, optional
            Whether rotated cells are equivalent.
        random_state : int, optional

        Returns
        -------
        numpy.ndarray of int, shape (m,)
            Group of each of ``motifs.cells``, 0 = most frequent; -1 for cells that were not selected and for cells
            whose disc leaves the image. ``motifs.plot_cells(groups)`` draws them.
        """
        from hyperspy_motifs.pipeline import cell_groups

        patches = self.get_cell_patches(n_corners=n_corners, radius=radius)
        features = patches.get_zernike_features()
        return cell_groups(
            features, patches.atoms, len(self.cells), rotation_invariant, n_clusters, random_state
        )

    def build_hierarchy(self, **options: Any) -> MotifGraph:
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

        HierarchyOptions(**options)  # raises an error for an unknown option before writing
        record = self._refresh()
        parameters = {**record.parameters, "hierarchy": options}
        changed = replace(record, cells=stored_form(record), parameters=parameters)
        store.write(self._signal, changed, same_atoms=True)
        return self.graph

    def predict(
        self,
        other: AtomicImage,
        *,
        atoms: Any = None,
        detectors: Any = None,
        show_progressbar: bool | None = None,
    ) -> Motifs:
        """Apply these motifs to another image, with the same numbers and names.

        Parameters
        ----------
        other : AtomicImage
            An image of the same material, at the same polarity; if calibrated in the same units, discs have the same size.
        atoms : optional
            Atoms of the other image, as in ``find_motifs``; found by default.
        detectors : AtomicImage or list of AtomicImage, optional
            Images of the same scan as `other` by the further detectors, if the motifs were found in several, in the same order.
        show_progressbar : bool, optional

        Returns
        -------
        Motifs
            Of the other image, also available as ``other.motifs``. Its column ``outlier_score`` (:meth:`to_dict`), 0
            to 1, is near 1 for atoms that resemble no motif: 1 - outlier_score is a p-value, uniformly distributed
            for atoms that belong to their motif, and below 1 / n for outliers.
        """
        from hyperspy_motifs.pipeline import predict

        record = self._refresh()
        predict(self.model, other, atoms, show_progressbar, record.parameters, detectors)
        return type(self)(other)

    def subset(self, atoms: Any) -> Motifs:
        """Some of the atoms as motifs of a copy of the image, such as those of one grain or of a selection.

        Parameters
        ----------
        atoms : array-like of int, or of bool of shape (n,)
            Rows of :attr:`positions`, or a mask.

        Returns
        -------
        Motifs
            Motifs keep their numbers and names, atoms their order. Cells remain if all their corners do, and an empty
            site if the atom nearest to it does. Defects are found again when they are read.

        Raises
        ------
        ValueError
            If no atom is left, or one of them does not exist.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
        >>> motifs = s.find_motifs(show_progressbar=False)
        >>> left = motifs.subset(motifs.positions[:, 0] < motifs.positions[:, 0].mean())
        >>> 0 < len(left.labels) < len(motifs.labels)
        True
        """
        from hyperspy_motifs.pipeline import stored_form

        given, n = np.asarray(atoms), len(self.labels)
        if given.dtype == bool and given.shape == (n,):
            given = np.flatnonzero(given)
        if given.ndim != 1 or not given.size or given.dtype.kind not in "iu":
            raise ValueError(
                f"atoms must be rows of {n} atoms or a mask of the shape ({n},), with an atom or more."
            )
        if len(absent := given[(given < 0) | (given >= n)]):
            raise ValueError(f"There is no atom {absent[0]}; atoms are 0 to {n - 1}.")
        part = self._refresh().around(np.unique(given))
        signal = self._signal.deepcopy()
        store.write(signal, replace(part, cells=stored_form(part), kept=None, previous={}))
        return type(self)(signal)

    @property
    def model(self) -> MotifModel:
        """The fitted model for other atoms (:class:`~hyperspy_motifs.models.MotifModel`), including edits."""
        from hyperspy_motifs.pipeline import motif_model_of

        return self._cached("model", lambda: motif_model_of(self._signal, self._refresh()))

    def save_model(self, path: str | os.PathLike[str]) -> Path:
        """Write the model to a file, for other images, other machines and the command ``hyperspy-motifs --model``.

        Parameters
        ----------
        path : path
            ``.npz`` is appended if the name has no extension.

        Returns
        -------
        pathlib.Path
            The file contains only arrays (no pickled objects): radii, basis, classes, reference atoms, the noise of
            the image and the version of this package. ``other.apply_model(path)`` reads it.
        """
        from hyperspy_motifs.models import save_model

        return save_model(self.model, path)

    def get_stability(self, n_seeds: int = 5) -> Stability:
        """Agreement of these motifs with those of other random seeds.

        The layout and the splits are repeated with ``n_seeds`` other values of ``random_state``. Each run takes as
        long as ``find_motifs`` without the search for atoms.

        Parameters
        ----------
        n_seeds : int, optional
            Two or more.

        Returns
        -------
        hyperspy_motifs.clustering.Stability
            ``mean_agreement`` of the runs, 1 if all are equal; ``motifs``, the agreement of each current motif;
            ``atoms``, the fraction of runs with the same motif for each atom.

        Raises
        ------
        ValueError
            If the motifs were not found in this image alone: fitted to a sample of a stack, or assigned by a model; or
            in several detectors, whose images were too large to be kept.
        """
        from hyperspy_motifs.clustering import estimate_stability
        from hyperspy_motifs.pipeline import labels_by_seed

        record = self._refresh()
        return estimate_stability(record.labels, labels_by_seed(self._signal, record, n_seeds))

    def reconstruct(self) -> AtomicImage:
        """The image reconstructed from the mean patches of the motifs.

        The residual (``s - motifs.reconstruct()``) contains noise and structure that the motifs do not explain. It is
        a map of anomalies.

        Returns
        -------
        AtomicImage
            NaN far from all atoms.
        """
        from hyperspy_motifs.pipeline import reconstruct

        return reconstruct(self._signal, self._refresh())

    def summary(self) -> str:
        """A summary of the result: atoms, chosen radius with the reason, motifs with counts, cells."""
        from ._summary import summarise

        return summarise(self)

    def __repr__(self) -> str:
        return (
            f"<Motifs: {len(self.labels)} atoms, {self.n_motifs} motifs at radius {self.radius:g} of "
            f"{', '.join(f'{v:g}' for v in self.radii)}; print(motifs.summary()) gives details>"
        )

    def _repr_html_(self) -> str:
        from ._summary import as_html

        return as_html(self)

    def __str__(self) -> str:
        return self.summary()

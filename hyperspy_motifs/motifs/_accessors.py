"""What a user does with a result: ``motifs.edit`` changes it, ``motifs.export`` writes it for other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

from ._levels import unit_cell

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.signals import AtomPatches

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

    def relabel(self, names_or_labels: Mapping[int, str] | object) -> Motifs:
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
        self._store(replace(record, cells=stored), same_atoms=True)
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
        self._store(replace(record, cells=stored_form(record), parameters=parameters), same_atoms=True)
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
        self._store(replace(record, cells=cells, previous=previous), same_atoms=not changed)

    def _store(self, record: store.Record, same_atoms: bool) -> None:
        """Write a record, and read it: a result that is found later in the image does not take it away."""
        store.write(self._motifs._signal, record, same_atoms=same_atoms)
        self._motifs._refresh()


class MotifExports:
    """``motifs.export``: a result as objects and files of other tools.

    Parameters
    ----------
    motifs : Motifs
    """

    def __init__(self, motifs: Motifs) -> None:
        self._motifs = motifs

    def ase(self, frame: int = 0, *, species: Mapping[int | str, str] | None = None) -> Any:
        """The atoms as ``ase.Atoms``, one for each column, at z = 0.

        Parameters
        ----------
        frame : int, optional
            Flat index of the frame of a stack.
        species : mapping, optional
            Chemical symbol of a motif, by its number or name. By default a name that is a symbol, such as ``Mo`` or ``Se2``,
            gives it (``motifs.relabel``); other motifs are ``X``.

        Returns
        -------
        ase.Atoms
            In ångström, at the x and y of the axes with their offset. As in the image, y points down: seen along +z with -y
            upwards it looks like the image. ``tags`` are the motifs; ``arrays`` also hold ``probability`` and ``truncated``.
            The cell is the unit cell of the hierarchy, if there is one, without periodic boundaries.

        Raises
        ------
        ValueError
            If the image is not calibrated in a unit of length, or a symbol or the frame does not exist.
        """
        from hyperspy_motifs.exchange import to_ase

        motifs = self._motifs
        here = self._atoms_of(frame)
        atoms = to_ase(
            motifs.positions[here],
            motifs.units,
            labels=motifs.labels[here],
            names=motifs.names,
            species=species,
            columns={
                "probability": motifs.probabilities[here],
                "truncated": motifs.truncated[here],
            },
            cell=unit_cell(motifs),
        )
        atoms.info["names"] = ", ".join(motifs.names)
        return atoms

    def extxyz(self, path: str | PathLike[str], *, species: Mapping[int | str, str] | None = None) -> Path:
        """Write the atoms as extended XYZ, for OVITO and other programs; one structure for each frame.

        Parameters
        ----------
        path : path
            ``.xyz`` is appended if the name has no extension.
        species : mapping, optional
            As in :meth:`ase`.

        Returns
        -------
        pathlib.Path
            Columns: species, position in ångström, ``tags`` (motif), ``probability``, ``truncated``. The cell is the field of
            view. As in the image, y points down: seen along +z with -y upwards it looks like the image.
        """
        from hyperspy_motifs.exchange import write_extxyz

        stamp = self._motifs._refresh().stamp
        numbers = range(int(np.prod(stamp.navigation_shape, dtype=int)))
        corners = stamp.to_units(np.array([[-0.5, -0.5], np.array(stamp.shape) - 0.5]))
        box = np.array([corners.min(axis=0), corners.max(axis=0)])
        structures = [self.ase(number, species=species) for number in numbers]
        return write_extxyz(path, structures, box=box, units=stamp.units)

    def atom_lattice(self, frame: int = 0) -> Any:
        """The atoms as an ``atomap.Atom_Lattice``, one sublattice per motif."""
        from hyperspy_motifs.atoms import to_atom_lattice
        from hyperspy_motifs.pipeline import frame as image_of_frame

        motifs = self._motifs
        record = motifs._refresh()
        here = self._atoms_of(frame)
        return to_atom_lattice(
            np.asarray(image_of_frame(motifs._signal, frame), float),
            record.stamp.to_pixels(record.positions[here]),
            record.labels[here],
            pixel_size=abs(record.stamp.scale[0]),
            units=record.stamp.units,
            names=[motifs.names[k] for k in np.unique(record.labels[here])],
        )

    def markers(self, *, size: float | None = None, cells: bool = False) -> list[object]:
        """The atoms as HyperSpy markers, one set of points for each motif.

        Parameters
        ----------
        size : float, optional
            Diameter in points; by default about half the spacing of the atoms.
        cells : bool, optional
            Also the cells, as polygons, before the atoms.

        Returns
        -------
        list of hyperspy.api.plot.markers.Points
            Named after the motifs; before them the open circles of vacancies, if there are some.
            For ``s.add_marker(markers)`` of this image, or of any other image of the same field.
            Those of a stack follow the navigator.
        """
        from hyperspy_motifs.draw import cell_markers, motif_markers, vacancy_markers

        motifs = self._motifs
        shape = motifs._signal.axes_manager.navigation_shape
        stack: dict[str, Any] = {"frames": motifs.frames, "navigation_shape": shape} if shape else {}
        markers: list[Any] = []
        polygons = motifs.cells.corners if cells else []
        places = motifs.cells.with_empty_sites(motifs.positions) if cells else motifs.positions
        if polygons:
            of_cells = {**stack, "frames": self._frames_of_cells()} if stack else {}
            corners = [places[p] for p in polygons]
            markers.append(cell_markers(corners, motifs.cells.labels, **of_cells))
        if motifs.sites.vacant.any():
            of_sites = {**stack, "frames": motifs.sites.frames[motifs.sites.vacant]} if stack else {}
            markers.append(
                vacancy_markers(motifs.sites.positions[motifs.sites.vacant], size=size, **of_sites)
            )
        return [
            *markers,
            *motif_markers(motifs.positions, motifs.labels, motifs.names, size=size, **stack),
        ]

    def anndata(self, radius: float | None = None) -> Any:
        """Features, motifs, positions and bonds as an ``AnnData`` object, for scanpy and squidpy.

        Parameters
        ----------
        radius : float, optional
            One of ``radii``, of the features; by default that of the motifs.

        Returns
        -------
        anndata.AnnData
            ``X``: Zernike moments. ``obs``: ``motif`` (categorical, by name) and the other columns of :meth:`Motifs.to_dict`.
            ``obsm``: ``spatial`` (x, y in the units of the axes), ``pixels`` (column, row) and ``X_layout``. ``obsp``:
            ``spatial_connectivities`` and ``spatial_distances``, the bonds of the cells, under the names that squidpy
            expects. ``uns``: ``units``, ``motif_colors``. Clusters that were found there become motifs by
            ``motifs.relabel(adata.obs["leiden"].cat.codes)``.

        Raises
        ------
        ImportError
            If anndata is not installed.
        """
        from matplotlib.colors import to_hex

        from hyperspy_motifs.draw import motif_colours
        from hyperspy_motifs.exchange import to_anndata

        motifs = self._motifs
        chosen = motifs.radius if radius is None else radius
        features, bonds = motifs.at(chosen).features, motifs.cells.bonds
        columns = {k: v for k, v in motifs.to_dict().items() if k not in ("x", "y", "motif", "name")}
        return to_anndata(
            features.data,
            features.modes,
            motifs.positions,
            motifs.labels,
            names=motifs.names,
            bonds=bonds[(bonds < len(motifs.labels)).all(axis=1)],
            units=motifs.units,
            colours=[to_hex(colour) for colour in motif_colours(range(motifs.n_motifs))],
            obs=columns,
            obsm={"pixels": motifs.pixel_positions, "X_layout": motifs.at(chosen).layout},
        )

    def geodataframe(self) -> Any:
        """The cells as a ``geopandas.GeoDataFrame`` of polygons.

        Returns
        -------
        geopandas.GeoDataFrame
            Columns of ``motifs.cells.to_dict()``, ``frame`` and ``geometry``, in the units of the axes (``attrs["units"]``),
            without a coordinate reference system. As in the image, y points down: ``ax.invert_yaxis()`` after ``plot``.

        Raises
        ------
        ImportError
            If geopandas is not installed.
        """
        from hyperspy_motifs.exchange import to_geodataframe

        motifs = self._motifs
        return to_geodataframe(
            motifs.cells.with_empty_sites(motifs.positions),
            motifs.cells.corners,
            self._columns_of_cells(),
            units=motifs.units,
        )

    def geojson(self, path: str | PathLike[str] | None = None) -> dict[str, Any]:
        """The cells as GeoJSON polygons.

        Parameters
        ----------
        path : path, optional
            Also write it to this file.

        Returns
        -------
        dict
            A ``FeatureCollection`` in the units of the axes, which it names as ``units``. As in the image, y points down.
        """
        from hyperspy_motifs.exchange import to_geojson

        motifs = self._motifs
        return to_geojson(
            motifs.cells.with_empty_sites(motifs.positions),
            motifs.cells.corners,
            self._columns_of_cells(),
            units=motifs.units,
            path=path,
        )

    def cell_patches(
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

        motifs = self._motifs
        record, cells = motifs._refresh(), motifs.cells
        return cell_patches(motifs._signal, record, cells, chosen_cells(cells, n_corners), radius, normalise)

    def _columns_of_cells(self) -> dict[str, np.ndarray]:
        return {**self._motifs.cells.to_dict(), "frame": self._frames_of_cells()}

    def _frames_of_cells(self) -> np.ndarray:
        return self._motifs.cells.of_points(self._motifs.frames)

    def _atoms_of(self, frame: int) -> np.ndarray:
        """Mask of the atoms of a frame."""
        n = int(np.prod(self._motifs._refresh().stamp.navigation_shape, dtype=int))
        if not 0 <= frame < n:
            raise ValueError(f"frame is {frame}; this signal has {n} frames, from 0.")
        return self._motifs.frames == frame

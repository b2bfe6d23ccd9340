from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ._motif_view import MotifView


class MotifExchange(MotifView):
    """The result of :class:`~hyperspy_motifs.motifs.Motifs` as objects of other tools."""

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row per atom, ready for ``pandas.DataFrame`` or a CSV file."""
        from hyperspy_motifs.exchange import flat_columns

        record = self._refresh()
        names = np.array(self.names)
        out = {
            "x": record.positions[:, 0],
            "y": record.positions[:, 1],
            "frame": record.frames,
            "motif": record.labels,
            "name": names[record.labels],
            "probability": record.probabilities,
            "truncated": self.truncated,
        }
        for radius in self.radii:
            out[f"motif_at_{radius:g}"] = self.labels_at(radius)
        return out | flat_columns(record.atoms)

    def to_dataframe(self, backend: str = "pandas") -> Any:
        """The columns of :meth:`to_dict` as a data frame, one row per atom.

        Parameters
        ----------
        backend : {"pandas", "polars"}

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            x, y and other lengths are in the units of the axes, which are in ``attrs["units"]`` (pandas).
            ``find_motifs(atoms=...)`` reads it.

        Raises
        ------
        ImportError
            If the package is not installed.
        """
        from hyperspy_motifs.exchange import to_dataframe

        return to_dataframe(self.to_dict(), units=self.units, backend=backend)

    def to_ase(self, frame: int = 0, *, species: Mapping[int | str, str] | None = None) -> Any:
        """The atoms as ``ase.Atoms``, one for each column, at z = 0.

        Parameters
        ----------
        frame : int, optional
            Flat index of the frame of a stack.
        species : mapping, optional
            Chemical symbol of a motif, by its number or name. By default a name that is a symbol, such as ``Mo`` or ``Se2``,
            gives it (:meth:`relabel`); other motifs are ``X``.

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

        here = self._atoms_of(frame)
        atoms = to_ase(
            self.positions[here],
            self.units,
            labels=self.labels[here],
            names=self.names,
            species=species,
            columns={"probability": self.probabilities[here], "truncated": self.truncated[here]},
            cell=self._unit_cell(),
        )
        atoms.info["names"] = ", ".join(self.names)
        return atoms

    def to_extxyz(self, path: str | PathLike[str], *, species: Mapping[int | str, str] | None = None) -> Path:
        """Write the atoms as extended XYZ, for OVITO and other programs; one structure for each frame.

        Parameters
        ----------
        path : path
            ``.xyz`` is appended if the name has no extension.
        species : mapping, optional
            As in :meth:`to_ase`.

        Returns
        -------
        pathlib.Path
            Columns: species, position in ångström, ``tags`` (motif), ``probability``, ``truncated``. The cell is the field of
            view. As in the image, y points down: seen along +z with -y upwards it looks like the image.
        """
        from hyperspy_motifs.exchange import write_extxyz

        stamp = self._refresh().stamp
        numbers = range(int(np.prod(stamp.navigation_shape, dtype=int)))
        corners = stamp.to_units(np.array([[-0.5, -0.5], np.array(stamp.shape) - 0.5]))
        box = np.array([corners.min(axis=0), corners.max(axis=0)])
        structures = [self.to_ase(number, species=species) for number in numbers]
        return write_extxyz(path, structures, box=box, units=stamp.units)

    def to_atom_lattice(self, frame: int = 0) -> Any:
        """The atoms as an ``atomap.Atom_Lattice``, one sublattice per motif."""
        from hyperspy_motifs.atoms import to_atom_lattice
        from hyperspy_motifs.pipeline import frame as image_of_frame

        record = self._refresh()
        here = self._atoms_of(frame)
        return to_atom_lattice(
            np.asarray(image_of_frame(self._signal, frame), float),
            record.stamp.to_pixels(record.positions[here]),
            record.labels[here],
            pixel_size=abs(record.stamp.scale[0]),
            units=record.stamp.units,
            names=[self.names[k] for k in np.unique(record.labels[here])],
        )

    def to_markers(self, *, size: float | None = None, cells: bool = False) -> list[Any]:
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

        shape = self._signal.axes_manager.navigation_shape
        stack: dict[str, Any] = {"frames": self.frames, "navigation_shape": shape} if shape else {}
        markers: list[Any] = []
        polygons = self.cells.corners if cells else []
        places = self.cells.with_empty_sites(self.positions) if cells else self.positions
        if polygons:
            of_cells = {**stack, "frames": self._frames_of_cells()} if stack else {}
            corners = [places[p] for p in polygons]
            markers.append(cell_markers(corners, self.cells.labels, **of_cells))
        if self.sites.vacant.any():
            of_sites = {**stack, "frames": self.sites.frames[self.sites.vacant]} if stack else {}
            markers.append(vacancy_markers(self.sites.positions[self.sites.vacant], size=size, **of_sites))
        return [*markers, *motif_markers(self.positions, self.labels, self.names, size=size, **stack)]

    def to_anndata(self, radius: float | None = None) -> Any:
        """Features, motifs, positions and bonds as an ``AnnData`` object, for scanpy and squidpy.

        Parameters
        ----------
        radius : float, optional
            One of ``radii``, of the features; by default that of the motifs.

        Returns
        -------
        anndata.AnnData
            ``X``: Zernike moments. ``obs``: ``motif`` (categorical, by name) and the other columns of :meth:`to_dict`.
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

        chosen = self.radius if radius is None else radius
        features, bonds = self.features_at(chosen), self.cells.bonds
        columns = {k: v for k, v in self.to_dict().items() if k not in ("x", "y", "motif", "name")}
        return to_anndata(
            features.data,
            features.modes,
            self.positions,
            self.labels,
            names=self.names,
            bonds=bonds[(bonds < len(self.labels)).all(axis=1)],
            units=self.units,
            colours=[to_hex(colour) for colour in motif_colours(range(self.n_motifs))],
            obs=columns,
            obsm={"pixels": self.pixel_positions, "X_layout": self.layout_at(chosen)},
        )

    def to_geodataframe(self) -> Any:
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

        return to_geodataframe(
            self.cells.with_empty_sites(self.positions),
            self.cells.corners,
            self._columns_of_cells(),
            units=self.units,
        )

    def to_geojson(self, path: str | PathLike[str] | None = None) -> dict[str, Any]:
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

        return to_geojson(
            self.cells.with_empty_sites(self.positions),
            self.cells.corners,
            self._columns_of_cells(),
            units=self.units,
            path=path,
        )

    def _columns_of_cells(self) -> dict[str, np.ndarray]:
        return {**self.cells.to_dict(), "frame": self._frames_of_cells()}

    def _frames_of_cells(self) -> np.ndarray:
        return self.cells.of_points(self.frames)

    def _atoms_of(self, frame: int) -> np.ndarray:
        """Mask of the atoms of a frame."""
        n = int(np.prod(self._refresh().stamp.navigation_shape, dtype=int))
        if not 0 <= frame < n:
            raise ValueError(f"frame is {frame}; this signal has {n} frames, from 0.")
        return self.frames == frame

    def _unit_cell(self) -> np.ndarray | None:
        """Rows a and b of the unit cell in axis units, if the hierarchy has one."""
        hierarchy = self.hierarchy
        if hierarchy is None or "unit-cell" not in hierarchy.kinds:
            return None
        values = hierarchy.level("unit-cell").scalars
        return np.array([[values["ax"], values["ay"]], [values["bx"], values["by"]]])

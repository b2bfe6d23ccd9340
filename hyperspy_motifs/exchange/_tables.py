"""Tables and spatial data: data frames, files with names of columns, AnnData, GeoDataFrame, GeoJSON, and what they require."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from ._given_atoms import GivenAtoms, ImageAxes

EXTRA = "hyperspy_motifs[exchange]"


def require(module: str, purpose: str, package: str | None = None) -> Any:
    """Import and return `module`; if it is absent, the error names the package to install.

    Parameters
    ----------
    module : str
        Such as ``"ase.io"``.
    purpose : str
        What it is needed for, the start of the message.
    package : str, optional
        Name for pip, if it is not that of the module.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = package or module.partition(".")[0]
        raise ImportError(
            f"{purpose} needs {name}, which is not installed: python -m pip install {name} "
            f'(or python -m pip install "{EXTRA}" for all formats).'
        ) from error


#: Names of the columns x and y, further columns that the table must have, and whether numbers are pixels.
_POSITION_COLUMNS: tuple[tuple[str, str, frozenset[str], bool], ...] = (
    ("x", "y", frozenset({"mass", "ecc", "signal"}), True),  # trackpy.locate
    ("x", "y", frozenset(), False),
    ("column", "row", frozenset(), True),
    ("col", "row", frozenset(), True),
    ("x_px", "y_px", frozenset(), True),
    ("pixel_x", "pixel_y", frozenset(), True),
    ("centroid-1", "centroid-0", frozenset(), True),  # skimage.measure.regionprops_table
)
_EXPECTED = "x and y (in the units of the axes), or column and row (pixels)"
_BACKENDS = ("pandas", "polars")


def column_names(table: object) -> list[str] | None:
    """Names of the columns of a data frame, a dictionary of columns or a structured array; None if it is none."""
    if isinstance(table, Mapping):
        names: Any = list(table)
    elif isinstance(table, np.ndarray):
        names = table.dtype.names
    else:
        names = getattr(table, "column_names", None)  # pyarrow
        names = getattr(table, "columns", None) if names is None else names
    if names is None or callable(names) or not hasattr(table, "__getitem__"):
        return None
    names = list(names)
    return names if names and all(isinstance(name, str) for name in names) else None


def flat_columns(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return one-dimensional columns: one of shape (n, 2) becomes two, for x and y."""
    out: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        out |= {f"{name}_x": values[:, 0], f"{name}_y": values[:, 1]} if values.ndim == 2 else {name: values}
    return out


def read_table(table: object, axes: ImageAxes) -> GivenAtoms:
    """Positions from the columns of a table, by their names."""
    names = column_names(table) or []
    lower = {name.lower(): name for name in names}
    known = next((c for c in _POSITION_COLUMNS if {c[0], c[1], *c[2]} <= lower.keys()), None)
    if known is None:
        raise ValueError(f"atoms is a table with the columns {', '.join(names[:12])}; expected {_EXPECTED}.")
    x, y, in_pixels = lower[known[0]], lower[known[1]], known[3]
    points = np.column_stack([_numbers(table, x), _numbers(table, y)])
    attributes = getattr(table, "attrs", None)
    units = str(attributes.get("units", axes.units)) if isinstance(attributes, Mapping) else axes.units
    positions = axes.from_pixels(points) if in_pixels else axes.from_length(points, units)
    frames = None
    if "frame" in lower:
        numbers = _numbers(table, lower["frame"])
        frames = numbers.astype(np.int64)
        if not np.array_equal(frames, numbers):
            raise ValueError(
                f"The column {lower['frame']} of the given atoms must hold whole numbers from 0."
            )
    where = "pixels" if in_pixels else units
    return GivenAtoms(positions, frames, f"table, columns {x} and {y} in {where}")


def read_points(table: Any, axes: ImageAxes) -> GivenAtoms:
    """Positions from the points of a geopandas ``GeoDataFrame`` or ``GeoSeries``."""
    points = table.geometry
    if not (points.geom_type == "Point").all():
        raise ValueError(
            f"atoms is a {type(table).__name__} of {', '.join(sorted(set(points.geom_type)))}; points are expected."
        )
    attributes = getattr(table, "attrs", {})
    units = str(attributes.get("units", axes.units))
    positions = axes.from_length(np.column_stack([points.x, points.y]), units)
    frames = np.asarray(table["frame"], np.int64) if "frame" in getattr(table, "columns", ()) else None
    return GivenAtoms(positions, frames, f"points in {units}")


def read_csv(path: Path, axes: ImageAxes) -> GivenAtoms:
    """Positions from a file of comma-, semicolon- or tab-separated values.

    The first line names the columns as in :func:`read_table`. Without such a line there must be two columns, x and y
    in the units of the axes.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    if not rows:
        raise ValueError(f"{path} is empty; {_EXPECTED} are expected.")
    if _is_number(rows[0][0]):
        if len(rows[0]) != 2:
            raise ValueError(
                f"{path} has {len(rows[0])} columns without names. Add a first line with their names: {_EXPECTED}."
            )
        rows.insert(0, ["x", "y"])
    header = [name.strip() for name in rows[0]]
    short = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if short is not None:
        raise ValueError(f"Row {short} of {path} has {len(rows[short])} values, {len(header)} are expected.")
    columns = dict(zip(header, np.array(rows[1:], dtype=str).reshape(-1, len(header)).T, strict=True))
    return read_table(columns, axes)


def to_dataframe(
    columns: Mapping[str, np.ndarray], *, units: str = "px", backend: str = "pandas", index: str = "atom"
) -> Any:
    """Columns as a data frame.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray, each of shape (n,)
        Such as ``motifs.to_dict()``. Columns of text become categorical.
    units : str, optional
        Units of lengths, kept in ``attrs["units"]`` (pandas only).
    backend : {"pandas", "polars"}
    index : str, optional
        Name of the index (pandas), or of the first column (polars): the number of the row.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame

    Raises
    ------
    ValueError
        If `backend` is another one.
    ImportError
        If it is not installed.
    """
    if backend not in _BACKENDS:
        raise ValueError(f"backend is {backend!r}; expected 'pandas' or 'polars'.")
    module = require(backend, "A data frame")
    n = len(next(iter(columns.values()))) if columns else 0
    if backend == "polars":
        series = [module.Series(index, np.arange(n))]
        for name, values in columns.items():
            values = np.asarray(values)
            text = values.dtype.kind in "UO"
            kind = module.Categorical if text else None
            series.append(module.Series(name, values.tolist() if text else values, dtype=kind))
        return module.DataFrame(series)
    frame = module.DataFrame(
        {
            name: module.Categorical(values) if np.asarray(values).dtype.kind in "UO" else values
            for name, values in columns.items()
        },
        index=module.RangeIndex(n, name=index),
    )
    frame.attrs["units"] = units
    return frame


def _numbers(table: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(table[name]).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The column {name} of the given atoms must hold numbers.") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _HasColumns(Protocol):
    @property
    def units(self) -> str: ...

    def to_dict(self) -> dict[str, np.ndarray]: ...


class AtomColumns:
    """Atoms with ``units`` and columns (``to_dict``), as a data frame."""

    def to_dataframe(self: _HasColumns, backend: str = "pandas") -> Any:
        """The columns of ``to_dict()`` as a data frame, one row per atom.

        Parameters
        ----------
        backend : {"pandas", "polars"}

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            x, y and other lengths are in the units of the axes, which are in ``attrs["units"]`` (pandas).
            ``find_motifs(atoms=...)`` reads it, also after a selection of rows.

        Raises
        ------
        ImportError
            If the package is not installed.
        """
        return to_dataframe(self.to_dict(), units=self.units, backend=backend)


# Names that squidpy expects.
CONNECTIVITIES, DISTANCES = "spatial_connectivities", "spatial_distances"


def to_anndata(
    features: ArrayLike,
    modes: ArrayLike,
    positions: ArrayLike,
    labels: ArrayLike,
    *,
    names: Sequence[str],
    bonds: ArrayLike,
    units: str = "px",
    colours: Sequence[str] | None = None,
    obs: Mapping[str, np.ndarray] | None = None,
    obsm: Mapping[str, np.ndarray] | None = None,
) -> Any:
    """Atoms as an ``AnnData`` object, on which scanpy and squidpy work.

    Parameters
    ----------
    features : array_like, shape (n, k)
        Zernike moments, written as ``X``.
    modes : array_like of int, shape (k, 2)
        (n, m) of each moment, written as columns of ``var``, whose index is such as ``Z(4,-2)``.
    positions : array_like, shape (n, 2)
        x, y in `units`, written as ``obsm["spatial"]``.
    labels : array_like of int, shape (n,)
        Motif of each atom, written as the categorical column ``obs["motif"]`` with the names of the motifs.
    names : sequence of str
        Name of each motif. Equal names get the number of the motif.
    bonds : array_like of int, shape (b, 2)
        Neighbours, written as ``obsp["spatial_connectivities"]`` and ``obsp["spatial_distances"]`` (in `units`).
    units : str, optional
        Written as ``uns["units"]``.
    colours : sequence of str, optional
        Colour of each motif, such as ``"#E69F00"``, written as ``uns["motif_colors"]``.
    obs : mapping of str to numpy.ndarray of shape (n,), optional
        Further columns of the atoms. Columns of integers whose names begin with ``motif_at`` become categorical.
    obsm : mapping of str to numpy.ndarray of shape (n, d), optional
        Further coordinates, such as ``"X_layout"``.

    Returns
    -------
    anndata.AnnData

    Raises
    ------
    ImportError
        If anndata is not installed.
    ValueError
        If shapes do not match.
    """
    anndata = require("anndata", "Annotated data for scanpy and squidpy")
    pandas = require("pandas", "Annotated data for scanpy and squidpy")
    values, points = np.asarray(features, float), np.asarray(positions, float).reshape(-1, 2)
    motifs = np.asarray(labels, int)
    n = len(points)
    if len(values) != n or motifs.shape != (n,):
        raise ValueError(f"there are {n} positions, {len(values)} rows of features and {len(motifs)} labels")
    table = pandas.DataFrame(index=[str(i) for i in range(n)])
    table["motif"] = pandas.Categorical.from_codes(motifs, unique_names(names))
    for name, column in (obs or {}).items():
        is_label = name.startswith("motif_at") and np.asarray(column).dtype.kind in "iu"
        table[name] = pandas.Categorical(np.asarray(column).astype(str)) if is_label else np.asarray(column)
    orders = np.asarray(modes, int).reshape(-1, 2)
    var = pandas.DataFrame(
        {"n": orders[:, 0], "m": orders[:, 1]}, index=[f"Z({order},{fold})" for order, fold in orders]
    )
    adjacency, distances = _neighbours(points, np.asarray(bonds, int).reshape(-1, 2))
    adata = anndata.AnnData(
        values,
        obs=table,
        var=var,
        obsm={"spatial": points, **{k: np.asarray(v) for k, v in (obsm or {}).items()}},
        obsp={CONNECTIVITIES: adjacency, DISTANCES: distances},
    )
    adata.uns["units"] = units
    adata.uns["spatial_neighbors"] = {
        "connectivities_key": CONNECTIVITIES,
        "distances_key": DISTANCES,
        "params": {"coord_type": "generic", "neighbours": "bonds of the cells"},
    }
    if colours is not None:
        adata.uns["motif_colors"] = list(colours)
    return adata


def unique_names(names: Sequence[str]) -> list[str]:
    """`names`, where those that occur more than once get the number of the motif."""
    titles = [str(name) for name in names]
    return [f"{name} ({k})" if titles.count(name) > 1 else name for k, name in enumerate(titles)]


def _neighbours(points: NDArray[np.float64], bonds: NDArray[np.int64]) -> tuple[csr_matrix, csr_matrix]:
    """Symmetric matrices (n, n) of bonds and of their lengths; matrices and not arrays, as squidpy makes them."""
    rows, columns = np.concatenate([bonds, bonds[:, ::-1]]).T
    lengths = np.linalg.norm(points[rows] - points[columns], axis=1)
    shape = (len(points), len(points))
    return (
        csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape),
        csr_matrix((lengths, (rows, columns)), shape=shape),
    )


def to_geojson(
    positions: ArrayLike,
    polygons: Sequence[ArrayLike],
    columns: Mapping[str, np.ndarray],
    *,
    units: str = "px",
    path: str | PathLike[str] | None = None,
) -> dict[str, Any]:
    """Polygons as a GeoJSON ``FeatureCollection`` (RFC 7946), in the coordinates of the image and not of the Earth.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y of the atoms in `units`. As in the image, y points down; programs that draw it upwards show a mirror image.
    polygons : sequence of array_like of int
        Corners of each cell, indices of the atoms, counter-clockwise in (x, y).
    columns : mapping of str to numpy.ndarray, each of shape (m,)
        Properties of the cells, such as ``motifs.cells.to_dict()``.
    units : str, optional
        Written as ``units`` beside the features.
    path : path, optional
        Also write it to this file.

    Returns
    -------
    dict
        Ready for ``json.dumps``. Values that are not finite are ``None``.
    """
    points = np.asarray(positions, float).reshape(-1, 2)
    rows = zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True)
    features = []
    for number, (corners, row) in enumerate(zip(polygons, rows, strict=True)):
        corners = np.asarray(corners, int)
        ring = points[np.append(corners, corners[0])]
        properties = {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in zip(columns, row, strict=True)
        }
        features.append(
            {
                "type": "Feature",
                "id": number,
                "geometry": {"type": "Polygon", "coordinates": [ring.tolist()]},
                "properties": properties,
            }
        )
    collection = {"type": "FeatureCollection", "units": units, "features": features}
    if path is not None:
        Path(path).write_text(json.dumps(collection, allow_nan=False), encoding="utf-8")
    return collection


def to_geodataframe(
    positions: ArrayLike,
    polygons: Sequence[ArrayLike],
    columns: Mapping[str, np.ndarray],
    *,
    units: str = "px",
) -> Any:
    """Polygons as a geopandas ``GeoDataFrame`` without a coordinate reference system.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y of the atoms in `units`. As in the image, y points down: ``ax.invert_yaxis()`` after ``plot`` draws it so.
    polygons : sequence of array_like of int
        Corners of each cell, indices of the atoms.
    columns : mapping of str to numpy.ndarray, each of shape (m,)
        Such as ``motifs.cells.to_dict()``. Columns of text become categorical.
    units : str, optional
        Kept in ``attrs["units"]``.

    Returns
    -------
    geopandas.GeoDataFrame

    Raises
    ------
    ImportError
        If geopandas is not installed.
    """
    geopandas = require("geopandas", "A GeoDataFrame")
    shapely = require("shapely", "A GeoDataFrame")

    points = np.asarray(positions, float).reshape(-1, 2)
    shapes = [shapely.Polygon(points[np.asarray(corners, int)]) for corners in polygons]
    frame = to_dataframe(columns, units=units, index="cell")
    table = geopandas.GeoDataFrame(frame, geometry=geopandas.GeoSeries(shapes, index=frame.index))
    table.attrs["units"] = units
    return table

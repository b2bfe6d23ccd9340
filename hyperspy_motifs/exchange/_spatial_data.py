"""Results for tools of spatial data: AnnData, GeoDataFrame, GeoJSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from ._tables import require

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
    from ._tables import to_dataframe

    points = np.asarray(positions, float).reshape(-1, 2)
    shapes = [shapely.Polygon(points[np.asarray(corners, int)]) for corners in polygons]
    frame = to_dataframe(columns, units=units, index="cell")
    table = geopandas.GeoDataFrame(frame, geometry=geopandas.GeoSeries(shapes, index=frame.index))
    table.attrs["units"] = units
    return table

"""Cells as GeoJSON and as a GeoDataFrame of geopandas, in the coordinates of the image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._optional import require


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

"""Objects of other tools: atoms that they found are read, and results are written for them.

``read_atoms``        positions from peaks, markers, tables, structures and files of other programs
``to_dataframe``      columns as a pandas or polars data frame
``to_ase``            atoms of the Atomic Simulation Environment; ``write_extxyz`` for OVITO
``to_anndata``        features, labels, positions and bonds for scanpy and squidpy
``to_geojson``        polygons of the cells; ``to_geodataframe`` for geopandas

Packages that only one of these needs are imported when it is called.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Results as objects of other libraries, and back: what they say there is what they say here."""

import numpy as np
import pytest

from hyperspy_motifs.exchange import read_atoms


def test_data_frames_of_pandas_hold_every_column(motifs):
    pandas = pytest.importorskip("pandas")
    frame = motifs.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame) == list(motifs.to_dict())
    assert (frame.index.name, frame.attrs["units"]) == ("atom", "nm")
    counts = frame["name"].value_counts()
    assert counts["Se2"] == motifs.counts[0]
    assert counts["Mo"] == motifs.counts[1]
    mean_x = frame.groupby("name", observed=True)["x"].mean()
    assert mean_x["Mo"] == pytest.approx(motifs.positions[motifs.labels == 1, 0].mean())
    np.testing.assert_array_equal(read_atoms(frame, motifs.signal), motifs.positions)


def test_data_frames_of_polars_hold_every_column(motifs):
    polars = pytest.importorskip("polars")
    frame = motifs.to_dataframe("polars")
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == ["atom", *motifs.to_dict()]
    heavy = frame.filter(polars.col("name") == "Mo")
    assert len(heavy) == motifs.counts[1]
    np.testing.assert_array_equal(heavy["y"].to_numpy(), motifs.positions[motifs.labels == 1, 1])
    np.testing.assert_array_equal(read_atoms(frame, motifs.signal), motifs.positions)


def test_rows_of_the_table_of_atoms_can_be_chosen(motifs):
    pytest.importorskip("pandas")
    image = motifs.signal.deepcopy()
    table = image.find_atoms().to_dataframe()
    bright = table[table["amplitude"] > table["amplitude"].median()]
    given = read_atoms(bright, image)
    assert len(given) == len(table) // 2
    assert set(bright["x"]) == set(given.positions[:, 0])


def test_a_data_frame_of_another_library_is_refused(motifs):
    with pytest.raises(ValueError, match="'pandas' or 'polars'"):
        motifs.to_dataframe("dask")


def test_motifs_are_found_at_the_atoms_of_a_file(motifs, tmp_path):
    pytest.importorskip("pandas")
    motifs.to_dataframe().to_csv(tmp_path / "atoms.csv")
    again = motifs.signal.deepcopy().find_motifs(tmp_path / "atoms.csv", refine=False, radius=0.6)
    np.testing.assert_array_equal(again.positions, motifs.positions)
    np.testing.assert_array_equal(again.labels, motifs.labels)
    # How the numbers were read is said.
    assert f"{len(again.labels)} atoms (given: table, columns x and y in nm)" in str(again)
    assert "(given" not in str(motifs)


def test_dictionaries_keep_positions_and_frames(motifs):
    given = read_atoms(motifs.to_dict(), motifs.signal)
    np.testing.assert_array_equal(given, motifs.positions)
    np.testing.assert_array_equal(given.frames, motifs.frames)


def test_patches_and_models_take_the_same_objects(motifs):
    pytest.importorskip("pandas")
    other = motifs.signal.deepcopy()
    patches = other.get_atom_patches(motifs.to_dataframe(), radius=0.6)
    np.testing.assert_array_equal(patches.atoms, motifs.signal.get_atom_patches(radius=0.6).atoms)
    predicted = other.apply_model(motifs.model, atoms=motifs.to_dataframe())
    assert np.mean(predicted.labels == motifs.labels) > 0.98


def test_atoms_of_ase_are_in_angstrom_and_named(motifs):
    ase = pytest.importorskip("ase")
    atoms = motifs.export.ase()
    assert isinstance(atoms, ase.Atoms)
    np.testing.assert_allclose(atoms.positions[:, :2], 10 * motifs.positions, rtol=1e-12)
    assert not atoms.positions[:, 2].any()
    assert set(atoms.symbols[motifs.labels == 0]) == {"Se"}
    assert set(atoms.symbols[motifs.labels == 1]) == {"Mo"}
    np.testing.assert_array_equal(atoms.get_tags(), motifs.labels)
    np.testing.assert_array_equal(atoms.arrays["probability"], motifs.probabilities)
    np.testing.assert_allclose(read_atoms(atoms, motifs.signal), motifs.positions, rtol=1e-12)
    # Nearest distances as ASE measures them: Mo-Se in projection, 0.19 nm.
    distance = atoms.get_all_distances() + 100 * np.eye(len(atoms))
    assert np.median(distance.min(axis=0)) == pytest.approx(1.9, abs=0.05)


def test_the_cell_of_ase_is_the_unit_cell_of_the_hierarchy(motifs):
    pytest.importorskip("ase")
    a, b, _, _, _, gamma = motifs.export.ase().cell.cellpar()
    # MoSe2: 3.29 Å; the simulated lattice is hexagonal.
    assert (a, b) == (pytest.approx(3.29, abs=0.04), pytest.approx(3.29, abs=0.04))
    assert gamma == pytest.approx(120, abs=1) or gamma == pytest.approx(60, abs=1)
    assert not motifs.export.ase().pbc.any()


def test_species_can_be_given_by_number_or_name(motifs):
    pytest.importorskip("ase")
    atoms = motifs.export.ase(species={0: "S", "Mo": "W"})
    assert set(atoms.symbols[motifs.labels == 0]) == {"S"}
    assert set(atoms.symbols[motifs.labels == 1]) == {"W"}
    motifs.relabel({0: "vacancy", 1: "Xy2"})
    assert set(motifs.export.ase().symbols) == {"X"}
    with pytest.raises(ValueError, match="no chemical symbol"):
        motifs.export.ase(species={0: "Chalcogen"})
    with pytest.raises(ValueError, match="is no motif"):
        motifs.export.ase(species={"W": "W"})
    with pytest.raises(ValueError, match="frame is 1; this signal has 1 frames"):
        motifs.export.ase(1)


def test_a_structure_of_an_uncalibrated_image_is_refused(motifs):
    pytest.importorskip("ase")
    motifs.signal.axes_manager.signal_axes.set(units="")
    with pytest.raises(ValueError, match="Calibrate the image first"):
        motifs.signal.motifs.export.ase()


def test_atomap_and_back(motifs, tmp_path):
    lattice = motifs.export.atom_lattice()
    lattice.save(str(tmp_path / "motifs.hdf5"))
    order = np.argsort(motifs.labels, kind="stable")
    for source in (lattice, tmp_path / "motifs.hdf5"):
        np.testing.assert_allclose(read_atoms(source, motifs.signal), motifs.positions[order], rtol=1e-9)


def test_a_missing_package_is_named(motifs, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas.*python -m pip install pandas.*\[exchange\]"):
        motifs.to_dataframe()


# ------------------------------------------------------------------ extended XYZ


def test_extended_xyz_has_the_field_of_view_as_its_box(motifs, tmp_path):
    read = pytest.importorskip("ase.io").read
    path = motifs.export.extxyz(tmp_path / "motifs")
    assert path.name == "motifs.xyz"
    atoms = read(path)
    np.testing.assert_allclose(atoms.positions[:, :2], 10 * motifs.positions, atol=1e-7)
    np.testing.assert_array_equal(atoms.get_tags(), motifs.labels)
    np.testing.assert_allclose(atoms.arrays["probability"], motifs.probabilities, atol=1e-7)
    np.testing.assert_array_equal(atoms.arrays["truncated"], motifs.truncated)
    assert set(atoms.symbols[motifs.labels == 1]) == {"Mo"}
    x, y = motifs.signal.axes_manager.signal_axes
    np.testing.assert_allclose(atoms.cell.lengths()[:2], [10 * abs(a.scale) * a.size for a in (x, y)])
    inside = atoms.positions - atoms.info["Origin"]
    assert (inside >= 0).all()
    assert (inside <= atoms.cell.lengths()).all()
    np.testing.assert_allclose(read_atoms(path, motifs.signal), motifs.positions, atol=1e-8)


def test_ovito_reads_the_extended_xyz(motifs, tmp_path):
    ovito = pytest.importorskip("ovito.io")
    data = ovito.import_file(str(motifs.export.extxyz(tmp_path / "motifs.xyz"))).compute()
    particles = data.particles
    np.testing.assert_allclose(particles.positions[:, :2], 10 * motifs.positions, atol=1e-7)
    names = [particles.particle_types.type_by_id(i).name for i in particles.particle_types]
    assert [{"Se": 0, "Mo": 1}[name] for name in names] == motifs.labels.tolist()
    np.testing.assert_allclose(np.asarray(data.cell)[:2, 3], 10 * _corner(motifs), atol=1e-6)
    assert not any(data.cell.pbc)
    # The view of the guide: x to the right and y down, as in the image.
    vis = pytest.importorskip("ovito.vis")
    view = vis.Viewport(type=vis.Viewport.Type.Ortho, camera_dir=(0, 0, 1), camera_up=(0, -1, 0))
    np.testing.assert_allclose(np.asarray(view.camera_tm)[:, :3], np.diag([1, -1, -1]), atol=1e-9)


def _corner(motifs):
    axes = motifs.signal.axes_manager.signal_axes
    return np.array([a.axis.min() - abs(a.scale) / 2 for a in axes])


# ------------------------------------------------------------------ markers


def test_markers_are_plotted_saved_and_read_again(motifs, tmp_path):
    import hyperspy.api as hs

    markers = motifs.export.markers()
    assert [marker.name for marker in markers] == ["Se2", "Mo"]
    order = np.argsort(motifs.labels, kind="stable")
    np.testing.assert_array_equal(read_atoms(markers, motifs.signal), motifs.positions[order])
    image = hs.signals.Signal2D(
        motifs.signal.data, axes=list(motifs.signal.axes_manager.as_dictionary().values())
    )
    image.add_marker(markers, permanent=True, plot_marker=False)
    image.plot()
    image.save(tmp_path / "image.hspy")
    loaded = hs.load(tmp_path / "image.hspy")
    np.testing.assert_array_equal(
        read_atoms(loaded.metadata.Markers.Mo, loaded), motifs.positions[motifs.labels == 1]
    )
    with_cells = motifs.export.markers(cells=True)
    assert len(with_cells) == 3
    assert len(with_cells[0]) == len(motifs.cells)


# ------------------------------------------------------------------ annotated data


def test_annotated_data_hold_features_labels_positions_and_bonds(motifs, tmp_path):
    anndata = pytest.importorskip("anndata")
    adata = motifs.export.anndata()
    np.testing.assert_array_equal(adata.X, motifs.features.data)
    assert [tuple(row) for row in adata.var[["n", "m"]].to_numpy()] == [
        tuple(m) for m in motifs.features.modes
    ]
    assert adata.obs["motif"].cat.categories.tolist() == ["Se2", "Mo"]
    np.testing.assert_array_equal(adata.obs["motif"].cat.codes, motifs.labels)
    np.testing.assert_array_equal(adata.obs["probability"], motifs.probabilities)
    np.testing.assert_array_equal(adata.obsm["spatial"], motifs.positions)
    assert (adata.uns["units"], len(adata.uns["motif_colors"])) == ("nm", 2)
    bonds = adata.obsp["spatial_connectivities"]
    assert bonds.nnz == 2 * len(motifs.cells.bonds)
    assert (bonds != bonds.T).nnz == 0
    lengths = adata.obsp["spatial_distances"]
    assert np.median(lengths.data) == pytest.approx(0.19, abs=0.005)
    # A file of AnnData keeps all of it.
    adata.write_h5ad(tmp_path / "motifs.h5ad")
    loaded = anndata.read_h5ad(tmp_path / "motifs.h5ad")
    np.testing.assert_array_equal(read_atoms(loaded, motifs.signal), motifs.positions)
    assert loaded.obs["motif"].tolist() == adata.obs["motif"].tolist()


def test_clusters_of_another_tool_become_motifs(motifs):
    pandas = pytest.importorskip("pandas")
    clusters = pandas.Categorical(
        np.where(motifs.positions[:, 0] > motifs.positions[:, 0].mean(), "right", "left")
    )
    motifs.relabel(clusters.codes)
    assert motifs.n_motifs == 2
    right = motifs.positions[:, 0] > motifs.positions[:, 0].mean()
    assert len(set(motifs.labels[right])) == len(set(motifs.labels[~right])) == 1


def test_equal_names_stay_two_categories(motifs):
    pytest.importorskip("anndata")
    motifs.relabel({0: "Se", 1: "Se"})
    assert motifs.export.anndata().obs["motif"].cat.categories.tolist() == ["Se (0)", "Se (1)"]


def test_features_of_another_radius_can_be_chosen(motifs):
    pytest.importorskip("anndata")
    adata = motifs.export.anndata(radius=1.2)
    np.testing.assert_array_equal(adata.X, motifs.at(1.2).features.data)
    np.testing.assert_array_equal(adata.obsm["X_layout"], motifs.at(1.2).layout)


def test_squidpy_counts_the_neighbours_that_the_graph_counts(motifs):
    squidpy = pytest.importorskip("squidpy")
    adata = motifs.export.anndata()
    squidpy.gr.nhood_enrichment(adata, cluster_key="motif", seed=0, n_perms=200, show_progress_bar=False)
    found = adata.uns["motif_nhood_enrichment"]
    # In a honeycomb Mo has neighbours Se only: squidpy finds them enriched, and equal neighbours depleted.
    assert found["zscore"][0, 1] > 5
    assert found["zscore"][0, 0] < -5
    a, b = motifs.labels[motifs.cells.bonds].T
    assert found["count"][0, 1] == ((a == 0) & (b == 1)).sum() + ((a == 1) & (b == 0)).sum()
    # Its own neighbours within a radius are in the units of the axes as well.
    if hasattr(squidpy.gr, "spatial_neighbors_radius"):
        squidpy.gr.spatial_neighbors_radius(adata, radius=0.25, key_added="near")
    else:
        squidpy.gr.spatial_neighbors(adata, coord_type="generic", radius=0.25, key_added="near")
    degrees = adata.obsp["near_connectivities"].sum(axis=1)
    assert np.median(np.asarray(degrees)) == 3
    squidpy.gr.interaction_matrix(adata, cluster_key="motif", normalized=True)
    assert adata.uns["motif_interactions"][0, 1] > 0.95
    squidpy.gr.spatial_autocorr(adata, mode="moran", n_jobs=1)
    # The moment that separates the two species alternates from each atom to the next.
    assert adata.uns["moranI"]["I"].min() < -0.6
    squidpy.pl.spatial_scatter(adata, color="motif", shape=None)


# ------------------------------------------------------------------ polygons


def test_geopandas_measures_the_cells(motifs):
    geopandas = pytest.importorskip("geopandas")
    table = motifs.export.geodataframe()
    assert isinstance(table, geopandas.GeoDataFrame)
    assert (table.crs, table.attrs["units"], table.index.name) == (None, "nm", "cell")
    np.testing.assert_allclose(table.area, motifs.cells.areas, rtol=1e-9)
    assert table.geometry.exterior.is_ccw.all()
    assert (table["n_corners"] == motifs.cells.n_corners).all()
    # A spatial join: every inner atom of the honeycomb is a corner of three cells.
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(*motifs.positions.T)).buffer(0.01)
    joined = geopandas.sjoin(geopandas.GeoDataFrame(geometry=points), table, predicate="intersects")
    inner = np.bincount(np.concatenate(motifs.cells.polygons), minlength=len(motifs.positions)) == 3
    assert inner.sum() > 20
    assert (joined.groupby(level=0).size().loc[np.flatnonzero(inner)] == 3).all()


def test_geojson_is_what_geopandas_reads(motifs, tmp_path):
    import json

    collection = motifs.export.geojson(tmp_path / "cells.geojson")
    assert json.loads((tmp_path / "cells.geojson").read_text(encoding="utf-8")) == collection
    assert collection["units"] == "nm"
    assert len(collection["features"]) == len(motifs.cells)
    ring = np.array(collection["features"][2]["geometry"]["coordinates"][0])
    np.testing.assert_array_equal(ring[:-1], motifs.positions[motifs.cells.polygons[2]])
    np.testing.assert_array_equal(ring[0], ring[-1])
    geopandas = pytest.importorskip("geopandas")
    # It takes every GeoJSON for degrees on the Earth.
    loaded = geopandas.read_file(tmp_path / "cells.geojson").set_crs(None, allow_override=True)
    np.testing.assert_allclose(loaded.area.to_numpy(), motifs.cells.areas, rtol=1e-9)
    assert loaded["corner_sequence"].tolist() == motifs.cells.to_dict()["corner_sequence"].tolist()

"""What the guides of HyperSpy, atomap, squidpy and scanpy show, on objects of this package, with results that are known."""

import hyperspy.api as hs
import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("two_radii")

# ------------------------------------------------------------------ HyperSpy


def test_hyperspy_finds_peaks_marks_them_and_measures_them(motifs):
    """User guide: finding peaks, markers, and fitting with a two-dimensional model."""
    s = motifs.signal
    peaks = s.find_peaks(interactive=False, method="local_max", distance=4, show_progressbar=False)
    again = s.deepcopy().find_motifs(atoms=peaks, radius=0.6)
    assert abs(len(again.labels) - len(motifs.labels)) <= 0.1 * len(motifs.labels)
    s.add_marker(
        hs.plot.markers.Points(offsets=again.positions, sizes=(4,)), plot_marker=False, permanent=True
    )
    s.plot()
    # One atom, cut out by its position in nm and fitted by HyperSpy.
    atom = motifs.positions[np.flatnonzero(~motifs.truncated)[0]]
    (x, y), step = atom, 0.06
    # HyperSpy slices in the order of the axis, which runs downwards here.
    cut = s.isig[x - step : x + step, y + step : y - step]
    assert max(cut.axes_manager.signal_shape) < 14
    cx, cy = (axis.axis for axis in cut.axes_manager.signal_axes)
    weight = cut.data - cut.data.min()
    centre = [(weight.sum(0) * cx).sum() / weight.sum(), (weight.sum(1) * cy).sum() / weight.sum()]
    np.testing.assert_allclose(centre, atom, atol=0.03)


def test_hyperspy_decomposes_and_clusters_features_and_patches(motifs):
    """User guide: multivariate analysis, cluster analysis."""
    features = motifs.features.deepcopy()
    features.decomposition(output_dimension=4, print_info=False)
    features.plot_explained_variance_ratio(n=8)
    features.cluster_analysis("decomposition", n_clusters=2, number_of_components=2, random_state=0)
    inner = ~motifs.truncated
    found = features.get_cluster_labels().data.argmax(axis=0)[inner]
    agreement = np.mean(found == motifs.labels[inner])
    assert max(agreement, 1 - agreement) > 0.9
    patches = motifs.patches.deepcopy()
    patches.change_dtype(float)
    patches.data = np.nan_to_num(patches.data)
    patches.decomposition(algorithm="SVD", output_dimension=3, print_info=False)
    assert patches.get_decomposition_model(3).data.shape == patches.data.shape
    hs.plot.plot_images(patches.get_decomposition_factors().inav[:3], axes_decor=None)


# ------------------------------------------------------------------ atomap


def test_atomap_finds_planes_distances_and_ellipticity(motifs):
    """Guide: zone axes and planes, distances between monolayers, refinement, ellipticity."""
    lattice = motifs.export.atom_lattice()
    metal = lattice.get_sublattice("Mo")
    metal.construct_zone_axes()
    zone = metal.zones_axis_average_distances[0]
    spacing = np.hypot(*zone) * metal.pixel_size
    # MoSe2: rows of the triangular lattice of the metal, 0.329 nm apart along them.
    assert spacing == pytest.approx(0.329, abs=0.005)
    between = metal.get_monolayer_distance_list_from_zone_vector(zone)[2]
    assert np.median(between) * metal.pixel_size == pytest.approx(0.329 * np.sqrt(3) / 2, rel=0.03)
    metal.plot_planes()
    before = np.array(metal.atom_positions)
    metal.refine_atom_positions_using_center_of_mass(percent_to_nn=0.3, show_progressbar=False)
    assert np.median(np.hypot(*(np.array(metal.atom_positions) - before).T)) < 0.3
    metal.get_ellipticity_map()
    lattice.plot()


def test_atomaps_own_structure_has_the_same_coordinates(motifs):
    """Guide: converting to ASE; both have x right, y down and ångström."""
    lattice = motifs.export.atom_lattice()
    for sublattice in lattice.sublattice_list:
        sublattice.pixel_size *= 10
        sublattice.set_element_info({"Se2": "Se", "Mo": "Mo"}[sublattice.name], [0.0])
    theirs, ours = lattice.convert_to_ase(), motifs.export.ase()
    order = np.argsort(motifs.labels, kind="stable")
    assert theirs.get_chemical_symbols() == ours[order].get_chemical_symbols()
    np.testing.assert_allclose(
        theirs.get_all_distances(), ours[order].get_all_distances(), rtol=1e-6, atol=1e-6
    )


# ------------------------------------------------------------------ squidpy and scanpy


def test_squidpy_describes_the_arrangement_of_motifs(motifs):
    """Tutorials: neighbourhood enrichment, co-occurrence, centrality, Ripley's statistics, interaction matrix."""
    squidpy = pytest.importorskip("squidpy")
    adata = motifs.export.anndata()
    squidpy.gr.nhood_enrichment(adata, cluster_key="motif", seed=0, n_perms=200, show_progress_bar=False)
    squidpy.pl.nhood_enrichment(adata, cluster_key="motif")
    squidpy.gr.co_occurrence(adata, cluster_key="motif", interval=np.array([0.0, 0.25, 0.5, 1.0]))
    near = adata.uns["motif_co_occurrence"]["occ"][:, :, 0]
    assert near[0, 1] > 1.5 > 0.2 > near[0, 0]
    squidpy.gr.centrality_scores(adata, cluster_key="motif")
    assert adata.uns["motif_centrality_scores"]["average_clustering"].max() == 0.0
    squidpy.gr.ripley(adata, cluster_key="motif", mode="L", max_dist=1.0, n_simulations=10, seed=0)
    squidpy.gr.interaction_matrix(adata, cluster_key="motif", normalized=True)
    squidpy.pl.interaction_matrix(adata, cluster_key="motif")


def test_scanpy_clusters_the_features(motifs):
    """Tutorial: principal components, neighbours, Leiden's clusters, UMAP, plots of embeddings and features."""
    scanpy = pytest.importorskip("scanpy")
    pytest.importorskip("igraph")
    metrics = pytest.importorskip("sklearn.metrics")
    adata = motifs.export.anndata()
    whole = adata[~adata.obs["truncated"]].copy()
    scanpy.pp.pca(whole, n_comps=5)
    scanpy.pp.neighbors(whole, n_neighbors=12, random_state=0)
    scanpy.tl.leiden(whole, resolution=0.1, flavor="igraph", n_iterations=2, directed=False, random_state=0)
    table = whole.obs.groupby("leiden", observed=True)["motif"].value_counts().unstack()
    # The rare defects of the simulated image lie between the two species.
    assert (table.max(axis=1) / table.sum(axis=1) > 0.9).all()
    scanpy.tl.umap(whole, random_state=0)
    assert metrics.silhouette_score(whole.obsm["X_umap"], whole.obs["motif"]) > 0.5
    scanpy.pl.embedding(whole, "layout", color="motif", show=False)
    scanpy.pl.heatmap(whole, whole.var_names[:6], groupby="motif", show=False)

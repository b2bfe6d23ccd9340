"""A twisted bilayer for a user: reported as a continuum, with its moire as a level, patches where columns overlap."""

import warnings

import numpy as np
import pytest


def test_the_moire_cell_is_a_level_of_the_graph(bilayer):
    motifs, truth, _ = bilayer
    assert motifs.is_continuous
    moire = motifs.manifold.moire
    assert moire.period == pytest.approx(truth.extra["moire_period"], rel=0.02)
    assert moire.twist == pytest.approx(6.0, abs=0.1)
    assert np.abs(moire.heterostrain).max() < 0.003
    peaks = motifs.manifold.fourier_moire
    assert peaks.period * motifs.signal.axes_manager[0].scale == pytest.approx(moire.period, rel=0.02)
    assert motifs.manifold.topology.kind == "torus"
    assert motifs.manifold.topology.certainty > 0.8
    cells = motifs.graph.find(kind="moire-cell")
    assert len(cells) >= 2
    whole = motifs.graph.find(kind="moire-cell", on_border=False)
    for node in whole:
        assert motifs.graph.nodes[node]["area"] == pytest.approx(moire.area)
    assert motifs.hierarchy.kinds[-1] == "moire-cell"


def test_a_crystal_has_no_moire_level(monolayer):
    motifs = monolayer.motifs
    assert "moire-cell" not in motifs.hierarchy.kinds
    assert motifs.parameters["patch_centres"]["kind"] == "peaks"
    assert "overlap" not in str(motifs)


def test_roughness_is_drawn(bilayer):
    motifs = bilayer[0]
    ax = motifs.plot.values("roughness")
    drawn = ax.collections[0].get_array()
    rough = motifs.manifold.disorder.roughness
    np.testing.assert_allclose(np.sort(np.ma.compressed(drawn)), np.sort(rough[np.isfinite(rough)]))
    # Registry changes slowly from atom to atom: much less than over the image.
    assert np.nanmedian(rough) < 0.5


def test_overlapping_columns_are_said_and_a_grid_can_be_asked_for(bilayer):
    motifs = bilayer[0]
    assert motifs.parameters["patch_centres"]["kind"] == "grid"
    assert 'atoms="grid"' in str(motifs)
    s = motifs.signal.isig[:100, :90]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = s.find_motifs("grid", radius=1.2, show_progressbar=False)
    assert found.parameters["atoms"] == "grid"
    assert "patches on a grid" in str(found)
    # All points of the image are covered: the farthest from a triangular grid of step h is h / sqrt(3) away.
    apart = found.parameters["spacing"] / s.axes_manager[0].scale
    rng = np.random.default_rng(0)
    places = rng.uniform(apart, [100 - apart, 90 - apart], (200, 2))
    nearest = np.linalg.norm(places[:, None] - found.pixel_positions, axis=2).min(axis=1)
    assert nearest.max() < 0.3 * apart


def test_a_word_that_is_no_site(bilayer):
    with pytest.raises(TypeError, match='"grid"'):
        bilayer[0].signal.find_motifs("mesh", show_progressbar=False)

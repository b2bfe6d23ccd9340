"""Motifs of one image, assigned to the atoms of another."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_motifs import data, store

pytestmark = pytest.mark.usefixtures("two_radii")

# Rows and columns of the monolayer of these tests.
SHAPE = (300, 364)


def test_a_second_view_gets_the_same_motifs_under_the_same_numbers(motifs, simulated, matched):
    other, truth = data.monolayer(
        "MoSe2",
        vacancies=0.06,
        double_vacancies=0.0,
        metal_dopant=("W", 0.06),
        chalcogen_dopant=None,
        shape=SHAPE,
        dose=3e5,
        random_state=9,
    )
    motifs.relabel({0: "most", 1: "second"})
    found = motifs.predict(other)
    assert found.names[:2] == ["most", "second"]
    rows, index = matched(found, truth)
    learned, known = matched(motifs, simulated[1])
    meaning = {
        k: np.bincount(simulated[1].labels[known[learned]][motifs.labels[learned] == k]).argmax()
        for k in np.unique(motifs.labels[learned])
    }
    species = np.array([meaning[k] for k in found.labels[rows]])
    assert np.mean(species == truth.labels[index[rows]]) > 0.97
    for rare in ("Se1", "W"):
        of_it = truth.labels[index[rows]] == truth.names.index(rare)
        assert np.mean(species[of_it] == truth.names.index(rare)) > 0.8


def test_merged_motifs_stay_merged(motifs):
    motifs.merge([0, 1])
    other = motifs.signal.isig[:200, :].deepcopy()
    store.remove(other)
    found = motifs.predict(other)
    whole = {tuple(p): k for p, k in zip(np.round(motifs.positions, 3).tolist(), motifs.labels, strict=True)}
    pairs = [
        (whole[tuple(p)], k)
        for p, k in zip(np.round(found.positions, 3).tolist(), found.labels, strict=True)
        if tuple(p) in whole
    ]
    assert len(pairs) > 30
    assert np.mean([a == b for a, b in pairs]) > 0.95


def test_what_is_unlike_all_motifs_is_strange(motifs):
    other = motifs.signal.deepcopy()
    store.remove(other)
    pixels = motifs.pixel_positions
    centre = int(np.argmin(np.hypot(*(pixels - [180, 150]).T)))
    column, row = np.rint(pixels[centre]).astype(int)
    other.change_dtype("float64")
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    peak = 6 * other.data.max() * np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * 4.0**2))
    other.data += peak
    found = motifs.predict(other)
    nearest = int(np.argmin(np.hypot(*(found.pixel_positions - [column, row]).T)))
    outlier_score = found.to_dict()["outlier_score"]
    assert 1 - outlier_score[nearest] < 1 / len(outlier_score)
    assert np.median(outlier_score) < 0.9
    assert found.probabilities[nearest] < 0.5
    assert np.median(found.probabilities) > 0.9


def test_distance_and_quality_are_those_of_the_other_image(motifs):
    other = motifs.signal.isig[:221, :].deepcopy()
    store.remove(other)
    other.change_dtype("float64")
    other.data[:40, :50] = np.nan
    scale = 1000 * other.axes_manager.signal_axes[0].scale
    other.axes_manager.signal_axes.set(scale=scale, units="pm")
    with pytest.warns(UserWarning, match="is calibrated in pm"):
        found = motifs.predict(other)
    assert found.quality.no_data == pytest.approx(40 * 50 / other.data.size)
    apart = np.median(cKDTree(found.positions).query(found.positions, k=2)[0][:, 1])
    assert f"nearest neighbours {apart:.4g} pm apart" in found.summary()
    alone = other.deepcopy()
    store.remove(alone)
    alone.find_motifs(radius=0.6)
    # The polarity is that of the model.
    assert found.quality == replace(alone.motifs.quality, polarity_certainty=1.0)


def test_motifs_known_from_another_image_are_named_among_the_defects(motifs, monkeypatch):
    """A few atoms between two motifs are no motif of their own, unless another image shows that it is one."""
    monkeypatch.setattr("hyperspy_motifs.pipeline._defect_finding.STRICT_LEVEL", 0.0)
    again = motifs.signal.deepcopy()
    again.find_motifs(radius=0.6, show_progressbar=False)
    assert "another motif" not in again.motifs.defects.counts
    known = again.apply_model(motifs.model, show_progressbar=False).defects
    listed = known.select("another motif")
    assert len(listed) > 5
    assert (listed.motifs != listed.expected).mean() > 0.9

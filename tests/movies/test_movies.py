"""Movies: the same atom is the same track, and planted rates are found again."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import hyperspy_motifs as hm
from hyperspy_motifs.draw import plot_populations, plot_transitions
from hyperspy_motifs.movies import (
    FollowedUnits,
    count_populations,
    count_transitions,
    estimate_drift,
    link_frames,
)

pytestmark = pytest.mark.usefixtures("two_radii")

N_FRAMES, KNOCK_ON, REFILL = 6, 0.08, 0.25


@pytest.fixture(scope="module")
def movie():
    return hm.data.beam_damage(
        n_frames=N_FRAMES,
        knock_on=KNOCK_ON,
        refill=REFILL,
        vacancies=0.05,
        drift=(0.02, -0.013),
        shape=(250, 270),
        random_state=3,
    )


@pytest.fixture(scope="module")
def motifs(movie):
    return movie[0].find_motifs(radius=0.6, show_progressbar=False)


@pytest.fixture(scope="module")
def matched(movie, motifs):
    """For every found atom the column of the truth that it is, -1 for none."""
    _, truth = movie
    out = np.full(len(motifs.labels), -1)
    for k in range(N_FRAMES):
        here, there = np.flatnonzero(motifs.frames == k), np.flatnonzero(truth.extra["frame"] == k)
        gap = np.linalg.norm(motifs.pixel_positions[here][:, None] - truth.positions[there][None], axis=2)
        nearest = gap.argmin(axis=1)
        close = gap[np.arange(len(here)), nearest] < 2.5
        out[here[close]] = there[nearest[close]]
    return out


def test_the_simulated_sites_change_at_the_planted_rates(movie):
    _, truth = movie
    counts = truth.extra["transitions"].astype(float)
    assert counts[0, 0] == counts[0].sum()
    full, single = counts[1] / counts[1].sum(), counts[2] / counts[2].sum()
    n_full, n_single = counts[1].sum(), counts[2].sum()
    assert full[2] == pytest.approx(KNOCK_ON, abs=3.5 * np.sqrt(KNOCK_ON / n_full))
    assert single[3] == pytest.approx(KNOCK_ON, abs=3.5 * np.sqrt(KNOCK_ON / n_single))
    back = (1 - KNOCK_ON) * REFILL
    assert single[1] == pytest.approx(back, abs=3.5 * np.sqrt(back / n_single))


def test_tracks_are_the_sites_of_the_truth(movie, motifs, matched):
    _, truth = movie
    sure = matched >= 0
    sites, tracks = truth.extra["site"][matched[sure]], motifs.movie.tracks[sure]
    for track in np.unique(tracks):
        assert len(np.unique(sites[tracks == track])) == 1
    # A site that was always there is one track.
    pixels = motifs.pixel_positions
    stays = [s for s in np.unique(sites) if (sites == s).sum() == N_FRAMES]
    assert len(stays) > 100
    assert np.mean([len(np.unique(tracks[sites == s])) == 1 for s in stays]) > 0.99
    assert len(pixels) == len(motifs.movie.tracks)


def test_planted_rates_are_recovered_from_the_images(movie, motifs, matched):
    _, truth = movie
    sure = matched >= 0
    name_of = np.array(truth.names)[truth.labels[matched[sure]]]
    motif_of = {name: int(np.bincount(motifs.labels[sure][name_of == name]).argmax()) for name in truth.names}
    pair, vacancy = motif_of["Se2"], motif_of["Se1"]
    assert len({*motif_of.values()}) == 3
    found = motifs.movie.transitions()
    probability, error = found.probabilities, found.errors
    assert abs(probability[pair, vacancy] - KNOCK_ON) < 3 * error[pair, vacancy] + 0.01
    back = (1 - KNOCK_ON) * REFILL
    assert abs(probability[vacancy, pair] - back) < 3 * error[vacancy, pair] + 0.02
    assert abs(probability[vacancy, -1] - KNOCK_ON) < 3 * error[vacancy, -1] + 0.02
    assert probability[motif_of["Mo"], motif_of["Mo"]] > 0.985


def test_populations_are_those_of_the_frames(motifs):
    assert motifs.movie.populations.shape == (N_FRAMES, motifs.n_motifs)
    np.testing.assert_array_equal(motifs.movie.populations.sum(axis=0), motifs.counts)
    np.testing.assert_array_equal(motifs.movie.populations.sum(axis=1), np.bincount(motifs.frames))


def test_pictures_show_the_numbers(motifs):
    ax = motifs.plot.populations()
    lines = ax.get_lines()
    np.testing.assert_array_equal([line.get_ydata() for line in lines], motifs.movie.populations.T)
    assert ax.get_ylabel() == "atoms"
    matrix = motifs.plot.transitions()
    found = motifs.movie.transitions()
    shown = matrix.images[0].get_array()
    assert shown.shape == (motifs.n_motifs, motifs.n_motifs + 1)
    assert shown[0, 0] == pytest.approx(found.probabilities[0, 0])
    assert matrix.get_xticklabels()[-1].get_text() == "gone"
    plt.close("all")
    with pytest.raises(ValueError, match="shape"):
        plot_populations(np.zeros((3, 2)), times=[0, 1])
    with pytest.raises(ValueError, match="shape"):
        plot_transitions(np.zeros((3, 5)))


def test_vacancies_appear_where_the_last_atom_is_lost(movie, motifs):
    _, truth = movie
    sites = motifs.movie.follow("sites")
    events = sites.events()
    scale = motifs.signal.axes_manager.signal_axes[0].scale
    frame, site = truth.extra["frame"], truth.extra["site"]
    lost, filled = [], []
    for k in range(1, N_FRAMES):
        for before, after, out in ((k - 1, k, lost), (k, k - 1, filled)):
            gone = np.flatnonzero((frame == before) & ~np.isin(site, site[frame == after]))
            out += [(k, *truth.positions[row] * scale) for row in gone.tolist()]
    # Sites on the border, which are not counted, leave the field with the drift.
    shape = np.array(motifs.signal.axes_manager.signal_shape) * scale
    margin = 2 * motifs.parameters["spacing"]
    for expected, column in ((lost, "after"), (filled, "before")):
        here = events[column] == "empty"
        found = np.column_stack([events["frame"], events["x"], events["y"]])[here]
        inner = [one for one in expected if (np.minimum(one[1:], shape - one[1:]) > margin + 0.03).all()]
        for one in inner:
            assert any(one[0] == f[0] and np.hypot(*(f[1:] - one[1:])) < 0.08 for f in found)
        assert len(found) <= len(
            [e for e in expected if (np.minimum(e[1:], shape - e[1:]) > margin - 0.03).all()]
        )
    assert len(lost) > 0
    assert repr(sites).startswith(f"<{len(np.unique(sites.tracks))} sites in {N_FRAMES} frames")


def test_a_cell_changes_where_one_of_its_sites_does(motifs):
    cells, sites = motifs.movie.follow("cells"), motifs.movie.follow("sites")
    assert len(cells) == len(motifs.cells)
    changed, moved = cells.events(), sites.events()
    assert len(changed["frame"]) > 20
    for frame, x, y in zip(changed["frame"], changed["x"], changed["y"], strict=True):
        near = (moved["frame"] == frame) & (np.hypot(moved["x"] - x, moved["y"] - y) < 0.3)
        # Corners that are too near to the border to be followed may have changed as well.
        shape = np.array(motifs.signal.axes_manager.signal_shape) * motifs.signal.axes_manager[1].scale
        assert near.any() or (np.minimum([x, y], shape - [x, y]) < 0.6).any()
    with pytest.raises(ValueError, match="what is 'rings'"):
        motifs.movie.follow("rings")


def test_followed_defects_are_those_of_the_list(motifs):
    found = motifs.movie.follow("defects")
    assert len(found) == len(motifs.defects)
    kinds, counts = np.unique(np.array(found.states)[found.labels], return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == motifs.defects.counts
    # Vacancies stay at their site longer than from one frame to the next.
    assert max(np.bincount(found.tracks[found.labels == found.states.index("vacancy")])) > 1


def test_a_stack_has_the_levels_of_each_frame(movie, motifs):
    whole = motifs.hierarchy
    assert "domain" not in whole.kinds
    level = whole.level("vertex-figure")
    for k in (1, 4):
        alone = movie[0].inav[k].motifs.hierarchy
        assert alone.kinds == whole.kinds
        one = alone.level("vertex-figure")
        here = level.columns["frame"] == k
        found = np.sort(level.centres[here].round(9).view("f8,f8").ravel())
        np.testing.assert_array_equal(found, np.sort(one.centres.round(9).view("f8,f8").ravel()))
        names = sorted(level.names[c] for c in level.labels[here])
        assert names == sorted(one.names[c] for c in one.labels)
        assert len(motifs.graph.find(kind="vertex-figure", frame=k)) == here.sum()
    cells = whole.level("unit-cell")
    assert np.bincount(cells.columns["frame"], minlength=N_FRAMES).min() > 60


@pytest.fixture
def lattice():
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(7.0)), axis=-1).reshape(-1, 2)
    return grid + np.random.default_rng(2).normal(0, 0.03, grid.shape)


def test_drift_is_taken_off(lattice):
    drift = np.array([0.31, -0.22])
    np.testing.assert_allclose(estimate_drift(lattice, lattice + drift), drift, atol=1e-6)
    # Five frames on, the field has moved by more than the atoms are apart.
    points = np.concatenate([lattice + k * drift for k in range(5)])
    frames = np.repeat(np.arange(5), len(lattice))
    tracks = link_frames(points, frames, 0.25)
    np.testing.assert_array_equal(tracks.reshape(5, -1), np.tile(np.arange(len(lattice)), (5, 1)))
    given = link_frames(points, frames, 0.05, drift=np.arange(5)[:, None] * drift)
    np.testing.assert_array_equal(given, tracks)


def test_the_cheapest_pairs_win_over_the_nearest():
    # The atom in the middle is nearest to both: one of them must take the farther one.
    before, after = np.array([[0.0, 0], [1.0, 0]]), np.array([[0.6, 0], [1.3, 0]])
    tracks = link_frames(np.concatenate([before, after]), [0, 0, 1, 1], 0.8, drift=None)
    np.testing.assert_array_equal(tracks, [0, 1, 0, 1])


def test_atoms_out_of_reach_begin_anew(lattice):
    moved = lattice.copy()
    moved[11] += 0.5
    tracks = link_frames(np.concatenate([lattice, moved]), np.repeat([0, 1], len(lattice)), 0.3)
    assert tracks[len(lattice) + 11] == len(lattice)
    assert (tracks[len(lattice) :] == tracks[: len(lattice)]).sum() == len(lattice) - 1


def test_trackpy_bridges_a_frame(lattice):
    pytest.importorskip("trackpy")
    frames = np.repeat([0, 1, 2], len(lattice))
    keep = np.ones(3 * len(lattice), bool)
    keep[len(lattice) + 20] = False
    points = np.tile(lattice, (3, 1))[keep]
    bridged = link_frames(points, frames[keep], 0.3, method="trackpy", memory=1)
    assert bridged.max() == len(lattice) - 1
    cut = link_frames(points, frames[keep], 0.3)
    assert cut.max() == len(lattice)


def test_transitions_of_a_written_out_case():
    labels = np.array([0, 1, 0, 1, 1, 0, 2])
    frames = np.array([0, 0, 0, 1, 1, 2, 2])
    tracks = np.array([0, 1, 2, 0, 1, 0, 3])
    found = count_transitions(labels, frames, tracks, 3)
    np.testing.assert_array_equal(found.counts, [[0, 1, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(found.vanished, [1, 1, 0])
    np.testing.assert_array_equal(found.appeared, [0, 0, 1])
    assert np.isnan(found.probabilities[2]).all()
    np.testing.assert_allclose(found.probabilities[:2].sum(axis=1), 1)
    two = count_transitions(labels, frames, tracks, 3, lag=2)
    np.testing.assert_array_equal(two.counts, [[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(count_populations(labels, frames, 3, 3), [[2, 1, 0], [0, 2, 0], [1, 0, 1]])


def test_events_of_a_written_out_case():
    """Unit 0 changes and dies, unit 1 stays, unit 2 is born, unit 3 lies on the border."""
    frames = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    tracks = np.array([0, 1, 3, 0, 1, 2, 1, 2])
    labels = np.array([0, 1, 0, 1, 1, 0, 1, 0])
    positions = np.column_stack([np.arange(8.0), 10 * np.arange(8.0)])
    found = FollowedUnits("cells", ("a", "b"), positions, frames, tracks, labels, tracks != 3)
    events = {name: values.tolist() for name, values in found.events().items()}
    assert events == {
        "frame": [1, 1, 2], "track": [0, 2, 0], "x": [3.0, 5.0, 3.0], "y": [30.0, 50.0, 30.0],
        "before": ["a", "none", "b"], "after": ["b", "a", "none"],
    }  # fmt: skip
    assert repr(found) == "<4 cells in 3 frames: 1 births, 1 deaths, 1 changes>"


@pytest.mark.parametrize("wrong", [{"reach": 0}, {"reach": 1, "method": "eye"}, {"reach": 1, "memory": 2}])
def test_wrong_calls_are_refused(lattice, wrong):
    with pytest.raises(ValueError, match=r"expected|needs"):
        link_frames(lattice, np.zeros(len(lattice), int), **wrong)

"""Movies: the same atom is the same track, and planted rates are found again."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import hyperspy_motifs as hm
from hyperspy_motifs.draw import plot_populations, plot_transitions
from hyperspy_motifs.movies import count_populations, count_transitions, estimate_drift, link_frames

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


@pytest.mark.parametrize("wrong", [{"reach": 0}, {"reach": 1, "method": "eye"}, {"reach": 1, "memory": 2}])
def test_wrong_calls_are_refused(lattice, wrong):
    with pytest.raises(ValueError, match=r"expected|needs"):
        link_frames(lattice, np.zeros(len(lattice), int), **wrong)

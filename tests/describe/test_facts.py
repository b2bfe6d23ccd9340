"""Coordination, brightness, place and separation against planted truth."""

import numpy as np
import pytest

from hyperspy_motifs.describe import compare_brightness, describe_place, find_shell, separate

A = 0.33


def honeycomb(columns=21, rows=19):
    """Two sublattices of a honeycomb with the lattice constant A, all points within a rectangle."""
    i, j = (v.ravel() for v in np.meshgrid(np.arange(columns), np.arange(rows)))
    corner = A * np.column_stack([i + 0.5 * (j % 2), np.sqrt(0.75) * j])
    return corner, corner + A * np.array([0.0, 1 / np.sqrt(3)])


def margin(points):
    return np.minimum(points - points.min(axis=0), points.max(axis=0) - points).min(axis=1)


def test_the_shell_of_a_honeycomb_has_three_neighbours_of_the_other_kind():
    rng = np.random.default_rng(0)
    first, second = honeycomb()
    points = np.vstack([first, second]) + rng.normal(0, 0.004, (2 * len(first), 2))
    labels = np.repeat([0, 1], len(first))
    shell = find_shell(points, labels, np.flatnonzero(labels == 0), margin(points))
    assert shell.motifs == (1,)
    assert shell.numbers == (3.0,)
    assert shell.distances[0] == pytest.approx(A / np.sqrt(3), abs=0.002)
    # Of the difference of two positions.
    assert shell.scatters[0] == pytest.approx(0.004 * np.sqrt(2), rel=0.2)
    assert A / np.sqrt(3) < shell.reach < A


def test_an_empty_site_is_a_neighbour_and_a_border_hides_none():
    first, second = honeycomb()
    labels = np.repeat([0, 1], len(first))
    points = np.vstack([first, second])
    middle = int(np.argmin(np.sum((first - first.mean(axis=0)) ** 2, axis=1)))
    near = np.flatnonzero(np.linalg.norm(points - points[middle], axis=1) < 0.2)
    labels[near[near != middle][0]] = -1
    labels[middle] = 2
    shell = find_shell(points, labels, np.array([middle]), margin(points))
    assert dict(zip(shell.motifs, shell.numbers, strict=True)) == {1: 2.0, -1: 1.0}
    corner = np.array([int(np.argmin(points.sum(axis=1)))])
    assert find_shell(points, labels, corner, margin(points)) is None
    assert find_shell(points[:1], labels[:1], np.array([0]), np.ones(1)) is None


@pytest.mark.parametrize("planted", ["random", "clustered", "line"])
def test_the_place_of_planted_atoms(planted):
    sites, _ = honeycomb(31, 29)
    rng = np.random.default_rng(1)
    if planted == "random":
        chosen = rng.choice(len(sites), 30, replace=False)
    elif planted == "clustered":
        chosen = np.argsort(np.sum((sites - sites.mean(axis=0)) ** 2, axis=1))[:30]
    else:
        chosen = np.flatnonzero(np.isclose(sites[:, 1], sites[31 * 14, 1]))[3:27]
    place = describe_place(sites[chosen], sites, A / np.sqrt(3))
    assert place.kind == ("random" if planted == "random" else "clustered")
    assert place.is_line == (planted == "line")
    assert place.n_sites == len(sites)
    if planted == "line":
        assert place.alignment == pytest.approx(1)
        assert place.direction == pytest.approx(0, abs=1e-6)


def test_what_sites_are_made_of_is_not_tested():
    sites, _ = honeycomb()
    place = describe_place(sites[5:], sites, A)
    assert (place.kind, place.p_value) == ("everywhere", 1.0)


def test_brightness_is_relative_and_ignores_what_is_unknown():
    rng = np.random.default_rng(2)
    heights = np.r_[rng.normal(60, 6, 300), rng.normal(100, 3, 500), np.nan]
    members = np.arange(801) < 300
    ratio, scatter, weaker = compare_brightness(heights, members, ~members)
    assert ratio == pytest.approx(0.6, abs=0.02)
    assert scatter == pytest.approx(0.06, abs=0.01)
    assert weaker > 0.999
    assert sum(compare_brightness(heights, m, ~m)[2] for m in (members, ~members)) == pytest.approx(1)
    assert np.isnan(compare_brightness(heights, members & False, ~members)).all()


def test_separation_is_that_of_the_distributions_also_for_a_few_points_in_many_dimensions():
    rng = np.random.default_rng(3)
    shift = np.zeros(20)
    shift[3] = 4.0
    # The largest scatter is not along the difference.
    spread = np.where(np.arange(20) == 7, 9.0, 1.0)
    distance, confused = separate(
        rng.normal(size=(900, 20)) * spread, rng.normal(size=(700, 20)) * spread + shift
    )
    assert distance == pytest.approx(4.0, abs=0.3)
    # Of two normal distributions at four standard deviations.
    assert confused == pytest.approx(0.023, abs=0.01)
    same = [separate(rng.normal(size=(200, 20)), rng.normal(size=(8, 20))) for _ in range(12)]
    assert abs(np.mean([d for d, _ in same])) < 0.5
    assert np.mean([c for _, c in same]) == pytest.approx(0.5, abs=0.12)
    assert np.isnan(separate(np.zeros((1, 3)), np.ones((5, 3)))).all()

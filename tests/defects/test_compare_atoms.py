"""Atoms compared with their counterparts, on lattices of points with planted defects."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control

from hyperspy_motifs.data import lattice_specimen, m1_oxide_specimen
from hyperspy_motifs.defects import (
    Counterparts,
    combine_p_values,
    compare_atoms,
    find_counterparts,
    fit_null,
    null_p_values,
    predict_places,
    ratio_p_values,
    site_kinds,
)

SPACING = 15.0
SHAPE = (420, 470)
NOISE = 0.05


def honeycomb(seed):
    """Two species on a honeycomb: points in pixels, intensities and shapes with noise, and the site of each."""
    rng = np.random.default_rng(seed)
    specimen = lattice_specimen("honeycomb", 400.0, SPACING)
    points, site = specimen.positions + 0.5 * np.array(SHAPE[::-1]), specimen.labels
    inside = (points > 0).all(axis=1) & (points < np.array(SHAPE[::-1]) - 1).all(axis=1)
    points, site = points[inside], site[inside]
    intensities = np.array([1.0, 1.6])[site] * (1 + NOISE * rng.standard_normal(len(points)))
    shapes = 0.05 * rng.standard_normal((len(points), 3))
    return points + 0.02 * SPACING * rng.standard_normal(points.shape), intensities, shapes, site


def m1_oxide(seed):
    """M1 with vanadium and empty channels at random: as `honeycomb`, on a field of (720, 770) pixels."""
    rng = np.random.default_rng(seed)
    specimen = m1_oxide_specimen(8.0, random_state=seed)
    n = len(specimen.positions)
    site, operation = specimen.labels, specimen.per_column["operation"]
    # Linkers on two-fold axes occur in two orientations.
    site = 4 * site + np.where(np.isin(site, (9, 10)), operation // 2 * 2, operation)
    intensities = np.bincount(specimen.column, specimen.counts * specimen.numbers**1.7, n)
    intensities *= (1 + 0.03 * rng.standard_normal(n)) / np.median(intensities)
    shapes = 0.05 * rng.standard_normal((n, 3))
    points = specimen.positions / 0.012 + [385.0, 360.0] + 0.27 * rng.standard_normal((n, 2))
    inside = (points > 0).all(axis=1) & (points < [769, 719]).all(axis=1)
    return points[inside], intensities[inside], shapes[inside], site[inside]


def inner(points, n, seed):
    """Atoms far from the border and from each other."""
    rng = np.random.default_rng(seed)
    extent = np.array(SHAPE[::-1]) - 1
    order = rng.permutation(np.flatnonzero(np.minimum(points, extent - points).min(axis=1) > 4 * SPACING))
    chosen = []
    for k in order:
        if all(np.hypot(*(points[k] - points[j])) > 5 * SPACING for j in chosen):
            chosen.append(k)
    return np.array(chosen[:n])


def outliers(points, intensities, shapes):
    found = compare_atoms(points, intensities, shapes, SPACING, SHAPE, 0.05)
    return found, np.flatnonzero(found.q_values <= 0.05)


def test_a_planted_defect_of_each_kind_is_found_alone_and_measured():
    points, intensities, shapes, _ = honeycomb(0)
    dim, bright, moved, wide = inner(points, 4, 0)
    intensities[dim] *= 0.6
    intensities[bright] *= 1.4
    points[moved] += np.array([0.12, -0.09]) * SPACING
    shapes[wide, 0] += 0.45
    found, flagged = outliers(points, intensities, shapes)
    # One in twenty of those found may be false.
    assert {dim, bright, moved, wide} <= set(flagged)
    assert len(flagged) <= 5
    assert np.nanargmin(found.p_values[dim]) == np.nanargmin(found.p_values[bright]) == 0
    assert np.nanargmin(found.p_values[moved]) == 1
    assert np.nanargmin(found.p_values[wide]) == 2
    assert found.ratios[dim] == pytest.approx(0.6, abs=0.12)
    assert found.displacements[moved] == pytest.approx([0.12 * SPACING, -0.09 * SPACING], abs=0.06 * SPACING)


def test_lattices_without_defects_rarely_have_outliers():
    with_any = sum(len(outliers(*honeycomb(seed)[:3])[1]) > 0 for seed in range(4))
    # At a rate of 0.05 two of four have a probability of 1.4 %.
    assert with_any <= 1


def test_a_slope_of_brightness_is_no_defect():
    points, intensities, shapes, _ = honeycomb(3)
    dim = inner(points, 1, 3)[0]
    intensities[dim] *= 0.6
    intensities *= 0.6 + 0.8 * points[:, 0] / SHAPE[1]
    _, flagged = outliers(points, intensities, shapes)
    assert list(flagged) == [dim]


def test_neighbours_of_a_vacancy_are_no_outliers_of_their_own():
    points, intensities, shapes, _ = honeycomb(4)
    empty = inner(points, 3, 4)
    kept = np.setdiff1d(np.arange(len(points)), empty)
    _, flagged = outliers(points[kept], intensities[kept], shapes[kept])
    near = cKDTree(points[empty]).query(points[kept][flagged])[0] if len(flagged) else np.zeros(0)
    assert not (near < 1.2 * SPACING).any()


def test_an_empty_site_is_listed_with_atoms_and_its_neighbours_are_not():
    points, intensities, shapes, _ = honeycomb(4)
    gone, dim = inner(points, 2, 4)
    empty = np.arange(len(points)) == gone
    intensities[gone] = 0.03
    intensities[dim] *= 0.6
    shapes[gone] = np.nan
    found = compare_atoms(points, intensities, shapes, SPACING, SHAPE, 0.05, empty=empty)
    flagged = np.flatnonzero(found.q_values <= 0.05)
    # One in twenty of those found may be false.
    assert {gone, dim} <= set(flagged)
    assert len(flagged) <= 3
    assert abs(found.ratios[gone]) < 0.1
    assert np.isnan(found.p_values[gone, 1:]).all()
    # The neighbours of the empty site are compared like all others.
    near = (np.hypot(*(points - points[gone]).T) < 1.2 * SPACING) & ~empty
    assert np.isfinite(found.p_values[near, 0]).all()
    assert not near[flagged].any()


def test_near_the_border_intensities_are_compared_by_translations():
    points, intensities, shapes, site = honeycomb(6)
    extent = np.array(SHAPE[::-1]) - 1
    edge = np.minimum(points, extent - points).min(axis=1)
    # Translations join the atoms of a species; here with six random ones, those in the middle among them.
    rng = np.random.default_rng(6)
    deep = [np.flatnonzero((site == k) & (edge > 3 * SPACING)) for k in (0, 1)]
    twins = np.stack([rng.choice(deep[k], 6, replace=False) for k in site])
    close = np.flatnonzero((edge > 0.9 * SPACING) & (edge < 1.4 * SPACING) & (site == 1))[5]
    intensities[close] *= 0.4
    found = compare_atoms(points, intensities, shapes, SPACING, SHAPE, 0.05, twins=twins)
    assert list(np.flatnonzero(found.q_values <= 0.05)) == [close]
    assert found.ratios[close] == pytest.approx(0.4, abs=0.1)
    assert np.array_equal(found.at_border, edge < 0.75 * SPACING)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_column_of_noise_within_a_ring_is_no_defect(seed):
    points, intensities, shapes, site = honeycomb(seed)
    extent = np.array(SHAPE[::-1]) - 1
    deep = np.minimum(points, extent - points).min(axis=1) > 5 * SPACING
    rng = np.random.default_rng(seed)
    twins = np.stack([rng.choice(np.flatnonzero(deep & (site == k)), 6, replace=False) for k in site])
    middle = np.flatnonzero(deep)[50]
    neighbour = cKDTree(points).query(points[middle], k=2)[1][1]
    # The centre of a ring is opposite to a neighbour, and no translation leads to it.
    points = np.concatenate([points, [2 * points[middle] - points[neighbour]]])
    intensities, shapes = np.append(intensities, 0.1), np.concatenate([shapes, np.zeros((1, 3))])
    twins = np.concatenate([twins, np.full((1, 6), -1)])
    found = compare_atoms(points, intensities, shapes, SPACING, SHAPE, 0.05, twins=twins)
    assert found.q_values.min() > 0.05
    assert found.extra[-1]
    assert not found.unlike.any()


def test_sites_that_no_translation_joins_are_of_different_kinds():
    ring = np.arange(60)
    twins = np.concatenate([(ring + 1) % 60, 60 + (ring + 7) % 60, [121, 120]])[:, None]
    kinds = site_kinds(twins)
    assert len(set(kinds[:60])) == len(set(kinds[60:120])) == 1
    assert kinds[0] != kinds[60]
    # Two sites are too few for a comparison.
    assert (kinds[120:] == -1).all()


@pytest.mark.parametrize("seed", [1, 4])
def test_atoms_with_few_of_their_kind_are_compared_with_those_or_by_intensity_with_all(seed):
    points, intensities, shapes, site = m1_oxide(seed)
    # Each of 48 sites occurs 9 to 19 times, and its surroundings repeat less often.
    gone = np.flatnonzero((site == 0) & (np.hypot(*(points - [385, 360]).T) < 250))[0]
    intensities[gone] = 0.1
    found = compare_atoms(points, intensities, shapes, 27.5, (720, 770), 0.05)
    assert list(np.flatnonzero(found.q_values <= 0.05)) == [gone]
    tested = np.isfinite(found.combined)
    alike = tested & ~found.unlike
    right = (site[found.counterparts.index] == site[:, None]).mean(axis=1)
    assert right[alike].mean() > 0.97
    assert (found.counterparts.count[alike] >= 4).all()
    # Those in surroundings that do not repeat are counted, and compared with any kind of atom by their intensity.
    assert 0 < found.unlike.sum() < 0.25 * tested.sum()
    assert np.array_equal(~tested, found.at_border)
    assert np.isnan(found.p_values[found.unlike, 1:]).all()
    odd = np.flatnonzero(found.unlike)[0]
    intensities[odd] = 1.6 * intensities.max()
    flagged = compare_atoms(points, intensities, shapes, 27.5, (720, 770), 0.05).q_values <= 0.05
    assert flagged[[gone, odd]].all()
    assert flagged.sum() <= 3


def test_moved_atoms_of_a_large_cell_are_found_from_their_neighbours():
    points, intensities, shapes, site = m1_oxide(2)
    moved = [
        np.flatnonzero((site == k) & (np.hypot(*(points - [385, 360]).T) < 250))[0] for k in (0, 7, 18, 25)
    ]
    points[moved] += 0.15 * 27.5 * np.array([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8], [0.8, -0.6]])
    found = compare_atoms(points, intensities, shapes, 27.5, (720, 770), 0.05)
    assert (found.q_values[moved] <= 0.05).sum() >= 3
    assert (found.q_values <= 0.05).sum() <= 5


def test_heavy_dopants_do_not_hide_each_other():
    points, intensities, shapes, site = honeycomb(4)
    # Beside each a light site at the same angle, one of them empty: these sites resemble each other most.
    heavy = np.flatnonzero(site == 1)[inner(points[site == 1], 3, 4)]
    intensities[heavy] *= 2.7
    gone = cKDTree(points).query(points[heavy[0]] + [0, SPACING])[1]
    intensities[gone] = 0.03
    empty = np.arange(len(points)) == gone
    found = compare_atoms(points, intensities, shapes, SPACING, SHAPE, 0.05, empty=empty)
    assert {gone, *heavy} <= set(np.flatnonzero(found.q_values <= 0.05))
    assert found.unlike.sum() == 0


def test_atoms_at_the_border_are_not_tested():
    points, intensities, shapes, _ = honeycomb(5)
    found, _ = outliers(points, intensities, shapes)
    extent = np.array(SHAPE[::-1]) - 1
    close = np.minimum(points, extent - points).min(axis=1) < 1.5 * SPACING
    assert np.array_equal(found.at_border, close)
    assert np.isnan(found.p_values[close]).all()
    assert (found.q_values[close] == 1).all()


def test_counterparts_stand_on_the_same_site_whatever_stands_there():
    points, intensities, _, site = honeycomb(6)
    odd = inner(points, 1, 6)[0]
    # A heavy atom on a light site is compared with light ones.
    intensities[odd] = 1.6 if site[odd] == 0 else 1.0
    counterparts = find_counterparts(points, intensities / np.median(intensities), SPACING)
    middle = np.minimum(points, np.array(SHAPE[::-1]) - points).min(axis=1) > 3 * SPACING
    assert (site[counterparts.index[middle]] == site[middle, None]).all()
    assert (counterparts.index != np.arange(len(points))[:, None]).all()


def test_predicted_places_do_not_follow_the_atom():
    points, intensities, _, _ = honeycomb(7)
    chosen = inner(points, 5, 7)
    step = 0.1 * SPACING * np.array([np.cos(1.1), np.sin(1.1)])
    before, after = points, points.copy()
    after[chosen] += step
    moved = [
        predict_places(p, find_counterparts(p, intensities, SPACING), SPACING).displacements()[0]
        for p in (before, after)
    ]
    assert np.mean(moved[1][chosen] - moved[0][chosen], axis=0) == pytest.approx(step, rel=0.15)


def test_the_null_is_that_of_the_bulk_and_not_of_the_defects():
    rng = np.random.default_rng(8)
    z = 1.3 * rng.standard_normal((4000, 1))
    z[:300] = -9.0
    scale, _ = fit_null((z[z > 0] ** 2), 1, central=0.97)
    assert np.sqrt(scale) == pytest.approx(1.3, rel=0.06)
    p = null_p_values(z, central=0.97)
    assert p[:300].max() < 1e-6
    assert np.mean(p[300:] < 0.01) == pytest.approx(0.01, abs=0.005)


def test_defects_found_on_either_side_do_not_make_the_tails_heavy():
    z = np.random.default_rng(11).standard_normal((1000, 1))
    z[:40], z[40:90], z[90] = 24.0, -12.0, 4.5
    found = np.abs(z[:, 0]) > 10
    hidden, shown = (null_p_values(z, central=0.97, found=known)[90] for known in (None, found))
    assert hidden > 1e-3 > 1e-4 > shown


def ratios_in_noise(n_vacancies, seed=12):
    """Standardised residuals of 3000 columns, two in three of which are noisy, and whether each is half empty."""
    rng = np.random.default_rng(seed)
    scatter = rng.choice([0.05, 0.16, 0.17], 3000)
    empty = np.arange(3000) < n_vacancies
    near = rng.integers(0, 3000, (3000, 48))
    alike = Counterparts(near, np.ones(3000), np.full(3000, 48), np.ones(3000))
    z = rng.standard_normal(3000) - 0.5 * empty / scatter
    return z, (scatter, alike, np.ones(3000, bool), np.zeros(3000), 0.97), empty


def test_the_odds_of_a_defect_have_uniform_p_values_where_there_is_none():
    z, told, _ = ratios_in_noise(0)
    p = ratio_p_values(z, *told)
    for level in (0.003, 0.03, 0.3):
        assert np.mean(p < level) == pytest.approx(level, rel=0.4)


def test_what_occurs_often_is_found_where_a_single_one_is_not():
    z, told, empty = ratios_in_noise(240)
    by_odds, alone = ratio_p_values(z, *told), null_p_values(z[:, None], central=0.97)
    listed, usual = (false_discovery_control(p) <= 0.05 for p in (by_odds, alone))
    assert listed[empty].mean() > usual[empty].mean() + 0.08
    assert np.mean(~empty[listed]) < 0.08


def test_defects_are_certain_in_an_image_without_noise():
    _, (scatter, *told), empty = ratios_in_noise(3)
    z = np.random.default_rng(1).standard_normal(3000) - 0.5 * empty / (1e-9 * scatter)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        p = ratio_p_values(z, 1e-9 * scatter, *told)
    assert (p[empty] < 1e-100).all()
    assert (p[~empty] > 1e-9).all()


def test_heavy_tails_are_seen():
    rng = np.random.default_rng(9)
    _, heavy = fit_null((rng.standard_t(4, (6000, 2)) ** 2).sum(axis=1), 2)
    _, light = fit_null((rng.standard_normal((6000, 2)) ** 2).sum(axis=1), 2)
    assert heavy < 10 < 30 < light


def test_combined_p_values_are_uniform_under_dependence_and_keep_small_ones():
    rng = np.random.default_rng(10)
    from scipy.stats import norm

    shared = rng.standard_normal((40000, 1))
    p = norm.sf(np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.standard_normal((40000, 3)))
    assert np.mean(combine_p_values(p) < 0.001) == pytest.approx(0.001, abs=0.0005)
    assert combine_p_values(np.array([[1e-200, 0.5, np.nan]]))[0] == pytest.approx(2e-200)
    assert combine_p_values(np.full((1, 3), np.nan))[0] == 1


@pytest.mark.parametrize("n", [12, 13, 40])
@pytest.mark.filterwarnings("error")
def test_few_equal_or_coincident_atoms_have_no_outliers(n):
    rng = np.random.default_rng(n)
    anywhere = rng.uniform(0, 100, (n, 2))
    for points in (anywhere, np.repeat(anywhere[: n // 2 + 1], 2, axis=0)[:n]):
        for shape in ((105, 101), (33, 30)):
            found = compare_atoms(points, np.ones(n), np.zeros((n, 3)), 10.0, shape, 0.05)
            assert (found.q_values > 0.05).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("known", ["places", "shapes"])
def test_defects_among_equal_columns_are_certain(known):
    rng = np.random.default_rng(1)
    points = 11.0 + 10.0 * np.indices((21, 20)).reshape(2, -1).T
    shapes = np.zeros((420, 3))
    if known == "places":
        points += rng.normal(0, 0.1, points.shape)
    else:
        shapes += rng.normal(0, 0.02, shapes.shape)
    intensities = np.ones(420)
    half_empty = np.arange(45, 420, 43)
    intensities[half_empty] = 0.5
    found = compare_atoms(points, intensities, shapes, 10.0, (213, 223), 0.05)
    tested = np.setdiff1d(np.flatnonzero(~found.at_border), half_empty)
    assert (found.q_values[half_empty[~found.at_border[half_empty]]] < 1e-6).all()
    assert (found.q_values[tested] > 0.05).all()
    assert np.isfinite(found.p_values[tested, 0]).all()


def test_shapes_of_which_one_follows_from_the_others_are_compared():
    points, intensities, shapes, _ = honeycomb(7)
    shapes[:, 2] = 0.3 * shapes[:, 1]
    tests = compare_atoms(points, intensities, shapes, SPACING, SHAPE, 0.05)
    assert np.isfinite(tests.p_values[~tests.at_border]).all()

"""Brightness by composition, and the candidates by rule."""

from itertools import product

import numpy as np
import pytest

from hyperspy_motifs.identify import (
    candidates_of,
    compositions_by_brightness,
    dopants_of,
    effective_numbers,
    fit_levels,
    substitutes_of,
)

data = pytest.importorskip("ase.data")
MO, SE2, SE, W, S2 = ((42, 1.0),), ((34, 2.0),), ((34, 1.0),), ((74, 1.0),), ((16, 2.0),)


def brightness(composition, exponent=1.7, gain=0.1):
    return gain * sum(n * z**exponent for z, n in composition)


def test_the_exponent_follows_from_columns_and_stays_in_its_bounds():
    hosts = [MO, W, SE, S2, ((79, 1.0),), ((13, 1.0),)]
    counts = np.full(len(hosts), 200.0)
    for exponent in (1.6, 1.8):
        seen = np.array([brightness(c, exponent) for c in hosts])
        levels = fit_levels(hosts, seen, counts, 0.05, True)
        # The prior counts as well.
        assert levels.exponent == pytest.approx(exponent, abs=0.06)
        assert levels.exponent > 1.59 + 0.1 * (exponent > 1.7)
        assert levels.means == pytest.approx(seen, rel=0.01)
    hosts, counts = hosts[:3], counts[:3]
    # No power law describes these: the exponent stays possible, and the prior says that it is unlikely.
    odd = fit_levels(hosts, np.array([1.0, 0.2, 3.0]), counts, 0.05, True)
    assert 0.6 <= odd.exponent <= 2.0
    usual = fit_levels(hosts, np.array([brightness(c) for c in hosts]), counts, 0.05, True)
    assert odd.log_density < usual.log_density - 20


def test_a_level_without_columns_is_as_uncertain_as_the_law():
    levels = fit_levels(
        [MO, SE2, W],
        np.array([brightness(MO), brightness(SE2), np.nan]),
        np.array([300.0, 290, 0]),
        0.05,
        True,
    )
    assert levels.means[2] == pytest.approx(brightness(W), rel=0.1)
    assert 0.1 < levels.errors[2] / levels.means[2] < 0.3
    assert levels.errors[0] / levels.means[0] < 0.01


def test_substitutes_are_of_like_size_and_valence():
    weights = substitutes_of(42, data.covalent_radii)
    assert sum(weights.values()) == pytest.approx(1.0)
    best = sorted(weights, key=weights.get, reverse=True)
    assert best[0] == 74
    assert {24, 41, 73} <= set(best)
    assert not {43, 54, 8} & set(best)


def test_dopants_that_are_given_stand_on_the_site_that_they_are_like():
    weights = dopants_of([74, 34], data.covalent_radii, [22, 16])
    assert weights[74][22] > 0.45
    assert weights[34][16] > 0.45
    assert max(weights[34][22], weights[74][16]) < 0.005
    assert dopants_of([42], data.covalent_radii, [42]) == {42: {}}
    # Titanium is no substitute of selenium: two of it on its site are unlikely, however many tungsten is replaced by it.
    weights = dopants_of([74, 34], data.covalent_radii, [22])
    for host, kind in ((W, "substitution"), (SE2, "substitution")):
        some = candidates_of(host, [W, SE2], True, weights)
        total = sum(c.weight for c in some if c.kind == kind)
        assert (total == pytest.approx(0.03, rel=0.02)) if host == W else (total < 3e-4)
        assert sum(c.weight for c in some) == pytest.approx(1.0)


def test_candidates_of_a_pair_hold_the_known_point_defects():
    substitutes = {34: {16: 0.7, 52: 0.3}}
    some = candidates_of(SE2, [MO, SE2], True, substitutes)
    kinds = {c.composition: c.kind for c in some}
    assert sum(c.weight for c in some) == pytest.approx(1.0)
    assert kinds[SE] == "vacancy"
    assert kinds[S2] == "substitution"
    assert kinds[((42, 1.0), (34, 1.0))] == "antisite"
    assert kinds[((34, 3.0),)] == "adatom"
    # Columns of a crystal are changed as a whole.
    assert SE not in {c.composition for c in candidates_of(SE2, [MO, SE2], False, substitutes)}
    assert len(candidates_of(SE2, [MO, SE2], True, substitutes, defects=False)) == 1


def named(values, motifs, scatter=0.05):
    """The likeliest composition of selenium columns with these brightnesses, beside 200 molybdenum columns."""
    substitutes = {z: substitutes_of(z, data.covalent_radii) for z in (42, 34)}
    candidates = [candidates_of(host, [MO, SE2], True, substitutes) for host in (MO, SE2)]
    metal = np.full(200, brightness(MO))
    found = compositions_by_brightness(
        np.concatenate([metal, values]),
        np.zeros(200 + len(values)),
        np.repeat([0, 1], [200, len(values)]),
        np.concatenate([np.full(200, 9), motifs]),
        candidates,
        scatter,
        True,
    )
    shares = found.probabilities[200:]
    assert (shares.sum(axis=1) + found.unexplained[200:]) == pytest.approx(np.ones(len(values)))
    return [found.compositions[j] for j in shares.argmax(axis=1)], shares.max(axis=1), found.unexplained[200:]


def test_vacancies_are_named_with_and_without_a_motif_of_their_own():
    rng = np.random.default_rng(3)
    full, half = brightness(SE2) * rng.normal(1, 0.05, 150), brightness(SE) * rng.normal(1, 0.05, 12)
    values = np.concatenate([full, half])
    for motifs in (np.repeat([0, 1], [150, 12]), np.zeros(162, int)):
        names, _, _ = named(values, motifs)
        assert names == [SE2] * 150 + [SE] * 12


def test_a_rare_bright_pair_is_named_unless_the_brightness_of_equal_columns_has_tails():
    # Molybdenum over selenium, 17 % brighter than two of selenium: four times the scatter of these.
    rng = np.random.default_rng(4)
    mixed = ((42, 1.0), (34, 1.0))
    shares = {}
    for tails in (False, True):
        scatter = rng.standard_t(4, 500) if tails else rng.normal(size=500)
        values = brightness(SE2) * np.append(1 + 0.04 * scatter, 1.17 * np.ones(2))
        names, share, _ = named(values, np.zeros(502, int), scatter=0.04)
        shares[tails] = share[-2:] * [name == mixed for name in names[-2:]]
        assert sum(name == SE2 for name in names) > 490
    assert shares[False].min() > 0.6
    assert shares[True].max() < 0.5


@pytest.mark.parametrize("level", [1.0, 0.9])
@pytest.mark.parametrize("own_motif", [True, False])
def test_many_columns_are_not_more_certain_of_their_name_than_a_few(level, own_motif):
    # Pairs of sulphur and of phosphorus differ by 11 %, no more than the law of scattering errs.
    rng, shares = np.random.default_rng(1), []
    for n in (3, 80):
        values = np.concatenate([np.full(300, brightness(SE2)), level * np.full(n, brightness(S2))])
        names, share, _ = named(
            values * rng.normal(1, 0.05, len(values)), np.repeat([0, int(own_motif)], [300, n])
        )
        assert names[-n:] == [S2] * n
        shares.append(share[-n:].mean())
    assert 0.4 < shares[1] < 0.9
    assert abs(shares[1] - shares[0]) < 0.1


def test_a_motif_of_two_kinds_does_not_turn_a_layer_round():
    rng = np.random.default_rng(8)
    true = [*[W] * 60, MO, W, *[SE2] * 55]
    values = np.array([brightness(c) for c in true]) * rng.normal(1, 0.03, len(true))
    hosts, substitutes = (
        np.repeat([0, 1], [62, 55]),
        {z: substitutes_of(z, data.covalent_radii) for z in (74, 34)},
    )
    odds = []
    for mixed in (False, True):
        motifs = np.repeat([0, 1, int(mixed), 2], [60, 1, 1, 55])
        evidence = []
        for columns in ((W, SE2), (SE2, W)):
            candidates = [candidates_of(c, columns, True, substitutes) for c in columns]
            found = compositions_by_brightness(values, 0 * values, hosts, motifs, candidates, 0.03, True)
            evidence.append(found.log_evidence)
            if columns[0] == W:
                assert [found.compositions[j] for j in found.probabilities.argmax(axis=1)] == true
        odds.append(evidence[0] - evidence[1])
    # As a motif of one composition it would cost exp(16).
    assert abs(odds[1] - odds[0]) < 8


def test_the_prior_of_the_exponent_is_that_of_screened_coulomb_potentials():
    elements = np.array([6, 8, 14, 16, 22, 34, 38, 42, 56, 74, 82])
    first, second = np.triu_indices(len(elements), 1)
    exponents = []
    for wavelength, inner in product((0.0487, 0.0418), (0.02, 0.03, 0.05, 0.08)):
        # Wentzel's potential: the screening angle of an element at 60 and 80 kV (wavelength in ångström).
        screening = wavelength * np.cbrt(elements) / (2 * np.pi * 0.885 * 0.529)
        outer = 4 * inner
        section = elements**2 * (1 / (inner**2 + screening**2) - 1 / (outer**2 + screening**2))
        slope = np.log(section[second] / section[first]) / np.log(elements[second] / elements[first])
        exponents.append(slope)
    low, middle, high = np.quantile(exponents, [0.25, 0.5, 0.75])
    hosts, counts = [((z, 1.0),) for z in (6, 13, 34, 47, 79)], np.full(5, 500.0)
    unknown = fit_levels(hosts, np.full(5, np.nan), 0 * counts, 0.02, True)
    assert unknown.exponent == pytest.approx(middle, abs=0.05)
    # A Cauchy density has half of its maximum at its quartiles.
    seen = [np.array([brightness(c, value) for c in hosts]) for value in (middle, low, high)]
    best, *others = [fit_levels(hosts, one, counts, 0.02, True).log_density for one in seen]
    assert np.mean(others) - best == pytest.approx(-np.log(2), abs=0.2)


def test_an_impossible_brightness_is_unexplained():
    values = np.append(np.full(60, brightness(SE2)), 40 * brightness(SE2))
    _, _, unexplained = named(values, np.zeros(61, int))
    assert unexplained[-1] > 0.9
    assert unexplained[:-1].max() < 0.1


def test_a_table_replaces_the_power_of_the_atomic_number():
    table = {"Mo": 10.0, "Se": 9.0, "S": 1.0}
    effective = effective_numbers(table)
    seen = np.array([20.0, 36.0, np.nan])
    levels = fit_levels([MO, SE2, S2], seen, np.array([200.0, 200, 0]), 0.05, True, effective)
    # One atom of selenium is 0.9 of molybdenum, as the columns show; two of sulphur are then a ninth of two of selenium.
    assert levels.means[2] == pytest.approx(4.0, rel=0.15)
    by_number = fit_levels([MO, SE2, S2], seen, np.array([200.0, 200, 0]), 0.05, True)
    assert by_number.log_density < levels.log_density
    assert (effective_numbers(None) == np.arange(120)).all()
    for value in (0.0, "5.1"):
        with pytest.raises(ValueError, match="positive"):
            effective_numbers({"Mo": value})

"""Frequencies in groups of images, with known truth."""

import numpy as np
import pytest

from hyperspy_motifs.collection import compare_groups

TOTALS = np.array([900, 1100, 1000, 950, 1050, 1000, 980, 1020, 940, 1060])
GROUPS = ["before"] * 5 + ["after"] * 5


def counts_of(shares, rng, extra=0.0):
    """Counts (10, 3): defects of the given share in each image, two frequent kinds; `extra` is the scatter of the shares."""
    shares = np.clip(np.asarray(shares) * np.exp(extra * rng.standard_normal(10)), 0, 1)
    rare = rng.binomial(TOTALS, shares)
    first = rng.binomial(TOTALS - rare, 0.5)
    return np.column_stack([first, TOTALS - rare - first, rare])


@pytest.mark.parametrize("extra", [0.0, 0.4])
def test_equal_groups_rarely_differ(extra):
    """With 2 % everywhere, also if images scatter, something is significant in not more than 5 % of the seeds."""
    found = [
        len(
            compare_groups(
                counts_of([0.02] * 10, np.random.default_rng(seed), extra), TOTALS, GROUPS
            ).significant()
        )
        for seed in range(200)
    ]
    assert np.count_nonzero(found) <= 0.05 * 200


def test_two_and_four_percent_are_told_apart_with_their_ratio():
    found = [
        compare_groups(counts_of([0.02] * 5 + [0.04] * 5, np.random.default_rng(seed)), TOTALS, GROUPS)
        for seed in range(150)
    ]
    assert sum(2 in one.significant() for one in found) >= 135
    truth = (0.04 / 0.96) / (0.02 / 0.98)
    covered = [one.intervals[2, 0] < truth < one.intervals[2, 1] for one in found]
    assert np.mean(covered) >= 0.9
    assert np.median([one.odds_ratios[2] for one in found]) == pytest.approx(truth, rel=0.1)


def test_atoms_are_no_samples():
    """One image of each group with many defects makes a difference over atoms, and none over images."""
    rng = np.random.default_rng(3)
    counts = counts_of([0.02, 0.02, 0.02, 0.02, 0.20, 0.02, 0.02, 0.02, 0.02, 0.02], rng)
    found = compare_groups(counts, TOTALS, GROUPS)
    assert found.fractions[2] < 0.6 * found.reference_fractions[2]
    assert found.dispersions[2] > 10
    assert 2 not in found.significant()


def test_the_reference_and_more_groups():
    counts = counts_of([0.02] * 4 + [0.05] * 3 + [0.02] * 3, np.random.default_rng(0))
    found = compare_groups(
        counts, TOTALS, list("aaaabbbccc"), reference="c", names=["A", "B", "vacancy"], families=["motif"] * 3
    )
    assert found.reference == "c"
    assert list(zip(found.groups, found.names, strict=True))[2::3] == [("a", "vacancy"), ("b", "vacancy")]
    assert found.significant().tolist()[0] == 5
    assert "motif vacancy" in repr(found)
    assert "in 'b'" in repr(found)


def test_what_is_absent_everywhere_has_no_row_and_what_is_absent_once_a_finite_ratio():
    counts = counts_of([0.0] * 5 + [0.03] * 5, np.random.default_rng(1))
    counts = np.column_stack([counts, np.zeros(10, int)])
    found = compare_groups(counts, TOTALS, GROUPS)
    assert len(found) == 3
    assert np.isfinite(found.odds_ratios).all()
    assert 2 in found.significant()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a"] * 10, "two groups"),
        (list("abcdefghij"), "images are the samples"),
        (["a", "b"], "one group per image"),
    ],
)
def test_what_cannot_be_compared_is_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        compare_groups(counts_of([0.02] * 10, np.random.default_rng(0)), TOTALS, groups)


def test_kinds_too_rare_to_differ_cost_nothing():
    """Thirty kinds of one or two atoms, all in one group, are as different as they can be, and that is not significant."""
    counts = counts_of([0.02] * 5 + [0.035] * 5, np.random.default_rng(2))
    alone = compare_groups(counts, TOTALS, GROUPS)
    rare = np.zeros((10, 30), int)
    rare[np.arange(30) % 5 + 5, np.arange(30)] = 1 + np.arange(30) % 2
    found = compare_groups(np.column_stack([counts, rare]), TOTALS, GROUPS)
    assert 2 in alone.significant()
    np.testing.assert_array_equal(found.q_values[:3], alone.q_values)
    assert (found.q_values[3:] == 1).all()
    assert (found.p_values[3:] < 1).all()


def test_a_group_of_one_image_is_a_caution():
    counts = counts_of([0.02] * 5 + [0.04] * 5, np.random.default_rng(0))
    alone = compare_groups(counts[:6], TOTALS[:6], GROUPS[:6])
    assert alone.n_images == {"before": 5, "after": 1}
    assert str(alone).startswith("caution: one image only in group 'after': images are the samples")
    assert "caution" not in str(compare_groups(counts, TOTALS, GROUPS))

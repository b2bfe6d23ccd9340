"""The table of defects, and whether they are clustered."""

from dataclasses import replace

import numpy as np
import pytest

from hyperspy_motifs.defects import (
    ANOTHER,
    VACANCY,
    Defects,
    compare_with_chance,
    merge_places,
)


def square_sites(rows=30, columns=40):
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(float)


def table(positions, kinds):
    k = len(positions)
    positions = np.asarray(positions, float)
    return Defects(
        fdr=0.05,
        positions=positions,
        pixel_positions=10 * positions,
        frames=np.zeros(k, int),
        kinds=np.array(kinds),
        q_values=np.linspace(0.001, 0.04, k),
        atoms=np.where(np.array(kinds) == VACANCY, -1, np.arange(k)),
        motifs=np.zeros(k, int),
        expected=np.zeros(k, int),
        ratios=np.full(k, 0.5),
        evidence=np.array([f"evidence {i}" for i in range(k)]),
        sites=square_sites(),
        site_motifs=np.zeros(1200, int),
        area=1131.0,
        n_tested=1100,
        n_at_border=61,
        n_unlike=0,
        spacing=1.0,
        units="nm",
    )


def test_each_place_is_listed_once_with_all_its_evidence():
    entries = {
        "positions": np.array([[0.0, 0.0], [5.0, 5.0], [0.3, 0.0], [5.0, 5.1]]),
        "frames": np.array([0, 0, 0, 1]),
        "evidence": np.array(["empty", "dim", "moved", "in another frame"]),
    }
    merged = merge_places(entries, spacing=1.0)
    assert merged["positions"].tolist() == [[0.0, 0.0], [5.0, 5.0], [5.0, 5.1]]
    assert merged["evidence"].tolist() == ["empty; moved", "dim", "in another frame"]


def test_the_headline_counts_vacancies_by_site_and_says_what_was_not_tested():
    defects = table([[1, 1], [3, 4], [8, 2], [9, 9]], [VACANCY, VACANCY, ANOTHER, "darker"])
    text = replace(defects, names=("X",)).headline()
    assert text.startswith("2 vacancies in 1,200 tested sites of X (0.17 ± 0.1 %), 1 atom of another motif")
    numbered = replace(defects, names=("0",)).headline()
    assert numbered == defects.headline() == text.replace("sites of X", "sites of motif 0")
    assert "1 darker atom at 5 % false discoveries; 61 atoms too close to the border to say" in text


def test_the_headline_says_what_single_outliers_are():
    kinds = ["extra"] * 3 + ["darker", "moved", "other", "other"]
    text = table([[k, k] for k in range(7)], kinds).headline()
    assert text.startswith(
        "3 extra columns, 1 darker atom, 1 moved atom, 2 atoms of another shape at 5 % false"
    )
    assert (
        table([[1, 1]], [VACANCY])
        .headline()
        .endswith(", no single outlier at 5 % false discoveries; 61 atoms too close to the border to say")
    )


def test_vacancies_of_many_kinds_of_sites_are_added_up():
    kinds = np.arange(1200) % 5
    many = table([[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]], [VACANCY] * 5)
    five = replace(many, expected=np.arange(5), site_motifs=kinds)
    assert five.headline().startswith("5 vacancies in 1,200 tested sites of 5 motifs (0.42 ± 0.2 %)")
    three = replace(many, expected=np.array([0, 1, 1, 2, 2]), site_motifs=kinds)
    assert "2 vacancies in 240 tested sites of motif 1" in three.headline()


def test_densities_have_exact_intervals():
    density = table([[1, 1], [3, 4], [8, 2]], [VACANCY] * 3).densities()[VACANCY]
    # Garwood's interval of three events is 0.619 to 8.767.
    assert np.array(density.per_area_interval) * 1131 == pytest.approx([0.619, 8.767], abs=1e-3)
    assert density.per_site == 3 / 1200
    assert str(table([[1, 1], [3, 4], [8, 2]], [VACANCY] * 3).densities()).startswith(
        "vacancy: 3 in 1,200 tested sites, 0.25 % ("
    )
    assert density.per_site_interval[0] < 3 / 1200 < density.per_site_interval[1]


def test_selection_by_kind_and_an_unknown_kind():
    defects = table([[1, 1], [3, 4], [8, 2]], [VACANCY, ANOTHER, "darker"])
    assert defects.select("darker").positions.tolist() == [[8, 2]]
    assert len(defects.select([VACANCY, ANOTHER])) == 2
    assert len(defects.select([])) == 0
    with pytest.raises(ValueError, match="kinds of defects are vacancy"):
        defects.select("holes")


def test_pairs_of_defects_are_clustered_and_random_ones_are_not():
    sites = square_sites()
    rng = np.random.default_rng(0)
    alone = sites[rng.choice(len(sites), 40, replace=False)]
    first = sites[rng.choice(len(sites), 20, replace=False)]
    step = np.where(first[:, :1] < 39, 1.0, -1.0) * [1.0, 0.0]
    pairs = np.concatenate([first, first + step])
    chance = [compare_with_chance(sites[rng.choice(1200, 40, replace=False)], sites, 1.0, n_permutations=99).p_value
              for _ in range(20)]  # fmt: skip
    assert compare_with_chance(pairs, sites, 1.0, n_permutations=199).kind == "clustered"
    assert compare_with_chance(alone, sites, 1.0, n_permutations=199).p_value > 0.05
    assert np.mean(np.array(chance) <= 0.05) <= 0.2


def test_evenly_spread_defects_are_dispersed():
    sites = square_sites()
    even = sites[(sites[:, 0] % 5 == 2) & (sites[:, 1] % 5 == 2)]
    assert compare_with_chance(even, sites, 1.0, n_permutations=199).kind == "dispersed"


def test_three_defects_say_nothing_about_clustering():
    found = table([[1, 1], [3, 4], [8, 2]], [VACANCY] * 3).test_clustering()
    assert found.kind == "too few"
    assert repr(found).startswith("<Clustering of 3 on ")
    assert repr(found).endswith(" sites: too few>")


def test_frames_of_a_stack_have_no_common_field():
    two = table([[1, 1], [3, 4], [8, 2], [6, 6]], [VACANCY] * 4)
    with pytest.raises(ValueError, match="no common field"):
        replace(two, frames=np.array([0, 0, 1, 1])).test_clustering()


def test_a_table_in_no_folder_says_so(tmp_path):
    defects = table([[1, 1]], [VACANCY])
    with pytest.raises(FileNotFoundError, match=r"The folder .* for a\.csv does not exist"):
        defects.to_csv(tmp_path / "absent" / "a.csv")
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file"):
        defects.to_csv(tmp_path)
    assert defects.to_csv(tmp_path / "a.csv").read_text().startswith("x,y,frame,kind")


def test_the_text_of_a_stack_has_the_frame_of_each_place():
    defects = table([[1, 1], [3, 4]], [VACANCY, "darker"])
    assert "frame" not in str(defects)
    of_stack = str(replace(defects, frames=np.array([0, 2]), n_frames=3)).splitlines()
    assert [line.split(" at (")[0].strip() for line in of_stack[1:]] == [
        "vacancy in frame 0",
        "darker in frame 2",
    ]

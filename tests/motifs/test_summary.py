"""What the summary of a result says first: orientations of one motif, boundaries, what lengths are in, and short lists."""

import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.describe import place_words
from hyperspy_motifs.motifs._summary import answers

pytestmark = pytest.mark.usefixtures("two_radii")


def lattice(kind, **options):
    return data.lattice(kind, shape=(236, 282), dose=3e5, random_state=3, **options)[0]


def test_three_orientations_of_one_site_are_said_first_with_what_to_do():
    motifs = lattice("kagome").find_motifs(radius=1.2, show_progressbar=False)
    first = motifs.summary().splitlines()[0]
    assert motifs.n_motifs == 3
    assert first.startswith(
        "caution: the 3 motifs are 1 in up to 3 orientations: find_motifs(rotation_invariant=True)"
    )
    again = motifs.signal.find_motifs(radius=1.2, rotation_invariant=True, show_progressbar=False)
    assert again.n_motifs == 1
    assert "orientation" not in again.summary()


def test_the_two_sites_of_a_honeycomb_are_no_caution():
    motifs = lattice("honeycomb").find_motifs(radius=1.2, show_progressbar=False)
    assert "in another orientation: motif 1 is motif 0 turned by 180°" in motifs.summary()
    assert "caution" not in motifs.summary()


def test_motifs_of_other_atoms_are_not_orientations(motifs):
    assert motifs.n_motifs > 2
    assert "orientation" not in motifs.summary()


def test_domains_and_boundaries_are_in_the_headline(tmp_path):
    signal, _ = data.twin_boundary(shape=(236, 258), dose=3e5, random_state=2)
    motifs = signal.find_motifs(show_progressbar=False)
    levels = {level.kind: level for level in motifs.hierarchy.levels}
    many = int(levels["boundary"].columns["n_cells"].sum())
    headline = next(line for line in motifs.summary().splitlines() if line.startswith("honeycomb"))
    found = f"2 domains of 2 kinds, 1 boundary ({many} cells)"
    assert f"{found}, " in headline
    assert found in motifs.report(tmp_path / "twin.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("scale", "units", "said"), [(1, "", "px"), (0.0125, "", "axis units"), (0.0125, "nm", "nm")]
)
def test_lengths_are_in_what_the_axes_are_in(found, scale, units, said):
    signal = found.deepcopy()
    signal.axes_manager.signal_axes.set(scale=scale, units=units)
    assert signal.motifs.units == said
    text = signal.motifs.summary()
    assert f" {said} apart" in text
    assert ("has no unit" in text) == (said == "axis units")


def test_frequent_motifs_are_listed_and_rare_ones_are_counted(motifs):
    labels = motifs.labels.copy()
    atoms = np.flatnonzero(labels == 0)
    for k in range(12):
        labels[atoms[7 * k : 7 * k + 7]] = motifs.n_motifs + k
    motifs.relabel(labels)
    lines = motifs.summary().splitlines()
    first = lines.index(f"{motifs.n_motifs} motifs")
    rest = np.sort(motifs.counts)[: motifs.n_motifs - 12]
    expected = f"  and {len(rest)} rarer ones of {rest.min()} to {rest.max()} atoms, {rest.sum()} together"
    assert lines[first + 13].startswith(expected)


def test_vacancies_of_the_test_and_of_the_structure_are_told_apart():
    """Holes at the border are places of the structure, and are not tested."""
    signal, _ = data.monolayer(
        "MoSe2", vacancies=0.0, double_vacancies=0.12, metal_dopant=None, chalcogen_dopant=None, shape=(180, 204),
        dose=3e5, random_state=6,
    )  # fmt: skip
    motifs = signal.find_motifs(radius=0.6)
    assert "two counts" not in motifs.summary()
    found = motifs.identify("MoSe2")
    tested, named = motifs.defects.counts["vacancy"], len(found.vacancy_labels)
    assert named > tested > 0
    line = next(line for line in motifs.summary().splitlines() if line.startswith("two counts of vacancies"))
    assert f"vacancies: {tested} are empty sites of the motifs" in line
    assert f"{named} are places of the structure" in line
    assert f"{named} V_Se2" in line


def test_page_one_and_the_descriptions_say_the_same_of_a_place(motifs):
    """Vacancies that are a motif: all of its atoms on all sites of the host, in both."""
    described = motifs.describe()
    listed = {int(k) for k in motifs.defects.motifs[motifs.defects.kinds == "another motif"]}
    lines = [line for line in dict(answers(motifs))["Defects"] if line.startswith("where: all ")]
    expected = []
    for k in sorted(listed):
        place, site = described[k].place, described[k].site
        expected.append(
            f"where: all {place.n_members:,} atoms of motif {k} on {place.n_sites:,} sites of motif {site}: "
            f"{place_words(place.kind, place.p_value)}"
        )
    assert listed
    assert lines == expected
    for k, line in zip(sorted(listed), lines, strict=True):
        assert line.rsplit(": ", 1)[1] in described[k].text

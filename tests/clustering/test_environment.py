"""What the kinds of the neighbours explain: sublattices, vacant places, effects on moments, environments."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import cKDTree

from hyperspy_motifs.clustering import Sublattices
from hyperspy_motifs.clustering._environment import Environments, Surroundings, vacant_places
from hyperspy_motifs.clustering._neighbour_effects import NeighbourEffects, StrainEffects
from hyperspy_motifs.sites import Neighbourhoods
from hyperspy_motifs.zernike import ZernikeBasis, get_moments

SPACING = 10.0
SHAPE = (330, 370)


def square():
    """Lattice points in nearest-neighbour distances, and the sublattice of each."""
    i, j = np.mgrid[-60:60, -60:60].reshape(2, -1)
    return np.column_stack([i, j]).astype(float), (i + j) % 2


def triangular():
    i, j = np.mgrid[-60:60, -60:60].reshape(2, -1)
    return np.column_stack([i + 0.5 * j, np.sqrt(0.75) * j]), np.zeros(len(i), dtype=int)


def honeycomb():
    points, _ = triangular()
    points = points * np.sqrt(3)
    return np.concatenate([points, points + np.array([0.0, 1.0])]), np.repeat([0, 1], len(points))


LATTICES = {"square": square, "triangular": triangular, "honeycomb": honeycomb}


def crystal(lattice, turn=0.0, jitter=0.03, seed=0):
    """x, y of columns in pixels all over the image, and the sublattice of each."""
    points, sublattice = LATTICES[lattice]()
    cosine, sine = np.cos(turn), np.sin(turn)
    points = points @ np.array([[cosine, sine], [-sine, cosine]])
    points = points + np.random.default_rng(seed).normal(0, jitter, points.shape)
    points = points * SPACING + np.array(SHAPE)[::-1] / 2 + [1.3, -2.1]
    inside = (points > 0).all(axis=1) & (points < np.array(SHAPE)[::-1] - 1).all(axis=1)
    return points[inside], sublattice[inside]


def around(points):
    return Neighbourhoods.of(points, SHAPE, SPACING)


def deep(points, margin=4.0):
    """Columns so many spacings inside the image."""
    return (np.minimum(points, np.array(SHAPE)[::-1] - points) > margin * SPACING).all(axis=1)


def vacancies(points, kinds=None):
    """Places that are found vacant, pixels, in any order."""
    neighbours = around(points)
    kinds = np.zeros(len(points), dtype=int) if kinds is None else kinds
    sublattices = Sublattices.of(neighbours, kinds)
    atom, x, y = vacant_places(neighbours, sublattices.bonds[kinds], sublattices.host[kinds])
    places = points[atom] + SPACING * np.column_stack([x, y])
    assert_allclose(np.hypot(x, y), np.linalg.norm(places - points[atom], axis=1) / SPACING)
    if not len(places):
        return places, atom
    distinct = [places[0]]
    for place in places[1:]:
        if min(np.linalg.norm(place - other) for other in distinct) > 0.5:
            distinct.append(place)
    return np.array(distinct), atom


# ---------------------------------------------------------------------- sublattices


@pytest.mark.parametrize("lattice", ["square", "honeycomb"])
def test_two_sublattices_are_their_own_hosts(lattice):
    """Each column of a honeycomb of two species, or of caesium chloride, has the other species around it."""
    points, sublattice = crystal(lattice, 0.2)
    found = Sublattices.of(around(points), sublattice)
    assert found.host.tolist() == [0, 1]
    assert found.minority.tolist() == []
    assert found.bonds.tolist() == [3, 3] if lattice == "honeycomb" else [4, 4]


@pytest.mark.parametrize("lattice", ["square", "honeycomb"])
@pytest.mark.parametrize("host", [0, 1])
def test_a_dopant_has_the_species_that_it_replaces_as_host(lattice, host):
    points, kinds = crystal(lattice, -0.3)
    rng = np.random.default_rng(5)
    kinds = kinds.copy()
    kinds[rng.permutation(np.flatnonzero(kinds == host))[:17]] = 2
    kinds[rng.permutation(np.flatnonzero(kinds == 1 - host))[:9]] = 3
    found = Sublattices.of(around(points), kinds)
    assert found.host.tolist() == [0, 1, host, 1 - host]
    assert found.minority.tolist() == [2, 3]


def test_species_at_random_on_one_lattice_share_it():
    points, _ = crystal("triangular")
    rng = np.random.default_rng(6)
    kinds = rng.choice(3, len(points), p=[0.7, 0.25, 0.05])
    found = Sublattices.of(around(points), kinds)
    assert found.host.tolist() == [0, 0, 0]
    assert found.bonds.tolist() == [6, 6, 6]


@pytest.mark.parametrize("order", ["alternating", "rows", "half", "chance"])
def test_only_species_that_alternate_do_not_replace_one_another(order):
    """The cations of a perovskite among oxygen, which is half of the columns of a square lattice."""
    i, j = np.mgrid[: int(SHAPE[1] / SPACING), : int(SHAPE[0] / SPACING)].reshape(2, -1)
    rng = np.random.default_rng(8)
    points = SPACING * (np.column_stack([i, j]) + 0.5 + rng.normal(0, 0.03, (len(i), 2)))
    second = {
        "alternating": i % 2,
        "rows": (i - j) // 2 % 2,
        "half": (i < i.max() / 2).astype(int),
        "chance": rng.integers(0, 2, len(i)),
    }
    kinds = np.where((i + j) % 2, 1 + second[order], 0)
    host = Sublattices.of(around(points), kinds).host
    assert (host[1] != host[2]) == (order in ("alternating", "rows"))


def test_neighbours_of_a_minority_kind_are_listed_with_distance_and_angle():
    points, kinds = crystal("square", jitter=0.0)
    dopant = int(cKDTree(points).query([180, 150])[1])
    kinds = kinds ^ kinds[dopant]  # the dopant replaces kind 0
    kinds[dopant] = 2
    found = Sublattices.of(around(points), kinds).surroundings(around(points), kinds, np.ones(len(kinds)))
    assert (found.kinds == 2).all()
    assert (found.n_atoms, found.n_kinds) == (len(points), 4)  # outliers are a kind of their own
    offset = SPACING * found.distance[:, None] * np.column_stack([np.cos(found.angle), np.sin(found.angle)])
    assert_allclose(points[found.atoms] + offset, np.tile(points[dopant], (len(found.atoms), 1)), atol=1e-9)
    nearest = found.counts(2, 0.0, 1.2)
    assert nearest.sum() == 4
    assert dopant not in found.atoms


# ---------------------------------------------------------------------- vacant places


@pytest.mark.parametrize("lattice", ["honeycomb", "triangular", "square"])
@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_a_missing_column_is_a_vacant_place(lattice, turn):
    points, _ = crystal(lattice, turn)
    inside = np.flatnonzero(deep(points))
    gone = inside[[len(inside) // 3, 2 * len(inside) // 3]]
    assert np.linalg.norm(np.diff(points[gone], axis=0)) > 3 * SPACING
    left = np.delete(points, gone, axis=0)
    places, atom = vacancies(left)
    assert len(places) == 2
    distance, _ = cKDTree(places).query(points[gone])
    assert distance.max() < 0.15 * SPACING
    # All atoms within reach see it.
    for place in points[gone]:
        reached = np.flatnonzero(np.linalg.norm(left - place, axis=1) < 2.4 * SPACING)
        assert np.isin(reached, atom).all()


def test_vacancies_of_one_sublattice_of_a_honeycomb_are_found():
    points, kinds = crystal("honeycomb", 0.1, seed=3)
    candidates = np.random.default_rng(2).permutation(np.flatnonzero(deep(points, 3) & (kinds == 1)))
    gone: list[int] = []
    for atom in candidates:
        if all(np.linalg.norm(points[atom] - points[other]) > 3.5 * SPACING for other in gone):
            gone.append(int(atom))
    gone = gone[:11]
    places, _ = vacancies(np.delete(points, gone, axis=0), np.delete(kinds, gone))
    assert len(places) == 11
    assert cKDTree(places).query(points[gone])[0].max() < 0.2 * SPACING


@pytest.mark.parametrize("lattice", ["honeycomb", "triangular", "square"])
@pytest.mark.parametrize("turn", [0.0, 0.25, 1.1])
def test_a_perfect_crystal_has_no_vacant_place(lattice, turn):
    points, kinds = crystal(lattice, turn, jitter=0.05, seed=8)
    assert len(vacancies(points)[0]) == 0
    if kinds.any():
        assert len(vacancies(points, kinds)[0]) == 0


@pytest.mark.parametrize(
    ("lattice", "turn"),
    [
        ("honeycomb", 0.0),
        ("honeycomb", np.pi / 6),
        ("triangular", 0.0),
        ("triangular", np.pi / 6),
        ("triangular", 0.21),
        ("square", 0.0),
        ("square", 0.35),
    ],
)
@pytest.mark.parametrize("edge", [171.0, 176.5])
def test_the_free_edge_of_a_crystal_has_no_vacant_place(lattice, turn, edge):
    points, _ = crystal(lattice, turn, seed=4)
    assert len(vacancies(points[points[:, 1] < edge])[0]) == 0


def test_frames_do_not_see_the_vacancies_of_each_other():
    """Columns of two frames lie at the same places of their images; only one misses a column."""
    points, _ = crystal("triangular")
    gone = int(cKDTree(points).query([170, 160])[1])
    both = np.concatenate([points, np.delete(points, gone, axis=0)])
    frames = np.repeat([0, 1], [len(points), len(points) - 1])
    neighbours = Neighbourhoods.of(both, SHAPE, SPACING, frames=frames)
    kinds = np.zeros(len(both), dtype=int)
    sublattices = Sublattices.of(neighbours, kinds)
    atom, x, y = vacant_places(neighbours, sublattices.bonds[kinds], sublattices.host[kinds])
    assert len(atom) > 6
    assert (frames[atom] == 1).all()
    place = both[atom] + SPACING * np.column_stack([x, y])
    assert np.abs(place - points[gone]).max() < 0.15 * SPACING


# ---------------------------------------------------------------------- effects on moments and features


def render(points, brightness, width=2.4):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.zeros(SHAPE)
    for (x, y), weight in zip(points, brightness, strict=True):
        part = np.s_[max(round(y) - 12, 0) : round(y) + 13, max(round(x) - 12, 0) : round(x) + 13]
        image[part] += weight * np.exp(-((columns[part] - x) ** 2 + (rows[part] - y) ** 2) / (2 * width**2))
    return image


def doped(missing=False):
    """Moments of a checkerboard in which 20 columns of one species are brighter, or missing; and where they are."""
    points, kinds = crystal("square", jitter=0.0)
    kinds = kinds.copy()
    rng = np.random.default_rng(9)
    chosen = rng.permutation(np.flatnonzero((kinds == 0) & deep(points, 2)))[:20]
    kinds[chosen] = 2
    brightness = np.array([1.0, 0.6, 0.0 if missing else 1.9])[kinds]
    image = render(points, brightness)
    keep = brightness > 0
    return image, points[keep], kinds[keep]


@pytest.mark.parametrize("radius", [1.2, 1.7])
@pytest.mark.parametrize("missing", [False, True])
def test_what_a_substitution_changes_around_it_is_explained_and_removed(radius, missing):
    image, points, kinds = doped(missing)
    neighbours = around(points)
    moments = get_moments(image, points, ZernikeBasis(8, radius * SPACING), spacing=SPACING)
    surroundings = Sublattices.of(neighbours, kinds).surroundings(neighbours, kinds, np.ones(len(kinds)))
    known = np.asarray(moments.valid) & (np.asarray(moments.coverage) > 0.99)
    effects = NeighbourEffects.fit(surroundings, moments.values, moments.modes, kinds, known, radius)
    removed = effects.remove(surroundings, moments.values, moments.modes)
    reached = np.bincount(surroundings.atoms[surroundings.distance < radius + 0.5], minlength=len(points)) > 0
    before = after = 0.0
    for kind in (0, 1):
        usual = np.median(moments.values[known & (kinds == kind) & ~reached], axis=0)
        beside = known & (kinds == kind) & reached
        assert beside.sum() > 20
        before += ((moments.values[beside] - usual) ** 2).sum()
        after += ((removed[beside] - usual) ** 2).sum()
    assert after < 0.1 * before
    # Atoms far from all substitutions keep their moments.
    far = np.setdiff1d(np.arange(len(points)), surroundings.atoms)
    assert_array_equal(removed[far], moments.values[far])


def test_effects_are_those_of_the_atoms_that_are_asked_about():
    """Effects that one image shows are removed from another."""
    image, points, kinds = doped()
    turned, other, other_kinds = np.rot90(image).copy(), points[:, ::-1] * [1, -1] + [0, SHAPE[1] - 1], kinds
    radius, found = 1.2, []
    for picture, xy in ((image, points), (turned, other)):
        neighbours = Neighbourhoods.of(xy, picture.shape, SPACING)
        moments = get_moments(picture, xy, ZernikeBasis(8, radius * SPACING), spacing=SPACING)
        found.append(
            (
                moments,
                Sublattices.of(neighbours, other_kinds).surroundings(neighbours, kinds, np.ones(len(kinds))),
            )
        )
    moments, surroundings = found[0]
    known = np.asarray(moments.coverage) > 0.99
    effects = NeighbourEffects.fit(surroundings, moments.values, moments.modes, kinds, known, radius)
    moments, surroundings = found[1]
    removed = effects.remove(surroundings, moments.values, moments.modes)
    reached = np.bincount(surroundings.atoms[surroundings.distance < 1.7], minlength=len(points)) > 0
    known = np.asarray(moments.coverage) > 0.99
    for kind in (0, 1):
        usual = np.median(moments.values[known & (kinds == kind) & ~reached], axis=0)
        beside = known & (kinds == kind) & reached
        before = ((moments.values[beside] - usual) ** 2).sum()
        assert ((removed[beside] - usual) ** 2).sum() < 0.1 * before


def planted(n, number, seed):
    """Surroundings of n atoms with so many neighbours (n,) of kind 1 at the distance 1, of three kinds."""
    atoms = np.repeat(np.arange(n), number)
    rng = np.random.default_rng(seed)
    return Surroundings(
        np.ones(len(atoms), np.int32), atoms, np.ones(len(atoms)), rng.uniform(-3, 3, len(atoms)), n, 3
    )


def near(neighbours):
    """Which of the listed neighbours are nearest neighbours."""
    return np.hypot(*np.moveaxis(np.nan_to_num(neighbours.offsets, nan=9.0), -1, 0)) < 1.2


@pytest.mark.parametrize("rotation_invariant", [False, True])
def test_features_that_follow_the_strain_are_freed_from_it(rotation_invariant):
    """A lattice that is stretched more and more along x: features that change with it do no longer."""
    points, _ = crystal("square", jitter=0.01)
    x = points[:, 0] / SHAPE[1]
    points = np.column_stack([points[:, 0] * (1 + 0.05 * x), points[:, 1]])
    points = points[points[:, 0] < SHAPE[1] - 1]
    rng = np.random.default_rng(7)
    stretch = points[:, 0] / SHAPE[1]
    neighbours, known = around(points), deep(points, 2)
    squares = (np.where(near(neighbours)[..., None], neighbours.offsets, 0) ** 2).sum(axis=(1, 2))
    X = rng.normal(size=(len(points), 4))
    X[:, 1] += 20 * (squares - squares[known].min()) / np.ptp(squares[known])
    labels = rng.integers(0, 2, len(points))
    effects = StrainEffects.fit(neighbours, X, labels, labels, known, rotation_invariant)
    removed = effects.remove(neighbours, X, labels)
    assert np.corrcoef(X[known, 1], stretch[known])[0, 1] > 0.6
    slope = [np.polyfit(stretch[known], values[known, 1], 1)[0] for values in (X, removed)]
    assert abs(slope[1]) < 0.2 * slope[0]
    assert_allclose(removed[known][:, [0, 2, 3]], X[known][:, [0, 2, 3]], atol=1.0)


@pytest.mark.parametrize("rotation_invariant", [False, True])
def test_features_of_two_grains_that_differ_in_strain_stay_apart(rotation_invariant):
    """The right half of a lattice is stretched by a fiftieth: what differs between the halves is not removed."""
    points, _ = crystal("square", jitter=0.005)
    middle = SHAPE[1] / 2
    right = points[:, 0] > middle
    points[right, 0] = middle + 1.02 * (points[right, 0] - middle)
    points, right = points[points[:, 0] < SHAPE[1] - 1], right[points[:, 0] < SHAPE[1] - 1]
    X = np.random.default_rng(8).normal(size=(len(points), 4))
    X[right, 2] += 12
    labels, known = np.zeros(len(points), dtype=int), deep(points, 2)
    effects = StrainEffects.fit(around(points), X, labels, labels, known, rotation_invariant)
    removed = effects.remove(around(points), X, labels)[:, 2]
    inside = known & (np.abs(points[:, 0] - middle) > 40)
    assert removed[inside & right].mean() - removed[inside & ~right].mean() > 9


# ---------------------------------------------------------------------- environments


def test_environments_are_motifs_with_what_stands_around_them():
    number = np.repeat([0, 1, 2, 3], [60, 20, 11, 2])
    motifs = np.zeros(93, dtype=int)
    motifs[[1, 3, 5, 7, 9, 11, 13]] = 1
    surroundings = planted(93, number, 3)
    found, labels = Environments.fit(surroundings, motifs, 0.0, 1.2, 5)
    # Of two atoms with three such neighbours there are too few: they are of the usual environment.
    expected = np.where(number == 3, 0, number)
    expected = np.where(motifs == 1, 3, expected)
    assert_array_equal(labels, expected)
    assert_array_equal(found.classify(surroundings, motifs), labels)


def test_environments_beyond_a_radius_do_not_count_what_stands_within_it():
    number = np.repeat([0, 1], [40, 13])
    _, labels = Environments.fit(planted(53, number, 4), np.zeros(53, dtype=int), 1.2, 1.7, 5)
    assert labels.max() == 0


def test_a_motif_that_is_always_beside_another_kind_is_an_environment_too():
    motifs, number = np.repeat([0, 1], [30, 9]), np.repeat([0, 2], [30, 9])
    found, labels = Environments.fit(planted(39, number, 5), motifs, 0.0, 1.2, 5)
    assert_array_equal(labels, motifs)
    # Another image may hold such a motif with nothing beside it.
    alone = found.classify(planted(7, np.zeros(7, int), 6), np.array([0, 1, 1, 0, 0, 0, 1]))
    assert len(np.unique(alone)) == 2


def test_the_tails_of_strained_dumbbells_stay_attached():
    # One bond for each atom: its tilt is the only strain, and the features follow it.
    rng = np.random.default_rng(4)
    centres = np.array([(17.0 * column + 8, 14.0 * row + 6) for row in range(31) for column in range(29)])
    tilt = rng.normal(0, 0.1, len(centres))
    places = np.concatenate([centres, centres + np.column_stack([tilt, np.full(len(tilt), 6.1)])])
    kinds = np.repeat([0, 1], len(centres))
    neighbours = Neighbourhoods.of(places, (440, 500), 6.1)
    features = 10 * np.tile(tilt, 2)[:, None]
    effects = StrainEffects.fit(neighbours, features, kinds, kinds, neighbours.whole, False)
    inner = neighbours.whole & (kinds == 0)
    left = effects.remove(neighbours, features, kinds)[inner, 0]
    # What the most tilted ones keep is no more than others would: they form no group of their own.
    assert left.std() < 0.5 * features[inner].std()

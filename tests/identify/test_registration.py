"""Positions registered to structures: orientation, grains, distortion, empty places."""

import numpy as np
import pytest

from hyperspy_motifs.identify import (
    EmptyPlaces,
    Field,
    Observations,
    chemistry_of,
    fit_structure,
    identify_columns,
    lattice_indices,
    project,
    read_crystal,
)

pytest.importorskip("ase")


def field_of(
    name, angle=0.0, size=(40, 33), noise=0.03, zone_axis=(0, 0, 1), mirror=False, strain=0.0, seed=0
):
    """Points, brightness and kinds (compositions) of a crystal in a rectangle, in ångström."""
    cell = project(read_crystal(name), zone_axis)
    rng = np.random.default_rng(seed)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = (np.eye(2) + strain * np.array([[1, 0.3], [0.3, -1]])) @ turn @ np.diag([1, -1 if mirror else 1])
    n = 60
    steps = np.stack(np.meshgrid(np.arange(-n, n), np.arange(-n, n)), -1).reshape(-1, 2) @ cell.vectors
    points = ((steps[:, None] + cell.positions) @ matrix.T).reshape(-1, 2)
    kind = np.tile(np.arange(len(cell)), len(steps))
    inside = (np.abs(points) < 0.5 * np.array(size)).all(axis=1)
    points, kind = points[inside] + rng.normal(0, noise, (inside.sum(), 2)), kind[inside]
    weights = np.array([sum(number * z**1.7 for z, number in c) for c in cell.compositions])
    return cell, points, kind, weights[kind] * rng.normal(1, 0.05, len(kind)), np.array(size)


def observed(points, values, size, calibrated=True, by_brightness=True, motifs=None):
    box = 0.5 * np.array([-size, size], float)
    motifs = np.zeros(len(points), int) if motifs is None else motifs
    return Observations(Field.of(points, box), values, 0.01 * values, motifs, calibrated, by_brightness)


@pytest.mark.parametrize(("name", "mirror"), [("MoS2", False), ("WSe2", True), ("SrTiO3", True)])
def test_every_column_is_found_in_any_orientation(name, mirror):
    cell, points, kind, values, size = field_of(name, angle=0.4, mirror=mirror, strain=0.008)
    visible = np.array([any(z > 8 for z, _ in c) for c in cell.compositions])[kind]
    fit = fit_structure(observed(points[visible], values[visible], size), cell)
    truth = [cell.compositions[k] for k in kind[visible]]
    right = [fit.kinds[k] == t for k, t in zip(fit.kind, truth, strict=True) if k >= 0]
    assert np.mean(right) == 1.0
    assert fit.explained > 0.98
    orientation = fit.registration.orientations[
        int(np.bincount(fit.registration.grains[fit.kind >= 0]).argmax())
    ]
    assert orientation.scale == pytest.approx(1.0, abs=0.003)
    # A small exponent of the atomic number would make pairs of selenium brighter than tungsten.
    assert fit.arrangements[0][1] > 0.97


def test_polarity_that_brightness_hardly_shows_is_not_certain():
    # The dumbbell of gallium arsenide: the two columns differ by 11 %, and the law of scattering is no better than that.
    cell, points, _, values, size = field_of("GaAs", zone_axis=(1, 1, 0))
    fit = fit_structure(observed(points, values, size), cell)
    assert fit.explained > 0.95
    assert 0.5 < fit.arrangements[0][1] < 0.95
    assert len(fit.arrangements) == 2


def test_grains_of_two_orientations_are_both_registered():
    cell, points, kind, values, size = field_of("WSe2")
    _, others, other_kind, other_values, _ = field_of("WSe2", angle=np.radians(21.8), seed=1)
    left, right = points[:, 0] < -0.8, others[:, 0] > 0.8
    both = np.concatenate([points[left], others[right]])
    fit = fit_structure(observed(both, np.concatenate([values[left], other_values[right]]), size), cell)
    truth = np.concatenate([kind[left], other_kind[right]])
    known = fit.kind >= 0
    assert known.mean() > 0.95
    assert [fit.kinds[k] for k in fit.kind[known]] == [cell.compositions[k] for k in truth[known]]
    away = np.abs(both[:, 0]) > 4
    grain = fit.registration.grains[known & away]
    assert len(np.unique(grain)) == 2
    assert (np.diff(np.sort(np.unique(grain[both[known & away, 0] < 0]))) == 0).all()


def test_geometry_alone_lists_what_it_cannot_distinguish():
    cell, points, kind, values, size = field_of("WSe2")
    fit = fit_structure(observed(points, values, size, by_brightness=False, motifs=kind), cell)
    assert [p for _, p in fit.arrangements] == pytest.approx([0.5, 0.5], abs=0.05)
    assert len(np.unique(fit.kind[kind == 0])) == 1


def test_a_wrong_structure_is_refused_by_scale_or_by_brightness():
    cell, points, _, values, size = field_of("graphene", size=(30, 23))
    wrong = project(read_crystal("MoS2"))
    assert fit_structure(observed(points, values, size), wrong).explained == 0
    uncalibrated = observed(points, values, size, calibrated=False)
    free = fit_structure(uncalibrated, wrong)
    # The net of honeycombs fits at some scale, but its two sites are equally bright.
    assert free.explained > 0.9
    assert free.log_odds(uncalibrated)["brightness of the columns"] < np.log(0.05)
    right = fit_structure(observed(points, values, size), cell)
    assert min(right.log_odds(observed(points, values, size)).values()) > 0
    # Two kinds of column of unlike brightness are not graphene.
    _, points, _, values, size = field_of("MoS2")
    uncalibrated = observed(points, values, size, calibrated=False)
    carbon = fit_structure(uncalibrated, cell)
    assert carbon.log_odds(uncalibrated)["brightness of the columns"] < np.log(0.05)


@pytest.mark.parametrize("n", [1, 5, 600])
def test_points_at_random_are_not_explained(n):
    rng = np.random.default_rng(0)
    points = rng.uniform(-30, 30, (n, 2))
    size = np.array([60, 60])
    fit = fit_structure(observed(points, rng.uniform(0.5, 1.5, n), size), project(read_crystal("MoSe2")))
    assert fit.explained < 0.5


def test_lattice_indices_count_cells():
    cell, points, _, values, size = field_of("MoSe2", angle=0.2)
    fit = fit_structure(observed(points, values, size), cell)
    indices, components = lattice_indices(fit.registration)
    assert (components == components[0]).all()
    same = fit.registration.columns == fit.registration.columns[0]
    # Positions are an affine function of the cell.
    design = np.column_stack([indices[same], np.ones(same.sum())])
    rest = points[same] - design @ np.linalg.lstsq(design, points[same], rcond=None)[0]
    assert np.abs(rest).max() < 0.2


@pytest.mark.parametrize(
    ("left", "right", "axis"), [("MoS2", "WSe2", (0, 0, 1)), ("SrTiO3", "SrTiO3", (1, 1, 0))]
)
def test_two_phases_are_mapped_point_by_point(left, right, axis):
    one, points, kind, values, size = field_of(left, size=(30, 21))
    two, others, other_kind, other_values, _ = field_of(right, size=(30, 21), zone_axis=axis, seed=5)
    seen = [np.array([any(z > 8 for z, _ in c) for c in cell.compositions]) for cell in (one, two)]
    first, second = seen[0][kind] & (points[:, 0] < -0.9), seen[1][other_kind] & (others[:, 0] > 0.9)
    both = np.concatenate([points[first], others[second]])
    brightness = np.concatenate([values[first], other_values[second]])
    field = observed(both, brightness, size)
    none = np.empty((0, 2)), np.empty(0)
    found = identify_columns(field, (one, two), chemistry_of(None), *none)
    assert found.map_log_factor > 100
    truth = np.repeat([0, 1], [first.sum(), second.sum()])
    away = np.abs(both[:, 0]) > 2.5
    assert (found.phases == truth)[away].mean() > 0.98
    # One crystal alone is not two.
    alone = observed(points, values, size)
    assert identify_columns(alone, (one, two), chemistry_of(None), *none).map_log_factor == 0


def test_columns_that_are_missing_are_found_by_their_neighbours():
    cell, points, kind, values, size = field_of("SrTiO3", angle=0.3)
    seen = np.array([any(z > 8 for z, _ in c) for c in cell.compositions])[kind]
    points, kind, values = points[seen], kind[seen], values[seen]
    inside = np.flatnonzero((np.abs(points) < 0.4 * size).all(axis=1))
    lost = inside[[3, 40, 77]]
    left = np.delete(np.arange(len(points)), lost)
    field = observed(points[left], values[left], size)
    fit = fit_structure(field, cell)
    empty = EmptyPlaces.of(field.field, fit.registration)
    found = np.hypot(*(empty.places[:, None] - points[lost]).transpose(2, 0, 1)).min(axis=0)
    assert len(empty.places) == 3
    assert found.max() < 0.1
    assert fit.is_accepted(field)


def test_a_structure_whose_columns_are_displaced_is_fitted():
    cell, points, kind, values, size = field_of("MoSe2", size=(40, 31))
    away = np.array([[0.0, 0.0], [0.4, 0.1]])
    fit = fit_structure(observed(points + away[kind], values, size), cell)
    assert fit.explained > 0.97
    # What is left is the noise, 0.03 Å of each column, and not the displacement of 0.4 Å.
    spacing = 3.29 / np.sqrt(3)
    assert fit.registration.scatter * spacing == pytest.approx(0.03 * np.sqrt(2), rel=0.4)
    apart = np.diff(fit.registration.cell.positions - cell.positions, axis=0)[0]
    assert np.hypot(*apart) == pytest.approx(np.hypot(0.4, 0.1), abs=0.03)


def test_a_patch_of_like_brightness_is_no_grain():
    # Two sublattices that differ little, and are exchanged in a patch, as under contamination: no crystal turns for that.
    cell, points, kind, _, size = field_of("WSe2", size=(70, 62))
    rng = np.random.default_rng(2)
    exchanged = np.hypot(*(points - [6.0, -4.0]).T) < 11
    bright = (kind == 0) != exchanged
    values = np.where(bright, 1.1, 1.0) * rng.normal(1, 0.05, len(points))
    fit = fit_structure(observed(points, values, size), cell)
    assert 70 < exchanged.sum() < 0.1 * len(points)
    assert np.bincount(fit.registration.grains[fit.kind >= 0]).max() > 0.97 * len(points)


def test_positions_do_not_distinguish_structures_of_one_geometry():
    _, points, _, values, size = field_of("MoSe2", angle=0.3, strain=0.01)
    field = observed(points * 2.7, values, size * 2.7, calibrated=False)
    placed = []
    for name in ("MoSe2", "WSe2", "MoS2"):
        found = fit_structure(field, project(read_crystal(name))).registration
        placed.append(float(found.placed.sum()))
    assert placed[1:] == pytest.approx([placed[0]] * 2, abs=0.5)


def test_structures_of_like_brightness_are_not_told_apart():
    # Without a scale, molybdenum and niobium differ by 4 % in brightness; graphene and MoS2 differ from both by far more.
    _, points, _, values, size = field_of("MoSe2", angle=0.2)
    field = observed(points, values, size, calibrated=False)
    names = ("MoSe2", "NbSe2", "MoS2", "graphene")
    cells = [project(read_crystal(name)) for name in names]
    found = identify_columns(field, cells, chemistry_of("auto"), np.empty((0, 2)), np.empty(0))
    share = {name: report.probability for name, report in zip(names, found.structures, strict=True)}
    assert share["MoSe2"] == pytest.approx(share["NbSe2"], abs=0.2)
    assert share["MoS2"] + share["graphene"] < 0.2


def test_a_perfect_lattice_is_named_by_its_brightness_not_by_defects_that_it_lacks():
    # Pairs of atoms may lose one, single atoms leave an empty place. The ratio of brightness decides, for any motifs.
    _, points, kind, values, size = field_of("MoS2", angle=0.2)
    cells = [project(read_crystal(name)) for name in ("MoS2", "hBN")]
    third = np.random.default_rng(5).integers(0, 3, len(kind))
    share = []
    for motifs in (kind, 3 * kind + third):
        field = observed(points, values, size, calibrated=False, motifs=motifs)
        found = identify_columns(field, cells, chemistry_of("auto"), np.empty((0, 2)), np.empty(0))
        share.append(found.structures[0].probability)
    assert share[0] > 0.8
    assert share[1] > 0.8


def test_names_are_of_the_arrangement_that_is_shown():
    # In real images pairs of selenium may be brighter than tungsten, so that either may be the other; some pairs lack an atom.
    cell, points, kind, values, size = field_of("WSe2", angle=0.3)
    rng = np.random.default_rng(4)
    pairs = np.flatnonzero(kind == [len(c) == 1 and c[0][1] == 2 for c in cell.compositions].index(True))
    motifs, lost = np.zeros(len(points), int), rng.choice(pairs, 8, replace=False)
    motifs[pairs], motifs[lost] = 1, 2
    values = np.array([1.0, 1.3, 0.56])[motifs] * rng.normal(1, 0.1, len(points))
    found = identify_columns(
        observed(points, values, size, motifs=motifs),
        [cell],
        chemistry_of("auto"),
        np.empty((0, 2)),
        np.empty(0),
    )
    assert found.structures[0].arrangements[0][1] < 0.9
    hosts = [found.species[label].host if label >= 0 else None for label in found.labels]
    for sublattice in (pairs, np.setdiff1d(np.arange(len(points)), pairs)):
        assert len({hosts[k] for k in sublattice} - {None}) == 1


def test_atoms_of_a_boundary_are_named_and_those_of_a_region_without_lattice_are_not():
    cell, points, _, values, size = field_of("graphene", angle=0.3, size=(44, 33))
    rng = np.random.default_rng(2)
    named = []
    for lost in (np.abs(points[:, 0]) < 4, points[:, 0] > -3):
        displaced = points + 0.5 * lost[:, None] * rng.normal(size=points.shape)
        bright = values * np.where(lost, rng.normal(1, 0.3, len(values)).clip(0.2), 1)
        field = observed(displaced, bright, size)
        field.errors[lost] = 0.3 * np.median(values)
        found = identify_columns(field, [cell], chemistry_of("auto"), np.empty((0, 2)), np.empty(0))
        assert (found.names == "C")[~lost].mean() > 0.99
        named.append((found.names == "C")[lost].mean())
    assert named[0] > 0.95
    assert named[1] < 0.3


def test_a_honeycomb_is_no_pair_of_triangular_lattices():
    # One sublattice of graphene alone is the lattice of molybdenum in MoS2, at another scale.
    _, points, _, values, size = field_of("graphene", size=(30, 23))
    values = values * np.random.default_rng(1).uniform(0.5, 1.5, len(values))
    field = observed(points, values, size, calibrated=False)
    metal = project(read_crystal("MoS2"))
    fit = fit_structure(field, metal.select([k for k, c in enumerate(metal.compositions) if c[0][0] == 42]))
    assert fit.registration is None or not fit.is_accepted(field)


def test_a_crystal_with_more_neighbours_has_no_more_evidence_and_no_refused_one_is_probable():
    # A square lattice that is stretched by 17 % has eight near neighbours, the rectangle of FePt six.
    ase = pytest.importorskip("ase")
    iron_platinum = ase.Atoms(
        "FePt", [[0, 0, 0], [1.3615, 1.3615, 1.8565]], cell=[2.723, 2.723, 3.713], pbc=True
    )
    axis = (1, 0, 0)
    _, points, _, values, size = field_of(iron_platinum, zone_axis=axis, size=(34, 29))
    field = observed(points, values, size)
    cells = [project(read_crystal(one), axis) for one in ("Pt", iron_platinum)]
    fits = [fit_structure(field, cell) for cell in cells]
    assert not fits[0].is_accepted(field)
    positions = [fit.registration.placed.sum() / len(points) for fit in fits]
    assert positions[0] == pytest.approx(positions[1], rel=0.05)
    found = identify_columns(field, cells, chemistry_of("auto"), np.empty((0, 2)), np.empty(0))
    assert [report.probability for report in found.structures] == pytest.approx([0.0, 1.0])
    assert found.best.name.startswith("FePt")


def test_columns_slightly_displaced_do_not_decide_between_structures():
    # Oxygen beside bright columns is seen some hundredths of an ångström away from its place, in either rutile.
    crystal = pytest.importorskip("ase.spacegroup").crystal
    rutiles = [
        crystal([metal, "O"], [(0, 0, 0), (u, u, 0)], spacegroup=136, cellpar=[a, a, c, 90, 90, 90])
        for metal, u, a, c in (
            ("Sn", 0.307, 4.738, 3.187),
            ("Ti", 0.305, 4.594, 2.959),
            ("Ti", 0.311, 4.594, 2.959),
        )
    ]
    _, points, _, values, size = field_of(rutiles.pop(), noise=0.06)
    cells = [project(read_crystal(one)) for one in rutiles]
    found = identify_columns(
        observed(points, values, size), cells, chemistry_of("auto"), np.empty((0, 2)), np.empty(0)
    )
    assert found.best.name.startswith("O2Ti")
    assert found.structures[1].probability > 0.8


def test_displaced_columns_keep_their_alternatives():
    cell, points, kind, _, size = field_of("WSe2", angle=0.2)
    away = np.array([[0.0, 0.0], [0.12, 0.05]])
    values = np.where(kind == 0, 1.0, 1.3) * np.random.default_rng(3).normal(1, 0.05, len(kind))
    fit = fit_structure(observed(points + away[kind], values, size), cell)
    assert np.hypot(*np.diff(fit.registration.cell.positions - cell.positions, axis=0)[0]) > 0.08
    assert len(fit.arrangements) == 2
    assert fit.arrangements[0][1] < 0.97

"""Motifs expected on sites whose translations exchange motifs, and sites that vacancies side by side leave without others."""

import tracemalloc
from types import SimpleNamespace

import numpy as np

from hyperspy_motifs.atoms import refine_atoms
from hyperspy_motifs.data import lattice_specimen
from hyperspy_motifs.occupancy import complete, expected_labels, local_translations, predict_places
from hyperspy_motifs.pipeline._atom_table import expected_motifs

SPACING = 14.0
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (1, 1), (2, 1), (0, -1)])


def board(rows=13, columns=17):
    """Columns of two motifs that alternate like the squares of a board, and their twins along short vectors."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    points = np.column_stack([x, y])
    ends = points[:, None] + STEPS
    there = np.all((ends >= 0) & (ends < [columns, rows]), axis=-1)
    twins = np.where(there, ends[..., 1] * columns + ends[..., 0], -1)
    jitter = 0.03 * np.random.default_rng(2).normal(size=points.shape)
    return SPACING * (points + jitter), (x + y) % 2, twins


def test_a_translation_that_exchanges_motifs_predicts_the_other_one():
    points, labels, twins = board()
    everywhere = np.arange(len(labels))
    assert (expected_labels(labels, points, points, everywhere, twins, SPACING) == labels).all()
    # A dopant is no reason to expect another one, an empty site expects what is missing.
    dopant, gone = 87, 112
    doped = labels.copy()
    doped[dopant] = 2
    atoms = everywhere.copy()
    atoms[gone] = -1
    found = expected_labels(doped, points, points, atoms, np.where(twins == gone, -1, twins), SPACING)
    assert (found == labels).all()


def test_without_twins_a_site_has_its_own_motif():
    points, labels, twins = board()
    atoms = np.arange(len(labels))
    atoms[0] = -1
    found = expected_labels(labels, points, points, atoms, np.full_like(twins, -1), SPACING)
    assert found[0] == -1
    assert (found[1:] == labels[1:]).all()


def test_a_given_unit_of_the_radii_is_not_the_distance_of_columns():
    """As of ``hyperspy_motifs.find_motifs(images, length=...)``."""
    points, labels, twins = board()
    record = SimpleNamespace(
        labels=labels, positions=points, parameters={"spacing": 6 * SPACING, "separation": SPACING}
    )
    # Of one empty site only the twin that keeps the motif is known.
    atoms, gone = np.arange(len(labels)), 112
    atoms[gone] = -1
    twins[gone] = np.where(np.arange(len(STEPS)) == 3, twins[gone], -1)
    sites = {"positions": points, "atoms": atoms, "twins": twins}
    assert (expected_motifs(record, sites) == labels).all()


def honeycomb(shape):
    points = lattice_specimen("honeycomb", 400.0, SPACING).positions + 0.5 * np.array(shape[::-1]) - 0.5
    return points[np.all((points > 0) & (points < np.array(shape[::-1]) - 1), axis=1)]


def test_a_vacancy_in_a_gap_of_others_is_inside_the_structure():
    shape = (300, 340)
    points = honeycomb(shape)
    middle = points[np.hypot(*(points - 0.5 * np.array(shape[::-1])).T).argmin()]
    away = (points - middle) / SPACING
    # The site, the neighbour on one of its sides, and those of the second shell on that side.
    first = away[(np.hypot(*away.T) > 0.9) & (np.hypot(*away.T) < 1.1)][0]
    gone = (np.hypot(*away.T) < 1.8) & (away @ first > 0.7) | (np.hypot(*away.T) < 0.1)
    assert gone.sum() == 4
    kept = points[~gone]
    has_data = np.ones(shape, bool)
    translations = local_translations(kept, np.ones(len(kept)), SPACING, has_data)
    places = predict_places(kept, np.ones(len(kept)), translations, SPACING, has_data)
    inside = places.positions[places.enclosed]
    assert all(np.hypot(*(inside - point).T).min() < 1 for point in points[gone])


def test_what_does_not_look_like_a_column_leaves_a_site_empty():
    shape = (260, 290)
    y, x = (12.0 + SPACING * np.indices((17, 19))).reshape(2, -1)
    y, x = y[np.argsort(y, kind="stable")], x[np.argsort(y, kind="stable")]
    gone = int(np.hypot(x - 140, y - 125).argmin())
    image = np.zeros(shape)
    rows, columns = np.indices(shape)
    for k in range(len(x)):
        distance = np.hypot(columns - x[k], rows - y[k])
        # A faint ring in place of one column.
        image += (
            np.exp(-0.5 * (distance / 3) ** 2)
            if k != gone
            else 0.45 * np.exp(-0.5 * ((distance - 4) / 2) ** 2)
        )
    image += 0.02 * np.random.default_rng(1).normal(size=shape)
    points = np.delete(np.column_stack([x, y]), gone, axis=0)
    atoms = refine_atoms(image, points, polarity="bright", separation=SPACING)
    _, sites = complete(image, atoms)
    empty = np.flatnonzero(sites.atoms < 0)
    assert len(empty) == 1
    assert np.hypot(*(sites.positions[empty[0]] - [x[gone], y[gone]])) < 1
    assert sites.amplitude[empty[0]] > 0.1 * sites.expected_amplitude[empty[0]]
    assert sites.probability[empty[0]] <= 0.5


def test_the_votes_for_many_motifs_are_not_in_memory_together():
    points, labels, twins = board(151, 140)
    labels += 2 * (np.arange(len(labels)) % 40)
    atoms = np.arange(len(labels))
    tracemalloc.start()
    try:
        expected_labels(labels, points, points, atoms, twins, SPACING)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The votes of all twins would take four times as much.
    assert peak < 2.5 * len(labels) * (labels.max() + 1) * 8

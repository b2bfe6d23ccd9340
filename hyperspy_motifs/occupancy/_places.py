"""Places at which a crystal repeats but no column is known, and the motif that is expected on each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hyperspy_motifs.common import distinct_rows

from ._sites import RECURRING, TOLERANCE, Translations, lies_in

# Lengths are in nearest-neighbour distances.
# A place this close to a column that is not the predicted one is that of another structure.
_BLOCKED = 0.55
_FEWEST_PREDICTIONS = 2
# A column beyond the border reaches no further than this, and columns that are further inside do not overlap with it.
BEYOND = 1.0
# A column further than this from the place that at least so many others predict is displaced.
_DISPLACED = 0.1
_FEWEST_FOR_DISPLACED = 4
# With less than this fraction of the height of the others it may be noise beside an empty site.
_WEAK = 0.5
# Radius of the surroundings that are compared with those of the predicting columns: the first two shells.
_SHELLS = 1.8
# Largest angle, in degrees, between the directions of neighbouring columns around a place inside a structure. Three columns
# around it have 120, a straight edge 180.
_WIDEST_GAP = 140.0
# Twins whose votes are in memory at a time.
_TOGETHER = 20_000


@dataclass(frozen=True)
class Places:
    """Places without a known column that m columns of the same kind would have; lengths in pixels.

    Attributes
    ----------
    positions : ndarray of shape (m, 2)
        x, y; mean of the predictions, weighted by their variances.
    uncertainty : ndarray of shape (m,)
        Standard deviation of the position per axis.
    surroundings : ndarray of shape (m,)
        Agreement of the columns around the place with those around the columns that predict it, 0 to 1 (Jaccard index).
    enclosed : ndarray of bool of shape (m,)
        Whether there are columns, or the border of the data, on all sides of the place.
    links : ndarray of int of shape (l, 2)
        Pairs of a column and a place that it predicts.
    displaced : ndarray of int of shape (d,)
        Weak columns that stand beside the place that others predict.
    places_of_displaced : ndarray of shape (d, 2)
        That place.
    surroundings_of_displaced : ndarray of shape (d,)
        As `surroundings`.
    """

    positions: np.ndarray
    uncertainty: np.ndarray
    surroundings: np.ndarray
    enclosed: np.ndarray
    links: np.ndarray
    displaced: np.ndarray
    places_of_displaced: np.ndarray
    surroundings_of_displaced: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)


def predict_places(
    positions: np.ndarray,
    amplitudes: np.ndarray,
    translations: Translations,
    spacing: float,
    has_data: np.ndarray,
) -> Places:
    """Combine what the columns predict by their local translations.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        x, y of the columns in pixels.
    amplitudes : ndarray of shape (n,)
        Heights of the columns, positive.
    translations : Translations
    spacing : float
        Nearest-neighbour distance in pixels.
    has_data : ndarray of bool of shape (rows, columns)

    Returns
    -------
    Places
    """
    tree = cKDTree(positions)
    column, vector = np.nonzero(translations.valid & (translations.partners < 0) & translations.inside)
    ends = positions[column] + translations.vectors[column, vector]
    seen = lies_in(ends, has_data)
    column, vector, ends = column[seen], vector[seen], ends[seen]
    distance, nearest = tree.query(ends)
    free = distance > _BLOCKED * spacing
    blocked = column[~free], vector[~free], nearest[~free]
    displaced = _displaced(tree, amplitudes, translations, blocked, spacing, has_data)
    column, vector, ends = column[free], vector[free], ends[free]
    m = len(ends)
    if not m:
        nothing = np.zeros((0, 2))
        return Places(
            nothing, np.zeros(0), np.zeros(0), np.zeros(0, bool), nothing.astype(np.int64), *displaced
        )
    n_places, place = _joined(ends, spacing)
    # A prediction is as uncertain as single displacements are; no position is better known than to a hundredth of a pixel.
    weight = 1 / np.maximum(translations.scatter[column, vector], 0.01) ** 2
    total = np.bincount(place, weight, n_places)
    sums = np.stack([np.bincount(place, weight * ends[:, k], n_places) for k in (0, 1)], axis=1)
    centres: np.ndarray = sums / total[:, None]
    number = np.bincount(place, minlength=n_places)
    off = np.hypot(*(ends - centres[place]).T)
    spread = np.sqrt(np.bincount(place, off**2, n_places) / 2 / np.maximum(number - 1, 1))
    uncertainty = np.sqrt(1 / total + spread**2 / number)
    kept = (number >= _FEWEST_PREDICTIONS) & (spread < TOLERANCE * spacing)
    kept &= tree.query(centres)[0] > _BLOCKED * spacing
    numbers = np.cumsum(kept) - 1
    of = kept[place]
    column, vector, place = column[of], vector[of], numbers[place[of]]
    shifts = translations.vectors[column, vector]
    shared = _shared_surroundings(tree, column, shifts, place, int(kept.sum()), spacing, has_data)
    links = np.column_stack([column, place])
    links = links[distinct_rows(links)[0]]
    crystalline = positions[translations.valid.any(axis=1)]
    enclosed = _enclosed(centres[kept], crystalline, spacing, has_data)
    return Places(centres[kept], uncertainty[kept], shared, enclosed, links, *displaced)


def columns_beyond(
    columns: np.ndarray, translations: Translations, spacing: float, shape: tuple[int, ...]
) -> np.ndarray:
    """Return the columns beyond the border that reach into the image, like those that predict them.

    Parameters
    ----------
    columns : ndarray of shape (n, 7)
        Parameters of the columns of a fit; x, y in pixels are the second and third.
    translations : Translations
    spacing : float
        Nearest-neighbour distance in pixels.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    ndarray of shape (m, 7)
        Means over the columns that predict each.
    """
    column, vector = np.nonzero(translations.valid & (translations.partners < 0) & ~translations.inside)
    ends = columns[column, 1:3] + translations.vectors[column, vector]
    outside = np.maximum(-ends, ends - (np.array(shape[::-1]) - 1)).max(axis=1)
    near = (outside > 0.5) & (outside < BEYOND * spacing)
    predicted, ends = columns[column[near]], ends[near]
    predicted[:, 1:3] = ends
    n_places, place = _joined(ends, spacing)
    number = np.bincount(place, minlength=n_places)
    means = np.stack([np.bincount(place, values, n_places) / number for values in predicted.T], axis=1)
    return means[cKDTree(columns[:, 1:3]).query(means[:, 1:3])[0] > _BLOCKED * spacing]


def _joined(ends: np.ndarray, spacing: float) -> tuple[int, np.ndarray]:
    """Return the number of places at which predictions (m, 2) coincide, and the place of each."""
    m = len(ends)
    pairs = cKDTree(ends).query_pairs(TOLERANCE * spacing, output_type="ndarray")
    joined = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(m, m))
    return connected_components(joined, directed=False)


def repeating_places(
    places: Places,
    occupied: np.ndarray,
    positions: np.ndarray,
    translations: Translations,
    spacing: float,
    has_data: np.ndarray,
) -> np.ndarray:
    """Return a mask of the occupied places at which the translations that hold there lead to sites that are occupied.

    A translation is accepted around a column if it maps most columns to columns. The same is required of a place: most of its
    translations end at columns, or at other occupied places. Between two lattices that are superimposed, such as the layers
    of a twisted bilayer, a few columns predict a place, and most translations from there end beside columns or at none.

    Parameters
    ----------
    places : Places
        m places.
    occupied : ndarray of bool of shape (m,)
        Places that are occupied by what is measured there.
    positions : ndarray of shape (n, 2)
        x, y of the columns in pixels.
    translations : Translations
        Those of the n columns.
    spacing : float
        Nearest-neighbour distance in pixels.
    has_data : ndarray of bool of shape (rows, columns)

    Returns
    -------
    ndarray of bool of shape (m,)
    """
    m, reach = len(places), TOLERANCE * spacing
    if not occupied.any():
        return np.zeros(m, bool)
    column, place = places.links.T
    predicting = csr_array((np.ones(len(column)), (place, column)), shape=(m, len(positions)))
    held = predicting @ translations.valid.astype(float)
    # Translations of at least half of the columns that predict the place, with the mean of their vectors.
    which, vector = np.nonzero(held >= np.maximum(0.5 * predicting.sum(axis=1), 1.0)[:, None])
    sums = [predicting @ (translations.vectors[..., k] * translations.valid) for k in (0, 1)]
    steps = np.stack([total[which, vector] for total in sums], axis=1) / held[which, vector][:, None]
    ends = places.positions[which] + steps
    inside = lies_in(ends, has_data)
    at_site = cKDTree(positions).query(ends)[0] < reach
    at_site |= cKDTree(places.positions[occupied]).query(ends)[0] < reach
    # Fewer columns predict the sites beside the border of the data: that none is known there says nothing.
    for shift in spacing * np.array([(1, 0), (-1, 0), (0, 1), (0, -1)]):
        inside &= at_site | lies_in(ends + shift, has_data)
    hits = np.bincount(which[inside], at_site[inside], m)
    number = np.bincount(which[inside], minlength=m)
    return occupied & (hits >= RECURRING * number)


def _enclosed(places: np.ndarray, positions: np.ndarray, spacing: float, has_data: np.ndarray) -> np.ndarray:
    """Return a mask of the places (m, 2) around which no wide angle is free of sites, and of the border of the data.

    Sites are the columns, and the places that are enclosed themselves: of two vacancies side by side each has a gap.
    """
    angles = np.deg2rad(np.arange(-180, 180, 10))
    circle = spacing * np.column_stack([np.cos(angles), np.sin(angles)])
    outside = ~lies_in((places[:, None] + circle).reshape(-1, 2), has_data).reshape(len(places), len(circle))
    out = np.zeros(len(places), bool)
    sites, left = positions, np.arange(len(places))
    while len(left):
        for k, near in zip(
            left, cKDTree(sites).query_ball_point(places[left], _SHELLS * spacing), strict=True
        ):
            away = sites[near] - places[k]
            around = np.arctan2(away[:, 1], away[:, 0])
            directions = np.sort(np.concatenate([around, angles[outside[k]]]))
            if len(directions):
                gaps = np.diff(directions, append=directions[0] + 2 * np.pi)
                out[k] = gaps.max() < np.deg2rad(_WIDEST_GAP)
        if not out[left].any():
            break
        sites, left = np.concatenate([positions, places[out]]), np.flatnonzero(~out)
    return out


def _displaced(
    tree: cKDTree,
    amplitudes: np.ndarray,
    translations: Translations,
    blocked: tuple[np.ndarray, np.ndarray, np.ndarray],
    spacing: float,
    has_data: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weak columns beside the places that others predict for them, these places, and the surroundings shared there.

    A column that others map to itself stands at the mean of what they predict. One beside which more columns predict a place
    than at it is taken for the column of that place. `blocked` holds such predictions: column, vector, and the column beside.
    """
    positions, n = tree.data, tree.n
    row, vector = np.nonzero(translations.valid & (translations.partners >= 0))
    column, along, beside = blocked
    support, against = np.bincount(row, minlength=n), np.bincount(beside, minlength=n)
    other = against > support
    # All predictions of the places as a column, its shift, and the column that is at or beside the place.
    twins = np.concatenate([translations.partners[row, vector], column])
    shifts = np.concatenate([-translations.vectors[row, vector], translations.vectors[column, along]])
    target = np.concatenate([row, beside])
    used = np.concatenate([~other[row], other[beside]])
    twins, shifts, target = twins[used], shifts[used], target[used]
    ends = positions[twins] + shifts
    number = np.maximum(np.bincount(target, minlength=n), 1)
    place = np.stack([np.bincount(target, ends[:, k], n) for k in (0, 1)], axis=1) / number[:, None]
    off = np.hypot(*(place - positions).T)
    displaced = (np.maximum(support, against) >= _FEWEST_FOR_DISPLACED) & (off > _DISPLACED * spacing)
    displaced &= amplitudes < _WEAK * np.bincount(target, amplitudes[twins], n) / number
    which = np.flatnonzero(displaced)
    of = displaced[target]
    numbers = (np.cumsum(displaced) - 1)[target[of]]
    shared = _shared_surroundings(
        tree, twins[of], shifts[of], numbers, len(which), spacing, has_data, target[of]
    )
    return which, place[which], shared


def _shared_surroundings(
    tree: cKDTree,
    twins: np.ndarray,
    shifts: np.ndarray,
    place: np.ndarray,
    n_places: int,
    spacing: float,
    has_data: np.ndarray,
    occupant: np.ndarray | None = None,
) -> np.ndarray:
    """Return the overlap (n_places,) of the columns around places with those around columns of the same kind.

    Each row of `twins` (l,) is a column that the shift (l, 2) maps to the place numbered `place` (l,). The overlap is the
    number of columns that both have over the number that either has, in pixels with data (the Jaccard index).
    A column `occupant` (l,) of the place does not count.
    """
    if not len(twins):
        return np.zeros(n_places)
    around = tree.query_ball_point(tree.data[twins], _SHELLS * spacing)
    either, both = _count(tree, around, twins, shifts, place, n_places, spacing, has_data)
    # Columns around the place that the twin does not have. A column between both radii is not missing.
    ends = tree.data[twins] + shifts
    around = tree.query_ball_point(ends, (_SHELLS - TOLERANCE) * spacing)
    total, shared = _count(tree, around, occupant, -shifts, place, n_places, spacing, has_data)
    return both / np.maximum(either + total - shared, 1)


def _count(
    tree: cKDTree,
    around: np.ndarray,
    without: np.ndarray | None,
    shifts: np.ndarray,
    place: np.ndarray,
    n_places: int,
    spacing: float,
    has_data: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many columns of lists `around` are in the image after a shift, and how many then meet a column."""
    lengths = [len(found) for found in around]
    near = np.concatenate([np.asarray(found, np.int64) for found in around])
    which = np.repeat(np.arange(len(around)), lengths)
    if without is not None:
        other = near != without[which]
        near, which = near[other], which[other]
    ends = tree.data[near] + shifts[which]
    seen = lies_in(ends, has_data)
    ends, which = ends[seen], which[seen]
    there = tree.query(ends)[0] < TOLERANCE * spacing if len(ends) else np.zeros(0, bool)
    groups = place[which]
    return np.bincount(groups, minlength=n_places), np.bincount(groups[there], minlength=n_places)


def expected_labels(
    labels: np.ndarray,
    columns: np.ndarray,
    positions: np.ndarray,
    atoms: np.ndarray,
    twins: np.ndarray,
    spacing: float,
) -> np.ndarray:
    """Return the label that the twins of each site predict.

    A translation maps columns to columns of the same height, but not always to columns of the same motif: where tilted
    octahedra alternate, half of the translations of the heavy columns exchange two motifs. What a translation does to
    motifs is counted over all sites, so that a twin votes for the motifs that its translation leads to, in their shares.

    Parameters
    ----------
    labels : ndarray of int of shape (n,)
        Motif of each column.
    columns : ndarray of shape (n, 2)
        x, y of the columns.
    positions : ndarray of shape (m, 2)
        x, y of the sites, in the same units.
    atoms : ndarray of int of shape (m,)
        Column of each site; -1 for an empty site.
    twins : ndarray of int of shape (m, k)
        Columns of the same kind; -1 for none.
    spacing : float
        Nearest-neighbour distance of the columns.

    Returns
    -------
    ndarray of int of shape (m,)
        The lowest label of equally likely ones, the label of its own column for a site without twins; -1 if there is neither.
    """
    n_labels = int(labels.max()) + 1 if len(labels) else 1
    votes = np.zeros((len(atoms), n_labels))
    site, number = np.nonzero(twins >= 0)
    twin = twins[site, number]
    vector = _numbered((columns[twin] - positions[site]) / spacing)
    held = atoms[site] >= 0
    # How often each vector leads from a column of one motif (last) to one of another.
    seen = np.zeros((int(vector.max(initial=-1)) + 1, n_labels, n_labels))
    np.add.at(seen, (vector[held], labels[atoms[site[held]]], labels[twin[held]]), 1.0)
    total = seen.sum(axis=1, keepdims=True)
    # Where no column shows what a vector does, it keeps the motif.
    share = np.where(total > 0, seen / np.maximum(total, 1.0), np.eye(n_labels))
    for start in range(0, len(site), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        np.add.at(votes, site[part], share[vector[part], :, labels[twin[part]]])
    # The own column decides between equal votes only.
    own = np.flatnonzero(atoms >= 0)
    votes[own, labels[atoms[own]]] += 1e-6
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def _numbered(vectors: np.ndarray) -> np.ndarray:
    """Return numbers (l,) of vectors (l, 2), in nearest-neighbour distances, equal for those that are nearly equal."""
    # Means of vectors in one cell of a grid, the most frequent first, and the nearest of those that are far enough apart.
    cells = np.rint(vectors / (0.5 * TOLERANCE))
    first, _, number = distinct_rows(cells)
    cells = cells[first]
    kept: list[np.ndarray] = []
    for k in np.argsort(-number, kind="stable"):
        centre = cells[k] * 0.5 * TOLERANCE
        if not kept or np.hypot(*(np.array(kept) - centre).T).min() > TOLERANCE:
            kept.append(centre)
    return cKDTree(np.array(kept).reshape(-1, 2)).query(vectors)[1] if kept else np.zeros(0, np.intp)

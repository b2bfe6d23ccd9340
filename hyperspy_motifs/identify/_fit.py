"""Fit of one structure to one field: the columns that are seen, their orientation, and every point as one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.special import expit

from ._constants import CONSTANTS
from ._emission import Brightness, Emission, Kinds
from ._orientation import Field, Neighbourhood, Orientation, find_orientations
from ._projection import ATOMIC_NUMBERS, Composition, ProjectedCell, reference_weights
from ._registration import Registration, column_kinds, displacements, match_poses, refitted, register


@dataclass(frozen=True)
class EmptyPlaces:
    """Places that most of the columns around them predict, with no column near.

    Attributes
    ----------
    places : ndarray of shape (e, 2)
        Mean of the predictions, in the frame of the field.
    columns : ndarray of int of shape (e,)
        Column of the cell that is missing.
    agreement : ndarray of shape (e,)
        Share of the columns around a place that are there and predict it, above a half.
    """

    places: NDArray[np.float64]
    columns: NDArray[np.int64]
    agreement: NDArray[np.float64]

    @classmethod
    def of(cls, field: Field, found: Registration) -> EmptyPlaces:
        """Of a registration."""
        around = Neighbourhood.of(found.cell)
        known = np.flatnonzero(found.columns >= 0)
        column = found.columns[known]
        matrices = np.array([o.matrix for o in found.orientations])[found.grains[known]]
        spacing = found.spacing
        places = field.points[known][:, None] + np.einsum("nij,nvj->nvi", matrices, around.vectors[column])
        inside = (places > field.box[0]).all(axis=2) & (places < field.box[1]).all(axis=2)
        inside &= around.listed[column]
        places, missing = places[inside], around.columns[column][inside]
        # As far from every column as two neighbours are from the place between them.
        far = field.tree.query(places)[0] > 0.5 * spacing
        places, missing = places[far], missing[far]
        near = cKDTree(places).query_pairs(CONSTANTS.near * spacing, output_type="ndarray")
        near = near[missing[near[:, 0]] == missing[near[:, 1]]]
        shape = (len(places), len(places))
        n, group = connected_components(coo_array((np.ones(len(near)), near.T), shape=shape), directed=False)
        number = np.bincount(group, minlength=n)
        first = np.unique(group, return_index=True)[1]
        mean = np.stack([np.bincount(group, axis, n) for axis in places.T], axis=1) / number[:, None]
        predicted_by = np.bincount(around.columns[around.listed], minlength=len(found.cell))
        agreement = np.minimum(number / predicted_by[missing[first]], 1.0)
        most = agreement > 0.5
        return cls(mean[most], missing[first][most], agreement[most])

    def log_odds(self, field: Field, found: Registration) -> float:
        """Logarithm of the Bayes factor of their number against a crystal with any share of wrong places.

        Places are wrong if they are empty, or have a point so near that the structure cannot have it. The prior of the share is
        a beta distribution with the mean `irregular`. Columns that the structure has in part only may be empty.
        """
        full = np.array([sum(n for _, n in c) > 1 - 1e-6 for c in found.cell.compositions])
        empty, known = int(full[self.columns].sum()), np.flatnonzero(found.columns >= 0)
        nearest = field.tree.query(field.points[known], k=2)[0][:, 1]
        crowded = int((nearest < (1 - CONSTANTS.near) * found.spacing).sum())
        share = min((empty + crowded) / max(empty + len(known), 1), 1 - 1e-9)
        power = 1 / CONSTANTS.irregular - 1
        return float(np.log(power) + (power - 1) * np.log1p(-share))


# Orientations of structures that share a field are fitted to their own points this often.
_N_JOINT = 3
# Registration with the kind whose place each kind took at first.
Arrangement: TypeAlias = tuple[tuple[int, ...], Registration]
# Rotations of plane lattices in degrees.
_ROTATIONS = (0, 60, 90, 120, 180, 240, 270, 300)


@dataclass(frozen=True)
class Observations:
    """What is measured in one field.

    Attributes
    ----------
    field : Field
        Points in ångström, or in any unit if `calibrated` is False; y up.
    values, errors : ndarray of shape (n,)
        Height of each column above the background and its standard deviation, positive.
    motifs : ndarray of int of shape (n,)
    calibrated : bool
    by_brightness : bool
        Whether the brightness follows the law of scattering (annular dark field). Otherwise columns are identified by geometry,
        and by their motifs as kinds without a meaning.
    effective : ndarray, optional
        Effective atomic number by atomic number, as in :func:`fit_levels`.
    """

    field: Field
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    motifs: NDArray[np.int64]
    calibrated: bool
    by_brightness: bool
    effective: NDArray[np.float64] = dataclasses.field(default_factory=lambda: ATOMIC_NUMBERS)

    def __len__(self) -> int:
        return len(self.values)

    def spacing(self, cell: ProjectedCell) -> float:
        """Distance of neighbours over that of the brightest columns of a crystal."""
        brightest = cell.select(_visible_sets(cell, self.effective)[0])
        return spacing_ratio(self.field, Neighbourhood.of(brightest)) if len(self) > 1 else np.nan


@dataclass(frozen=True)
class StructureFit:
    """The best fit of a structure, and the other arrangements of its kinds of columns.

    Attributes
    ----------
    cell : ProjectedCell
        With all columns.
    registration : Registration or None
        With the columns that are seen; None if no orientation fits.
    kinds : list of compositions
        Of the columns that are seen.
    kind : ndarray of int of shape (n,)
        Index into `kinds` of each point; -1 if the structure does not explain it.
    arrangements : list of (tuple of int, float)
        The kind that the columns of each kind are in this arrangement, and its probability; the first is the one of `kind`.
    others : list of Registration
        Of the other arrangements, in their order.
    weight : float
        Logarithm of the evidence by which the fit is compared with those of other structures.
    """

    cell: ProjectedCell
    registration: Registration | None
    kinds: list[Composition]
    kind: NDArray[np.int64]
    arrangements: list[tuple[tuple[int, ...], float]]
    others: list[Registration] = dataclasses.field(default_factory=list)
    weight: float = -np.inf

    @classmethod
    def of(
        cls, cell: ProjectedCell, found: Sequence[Registration], evidence: NDArray[np.float64]
    ) -> StructureFit:
        """From the registrations of all arrangements and the logarithms of their evidence."""
        order = np.argsort(-evidence, kind="stable")
        some = [found[k] for k in order]
        kinds, number = column_kinds(some[0].cell)
        kind = np.where(some[0].columns >= 0, number[some[0].columns], -1)
        share = np.exp(evidence[order] - evidence.max())
        arrangements = [
            (_exchange(kind, number, other, len(kinds)), float(s))
            for other, s in zip(some, share / share.sum(), strict=True)
        ]
        return cls(cell, some[0], kinds, kind, arrangements, some[1:], float(evidence.max()))

    @property
    def log_evidence(self) -> float:
        """Against points at random; minus infinity if no orientation fits."""
        return -np.inf if self.registration is None else self.registration.log_evidence

    @property
    def explained(self) -> float:
        """Share of the points that are columns of the structure."""
        return 0.0 if self.registration is None else self.registration.explained

    def log_odds(self, observed: Observations) -> dict[str, float]:
        """Logarithms of the Bayes factors against another crystal with the same arrangement of columns, by what is compared.

        Another crystal has any scale and distortion (`free_scale`, `free_distortion`), columns that are equal or have any
        ratio of brightness (`free_ratio`), and any share of empty or crowded places. Empty if no orientation fits.
        """
        found = self.registration
        if found is None:
            return {}
        root = np.sqrt(2 * np.pi)
        shape = max(
            (
                o.log_prior(observed.calibrated)
                for j, o in enumerate(found.orientations)
                if (found.grains == j).any()
            ),
            default=-np.inf,
        )
        shape += 2 * np.log(2 * CONSTANTS.free_distortion / (root * CONSTANTS.distortion))
        if observed.calibrated:
            shape += np.log(2 * CONSTANTS.free_scale / (root * CONSTANTS.calibration))
        odds = {
            "scale and distortion": float(shape),
            "share of wrong places": EmptyPlaces.of(observed.field, found).log_odds(observed.field, found),
        }
        # One column in the cell: any crystal of its shape has it.
        if len(np.unique(found.columns[self.kind >= 0])) > 1:
            odds["brightness of the columns"] = found.emission.log_odds(self.kind, found.columns)
        return odds

    def is_accepted(self, observed: Observations) -> bool:
        """Whether the structure is at least as likely as `refused` against another crystal of its arrangement."""
        return self.registration is not None and all(
            expit(value) >= CONSTANTS.refused for value in self.log_odds(observed).values()
        )


def fit_structure(observed: Observations, cell: ProjectedCell) -> StructureFit:
    """Fit a projected structure to the points of a field.

    Columns of the crystal may be displaced from those of the structure, all equivalent ones alike. Faint columns may not be
    seen: the brightest ones alone are tried first, then with the next ones. Arrangements in which columns of like brightness
    are exchanged (all columns, where brightness is not used) are fitted as well, and compared by their evidence.

    Parameters
    ----------
    observed : Observations
    cell : ProjectedCell

    Returns
    -------
    StructureFit
    """
    best: list[Arrangement] = []
    for shown in _visible_sets(cell, observed.effective):
        found = _fit_visible(observed, cell.select(shown))
        if found and (not best or found[0][1].log_evidence > best[0][1].log_evidence):
            best = found
    n = len(observed)
    if not best:
        return StructureFit(cell, None, [], np.full(n, -1), [])
    every = [_relaxed(observed, order, found) for order, found in best]
    every.sort(key=lambda found: -found.log_evidence)
    return StructureFit.of(cell, every, np.array([r.log_evidence for r in every]))


def _relaxed(observed: Observations, order: tuple[int, ...], found: Registration) -> Registration:
    """An arrangement with its columns displaced, if that is likelier."""
    moved, gain = displacements(observed.field, found)
    if gain < CONSTANTS.clearly:
        return found
    penalty = 0.5 * float((moved**2).sum()) / CONSTANTS.relaxation**2
    cell = replace(found.cell, positions=found.cell.positions + moved)
    used = [o for j, o in enumerate(found.orientations) if (found.grains == j).any()]
    again = [
        replace(r, log_prior=r.log_prior - penalty) for _, r in _fit_visible(observed, cell, used, [order])
    ]
    return max([found, *again], key=lambda r: r.log_evidence)


def _visible_sets(cell: ProjectedCell, effective: NDArray[np.float64]) -> list[list[int]]:
    """Columns that are seen, the brightest ones first, then with fainter ones."""
    weights = reference_weights(cell.compositions, CONSTANTS.exponent, effective)
    levels = np.sort(weights)[::-1]
    # The bright ones, and then down to each gap.
    cuts = [levels[levels * CONSTANTS.mistakable > levels[0]][-1]]
    cuts += [a for a, b in pairwise([*levels, 0.0]) if a < cuts[0] and a > CONSTANTS.mistakable * b]
    return [np.flatnonzero(weights >= cut * (1 - 1e-9)).tolist() for cut in cuts]


def spacing_ratio(field: Field, around: Neighbourhood) -> float:
    """Length in the image of one ångström, from the distances of the six nearest neighbours."""
    k = min(6, len(field.points) - 1)
    distance, _ = field.tree.query(field.points, k=k + 1)
    lengths = np.where(around.listed, np.hypot(*np.moveaxis(around.vectors, 2, 0)), np.inf)
    known = np.sort(lengths, axis=1)[:, :k]
    return float(np.median(distance[:, 1:].mean(axis=1)) / np.median(known.mean(axis=1)))


def _fit_visible(
    observed: Observations,
    cell: ProjectedCell,
    known: Sequence[Orientation] = (),
    orders: Sequence[tuple[int, ...]] = (),
) -> list[Arrangement]:
    """Arrangements of the visible columns, the best first; in known orientations and orders, if some are given."""
    if len(observed) < 2:
        return []
    around = Neighbourhood.of(cell)
    ratio = spacing_ratio(observed.field, around)
    if observed.calibrated and abs(np.log(ratio)) > CONSTANTS.near:
        return []
    scale = 1.0 if observed.calibrated else ratio
    orientations = list(known) or find_orientations(observed.field, cell, around, scale, observed.calibrated)
    if not orientations:
        return []
    kinds, number = column_kinds(cell)
    poses, scatter = match_poses(
        observed.field, [(cell, around, number)], [orientations], CONSTANTS.displacement[1]
    )
    out: list[Arrangement] = []
    for order in orders or _orders(cell, kinds, number, observed):
        emission = _emission(observed, kinds, np.bincount(number), cell.layer, order)
        (found,) = register(poses, emission, observed.calibrated, scatter)
        # An arrangement that relaxed to one that was found before is no other.
        if (found.columns >= 0).any() and not any(_same(found, number, r) for _, r in out):
            out.append((order, found))
    return sorted(out, key=lambda item: -item[1].log_evidence)


def _orders(
    cell: ProjectedCell, kinds: list[Composition], number: NDArray[np.integer], observed: Observations
) -> list[tuple[int, ...]]:
    """Arrangements to compare: the kind whose place each takes. Positions do not distinguish the kinds that are exchanged."""
    usual = tuple(range(len(kinds)))
    weights = reference_weights(kinds, CONSTANTS.exponent, observed.effective)
    orders = [usual]
    symmetries: list[NDArray[np.int64]] | None = None
    for a, b in combinations(usual, 2):
        alike = max(weights[a], weights[b]) < CONSTANTS.mistakable * min(weights[a], weights[b])
        here = number == a
        if here.sum() != (number == b).sum() or not (alike or not observed.by_brightness):
            continue
        symmetries = _symmetries(cell) if symmetries is None else symmetries
        if any((number[onto[here]] == b).all() for onto in symmetries):
            order = list(usual)
            order[a], order[b] = b, a
            orders.append(tuple(order))
    return orders[: CONSTANTS.arrangements]


def _symmetries(cell: ProjectedCell) -> list[NDArray[np.int64]]:
    """Motions of the plane that map all columns onto columns, whatever these are: the column onto which each comes."""
    found = []
    for angle in np.radians(_ROTATIONS):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if not cell.repeats_after(turn):
            continue
        turned = (cell.positions - cell.positions[0]) @ turn.T
        onto = cell.coincident((turned + cell.positions[:, None]).reshape(-1, 2))
        each = onto.reshape(len(cell), len(cell), len(cell))
        found += [one.argmax(axis=1) for one in each if one.any(axis=1).all()]
    return found


def _emission(
    observed: Observations,
    kinds: list[Composition],
    shares: NDArray[Any],
    layer: bool,
    order: tuple[int, ...],
) -> Emission:
    if observed.by_brightness:
        points = observed.field.points
        return Brightness(
            observed.values, observed.errors, points, kinds, shares, layer, order, observed.effective
        )
    return Kinds(observed.motifs, shares, order)


def fit_jointly(observed: Observations, fits: Sequence[StructureFit]) -> list[StructureFit]:
    """Fit several structures to one field at once: which one fits where.

    All structures have one gain and one law of scattering, and every point is a column of one of them. Where they were fitted
    alone, each was stretched to the whole field; here their orientations are fitted again to the points that are theirs.

    Parameters
    ----------
    observed : Observations
    fits : sequence of StructureFit
        Of each structure alone, with a registration.

    Returns
    -------
    list of StructureFit
        The fits in the same order.
    """
    kinds = list(dict.fromkeys(c for fit in fits for c in fit.kinds))
    crystals, orientations = [], []
    shares = np.zeros(len(kinds))
    for fit in fits:
        found = fit.registration
        assert found is not None
        number = np.array([kinds.index(c) for c in found.cell.compositions])
        np.add.at(shares, number, 1 / found.cell.area)
        crystals.append((found.cell, Neighbourhood.of(found.cell), number))
        # Without the stretch of the whole field, which is not theirs.
        used = np.unique(found.grains[found.grains >= 0]).tolist()
        orientations.append([found.orientations[j].unstretched(observed.calibrated) for j in used])
    layer = all(fit.cell.layer for fit in fits)
    joint: list[Registration] = []
    for _ in range(_N_JOINT):
        poses, scatter = match_poses(observed.field, crystals, orientations, CONSTANTS.displacement[1])
        emission = _emission(observed, kinds, shares, layer, tuple(range(len(kinds))))
        joint = register(poses, emission, observed.calibrated, scatter)
        orientations = [refitted(observed.field, found) for found in joint]
    out = []
    for fit, found in zip(fits, joint, strict=True):
        own = {kinds.index(c): k for k, c in enumerate(fit.kinds)}
        number = np.array([own[kinds.index(c)] for c in found.cell.compositions])
        kind = np.where(found.columns >= 0, number[found.columns], -1)
        out.append(replace(fit, registration=found, kind=kind, arrangements=_relative(fit, kind)))
    return out


def _relative(fit: StructureFit, kind: NDArray[np.integer]) -> list[tuple[tuple[int, ...], float]]:
    """Arrangements of a fit, relative to that of `kind`, which becomes the first one."""
    n_kinds = len(fit.kinds)
    shown = list(range(n_kinds))
    for k in range(n_kinds):
        here = kind[(fit.kind == k) & (kind >= 0)]
        shown[k] = int(np.bincount(here).argmax()) if len(here) else k
    if sorted(shown) != list(range(n_kinds)):
        return fit.arrangements
    back = np.argsort(shown)
    moved = [(tuple(int(exchange[back[k]]) for k in range(n_kinds)), p) for exchange, p in fit.arrangements]
    return sorted(moved, key=lambda item: item[0] != tuple(range(n_kinds)))


def _exchange(
    kind: NDArray[np.integer], number: NDArray[np.integer], other: Registration, n_kinds: int
) -> tuple[int, ...]:
    """Kind of most columns of each kind in another arrangement."""
    both = (kind >= 0) & (other.columns >= 0)
    out = list(range(n_kinds))
    for k in np.unique(kind[both]).tolist():
        out[k] = int(np.bincount(number[other.columns[both & (kind == k)]]).argmax())
    return tuple(out)


def _same(found: Registration, number: NDArray[np.integer], other: Registration) -> bool:
    """Whether the kinds of most points are equal."""
    both = (found.columns >= 0) & (other.columns >= 0)
    return bool(both.any()) and float((number[found.columns] == number[other.columns])[both].mean()) > 0.9

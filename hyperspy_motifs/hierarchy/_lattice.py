"""The lattice of translations of an image, and its continuation over places without atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.cells import Cells
from hyperspy_motifs.common import FEWEST_OF_A_SHARE, SMALL_SAMPLE, distinct_rows

from ._constants import CONSTANTS
from ._hierarchy import LabelledPoints


@dataclass(frozen=True)
class Lattice:
    """Two translations, and their match with the pattern.

    Attributes
    ----------
    vectors : numpy.ndarray of float, shape (2, 2)
        Rows a and b, columns x, y: the shortest pair, with an angle of 90 to 120 degrees between them.
    match : float
        Share of the atoms mapped onto atoms of their kind.
    tolerance : float
        Largest distance of a mapped atom.
    """

    vectors: np.ndarray
    match: float
    tolerance: float

    @property
    def lengths(self) -> np.ndarray:
        """Lengths of a and b, shape (2,)."""
        return np.hypot(self.vectors[:, 0], self.vectors[:, 1])

    @property
    def angle(self) -> float:
        """Angle between a and b, in degrees."""
        cosine = self.vectors[0] @ self.vectors[1] / self.lengths.prod()
        return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))

    @property
    def area(self) -> float:
        """Area of the unit cell."""
        return float(abs(np.linalg.det(self.vectors)))


def find_lattice(sites: LabelledPoints, faint: bool = False) -> Lattice | None:
    """Find the translations that map the labelled pattern onto itself.

    Candidates are the differences between sites of one kind; the score of each is the share of all sites that it maps
    onto a site of the same kind. Short ones are tested first. The shortest two that map nearly as many sites as the
    best one span the lattice, which is refined on all pairs of sites that it connects.

    Parameters
    ----------
    sites : LabelledPoints
        Positions and kinds; if angles and handedness are given, translated sites must have the same values.
    faint : bool
        Also accept translations that map only two fifths of the sites, as in images with many missed or false atoms,
        if twice and three times the translation map nearly as many, which excludes quasiperiodic tilings.

    Returns
    -------
    Lattice or None
        None if no translation maps the pattern onto itself: the pattern is not periodic over the field.
    """
    extent = np.ptp(sites.positions, axis=0) if len(sites) else np.zeros(2)
    spacing = sites.spacing
    if len(sites) < 8 or not spacing > 0 or extent.min() < 2 * spacing:
        return None
    furthest = 0.5 * float(extent.min())
    reach = furthest if faint else min(6.0 * spacing, furthest)
    scorer = _Scorer(sites, CONSTANTS.tolerance * spacing, faint)
    best: Lattice | None = None
    while True:
        lattice = _search(scorer, reach)
        if lattice is not None and (
            best is None or lattice.match > best.match / (1 - CONSTANTS.match_margin)
        ):
            best = lattice
        if reach >= furthest or (best is not None and best.match >= CONSTANTS.clear_match):
            return best
        reach = min(2.0 * reach, furthest)


class _Score(NamedTuple):
    """Shares of the sites mapped onto sites of their kind and onto any site, the vector, and the number of sites that
    could be mapped.
    """

    match: float
    placed: float
    vector: np.ndarray
    seen: int


class _Scorer:
    """Scores translations on an evenly distributed sample of the sites."""

    def __init__(self, sites: LabelledPoints, tolerance: float, faint: bool) -> None:
        self.sites = sites
        self.faint = faint
        self.least_match = CONSTANTS.faint_match if faint else CONSTANTS.least_match
        self.least_placed = CONSTANTS.faint_match if faint else CONSTANTS.least_placed
        self.tolerance = tolerance
        self.tree = cKDTree(sites.positions)
        self.sample = _even_sample(len(sites), SMALL_SAMPLE)
        self.low, self.high = sites.positions.min(axis=0), sites.positions.max(axis=0)
        self.known: dict[bytes, _Score] = {}

    def accepts(self, score: _Score) -> bool:
        """Return whether a translation maps enough sites, also when repeated."""
        if score.match < self.least_match or score.placed < self.least_placed:
            return False
        if not self.faint:
            twice = self.score(2 * score.vector)
            return (
                score.placed >= CONSTANTS.clearly_placed
                or twice.seen < FEWEST_OF_A_SHARE
                or twice.placed >= CONSTANTS.clear_match * score.placed
            )
        return all(
            self.score(multiple * score.vector).match >= share * score.match
            for multiple, share in ((2, 0.9), (3, 0.8))
        )

    def score(self, vector: np.ndarray) -> _Score:
        """Return the match of `vector` for the sample; a search that reaches further asks for the same vectors again."""
        key = vector.tobytes()
        if key not in self.known:
            self.known[key] = self._score(vector)
        return self.known[key]

    def _score(self, vector: np.ndarray) -> _Score:
        index, target = self.sample, self.sites.positions[self.sample] + vector
        inside = ((target >= self.low) & (target <= self.high)).all(axis=1)
        index, target = index[inside], target[inside]
        distance, image = self.tree.query(target)
        # A point far from every site is vacuum and not a mismatch.
        seen = int((distance <= 1.5 * self.sites.spacing).sum())
        placed = distance <= self.tolerance
        index, image = index[placed], image[placed]
        same = self.sites.alike(index, image)
        if seen < 8 or same.sum() < 4:
            return _Score(0.0, 0.0, vector, seen)
        moved = self.sites.positions[image[same]] - self.sites.positions[index[same]]
        return _Score(float(same.sum()) / seen, float(placed.sum()) / seen, np.median(moved, axis=0), seen)


def _search(scorer: _Scorer, reach: float) -> Lattice | None:
    """Return the lattice among the translations no longer than `reach`."""
    scored = []
    for candidate in _candidates(scorer, reach):
        # Twice, because the first vector has the accuracy of its bin.
        score = scorer.score(scorer.score(candidate).vector)
        if scorer.accepts(score):
            scored.append(score)
    if not scored:
        return None
    best = max(scored, key=lambda score: score.match)
    least = best.match - max(
        CONSTANTS.match_margin * best.match, 3 * np.sqrt(best.match * (1 - best.match) / best.seen)
    )
    vectors = np.array([score.vector for score in scored if score.match >= least])
    basis = _shortest_basis(vectors, scorer.tolerance)
    lattice = None if basis is None else _refined(scorer, basis)
    return lattice if lattice is not None and _goes_on(scorer, lattice) else None


def _candidates(scorer: _Scorer, reach: float) -> np.ndarray:
    """Return the differences between sites of one kind that occur most often, half of the plane."""
    sites = scorer.sites
    differences = []
    middle = (scorer.low + scorer.high) / 2
    for members in sites.groups():
        near = np.argsort(((sites.positions[members] - middle) ** 2).sum(axis=1), kind="stable")
        anchors = members[near[: max(4, CONSTANTS.anchors * len(members) // len(sites))]]
        found = cKDTree(sites.positions[members]).query_ball_point(sites.positions[anchors], reach)
        for anchor, others in zip(anchors, found, strict=True):
            differences.append(sites.positions[members[others]] - sites.positions[anchor])
    vectors = np.concatenate(differences) if differences else np.empty((0, 2))
    # A translation and its inverse are equivalent.
    vectors *= np.where((vectors[:, 1] < 0) | ((vectors[:, 1] == 0) & (vectors[:, 0] < 0)), -1, 1)[:, None]
    length = np.hypot(vectors[:, 0], vectors[:, 1])
    vectors = vectors[(length > 0.5 * sites.spacing) & (length <= reach)]
    if not len(vectors):
        return vectors
    bins = np.round(vectors / scorer.tolerance).astype(np.int64)
    index, inverse, _ = distinct_rows(bins)
    votes = np.bincount(inverse).astype(float)
    means = np.column_stack([np.bincount(inverse, vectors[:, i]) / votes for i in range(2)])
    # Long vectors more often end outside the field.
    extent = scorer.high - scorer.low
    votes /= np.prod(np.maximum(1 - np.abs(means) / extent, 0.25), axis=1)
    order = np.lexsort((index, -votes))
    kept: list[int] = []
    tree = cKDTree(means)
    taken = np.zeros(len(means), dtype=bool)
    for i in order:
        if not taken[i]:
            kept.append(i)
            taken[tree.query_ball_point(means[i], 1.5 * scorer.tolerance)] = True
            if len(kept) == CONSTANTS.candidates:
                break
    return means[kept]


def _shortest_basis(vectors: np.ndarray, tolerance: float) -> np.ndarray | None:
    """Return the two shortest vectors that are not parallel, reduced; None if there are none."""
    length = np.hypot(vectors[:, 0], vectors[:, 1])
    order = np.argsort(length, kind="stable")
    a = vectors[order[0]]
    for i in order[1:]:
        b = vectors[i]
        # Deviation from the line of a by more than the uncertainty of the vectors.
        if abs(a[0] * b[1] - a[1] * b[0]) > 2 * tolerance * length[order[0]]:
            return reduced(np.array([a, b]))
    return None


def reduced(basis: np.ndarray) -> np.ndarray:
    """Return the reduced basis of a plane lattice (Gauss 1801): a no longer than b (rows), at 90 to 120 degrees."""
    a, b = basis
    while True:
        if a @ a > b @ b:
            a, b = b, a
        shorter = b - np.round(a @ b / (a @ a)) * a
        # At 60 or 120 degrees rounding could turn b back and forth between two vectors of one length for ever.
        if shorter @ shorter >= (1 - 1e-9) * (b @ b):
            break
        b = shorter
    if a @ b > 0:
        b = -b
    # The one of a and -a that points to larger x, so that equal crystals have equal vectors.
    return np.array([a, b]) * (-1 if (a[0], a[1]) < (0, 0) else 1)


def _refined(scorer: _Scorer, basis: np.ndarray) -> Lattice | None:
    """Return the lattice after a fit to increasingly long translations; None if these do not match."""
    steps = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
    extent = float((scorer.high - scorer.low).min())
    match = 0.0
    multiple = 1
    while multiple == 1 or multiple * np.abs(steps @ basis).max() < 0.6 * extent:
        indices, moved, weights = [], [], []
        for step in steps * multiple:
            score = scorer.score(step @ basis)
            if score.match >= 0.5 * scorer.least_match:
                indices.append(step)
                moved.append(score.vector)
                weights.append(score.match * score.seen)
        if multiple == 1:
            scores = [scorer.score(step @ basis) for step in steps[:2]]
            match = min(score.match for score in scores)
            if match < scorer.least_match or min(score.placed for score in scores) < scorer.least_placed:
                return None
        if len(indices) < 2 or np.linalg.matrix_rank(np.array(indices)) < 2:
            break
        root = np.sqrt(np.array(weights))[:, None]
        basis = np.linalg.lstsq(np.array(indices) * root, np.array(moved) * root, rcond=None)[0]
        multiple *= 2
    return Lattice(reduced(basis), match, scorer.tolerance)


def _goes_on(scorer: _Scorer, lattice: Lattice) -> bool:
    """Return whether the translations match the pattern over several steps as well as over one."""
    sites = scorer.sites
    extent = scorer.high - scorer.low
    in_cell = len(sites) * lattice.area / float(extent.prod())
    if scorer.faint and in_cell > CONSTANTS.largest_faint_cell:
        return False
    if in_cell <= (CONSTANTS.large_faint_cell if scorer.faint else CONSTANTS.large_cell):
        return True
    steps = np.array([(h, k) for h in range(-3, 4) for k in range(-3, 4) if h or k])
    near = np.abs(steps).max(axis=1) == 1
    start = sites.positions[scorer.sample]
    target = start[:, None] + np.einsum("si,nix->nsx", steps, _local_vectors(scorer, lattice))
    distance, image = scorer.tree.query(target)
    inside = ((target >= scorer.low) & (target <= scorer.high)).all(axis=2) & (
        distance <= 1.5 * sites.spacing
    )
    hit = inside & (distance <= scorer.tolerance)
    first = np.broadcast_to(scorer.sample[:, None], image.shape)
    hit[hit] = sites.alike(first[hit], image[hit])
    seen, seen_far = inside[:, near].sum(), inside[:, ~near].sum()
    if min(seen, seen_far) < FEWEST_OF_A_SHARE:
        return lattice.match >= CONSTANTS.clearly_placed
    missed, missed_far = 1 - hit[:, near].sum() / seen, 1 - hit[:, ~near].sum() / seen_far
    return bool(missed_far <= max(CONSTANTS.most_growth * missed, missed + CONSTANTS.few_misses))


def _local_vectors(scorer: _Scorer, lattice: Lattice) -> np.ndarray:
    """Return the two local vectors (n, 2, 2) near each sampled site, because images have strain and drift."""
    start = scorer.sites.positions[scorer.sample]
    near = cKDTree(start).query(start, k=min(40, len(start)))[1]
    vectors = np.empty((len(start), 2, 2))
    for i, vector in enumerate(lattice.vectors):
        moved = np.full((len(start), 2), np.nan)
        distance, image = scorer.tree.query(start + vector)
        hit = np.flatnonzero(distance <= scorer.tolerance)
        hit = hit[scorer.sites.alike(scorer.sample[hit], image[hit])]
        moved[hit] = scorer.sites.positions[image[hit]] - start[hit]
        around = moved[near]
        enough = np.isfinite(around[..., 0]).sum(axis=1) >= 8
        vectors[:, i] = vector
        vectors[enough, i] = np.nanmedian(around[enough], axis=1)
    return vectors


def _even_sample(n: int, most: int) -> np.ndarray:
    """Return up to `most` indices spread evenly over `n`: without random numbers."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).astype(np.int64))


#: Steps to half of the neighbouring cells of a lattice.
STEPS = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])


class LatticeContinuation:
    """Identifies pairs of cells that the lattice repeats, and patches of cells that it connects."""

    def __init__(self, sites: LabelledPoints, lattice: Lattice, cells: Cells) -> None:
        self.sites = sites
        self.lattice = lattice
        self.vertices = cells.vertices
        self.offsets = cells.offsets
        self.centres = cells.centres
        steps = np.arange(-CONSTANTS.continued_reach, CONSTANTS.continued_reach + 1)
        index = np.array([(h, k) for h in steps for k in steps if h or k])
        vectors = index @ lattice.vectors
        self._order = vectors[np.argsort((vectors**2).sum(axis=1), kind="stable")]

    def repeated(self, kind: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return a mask (e,) of the pairs of cells that are repeated, one lattice vector away, in most directions.

        Inside a crystal every pair of neighbours is repeated. A pair across a wall is repeated only along the wall, which is a
        quarter of the directions. `kind` (m,) is that of each cell, -1 for none.
        """
        tree = cKDTree(self.centres)
        seen, again = np.zeros(len(first)), np.zeros(len(first))
        for step in np.concatenate([STEPS, -STEPS]):
            distance, image = tree.query(self.centres + step @ self.lattice.vectors)
            same = (distance <= self.lattice.tolerance) & (kind >= 0) & (kind[image] == kind)
            # If there are cells nearby but none at the position, the pattern is not repeated. Beyond the last cells
            # nothing is known.
            there = distance <= 0.6 * self.lattice.lengths.max()
            seen += there[first] & there[second]
            again += same[first] & same[second]
        return (seen > 0) & (again >= 0.5 * seen)

    def atoms(self, cells: np.ndarray) -> np.ndarray:
        """Return the corners of some cells."""
        starts, ends = self.offsets[cells], self.offsets[cells + 1]
        return np.unique(np.concatenate([self.vertices[s:e] for s, e in zip(starts, ends, strict=True)]))

    def joins(self, first: np.ndarray, second: np.ndarray) -> bool:
        """Return whether two patches of cells belong to one lattice.

        The atoms of one patch are moved by lattice vectors into the other: in one crystal most of them coincide with
        atoms of their kind, but not across an antiphase or twin boundary. Only short vectors are used, so that strain
        and scan distortion do not accumulate.
        """
        one, two = self.atoms(first), self.atoms(second)
        # Atoms on both sides give no information on the material between.
        one, two = np.setdiff1d(one, two), np.setdiff1d(two, one)
        if not len(one) or not len(two):
            return False
        if len(one) > len(two):
            one, two = two, one
        tree = cKDTree(self.sites.positions[two])
        seen = matched = 0
        for vector in self._order:
            distance, nearest = tree.query(self.sites.positions[one] + vector)
            inside = distance <= 0.75 * self.sites.spacing
            met = distance <= self.lattice.tolerance
            seen += int(inside.sum())
            matched += int(self.sites.alike(one[met], two[nearest[met]]).sum())
            # The shortest vectors across the gap are sufficient.
            if seen >= max(CONSTANTS.least_seen_at_rim, len(one)):
                break
        return seen >= CONSTANTS.least_seen_at_rim and matched >= CONSTANTS.least_match * seen

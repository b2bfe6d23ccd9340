"""Local translations of a crystal, the sites that they predict, and the comparison of two models of each: empty or occupied."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, uniform_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.spatial import cKDTree
from scipy.special import expit
from scipy.stats import norm

from hyperspy_motifs.atoms import BIN, BLOCK_SIDE, FEWEST_PAIRS, NEIGHBOURHOOD, ORDERLY
from hyperspy_motifs.common import distinct_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Lengths are in nearest-neighbour distances.
# Longest translations, tried one after the other until most columns have one. The shortest ones of graphene and MoS2 have 1.7,
# those of a perovskite with its oxygen 2, and those of the M1 oxide 8.
_LONGEST = (4.5, 9.0)
# Two columns coincide, and a displacement agrees with a translation, within this distance.
TOLERANCE = 0.3
# Fraction of the columns of a window of 2 x 2 blocks that a vector must map to columns for it to be tried. The chance
# level, density times area, is about 0.2.
_TRIED = 0.4
# Fraction of the columns around one that a translation of the crystal maps to columns. A vector between the two
# columns of a cell with equal columns, as in graphene, has a half. One sublattice of which any fraction is missed leaves
# 0.83 or more.
RECURRING = ORDERLY
# A translation preserves the kind of the columns: the mean difference of the amplitudes that it joins, relative to the
# smallest such difference of all vectors. The mean of a hundred has a standard error of 7 %, and the smallest of twenty is
# two of them too small. Differences, relative to the typical amplitude, count up to that of two kinds, so that a few defects
# do not decide.
_SAME_KIND = 1.5
_LEAST_DIFFERENCE = 0.1
_MOST_DIFFERENCE = 0.3
_MOST_VECTORS = 128


@dataclass(frozen=True)
class Translations:
    """Local translations of n columns; lengths in pixels.

    Attributes
    ----------
    vectors : ndarray of shape (n, t, 2)
        Estimates of t translations around each column; x, y.
    scatter : ndarray of shape (n, t)
        Standard deviation per axis of single displacements from these estimates.
    valid : ndarray of bool of shape (n, t)
        Whether the structure around the column repeats by the translation.
    partners : ndarray of int of shape (n, t)
        The column to which each column is mapped; -1 if there is none.
    inside : ndarray of bool of shape (n, t)
        Whether the column is mapped to a pixel with data.
    proposed : ndarray of shape (t, 2)
        The t vectors before they were fitted to each column.
    """

    vectors: np.ndarray
    scatter: np.ndarray
    valid: np.ndarray
    partners: np.ndarray
    inside: np.ndarray
    proposed: np.ndarray


def local_translations(
    positions: np.ndarray,
    amplitudes: np.ndarray,
    spacing: float,
    has_data: np.ndarray,
    proposed: np.ndarray | None = None,
) -> Translations:
    """Estimate the translations of the crystal around every column.

    A vector is a translation where it maps nearly all columns to columns of the same amplitude. Vectors are proposed by
    the histogram of the displacements in overlapping windows (the Patterson map of the positions). They are then tested
    and averaged in the surroundings of each column, so that drift, strain and grain boundaries are followed.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        x, y in pixels.
    amplitudes : ndarray of shape (n,)
        Heights of the columns, positive.
    spacing : float
        Nearest-neighbour distance in pixels.
    has_data : ndarray of bool of shape (rows, columns)
        Pixels of the image with data.
    proposed : ndarray of shape (t, 2), optional
        Vectors to be tested, in pixels; by default those that recur.

    Returns
    -------
    Translations
        Without vectors (t = 0) where nothing repeats, as in a glass.
    """
    for longest in _LONGEST:
        found = _translations_up_to(longest, positions, amplitudes, spacing, has_data, proposed)
        if found.valid.any(axis=1).mean() > 0.5:
            break
    return found


def _translations_up_to(
    longest: float,
    positions: np.ndarray,
    amplitudes: np.ndarray,
    spacing: float,
    has_data: np.ndarray,
    proposed: np.ndarray | None,
) -> Translations:
    """As `local_translations`, of one longest length in nearest-neighbour distances."""
    n = len(positions)
    # In the order of rows of columns, so that neighbours are near in memory.
    order = np.lexsort((positions[:, 0], positions[:, 1] // spacing))
    back = np.argsort(order)
    positions, amplitudes = positions[order], amplitudes[order]
    tree = cKDTree(positions)
    pairs = tree.query_pairs(longest * spacing, output_type="ndarray")
    firsts, seconds = pairs.ravel(), pairs[:, ::-1].ravel()
    apart = (positions[pairs[:, 1]] - positions[pairs[:, 0]]) / spacing
    displacements = np.stack([apart, -apart], axis=1).reshape(-1, 2)
    if proposed is None:
        vectors = _proposed(positions / spacing, firsts, displacements, longest)
    else:
        vectors = proposed / spacing
    if not len(vectors):
        return _none(n)
    # The column nearest to the end of each vector, by the deviation of the displacement.
    deviation, which = cKDTree(vectors).query(displacements, distance_upper_bound=TOLERANCE)
    close = np.flatnonzero(np.isfinite(deviation))
    ends_at = firsts[close] * len(vectors) + which[close]
    rivals = np.bincount(ends_at)[ends_at] > 1
    rivals = close[rivals][np.argsort(-deviation[close[rivals]], kind="stable")]
    partners = np.full((n, len(vectors)), -1)
    for some in (close, rivals):
        partners[firsts[some], which[some]] = seconds[some]
    matched = partners >= 0
    ends = positions[:, None] + spacing * vectors
    inside = matched | lies_in(ends.reshape(-1, 2), has_data).reshape(matched.shape)
    near = tree.query_pairs(NEIGHBOURHOOD * spacing, output_type="ndarray")
    rows = np.concatenate([near[:, 0], near[:, 1], np.arange(n)])
    columns = np.concatenate([near[:, 1], near[:, 0], np.arange(n)])
    around = csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    eligible, found = around @ inside.astype(float), around @ matched.astype(float)
    there = np.where(matched, partners, np.arange(n)[:, None])
    steps = positions[there] - positions[:, None]
    # Atoms that are given beside the columns have no amplitude.
    positive = amplitudes[amplitudes > 0]
    scale = float(np.median(positive)) if len(positive) else 1.0
    change = np.minimum(np.abs(amplitudes[there] - amplitudes[:, None]) / scale, _MOST_DIFFERENCE)
    least = np.maximum(found, 1.0)
    recurring = (found >= RECURRING * eligible) & (found >= FEWEST_PAIRS)
    # The mean over the surroundings of the surroundings, which is precise enough to separate kinds by noisy amplitudes.
    number = around @ (found * recurring)
    difference = (around @ ((around @ change) * recurring)) / np.maximum(number, 1.0)
    smallest = np.where(recurring, difference, np.inf).min(axis=1, keepdims=True)
    valid = recurring & (difference <= np.maximum(_SAME_KIND * smallest, _LEAST_DIFFERENCE))
    mean = np.stack([around @ (steps[..., k] * matched) for k in (0, 1)], axis=-1) / least[..., None]
    square = around @ ((steps**2).sum(axis=-1) * matched) / least
    variance = np.maximum(square - (mean**2).sum(axis=-1), 0.0) / 2 * least / np.maximum(least - 1, 1.0)
    used = valid.any(axis=0)
    partners = np.where(matched, order[partners], -1)
    at = np.ix_(back, used)
    return Translations(
        mean[at],
        np.sqrt(variance[at]),
        valid[at],
        partners[at],
        inside[at],
        spacing * vectors[used],
    )


def _none(n: int) -> Translations:
    empty = np.zeros((n, 0))
    return Translations(
        np.zeros((n, 0, 2)),
        empty,
        empty.astype(bool),
        empty.astype(np.int64),
        empty.astype(bool),
        np.zeros((0, 2)),
    )


def _proposed(
    positions: np.ndarray, firsts: np.ndarray, displacements: np.ndarray, longest: float
) -> np.ndarray:
    """Return the vectors (t, 2) that recur in a window of 2 x 2 blocks; all lengths in nearest-neighbour distances."""
    # Blocks as much larger as the translations are longer.
    block = ((positions - positions.min(axis=0)) / (BLOCK_SIDE * longest / _LONGEST[0])).astype(int)
    n_blocks = block.max(axis=0) + 1
    middle = int(np.ceil(longest / BIN)) + 2
    shape = (n_blocks[0], n_blocks[1], 2 * middle + 1, 2 * middle + 1)
    bins = middle + np.rint(displacements / BIN).astype(int)
    own = block[firsts]
    index = np.ravel_multi_index((own[:, 0], own[:, 1], bins[:, 0], bins[:, 1]), shape)
    counts = np.bincount(index, minlength=int(np.prod(shape))).reshape(shape).astype(np.float32)
    number = np.zeros(tuple(n_blocks), np.float32)
    np.add.at(number, (block[:, 0], block[:, 1]), 1.0)
    # Sums over 2 x 2 blocks; beyond the border there is nothing.
    counts = uniform_filter(counts, (2, 2, 0, 0), mode="constant")
    number = uniform_filter(number, 2, mode="constant")
    smooth = gaussian_filter(counts, (0, 0, 1, 1))
    width = 2 * round(TOLERANCE / BIN) - 1
    mass = uniform_filter(counts, (0, 0, width, width)) * width**2
    peak = (smooth == maximum_filter(smooth, (1, 1, width, width))) & (smooth > 0)
    part = mass / np.maximum(number, 1e-6)[:, :, None, None]
    peak &= (part > _TRIED) & (number > FEWEST_PAIRS / 4)[:, :, None, None]
    at = np.argwhere(peak)
    # The same vector of many windows, best first.
    first, number_of, _ = distinct_rows(at[:, 2:] - middle)
    best = np.zeros(len(first))
    np.maximum.at(best, number_of, part[peak])
    found = (at[first, 2:] - middle) * BIN
    kept = np.zeros((0, 2))
    for k in np.lexsort((found[:, 1], found[:, 0], -np.round(best, 3))):
        if not len(kept) or np.hypot(*(kept - found[k]).T).min() > TOLERANCE:
            kept = np.concatenate([kept, found[k : k + 1]])
        if len(kept) == _MOST_VECTORS:
            break
    return kept


def lies_in(points: np.ndarray, has_data: np.ndarray) -> np.ndarray:
    """Return a mask (n,) of the points x, y (n, 2) in pixels that lie in pixels with data."""
    rows, columns = has_data.shape
    # A point may be far outside, or no number.
    column, row = np.rint(np.clip(np.nan_to_num(points, nan=-1.0), -1, max(rows, columns) + 1)).astype(int).T
    ok = (column >= 0) & (row >= 0) & (column < columns) & (row < rows)
    ok[ok] = has_data[row[ok], column[ok]]
    return ok


# Iterations of the probabilities of sites and the amplitudes of their kinds, which settle in a few.
_ITERATIONS = 12
# Prior probability that an occupied site has any other amplitude than its kind has, such as a column with one atom less.
_OTHER_AMPLITUDE = 0.02
# Scatter of the amplitudes of one kind relative to their mean, below which the fit itself is not exact.
_LEAST_SCATTER = 0.05


@dataclass(frozen=True)
class Occupancy:
    """Probabilities of m sites; amplitudes in the units of the image.

    Attributes
    ----------
    probability : ndarray of shape (m,)
        Probability that the site is occupied.
    usual : ndarray of shape (m,)
        Probability that it is occupied by a column as its kind has, and not by one of any other amplitude.
    share : ndarray of shape (m,)
        Expected fraction of occupied sites among those of the same kind nearby.
    expected : ndarray of shape (m,)
        Mean amplitude of the occupied ones among them.
    evidence : ndarray of shape (m,)
        Logarithm of the likelihood ratio of two models of the sites of this kind nearby: a mixture of occupied and empty
        sites, and empty sites only. It is reduced by the two parameters of the mixture (Bayesian information criterion).
    """

    probability: np.ndarray
    usual: np.ndarray
    share: np.ndarray
    expected: np.ndarray
    evidence: np.ndarray


def same_kind(links: np.ndarray, m: int) -> csr_array:
    """Return which of m sites one or two translations join: they are of the same kind, and near.

    Places are joined to the columns that predict them. The second step leads to the other places of these columns.

    Parameters
    ----------
    links : ndarray of int of shape (l, 2)
        Pairs of sites that a translation joins.
    m : int

    Returns
    -------
    sparse array of shape (m, m)
        Symmetric, of ones; each site belongs to its own kind.
    """
    rows = np.concatenate([links[:, 0], links[:, 1], np.arange(m)])
    columns = np.concatenate([links[:, 1], links[:, 0], np.arange(m)])
    around = csr_array((np.ones(len(rows)), (rows, columns)), shape=(m, m))
    # In an order in which joined sites are near in memory.
    order = reverse_cuthill_mckee(around, symmetric_mode=True)
    rank = np.argsort(order)
    around = csr_array((np.ones(len(rows)), (rank[rows], rank[columns])), shape=(m, m))
    near = (around @ around)[rank]
    return csr_array((np.ones(near.nnz), order[near.indices], near.indptr), shape=(m, m))


def compare_models(
    amplitudes: np.ndarray, uncertainties: np.ndarray, around: csr_array, claimed: np.ndarray
) -> Occupancy:
    """Estimate the probability that each site is occupied.

    The amplitude of an empty site is distributed about zero, that of an occupied one about the mean of the occupied sites of
    its kind nearby. With a small prior probability it is anything else. The shares of both are estimated from the sites
    that translations join, by expectation maximisation. The rule is that of maximum a posteriori probability, as used
    for the number of columns in [1]_.

    Parameters
    ----------
    amplitudes, uncertainties : ndarray of shape (m,)
    around : sparse array of shape (m, m)
        The sites of the same kind near each, itself included; see `same_kind`.
    claimed : ndarray of bool of shape (m,)
        Sites at which a column was found: the initial estimate.

    Returns
    -------
    Occupancy

    References
    ----------
    .. [1] J. Fatermans et al., Physical Review Letters 121, 056101 (2018), doi:10.1103/PhysRevLett.121.056101.
    """
    m = len(amplitudes)
    number = around @ np.ones(m)
    probability = claimed.astype(float)
    typical = float(np.median(amplitudes[claimed]))
    for _ in range(_ITERATIONS):
        weight = around @ probability
        known = np.maximum(weight, 1e-9)
        mean = np.maximum(around @ (probability * amplitudes) / known, 1e-3 * typical)
        share = (weight + 1) / (number + 2)
        # Scatter of the occupied sites of this kind beyond their noise.
        square = around @ (probability * (amplitudes**2 - uncertainties**2)) / known
        scatter = np.sqrt(np.maximum(square - mean**2, (_LEAST_SCATTER * mean) ** 2))
        width = np.hypot(uncertainties, scatter)
        usual = norm.pdf(amplitudes, mean, width) * (1 - _OTHER_AMPLITUDE)
        # Any other amplitude up to twice the mean, in proportion to it: a column of next to nothing is none.
        noise = np.hypot(uncertainties, _LEAST_SCATTER * mean)
        z = amplitudes / noise
        occupied = usual + _OTHER_AMPLITUDE * noise * (z * norm.cdf(z) + norm.pdf(z)) / (2 * mean**2)
        empty = norm.pdf(amplitudes, 0.0, noise)
        with np.errstate(divide="ignore"):
            ratio = np.log(np.maximum(occupied, 1e-300)) - np.log(np.maximum(empty, 1e-300))
        new = expit(np.log(share / (1 - share)) + ratio)
        done = np.abs(new - probability).max(initial=0.0) < 1e-3
        probability = new
        if done:
            break
    gain = np.logaddexp(np.log(share) + ratio, np.log1p(-share))
    evidence = around @ gain - np.log(number)
    return Occupancy(probability, probability * usual / np.maximum(occupied, 1e-300), share, mean, evidence)


# Columns of the same kind that are remembered for each site.
N_TWINS = 6


@dataclass(frozen=True)
class SiteTable:
    """All sites of one image, those of its columns first, in their order; lengths in pixels.

    Attributes
    ----------
    positions : ndarray of shape (m, 2)
        x, y; of the column where there is one.
    uncertainty : ndarray of shape (m,)
        Standard deviation of the position per axis; NaN where it is unknown.
    atoms : ndarray of int of shape (m,)
        Column of each site; -1 for an empty site.
    probability : ndarray of shape (m,)
        Probability that the site is occupied, 0 to 1.
    amplitude, amplitude_uncertainty : ndarray of shape (m,)
        Height measured at the site by the fit of all columns, and its standard deviation; negative for dark columns.
    expected_amplitude : ndarray of shape (m,)
        Mean height of the columns of the same kind nearby.
    twins : ndarray of int of shape (m, N_TWINS)
        Columns to which translations map the site; -1 where there are fewer.
    """

    positions: np.ndarray
    uncertainty: np.ndarray
    atoms: np.ndarray
    probability: np.ndarray
    amplitude: np.ndarray
    amplitude_uncertainty: np.ndarray
    expected_amplitude: np.ndarray
    twins: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def with_atoms(self, kept: np.ndarray) -> SiteTable:
        """Return the sites of the columns in the mask `kept` (n,), renumbered, and all empty sites."""
        numbers = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        rows = (self.atoms < 0) | (numbers[self.atoms] >= 0)
        values = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        return SiteTable(**{**values, "atoms": numbers[values["atoms"]], "twins": numbers[values["twins"]]})


@dataclass(frozen=True)
class Sites:
    """The sites of a result, occupied or empty: where the structure has columns, and whether they are there.

    Attributes
    ----------
    positions : ndarray of shape (m, 2)
        x, y in axis units. Of an occupied site, that of its atom; of an empty site, what the atoms of the same kind
        around it predict.
    pixel_positions : ndarray of shape (m, 2)
        Column, row in pixels, pixel centres at integers.
    occupied : ndarray of bool of shape (m,)
        Whether there is an atom at the site. A site without one is a vacancy, or among given atoms, if its probability is
        high, a column that was not given.
    probability : ndarray of shape (m,)
        Probability that the site is occupied, 0 to 1, by comparison of the two models of its amplitude; 0.5 at most where
        what is measured there does not look like a column.
    position_uncertainty : ndarray of shape (m,)
        Standard deviation of the position per axis, in axis units; NaN where it is unknown.
    expected_motifs : ndarray of int of shape (m,)
        Motif that the atoms of the same kind nearby predict (:func:`expected_labels`): of an empty site the motif that is
        missing.
    atoms : ndarray of int of shape (m,)
        Row of the atom at the site in ``motifs.positions``; -1 for an empty site.
    frames : ndarray of int of shape (m,)
        Flat index of the frame.
    amplitude, amplitude_uncertainty : ndarray of shape (m,)
        Height above the background that the joint fit of all columns measures at the site, and its standard deviation.
    expected_amplitude : ndarray of shape (m,)
        Mean height of the atoms of the same kind nearby.
    units : str
        Units of `positions`.
    """

    positions: np.ndarray
    pixel_positions: np.ndarray
    occupied: np.ndarray
    probability: np.ndarray
    position_uncertainty: np.ndarray
    expected_motifs: np.ndarray
    atoms: np.ndarray
    frames: np.ndarray
    amplitude: np.ndarray
    amplitude_uncertainty: np.ndarray
    expected_amplitude: np.ndarray
    units: str

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        return f"<Sites: {len(self)}, of which {int((~self.occupied).sum())} are empty>"

    @property
    def vacant(self) -> np.ndarray:
        """Mask (m,) of the vacancies: sites without an atom that are probably empty."""
        return ~self.occupied & (self.probability <= 0.5)

    def select(self, which: ArrayLike) -> Sites:
        """Return the sites of a boolean mask or an index array."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Sites(**{k: v if k == "units" else v[which] for k, v in values.items()})

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain one-dimensional columns, ready for ``pandas.DataFrame`` or a CSV file."""
        names = (
            "occupied", "probability", "position_uncertainty", "expected_motifs", "atoms", "frames", "amplitude",
            "amplitude_uncertainty", "expected_amplitude",
        )  # fmt: skip
        x, y = self.positions.T
        return {"x": x, "y": y, **{name: getattr(self, name) for name in names}}

"""The tree of motifs over radii and granularities, and motifs that are copies of one another, rotated or mirrored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from hyperspy_motifs.zernike import MomentsLike, align, noise_unit, partner_columns, rotate_moments

from ._constants import CONSTANTS, MIN_MOTIF_SIZE

_COMPARED = 400  # atoms of a motif that are compared
_CLEAR = 5.0  # spreads between kinds, or sites, that are not parts of one


@dataclass(frozen=True)
class MotifTree:
    """How motifs divide, from all atoms (node 0) to the groups of the largest radius.

    Attributes
    ----------
    parent : ndarray of int32, shape (k,)
        Parent of each node, -1 for the root. A parent comes before its children.
    radius : ndarray of float64, shape (k,)
        Radius at which the node was split from its sibling; 0 for the root.
    size : ndarray of int32, shape (k,)
        Atoms.
    height : ndarray of float64, shape (k,)
        Separation of the two children in units of the spread within them; 0 for a leaf.
    leaf_of : ndarray of int32, shape (n,)
        Node of each atom: the finest group.
    merges : ndarray of float64, shape (j, 4)
        How the motifs of each radius merge when fewer are wanted: radius, label that stays, label that joins it,
        separation; for every radius from the first merge to the last.
    base_radius : float
        Smallest radius that is cut.
    """

    parent: NDArray[np.int32]
    radius: NDArray[np.float64]
    size: NDArray[np.int32]
    height: NDArray[np.float64]
    leaf_of: NDArray[np.int32]
    merges: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    base_radius: float = 0.0

    @property
    def n_leaves(self) -> int:
        """Number of finest groups."""
        return len(self.parent) - len(np.unique(self.parent[self.parent >= 0]))

    def labels_at(self, radius: float) -> NDArray[np.int32]:
        """Return the labels (n,) of the groups of one radius, most frequent first."""
        deepest = np.arange(len(self.parent))
        for node in range(1, len(self.parent)):
            if self.radius[node] > radius:
                deepest[node] = deepest[self.parent[node]]
        return by_frequency(deepest[self.leaf_of])

    def cut(self, n_motifs: int, radius: float | None = None) -> NDArray[np.int32]:
        """Return the labels of `n_motifs` motifs, most frequent first.

        The motifs of one radius merge, the least separated first, until so many are left.

        Parameters
        ----------
        n_motifs : int
            At least 1; where no radius has so many, all motifs of the largest one are given.
        radius : float, optional
            Default: the first radius from `base_radius` on that has enough motifs.

        Returns
        -------
        ndarray of int32, shape (n,)

        Raises
        ------
        ValueError
            If `n_motifs` is below 1.
        """
        if n_motifs < 1:
            raise ValueError(f"n_motifs={n_motifs}: at least one motif is needed.")
        radii = np.unique(self.radius[1:]) if radius is None else np.array([radius])
        labels = np.zeros(len(self.leaf_of), dtype=np.int32)
        for candidate in radii[radii >= min(self.base_radius, radii.max(initial=0))]:
            labels = self.labels_at(float(candidate))
            n_found = int(labels.max()) + 1
            if n_found >= n_motifs:
                merges = self.merges[np.isclose(self.merges[:, 0], candidate)][: n_found - n_motifs]
                for _, stays, joined, _ in merges:
                    labels[labels == int(joined)] = int(stays)
                break
        return by_frequency(labels)

    def children(self) -> list[list[int]]:
        """Return the children of every node."""
        out: list[list[int]] = [[] for _ in self.parent]
        for node, parent in enumerate(self.parent):
            if parent >= 0:
                out[parent].append(node)
        return out


def by_frequency(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the labels renumbered: 0 the most frequent, equals by the first atom that has them."""
    _, first, inverse, count = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(count), dtype=np.int32)
    rank[np.lexsort((first, -count))] = np.arange(len(count))
    return rank[inverse]


def most_frequent_within(labels: NDArray[np.integer], groups: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the label (n,) that most atoms of the same group have, renumbered by frequency."""
    counts = np.zeros((int(groups.max()) + 1, int(labels.max()) + 1), dtype=np.int64)
    np.add.at(counts, (groups, labels), 1)
    return by_frequency(counts.argmax(axis=1)[groups])


def merging_order(
    separations: NDArray[np.float64], sizes: NDArray[np.integer]
) -> list[tuple[int, int, float]]:
    r"""Return (group that stays, group that joins it, separation) of every merge, down to one group.

    The pair of least :math:`s\, h^{1/4}` merges first, s its separation and h the harmonic mean of the sizes: a handful of
    odd atoms does not outlast a frequent motif, and a rare species that differs strongly still does. The separation of
    merged groups is the mean by size.

    Parameters
    ----------
    separations : ndarray, shape (g, g)
        Symmetric, in units of the scatter; infinite on the diagonal.
    sizes : ndarray of int, shape (g,)
        Atoms of the groups.

    Returns
    -------
    list of (int, int, float)
        Group that stays, group that joins it, and their separation, in the order of the merges.
    """
    apart, size = np.array(separations, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    np.fill_diagonal(apart, np.inf)
    merges: list[tuple[int, int, float]] = []
    for _ in range(len(apart) - 1):
        harmonic = 2 * np.outer(size, size) / np.maximum(np.add.outer(size, size), 1e-9)
        cost = apart * np.maximum(harmonic, 1e-9) ** CONSTANTS.size_exponent
        a, b = sorted(divmod(int(cost.argmin()), len(cost)))
        merges.append((a, b, float(apart[a, b])))
        total = max(size[a] + size[b], 1e-9)
        with np.errstate(invalid="ignore"):
            apart[a] = apart[:, a] = (size[a] * apart[a] + size[b] * apart[b]) / total
        apart[a, a] = np.inf
        apart[b, :] = apart[:, b] = np.inf
        size[a], size[b] = size[a] + size[b], 0
    return merges


def merged_kinds(merges: list[tuple[int, int, float]], n_kinds: int) -> NDArray[np.int32]:
    """Return the number (k,) of each kind after those less than five spreads apart were merged.

    `merges` are (kind that stays, kind that joins it, separation), from `merging_order`.
    """
    stays_in = np.arange(n_kinds)
    for stays, joined, separation in merges:
        if separation < _CLEAR:
            stays_in[stays_in == stays_in[joined]] = stays_in[stays]
    return np.unique(stays_in, return_inverse=True)[1].astype(np.int32)


def tree_of(
    labels_at: Mapping[float, NDArray[np.int32]], separations: Callable[[float], NDArray[np.float64]]
) -> MotifTree:
    """Return the tree of nested labels.

    Parameters
    ----------
    labels_at : mapping of float to ndarray of int32, shape (n,)
        Labels by radius, the smallest first; those of each radius divide those of the one before.
    separations : callable
        Given a radius it returns the separations (g, g) of its groups.
    """
    radii = list(labels_at)
    n = len(labels_at[radii[0]])
    parent, at, count, height = [-1], [0.0], [n], [0.0]
    leaves, groups = [0], np.zeros(n, dtype=np.int64)
    merges: list[tuple[float, int, int, float]] = []
    for radius in radii:
        labels, apart = labels_at[radius], separations(radius)
        following: list[int] = []
        new = np.empty_like(groups)
        for group, leaf in enumerate(leaves):
            inside = groups == group
            names, own = np.unique(labels[inside], return_inverse=True)
            sizes = np.bincount(own)
            joins = merging_order(apart[np.ix_(names, names)], sizes)
            place, members = {0: leaf}, [{k} for k in range(len(sizes))]
            for stays, joined, _ in joins:
                members[stays] |= members[joined]
            for stays, joined, value in reversed(joins):  # the widest first
                node = place[stays]
                members[stays] -= members[joined]
                height[node] = value
                for child in (stays, joined):
                    parent.append(node)
                    at.append(radius)
                    count.append(int(sum(sizes[k] for k in members[child])))
                    height.append(0.0)
                    place[child] = len(parent) - 1
            new[inside] = own + len(following)
            following += [place[k] for k in range(len(sizes))]
        leaves, groups = following, new
        size = np.bincount(labels, minlength=len(apart))
        merges += [(radius, a, b, value) for a, b, value in merging_order(apart, size)]
    return MotifTree(
        np.array(parent, dtype=np.int32),
        np.array(at),
        np.array(count, dtype=np.int32),
        np.array(height),
        np.array(leaves, dtype=np.int32)[groups],
        np.array(merges).reshape(-1, 4),
        radii[0],
    )


class TurnedMotif(NamedTuple):
    """A motif that is another one in another orientation.

    Attributes
    ----------
    motif, copy_of : int
    angle : float
        Rotation of `copy_of` to `motif` in radians, -pi to pi, from x towards y.
    mirrored : bool
        Whether `copy_of` is mirrored (y to -y) before that rotation.
    """

    motif: int
    copy_of: int
    angle: float
    mirrored: bool


def turned_motifs(
    moments: MomentsLike,
    labels: NDArray[np.integer],
    alpha: float = CONSTANTS.alpha,
) -> list[TurnedMotif]:
    r"""Find the motifs whose mean moments are those of a more frequent motif after a rotation.

    Two motifs are copies if their means differ, and do not differ after the rotation, and where needed the reflection, at
    which they agree best; both by a test at the level `alpha`.

    Parameters
    ----------
    moments : Moments
        Of n atoms; those without valid ones are left out.
    labels : ndarray of int, shape (n,)
        Motif of each atom; smaller numbers are compared first.
    alpha : float, optional

    Returns
    -------
    list of TurnedMotif
        One for each motif that is a copy, of the motif without that property which it resembles most. Motifs of fewer than
        five atoms are not compared.

    Notes
    -----
    The squared distance of two means, in units of noise, is a sum of squares with the covariance
    :math:`\Sigma = S_1 / n_1 + S_2 / n_2`. It is compared with a multiple of a chi-squared distribution of the same mean and
    variance, of :math:`(\mathrm{tr}\,\Sigma)^2 / \mathrm{tr}\,\Sigma^2` degrees of freedom (Box, Annals of Mathematical
    Statistics 25 (1954) 290). More moments than atoms do no harm.
    """
    known = np.flatnonzero(moments.valid)
    unit = noise_unit(moments)
    # Sine and cosine of a mode have one weight, otherwise a rotation changes the distance.
    weights = 1 / np.sqrt((unit**2 + unit[partner_columns(moments.modes)] ** 2) / 2)
    values = np.asarray(moments.values, dtype=np.float64)[known] * weights
    order = np.random.default_rng(0).permutation(len(known))
    of_order = labels[known][order]
    modes, sines = moments.modes, moments.modes[:, 1] < 0
    originals: dict[int, NDArray[np.float64]] = {}
    found: list[TurnedMotif] = []
    for motif in np.unique(of_order).tolist():
        members = values[np.sort(order[of_order == motif][:_COMPARED])]
        if len(members) < MIN_MOTIF_SIZE:
            continue
        likely: list[tuple[float, TurnedMotif]] = []
        for original, others in originals.items():
            if _p_of_equal_means(members, others) >= alpha:
                continue
            angles, reflected, _ = align(members.mean(axis=0), others.mean(axis=0), modes, reflection=True)
            angle, mirrored = float(angles[0, 0]), bool(reflected[0, 0])
            turned = np.where(sines & mirrored, -others, others)
            turned = np.asarray(rotate_moments(turned, modes, np.full(len(turned), angle)), dtype=np.float64)
            p_value = _p_of_equal_means(members, turned)
            if p_value >= alpha:
                likely.append((p_value, TurnedMotif(motif, original, angle, mirrored)))
        if likely:
            found.append(max(likely)[1])
        else:
            originals[motif] = members
    return found


def _p_of_equal_means(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """P-value of the equality of the means of two samples (n, K)."""
    covariance = np.cov(a.T) / len(a) + np.cov(b.T) / len(b)
    trace = float(np.trace(covariance))
    if trace <= 0:
        return 1.0
    degrees = trace**2 / float((covariance**2).sum())
    squared = float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum())
    return float(chi2.sf(squared * degrees / trace, degrees))

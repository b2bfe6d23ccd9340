"""Parameters that the estimators share, with their checks, and constants, each with its unit and its source or its script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

#: Default radii, in nearest-neighbour distances: a column, its neighbours, rings, the second shell (the guide on parameters).
RADII = (0.6, 1.2, 1.7, 2.4)
#: Fewest atoms of a motif: with fewer, its scatter is not known.
MIN_MOTIF_SIZE = 5


def check_min_motif_size(value: Any) -> int:
    """Return `value` as the fewest atoms of a motif; None stands for `MIN_MOTIF_SIZE`.

    Raises
    ------
    ValueError
        If it is not a whole number of `MIN_MOTIF_SIZE` or more.
    """
    if value is None:
        return MIN_MOTIF_SIZE
    whole = not isinstance(value, bool) and isinstance(value, Real) and float(value).is_integer()
    if not whole or not MIN_MOTIF_SIZE <= value < 2**31:
        text = " ".join(repr(value).split())
        text = text if len(text) <= 60 else f"{text[:57]}..."
        raise ValueError(f"min_motif_size is {text}; a whole number of {MIN_MOTIF_SIZE} or more is expected.")
    return int(value)


def checked_radii(radii: float | Sequence[float]) -> tuple[float, ...]:
    """Return radii as a tuple; they must be positive and grow."""
    values = tuple(float(v) for v in np.atleast_1d(np.asarray(radii, dtype=float)))
    if not values or any(not 0 < v < np.inf for v in values) or any(np.diff(values) <= 0):
        raise ValueError(
            f"radii={radii!r}: give growing positive radii in nearest-neighbour distances, such as {RADII}."
        )
    return values


def check_alpha(alpha: object) -> float:
    """Return `alpha` as a probability between 0 and 1.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < float(alpha) < 1:
        text = " ".join(repr(alpha).split())[:60]
        raise ValueError(f"alpha is {text}; a probability between 0 and 1 is expected, such as 0.01.")
    return float(alpha)


@dataclass(frozen=True)
class ClusteringConstants:
    """Constants of the clustering.

    Lengths named "distances" are nearest-neighbour distances. "Spread" is the standard deviation of a group along a
    direction. Values without a source were set with ``benchmarks/bench_split_test.py`` on simulated specimens that are
    used for nothing else.
    """

    #: Default probability that a motif is invented; the user's `alpha`.
    alpha: float = 0.01
    #: Principal axes that groups are sought in, tried one after another; the last is the largest number of axes.
    dimensions: tuple[int, ...] = (5, 12, 30)
    #: The same for fewer than `few` points.
    few_dimensions: tuple[int, ...] = (2, 5)
    #: Points below which `few_dimensions` are tried and each point is a fold of its own.
    few: int = 60
    #: Points for each principal axis, at least: a covariance of fewer is not known.
    points_per_axis: int = 20
    #: Variance added to covariances of features, in squared units of the noise.
    ridge: float = 0.2
    #: Folds of the cross-fitting.
    folds: int = 5
    #: Random partitions into folds whose e-values are averaged.
    splits: int = 2
    #: Largest number of candidate groups from the layout that are tested in one group of atoms.
    candidates: int = 24
    #: Product of candidates and points that is tested at once: some 50 megabytes.
    tested_at_once: int = 2_000_000
    #: Points that a mixture is fitted to when a candidate is refined.
    mixture_points: int = 1_500
    #: Motifs this many times as frequent as a group show its scatter: those of like frequency may be other sublattices.
    rarity: int = 8
    #: Distance from the median, in spreads, from which a tail is bounded by `tail_exponent`.
    tail_start: float = 2.5
    #: Beyond `tail_start` the density of one group falls at least as fast as distance to the power of minus this: as fast as
    #: the tails of a Cauchy distribution.
    tail_exponent: float = 2.0
    #: The same at radii that reach the neighbours, where strain has heavier tails.
    wide_tail_exponent: float = 1.5
    #: Share of the broad component for atoms that are like no motif.
    outlier_share: float = 0.02
    #: Ratio of the scatter of the broad component to that of the motifs.
    outlier_width: float = 3.0
    #: Degrees of freedom of the broad component: those of a Cauchy distribution.
    outlier_degrees: float = 1.0
    #: Error of moments beside the noise of the image, as a share of their root mean square: sampling, scan distortion, what
    #: remains of the tails of neighbours. Images with less noise get as much before motifs are sought.
    systematic_error: float = 0.02
    #: Radius below which a disc holds the centre of one column alone (distances).
    one_column: float = 0.9
    #: Radius whose outer ring shows what leaks into the disc of one column (distances).
    ring_radius: float = 1.2
    #: Neighbours within this distance are nearest neighbours (distances): a quarter beyond, and below the square root of 2.
    bonded: float = 1.25
    #: Total variation of the kinds of nearest neighbours below which two kinds share a sublattice: more alike than not.
    same_sublattice: float = 0.5
    #: Distance of the columns of two groups that alternate from which they are two motifs (spreads): that of their noise.
    alternating: float = 1.0
    #: Share of a difference of columns that their inner half shows at least: tails of neighbours show less there.
    core_share: float = 0.1
    #: Distance of the nearest neighbours from the places of another motif, beyond the scatter there (distances): the relaxation
    #: beside boundaries is less.
    displaced: float = 0.0125
    #: Share of the atoms of a motif that have a neighbour of another one, less the share of the frequent motif of their kind,
    #: from which the neighbour tells them: nine of ten are told rightly in either.
    told: float = 0.8
    #: Knots of the kernels of neighbours are this far apart (distances).
    knot_spacing: float = 0.4
    #: Neighbours up to this far beyond the radius reach into the disc with their tails (distances).
    tail_reach: float = 0.8
    #: Share of the neighbours of a place that must miss it before it counts as vacant: a majority.
    vacancy_votes: float = 0.6
    #: Two predictions of a vacant place within this distance are one (distances).
    vacancy_radius: float = 0.35
    #: Share of the atoms that an environment has at least.
    environment_share: float = 0.005
    #: A disc of this radius holds the second shell (distances). Motifs are not sought beyond it: it would show the rows next
    #: to a boundary as well.
    second_shell: float = 2.0
    #: Exponent of the size in the order in which motifs merge: a handful of odd atoms merges before a frequent motif.
    size_exponent: float = 0.25


CONSTANTS = ClusteringConstants()

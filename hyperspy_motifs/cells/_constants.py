"""Constants of bonds, polygons and their classes: each with its unit, and with its source or what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CellConstants:
    """Constants of bonds, polygons and their classes, in the order of their use: rules of bonds, rings, classes, shapes.

    Counts and shares have no unit. A value without a source is a limit that was set by hand.
    """

    #: Points among which rules are compared if bonds and diagonals are clearly separate.
    compared_points: int = 1500
    #: The same if they are not.
    compared_if_unclear: int = 4000
    #: Bin of the histogram of `EdgeFeatures.scale`.
    scale_bin: float = 0.04
    #: Its smoothing, in bins, for `scale_edges` edges: the width of a kernel decreases with the fifth root of their number.
    scale_smoothing: float = 1.5
    #: Edges of 1,000 points.
    scale_edges: int = 3000
    #: A dent of less than this relative depth is no valley.
    shallow: float = 0.9
    #: Range of the cuts: 0.2 lies below all bonds of regular tilings, 4.5 above the distance of dumbbells in a cell three times
    #: as large.
    cut_range: tuple[float, float] = (0.2, 4.5)
    #: Most cuts that are compared for each unit of length, the deepest valleys of the histogram first.
    most_cuts: int = 4
    #: Bits for each point by which rings with a point in the centre can shorten a code.
    ring_bits: float = 3.0
    #: Least coverage by cells, relative to that of other rules.
    least_coverage: float = 0.5
    #: Cuts that are compared where no valley is clear, as positions scatter.
    unclear_cuts: tuple[float, ...] = (1.3, 1.5, 1.7, 1.9, 2.1, 2.4, 2.7)
    #: Step around the best one.
    cut_step: float = 0.1
    #: A valley is clear with fewer edges than this share ...
    clear_share: float = 0.002
    #: ... within this distance, in units of the scale, ...
    clear_width: float = 0.2
    #: ... and more than this share on both sides.
    clear_side: float = 0.05
    #: Coverage from which a clear valley needs no other unit of length.
    clear_coverage: float = 0.9
    #: Least number of edges that divide quadrilaterals for groups of them.
    least_group: int = 4
    #: Blocks for the comparison of two rules, along each axis.
    doubt_blocks: int = 5
    #: Level of its test, in standard deviations: 0.05, one-sided.
    doubt_z: float = 1.64
    #: Rules that differ in a smaller share of their bonds are one rule.
    same_share: float = 0.02
    #: Least scatter of positions, in units of length: below it, positions are exact.
    exact: float = 0.01
    #: Scatter that is added to the positions, as a share of that of the bonds (`benchmarks/bench_bonds.py`).
    added_scatter: float = 0.6
    #: Ridge of the logistic regression for all edges, which keeps a perfect separation finite, in nats per squared weight.
    ridge: float = 0.001
    #: The same for pairs of kinds, whose odds are shrunk towards the common ones.
    pair_ridge: float = 1.0
    #: Variance of the moments of irregular polygons.
    prior_variance: float = 0.1
    #: Number of members of a class as which it counts.
    prior_members: float = 2.0
    #: Faces with more corners are voids.
    most_corners: int = 24
    #: Bonds of a point that are distinguished.
    most_bonds: int = 12
    #: Clarity of the automatic rule, an expected share of right cells, below which numbers of cells mean little.
    low_clarity: float = 0.8
    #: The same of other rules.
    low_clarity_of_cuts: float = 0.3
    #: Least number of copies of a kind of ring.
    least_copies: int = 4
    #: Largest deviation of mean side ratios from 1 for the triangles of a close-packed lattice.
    lattice_tolerance: float = 0.06
    #: Share of empty copies from which a ring does not require its centre atom.
    empty_share: float = 0.05
    #: Least tolerance of shape moments and log size for equal rings, in units of the radius.
    least_tolerance: float = 0.03
    #: The largest one.
    most_tolerance: float = 0.05
    #: Least share of empty copies among rings of one geometry; fewer may be accidental (a missing atom also leaves a
    #: ring).
    empty_share_of_shape: float = 0.08
    #: Rms distance of sides from those after a rotation, over the root of the sum of their squares, up to which they are equal:
    #: a rectangle of 1 : 1.1 still has the symmetry of a square, so that strain does not lower it.
    largest_turned: float = 0.05
    #: Shapes closer than this, in units of the polygon's radius, are equal: half of it is the least assumed scatter.
    least_scatter: float = 0.015
    #: Distance of two groups over twice their scatter. Division of one Gaussian gives 1.3, of one uniform distribution
    #: 1.7.
    least_separation: float = 2.5
    #: Members of a group of shapes, at least.
    least_members: int = 5


CONSTANTS = CellConstants()

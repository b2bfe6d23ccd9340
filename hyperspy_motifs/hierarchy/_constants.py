"""Constants of the levels above the cells: each with its unit, and with its source or what it means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class HierarchyConstants:
    """Constants of the levels above the cells, in the order of their use: lattice, tiles, domains, moire, statistics.

    Counts and shares have no unit. A value without a source is a limit that was set by hand.
    """

    #: Largest distance of a translated atom from its match, in nearest-neighbour distances: less than half, to
    #: distinguish neighbours, and more than the scatter and the distortion of an image.
    tolerance: float = 0.25
    #: Least share of the atoms that a translation maps onto atoms of their kind, and of the cells of a patch that the lattice
    #: continues in another one, if the two are one crystal.
    least_match: float = 0.6
    #: Least share of the atoms that it maps onto any atoms, which vacancies and boundaries reduce. Vectors that map fewer
    #: are pseudo-translations, as in quasiperiodic tilings (0.75 in those of squares and triangles).
    least_placed: float = 0.8
    #: Share of the atoms mapped onto atoms above which a translation is accepted; below, twice the translation must map
    #: nearly as many, because quasiperiodic tilings have long pseudo-translations with up to 0.85.
    clearly_placed: float = 0.9
    #: Both shares for the faint translations of a pattern with many missed or false sites.
    faint_match: float = 0.4
    #: Share above which longer translations are not searched for.
    clear_match: float = 0.85
    #: Largest difference of the match of a translation from the best one.
    match_margin: float = 0.15
    #: Largest ratio of mismatches by two and three steps to those by one step, for a lattice. In quasiperiodic tilings
    #: mismatches increase with the step, by 1.7 to 2.6 times in those of 5-, 8-, 10- and 12-fold symmetry; vacancies,
    #: false sites and wrong labels are equally frequent at all distances (1.0 to 1.3 in images).
    most_growth: float = 1.4
    #: Cells with fewer sites are exempt: aperiodic tilings have no such short pseudo-translations, while twins, whose
    #: walls longer translations cross more often, fail the test.
    large_cell: int = 12
    #: Weak lattices with more sites per cell are tested: translations by cells of 7 to 8 sites map 57 % of some random
    #: tilings of squares and triangles (2 of 17 seeds). Lattices of 9 sites per cell with up to 35 % missing sites pass
    #: the test.
    large_faint_cell: int = 5
    #: Largest cell of a weak lattice: among the many long translations of a random tiling of squares and triangles some
    #: map half of it.
    largest_faint_cell: int = 16
    #: Share of mismatches that is ignored.
    few_misses: float = 0.03
    #: Atoms whose vectors to others are candidates for translations.
    anchors: int = 80
    #: Candidates for translations that are scored, the most frequent first.
    candidates: int = 250
    #: Steps of the lattice along each direction in which a pair of cells, or a patch across a gap, is sought again.
    continued_reach: int = 6
    #: Cells that this share is taken of, at least.
    least_seen_at_rim: int = 6
    #: Largest difference of the angles of translated sites, as a share of the period of their motif.
    angle_share: float = 0.125
    #: Direction of the order of tiles, in radians: not parallel to a row of any common lattice, so that translated tiles
    #: have the same previous neighbours.
    tile_direction: float = 1.1729
    #: Largest number of previous neighbours for the prediction of a tile.
    previous_tiles: int = 3
    #: Number of blocks across the field for the standard error: blocks are large compared with a cell and small compared
    #: with the field.
    error_blocks: int = 6
    #: Least share of each other among the translated positions of two motifs that are mixed on one sublattice.
    mixed: float = 0.2
    #: Largest share of points of a lattice that a local gap may remove.
    most_covered: float = 0.3
    #: Least number of sites of a cell with half cells.
    least_sites: int = 8
    #: Largest relative difference of the lengths of a hexagonal cell, because images drift.
    most_unequal: float = 0.1
    #: Largest deviation of its angle, in degrees.
    most_oblique: float = 8.0
    #: Largest share of exceptions: sites on the sides of the triangles, false sites in a hole, atoms by which a cell differs
    #: from its class.
    most_odd: float = 0.1
    #: Distance up to which a site is on the side of a triangle, in nearest-neighbour distances.
    near_side: float = 0.2
    #: Places along each side of a cell at which its largest hole is sought.
    hole_grid: int = 48
    #: Largest distance from a side, in nearest-neighbour distances, of an atom shared by both cells.
    on_side: float = 0.15
    #: Least ratio to the next spacing: below, the tiling would be the same.
    least_growth: float = 1.5
    #: Spread of the distances to the nearest neighbours, over their mean, above which points do not tile.
    most_spread: float = 0.2
    #: Corners of its cells, at most.
    most_corners: int = 8
    #: Levels of larger spacings, at most.
    most_levels: int = 4
    #: Number of pairs of classes tested in every iteration, the most frequent first.
    pairs_tried: int = 6
    #: Composites, at most.
    most_rounds: int = 40
    #: Number of directions between the two parts of a composite.
    part_directions: int = 24
    #: A class below this frequency is not a separate phase, but may be a variant of one.
    least_class: float = 0.01
    #: Cells of a class that is a separate phase, at least.
    least_of_class: int = 5
    #: ... if its frequency relative to that of the phase is at most this.
    rare_variant: float = 0.3
    #: Largest share of the corners of a variant with another motif than in its class.
    most_odd_corners: float = 0.2
    #: Neighbours have the same orientation if their phases (angle times the order of symmetry) differ by less than this.
    alike_phase: float = np.pi / 4
    #: A patch with fewer cells is a defect, and fewer points are no tiling.
    least_cells: int = 9
    #: ... and so is one with less than this share of the largest.
    least_share: float = 0.02
    #: Least share of the cells of a domain that are more than two steps from any other domain.
    least_core: float = 0.05
    #: Least share of the cells of a domain for a kind to belong to it.
    least_kind: float = 0.005
    #: Kinds form one phase if at least this share of the cells of each has a neighbour of the other.
    mutual: float = 0.25
    #: Combinations of the two reciprocal vectors in the model of the coordinates: the first star and higher orders.
    orders: tuple[tuple[int, int], ...] = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2))
    #: Size of the transform in sizes of the grid: peaks are sampled four times as finely.
    grid_padding: int = 4
    #: Peaks among which the pair is sought, strongest first.
    pair_peaks: int = 24
    #: Blocks along each side that are left out in turn for the error of the period.
    period_blocks: int = 3
    #: Margin that is left out, in spacings of the atoms.
    border: float = 3.0
    #: The margin at most, in sizes of the field.
    largest_border: float = 0.12
    #: Share of the variance of the coordinates that waves explain, from which a moire is possible.
    possible: float = 0.1
    #: The same from which it is certain.
    certain: float = 0.5
    #: Highest frequency of a peak, in periods per pixel; the limit is 0.5.
    highest_frequency: float = 0.45
    #: Least sine of the angle between two vectors of a moire: any lattice has such a pair.
    least_sine: float = 0.7
    #: Least ratio of their lengths.
    least_ratio: float = 0.6
    #: Cosine of 105 degrees, in the middle between square and hexagonal lattices.
    hexagonal_cosine: float = -0.26
    #: Size of the transform in sizes of the image: peaks are sampled twice as finely.
    image_padding: int = 2
    #: Largest relative deviation of the radii of peaks in one ring, due to strain and drift.
    ring_width: float = 0.12
    #: Peaks in half of the ring of two hexagonal layers.
    ring_spots: int = 6
    #: Half side of the part of the spectrum around a pair of peaks, in samples without padding.
    spectrum_box: int = 4
    #: Least power of a peak in the strongest of its ring.
    faintest_peak: float = 0.03
    #: Least power of a layer in the other.
    weakest_layer: float = 0.15
    #: Least power of a ring in the strongest peak or ring.
    weakest_ring: float = 0.3
    #: Lowest frequency, in periods per image.
    lowest_frequency: int = 3
    #: Peaks that are examined, strongest first.
    examined_peaks: int = 200
    #: Peaks from which a ring starts, strongest first.
    ring_starts: int = 40
    #: Largest deviation of a layer from 60 degrees, due to strain and drift, in degrees.
    layer_distortion: float = 12.0
    #: Least twist, in degrees.
    least_twist: float = 0.2
    #: Least number of extreme permutations whose share is used as the p-value, because smaller numbers are subject to
    #: sampling error.
    many_permutations: int = 10


CONSTANTS = HierarchyConstants()

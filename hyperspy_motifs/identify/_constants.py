"""Constants of the identification: each with its unit, and with its source or what it means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class IdentificationConstants:
    """Constants of the identification.

    Lengths named "distances" are nearest-neighbour distances. Shares and probabilities have no unit. Numbers of iterations and
    of samples bound the time; results do not depend on them.
    """

    # --- projection
    #: Atoms whose projections are closer belong to one column, in ångström: columns at this distance are not resolved even by
    #: electron ptychography (Jiang et al., Nature 559, 343 (2018), doi:10.1038/s41586-018-0298-5).
    column_distance: float = 0.39
    #: A gap along the beam without atoms that is longer, in ångström, separates a layer from its periodic image: the largest
    #: distance of atoms in contact, twice the van der Waals radius of caesium (3.4 Å).
    vacuum: float = 6.8
    #: Standard deviation of the places of columns in an idealised or relaxed structure from those in the crystal, in ångström.
    relaxation: float = 0.1
    #: Two projected sites are equivalent if they coincide to this, in ångström: the last digit of published coordinates.
    same: float = 0.05

    # --- positions
    #: Share of the columns of a real crystal that are irregular: missing, one too many, in another grain than the neighbour,
    #: or of a brightness that their host does not have.
    irregular: float = 0.05
    #: Bounds of the standard deviation of the distance of two neighbours per axis (distances). Above the upper one, with
    #: which the search starts, columns are no lattice (Lindemann's criterion of melting, 0.1 to 0.15).
    displacement: tuple[float, float] = (0.02, 0.1)
    #: Degrees of freedom of the distribution of these distances: the strain around a dislocation falls as the inverse of the
    #: distance, so that its density has a tail of the power -3.
    strain_freedom: float = 2.0
    #: Standard deviations of the logarithm of the scale of a calibrated image, and of the distortion of a scan. A. B. Yankovich
    #: et al., Nat. Commun. 5 (2014) 4155, correct distortions of this order.
    calibration: float = 0.02
    distortion: float = 0.015
    #: Ranges of another crystal with the same arrangement of columns: of the logarithm of its scale, of its distortion, and of
    #: the logarithm of the ratio of brightness of two columns.
    free_scale: float = 1.0
    free_distortion: float = 0.3
    free_ratio: float = float(np.log(10.0))
    #: Neighbours by which a column is recognised: the sixth and others at its distance, and no more than the second value.
    neighbours: int = 6
    most_neighbours: int = 12
    #: Two places are one within this (distances): less than half of a distance, more than three times the scatter.
    near: float = 0.3
    #: Width of a peak in the histogram of angles, in degrees: that of a distortion by `distortion` at its largest.
    peak_width: float = 2.0
    #: Peaks of the histogram that are refined: a hexagonal lattice has six.
    peaks: int = 12
    #: Orientations that explain less than this share of what the best one explains are no grains of the field.
    grain_share: float = 0.1
    #: Logarithm of the prior, four standard deviations, below which an orientation is used only if there is no other.
    impossible: float = -8.0
    #: Steps of the mean field.
    field_steps: int = 12

    # --- brightness
    #: Centre and half width of the Cauchy prior of the exponent of the atomic number, and its bounds: median and half the
    #: distance of the quartiles of pairs of elements by the screened Coulomb potential, at 60 and 80 kV and inner angles of
    #: 20 to 80 mrad (1.56 and 0.19; F. Lenz, Z. Naturforsch. A 9 (1954) 185). O. L. Krivanek et al., Nature 464
    #: (2010) 571, measured 1.64. Inelastic scattering gives less (M. M. J. Treacy, Microsc. Microanal. 17 (2011) 847),
    #: hence the tails.
    exponent: float = 1.6
    exponent_spread: float = 0.2
    exponent_bounds: tuple[float, float] = (0.6, 2.0)
    #: Exponent of the number of atoms of a column of a layer beyond the incoherent sum, and its standard deviation: 0 for
    #: incoherent scattering, 1 for atoms in phase (M. M. J. Treacy and J. M. Gibson, Ultramicroscopy 52 (1993) 31). Between
    #: them in annular dark field.
    coherence: float = 0.15
    coherence_spread: float = 0.2
    #: Error of the power law for a column, as a fraction. Heights of multislice images of W, S2 and TiO columns depart from it
    #: by 0.03 to 0.16.
    model_error: float = 0.12
    #: Difference of the logarithms of two atomic numbers at which the errors of the law have a correlation of exp(-1/2): that
    #: of one period of the table.
    error_range: float = 0.5
    #: Bounds of the scatter of the brightness of equal columns, as a fraction. Static disorder leaves the lower one at any
    #: dose; above the upper one, with which the search starts, brightness distinguishes no elements.
    scatter: tuple[float, float] = (0.02, 0.25)
    #: Range of the inverse of the degrees of freedom of the brightness of equal columns, a t distribution: from a normal one,
    #: as of simulated columns, to the heaviest tails of those fitted to W and to Se2 in three real images of WSe2 (4.2 to 7.3).
    tail: tuple[float, float] = (0.0, 0.25)
    #: Differences of the brightness of columns of one composition by their surroundings, as a fraction: the size of the
    #: crosstalk of neighbours in the multislice images of MoSe2.
    equal: float = 0.05
    #: Columns that differ by a larger factor are not mistaken for each other, and the fainter ones may not be seen: 3.5
    #: standard deviations of the law of scattering (`model_error` of both, and its parameters).
    mistakable: float = 2.0
    #: Neighbours over which slow changes of the brightness are followed: two shells.
    nearby: int = 24

    # --- names
    #: Prior probability that a column has a defect of each kind, before the image says how frequent they are: the order of the
    #: densities of point defects in monolayers, J. Hong et al., Nat. Commun. 6 (2015) 6293. Adatoms move under the beam.
    #: Vacancies: the median of three real images of WSe2 (3.7, 4.7 and 8.8 % of the pairs of selenium), as the beam makes more.
    vacancy: float = 0.05
    substitute: float = 0.03
    antisite: float = 0.01
    adatom: float = 0.0005
    #: Spread of the difference of radii, as a fraction, and of the difference of groups of the periodic table that a substitute
    #: has: Goldschmidt's rules, V. M. Goldschmidt, Naturwissenschaften 14 (1926) 477. Two of three
    #: substitutes of a dichalcogenide are then of the same group.
    radius_spread: float = 0.15
    group_spread: float = 0.4
    #: Substitutes below this share of the likeliest one are left out.
    least_substitute: float = 0.02
    #: Prior probability that a column is none of the candidates.
    unexplained: float = 1e-3
    #: How many columns the prior of the defects of a motif is worth.
    prior_columns: float = 100.0
    #: Motifs whose composition is this certain are used to fit the law of scattering again.
    certain: float = 0.9

    # --- decisions
    #: A structure below this probability, against another crystal with the same arrangement of columns, is refused.
    refused: float = 0.05
    #: Logarithm of the Bayes factor, beyond that of the number of places, by which two structures must fit better than one:
    #: "very strong" evidence, R. E. Kass and A. E. Raftery, J. Am. Stat. Assoc. 90 (1995) 773.
    clearly: float = 5.0
    #: Arrangements of the kinds of columns that are compared at most.
    arrangements: int = 6


CONSTANTS = IdentificationConstants()

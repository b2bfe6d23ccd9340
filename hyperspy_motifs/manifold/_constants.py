"""Constants of continua: each with its unit, and with its source or what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ManifoldConstants:
    """Constants of continua, in the order of their use: continuity, coordinates and topology, disorder.

    Counts and shares have no unit. A value without a source is a limit that was set by hand.
    """

    #: Nearest neighbours, each of the other, that connect two points.
    mutual_neighbours: int = 6
    #: Share of the points, those with the lowest density, that connect none. With 0 a few atoms of an interface join classes;
    #: with 0.1 and more the variance of strained bilayers falls further (``benchmarks/bench_continuity.py``).
    sparse: float = 0.05
    #: Principal axes of that search: further ones contain little but noise, and a search in many axes is slow.
    component_axes: int = 10
    #: Points of a component that is large.
    least_component: int = 20
    #: Points whose components are sought, evenly sampled.
    most_connected: int = 6000
    #: Share of the points in large components below which they do not represent the others (many classes of few
    #: atoms, some of which are connected).
    not_representative: float = 0.25
    #: The same above which they do: 0.6 and more in simulated bilayers.
    representative: float = 0.5
    #: Iterations of a partition, and those that make a kernel doubly stochastic, at most.
    iterations: int = 100
    #: Points from which distances to all others are taken, evenly sampled.
    reference_points: int = 512
    #: Of these at most this number together, ...
    largest_block: int = 64
    #: ... and this number of distances: two megabytes, which caches hold.
    block_distances: int = 250_000
    #: A class, or all continuous classes together, represents the whole if it has at least this share of the points.
    least_share: float = 0.2
    #: Ratio of successive numbers of neighbours in a profile of the dimension, ...
    distance_ratio: float = 2.0
    #: ... from this number of neighbours ...
    nearest: int = 8
    #: ... to this share of the points.
    furthest: float = 0.75
    #: Midpoint of the probability of a continuum in the variance within components, as a share of the contrast. This and the
    #: next were set on 18 families of simulated images, seeds 0 to 17 of ``benchmarks/bench_continuity.py``, and perovskites of
    #: seeds 20 to 49. Bilayers have a variance of 0.053 and more (one of 130 has 0.033) and dimensions up to 6.4; no crystal
    #: with a variance above 0.033 has a dimension below 8.6.
    variance: float = 0.041
    #: The same in the largest dimension.
    dimension: float = 7.4
    #: Width of its logarithm: half of the distance to the nearest image.
    variance_width: float = 0.17
    #: The same of the dimension.
    dimension_width: float = 0.06
    #: Steps of the profile in which the dimension is read; further ones reach gaps.
    dimension_steps: int = 2
    #: With more points, the distance to the nearest decreases towards the noise. This number is enough, as in those images.
    profile_points: int = 3000
    #: The dimension that few points can show is limited (Eckmann and Ruelle, Physica D 56 (1992) 185): the largest one of a
    #: cloud of noise falls with their number n as exp(-7 / n^(3/4)); simulated in 12 to 20 dimensions, 45 to 600 points.
    dimension_loss: float = 7.0
    #: Its exponent.
    dimension_power: float = 0.75
    #: Points from which on it does not fall.
    many_points: int = 600
    #: Deviation of the sums of such a kernel from 1 at which they end.
    kernel_precision: float = 1e-6
    #: Offset of the mean of a neighbourhood over its root mean square distance, from which it lies on a border: it is 0.6 for
    #: a half disc, 0.87 for a half line, and near 0 for a whole neighbourhood.
    one_sided: float = 0.45
    #: Least ratio of such points to those that the shortest border would have within the width of a neighbourhood.
    border: float = 0.6
    #: Neighbours in the image, and steps: a short walk where stackings change within a few atoms, a long one elsewhere.
    walks: tuple[tuple[int, int], ...] = ((6, 1), (15, 2))
    #: Slowest modes whose eigenvalues decide between the walks.
    compared_modes: int = 8
    #: Where surroundings change from one atom to the next (twists near 30 degrees), neighbours have nothing in common, and a
    #: walk among them would average the coordinates out. Below this eigenvalue the walk is left out.
    least_eigenvalue: float = 0.45
    #: Neighbours in feature space from which the manifold at an atom is estimated.
    disorder_neighbours: int = 24
    #: Neighbours in the image from which the coordinates at an atom are predicted.
    roughness_neighbours: int = 12
    #: Blocks along each side of the field for the standard error.
    error_blocks: int = 4
    #: Dimension of the manifold whose disorder is measured: a surface.
    tangents: int = 2


CONSTANTS = ManifoldConstants()

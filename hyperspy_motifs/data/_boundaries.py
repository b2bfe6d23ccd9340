"""Grain boundaries of graphene, and twin boundaries of a monolayer."""

from itertools import combinations

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from ._imaging import Imaging, simulate_signal
from ._monolayer import Dopant, dichalcogenide, dichalcogenide_specimen, place_defects
from ._specimen import (
    Simulated,
    Specimen,
    as_springs,
    atomic_number,
    family,
    find_rings,
    lattice_points,
    relax_springs,
    specimen_of_net,
    vertex_figures,
)

OPTICS = {"pixel_size": 0.0115, "dose": 2e6, "probe_size": 0.1}
# Length of a bond of graphene in nanometres.
BOND = 0.142


def _ring_centres(misorientation: float, reach: float, spacing: float, shift: np.ndarray) -> np.ndarray:
    """Centres of the rings: two triangular lattices that meet at x = 0, merged where points are too close."""
    sides = []
    for sign in (-1, 1):
        angle = np.deg2rad(0.5 * sign * misorientation)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        # A row along y at no tilt: the boundary is then symmetric about an armchair direction of the carbon
        # net.
        vectors = spacing * np.array([[np.sqrt(0.75), 0.5], [0.0, 1.0]]) @ turn
        points, _ = lattice_points(vectors, np.zeros((1, 2)), reach + spacing)
        points = points + sign * shift * spacing
        sides.append(points[sign * points[:, 0] >= 0])
    left, right = sides
    near = cKDTree(right).query(left, distance_upper_bound=0.72 * spacing)
    met = np.flatnonzero(np.isfinite(near[0]))
    first, chosen = np.unique(near[1][met], return_index=True)
    met = met[chosen]
    merged = 0.5 * (left[met] + right[first])
    return np.concatenate(
        [np.delete(left, np.flatnonzero(np.isfinite(near[0])), 0), np.delete(right, first, 0), merged]
    )


def _even_out(points: np.ndarray, spacing: float, reach: float, rounds: int = 6) -> np.ndarray:
    """Points near the boundary, spread by springs between Delaunay neighbours to avoid gaps."""
    moving = (np.abs(points[:, 0]) < 3.0 * spacing) & (np.hypot(*points.T) < reach)
    points = points.copy()
    for _ in range(rounds):
        # Neighbours change as the points move.
        triangles = Delaunay(points).simplices
        pairs = np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
        length = np.linalg.norm(points[pairs[:, 1]] - points[pairs[:, 0]], axis=1)
        springs = as_springs(pairs[length < 1.6 * spacing], spacing, 0.15)
        relax_springs(points, *springs, moving, 10, 0.0)
    return points


def _flip(triangles: np.ndarray, edge: tuple[int, int]) -> bool:
    """Flip the common edge of two triangles, in place: a bond of the carbon net rotates by a right angle."""
    a, b = edge
    pair = np.flatnonzero((triangles == a).any(axis=1) & (triangles == b).any(axis=1))
    if len(pair) != 2:
        return False
    c, d = (int(np.setdiff1d(triangles[t], edge)[0]) for t in pair)
    if ((triangles == c).any(axis=1) & (triangles == d).any(axis=1)).any():
        return False
    triangles[pair[0]], triangles[pair[1]] = (a, c, d), (b, c, d)
    return True


def _stone_wales(centres: np.ndarray, triangles: np.ndarray, number: int, reach: float, seed: int) -> None:
    """Rotate bonds inside the grains, in place, far from the boundary and from each other."""
    rng = np.random.default_rng([seed, 4])
    degree = np.bincount(triangles.ravel(), minlength=len(centres))
    size = np.sqrt(3.0) * BOND
    open_ring = (np.abs(centres[:, 0]) > 4.0 * size) & (np.hypot(*centres.T) < 0.6 * reach) & (degree == 6)
    candidates = list(rng.permutation(np.flatnonzero(open_ring)))
    done = 0
    while candidates and done < number:
        ring = int(candidates.pop())
        near = triangles[(triangles == ring).any(axis=1)]
        partner = int(rng.choice(np.setdiff1d(near, ring)))
        if _flip(triangles, (ring, partner)):
            done += 1
            away = np.linalg.norm(centres - centres[ring], axis=1) > 5.0 * size
            candidates = [c for c in candidates if away[c]]
    if done < number:
        raise ValueError(
            f"Only {done} of {number} Stone-Wales defects fit between boundary and frame; use fewer "
            "defects or a larger image."
        )


def _carbon_net(centres: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The dual of a triangulation: an atom for each triangle, a bond for each common edge."""
    atoms = centres[triangles].mean(axis=1)
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(triangles)), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges, owner = edges[order], owner[order]
    same = (edges[1:] == edges[:-1]).all(axis=1)
    return atoms, np.column_stack([owner[:-1][same], owner[1:][same]])


def _relax(atoms: np.ndarray, bonds: np.ndarray, steps: int = 250) -> np.ndarray:
    """Harmonic springs along bonds and between second neighbours, by damped descent."""
    ends = np.concatenate([bonds, bonds[:, ::-1]])
    ends = ends[np.argsort(ends[:, 0], kind="stable")]
    first = np.searchsorted(ends[:, 0], np.arange(len(atoms) + 1))
    around = [ends[first[a] : first[a + 1], 1] for a in range(len(atoms))]
    pairs = np.array([pair for near in around for pair in combinations(near, 2)])
    along, across = as_springs(bonds, BOND, 0.12), as_springs(pairs, np.sqrt(3.0) * BOND, 0.03)
    ends, rest, stiffness = (np.concatenate(part) for part in zip(along, across, strict=True))
    atoms = atoms.copy()
    relax_springs(atoms, ends, rest, stiffness, np.ones(len(atoms), dtype=bool), steps, 0.85)
    return atoms


def _boundary(misorientation: float, reach: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ring centres and their triangulation, with no ring but of 5, 6 or 7 atoms at the boundary."""
    size = np.sqrt(3.0) * BOND
    rng = np.random.default_rng([seed, 5])
    best: tuple[int, np.ndarray, np.ndarray] | None = None
    for _ in range(24):
        points = _ring_centres(misorientation, reach, size, rng.uniform(-0.5, 0.5, 2) * (0.35, 1.0))
        points = _even_out(points, size, reach)
        triangles = Delaunay(points).simplices.astype(int)
        degree = np.bincount(triangles.ravel(), minlength=len(points))[np.hypot(*points.T) < 0.95 * reach]
        odd = int(1000 * ((degree < 5) | (degree > 7)).sum() + (degree != 6).sum())
        if best is None or odd < best[0]:
            best = odd, points, triangles
        if odd < 1000:
            break
    assert best is not None
    return best[1], best[2]


def grain_boundary_specimen(
    misorientation: float, reach: float, stone_wales: int = 0, random_state: int = 0
) -> Specimen:
    """Carbon atoms of two grains of graphene and of the boundary between them, in a disc.

    The centres of the rings of two tilted grains are triangulated; the atoms are the dual of the
    triangulation, so that every one of them has three neighbours, relaxed with harmonic springs along bonds
    and between second neighbours.

    Parameters
    ----------
    misorientation, stone_wales
        See :func:`grain_boundary`.
    reach : float
        Radius of the disc in nm.
    random_state : int
        Seed of the rigid shift of the grains and of the rotated bonds.

    Returns
    -------
    Specimen
        Labels: the sizes of the three rings at each atom, such as ``"5.6.7"``. Cells: the rings.
    """
    if not 0 <= misorientation <= 60:
        raise ValueError(f"misorientation={misorientation} degrees must lie between 0 and 60.")
    if stone_wales < 0:
        raise ValueError(f"stone_wales={stone_wales} must be 0 or more.")
    # The rim with incomplete rings must lie outside the requested disc.
    outer = reach + 6.0 * BOND
    centres, triangles = _boundary(misorientation, outer, random_state)
    if stone_wales:
        _stone_wales(centres, triangles, stone_wales, reach, random_state)
    atoms, bonds = _carbon_net(centres, triangles)
    atoms = _relax(atoms, bonds)
    return specimen_of_net(atoms, find_rings(atoms, bonds), reach, atomic_number("C"))


@family
def grain_boundary(
    misorientation: float = 21.8,
    *,
    stone_wales: int = 0,
    disorder: float = 0.0015,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate a tilt grain boundary of graphene with its pentagons and heptagons.

    %(model)s The
    boundary runs through the middle of the image, along y where the rotation is 0. It is flat, and relaxed
    by springs only: its rings are plausible, but not of least energy.

    Parameters
    ----------
    misorientation : float
        Tilt between the grains in degrees, 0 to 60.
    stone_wales : int
        Number of bonds inside the grains that are rotated by a right angle, each of which creates two pentagons and
        two heptagons.
    %(rest)s
    truth : Truth
        Labels: the sizes of the three rings at each atom, such as ``"5.6.7"``. Cells: the rings.

    Examples
    --------
    >>> from hyperspy_motifs.data import grain_boundary
    >>> image, truth = grain_boundary(shape=(256, 300))
    >>> sorted(truth.cell_names)
    ['ring5', 'ring6', 'ring7']
    """
    optics = Imaging.of(OPTICS, imaging)
    specimen = grain_boundary_specimen(misorientation, optics.reach, stone_wales, random_state)
    specimen = specimen.displaced(disorder, random_state)
    return simulate_signal(specimen, optics, "Simulated graphene grain boundary", random_state)


BOUNDARIES = ("4|4P", "8")
# Metals on both sides of a 4|4P boundary are farther apart; 0.28 nm is between the value of the metal and reported
# values.
FACING = 0.28


def twin_boundary_specimen(
    material: str,
    reach: float,
    boundary: str = "4|4P",
    vacancies: float = 0.02,
    metal_dopant: Dopant = None,
    random_state: int = 0,
) -> Specimen:
    """Columns of two domains that are mirror images of each other in the line y = 0, in a disc.

    Parameters
    ----------
    material, boundary, vacancies, metal_dopant
        See :func:`twin_boundary`.
    reach : float
        Radius of the disc in nm.
    random_state : int
        Seed of the sites.

    Returns
    -------
    Specimen
        Labels by species. Cells: rings. ``per_column["domain"]``: 0 on the boundary, 1 and -1 on its sides;
        ``per_column["figure"]``: sizes of the rings around the column.
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary={boundary!r} is unknown; choose one of {', '.join(BOUNDARIES)}.")
    parameter = dichalcogenide(material)[2]
    vectors = parameter * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    outer = reach + 2.0 * parameter
    points, site = lattice_points(vectors, np.array([[0.0, 0.0], [1 / 3, 1 / 3]]), outer)
    # A row of chalcogen columns lies on the mirror line, with bonds to two metals or one metal on each side.
    row = parameter / np.sqrt(12.0)
    points[:, 1] = row - points[:, 1] if boundary == "4|4P" else points[:, 1] - row
    upper, on = points[:, 1] > 0.5 * row, np.abs(points[:, 1]) < 0.5 * row
    opening = 0.5 * FACING - row if boundary == "4|4P" else 0.0
    domain = points[upper] + [0.0, opening]
    whole = np.concatenate([points[on] * [1.0, 0.0], domain, domain * [1.0, -1.0]])
    sites = np.concatenate([site[on], site[upper], site[upper]])
    side = np.repeat([0, 1, -1], [on.sum(), upper.sum(), upper.sum()])
    labels, species = place_defects(sites, material, vacancies, 0.0, metal_dopant, None, random_state)
    net = dichalcogenide_specimen(whole, sites, labels, species, 0.75 * parameter)
    net.per_column["domain"] = side
    net.per_column["figure"] = np.array(vertex_figures(whole, net.cells))
    return net.where(lambda where: np.hypot(where[:, 0], where[:, 1]) <= reach)


@family
def twin_boundary(
    material: str = "MoSe2",
    *,
    boundary: str = "4|4P",
    vacancies: float = 0.02,
    metal_dopant: Dopant = None,
    disorder: float = 0.002,
    random_state: int = 0,
    **imaging: object,
) -> Simulated:
    """Simulate a mirror twin boundary of a dichalcogenide monolayer, with its 4-rings or 8-rings.

    %(model)s The boundary runs through the middle of the image, along x where the rotation is 0. It is geometric and
    not relaxed.

    Parameters
    ----------
    material : {"MoS2", "MoSe2", "MoTe2", "WS2", "WSe2", "NbSe2"}
    boundary : {"4|4P", "8"}
        A row of chalcogen columns is common to both domains. ``"4|4P"``: each is bonded to two metals of
        either side, which makes a row of 4-rings that share corners. ``"8"``: each bridges one metal of
        either side, which makes a row of 8-rings.
    vacancies : float
        Fraction of the chalcogen columns that miss one of their two atoms.
    metal_dopant : (str, float), "auto" or None
        An element and the fraction of the metal sites that it takes.
    %(rest)s
    truth : Truth
        Labels by species. Cells: the rings. ``extra["domain"]`` (n,): 0 on the boundary, 1 and -1 on its
        sides; ``extra["figure"]`` (n,): sizes of the rings around the column, such as ``"4.6.4.6"``.

    References
    ----------
    .. [1] W. Zhou et al., Nano Lett. 13 (2013) 2615, doi:10.1021/nl4007479.

    Examples
    --------
    >>> from hyperspy_motifs.data import twin_boundary
    >>> image, truth = twin_boundary(boundary="8", shape=(200, 240))
    >>> sorted(truth.cell_names)
    ['ring6', 'ring8']
    """
    optics = Imaging.of({}, imaging)
    specimen = twin_boundary_specimen(
        material, optics.reach, boundary, vacancies, metal_dopant, random_state
    ).displaced(disorder, random_state)
    return simulate_signal(specimen, optics, f"Simulated {material} twin boundary", random_state)

"""Separation of the smallest defects from the lattice, for features of several kinds.

Run ``python benchmarks/bench_separability.py [IMAGE.hspy TRUTH.npz ...]``; without files on simulated MoSe2 at two doses. A
truth holds ``xy`` (n, 2) in pixels, ``motif`` and ``motif_names``, and ``n_Se_vacancy_neighbours`` (n,).

Two figures for each kind of features, of Mo atoms with one neighbouring Se vacancy against those without, and of S2 against
Se2:

- *graph*: distance of the two means over the root mean square distance of two atoms of the lattice: what a graph of
  nearest neighbours sees. Noise in every further direction reduces it.
- *line*: difference of the means over the spread, along the direction from one mean to the other as learned on the other half
  of the atoms: the separation for a test along a known direction.

The squared distance of means is freed from its bias by noise. All features are of the same discs (1.2 nearest-neighbour
distances), normalised alike, motif-learn's of discs at whole pixels, as it has them.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
from sklearn.decomposition import PCA

from hyperspy_motifs.atoms import nearest_neighbour_distance
from hyperspy_motifs.patches import estimate_local_scale, sample_patches
from hyperspy_motifs.zernike import (
    FourierBesselBasis,
    ZernikeBasis,
    choose_basis,
    estimate_noise,
    get_moments,
    invariants,
    whiten,
)

RADIUS = 1.2
FEWEST = 6
DOSES = (3e5, 2e4)


def pixels_of(image: np.ndarray, xy: np.ndarray, radius: float) -> np.ndarray:
    """Return the normalised pixels of the discs, in units of their noise, shape (n, pixels)."""
    noise = estimate_noise(image)
    local = estimate_local_scale(image, xy, gain=noise.gain, read_std=noise.read_std)
    raw = sample_patches(image, xy, radius)
    patches = (raw - local.offset[:, None, None]) / local.scale[:, None, None]
    half = raw.shape[1] // 2
    y, x = np.indices(raw.shape[1:]) - half
    sigma = np.sqrt(noise.variance(raw.mean(axis=(1, 2)))) / local.scale
    return patches[:, np.hypot(x, y) <= radius] / np.median(sigma)


def kinds_of(image: np.ndarray, xy: np.ndarray) -> dict[str, np.ndarray]:
    """Return the features of every kind, by name."""
    radius = RADIUS * nearest_neighbour_distance(xy)
    moments = get_moments(image, xy, ZernikeBasis(8, radius))
    chosen = get_moments(image, xy, choose_basis(image, xy, radius)[0])
    magnitudes, noise = invariants(moments)
    pixels = pixels_of(image, xy, radius)
    kinds = {
        "pixels of the disc": pixels,
        "PCA (5) of pixels": PCA(5, random_state=0).fit_transform(pixels),
        "PCA (20) of pixels": PCA(20, random_state=0).fit_transform(pixels),
        "Zernike, whitened, n_max 8": whiten(moments.values, moments.noise_std),
        f"Zernike, whitened, n_max auto ({chosen.n_max})": whiten(chosen.values, chosen.noise_std),
        "  20 principal axes (find_motifs)": PCA(20, random_state=0).fit_transform(
            whiten(moments.values, moments.noise_std)
        ),
        "  rotation invariants": whiten(magnitudes, noise),
    }
    other = get_moments(image, xy, FourierBesselBasis(8, radius))
    kinds["Fourier-Bessel, whitened"] = whiten(other.values, other.noise_std)
    try:
        from mtflearn.features import KeyPoints, ZPs
    except ImportError:
        return kinds
    size = 2 * int(radius) + 1
    patches = KeyPoints(xy, image, size).extract_patches(size, flat=False)
    kinds["motif-learn's moments, n_max 8"] = np.asarray(ZPs(n_max=8, size=size).fit_transform(patches).data)
    return kinds


def separation(defects: np.ndarray, lattice: np.ndarray) -> tuple[float, float]:
    """Return the separation for a graph, and that along the line of the means, on held-out data."""
    difference = defects.mean(axis=0) - lattice.mean(axis=0)
    scatter = defects.var(axis=0, ddof=1) / len(defects) + lattice.var(axis=0, ddof=1) / len(lattice)
    squared = float((difference**2 - scatter).sum())
    graph = np.sqrt(max(squared, 0) / (2 * lattice.var(axis=0, ddof=1).sum()))
    found = []
    for k in range(2):
        line = defects[k::2].mean(axis=0) - lattice[k::2].mean(axis=0)
        a, b = defects[1 - k :: 2] @ line, lattice[1 - k :: 2] @ line
        pooled = np.sqrt((a.var() * len(a) + b.var() * len(b)) / (len(a) + len(b) - 2))
        found.append((a.mean() - b.mean()) / pooled)
    return float(graph), float(np.mean(found))


def groups_of(
    motif: np.ndarray, names: list[str], neighbours: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return masks of defect and lattice for each comparison with enough atoms."""
    number = {name: k for k, name in enumerate(names)}
    pairs = {
        "one Se vacancy next to Mo": (
            (motif == number["Mo"]) & (neighbours == 1),
            (motif == number["Mo"]) & (neighbours == 0),
        ),
    }
    if "S2" in number:
        pairs["S2 instead of Se2"] = (motif == number["S2"]), (motif == number["Se2"])
    return {name: pair for name, pair in pairs.items() if pair[0].sum() >= FEWEST}


def simulated(dose: float) -> tuple[np.ndarray, np.ndarray, dict]:
    """Return image, positions and groups of a monolayer with single Se vacancies."""
    from scipy.spatial import cKDTree

    from hyperspy_motifs import data

    image, truth = data.monolayer("MoSe2", shape=(576, 576), dose=dose, double_vacancies=0.0, random_state=7)
    spacing = nearest_neighbour_distance(truth.positions)
    names = list(truth.names)
    single = truth.positions[truth.labels == names.index("Se1")]
    near = cKDTree(single).query_ball_point(truth.positions, 1.2 * spacing, return_length=True)
    return np.asarray(image.data, float), truth.positions, groups_of(truth.labels, names, near)


def table(
    image: np.ndarray, xy: np.ndarray, groups: dict[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return both figures by comparison and kind of features, of atoms whose discs lie in the image."""
    radius = RADIUS * nearest_neighbour_distance(xy)
    whole = ((xy > radius + 1) & (xy < np.array(image.shape[::-1]) - 2 - radius)).all(axis=1)
    kinds = kinds_of(image, xy[whole])
    return {
        f"{title} ({(defect & whole).sum()} atoms)": {
            kind: separation(values[defect[whole]], values[lattice[whole]]) for kind, values in kinds.items()
        }
        for title, (defect, lattice) in groups.items()
    }


def main(files: list[str]) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    cases = {}
    for image_file, truth_file in zip(files[::2], files[1::2], strict=True):
        import hyperspy.api as hs

        truth = np.load(truth_file, allow_pickle=True)
        groups = groups_of(truth["motif"], list(truth["motif_names"]), truth["n_Se_vacancy_neighbours"])
        cases[image_file] = np.asarray(hs.load(image_file).data, float), truth["xy"], groups
    for name, case in (cases or {f"{dose:.0e}": simulated(dose) for dose in DOSES}).items():
        for title, rows in table(*case).items():
            print(f"\n{name}: {title}\n{'':42s} graph   line")
            for kind, (graph, line) in rows.items():
                print(f"{kind:40s} {graph:6.2f} {line:6.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Manifold coordinates of a twisted bilayer: their accuracy for the registry, compared with PCA, UMAP and
motif-learn.

Run as ``python benchmarks/bench_manifold.py [IMAGE.hspy TRUTH.npz]``; without files on a simulated image. The truth
holds ``xy`` (n, 2) in pixels and ``registry`` (n, 2). With ``--disorder``: columns of one half of simulated bilayers are
displaced at random, and the area under the ROC curve measures the classification of the half from a single atom.
"""

from __future__ import annotations

import dataclasses
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

from hyperspy_motifs.atoms import find_atoms, nearest_neighbour_distance
from hyperspy_motifs.hierarchy import find_moire, fourier_moire
from hyperspy_motifs.manifold import Manifold, estimate_continuity, estimate_disorder, manifold_features
from hyperspy_motifs.relaxation import ForceRelaxedLayout
from hyperspy_motifs.zernike import ZernikeBasis, get_moments


def explained(coordinates: np.ndarray, registry: np.ndarray) -> float:
    """R^2 of a 10-nearest-neighbour regression (5-fold) of cos and sin of 2 pi registry."""
    waves = np.column_stack([np.cos(2 * np.pi * registry), np.sin(2 * np.pi * registry)])
    folds = KFold(5, shuffle=True, random_state=0)
    guess = cross_val_predict(KNeighborsRegressor(10), coordinates, waves, cv=folds)
    return float(1 - ((waves - guess) ** 2).sum() / ((waves - waves.mean(axis=0)) ** 2).sum())


def load(files: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return image, positions and registry."""
    if files:
        import hyperspy.api as hs

        truth = np.load(files[1], allow_pickle=True)
        return np.asarray(hs.load(files[0]).data, dtype=float), truth["xy"], truth["registry"]
    from hyperspy_motifs import data

    image, known = data.twisted_bilayer(twist=5.0)
    return image.data, known.positions, known.extra["registry"]


def main(files: list[str]) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    image, xy, registry = load(files)
    moments = get_moments(image, xy, ZernikeBasis(8, 2.4 * nearest_neighbour_distance(xy)))
    start = time.perf_counter()
    features = manifold_features(moments).values
    known = np.isfinite(features).all(axis=1)
    manifold = Manifold().fit(features, xy)
    seconds = time.perf_counter() - start
    print(f"{known.sum()} of {len(xy)} atoms; manifold in {seconds:.2f} s: {manifold.topology_}")
    print(f"{estimate_continuity(features[known])}")
    disorder = estimate_disorder(manifold_features(moments).whole, xy, manifold=manifold)
    print(f"disorder {disorder.value:.2f} +- {disorder.error:.2f} units of noise")
    moire, peaks = find_moire(xy, manifold.coordinates_), fourier_moire(image)
    print("moire period, pixels: from the manifold", None if moire is None else round(moire.period, 2))
    print("moire period, pixels: from Fourier peaks", None if peaks is None else round(peaks.period, 2))

    def umap() -> np.ndarray:
        from umap import UMAP

        return UMAP(n_components=2, random_state=0).fit_transform(features[known])

    def motif_learn() -> np.ndarray:
        from mtflearn.manifold.force_relaxed import ForceGraph8

        return ForceGraph8().fit_transform(features[known])

    peers: dict[str, Callable[[], np.ndarray]] = {
        "Manifold (8)": lambda: manifold.coordinates_[known],
        "diffusion map without space (8)": lambda: Manifold().fit(features[known]).coordinates_,
        "features (20)": lambda: features[known],
        "PCA (2)": lambda: PCA(2).fit_transform(features[known]),
        "force-relaxed layout (2)": lambda: ForceRelaxedLayout(random_state=0).fit_transform(features[known]),
        "UMAP (2)": umap,
        "motif-learn (2)": motif_learn,
    }
    for name, make in peers.items():
        start = time.perf_counter()
        try:
            coordinates = make()
        except (ImportError, AttributeError) as error:
            print(f"{name:34s} not run: {error}")
            continue
        took = time.perf_counter() - start or seconds
        print(f"{name:34s} R^2 {explained(coordinates, registry[known]):6.3f}   {took:6.2f} s")


def planted(picometres: float, shape: tuple[int, int], twist: float, dose: float, seed: int) -> np.ndarray:
    """A bilayer of MoS2, the columns of whose right half are displaced at random."""
    from hyperspy_motifs.data import Imaging, simulate, twisted_bilayer_specimen
    from hyperspy_motifs.data._monolayer import OPTICS

    optics = Imaging.of(OPTICS, {"shape": shape, "dose": dose})
    specimen = twisted_bilayer_specimen("MoS2", optics.reach, twist).displaced(0.0015, seed)
    step = np.random.default_rng(seed).normal(0, 1e-3 * picometres, specimen.positions.shape)
    moved = specimen.positions + np.where(specimen.positions[:, :1] > 0, step, 0)
    return np.asarray(simulate(dataclasses.replace(specimen, positions=moved), optics, seed)[0], dtype=float)


def disorder_table() -> None:
    """Print the areas under the curve and the disorder of the whole image."""
    fields: list[tuple[tuple[int, int], float, float]] = [
        ((420, 480), 3.0, 4e5),
        ((420, 480), 5.0, 4e5),
        ((420, 480), 6.0, 4e5),
        ((420, 480), 5.0, 5e4),
        ((560, 600), 5.0, 4e5),
    ]
    print("rows, columns, twist, dose, seed: area under the curve and disorder at 3, 6 and 12 pm")
    for shape, twist, dose in fields:
        for seed in range(3):
            told = []
            for picometres in (3, 6, 12):
                image = planted(picometres, shape, twist, dose, seed)
                xy = find_atoms(image, refine=False).positions
                moments = get_moments(image, xy, ZernikeBasis(8, 2.4 * nearest_neighbour_distance(xy)))
                found = estimate_disorder(manifold_features(moments).whole, xy)
                clear = np.isfinite(found.excess) & (np.abs(xy[:, 0] - shape[1] / 2) > 30)
                area = roc_auc_score(xy[clear, 0] > shape[1] / 2, found.excess[clear])
                told.append(f"{area:.3f} ({found.value:4.1f})")
            print(f"{shape[0]} {shape[1]} {twist:.0f} {dose:.0e} {seed}: {'  '.join(told)}", flush=True)


if __name__ == "__main__":
    disorder_table() if sys.argv[1:] == ["--disorder"] else main(sys.argv[1:])

"""Reproducibility of motifs with other random numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from sklearn.metrics import adjusted_rand_score


@dataclass(frozen=True)
class Stability:
    """Similarity of the motifs of several runs.

    Attributes
    ----------
    agreement : (s, s) ndarray
        Adjusted Rand index of every pair of the s runs: 1 for identical partitions of the atoms, 0 for chance agreement.
    motifs : (k,) ndarray
        Value of each motif, 0 to 1: its overlap with the most similar motif of each run, averaged over the runs. The
        overlap is the Jaccard index (atoms in both over atoms in either). 1: every run has exactly this motif. NaN: the
        motif has no atoms.
    atoms : (n,) ndarray
        Value of each atom, 0 to 1: fraction of the runs in which the atom lies in the most similar motif.
    n_motifs : (s,) int ndarray
        Number of motifs of each run.
    labels : (s, n) int ndarray
        Labels of each run.
    """

    agreement: NDArray[np.float64]
    motifs: NDArray[np.float64]
    atoms: NDArray[np.float64]
    n_motifs: NDArray[np.int64]
    labels: NDArray[np.int64] = field(repr=False)

    @property
    def mean_agreement(self) -> float:
        """Mean adjusted Rand index over all pairs of different runs."""
        first, second = np.triu_indices(len(self.agreement), 1)
        return float(self.agreement[first, second].mean())


def estimate_stability(labels: ArrayLike, runs: ArrayLike) -> Stability:
    """Compare motifs with those of other runs on the same atoms; the numbering of the motifs does not matter.

    Parameters
    ----------
    labels : (n,) array_like of int
        Motif of each atom, from 0.
    runs : (s, n) array_like of int
        Labels of at least two other runs, from 0.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If the shapes do not match, there are no atoms, or there are fewer than two runs.

    Notes
    -----
    Adjusted Rand index: Hubert and Arabie, Journal of Classification 2 (1985) 193. Overlap of each cluster with the
    most similar cluster: Hennig, Computational Statistics and Data Analysis 52 (2007) 258.
    """
    own, others = np.asarray(labels, dtype=np.int64), np.asarray(runs, dtype=np.int64)
    if own.ndim != 1 or others.ndim != 2 or others.shape[1] != own.size or len(others) < 2 or not own.size:
        raise ValueError(
            f"Labels of shape {own.shape} and runs of shape {others.shape} do not belong together: (n,) and (s, n) with "
            "n of one or more and s of two or more are expected."
        )
    n_runs, size = len(others), np.bincount(own)
    agreement = np.eye(n_runs)
    for i in range(n_runs):
        for j in range(i):
            agreement[i, j] = agreement[j, i] = adjusted_rand_score(others[i], others[j])
    overlap = np.zeros(len(size))
    again = np.zeros(len(own))
    for run in others:
        counts = np.bincount(run)
        both = coo_array((np.ones(len(own)), (own, run)), shape=(len(size), len(counts))).toarray()
        jaccard = both / np.maximum(size[:, None] + counts - both, 1)
        overlap += jaccard.max(axis=1)
        again += run == jaccard.argmax(axis=1)[own]
    return Stability(
        agreement=agreement,
        motifs=np.where(size > 0, overlap / n_runs, np.nan),
        atoms=again / n_runs,
        n_motifs=np.array([len(np.unique(run)) for run in others]),
        labels=others,
    )

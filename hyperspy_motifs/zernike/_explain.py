"""The modes that distinguish two groups of atoms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Explanation:
    """Modes in the order of their contribution to the difference of two groups.

    Attributes
    ----------
    groups : tuple of int
        The compared labels; -1 means all other atoms.
    modes : (K, 2) int array
        (n, m), in decreasing order of contribution.
    columns : (K,) int array
        Their columns in the features.
    difference : (K,) array
        Mean of the first group minus mean of the second.
    separation : (K,) array
        That difference in units of the standard deviation within the groups (Cohen's d).
    certainty : (K,) array
        That difference in units of its standard error: below 3 it may be due to chance.
    share : (K,) array
        Part of the squared separation; sums to 1.
    """

    groups: tuple[int, int]
    modes: NDArray[np.int64]
    columns: NDArray[np.int64]
    difference: NDArray[np.float64]
    separation: NDArray[np.float64]
    certainty: NDArray[np.float64]
    share: NDArray[np.float64]

    def difference_in_order(self) -> NDArray[np.float64]:
        """Return the difference (K,) in the order of the features, to be reconstructed as a patch."""
        out = np.empty_like(self.difference)
        out[self.columns] = self.difference
        return out

    def to_text(self, count: int = 5) -> str:
        """Return the most important modes as text, one per line."""
        lines = [
            f"n={n} m={m} ({_name(int(n), int(m))}): {d:+.2f} standard deviations, {100 * s:.0f} % of the difference"
            for (n, m), d, s in zip(self.modes, self.separation, self.share, strict=True)
        ]
        return "\n".join(lines[:count])


def _name(n, m):
    if m == 0:
        return "mean intensity" if n == 0 else f"radial, {n // 2} rings"
    kind = "cosine" if m > 0 else "sine"
    return f"{abs(m)}-fold, {kind}" if abs(m) > 1 else f"one-sided, {'x' if m > 0 else 'y'}"


def explain(values: ArrayLike, labels: ArrayLike, modes: ArrayLike, groups: tuple[int, int]) -> Explanation:
    """Find the modes that distinguish two groups of atoms.

    Parameters
    ----------
    values : (n, K) array_like
        Moments, or invariants, of n atoms; atoms with NaN are ignored.
    labels : (n,) array_like of int
        Group of each atom.
    modes : (K, 2) array_like of int
        (n, m) of the columns.
    groups : tuple of int
        The two labels to compare; -1 as the second one means all other atoms.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        If shapes do not match or a group has fewer than two atoms.

    Notes
    -----
    d = (mean_1 - mean_2) / s with the pooled standard deviation s within the groups: Cohen, Statistical Power
    Analysis for the Behavioral Sciences (1988), chapter 2. s is at least a thousandth of the typical one, so that
    constant modes are not selected.
    """
    features, marks, pairs = np.asarray(values, dtype=np.float64), np.asarray(labels), np.asarray(modes)
    if features.ndim != 2 or marks.shape != (len(features),) or pairs.shape != (features.shape[1], 2):
        raise ValueError(
            f"Features of shape {features.shape}, labels of shape {marks.shape} and modes of shape "
            f"{pairs.shape} do not match: (n, K), (n,) and (K, 2) are expected."
        )
    first, second = groups
    known = np.isfinite(features).all(axis=1)
    a = features[known & (marks == first)]
    b = features[known & (marks != first if second == -1 else marks == second)]
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"Groups of {len(a)} and {len(b)} atoms: at least two atoms are needed in each.")
    difference = a.mean(axis=0) - b.mean(axis=0)
    squares = ((a - a.mean(axis=0)) ** 2).sum(axis=0), ((b - b.mean(axis=0)) ** 2).sum(axis=0)
    pooled = np.sqrt((squares[0] + squares[1]) / (len(a) + len(b) - 2))
    floor = 1e-3 * float(np.median(pooled)) or np.finfo(float).tiny
    separation = difference / np.maximum(pooled, floor)
    error = np.sqrt(squares[0] / (len(a) - 1) / len(a) + squares[1] / (len(b) - 1) / len(b))
    certainty = difference / np.maximum(error, floor / np.sqrt(min(len(a), len(b))))
    total = float((separation**2).sum())
    share = separation**2 / total if total > 0 else np.full(len(separation), 1 / len(separation))
    order = np.argsort(-share, kind="stable")
    return Explanation(
        groups=(int(first), int(second)),
        modes=pairs[order],
        columns=order,
        difference=difference[order],
        separation=separation[order],
        certainty=certainty[order],
        share=share[order],
    )

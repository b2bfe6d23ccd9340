"""What the surroundings leak into the disc of a single column, and its removal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.zernike import radial_polynomials, to_complex, to_real

from ._features import MomentsLike, noise_unit

_MAX_ORDER = 6
_ROUNDS = 4
_OUTLIER = 5.0
_FREQUENT = 0.15


def ring_moments(moments: MomentsLike, inner: float) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    r"""Return the moments of the ring outside `inner` times the radius, from those of the disc.

    .. math:: z_{mj} = \sum_n A_{nm} \int_{\rho_0}^1 R_n^{m}(\rho) P_j(t(\rho)) \rho\, d\rho

    with the Legendre polynomials P of degree 0 and 1 on the ring.

    Returns
    -------
    values : ndarray of complex128, shape (atoms, m from 0 to 6, 2)
    noise : ndarray, shape (m, 2)
        Of the median atom.
    """
    values, kept = to_complex(np.asarray(moments.values, dtype=np.float64), moments.modes)
    unit, _ = to_complex(noise_unit(moments)[None], moments.modes)
    n_max = int(kept[:, 0].max())
    rho = np.linspace(inner, 1, 65)
    radial = radial_polynomials(n_max, rho)
    t = 2 * (rho - inner) / (1 - inner) - 1
    shapes = np.stack([np.ones_like(t), t]) * rho / len(rho)
    n_orders = min(_MAX_ORDER, n_max) + 1
    out = np.zeros((len(values), n_orders, 2), dtype=np.complex128)
    variance = np.zeros((n_orders, 2))
    for column, (n, m) in enumerate(kept):
        if m < n_orders:
            norm = np.sqrt(2 * (n + 1) if m else n + 1)
            weights = norm * (shapes * radial[int(n), int(m)]).sum(axis=1)
            out[:, m] += values[:, column, None] * weights
            variance[m] += (weights * unit.real[0, column]) ** 2
    return out, np.sqrt(variance)


def families(
    ring: NDArray[np.complex128],
    noise: NDArray[np.float64],
    labels: NDArray[np.integer],
    valid: NDArray[np.bool_],
    rotation_invariant: bool,
) -> NDArray[np.int64]:
    """Return for every atom which frequent site it is by its surroundings alone.

    A frequent site is a group of `labels` (negative: none) that holds at least 15 % of the atoms.
    """
    units = ring / noise
    flat = np.abs(units) if rotation_invariant else np.concatenate([units.real, units.imag], axis=1)
    flat = np.nan_to_num(flat.reshape(len(ring), -1))
    count = np.bincount(labels[labels >= 0])
    frequent = np.flatnonzero(count >= _FREQUENT * count.sum())
    if not len(frequent):
        return np.zeros(len(ring), dtype=np.int64)
    typical = np.stack([np.median(flat[(labels == group) & valid], axis=0) for group in frequent])
    distance = ((flat[:, None] - typical[None]) ** 2).sum(axis=2)
    return np.asarray(distance.argmin(axis=1))


def without_leak(
    moments: MomentsLike,
    ring: NDArray[np.complex128],
    family: NDArray[np.integer],
    valid: NDArray[np.bool_],
    rotation_invariant: bool,
) -> NDArray[np.float64]:
    r"""Return the moments of the discs less what the deviations of their surroundings explain.

    The tails of neighbouring columns reach into the disc. An isotropic probe carries them over order by
    order: :math:`A_{nm} = a_{nm} + \sum_j b_{nmj} (z_{mj} - \bar z_{mj})` with real b, the mean taken over
    the atoms of the same frequent site, so that only deviations from the usual surroundings are
    removed. b is fitted to all atoms together, those that disagree by more than five typical residuals (other species) left out
    by degrees (Tukey's biweight). The column's own tails in the ring are weak, so its own difference stays.

    Parameters
    ----------
    moments : zernike.Moments
        Of discs that hold one column.
    ring : ndarray, shape (atoms, orders, 2)
        `ring_moments` of wider discs.
    family : ndarray of int, shape (atoms,)
    valid : ndarray of bool, shape (atoms,)
        Atoms of which both discs lie inside the image; others are left as they are.
    rotation_invariant : bool
        Orientation of the sites is unknown: for m > 0 the whole ring is a deviation.

    Returns
    -------
    ndarray, shape (atoms, K)
    """
    values, kept = to_complex(np.asarray(moments.values, dtype=np.float64), moments.modes)
    for column, (_, m) in enumerate(kept):
        if m >= ring.shape[1]:
            continue
        target = values[valid, column].copy()
        source = ring[valid, m].copy()
        if m == 0 or not rotation_invariant:
            for site in np.unique(family[valid]):
                inside = family[valid] == site
                target[inside] -= _median(target[inside])
                source[inside] -= _median(source[inside])
        values[valid, column] -= source @ _robust_fit(source, target)
    return np.asarray(to_real(values, moments.modes), dtype=np.float64)


def _median(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return np.asarray(np.median(values.real, axis=0) + 1j * np.median(values.imag, axis=0))


def _robust_fit(source: NDArray[np.complex128], target: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Real coefficients of target on source (atoms, 2) by reweighted least squares."""
    weights = np.ones(len(target))
    coefficients = np.zeros(source.shape[1])
    for _ in range(_ROUNDS):
        normal = np.einsum("ap,a,aq->pq", source.conj(), weights, source).real
        ridge = 1e-9 * np.trace(normal) + 1e-300
        coefficients = np.linalg.solve(
            normal + ridge * np.eye(len(normal)), np.einsum("ap,a,a->p", source.conj(), weights, target).real
        )
        residual = np.abs(target - source @ coefficients)
        scale = 1.4826 * np.median(residual)
        if scale == 0:
            break
        weights = np.clip(1 - (residual / (_OUTLIER * scale)) ** 2, 0, None) ** 2
    return coefficients

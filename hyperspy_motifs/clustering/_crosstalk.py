"""Crosstalk: the contribution of the surroundings to the disc of a single column, and its removal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hyperspy_motifs.common import STRICT_LEVEL, robust_spread
from hyperspy_motifs.zernike import MomentsLike, noise_unit, radial_polynomials, to_complex, to_real

_MAX_ORDER = 6  # azimuthal order of the ring: six neighbours
# Reweightings of the fit, and standard deviations beyond which an atom has no weight (Tukey).
_ITERATIONS, _OUTLIER = 4, 5.0
_CORE = 0.5  # of the radius of the disc: tails of neighbours end outside it
FREQUENT = 0.15  # share of the atoms
# Of the logarithm of the ring: what surrounds a dopant or a vacancy tells its site better than its own disc.
_RING_WEIGHT = 4.0


@dataclass(frozen=True)
class NeighbourCrosstalk:
    r"""Linear model of how the surroundings of a column change the moments of its disc.

    The tails of neighbouring columns reach into the disc. For an isotropic probe, each angular order m of the
    surroundings contributes only to moments of the same order:

    .. math:: A_{nm} = a_{nm} + \sum_j b_{nmj} (z_{mj} - \bar z_{mj})

    The coefficients b are real. z are the moments of the ring around the disc. The mean is taken over the atoms
    of the same frequent site, so that only deviations from the usual surroundings are removed. b is fitted to
    all atoms together. Tukey's biweight reduces the weight of atoms with large residuals, such as other species,
    to zero at five typical residuals. The tails of the column itself are weak in the ring, so its own deviation
    remains.

    Bright columns may also be beside bright ones, as in a precipitate. Tails change the core of the disc less than the rest.
    Where the core follows the ring significantly (``STRICT_LEVEL``) more than the whole disc, the columns are alike: then
    the mean of the core is fitted together with the ring for m = 0, and its part is not removed.

    Attributes
    ----------
    inner : float
        Ratio of the inner to the outer radius of the ring.
    noise : ndarray, shape (orders, 2)
        Noise of the moments of the ring.
    unit : ndarray, shape (J,)
        Noise of the complex moments of the disc.
    typical : ndarray, shape (forms, features)
        Typical moments of the disc, and then of the ring, of each form of the frequent sites, in units of the noise: the sites
        of oxygen in a perovskite are turned against one another.
    site_of : ndarray of int64, shape (forms,)
        The site of each form.
    means : ndarray, shape (sites, orders, 2)
    coefficients : ndarray, shape (J, 2)
        The coefficients b of every complex moment of the disc.
    rotation_invariant : bool
        The orientation of the sites is unknown: for m > 0 the whole ring is a deviation.
    """

    inner: float
    noise: NDArray[np.float64]
    unit: NDArray[np.float64]
    typical: NDArray[np.float64]
    site_of: NDArray[np.int64]
    means: NDArray[np.complex128]
    coefficients: NDArray[np.float64]
    rotation_invariant: bool

    @classmethod
    def fit(
        cls,
        moments: MomentsLike,
        wider: MomentsLike,
        labels: NDArray[np.integer],
        forms: NDArray[np.integer],
        inner: float,
        rotation_invariant: bool,
    ) -> NeighbourCrosstalk:
        """Fit the model to the moments of the discs and of wider discs.

        `labels` (n,) are the groups of the atoms, and `forms` (n,) the parts of these; negative for atoms of none. Groups of
        at least a share ``FREQUENT`` of the atoms are frequent sites, and parts of such a share of a site are its forms.
        """
        valid = both_valid(moments, wider)
        ring, noise = ring_moments(wider, inner)
        values, kept = to_complex(np.asarray(moments.values, dtype=np.float64), moments.modes)
        unit = np.abs(to_complex(noise_unit(moments)[None], moments.modes)[0][0])
        flat = _flat(values, unit, ring, noise, rotation_invariant)
        count = np.bincount(labels[labels >= 0])
        frequent = [
            group
            for group in np.flatnonzero(count >= FREQUENT * count.sum())
            if ((labels == group) & valid).any()
        ]
        members = [(labels == group) & valid for group in frequent] or [valid]
        parts = [
            (number, inside & (forms == f))
            for number, inside in enumerate(members)
            for f in np.unique(forms[inside])
        ]
        parts = [(number, part) for number, part in parts if part.sum() >= FREQUENT * members[number].sum()]
        typical = np.stack([np.median(flat[part], axis=0) for _, part in parts])
        site_of = np.array([number for number, _ in parts])
        site = site_of[_nearest(flat, typical, len(unit) * (1 if rotation_invariant else 2))]
        means = np.zeros((len(members), *ring.shape[1:]), dtype=np.complex128)
        target = values[valid].copy()
        for number in range(len(members)):
            inside = valid & (site == number)
            if inside.any():
                means[number] = _median(ring[inside])
                own = site[valid] == number
                offset = _median(values[inside])
                if rotation_invariant:
                    offset = np.where(kept[:, 1] == 0, offset, 0)
                target[own] -= offset
        if rotation_invariant:
            means[:, 1:] = 0
        source = ring[valid] - means[site[valid]]
        even = np.flatnonzero(kept[:, 1] == 0)
        mean = target[:, even[kept[even, 0].argmin()]]
        # The offset of the site is taken off: this is how much brighter the core of each atom is.
        core = target[:, even] @ core_weights(kept[even, 0], 0, 0)
        alike = _follows(source[:, 0], core - mean)
        coefficients = np.zeros((len(kept), 2))
        for column, (_, m) in enumerate(kept):
            if m < source.shape[1]:
                known = np.column_stack([source[:, m], core]) if alike and not m else source[:, m]
                coefficients[column] = _robust_fit(known, target[:, column])[:2]
        return cls(inner, noise, unit, typical, site_of, means, coefficients, rotation_invariant)

    def remove(self, moments: MomentsLike, wider: MomentsLike) -> NDArray[np.float64]:
        """Return the moments (atoms, K) without crosstalk; atoms at the border keep their moments."""
        valid = both_valid(moments, wider)
        ring, _ = ring_moments(wider, self.inner)
        values, kept = to_complex(np.asarray(moments.values, dtype=np.float64), moments.modes)
        flat = _flat(values, self.unit, ring, self.noise, self.rotation_invariant)
        site = self.site_of[
            _nearest(flat, self.typical, len(self.unit) * (1 if self.rotation_invariant else 2))
        ]
        deviation = ring[valid] - self.means[site[valid]]
        for column, (_, m) in enumerate(kept):
            if m < deviation.shape[1]:
                values[valid, column] -= (deviation[:, m] * self.coefficients[column]).sum(axis=1)
        return np.asarray(to_real(values, moments.modes), dtype=np.float64)


def core_weights(radial_orders: NDArray[np.integer], k: int, m: int) -> NDArray[np.float64]:
    r"""Return the weights of the moments of radial orders n and azimuthal order m in the moment k, m of the core of the disc.

    .. math:: B_{km} = \sum_n A_{nm}\, N_{nm} N_{km} \int_0^1 R_n^m(\rho s)\, R_k^m(s)\, s\, \mathrm{d}s, \quad \rho = 1/2
    """
    s = np.linspace(0, 1, 201)
    weight = np.full(len(s), s[1])
    weight[[0, -1]] /= 2
    outer, inner = radial_polynomials(int(radial_orders.max()), _CORE * s), radial_polynomials(k, s)
    two = 2 if m else 1
    return np.array(
        [
            two * np.sqrt((n + 1.0) * (k + 1)) * (outer[int(n), m] * inner[k, m] * s * weight).sum()
            for n in radial_orders
        ]
    )


def both_valid(moments: MomentsLike, wider: MomentsLike) -> NDArray[np.bool_]:
    """Return a mask (n,) of the atoms whose two discs both lie inside the image."""
    return np.asarray(moments.valid, dtype=bool) & np.asarray(wider.valid, dtype=bool)


def ring_moments(moments: MomentsLike, inner: float) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    r"""Return the moments of the ring outside `inner` times the radius, computed from those of the disc.

    .. math:: z_{mj} = \sum_n A_{nm} \int_{\rho_0}^1 R_n^{m}(\rho) P_j(t(\rho)) \rho\, d\rho

    with the Legendre polynomials P of degree 0 and 1 on the ring.

    Returns
    -------
    values : ndarray of complex128, shape (atoms, m from 0 to 6, 2)
    noise : ndarray, shape (m, 2)
        Noise of the median atom.
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


def _flat(
    disc: NDArray[np.complexfloating],
    unit: NDArray[np.float64],
    ring: NDArray[np.complex128],
    noise: NDArray[np.float64],
    rotation_invariant: bool,
) -> NDArray[np.float64]:
    """Disc and ring in units of their noise."""
    both = [disc / unit, (ring / noise).reshape(len(ring), -1)]
    parts = [np.abs(z) if rotation_invariant else np.column_stack([z.real, z.imag]) for z in both]
    return np.nan_to_num(np.column_stack(parts))


def _nearest(flat: NDArray[np.float64], typical: NDArray[np.float64], n_disc: int) -> NDArray[np.int64]:
    """Site of each atom; its disc may be unusual (a dopant) or its ring (a boundary): the tails are those of Student's t."""
    square = (flat[:, None] - typical[None]) ** 2
    disc, ring = (np.log1p(part.mean(axis=2)) for part in (square[..., :n_disc], square[..., n_disc:]))
    return np.asarray((disc + _RING_WEIGHT * ring).argmin(axis=1))


def _median(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return np.asarray(np.median(values.real, axis=0) + 1j * np.median(values.imag, axis=0))


def _follows(source: NDArray[np.complex128], target: NDArray[np.complex128]) -> bool:
    """Return whether a target (atoms,) grows significantly with the mean of the ring, the first column of source (atoms, 2)."""
    coefficients = _robust_fit(source, target)
    spread = robust_spread((target - source @ coefficients).real)
    variance = np.linalg.pinv((source.conj().T @ source).real)[0, 0] * spread**2
    # Every image is asked, and few have such columns.
    return bool(coefficients[0] > norm.isf(STRICT_LEVEL) * np.sqrt(variance))


def _robust_fit(source: NDArray[np.complex128], target: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    """Fit real coefficients of target on source (atoms, 2) by iteratively reweighted least squares."""
    weights = np.ones(len(target))
    coefficients = np.zeros(source.shape[1])
    for _ in range(_ITERATIONS):
        normal = np.einsum("ap,a,aq->pq", source.conj(), weights, source).real
        ridge = 1e-9 * np.trace(normal) + 1e-300
        coefficients = np.linalg.solve(
            normal + ridge * np.eye(len(normal)), np.einsum("ap,a,a->p", source.conj(), weights, target).real
        )
        residual = np.abs(target - (source * coefficients).sum(axis=1))
        scale = robust_spread(residual)
        if scale == 0:
            break
        weights = np.clip(1 - (residual / (_OUTLIER * scale)) ** 2, 0, None) ** 2
    return coefficients

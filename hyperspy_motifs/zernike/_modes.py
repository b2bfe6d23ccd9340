"""Names and orders of the modes: (n, m), OSA/ANSI, Noll, complex and real form."""

from numbers import Real
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class HasMoments(Protocol):
    """Anything with real moments."""

    @property
    def values(self) -> NDArray[np.floating]:
        """Moments, shape (n, K)."""
        ...

    @property
    def modes(self) -> NDArray[np.int64]:
        """(n, m) of each moment, shape (K, 2)."""
        ...

    @property
    def noise_std(self) -> NDArray[np.floating]:
        """Standard deviation of each moment by noise, shape (K,) or (n, K)."""
        ...


def zernike_modes(n_max: int) -> NDArray[np.int64]:
    """Return all (n, m) up to radial order `n_max`, in the order used throughout: OSA/ANSI.

    n increases from 0; within n, m takes the values -n, -n + 2, ..., n. m < 0 are the sine modes, m > 0 the cosine
    modes. motif-learn uses the same order.

    Parameters
    ----------
    n_max : int
        Largest radial order, 0 or more.

    Returns
    -------
    (K, 2) int array
        (n, m); K = (n_max + 1)(n_max + 2) / 2.

    Examples
    --------
    >>> zernike_modes(2).tolist()
    [[0, 0], [1, -1], [1, 1], [2, -2], [2, 0], [2, 2]]
    """
    if not isinstance(n_max, Real) or n_max < 0 or int(n_max) != n_max:
        raise ValueError(f"n_max must be a whole number, 0 or more, not {n_max!r}.")
    return np.array([(n, m) for n in range(int(n_max) + 1) for m in range(-n, n + 1, 2)], dtype=np.int64)


def _check_modes(modes: ArrayLike) -> NDArray[np.int64]:
    pairs = np.asarray(modes, dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"Modes must have shape (K, 2), n and m, not {pairs.shape}.")
    n, m = pairs.T
    wrong = (n < 0) | (abs(m) > n) | ((n - m) % 2 != 0)
    if wrong.any():
        raise ValueError(f"{tuple(pairs[wrong][0])} is not a mode: |m| <= n and n - m even are needed.")
    return pairs


def _columns(
    modes: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Columns of the cosine and of the sine part of each complex mode, and the complex modes."""
    # A mode may occur once for each detector: its copies then form separate blocks.
    seen: dict[tuple[int, int], int] = {}
    column: dict[tuple[int, int, int], int] = {}
    for k, (n, m) in enumerate(modes.tolist()):
        block = seen.get((n, m), 0)
        seen[n, m] = block + 1
        column[block, n, m] = k
    alone = [mode for mode in column if (mode[0], mode[1], -mode[2]) not in column]
    if alone:
        raise ValueError(
            f"Mode {min(alone)[1:]} lacks its partner of the opposite m: "
            "it has no complex form and cannot be rotated."
        )
    kept = sorted(mode for mode in column if mode[2] >= 0)
    cosine = np.array([column[mode] for mode in kept], dtype=np.int64)
    sine = np.array([column[block, n, -m] for block, n, m in kept], dtype=np.int64)
    return cosine, sine, np.array(kept, dtype=np.int64).reshape(-1, 3)[:, 1:]


def partner_columns(modes: ArrayLike) -> NDArray[np.int64]:
    """Return for each mode (n, m) the column of its partner (n, -m); of itself for m = 0.

    Raises
    ------
    ValueError
        If a sine mode has no cosine mode, or vice versa.
    """
    pairs = _check_modes(modes)
    cosine, sine, _ = _columns(pairs)
    partner = np.empty(len(pairs), dtype=np.int64)
    partner[cosine], partner[sine] = sine, cosine
    return partner


def complex_modes(modes: ArrayLike) -> NDArray[np.int64]:
    """Return the (n, m >= 0) of the complex moments of a set of real modes, n first.

    Modes that occur several times (several detectors) form successive blocks.

    Raises
    ------
    ValueError
        If a sine mode has no cosine mode, or vice versa.
    """
    return _columns(_check_modes(modes))[2]


def to_complex(values: ArrayLike, modes: ArrayLike) -> tuple[NDArray[np.complexfloating], NDArray[np.int64]]:
    """Return complex moments A_nm = a_{n,m} + i a_{n,-m} for m >= 0.

    A pattern rotated by theta (from x towards y) has the moments A_nm exp(i m theta); mirrored by
    y -> -y it has the complex conjugate of A_nm.

    Parameters
    ----------
    values : (..., K) array_like
        Real moments.
    modes : (K, 2) array_like of int
        Their (n, m).

    Returns
    -------
    (..., J) complex array
        Complex moments; those with m = 0 are real.
    (J, 2) int array
        Their (n, m), m >= 0, sorted.
    """
    pairs = _check_modes(modes)
    real = np.asarray(values)
    if real.shape[-1] != len(pairs):
        raise ValueError(f"{len(pairs)} modes do not match values of shape {real.shape}.")
    cosine, sine, kept = _columns(pairs)
    return real[..., cosine] + 1j * np.where(kept[:, 1] > 0, real[..., sine], 0).astype(real.dtype), kept


def to_real(values: ArrayLike, modes: ArrayLike) -> NDArray[np.floating]:
    """Return real moments in the order of `modes` from complex ones; the inverse of `to_complex`.

    Parameters
    ----------
    values : (..., J) array_like of complex
        Complex moments in the order of `complex_modes(modes)`.
    modes : (K, 2) array_like of int
        (n, m) of the requested real moments.

    Returns
    -------
    (..., K) array
        Real moments.
    """
    pairs = _check_modes(modes)
    cosine, sine, kept = _columns(pairs)
    moments = np.asarray(values)
    if moments.shape[-1] != len(kept):
        raise ValueError(f"{len(kept)} complex modes do not match values of shape {moments.shape}.")
    real = np.empty((*moments.shape[:-1], len(pairs)), dtype=moments.real.dtype)
    real[..., sine] = moments.imag
    real[..., cosine] = moments.real
    return real

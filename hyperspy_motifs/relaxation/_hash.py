"""Random numbers that depend on a counter and not on the order of threads.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011); the mixing function is
the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, inline="always")
def _mix(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, inline="always")
def counter_hash(seed, iteration, vertex, k):  # type: ignore[no-untyped-def]
    """Return 64 random bits for (seed, iteration, vertex, k), all uint64."""
    x = _mix(seed + np.uint64(0x9E3779B97F4A7C15))
    x = _mix(x + iteration * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1))
    x = _mix(x + vertex * np.uint64(0xD1B54A32D192ED03) + np.uint64(2))
    return _mix(x + k * np.uint64(0x8CB92BA72F3D8DD7) + np.uint64(3))


@numba.njit(cache=True, inline="always")
def random_integer(seed, iteration, vertex, k, n):  # type: ignore[no-untyped-def]
    """Return an int64 in 0..n-1 for the counter (seed, iteration, vertex, k); n below 2^32."""
    high = counter_hash(seed, iteration, vertex, k) >> np.uint64(32)
    return np.int64((high * np.uint64(n)) >> np.uint64(32))

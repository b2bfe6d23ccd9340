"""Validation of the arguments of ``find_motifs`` before any computation."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.clustering import check_alpha, check_min_motif_size

from ._checks import check_axes

RADIUS_UNITS = ("nn", "axes")
REFINEMENTS = (True, False, "gaussian", "center_of_mass", "atomap")
POLARITIES = ("auto", "bright", "dark")
LARGEST_SEED = 2**32 - 1


def check_arguments(signal: Any, options: dict[str, Any], orders: tuple[str, ...]) -> None:
    """Validate the arguments before any computation; numbers in `options` become Python's own.

    Parameters
    ----------
    signal : AtomicImage
    options : dict
        The arguments of ``find_motifs`` by name.
    orders : tuple of str
        Strings that ``n_max`` may be.

    Raises
    ------
    ValueError
        If the axes of the image or an argument cannot be used.
    """
    check_axes(signal)
    stamp = store.Stamp.of(signal)
    if options["separation"] is not None:
        options["separation"] = check_length(options["separation"], "separation", stamp)
    options["random_state"] = _seed(options["random_state"])
    _check_choice("refine", options["refine"], REFINEMENTS)
    _check_choice("polarity", options["polarity"], POLARITIES)
    for name in ("rotation_invariant", "complete"):
        if not isinstance(options[name], bool | np.bool_):
            raise ValueError(f"{name} is {_short(options[name])}; True or False is expected.")
        options[name] = bool(options[name])
    if not (isinstance(options["radius"], str) and options["radius"] == "auto"):
        options["radius"] = check_radius(
            options["radius"], options["radius_units"], stamp, "'auto' or a radius"
        )
    else:
        _check_choice("radius_units", options["radius_units"], RADIUS_UNITS)
    options["min_motif_size"] = check_min_motif_size(options["min_motif_size"])
    options["alpha"] = check_alpha(options["alpha"])
    for name, least in (("n_motifs", 1), ("n_max", 0)):
        value = options[name]
        if name == "n_max" and isinstance(value, str):
            if value not in orders:
                raise ValueError(f"n_max is {value!r}; a whole number, 'auto' or None is expected.")
        elif value is not None:
            options[name] = check_count(value, name, least, 200 if name == "n_max" else 2**31 - 1)


def check_radius(value: Any, units: Any, stamp: store.Stamp, expected: str = "a radius") -> float:
    """`value` as a radius in `units`: "nn", 0.2 to 10 nearest-neighbour distances, or "axes", a length in axis units.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    _check_choice("radius_units", units, RADIUS_UNITS)
    if units == "axes":
        return check_length(value, "radius", stamp)
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.2 <= float(value) <= 10:
        raise ValueError(
            f"radius is {_short(value)}; expected {expected} of 0.2 to 10 nearest-neighbour distances, or "
            f"radius_units='axes' and a length in {stamp.units}."
        )
    return float(value)


def check_length(value: Any, name: str, stamp: store.Stamp) -> float:
    """`value` as a positive length in axis units that fits into the image.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    extent = min(abs(s) * n for s, n in zip(stamp.scale, stamp.shape, strict=True))
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < np.inf:
        raise ValueError(f"{name} is {_short(value)}; a positive length in {stamp.units} is expected.")
    value = float(value)
    if value >= extent / 2:
        raise ValueError(
            f"{name} is {value:g} {stamp.units}, the image measures only {extent:g} {stamp.units}. "
            f"Give it in the units of the axes ({stamp.units})."
        )
    return value


def check_count(value: Any, name: str, least: int, most: int) -> int:
    """`value` as a whole number from `least` to `most`.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    whole = not isinstance(value, bool) and isinstance(value, Real) and float(value).is_integer()
    if not whole or value < least:
        raise ValueError(f"{name} is {_short(value)}; a whole number of {least} or more is expected.")
    if value > most:
        raise ValueError(f"{name} is {_short(value)}; a whole number of at most {most} is expected.")
    return int(value)


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) <= LARGEST_SEED:
        raise ValueError(
            f"random_state is {_short(value)}; a whole number from 0 to {LARGEST_SEED} is expected, so that the same "
            "image gives the same motifs."
        )
    return int(value)


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if not isinstance(value, str | bool | np.bool_) or value not in choices:
        *first, last = (repr(c) for c in choices)
        raise ValueError(f"{name} is {_short(value)}; expected {', '.join(first)} or {last}.")


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."

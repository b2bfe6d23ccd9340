"""Common parts of the simulators of all families: the record in the metadata, and entries of their docstrings."""

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, ParamSpec

from ._truth import Truth

P = ParamSpec("P")
Simulated = tuple[Any, Truth]

# Common entries; a docstring includes them by %(name)s.
SHARED = {
    "model": (
        "An incoherent-imaging model, not a scattering simulation; :class:`Imaging` lists what it leaves out."
    ),
    "disorder": """disorder : float
        Root mean square static displacement along x and along y, in nm.""",
    "random_state": """random_state : int
        Seed; the same seed gives the same image to the last bit.""",
    "imaging": """**imaging
        Parameters of :class:`Imaging`, such as ``shape``, ``pixel_size``, ``dose`` or ``rotation``.""",
    "image": """image : AtomicImage
        Axes x and y in nm. ``metadata.Simulation`` holds all parameters.""",
}


def family(simulator: Callable[P, Simulated]) -> Callable[P, Simulated]:
    """Complete a simulator's docstring, and record its arguments in the metadata.

    Parameters
    ----------
    simulator : callable
        Returns an ``AtomicImage`` and a :class:`Truth`; takes parameters of the imaging as ``**imaging``,
        which :func:`image_signal` records.

    Returns
    -------
    callable
        With the same signature.
    """
    signature = inspect.signature(simulator)
    for name, entry in SHARED.items():
        simulator.__doc__ = (simulator.__doc__ or "").replace(f"%({name})s", entry)

    @functools.wraps(simulator)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> Simulated:
        image, truth = simulator(*args, **kwargs)
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        chosen = {name: value for name, value in call.arguments.items() if name != "imaging"}
        record = json.dumps({"function": simulator.__name__, **chosen}, sort_keys=True)
        image.metadata.set_item("Simulation.parameters", record)
        return image, truth

    return recorded

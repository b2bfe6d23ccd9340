"""Conversion of arrays to HyperSpy signals."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from ._imaging import Imaging, simulate
from ._specimen import Specimen
from ._truth import Truth


def image_signal(
    image: np.ndarray,
    imaging: Imaging,
    title: str,
    quantity: str = "",
    model: str = "incoherent sum of columns",
) -> Any:
    """An image as ``AtomicImage`` with axes x and y in nm.

    Parameters
    ----------
    image : (rows, columns) or (frames, rows, columns) array
    imaging : Imaging
        Contains the pixel size; all parameters are recorded in ``metadata.Simulation.imaging``, as JSON.
    title : str
        For ``metadata.General.title``.
    quantity : str
        Quantity of a pixel. If empty, counts or, without a dose, the fraction of the beam.
    model : str
        Method of the simulation, for ``metadata.Simulation.model``.

    Returns
    -------
    AtomicImage
    """
    # Imported here, because the functions of arrays work without HyperSpy, whose import takes a second.
    import hyperspy.api as hs

    axes = [
        {"name": name, "size": size, "scale": imaging.pixel_size, "offset": 0.0, "units": "nm"}
        for name, size in zip("yx", image.shape[-2:], strict=True)
    ]
    axes = [{"name": "frame", "size": n, "navigate": True} for n in image.shape[:-2]] + axes
    signal = hs.signals.Signal2D(image, axes=axes)
    signal.metadata.General.title = title
    signal.metadata.Signal.quantity = quantity or (
        "Fraction of the beam" if imaging.dose is None else "Counts"
    )
    signal.metadata.set_item("Simulation.model", model)
    signal.metadata.set_item("Simulation.imaging", json.dumps(asdict(imaging), sort_keys=True))
    signal.set_signal_type("atomic_image")
    return signal


def simulate_signal(specimen: Specimen, imaging: Imaging, title: str, random_state: int) -> tuple[Any, Truth]:
    """Image of a specimen as ``AtomicImage``, and its truth.

    Parameters
    ----------
    specimen : Specimen
    imaging : Imaging
    title : str
    random_state : int
        Seed of everything random in the imaging.

    Returns
    -------
    signal : AtomicImage
    truth : Truth
    """
    image, truth = simulate(specimen, imaging, random_state)
    return image_signal(image, imaging, title), truth

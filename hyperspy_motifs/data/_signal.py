"""From arrays to HyperSpy."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from ._imaging import Imaging, simulate
from ._specimen import Specimen
from ._truth import Truth


def image_signal(image: np.ndarray, imaging: Imaging, title: str, parameters: dict[str, Any]) -> Any:
    """An image as ``AtomicImage`` with axes x and y in nm.

    Parameters
    ----------
    image : (rows, columns) array
    imaging : Imaging
        Gives the pixel size; all of it is recorded.
    title : str
        For ``metadata.General.title``.
    parameters : dict
        What the specimen was made from; recorded beside the imaging in ``metadata.Simulation.parameters``,
        as JSON.

    Returns
    -------
    AtomicImage
    """
    # Only here: the arrays beneath are of use without HyperSpy, whose import takes a second.
    import hyperspy.api as hs

    axes = [
        {"name": name, "size": size, "scale": imaging.pixel_size, "offset": 0.0, "units": "nm"}
        for name, size in zip("yx", image.shape, strict=True)
    ]
    signal = hs.signals.Signal2D(image, axes=axes)
    signal.metadata.General.title = title
    signal.metadata.Signal.quantity = "Fraction of the beam" if imaging.dose is None else "Counts"
    record = json.dumps({**parameters, "imaging": asdict(imaging)}, sort_keys=True)
    signal.metadata.set_item("Simulation.model", "incoherent sum of columns")
    signal.metadata.set_item("Simulation.parameters", record)
    signal.set_signal_type("atomic_image")
    return signal


def simulate_signal(
    specimen: Specimen, imaging: Imaging, title: str, parameters: dict[str, Any]
) -> tuple[Any, Truth]:
    """Image of a specimen as ``AtomicImage``, and its truth.

    Parameters
    ----------
    specimen : Specimen
    imaging : Imaging
    title : str
    parameters : dict
        Parameters of the specimen; its ``"random_state"`` is the seed of the imaging too.

    Returns
    -------
    signal : AtomicImage
    truth : Truth
    """
    image, truth = simulate(specimen, imaging, parameters["random_state"])
    return image_signal(image, imaging, title, parameters), truth

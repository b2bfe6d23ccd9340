"""Images of the classes of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperspy_motifs import store

#: Largest number of instances in a mean, and of classes of one kind with an image.
_MOST_INSTANCES = 200
_MOST_CLASSES = 60
#: Approximate size of an image in pixels.
_SIZE = 96
#: Margin in nearest-neighbour distances around an atom; one less beyond the corners of a cell.
_ROOM = 1.3
#: Kinds with instances of equal or known orientation; an example is shown for other kinds.
_AVERAGED = ("motif", "cell-class", "unit-cell-class")
#: No image is made of instances as large as the field.
_WITHOUT = ("domain-class", "boundary-class")


def class_pictures(signal: Any, record: store.Record, graph: Any) -> dict[str, np.ndarray]:
    """A square image (in counts) of each class of a graph, by its id.

    Motifs, cells and unit cells: the mean of up to 200 instances, each rotated back (and mirrored) by its
    orientation. Vertex figures, composites and coarse cells: the instance closest to the centre of the field.
    """
    from ._frames import data_frame
    from ._patch_extraction import clean_image

    image, _ = clean_image(data_frame(signal, 0), tell=False)
    scale = abs(record.stamp.scale[0])
    spacing = float(record.parameters["spacing"]) / scale
    pictures: dict[str, np.ndarray] = {}
    number: dict[str, int] = {}
    types = [(n, d) for n, d in graph.nodes.items() if d["kind"] == "motif" or d["kind"].endswith("-class")]
    for node, attributes in sorted(types, key=lambda item: -item[1].get("size", 0)):
        kind = attributes["kind"]
        number[kind] = number.get(kind, 0) + 1
        if kind in _WITHOUT or number[kind] > _MOST_CLASSES:
            continue
        members = _in_first_frame(graph, graph.instances(node))
        if not members:
            continue
        radius = _radius(attributes, scale, spacing)
        pictures[node] = _picture(image, record, graph, members, kind in _AVERAGED, radius)
    return pictures


def _radius(attributes: dict[str, Any], scale: float, spacing: float) -> float:
    """Half the size of the image of a class in pixels; it includes the corners and their atoms."""
    area = attributes.get("area")
    if area is None:
        return _ROOM * spacing * (1.5 if attributes["kind"] == "vertex-figure-class" else 1.0)
    n = max(int(attributes.get("n_corners", 4)), 3)
    # Circumradius of the regular polygon of this area.
    return float(np.sqrt(2 * area / (n * np.sin(2 * np.pi / n)))) / scale + (_ROOM - 1) * spacing


def _in_first_frame(graph: Any, nodes: list[str]) -> list[str]:
    """Instances in the first frame; all instances if the graph has a single frame."""
    return [n for n in nodes if _frame_of(graph, n) == 0]


def _frame_of(graph: Any, node: str) -> int:
    while "frame" not in graph.nodes[node]:
        children = graph.children(node)
        if not children:
            return 0
        node = children[0]
    return int(graph.nodes[node]["frame"])


def _picture(
    image: np.ndarray, record: store.Record, graph: Any, members: list[str], averaged: bool, radius: float
) -> np.ndarray:
    from ._patch_extraction import _turned_patches

    places = record.stamp.to_pixels(graph.coordinates(members))
    middle = (np.array(image.shape[::-1]) - 1) / 2
    order = np.argsort(np.abs(places - middle).max(axis=1), kind="stable")
    order = order[: _MOST_INSTANCES if averaged else 1]
    chosen = [graph.nodes[members[i]] for i in order]
    if chosen[0]["kind"] == "atom":
        rows = np.array([int(members[i].rpartition(":")[2]) for i in order])
        angle = record.atoms.get("motif_angle")
        mirrored = record.atoms.get("motif_mirrored")
        angles = np.zeros(len(rows)) if angle is None else np.nan_to_num(angle[rows])
        flipped = np.zeros(len(rows), bool) if mirrored is None else mirrored[rows].astype(bool)
    else:
        angles = np.array([d.get("orientation", 0.0) for d in chosen]) if averaged else np.zeros(len(chosen))
        flipped = np.array([d.get("handedness", 1) < 0 for d in chosen]) & averaged
    step = max(1, round(2 * radius / _SIZE))
    half = max(2, round(radius / step))
    # Large images are sampled in steps of several pixels.
    patches = _turned_patches(image, places[order], (2 * half + 1), (angles, flipped), step)
    return np.asarray(patches.mean(axis=0))

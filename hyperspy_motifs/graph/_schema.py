"""The names of nodes, edges and attributes in a motif graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Types of attributes that GraphML knows.
Value = str | int | float | bool

SCHEMA_NAME = "hyperspy_motifs.graph"
# Grows with every change that an older version of this package cannot read.
SCHEMA_VERSION = 1

ATOM = "atom"
VACANCY = "vacancy"
CELL = "cell"
IMAGE = "image"
MOTIF = "motif"
CELL_CLASS = "cell-class"

#: Possible levels of a graph; the levels of an image depend on its structure.
INSTANCE_KINDS = frozenset(
    (
        ATOM, VACANCY, CELL, "vertex-figure", "composite", "half-cell", "unit-cell", "coarse-cell", "domain", "boundary",
        "moire-cell", IMAGE,
    )
)  # fmt: skip

PART_OF = "part_of"
ADJACENT = "adjacent"
INSTANCE_OF = "instance_of"
COMPOSED_OF = "composed_of"
NEIGHBOURS = "neighbours"

#: Types of the attributes of the schema; other attributes may have any type of GraphML.
NODE_TYPES: dict[str, type] = {
    "kind": str, "level": int, "x": float, "y": float, "type": str, "size": int, "name": str,
    "probability": float, "frame": int, "image": int,
    "n_corners": int, "corner_sequence": str, "area": float, "on_border": bool,
}  # fmt: skip
EDGE_TYPES: dict[str, type] = {
    "kind": str, "fraction": float, "shared": int, "count": float, "observed": int, "expected": float,
    "z": float, "p": float, "q": float,
}  # fmt: skip


def class_kind(kind: str) -> str:
    """Return the kind of the types of nodes of `kind`."""
    return MOTIF if kind == ATOM else f"{kind}-class"


def is_type_kind(kind: str) -> bool:
    """Return whether `kind` is a kind of types, not of instances."""
    return kind == MOTIF or kind.endswith("-class")


def motif_names(names: Sequence[str] | Mapping[int, str] | None, n_motifs: int) -> list[str]:
    """Return a name for every motif: the given ones, or ``m0``, ``m1``, ..."""
    defaults = [f"m{i}" for i in range(n_motifs)]
    if names is None:
        return defaults
    given = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    for label, name in given.items():
        if not isinstance(name, str):
            raise ValueError(f"The name of motif {label} must be a string, not {name!r}.")
        if isinstance(names, Mapping) and not 0 <= int(label) < n_motifs:
            raise ValueError(f"There is no motif {label} for the name {name!r}: there are {n_motifs} motifs.")
    return [given.get(i, default) for i, default in enumerate(defaults)]


def check_graph(name: str, attributes: Mapping[str, object]) -> None:
    """Reject the attributes of a graph, read from the file `name`, that is no motif graph or one of a later version."""
    if attributes.get("schema") != SCHEMA_NAME:
        raise ValueError(
            f"{name} is not a motif graph: its graph has no attribute schema = {SCHEMA_NAME!r}. "
            "Read other graphs with networkx."
        )
    version = attributes.get("schema_version")
    if type(version) is not int or version < 1:
        raise ValueError(f"{name} has no valid schema_version: {version!r}.")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"{name} has the schema version {version}; this hyperspy_motifs reads up to {SCHEMA_VERSION}. "
            "Update hyperspy_motifs."
        )


def checked(
    name: str, owner: object, attributes: dict[str, Value], expected: dict[str, type]
) -> dict[str, Value]:
    """Return the attributes of a node or an edge after validation of their types; the kind must not be missing."""
    if "kind" not in attributes:
        raise ValueError(f"{name}: {str(owner)[:60]!r} has no kind.")
    for attribute, value in attributes.items():
        kind = expected.get(attribute)
        if kind is not None and type(value) is not kind:
            raise ValueError(
                f"{name}: {attribute}={str(value)[:40]!r} of {str(owner)[:60]} should be of the type "
                f"{kind.__name__}, not {type(value).__name__}."
            )
    return attributes

"""Several motif graphs as one, with a level of images above all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import false_discovery_control, norm

from . import _schema as schema
from ._motif_graph import MotifGraph, collection_paused
from ._schema import Value

# The type of all images.
_ALL = f"{schema.class_kind(schema.IMAGE)}:0"


def join_graphs(graphs: Sequence[MotifGraph], names: Sequence[str]) -> MotifGraph:
    """Join the graphs of images with motifs of one model.

    Parameters
    ----------
    graphs : sequence of MotifGraph
    names : sequence of str
        Of the images.

    Returns
    -------
    MotifGraph
        Atom 12 of image 3 is ``atom:3.12``, and likewise for all instances, which have the attribute ``image``. Motifs are
        common; classes of one name are one class. The image is ``image:3``, the highest level; what has no other parent is
        a part of it. Numbers of neighbours are sums over the images, and so are those expected by chance.

    Raises
    ------
    ValueError
        If there are no graphs, not one name for each, or their units differ.
    """
    if not graphs or len(graphs) != len(names):
        raise ValueError(
            f"One name for each graph is expected; got {len(graphs)} graphs and {len(names)} names."
        )
    units = {graph.graph.get("units", "px") for graph in graphs}
    if len(units) > 1:
        raise ValueError(
            f"The graphs have different units, {', '.join(sorted(units))}: convert the axes of the images."
        )
    out = MotifGraph(schema=schema.SCHEMA_NAME, schema_version=schema.SCHEMA_VERSION, units=units.pop())
    level_of = _levels(graphs)
    types = _Types(level_of)
    with collection_paused():
        for number, graph in enumerate(graphs):
            new = types.add(graph)
            for node, attributes in graph.nodes.items():
                if node in new:
                    continue
                kind, _, own = node.partition(":")
                new[node] = f"{kind}:{number}.{own}"
                changed: dict[str, Value] = {"level": level_of[attributes["kind"]], "image": number}
                if "type" in attributes:
                    changed["type"] = new[attributes["type"]]
                out.add_node(new[node], **{**attributes, **changed})
            types.add_edges(graph, new)
            out.add_edges_from(
                (new[a], new[b], dict(d))
                for a, b, d in graph.edges(data=True)
                if not types.between(d["kind"])
            )
            _add_image(out, graph, new, number, str(names[number]), level_of[schema.IMAGE])
        types.write(out)
        out.add_node(
            _ALL,
            kind=schema.class_kind(schema.IMAGE),
            level=level_of[schema.IMAGE],
            name="image",
            size=len(graphs),
        )
        out.add_edges_from((n, _ALL, {"kind": schema.INSTANCE_OF}) for n in out.find(kind=schema.IMAGE))
    return out


def _levels(graphs: Sequence[MotifGraph]) -> dict[str, int]:
    """Return the number of the level of each kind: in the order of their mean number in the graphs, images last."""
    numbers: dict[str, list[int]] = {}
    for graph in graphs:
        for level, kind in graph.levels.items():
            numbers.setdefault(kind, []).append(level)
    numbers.pop(schema.VACANCY, None)
    order = sorted(numbers, key=lambda kind: (float(np.mean(numbers[kind])), kind))
    levels = {kind: number for number, kind in enumerate([*order, schema.IMAGE])}
    return {**levels, schema.VACANCY: 0}


def _add_image(
    out: MotifGraph, graph: MotifGraph, new: Mapping[str, str], number: int, name: str, level: int
) -> None:
    """Add the node of an image, and make it the parent of what has none."""
    image = f"{schema.IMAGE}:{number}"
    instances = [n for n, d in graph.nodes.items() if not schema.is_type_kind(d["kind"])]
    n_atoms = sum(graph.nodes[n]["kind"] == schema.ATOM for n in instances)
    out.add_node(image, kind=schema.IMAGE, level=level, image=number, name=name, size=n_atoms, type=_ALL)
    for node in instances:
        if not any(d["kind"] == schema.PART_OF for d in graph.succ[node].values()):
            out.add_edge(new[node], image, kind=schema.PART_OF, fraction=1.0)


class _Types:
    """The types of all graphs, and the edges between them."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        self._levels = levels
        self._ids: dict[tuple[str, str], str] = {}
        self._nodes: dict[str, list[dict[str, Value]]] = {}
        self._edges: dict[tuple[str, str, str], list[tuple[int, dict[str, Value]]]] = {}

    @staticmethod
    def between(kind: str) -> bool:
        """Whether edges of this kind join types."""
        return kind in (schema.COMPOSED_OF, schema.NEIGHBOURS)

    def add(self, graph: MotifGraph) -> dict[str, str]:
        """Collect the types of a graph, and return their ids in the joined one."""
        new: dict[str, str] = {}
        for node, attributes in graph.nodes.items():
            kind = attributes["kind"]
            if not schema.is_type_kind(kind):
                continue
            # Motifs have their numbers in common, classes their names.
            name = node if kind == schema.MOTIF else str(attributes.get("name", node))
            if (kind, name) not in self._ids:
                of_kind = sum(known == kind for known, _ in self._ids)
                self._ids[kind, name] = node if kind == schema.MOTIF else f"{kind}:{of_kind}"
            new[node] = self._ids[kind, name]
            self._nodes.setdefault(new[node], []).append(attributes)
        return new

    def add_edges(self, graph: MotifGraph, new: Mapping[str, str]) -> None:
        """Collect the edges between the types of a graph."""
        for a, b, attributes in graph.edges(data=True):
            if self.between(attributes["kind"]):
                ends = (new[a], new[b])
                if (
                    attributes["kind"] == schema.NEIGHBOURS
                    and (ends[1], ends[0], schema.NEIGHBOURS) in self._edges
                ):
                    ends = ends[::-1]
                size = int(graph.nodes[a].get("size", 1))
                self._edges.setdefault((*ends, attributes["kind"]), []).append((size, attributes))

    def write(self, out: MotifGraph) -> None:
        """Add the types and their edges: sums of numbers, means over instances of the other values."""
        for node, each in self._nodes.items():
            sizes = np.array([d["size"] for d in each])
            kind = str(each[0]["kind"])
            instance = schema.ATOM if kind == schema.MOTIF else kind.removesuffix("-class")
            mean = {
                name: float(np.average([d[name] for d in each], weights=np.maximum(sizes, 1e-9)))
                for name, value in each[0].items()
                if isinstance(value, float) and all(name in d for d in each)
            }
            changed = {"size": int(sizes.sum()), "level": self._levels[instance]}
            out.add_node(node, **{**each[0], **mean, **changed})
        rows = []
        for (a, b, kind), edges in self._edges.items():
            if kind == schema.COMPOSED_OF:
                weights = np.array([size for size, _ in edges], float)
                names = [n for n in edges[0][1] if n != "kind"]
                mean = {n: float(np.average([d[n] for _, d in edges], weights=weights)) for n in names}
                out.add_edge(a, b, kind=kind, **mean)
            else:
                rows.append((a, b, [d for _, d in edges]))
        self._write_neighbours(out, rows)

    @staticmethod
    def _write_neighbours(out: MotifGraph, rows: Sequence[tuple[str, str, list[dict[str, Value]]]]) -> None:
        """Add the statistics of neighbours: the images are independent, so that their variances add up."""
        if not rows:
            return
        observed = np.array([sum(int(d["observed"]) for d in each) for _, _, each in rows])
        expected = np.array([sum(float(d["expected"]) for d in each) for _, _, each in rows], float)
        variance = np.array([sum(_variance(d) for d in each) for _, _, each in rows])
        z = (observed - expected) / np.sqrt(np.maximum(variance, 1e-12))
        p = 2 * norm.sf(np.abs(z))
        q = false_discovery_control(p)
        for k, (a, b, _) in enumerate(rows):
            values = {"observed": int(observed[k]), "expected": float(expected[k])}
            values |= {"z": float(z[k]), "p": float(p[k]), "q": float(q[k])}
            out.add_edge(a, b, kind=schema.NEIGHBOURS, **values)


def _variance(edge: Mapping[str, Value]) -> float:
    """Return the variance by chance of a number of neighbours; that of a Poisson distribution where z is 0."""
    apart = float(edge["observed"]) - float(edge["expected"])
    z = float(edge["z"])
    return (apart / z) ** 2 if z and np.isfinite(z) else float(edge["expected"])

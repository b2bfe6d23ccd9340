"""Composites: groups of cells that recur together, and their formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hyperspy_motifs.cells import Cells
from hyperspy_motifs.common import distinct_rows

from ._constants import CONSTANTS
from ._hierarchy import Description, Level, describe, numbered


def compositions(
    parts: np.ndarray, fractions: np.ndarray, labels: np.ndarray, n_nodes: int, n_labels: int
) -> np.ndarray:
    """Return the amount of each label in every node.

    Parameters
    ----------
    parts : numpy.ndarray of int, shape (p, 2)
        Columns child, node.
    fractions : numpy.ndarray of float, shape (p,)
        Share of the child in the node.
    labels : numpy.ndarray of int, shape (n,)
        Label of each child.
    n_nodes, n_labels : int
        Numbers of nodes and labels.

    Returns
    -------
    numpy.ndarray of float, shape (n_nodes, n_labels)
    """
    key = parts[:, 1] * n_labels + labels[parts[:, 0]]
    return np.bincount(key, fractions, minlength=n_nodes * n_labels).reshape(n_nodes, n_labels)


def formula(composition: dict[str, float], decimals: int = 2) -> str:
    """Return a composition as text, such as ``Mo1 Se0.97``.

    Parameters
    ----------
    composition : dict of str to float
        Amount of each motif.
    decimals : int
        Number of decimals; whole numbers are written without decimals. Amounts that round to 0 are omitted.

    Returns
    -------
    str
        A name that ends in a digit or a bracket is written alone for an amount of 1 (``Se2``, ``W (2)``) and otherwise in
        brackets (``(Se2)0.97``) to avoid ambiguity. Motifs that have numbers only are listed: ``motif 0, 2 × motif 3``.
    """
    parts, listed = [], any(name.isdigit() for name in composition)
    for name, amount in composition.items():
        rounded = round(float(amount), decimals)
        if rounded == 0:
            continue
        number = f"{rounded:.{decimals}f}"
        if decimals:
            number = number.rstrip("0").rstrip(".")
        alone = math.isclose(rounded, 1.0)
        if listed:
            parts.append(f"{'' if alone else f'{number} × '}{'motif ' if name.isdigit() else ''}{name}")
        elif not name[-1:].isdigit() and not name.endswith(")"):
            parts.append(f"{name}{number}")
        else:
            parts.append(name if alone else f"({name}){number}")
    return (", " if listed else " ").join(parts)


@dataclass(frozen=True)
class Rule:
    """One merge: nodes of class `first` with a neighbour of class `second` form one of class `made`.

    Attributes
    ----------
    made, first, second : int
        Classes; those of the cells first, then one for every rule.
    count : int
        Number of instances, none of which overlap.
    saved : float
        Bits saved in the description.
    """

    made: int
    first: int
    second: int
    count: int
    saved: float


@dataclass(frozen=True)
class Composites:
    """Result of the merges, when no further one shortens the description.

    Attributes
    ----------
    node : numpy.ndarray of int, shape (m,)
        Node (composite or single cell) of each cell.
    classes : numpy.ndarray of int, shape (n,)
        Class of each node: below `n_cell_classes` a single cell.
    rules : tuple of Rule
        Merges in order.
    n_cell_classes : int
        Number of classes of cells.
    before, after : Description
        Description of the cells, and of the nodes.
    rule_bits : float
        Bits of the rules themselves.
    """

    node: np.ndarray
    classes: np.ndarray
    rules: tuple[Rule, ...]
    n_cell_classes: int
    before: Description
    after: Description
    rule_bits: float

    def parts(self, made: int) -> dict[int, int]:
        """Return the number of cells of each class in a composite of class `made`."""
        if made < self.n_cell_classes:
            return {made: 1}
        rule = self.rules[made - self.n_cell_classes]
        total: dict[int, int] = {}
        for part in (rule.first, rule.second):
            for c, number in self.parts(part).items():
                total[c] = total.get(c, 0) + number
        return total


@dataclass(frozen=True)
class _State:
    """Nodes after some merges."""

    node: np.ndarray
    classes: np.ndarray
    turns: np.ndarray
    edges: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray

    def describe(self) -> Description:
        # The code of a composite includes its orientation, which is needed to recover its parts.
        labels = numbered(self.classes * (CONSTANTS.part_directions + 1) + self.turns)
        return describe(labels, self.edges, self.centres, int(labels.max(initial=-1)) + 1)


def find_composites(
    classes: np.ndarray, edges: np.ndarray, centres: np.ndarray, weights: np.ndarray
) -> Composites:
    """Merge pairs of neighbouring classes as long as this shortens the description of the tiling.

    In each iteration the most frequent pairs of classes are tested. Their instances, chosen without overlap, are each
    replaced by one node. The length of the description of all nodes (class and, for composites, direction) together
    with the rules is compared. The merge with the largest saving is accepted; the search ends if no merge saves bits.
    A crystal with one kind of cell already has a short description, which no merge shortens.

    Parameters
    ----------
    classes : numpy.ndarray of int, shape (m,)
        Class of each cell, from 0.
    edges : numpy.ndarray of int, shape (e, 2)
        Cells that share a side.
    centres : numpy.ndarray of float, shape (m, 2)
        Their centres x, y.
    weights : numpy.ndarray of float, shape (m,)
        Their areas: the centre of a composite is the mean of the centres of its cells, weighted by area.

    Returns
    -------
    Composites

    References
    ----------
    J. Rissanen, Automatica 14, 465 (1978), for the principle; D. J. Cook and L. B. Holder, J. Artif. Intell.
    Res. 1, 231 (1994), for composing graphs by it.
    """
    m = len(classes)
    n_cell_classes = int(classes.max(initial=-1)) + 1
    edges = unique_pairs(edges, m)
    state = _State(
        np.arange(m), classes.astype(np.int64), np.zeros(m, dtype=np.int64), edges, centres, weights
    )
    before = current = state.describe()
    rules: list[Rule] = []
    rule_bits = 0.0
    while len(rules) < CONSTANTS.most_rounds:
        made = n_cell_classes + len(rules)
        cost = 2 * np.log2(made + 1) + np.log2(m + 1)
        best = None
        for first, second in _frequent_pairs(state, made):
            merged, count = _merged(state, first, second, made)
            if count < 2:
                continue
            description = merged.describe()
            saved = current.bits - description.bits - cost
            if saved > 0 and (best is None or saved > best[0]):
                best = (saved, merged, description, Rule(made, first, second, count, saved))
        if best is None:
            break
        _, state, current, rule = best
        rules.append(rule)
        rule_bits += cost
    return Composites(state.node, state.classes, tuple(rules), n_cell_classes, before, current, rule_bits)


def unique_pairs(pairs: np.ndarray, n: int) -> np.ndarray:
    """Return the distinct pairs (e, 2) of numbers below `n`, the lower first, sorted."""
    pairs = pairs.reshape(-1, 2).astype(np.int64)
    # One number for a pair is sorted much faster than rows, and than `numpy.unique` finds it in a table.
    keys = np.sort(pairs.min(axis=1) * n + pairs.max(axis=1))
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.column_stack([keys // max(n, 1), keys % max(n, 1)])


def _frequent_pairs(state: _State, n_classes: int) -> list[tuple[int, int]]:
    """Return the pairs of classes with most shared sides."""
    ends = np.sort(state.classes[state.edges], axis=1)
    counts = np.bincount(ends[:, 0] * n_classes + ends[:, 1], minlength=1)
    order = np.lexsort((np.arange(len(counts)), -counts))[: CONSTANTS.pairs_tried]
    return [(int(k // n_classes), int(k % n_classes)) for k in order if counts[k] >= 2]


def _merged(state: _State, first: int, second: int, made: int) -> tuple[_State, int]:
    """Return the nodes after all instances of a pair have been merged, and their number."""
    ends = state.classes[state.edges]
    swapped = (ends[:, 0] == second) & (ends[:, 1] == first)
    pairs = state.edges[((ends[:, 0] == first) & (ends[:, 1] == second)) | swapped]
    flip = state.classes[pairs[:, 0]] != first
    pairs[flip] = pairs[flip][:, ::-1]
    chosen = _matching(pairs, state)
    n = len(state.classes)
    parent, child = pairs[chosen].T
    graph = coo_array((np.ones(len(parent), dtype=np.int8), (parent, child)), shape=(n, n))
    n_new, name = connected_components(graph, directed=False)
    classes, turns = np.empty(n_new, dtype=np.int64), np.empty(n_new, dtype=np.int64)
    classes[name], turns[name] = state.classes, state.turns
    classes[name[parent]] = made
    away = state.centres[child] - state.centres[parent]
    turns[name[parent]] = 1 + _direction(away, symmetric=first == second)
    sizes = np.bincount(name, state.sizes, minlength=n_new)
    centres = np.column_stack(
        [np.bincount(name, state.centres[:, i] * state.sizes, minlength=n_new) / sizes for i in range(2)]
    )
    edges = name[state.edges]
    edges = unique_pairs(edges[edges[:, 0] != edges[:, 1]], n_new)
    return _State(name[state.node], classes, turns, edges, centres, sizes), len(parent)


def _direction(away: np.ndarray, symmetric: bool) -> np.ndarray:
    """Return the index of the direction of each vector; modulo 180 degrees for two equal parts."""
    angle = np.arctan2(away[:, 1], away[:, 0])
    # Rotated so that the common directions lie at the centres of their bins, for any orientation of the crystal.
    angle -= np.angle(np.exp(1j * CONSTANTS.part_directions * angle).sum()) / CONSTANTS.part_directions
    period = np.pi if symmetric else 2 * np.pi
    bins = np.round(np.mod(angle, period) / (2 * np.pi) * CONSTANTS.part_directions).astype(np.int64)
    return bins % (CONSTANTS.part_directions // 2 if symmetric else CONSTANTS.part_directions)


def _matching(pairs: np.ndarray, state: _State) -> np.ndarray:
    """Return a mask of pairs to merge without overlap.

    Pairs in the most frequent direction come first, because they tile a crystal without gaps; within a direction
    those with the fewest alternatives, so that few nodes remain.
    """
    away = state.centres[pairs[:, 1]] - state.centres[pairs[:, 0]]
    same = len(pairs) and state.classes[pairs[0, 0]] == state.classes[pairs[0, 1]]
    direction = _direction(away, symmetric=bool(same))
    common = np.bincount(direction, minlength=CONSTANTS.part_directions)
    choices = np.bincount(pairs.ravel(), minlength=len(state.classes))
    fewest = choices[pairs].min(axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], direction, -common[direction], fewest))
    taken = np.zeros(len(state.classes), dtype=bool)
    chosen = []
    for i in order.tolist():
        a, b = pairs[i]
        if not (taken[a] or taken[b]):
            taken[a] = taken[b] = True
            chosen.append(i)
    return np.array(chosen, dtype=np.int64)


def composite_level(cells: Cells, found: Composites, class_names: list[str]) -> Level | None:
    """Return the merges of cells as a level; None if no merge shortened the description."""
    made = found.classes >= found.n_cell_classes
    if not made.any():
        return None
    used, labels = np.unique(found.classes[made], return_inverse=True)
    count = np.bincount(labels)
    rank = np.argsort(np.argsort(-count, kind="stable"), kind="stable")
    order = np.argsort(-count, kind="stable")
    names = tuple(
        " + ".join(f"{n} × ({class_names[c]})" for c, n in sorted(found.parts(int(used[k])).items()))
        for k in order
    )
    number = np.full(len(found.classes), -1)
    number[made] = np.arange(made.sum())
    owner = number[found.node]
    inside = np.flatnonzero(owner >= 0)
    m = int(made.sum())
    area = np.bincount(owner[inside], cells.areas[inside], minlength=m)
    centres = np.column_stack(
        [
            np.bincount(owner[inside], (cells.centres[:, i] * cells.areas)[inside], minlength=m)
            for i in range(2)
        ]
    )
    saved = found.before.bits - found.after.bits - found.rule_bits
    return Level(
        kind="composite",
        centres=centres / area[:, None],
        labels=rank[labels.ravel()],
        names=names,
        child_kind="cell",
        parts=np.column_stack([inside, owner[inside]]),
        fractions=np.ones(len(inside)),
        adjacency=joined_adjacency(cells.adjacency, owner),
        columns={
            "area": area,
            "n_cells": np.bincount(owner[inside], minlength=m),
            "on_border": _any(owner[inside], cells.on_border[inside], m),
        },
        scalars={"bits_saved": float(saved)},
        reason=(
            f"{len(found.rules)} merges of neighbouring classes shorten the description from "
            f"{found.before.bits:.0f} to {found.after.bits + found.rule_bits:.0f} bits; no further one does."
        ),
    )


def joined_adjacency(adjacency: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return the adjacency (a, 3) of groups of cells; cells of no group (-1) are ignored."""
    ends = np.sort(owner[adjacency[:, :2]], axis=1)
    outer = (ends[:, 0] >= 0) & (ends[:, 0] != ends[:, 1])
    first, inverse, _ = distinct_rows(ends[outer])
    pairs = ends[outer][first]
    shared = np.bincount(inverse, adjacency[outer, 2], minlength=len(pairs)).astype(np.int64)
    return np.column_stack([pairs, shared])


def _any(owner: np.ndarray, flags: np.ndarray, m: int) -> np.ndarray:
    return np.bincount(owner, flags, minlength=m) > 0

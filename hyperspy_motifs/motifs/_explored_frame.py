"""One frame of a result as an explorer shows it, and conditions on its atoms."""

from __future__ import annotations

import ast
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs import store

from ._described import UNCERTAIN

if TYPE_CHECKING:
    from hyperspy_motifs.defects import Defects
    from hyperspy_motifs.signals import AtomPatches

    from ._motifs import Motifs

# An expression is written by hand: a longer one is a mistake, and deep nesting would exhaust the parser.
LONGEST = 500

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], object]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.In: lambda a, b: np.isin(a, b), ast.NotIn: lambda a, b: ~np.isin(a, b),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], object]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def rows_where(condition: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of a table for which a condition holds.

    Parameters
    ----------
    condition : str
        Names of columns, numbers, texts in quotes and lists of them; ``< <= > >= == != in``; ``and or not``; ``+ - * /``.
        Nothing else is evaluated. Characters of a name that Python does not allow in one are written as ``_``.
    columns : mapping of str to numpy.ndarray, shape (n,)

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        NaN fulfils no comparison but ``!=``.

    Raises
    ------
    ValueError
        If the condition is something else; the message names the columns.

    Examples
    --------
    >>> import numpy as np
    >>> table = {"motif": np.array([2, 2, 0]), "probability": np.array([0.5, 1.0, 0.7])}
    >>> rows_where("probability < 0.9 and motif == 2", table).tolist()
    [True, False, False]
    """
    if len(condition) > LONGEST:
        raise ValueError(f"The condition has {len(condition)} characters; at most {LONGEST} are expected.")
    known = {re.sub(r"\W", "_", name): np.asarray(values) for name, values in columns.items()}
    n = len(next(iter(known.values())))
    try:
        tree = ast.parse(condition.strip(), mode="eval").body
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = np.asarray(_value(tree, known))
    except (SyntaxError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"{condition!r} is no condition: expected something like probability < 0.9 and motif == 2."
        ) from error
    if rows.dtype != bool or rows.shape not in ((), (n,)):
        raise ValueError(
            f"{condition!r} is a value, not a condition: compare it, as in probability < 0.9 or motif in [1, 2]."
        )
    return np.broadcast_to(rows, (n,)).copy()


def _value(node: ast.expr, columns: Mapping[str, np.ndarray]) -> Any:
    match node:
        case ast.Name(id=name):
            if name not in columns:
                raise ValueError(f"There is no column {name}; there are {', '.join(sorted(columns))}.")
            return columns[name]
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items) if all(
            isinstance(i, ast.Constant | ast.UnaryOp) for i in items
        ):
            return [_value(item, columns) for item in items]
        case ast.BoolOp(op=kind, values=parts):
            join = np.logical_and if isinstance(kind, ast.And) else np.logical_or
            rows = [_truth(part, columns) for part in parts]
            return join.reduce(np.broadcast_arrays(*rows))
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return ~_truth(part, columns)
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return -_value(part, columns)
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _ARITHMETIC:
            return _ARITHMETIC[type(kind)](_number(left, columns), _number(right, columns))
        case ast.Compare(left=first, ops=kinds, comparators=others) if all(
            type(k) in _COMPARISONS for k in kinds
        ):
            values = [_value(part, columns) for part in (first, *others)]
            steps = [
                np.asarray(_COMPARISONS[type(kind)](a, b), dtype=bool)
                for kind, a, b in zip(kinds, values[:-1], values[1:], strict=True)
            ]
            return np.logical_and.reduce(np.broadcast_arrays(*steps))
    raise ValueError(
        f"{ast.unparse(node)!r} cannot stand in a condition: only columns, numbers, comparisons, and, or, not can."
    )


def _truth(node: ast.expr, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    rows = np.asarray(_value(node, columns))
    if rows.dtype != bool:
        raise ValueError(f"{ast.unparse(node)!r} is neither true nor false: compare it with a value.")
    return rows


def _number(node: ast.expr, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """An operand of arithmetic as an array of floats: a product of texts or huge integers could fill the memory."""
    values = np.asarray(_value(node, columns))
    if values.dtype.kind not in "fiu":
        raise ValueError(
            f"{ast.unparse(node)!r} is no number: a condition can add and multiply numbers only."
        )
    return values.astype(float)


# Half the side of a mean patch in nearest-neighbour distances: second neighbours are at up to 2 (square: 1.41,
# hexagonal: 1.73).
SURROUNDINGS = 2.0
# Atoms of a mean patch: noise falls to an eighth, and a mean is ready at once.
ATOMS_OF_A_MEAN = 64
# Atoms nearest in the layout that explain an uncertain one.
NEIGHBOURS_IN_LAYOUT = 10


class ExploredFrame:
    """The atoms of one frame of motifs at one of their radii. Atoms are numbered within the frame, from 0.

    Parameters
    ----------
    motifs : Motifs
    frame : int
        Flat index of the frame (C order of the navigation shape).

    Attributes
    ----------
    numbers : numpy.ndarray of int, shape (n,)
        Row of each atom in ``motifs.positions``.
    positions, layout : numpy.ndarray, shape (n, 2)
        x, y in axis units, and the force-relaxed layout at the shown radius.
    labels, probabilities : numpy.ndarray, shape (n,)
        Of the shown radius.
    names, counts : tuple of str, numpy.ndarray of int, shape (n_motifs,)
        Name of each motif, and its number of atoms in the frame.
    ids : numpy.ndarray of int, shape (n_motifs,)
        Identity of each motif. Numbers of motifs follow their frequency and change with an edit or another radius;
        a motif keeps its identity, and so its colour, with most of its atoms.
    """

    def __init__(self, motifs: Motifs, frame: int) -> None:
        self.motifs = motifs
        self._radius = motifs.radius
        self._chosen_ids = np.arange(motifs.n_motifs)
        self._enter(frame)

    def _enter(self, frame: int) -> None:
        numbers = np.flatnonzero(self.motifs.frames == frame)
        if not len(numbers):
            present = np.unique(self.motifs.frames).tolist()[:10]
            raise ValueError(f"Frame {frame} has no atoms; frames with atoms: {present}.")
        self._frame, self.numbers = frame, numbers
        self.positions = self.motifs.positions[numbers]
        self._means: dict[tuple[int | bytes, ...], np.ndarray] = {}
        self._forget("image")
        self._read()

    @property
    def is_chosen_radius(self) -> bool:
        """Whether the shown labels are those of the motifs."""
        return bool(np.isclose(self._radius, self.motifs.radius))

    def _read(self) -> None:
        """Read labels, names and layout of the shown radius."""
        motifs = self.motifs
        if self.is_chosen_radius:
            labels, probabilities, names = motifs.labels, motifs.probabilities, tuple(motifs.names)
            self.ids = self._chosen_ids
        else:
            labels, probabilities = motifs.labels_at(self._radius), motifs.at(self._radius).probabilities
            self.ids = carried_identities(motifs.labels, self._chosen_ids, labels)
            names = tuple(str(k) for k in range(len(self.ids)))
        here = self.numbers
        self.labels, self.probabilities, self.names = labels[here], probabilities[here], names
        self.layout = np.asarray(motifs.at(self._radius).layout[here], dtype=float)
        self.counts = np.bincount(self.labels, minlength=len(names))
        self._forget("columns", "reasons", "cells", "shown")

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)

    @property
    def n_frames(self) -> int:
        """Number of frames of the image."""
        return int(np.prod(self.motifs.signal.axes_manager.navigation_shape, dtype=int))

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the frame."""
        return len(self.numbers)

    @cached_property
    def image(self) -> np.ndarray:
        """Image of the frame, shape (rows, columns)."""
        from hyperspy_motifs.pipeline import frame

        return np.asarray(frame(self.motifs.signal, self._frame), dtype=float)

    @property
    def spacing(self) -> float:
        """Nearest-neighbour distance in axis units."""
        return float(self.motifs.parameters["spacing"])

    @property
    def extent(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Size of a pixel along x, y, and place of the centre of the first one, in axis units."""
        stamp = store.Stamp.of(self.motifs.signal)
        return stamp.scale, stamp.offset

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Columns of the atoms of the frame by name: those of ``motifs.to_dict()`` at the shown radius, the number of the
        atom, and means over the cells around it (``cell_area``, and ``dilatation``, the trace of their strain)."""
        table = {name: np.asarray(values)[self.numbers] for name, values in self.motifs.to_dict().items()}
        names = np.array(self.names)
        table |= {"motif": self.labels, "name": names[self.labels], "probability": self.probabilities}
        cells = self.motifs.cells
        if len(cells):
            n, at = len(self.motifs.frames), np.repeat(np.arange(len(cells)), cells.n_corners)
            values = {"cell_area": cells.areas, "dilatation": cells.strain[:, 0] + cells.strain[:, 1]}
            for name, of_cells in values.items():
                table[name] = mean_at_corners(cells.vertices, of_cells[at], n)[self.numbers]
        return {"number": self.numbers, **table}

    @cached_property
    def reasons(self) -> list[str]:
        """Why each atom deserves a look: its defect, its cut disc, the motifs between which it lies; "" for most atoms."""
        from hyperspy_motifs.pipeline import stored_defects

        found: dict[int, list[str]] = defaultdict(list)
        defects = stored_defects(self.motifs.signal, self.motifs._refresh())
        if defects is not None:
            row = np.full(len(self.motifs.frames), -1)
            row[self.numbers] = np.arange(self.n_atoms)
            for atom, kind, evidence in zip(defects.atoms, defects.kinds, defects.evidence, strict=True):
                if atom >= 0 and row[atom] >= 0:
                    found[int(row[atom])].append(f"{kind}: {evidence}")
        for i in np.flatnonzero(self.columns["truncated"]).tolist():
            found[i].append("disc cut by the border")
        uncertain = np.flatnonzero(self.probabilities < UNCERTAIN)
        k = min(NEIGHBOURS_IN_LAYOUT, self.n_atoms - 1)
        if len(uncertain) and k > 0:
            # The first one is the atom itself.
            tree = cKDTree(self.layout, balanced_tree=False, compact_nodes=False)
            near = self.labels[tree.query(self.layout[uncertain], k + 1)[1][:, 1:]]
            size = len(uncertain), len(self.names)
            votes = np.bincount(
                (np.arange(size[0])[:, None] * size[1] + near).ravel(), minlength=size[0] * size[1]
            )
            votes = votes.reshape(size)
            rows = uncertain.tolist(), votes.argmax(axis=1).tolist(), votes.max(axis=1).tolist()
            for i, motif, n in zip(*rows, strict=True):
                found[i].append(f"uncertain: {n} of {k} nearest in the layout are {self.names[motif]}")
        texts = [""] * self.n_atoms
        for i, parts in found.items():
            texts[i] = "; ".join(parts)
        return texts

    def mean_patches(self) -> dict[int, np.ndarray]:
        """Mean patch of each motif that occurs, by its number: its most certain atoms with their surroundings.

        Each is a square of :attr:`patch_reach` around the atom, in counts of the image. Patches of rotation-invariant
        motifs are rotated onto each other.
        """
        from hyperspy_motifs.pipeline import turned_patches

        reach = self.patch_reach / abs(self.extent[0][0])
        size = 2 * int(np.ceil(reach)) + 1
        pixels = store.Stamp.of(self.motifs.signal).to_pixels(self.positions)
        last = np.array(self.image.shape[::-1]) - 1
        whole = np.all((pixels >= reach) & (pixels <= last - reach), axis=1)
        angles, mirrored = self._turns()
        means = {}
        for k in np.flatnonzero(self.counts):
            members = np.flatnonzero(self.labels == k)
            members = members[whole[members]] if whole[members].any() else members
            best = members[np.argsort(-self.probabilities[members], kind="stable")][:ATOMS_OF_A_MEAN]
            turn = angles[best], mirrored[best]
            # The same atoms have the same mean after an edit of others, after it is undone and at another radius.
            key = (size, best.tobytes(), *(t.tobytes() for t in turn))
            if key not in self._means:
                self._means[key] = turned_patches(self.image, pixels[best], size, turn, order=1).mean(axis=0)
            means[int(k)] = self._means[key]
        return means

    @property
    def patch_reach(self) -> float:
        """Half the side of a mean patch in axis units."""
        return max(SURROUNDINGS, self._radius) * self.spacing

    def _turns(self) -> tuple[np.ndarray, np.ndarray]:
        angles = self.motifs.angles
        if angles is None:
            return np.zeros(self.n_atoms), np.zeros(self.n_atoms, dtype=bool)
        mirrored = np.asarray(self.columns.get("motif_mirrored", np.zeros(self.n_atoms)), dtype=bool)
        return np.nan_to_num(angles[self.numbers]), mirrored

    @cached_property
    def _basis(self) -> tuple[Any, Any, list[int]]:
        from hyperspy_motifs.zernike import ZernikeBasis

        moments = self.motifs.features.of_detector(0).get_moments()
        basis = ZernikeBasis(moments.n_max, moments.radius)
        order = {tuple(mode): k for k, mode in enumerate(basis.modes.tolist())}
        return moments, basis, [order[tuple(mode)] for mode in moments.modes.tolist()]

    @property
    def modes(self) -> np.ndarray:
        """Orders n, m of the Zernike moments, shape (K, 2)."""
        return self._basis[0].modes

    def moments(self, atom: int) -> np.ndarray:
        """Zernike moments of an atom at the radius of the motifs, shape (K,); 0 if most of its disc is outside the image."""
        return np.nan_to_num(np.asarray(self._basis[0].values[self.numbers[atom]], dtype=float))

    def reconstruct(self, atom: int) -> np.ndarray:
        """Normalised patch of an atom as its moments describe it, shape (size, size)."""
        _, basis, places = self._basis
        full = np.zeros(len(basis.modes))
        full[places] = self.moments(atom)
        return basis.reconstruct(full)

    def patch(self, atom: int) -> np.ndarray:
        """Normalised patch of an atom at the radius of the motifs, shape (size, size)."""
        return np.asarray(self._patches[self.numbers[atom]])

    @cached_property
    def _patches(self) -> AtomPatches:
        return self.motifs.patches.data

    @cached_property
    def cells(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Polygons (k, 2) of the cells of the frame in axis units, and the class of each."""
        cells = self.motifs.cells
        corners = cells.with_empty_sites(self.motifs.positions)
        outlines = [corners[c] for c in cells.corners]
        here = cells.of_points(self.motifs.frames) == self._frame
        return [outlines[i] for i in np.flatnonzero(here)], cells.labels[here]

    @property
    def empty_sites(self) -> Any:
        """The empty sites of the frame (:class:`~hyperspy_motifs.occupancy.Sites`)."""
        sites = self.motifs.sites
        return sites.select(sites.vacant & (sites.frames == self._frame))

    def defects(self) -> Defects:
        """The defects of the frame (:class:`~hyperspy_motifs.defects.Defects`), computed when they are first asked for."""
        defects = self.motifs.defects
        self._forget("reasons")
        return defects.select(defects.frames == self._frame)


def carried_identities(old: np.ndarray, ids: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Identities of new classes: each old one goes to the class with most of its members, the largest overlap first.

    Parameters
    ----------
    old, new : numpy.ndarray of int, shape (n,)
        Class of each member before and after.
    ids : numpy.ndarray of int, shape (old classes,)
        Identity of each old class.

    Returns
    -------
    numpy.ndarray of int, shape (new classes,)
        Classes without a predecessor have the lowest numbers that are free.

    Examples
    --------
    >>> carried_identities(np.array([0, 0, 0, 1]), np.array([5, 7]), np.array([1, 1, 2, 0])).tolist()
    [7, 5, 0]
    """
    n = int(new.max(initial=-1)) + 1
    pairs, overlap = np.unique(old * n + new, return_counts=True)
    out, free = np.full(n, -1), set(ids.tolist())
    for pair in pairs[np.argsort(-overlap, kind="stable")]:
        identity, k = int(ids[pair // n]), int(pair % n)
        if identity in free and out[k] < 0:
            out[k] = identity
            free.remove(identity)
    used = set(ids.tolist())
    unused = (i for i in range(len(used) + n) if i not in used)
    for new_class in np.flatnonzero(out < 0):
        out[new_class] = next(unused)
    return out


def mean_at_corners(vertices: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Mean over the polygons around each of `n` points; NaN where there is none.

    Parameters
    ----------
    vertices : numpy.ndarray of int, shape (v,)
        Corners of all polygons; those from `n` are no points.
    values : numpy.ndarray, shape (v,)
        Value of the polygon of each corner.
    n : int

    Returns
    -------
    numpy.ndarray, shape (n,)
    """
    known = (vertices < n) & np.isfinite(values)
    total = np.bincount(vertices[known], values[known], minlength=n)
    number = np.bincount(vertices[known], minlength=n)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)

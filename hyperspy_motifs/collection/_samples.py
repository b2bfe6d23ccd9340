"""What is counted in images, and which of them are samples: crops and repeats of one field are no further ones.

Two images of one field have their rare atoms at the same places, once one of them is displaced. Crops of one image even have
the same pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hyperspy_motifs import store
from hyperspy_motifs.atoms import nearest_neighbour_distance
from hyperspy_motifs.common import BLOCK, FEWEST_OF_A_SHARE, LEVEL, SMALLEST_SAMPLE

if TYPE_CHECKING:
    from hyperspy_motifs.motifs import Motifs

# Side of the blocks of pixels around atoms that are compared: 25 noisy pixels are equal in crops of one image alone.
_BLOCK = 5
# The rarest motifs of two images are compared: those of the lattice recur at every period.
_RAREST = 3
# Displacements with the most coincidences beyond chance, of which the second best is one.
_BOXES = 64
# Side of the square of displacements, in nearest-neighbour distances, in which those of clustered atoms are alike.
_NEAR = 9
# One atom of a motif at the same place is expected in any two images at some displacement, two in many.
_FEWEST = 3


@dataclass
class FieldOfImage:
    """The atoms of an image, to be compared with those of others.

    Attributes
    ----------
    positions : ndarray, shape (n, 2)
        Pixels, x and y.
    labels : ndarray of int, shape (n,)
    spacing : float
        Distance of nearest neighbours in pixels.
    scale : float
        Pixel size.
    units : str
    shape : (int, int)
        Rows and columns.
    blocks : ndarray, shape (n,)
        Pixels around each atom, as bytes.
    """

    positions: NDArray[np.float64]
    labels: NDArray[np.int32]
    spacing: float
    scale: float
    units: str
    shape: tuple[int, int]
    blocks: NDArray[np.void]

    @classmethod
    def of(cls, motifs: Motifs) -> FieldOfImage:
        """Return that of a result."""
        stamp, positions = store.Stamp.of(motifs.signal), np.asarray(motifs.pixel_positions, float)
        rows, columns = (int(n) for n in motifs.signal.data.shape[-2:])
        data = motifs.signal.data
        pixels = np.ascontiguousarray(data.compute() if hasattr(data, "compute") else data)
        half = _BLOCK // 2
        x, y = np.clip(np.rint(positions).astype(int), half, np.array([columns, rows]) - 1 - half).T
        around = np.arange(-half, half + 1)
        blocks = pixels[(y[:, None] + around)[:, :, None], (x[:, None] + around)[:, None, :]]
        flat = np.ascontiguousarray(blocks.reshape(len(blocks), -1))
        return cls(
            positions,
            np.asarray(motifs.labels, np.int32),
            nearest_neighbour_distance(positions),
            abs(float(stamp.scale[0])),
            str(stamp.units),
            (rows, columns),
            flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel(),
        )

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of atoms of each motif."""
        return np.bincount(self.labels)

    @cached_property
    def atom_of_block(self) -> dict[bytes, int]:
        """An atom for each block of pixels."""
        return {block.tobytes(): k for k, block in enumerate(self.blocks)}

    def of_motif(self, motif: int, unit: float) -> NDArray[np.float64]:
        """Positions of the atoms of a motif, in units of so many pixels."""
        return self.positions[self.labels == motif] / unit

    def inside(self, places: NDArray[np.float64], unit: float) -> NDArray[np.bool_]:
        """Which places, in units of so many pixels, lie in the image."""
        return np.asarray(((places >= -0.5) & (places <= np.array(self.shape[::-1]) / unit)).all(axis=1))


@dataclass
class SharedFields:
    """Which images show one field.

    Attributes
    ----------
    names : tuple of str
        Of the images.
    n_atoms : tuple of int
        Of each image.
    pairs : list of (int, int, float)
        Two images that show one field, and the share of the atoms of the smaller that lie in the other.
    seen : dict of (int, int) to ndarray of bool
        Which atoms of the second image of a pair lie in the first.
    """

    names: tuple[str, ...]
    n_atoms: tuple[int, ...]
    pairs: list[tuple[int, int, float]] = field(default_factory=list)
    seen: dict[tuple[int, int], NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def sample_of(self) -> NDArray[np.int64]:
        """Number of the sample of each image, in the order of their first images: images with most atoms in common are one."""
        n = len(self.names)
        most = np.array([(i, j) for i, j, share in self.pairs if share > 0.5], int).reshape(-1, 2)
        linked = csr_array((np.ones(len(most)), most.T), shape=(n, n))
        found = connected_components(linked, directed=False)[1]
        order = {number: k for k, number in enumerate(dict.fromkeys(found.tolist()))}
        return np.array([order[number] for number in found.tolist()], np.int64)

    def samples(self, groups: Sequence[object]) -> tuple[list[NDArray[np.int64]], list[str]]:
        """Return the images of each sample, and its group: images of one field in two groups are samples of both."""
        keys = list(zip(self.sample_of.tolist(), [str(g) for g in groups], strict=True))
        known = dict.fromkeys(keys)
        rows = [np.array([k for k, key in enumerate(keys) if key == one], np.int64) for one in known]
        return rows, [group for _, group in known]

    def merged(self, counts: NDArray[np.integer], rows: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Return counts (samples, k) of samples from those of images (images, k): what several show counts once."""
        out = []
        for own in rows:
            images = own.tolist()
            distinct, all_atoms = 0.0, 0.0
            for k, j in enumerate(images):
                masks = [self.seen[i, j] for i in images[:k] if (i, j) in self.seen]
                n = self.n_atoms[j]
                all_atoms += n
                distinct += n - np.count_nonzero(np.any(masks, axis=0)) if masks else n
            out.append(distinct / max(all_atoms, 1) * np.asarray(counts[own], float).sum(axis=0))
        return np.array(out)

    def notes(self, groups: Sequence[object]) -> list[str]:
        """Return what a comparison of groups assumed of its images, a sentence each."""
        rows, of_sample = self.samples(groups)
        lines = []
        for own, group in zip(rows, of_sample, strict=True):
            if len(own) > 1:
                names = ", ".join(self.names[k] for k in own.tolist())
                lines.append(f"{names} show one field and are one sample of group '{group}', not {len(own)}")
        both = [
            f"{self.names[i]} and {self.names[j]}"
            for i, j, share in self.pairs
            if share > 0.5 and str(groups[i]) != str(groups[j])
        ]
        if both:
            lines.append(
                f"images of different groups show one field ({_listed(both)}): they are compared as if they were independent, "
                "which finds fewer differences than a comparison of the pairs"
            )
        part = [
            f"{self.names[i]} and {self.names[j]}: {100 * share:.0f} %"
            for i, j, share in self.pairs
            if share <= 0.5
        ]
        if part:
            lines.append(
                f"images overlap, less than half of the smaller one ({_listed(part)}): they count as samples of their own"
            )
        lines.append(
            f"the {len(rows)} samples are taken to be independent"
            + ("" if len(rows) < len(self.names) else ", one for each image")
            + ". Repeats and crops are recognised by equal pixels or by three or more rare atoms at the same places; those "
            "that are rotated, mirrored or without such atoms are not"
        )
        return lines


def _listed(lines: Sequence[str]) -> str:
    return "; ".join([*lines[:3], *([f"and {len(lines) - 3} more"] if len(lines) > 3 else [])])


def shared_fields(fields: Sequence[FieldOfImage], names: Sequence[str]) -> SharedFields:
    """Return which images show one field.

    Two images do if crops of both have equal pixels, or if more atoms of a rare motif fall on those of the same motif, at one
    displacement, than chance allows: at the level 0.01 over all pairs of images.

    Parameters
    ----------
    fields : sequence of FieldOfImage
    names : sequence of str
    """
    found = SharedFields(tuple(names), tuple(len(one.labels) for one in fields))
    level = LEVEL / max(len(fields) * (len(fields) - 1) // 2, 1)
    for i, j in combinations(range(len(fields)), 2):
        one, other = fields[i], fields[j]
        moved = _equal_pixels(one, other)
        unit = (1.0, 1.0)
        if moved is None:
            unit = _common_units(one, other)
            moved = _coincidence(one, other, unit, level)
        if moved is None:
            continue
        seen = one.inside(other.positions / unit[1] + moved, unit[0])
        back = other.inside(one.positions / unit[0] - moved, unit[1])
        found.pairs.append((i, j, float(max(seen.mean(), back.mean()))))
        found.seen[i, j] = seen
    return found


def _common_units(one: FieldOfImage, other: FieldOfImage) -> tuple[float, float]:
    """Return pixels that are one unit of length in either image: of their axes, or else the distance of neighbours."""
    if one.units == other.units and (store.is_length(one.units) or one.scale == other.scale):
        ratio = one.scale / other.scale
        # Axes may be wrong by more than a neighbour over a field.
        if abs(np.log(one.spacing / other.spacing * ratio)) < 0.05:
            return one.spacing, one.spacing * ratio
    return one.spacing, other.spacing


def _equal_pixels(one: FieldOfImage, other: FieldOfImage) -> NDArray[np.float64] | None:
    """Return the displacement in pixels, from `other` to `one`, of crops of one image; None if they are not."""
    if one.blocks.dtype != other.blocks.dtype:
        return None
    moves = []
    known = other.atom_of_block
    for block, k in one.atom_of_block.items():
        there = known.get(block)
        if there is not None:
            moves.append(np.rint(one.positions[k]) - np.rint(other.positions[there]))
    if len(moves) < _FEWEST:
        return None
    # In a saturated image blocks may be equal by chance, at other displacements.
    values, counts = np.unique(np.array(moves), axis=0, return_counts=True)
    best = int(counts.argmax())
    return np.asarray(values[best], float) if counts[best] >= max(_FEWEST, 0.5 * len(moves)) else None


def _rare(one: FieldOfImage, other: FieldOfImage) -> Iterator[int]:
    """Yield the rarest motifs of which both images have enough atoms."""
    n = min(len(one.counts), len(other.counts))
    fewest = np.minimum(one.counts[:n], other.counts[:n])
    usable = np.flatnonzero(fewest >= _FEWEST)
    yield from usable[np.argsort(fewest[usable], kind="stable")][:_RAREST].tolist()


def _coincidence(
    one: FieldOfImage, other: FieldOfImage, unit: tuple[float, float], level: float
) -> NDArray[np.float64] | None:
    """Return the displacement in units, from `other` to `one`, at which their rare atoms are the same; None if there is none.

    The number of coincidences at a displacement is of a Poisson distribution if the rare atoms are independent. They may not
    be: those of a superstructure, a boundary or an inclusion coincide at many displacements. What is second at another
    displacement therefore sets the unit of the logarithm of the p-value, if it is more than chance allows.
    """
    # Few atoms of the smaller image are sought among all of the larger.
    (large, of_large), (small, of_small) = sorted(
        [(one, unit[0]), (other, unit[1])], key=lambda pair: -len(pair[0].labels)
    )
    sizes = [np.array(f.shape[::-1]) / u for f, u in ((large, of_large), (small, of_small))]
    n_places = float(np.prod(sizes[0] + sizes[1]))
    motifs = list(_rare(large, small))
    best: tuple[float, NDArray[np.float64]] | None = None
    for motif in motifs:
        there, here = large.of_motif(motif, of_large), small.of_motif(motif, of_small)
        # Those of a lattice are many, and some of them show as much.
        n = min(SMALLEST_SAMPLE, max(BLOCK**2 // (4 * len(there)), FEWEST_OF_A_SHARE))
        here = here[np.unique(np.linspace(0, len(here) - 1, n).astype(int))]
        density = large.counts[motif] / len(large.labels)
        scores, moves = _scores(there, here, density, sizes)
        if not len(scores):
            continue
        first = int(scores.argmax())
        away = np.abs(moves - moves[first]).max(axis=1) > 1
        second = float(scores[away].max(initial=0.0))
        by_chance = np.log10(2 * n_places)
        score = scores[first] / max(second / by_chance, 1.0)
        p_value = n_places * len(motifs) * 10.0**-score
        if p_value < level and (best is None or p_value < best[0]):
            best = p_value, _centred(there, here, moves[first])
    if best is None:
        return None
    return -best[1] if large is other else best[1]


def _scores(
    there: NDArray[np.float64],
    here: NDArray[np.float64],
    density: float,
    sizes: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return -log10 of the p-value of the coincidences at displacements (k, 2), in boxes of one unit."""
    moves = (there[:, None] - here[None]).reshape(-1, 2)
    scores, places = [], []
    # A displacement at the border of a box is in the middle of another.
    for offset in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        box = np.floor(moves + offset).astype(np.int64)
        low = box.min(axis=0)
        width, height = (np.ptp(box, axis=0) + 1).tolist()
        flat = (box[:, 1] - low[1]) * width + box[:, 0] - low[0]
        number = np.bincount(flat, minlength=width * height).reshape(height, width)
        row, column = np.nonzero(number >= _FEWEST)
        counts = number[row, column]
        place = np.column_stack([column, row]) + low + 0.5 - offset
        # Part of the smaller image in the larger.
        inside = np.clip(np.minimum(place + sizes[1], sizes[0]) - np.maximum(place, 0), 0, None) / sizes[1]
        expected = np.maximum(len(here) * inside.prod(axis=1) * density, 1e-9)
        # Atoms that are clustered coincide at many displacements that are alike.
        near, itself = (
            side**2 * ndimage.uniform_filter(number.astype(float), side, mode="constant")
            for side in (_NEAR, 3)
        )
        expected = np.maximum(expected, (near - itself)[row, column] / (_NEAR**2 - 9))
        # The logarithms of all boxes would take most of the time.
        best = np.argsort((expected - counts) / np.sqrt(expected), kind="stable")[:_BOXES]
        scores.append(-stats.poisson.logsf(counts[best] - 1, expected[best]) / np.log(10))
        places.append(place[best])
    return np.concatenate(scores), np.concatenate(places)


def _centred(
    there: NDArray[np.float64], here: NDArray[np.float64], move: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a displacement as the median of those of the atoms that coincide at it."""
    distance, nearest = cKDTree(there).query(here + move)
    same = distance < 0.75
    return np.asarray(np.median(there[nearest[same]] - here[same], axis=0), float)


def count_units(
    images: Iterable[Motifs], what: Sequence[str], names: Sequence[str]
) -> tuple[list[str], list[str], NDArray[np.int64], NDArray[np.int64], list[FieldOfImage]]:
    """Return families and names of units (k), their counts and totals (images, k), and the atoms of each image.

    Each image is read once.

    Parameters
    ----------
    images : iterable of Motifs
    what : sequence of {"motif", "vacancy", "cell", "bond"}
    names : sequence of str
        Of the motifs, all different.
    """
    each: list[dict[str, tuple[Counter[str], Counter[str]]]] = []
    fields = []
    for motifs in images:
        fields.append(FieldOfImage.of(motifs))
        each.append({family: _counted(motifs, family, names) for family in what})
    families: list[str] = []
    units: list[str] = []
    counts, totals = [], []
    for family in what:
        counted, among = zip(*(one[family] for one in each), strict=True)
        known = names if family == "motif" else sorted({unit for one in (*counted, *among) for unit in one})
        n = np.array([[one[k] for k in known] for one in counted], np.int64).reshape(len(fields), -1)
        of = np.array([[one[k] for k in known] for one in among], np.int64).reshape(len(fields), -1)
        families += [family] * len(known)
        units += known
        counts.append(n)
        totals.append(of if family == "vacancy" else np.broadcast_to(n.sum(axis=1, keepdims=True), n.shape))
    return families, units, np.concatenate(counts, axis=1), np.concatenate(totals, axis=1), fields


def _counted(motifs: Motifs, family: str, names: Sequence[str]) -> tuple[Counter[str], Counter[str]]:
    """Return the units of a family in an image, and for vacancies the sites of which they are a part."""
    if family == "vacancy":
        expected, vacant = motifs.sites.expected_motifs, motifs.sites.vacant
        return (
            Counter(names[k] for k in expected[vacant & (expected >= 0)].tolist()),
            Counter(names[k] for k in expected[expected >= 0].tolist()),
        )
    if family == "motif":
        units = [names[k] for k in motifs.labels.tolist()]
    elif family == "cell":
        whole = np.flatnonzero(~motifs.cells.on_border)
        units = [_sequence(motifs.cells.corner_sequences[k], names) for k in whole.tolist()]
    else:
        bonds = motifs.cells.bonds
        ends = np.sort(motifs.labels[bonds[(bonds < len(motifs.labels)).all(axis=1)]], axis=1)
        units = [f"{names[a]}-{names[b]}" for a, b in ends.tolist()]
    return Counter(units), Counter()


def _sequence(corners: Sequence[int], names: Sequence[str]) -> str:
    return " ".join("vacancy" if k < 0 or k >= len(names) else names[k] for k in corners)

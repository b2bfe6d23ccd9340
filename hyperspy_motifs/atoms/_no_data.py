"""Detection and filling of pixels without data: fill, bars and letters, dead and hot pixels and lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# An area of one value is fill, a bar or a frame if it has at least this size in both directions, or at least the size of a
# thin bar in either orientation.
_AREA = 9
_BAR = (3, 32)
# Minimum typical distance of the rim from the value of the area, in standard deviations of the image. Clipped areas are closer.
_LEAST_STEP = 0.25
# Fraction of an area of one value that remains after an opening: counts of zero form a sponge (one electron in a hundred
# pixels).
_LEAST_SOLID = 0.8
# Fraction of a row or column at the border that repeats the next one, where alignment continued the edge.
_REPEATED = 0.95
# Fraction of pixels equal to their neighbour above which an image has few counts: rows of zeros repeat by themselves.
_FEW_COUNTS = 0.5
# Regions separated by fill and bars hold data if they have at least this fraction of the area of the largest one.
_LEAST_PART = 0.1
# A hot pixel differs from its neighbours this many times more than nearly all pixels do (99.5 %: 2.8 standard deviations of
# noise), and its four neighbours share less than this of it. For a Gaussian half a pixel wide they share 0.14.
_HOT = 3.0
_SHARED = 0.12
# Letters lie within this many pixels of a bar and have its value. The area between their strokes is not part of the image.
_CAPTION = 64
_STROKES = 5
# Interpolation beside fill, for example by a rotation, changes pixels up to this distance.
_RINGING = 2
# Thinner gaps are interpolated; wider ones are excluded from the analysis.
_THIN = 3


@dataclass(frozen=True)
class NoData:
    """Pixels that hold no data.

    Attributes
    ----------
    mask : ndarray of bool of shape (rows, columns)
        All pixels without data.
    wide : ndarray of bool of shape (rows, columns)
        Areas too wide to be interpolated. They contain no atoms, and they truncate the discs that overlap them.
    counts : dict of str to int
        Number of pixels of each kind: "not finite", "fill", "hot or dead".
    """

    mask: np.ndarray
    wide: np.ndarray
    counts: dict[str, int]


def find_no_data(image: np.ndarray, mask: np.ndarray | None = None) -> NoData:
    """Find pixels that hold no data.

    These are NaN and infinities, areas of one value with a step at their rim (fill, scale bars and their captions, frames
    of screenshots), edge rows that are repeated up to the border, single pixels far from all their neighbours, and rows or
    columns of one value. Areas without a step, such as dark vacuum or clipped bright columns, are data.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Real numbers.
    mask : ndarray of bool of shape (rows, columns), optional
        Pixels that are known to hold no data.

    Returns
    -------
    NoData
    """
    finite = np.isfinite(image)
    bad = ~finite
    counts = {"not finite": int(bad.sum())}
    if mask is not None:
        bad |= mask
    values = (
        image
        if not counts["not finite"]
        else np.where(finite, image, np.median(image[finite]) if finite.any() else 0)
    )
    spots = np.zeros_like(bad)
    if not bad.all() and min(image.shape) > _AREA and values.min() < values.max():
        filled = _fill(values, bad)
        if counts["not finite"] or mask is not None or filled.any():
            filled |= _cut_off(bad | filled) & ~bad
        filled &= ~bad
        if filled.sum() < bad.size - bad.sum():
            bad |= filled
            counts["fill"] = int(filled.sum())
        spots = _spots(values, bad) & ~bad
        bad |= spots
        counts["hot or dead"] = int(spots.sum())
    wide = bad & ~spots
    if wide.any():
        framed = ndimage.binary_opening(np.pad(wide, _THIN, mode="edge"), np.ones((_THIN, _THIN)))
        wide = framed[_THIN:-_THIN, _THIN:-_THIN] & wide
    return NoData(bad, wide, {name: n for name, n in counts.items() if n})


def fill_no_data(image: np.ndarray, missing: np.ndarray, wide: np.ndarray | None = None) -> np.ndarray:
    """Return an image with missing pixels filled: thin gaps by the mean of their surroundings, wide ones by mirror images.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    missing : ndarray of bool of shape (rows, columns)
    wide : ndarray of bool of shape (rows, columns), optional
        See :class:`NoData`; by default no area is wide.

    Returns
    -------
    ndarray of float64 of shape (rows, columns)
    """
    out = np.array(image, np.float64)
    if not missing.any():
        return out
    thin = missing if wide is None else missing & ~wide
    if thin.any():
        known = ~missing
        rows, columns = np.nonzero(thin)
        total, weight = np.zeros(len(rows)), np.zeros(len(rows))
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                y, x = rows + dy, columns + dx
                inside = (y >= 0) & (y < out.shape[0]) & (x >= 0) & (x < out.shape[1])
                good = inside.copy()
                good[inside] = known[y[inside], x[inside]]
                w = np.exp(-0.5 * (dx * dx + dy * dy) / 0.7**2)
                total[good] += w * out[y[good], x[good]]
                weight[good] += w
        some = weight > 0
        out[rows[some], columns[some]] = total[some] / weight[some]
        left = np.zeros_like(missing)
        left[rows[~some], columns[~some]] = True
    else:
        left = np.zeros_like(missing)
    if wide is not None:
        left |= wide
    if left.any():
        near = np.array(ndimage.distance_transform_edt(left, return_distances=False, return_indices=True))
        here = np.array(np.nonzero(left))
        edge = near[:, left]
        beyond = np.clip(2 * edge - here, 0, np.array(out.shape)[:, None] - 1)
        # If the mirror image is missing, too, the edge value is used.
        source = np.where(left[tuple(beyond)], edge, beyond)
        out[left] = out[tuple(source)]
    return out


def _equal(image: NDArray[np.float64], axis: int) -> NDArray[np.bool_]:
    """Return whether each pixel equals the one before it."""
    same = np.zeros(image.shape, bool)
    if axis:
        np.equal(image[:, 1:], image[:, :-1], out=same[:, 1:])
    else:
        np.equal(image[1:], image[:-1], out=same[1:])
    return same


def _holds(marks: NDArray[np.bool_], shape: tuple[int, int]) -> bool:
    """Return whether marks fill a rectangle of that shape (rows, columns) anywhere."""
    if marks.sum() < shape[0] * shape[1] or min(np.subtract(marks.shape, shape)) < 0:
        return False
    total = np.zeros((marks.shape[0] + 1, marks.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(marks, axis=0, dtype=np.int32), axis=1, out=total[1:, 1:])
    h, w = shape
    return int((total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w]).max()) == h * w


def _fill(image: NDArray[np.float64], bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    out = np.zeros(image.shape, bool)
    above, left = _equal(image, 0), _equal(image, 1)
    one = above & left
    one[1:] &= left[:-1]
    one &= ~bad
    if (
        _holds(one, (_AREA - 1, _AREA - 1))
        or _holds(one, (_BAR[0] - 1, _BAR[1] - 1))
        or _holds(one, (_BAR[1] - 1, _BAR[0] - 1))
    ):
        out |= _areas_of_one_value(image, one, bad)
    lines = np.zeros(image.shape, bool)
    spread = float(image[~bad].std())
    for values, same, along, marks in ((image, above, left, lines), (image.T, left.T, above.T, lines.T)):
        n = len(values)
        # Dead lines have one value, far from that of the adjacent lines.
        dead = np.flatnonzero(along.sum(axis=1) >= values.shape[1] - 1)
        for k in dead.tolist():
            beside = [i for i in (k - 1, k + 1) if 0 <= i < n]
            step = max(np.median(np.abs(values[i] - values[k, 0])) for i in beside)
            marks[k] |= step > _LEAST_STEP * spread
        # An edge that was continued is not vacuum, which has one value as well.
        share = same.mean(axis=1)
        for way, edge in ((1, 0), (-1, n - 1)):
            k = int(edge)
            while abs(k - edge) < n // 2 and share[k + max(way, 0)] > _REPEATED:
                k += way
            if k != edge and values[edge].std() > _LEAST_STEP * spread and np.median(share) < _FEW_COUNTS:
                marks[slice(0, k) if way > 0 else slice(k + 1, n)] = True
    return out | lines


def _areas_of_one_value(
    image: NDArray[np.float64], one: NDArray[np.bool_], bad: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return areas of one value with a step at their rim, and the letters beside bars."""
    # From "equal to those above and to the left" to all pixels of such squares.
    whole = one.copy()
    whole[:-1] |= one[1:]
    whole[:, :-1] |= whole[:, 1:].copy()
    framed = np.pad(whole, _AREA, mode="edge")
    core = ndimage.binary_opening(framed, np.ones((_AREA, _AREA)))
    for shape in (_BAR, _BAR[::-1]):
        core |= ndimage.binary_opening(framed, np.ones(shape))
    core = core[_AREA:-_AREA, _AREA:-_AREA]
    out = np.zeros(image.shape, bool)
    if not core.any():
        return out
    labels = ndimage.label(whole)[0]
    spread = float(image[~whole & ~bad].std()) if (~whole & ~bad).any() else 0.0
    boxes = ndimage.find_objects(labels)
    for k in np.unique(labels[core]):
        if not k:
            continue
        box = tuple(
            slice(max(s.start - 2, 0), min(s.stop + 2, m))
            for s, m in zip(boxes[k - 1], image.shape, strict=True)
        )
        area = labels[box] == k
        if (area & core[box]).sum() < _LEAST_SOLID * area.sum():
            continue
        value = np.median(image[box][area])
        rim = ndimage.binary_dilation(area, np.ones((3, 3))) & ~area
        if rim.any() and not np.median(np.abs(image[box][rim] - value)) > _LEAST_STEP * spread:
            continue
        out[box] |= area
        if not _touches(boxes[k - 1], image.shape):
            # A bar: its letters have the same value and are close to it.
            near = tuple(
                slice(max(s.start - _CAPTION, 0), min(s.stop + _CAPTION, m))
                for s, m in zip(boxes[k - 1], image.shape, strict=True)
            )
            letters = image[near] == value
            closed = ndimage.binary_closing(np.pad(letters, _STROKES), np.ones((_STROKES, _STROKES)))
            out[near] |= closed[_STROKES:-_STROKES, _STROKES:-_STROKES]
    return ndimage.binary_dilation(out, np.ones((3, 3)), iterations=_RINGING) if out.any() else out


def _touches(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    return any(s.start == 0 or s.stop == m for s, m in zip(box, shape, strict=True))


def _cut_off(bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return small regions that missing pixels cut off, such as ticks and letters outside the image of a screenshot.

    Dead lines cut off nothing: the image goes on behind them.
    """
    known = ~bad
    for lines, pixels in ((bad.all(axis=1), known), (bad.all(axis=0), known.T)):
        pixels[lines & ~ndimage.binary_opening(lines, np.ones(_THIN))] = True
    solid = ndimage.binary_opening(known, np.ones((_AREA, _AREA)))
    labels, n = ndimage.label(solid)
    if n == 0:
        return np.zeros_like(bad)
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.flatnonzero(sizes >= _LEAST_PART * sizes.max()) + 1
    # Pixels that the opening removed at the rim of a region belong to it.
    part = ndimage.binary_dilation(
        np.isin(labels, kept), np.ones((3, 3)), iterations=_AREA // 2 + 1, mask=known
    )
    return ~bad & ~part


def _spots(image: NDArray[np.float64], bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return single pixels far above or below all their neighbours."""
    padded = np.pad(image, 2, mode="reflect")
    centre = padded[2:-2, 2:-2]
    beside = (padded[1:-3, 2:-2] + padded[3:-1, 2:-2] + padded[2:-2, 1:-3] + padded[2:-2, 3:-1]) / 4
    away = np.abs(centre - beside)
    good = away[~bad] if bad.any() else away.ravel()
    good = good[:: max(1, len(good) // 200_000)]
    # Only pixels that differ at all: most pixels of an image of few counts do not.
    good = good[good > 0]
    out = np.zeros(image.shape, bool)
    if not len(good):
        return out
    level = np.percentile(good, 99.5)
    rows, columns = np.nonzero((away > _HOT * level) & ~bad)
    if not len(rows):
        return out
    ring = [(dy, dx) for dy in range(5) for dx in range(5) if max(abs(dy - 2), abs(dx - 2)) == 2]
    far = np.median([padded[rows + dy, columns + dx] for dy, dx in ring], axis=0)
    square = [(dy, dx) for dy in (1, 2, 3) for dx in (1, 2, 3) if (dy, dx) != (2, 2)]
    near = np.median([padded[rows + dy, columns + dx] for dy, dx in square], axis=0)
    height = centre[rows, columns] - far
    hot = (np.abs(centre[rows, columns] - near) > _HOT * level) & (
        np.abs(near - far) < _SHARED * np.abs(height)
    )
    out[rows[hot], columns[hot]] = True
    return out

"""What several packages need: robust spread, distinct rows, levels of tests, angles in words, and files written whole."""

from __future__ import annotations

import contextlib
import csv
import os
import tempfile
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TextIO, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Level of a test whose rejection changes a result or marks a single atom: one image in a thousand by chance.
STRICT_LEVEL = 1e-3
#: Level of a test among few alternatives, by which one is preferred.
LEVEL = 0.01
#: Level of what is only reported, and the false discovery rate of lists.
REPORTED_LEVEL = 0.05
#: Smallest side of an image, in pixels: there is room for a shell of nearest neighbours, a patch and a margin.
SMALLEST_IMAGE = 16
#: Sizes of samples, evenly spaced in the data, that show what all show: a mean to 2, 3 and 7 % of the standard deviation.
SAMPLE, SMALL_SAMPLE, SMALLEST_SAMPLE = 2000, 1000, 200
#: Fewer atoms show no gain, no slow change and no translation.
FEWEST_ATOMS_OF_A_TREND = 30
#: Of fewer samples a share, or a property of all, is not believed.
FEWEST_OF_A_SHARE = 40
#: Pixels, or other numbers, that are held together: 128 MB in double precision.
MOST_IN_MEMORY = 2**24
#: Rows of an image, and rows or pairs of a table, that stay in the caches while they are processed together.
BAND, BLOCK = 32, 256
#: Fewer columns have no surroundings to compare: two shells of neighbours.
FEWEST_ATOMS = 12
#: Items with numbers of their own in a line of text.
MOST_IN_A_LINE = 3


@overload
def robust_spread(residuals: ArrayLike) -> np.float64: ...


@overload
def robust_spread(residuals: ArrayLike, axis: int) -> NDArray[np.float64]: ...


def robust_spread(residuals: ArrayLike, axis: int | None = None) -> np.float64 | NDArray[np.float64]:
    """Standard deviation of normally distributed residuals about zero, from the median of their absolute values.

    Parameters
    ----------
    residuals : array-like
        Finite differences from a median, a mean or a model.
    axis : int, optional
        Axis of the samples; by default all values.

    Returns
    -------
    float or array

    Notes
    -----
    The factor is the inverse of the third quartile of the normal distribution, 1 / 0.6745 (Rousseeuw and Croux 1993).

    Examples
    --------
    >>> round(float(robust_spread([-2.0, -1.0, 1.0, 50.0])), 2)
    2.22
    """
    return 1.4826 * np.median(np.abs(residuals), axis=axis)


def distinct_rows(
    rows: NDArray[np.generic],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct rows of a table in lexicographic order.

    Parameters
    ----------
    rows : array (n, k)
        Whole numbers, or floats that hold such; `k` is at least one.

    Returns
    -------
    first : array (m,) of int
        First occurrence of each distinct row.
    inverse : array (n,) of int
        Number of the distinct row of each row.
    counts : array (m,) of int
        Number of occurrences.

    Notes
    -----
    Like ``np.unique(rows, axis=0)``, of which an interrupt within its comparisons becomes a TypeError. Rows of small numbers
    are packed into one integer, which sorts ten times faster.

    Examples
    --------
    >>> first, inverse, counts = distinct_rows(np.array([[3, 1], [0, 9], [3, 1]]))
    >>> first.tolist(), inverse.tolist(), counts.tolist()
    ([1, 0], [1, 0, 1], [1, 2])
    """
    if not len(rows):
        return (np.zeros(0, np.int64),) * 3
    low = rows.min(axis=0)
    span = rows.max(axis=0).astype(np.float64) - low + 1
    if np.issubdtype(rows.dtype, np.integer) and np.log2(span).sum() < 62:
        key = np.zeros(len(rows), dtype=np.int64)
        for column, width, least in zip(rows.T, span.astype(np.int64), low, strict=True):
            key = key * width + (column.astype(np.int64) - int(least))
    else:
        order = np.lexsort(rows.T[::-1])
        new = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
        key = np.empty(len(rows), dtype=np.int64)
        key[order] = np.concatenate([[0], np.cumsum(new)])
    _, first, inverse, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    return first, inverse.reshape(-1), counts


def signed_degrees(angle: float, digits: int = 0) -> str:
    """An angle in degrees as text: above -180 up to 180, with so many decimals, and zero without a sign.

    Parameters
    ----------
    angle : float
    digits : int, optional

    Returns
    -------
    str

    Examples
    --------
    >>> signed_degrees(359.9, 1), signed_degrees(-0.02, 1), signed_degrees(-180.0), signed_degrees(359.7)
    ('-0.1', '0.0', '180', '0')
    """
    wrapped = 180 - (180 - round(angle, digits)) % 360
    # Rounded again, as the difference is not exact; the sum takes the sign from zero.
    return f"{round(wrapped, digits) + 0.0:.{digits}f}"


@contextlib.contextmanager
def written_whole(path: str | PathLike[str], newline: str = "\n") -> Iterator[TextIO]:
    """Open a text file in UTF-8 for writing; an error or an interrupt leaves the former file unchanged.

    Parameters
    ----------
    path : path-like
        The file; it is replaced when all is written.
    newline : str
        What a line ends in.

    Yields
    ------
    text file

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If `path` is a folder.
    """
    target = os.path.abspath(os.fspath(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target} is a folder; give the name of a file in it.")
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(
            f"The folder {os.path.dirname(target)} for {os.path.basename(target)} does not exist: create it, or give another."
        )
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".motifs-", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline=newline) as file:
            yield file
        # mkstemp creates files for the owner only; a new file should have the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_csv(columns: Mapping[str, np.ndarray], path: str | PathLike[str]) -> Path:
    """Write columns of equal length to a file of comma-separated values; returns its path.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        As :func:`written_whole`.
    """
    with written_whole(path, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True))
    return Path(path)

"""What an image as a whole changes in the moments of its atoms: optics, calibration, thickness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Fewest atoms of a kind in an image for a median of their moments.
_FEWEST = 5
# Variance of a median in units of that of a mean, of a normal distribution: pi / 2.
_OF_MEDIAN = np.pi / 2
# Median of the squares of a normal distribution, chi-squared with one degree of freedom.
_MEDIAN_SQUARE = 0.4549
# Larger effects, in standard deviations of those of the collection, are not removed entirely: a difference of the structure.
_LIMIT = 3.0
# Largest standard deviation of effects, in units of the root mean square moment. Images of 10 to 40 pixels per
# nearest-neighbour distance, with the same optics, have 0.01 to 0.02.
_LARGEST = 0.05


def image_effects(
    values: NDArray[np.floating],
    kinds: NDArray[np.integer],
    images: NDArray[np.integer],
    sound: NDArray[np.bool_],
) -> NDArray[np.float64]:
    r"""Return what each image adds to the moments of each kind.

    The moments of atom j, of kind k, in image i are :math:`x_j = \mu_k + d_{ik} + e_j`, with random effects
    :math:`d_{ik} \sim N(0, T)` of the images, with one variance for each mode. They are estimated from medians, and shrunk by
    their reliability :math:`T / (T + v_{ik})`, where v is the variance of the median [1]_. The variance T is that of the median
    effect. Effects beyond three standard deviations are cut off there, and T is limited: images of different structures stay
    different. A kind with few atoms in an image has the mean effect of the other kinds of the image.

    Parameters
    ----------
    values : ndarray, shape (n, K)
        Moments; NaN where not `sound`.
    kinds, images : ndarray of int, shape (n,)
        From 0.
    sound : ndarray of bool, shape (n,)
        Atoms with whole discs.

    Returns
    -------
    ndarray, shape (images, kinds, K)

    References
    ----------
    .. [1] N. M. Laird and J. H. Ware, Biometrics 38, 963 (1982).
    """
    n_images, n_kinds = int(images.max()) + 1, int(kinds.max()) + 1
    effects = np.zeros((n_images, n_kinds, values.shape[1]))
    if n_images == 1:
        return effects
    shape = (n_images, n_kinds, values.shape[1])
    centre, variance = np.full(shape, np.nan), np.full(shape, np.inf)
    for i in range(n_images):
        for k in range(n_kinds):
            own = np.asarray(values[sound & (images == i) & (kinds == k)], float)
            if len(own) < _FEWEST:
                continue
            centre[i, k] = np.median(own, axis=0)
            spread = 1.4826 * np.median(np.abs(own - centre[i, k]), axis=0)
            variance[i, k] = _OF_MEDIAN * np.maximum(spread, 1e-12) ** 2 / len(own)
    known = np.isfinite(variance[..., 0])
    if not known.any():
        return effects
    rms = float(np.sqrt(np.mean(np.asarray(values[sound], float) ** 2)))
    filled, scatter = np.nan_to_num(centre), np.zeros(shape[-1])
    for _ in range(2):
        weight = np.where(known[..., None], 1 / (variance + scatter), 0.0)
        common = (weight * filled).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
        apart = filled - common
        several = known & (known.sum(axis=0) > 1)
        if not several.any():
            return effects
        squares = np.median(apart[several] ** 2, axis=0) / _MEDIAN_SQUARE
        scatter = np.clip(squares - np.median(variance[several], axis=0), 0.0, (_LARGEST * rms) ** 2)
    reliability = np.where(several[..., None], scatter / (scatter + variance + 1e-300), 0.0)
    limit = _LIMIT * np.sqrt(scatter)
    effects = np.clip(reliability * apart, -limit, limit)
    for i in np.flatnonzero(several.any(axis=1)).tolist():
        mean = np.average(
            effects[i, several[i]],
            axis=0,
            weights=1 / (variance[i, several[i]] + scatter + 1e-300).mean(axis=1),
        )
        effects[i, ~several[i]] = mean
    return effects


def informative_images(
    values: NDArray[np.floating],
    kinds: NDArray[np.integer],
    images: NDArray[np.integer],
    sound: NDArray[np.bool_],
) -> NDArray[np.int64]:
    r"""Return the images that show differences between atoms best if they are analysed together.

    Atoms of one kind scatter by the variance v of the noise and of the specimen. Two groups of atoms, a small share of all n,
    whose moments differ by :math:`\Delta` are separated by a statistic with the square :math:`\Delta^2 n / \bar v`, where the
    variance is the mean over the atoms. An image with much noise adds atoms, but raises the mean. Of the images in the order of
    their variance those are taken for which :math:`n / \bar v` is largest.

    Parameters
    ----------
    values, kinds, images, sound
        As in :func:`image_effects`.

    Returns
    -------
    ndarray of int
        Numbers of the images, ascending.
    """
    n_images = int(images.max()) + 1
    number = np.array([np.count_nonzero(sound & (images == i)) for i in range(n_images)], float)
    variance = np.full((n_images, values.shape[1]), np.inf)
    for i in range(n_images):
        residuals = []
        for k in np.unique(kinds[sound & (images == i)]).tolist():
            own = np.asarray(values[sound & (images == i) & (kinds == k)], float)
            if len(own) >= _FEWEST:
                residuals.append(own - np.median(own, axis=0))
        if residuals:
            # Robust, as a kind may still hold a rare motif.
            variance[i] = (1.4826 * np.median(np.abs(np.concatenate(residuals)), axis=0)) ** 2
    usable = np.isfinite(variance[:, 0])
    if not usable.any():
        return np.arange(n_images)
    relative = variance / np.maximum(np.median(variance[usable], axis=0), 1e-300)
    v = np.where(usable, relative.mean(axis=1), np.inf)
    order = np.argsort(v, kind="stable")[: int(usable.sum())]
    together = np.cumsum(number[order])
    information = together**2 / np.cumsum(number[order] * v[order])
    return np.sort(order[: int(np.argmax(information)) + 1])

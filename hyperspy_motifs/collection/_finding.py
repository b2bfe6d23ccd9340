"""Motifs of many images with one model, which learns those of further images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.models import (
    ORIENTED_AT,
    Orientation,
    PooledMoments,
    PooledOnce,
    extended,
    find_orientation,
    informative_images,
    to_arrays,
)

from ._group_comparison import unique_names
from ._measuring import Fields, Measuring, Shared, assign, atoms_of_fields, in_degrees, put, save
from ._saved_images import (
    Assigned,
    OneAtATime,
    SavedImages,
    each_with_detectors,
    of_fit,
    opened,
    several,
    tree_of_labels,
)

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from numpy.typing import NDArray

    from hyperspy_motifs.clustering import Brightness, NestedRadii
    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.pipeline import MeasuredImage
    from hyperspy_motifs.zernike import MomentsLike

    from ._collection import MotifCollection


# Atoms that each image keeps per radius with its result, to position other atoms.
_ANCHORS_OF_IMAGE = 500
# Atoms for the fit of a model; further images are assigned one at a time. Their moments at four radii need some 1.5 kB each,
# twice during the fit.
_SAMPLE_ATOMS = 40_000


def find_motifs(
    images: Sequence[BaseSignal],
    *,
    detectors: Sequence[Any] | None = None,
    align: bool = True,
    mirrors: bool = False,
    length: float | None = None,
    separation: float | None = None,
    polarity: str = "auto",
    refine: bool | str = True,
    radius: str | float = "auto",
    rotation_invariant: bool = False,
    n_motifs: int | None = None,
    min_motif_size: int = 5,
    alpha: float = 0.01,
    random_state: int = 0,
    complete: bool = True,
    results: str | PathLike[str] | None = None,
    show_progressbar: bool | None = None,
) -> MotifCollection:
    """Find the motifs of many images with one model, so that a motif has one number in all of them.

    The images may differ in pixel size, field of view, rotation, brightness, dose and type. Of each image the atoms are found
    as by :meth:`AtomicImage.find_motifs <hyperspy_motifs.signals.AtomicImage.find_motifs>`, and their discs are measured in
    units of its nearest-neighbour distance and of its contrast. Then

    1. the discs are rotated into the orientation of the image with the least noise, which is found by comparing atoms,
    2. the kinds of atoms are found at the smallest radius over the atoms of all images,
    3. images with so much noise that they would hide differences, which the others show, are left out of the fit
       (:func:`~hyperspy_motifs.models.informative_images`),
    4. what an image changes in all atoms of a kind is removed at every radius, as far as other images have changes of the same
       size (focus, thickness, calibration): :func:`~hyperspy_motifs.models.image_effects`,
    5. the motifs of these atoms are found at all radii, and all other atoms are assigned to them, each with the noise of its
       image.

    With more than 40,000 atoms the model is learned on images that are evenly distributed over the list, and the other images
    are assigned to its motifs one at a time, so that memory does not grow with their number.

    Parameters
    ----------
    images : sequence of AtomicImage, Signal2D or path
        Single images. Lazy ones and files are read one at a time; only their atoms and moments stay in memory.
    detectors : sequence of AtomicImage, path, or lists of these, length images, optional
        Further detectors of the scan of each image, in the same order for all. Atoms are found in `images`; the features of
        all detectors stand side by side.
    align : bool
        False if all images have the same orientation; of no use with `rotation_invariant`.
    mirrors : bool
        Also mirror images, if this makes them more like the reference: for flakes that were turned over.
    length : float, optional
        Unit of the radii in axis units, the same in all images, in place of the nearest-neighbour distance of each.
    separation, polarity, refine, radius, rotation_invariant, n_motifs, min_motif_size, alpha, random_state, complete
        As in :meth:`AtomicImage.find_motifs <hyperspy_motifs.signals.AtomicImage.find_motifs>`.
    results : path, optional
        A folder, in which each image is saved with its results as soon as they are known (``.zspy``, or ``.hspy`` without zarr
        2), by the worker that computes them if there are workers, which must see the folder. The memory does not grow with the
        number of images then: `images` stay as they are, and ``collection[i]`` reads a file. The same call with the same folder
        continues an interrupted run.
    show_progressbar : bool, optional

    Returns
    -------
    MotifCollection
        ``collection[i]`` is the result of an image, which is also written into its metadata.

    Raises
    ------
    ValueError
        If there are fewer than two images, an image cannot be used (the message names it), or some have bright and others dark
        columns. The earlier results of the images stay.

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> images = [hm.data.monolayer(shape=(160, 192), rotation=a, random_state=k)[0] for k, a in enumerate((0, 20))]
    >>> collection = hm.find_motifs(images, show_progressbar=False)
    >>> collection.counts.shape == (2, collection.n_motifs)
    True
    """
    from hyperspy.external.progressbar import progressbar

    from hyperspy_motifs.clustering import RADII
    from hyperspy_motifs.pipeline import FindOptions

    from ._collection import MotifCollection

    wanted = FindOptions(
        separation, polarity, refine, radius, rotation_invariant=rotation_invariant, n_motifs=n_motifs,
        min_motif_size=min_motif_size, alpha=alpha, random_state=random_state, complete=complete,
    )  # fmt: skip
    given = each_with_detectors(several(images), detectors)
    radii = tuple(RADII) if radius == "auto" else tuple(sorted({*RADII, float(radius)}))
    # One angle turns no polycrystal.
    align = align and not rotation_invariant
    how = Measuring(asdict(wanted), tuple(sorted({*radii, ORIENTED_AT})), length)
    # Images that keep their results stay open; of those in a folder one is open at a time.
    fields = Fields(opened(given) if results is None else OneAtATime(given), how)
    signals, n_images = fields.signals, len(given)
    if results is None:
        names = unique_names([store.title_of(one[0]) for one in signals])
    else:
        identity, titles = fields.identity()
        names = unique_names(titles)
        run = {"align": align, "mirrors": mirrors, "measuring": asdict(how), **identity}
        fields.saved = SavedImages(results, run, names)
    saved, quiet = fields.saved, show_progressbar is False
    turned: dict[int, tuple[float, bool]] = {}
    before = None if saved is None else saved.kept_model()
    if before is None:
        with progressbar(total=n_images, disable=quiet, desc="Images", leave=False) as bar:
            by_number = _sample(fields, bar.update)
        learned, shared, found = _learned(by_number, radii, how, align, mirrors, n_images)
        del by_number
    else:
        learned, arrays = before
        shared, found = Shared.from_arrays(learned, arrays), iter(())
    with progressbar(total=n_images, disable=quiet, desc="Results", leave=False) as bar:

        def keep(number: int, one: MeasuredImage, result: dict[str, Any], orientation: Orientation) -> None:
            if saved is None:
                put(signals[number], one, result, orientation, shared)
            else:
                target = str(saved.path(number))
                saved.add(number, save(fields.copies(number), one, result, orientation, shared, target))
            turned[number] = in_degrees(orientation)
            bar.update(1)

        for number, measured, result, orientation in found:
            keep(number, measured, result, orientation)
        if saved is not None and before is None:
            saved.keep_model(learned, shared.to_arrays())
        rest = [number for number in range(n_images) if number not in turned]
        if saved is not None:
            rest = [number for number in rest if not saved.path(number).exists()]
        for number, now in fields.assigned(rest, shared):
            if isinstance(now, Assigned):
                cast("SavedImages", saved).add(number, now)
                bar.update(1)
            else:
                keep(number, *now)
    if saved is not None:
        return MotifCollection(saved, learned, names=names, orientations=saved.orientations())
    orientations = [turned[number] for number in range(n_images)]
    return MotifCollection([one[0] for one in signals], learned, names=names, orientations=orientations)


def _sample(fields: Fields, done: Callable[[int], object]) -> dict[int, MeasuredImage]:
    """Return the measured images on which the model is learned, by their numbers."""
    from hyperspy_motifs.stacks import spread_order

    by_number: dict[int, MeasuredImage] = {}
    with closing(fields.measured(spread_order(len(fields.signals)).tolist())) as measured:
        for number, one in measured:
            by_number[number] = one
            done(1)
            if sum(len(one.table) for one in by_number.values()) >= _SAMPLE_ATOMS:
                break
    return by_number


def _learned(
    by_number: dict[int, MeasuredImage],
    radii: tuple[float, ...],
    how: Measuring,
    align: bool,
    mirrors: bool,
    n_images: int,
) -> tuple[MotifModel, Shared, Iterator[tuple[int, MeasuredImage, dict[str, Any], Orientation]]]:
    """Return the model of measured images, what all results share, and the results of these images, one after the other.

    The images are removed from `by_number` as they are read.
    """
    from hyperspy_motifs.models import to_bytes
    from hyperspy_motifs.pipeline import ANCHORS, cells_of_image, fitted_motif_model

    options = how.options
    polarities = {str(one.table.facts.get("polarity")) for one in by_number.values()}
    if len(polarities) > 1:
        raise ValueError(
            "Some images have bright columns and others dark ones, which one model cannot describe: use images of one "
            "detector, or give polarity=."
        )
    reference = _reference(by_number)
    at_reference = by_number[reference].moments[ORIENTED_AT]

    def turned_by(moments: MomentsLike) -> Orientation:
        return find_orientation(
            moments, at_reference, mirrors=mirrors, random_state=int(options["random_state"])
        )

    others = sorted(set(by_number) - {reference}) if align else []
    angles = {number: Orientation() for number in by_number}
    angles |= {number: turned_by(by_number[number].moments[ORIENTED_AT]) for number in others}
    brightness = brightness_in(by_number, angles, radii[0], options)
    # Minima of the distance are sharp between atoms of one brightness.
    for number in others:
        angles[number] = turned_by(brightness[number].apply(by_number[number].moments[ORIENTED_AT]))
    learnt, pooled, model = fit_pooled(by_number, angles, brightness, radii, options)
    repeated = isinstance(pooled, PooledOnce)
    first = by_number[reference]
    parameters = {
        "options": options,
        "polarity": polarities.pop(),
        "detectors": first.detectors,
        "title": f"{n_images} images",
        "aligned": align,
        "learned": "collection",
        "continuous": False,
        "continuity": {"kind": "discrete", "certainty": 1.0},
        "regions": False,
        **({} if how.length is None else {"length": float(how.length)}),
        "reason": f"{model.reason_}; one model of {_in_words(len(learnt), n_images)}"
        + (", in which atoms that several images show were used once" if repeated else ""),
    }
    learned, small = (
        fitted_motif_model(
            model,
            pooled,
            model.labels_,
            model.radii_.index(model.radius_),
            first.stamp,
            parameters,
            most=most,
            images=[by_number[number].stamp for number in learnt],
        )
        for most in (ANCHORS, _ANCHORS_OF_IMAGE)
    )
    shared = Shared(to_arrays(learned), to_bytes(small), parameters, tree_of_labels(model))
    image_of_atom = pooled.images
    # Moments at all radii are most of what is in memory.
    del pooled, small

    def found() -> Iterator[tuple[int, MeasuredImage, dict[str, Any], Orientation]]:
        for number in sorted(by_number):
            one = by_number.pop(number)
            if number in learnt and not repeated:
                result = of_fit(model, image_of_atom == learnt.index(number))
                result["cells"] = cells_of_image(one, result["labels"], result["probabilities"])
                yield number, one, result, angles[number]
            else:
                yield number, one, *assign(learned, one, shared.tree, angles[number])

    return learned, shared, found()


def _in_words(n_learnt: int, n: int) -> str:
    return f"{n} images" + (f", learned on {n_learnt} of them" if n_learnt < n else "")


def _reference(measured: Mapping[int, MeasuredImage]) -> int:
    """Return the number of the image with the most atoms for their noise, to which the others are turned."""

    def information(number: int) -> float:
        moments = measured[number].moments[ORIENTED_AT]
        noise = float(np.nanmedian(np.asarray(moments.noise_std, float)[moments.valid]))
        return int(np.count_nonzero(moments.coverage > 0.99)) / max(noise, 1e-12) ** 2

    return max(sorted(measured), key=information)


def _pool(
    measured: Mapping[int, MeasuredImage],
    numbers: Sequence[int],
    orientations: Mapping[int, Orientation],
    brightness: Mapping[int, Brightness] | None = None,
) -> PooledMoments:
    each = [measured[number] for number in numbers]
    return PooledMoments(
        [one.moments for one in each],
        [one.neighbours for one in each],
        [orientations[number] for number in numbers],
        each[0].spacing / abs(each[0].stamp.scale[0]),
        each[0].orders,
        None if brightness is None else [brightness[number] for number in numbers],
    )


def _nested(
    pooled: PooledMoments | PooledOnce,
    radii: tuple[float, ...],
    options: Mapping[str, Any],
    radius: float | None = None,
    n_motifs: int | None = None,
) -> NestedRadii:
    from hyperspy_motifs.clustering import NestedRadii

    found = NestedRadii(
        radii=radii,
        radius=radius,
        n_motifs=n_motifs,
        min_motif_size=int(options["min_motif_size"]),
        alpha=float(options["alpha"]),
        random_state=int(options["random_state"]),
        rotation_invariant=bool(options["rotation_invariant"]),
    )
    return found.fit(pooled, pooled.neighbours())


def brightness_in(
    measured: Mapping[int, MeasuredImage],
    orientations: Mapping[int, Orientation],
    radius: float,
    options: Mapping[str, Any],
) -> dict[int, Brightness]:
    """Return the brightness of each image relative to the reference, from the kinds of atoms at a radius."""
    from hyperspy_motifs.clustering import brightness_of

    known = _nested(_pool(measured, [_reference(measured)], orientations), (radius,), options)
    return {
        number: brightness_of(known, _pool(measured, [number], orientations)) for number in sorted(measured)
    }


def fit_pooled(
    measured: Mapping[int, MeasuredImage],
    orientations: Mapping[int, Orientation],
    brightness: Mapping[int, Brightness],
    radii: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[list[int], PooledMoments | PooledOnce, NestedRadii]:
    """Return the numbers of the images that the model is learned on, their moments, and the model.

    Atoms that several images show are used once (:func:`repeated_fields`).
    """
    numbers, first = sorted(measured), radii[0]
    pooled, atoms = _pool(measured, numbers, orientations, brightness), atoms_of_fields(measured, numbers)
    kinds = _kinds(pooled, atoms, radii, options)
    kept = informative_images(pooled(first).values, kinds, pooled.images, pooled.sound(first))
    if len(kept) < len(numbers):
        numbers = [numbers[row] for row in kept.tolist()]
        pooled, atoms = (
            _pool(measured, numbers, orientations, brightness),
            atoms_of_fields(measured, numbers),
        )
        kinds = _kinds(pooled, atoms, radii, options)
    pooled.remove_image_effects(kinds, bool(options["rotation_invariant"]))
    given = None if options["radius"] == "auto" else float(options["radius"])
    used = pooled if atoms is None else PooledOnce(pooled, atoms)
    return numbers, used, _nested(used, radii, options, given, options["n_motifs"])


def _kinds(
    pooled: PooledMoments,
    atoms: NDArray[np.int64] | None,
    radii: tuple[float, ...],
    options: Mapping[str, Any],
) -> NDArray[np.int32]:
    """Return the kinds of all observations at the smallest radius, (n,), found over each of the `atoms` once."""
    if atoms is None:
        return np.asarray(_nested(pooled, radii[:1], options).labels_at_[radii[0]])
    found = _nested(PooledOnce(pooled, atoms), radii[:1], options)
    return np.asarray(found.predict(pooled, radii[0], pooled.neighbours())[0])


def update_model(
    motif_model: MotifModel, signals: Sequence[BaseSignal], detectors: Sequence[Any] | None = None
) -> MotifModel:
    """Return a model with the motifs of further images that it does not know.

    Parameters
    ----------
    motif_model : MotifModel
    signals : sequence of AtomicImage
    detectors : optional
        As in :func:`find_motifs`.

    Returns
    -------
    MotifModel
        See :meth:`hyperspy_motifs.models.MotifModel.update`.
    """
    from hyperspy_motifs.pipeline import ANCHORS, FindOptions, fitted_motif_model, measure_image

    facts = motif_model.facts
    if facts.get("continuous"):
        raise ValueError(
            "A model of a continuum cannot be updated: find the motifs of all images again with find_motifs."
        )
    fields = opened(each_with_detectors(signals, detectors))
    if len(fields[0]) != int(facts.get("detectors", 1)):
        raise ValueError(
            f"The model is one of {facts.get('detectors', 1)} detectors, and {len(fields[0])} are given: give the others of "
            "each image with detectors=."
        )
    # How many motifs there are, and how far apart the atoms of an image are, is that of the images of the model alone.
    known = {k: v for k, v in facts["options"].items() if k not in ("n_motifs", "separation")}
    options = replace(FindOptions(**known), polarity=str(facts.get("polarity", "auto")))
    radii, orders = tuple(motif_model.classifier.radii_), dict(motif_model.orders)
    by_number, angles, p_values = {}, {}, {}
    for number, signal in enumerate(signals):
        try:
            one = measure_image(
                signal,
                options,
                sorted({*radii, ORIENTED_AT}),
                _unit(motif_model, signal),
                orders,
                fields[number][1:],
            )
        except (ValueError, TypeError) as error:
            raise type(error)(f"Image {number} ({store.title_of(signal)}): {error}") from error
        source = PooledMoments([one.moments], [one.neighbours], [Orientation()], 1.0, one.orders)
        angles[number] = motif_model.orientation_of(source)
        p_values[number] = 1 - motif_model.predict(source, angles[number]).outlier_score
        by_number[number] = one
    brightness = brightness_in(by_number, angles, radii[0], asdict(options))
    learnt, pooled, model = fit_pooled(by_number, angles, brightness, radii, asdict(options))
    first = by_number[learnt[0]]
    found = fitted_motif_model(
        model, pooled, model.labels_, radii.index(model.radius_), first.stamp,
        {**facts, "title": f"{len(signals)} images"}, most=ANCHORS, images=[by_number[k].stamp for k in learnt],
    )  # fmt: skip
    p_value = np.concatenate([p_values[k] for k in learnt])
    if isinstance(pooled, PooledOnce):
        p_value = p_value[pooled.rows]
    return extended(motif_model, found, p_value, model.labels_)


def _unit(motif_model: MotifModel, signal: BaseSignal) -> float | None:
    """Return the unit of the radii in an image, as :meth:`AtomicImage.apply_model` takes it; None for its own distance."""
    units = store.Stamp.of(signal).units
    length = store.length_in(motif_model.facts, motif_model.units, units)
    if length is not None:
        return length
    if motif_model.facts.get("aligned") or motif_model.units != units or not store.is_length(units):
        return None
    return float(motif_model.spacing)

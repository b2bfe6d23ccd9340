"""The result of many images, opened again, compared and drawn."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs import store
from hyperspy_motifs.common import signed_degrees, write_csv

from ._group_comparison import GroupComparison, compare_groups, find_cautions, unique_names, write_report
from ._samples import count_units, shared_fields
from ._saved_images import Assigned, SavedImages, several

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from matplotlib.axes import Axes

    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.motifs import Motifs

FAMILIES = ("motif", "vacancy", "cell", "bond")


class MotifCollection:
    """Motifs of many images with one model: a motif has the same number in all of them.

    ``len(collection)`` is the number of images, ``collection[i]`` the result of one, and ``for motifs in collection`` goes
    through them. Images keep their results in their metadata.

    Parameters
    ----------
    signals : sequence of AtomicImage
        With results of one model. Those in a folder of results are read one at a time, when they are asked for.
    model : MotifModel
    names : sequence of str
        Of the images.
    orientations : sequence of (float, bool)
        Angle in degrees by which the discs of each image were rotated to match those of the reference, and whether they were
        mirrored.
    """

    def __init__(
        self,
        signals: Sequence[BaseSignal],
        model: MotifModel,
        *,
        names: Sequence[str],
        orientations: Sequence[tuple[float, bool]],
    ) -> None:
        self._saved = signals if isinstance(signals, SavedImages) else None
        self._signals = list(signals) if self._saved is None else self._saved
        self._model = model
        self._titles = unique_names(names)
        self._read: dict[int, tuple[object, Assigned]] = {}
        self.orientations = list(orientations)
        self._labels = [self._assigned(number).labels for number in range(len(self))]

    def __len__(self) -> int:
        return len(self._signals)

    def __getitem__(self, number: int) -> Motifs:
        return self._signals[index(number)].motifs

    def __iter__(self) -> Iterator[Motifs]:
        return (signal.motifs for signal in self._signals)

    def __repr__(self) -> str:
        return self.summary()

    def _assigned(self, number: int) -> Assigned:
        """Return the motifs of an image. Those in a folder are not read for it, unless the image is in use."""
        if self._saved is not None and not self._saved.is_open(number):
            return self._saved.assigned(number)
        state = store.state(self._signals[number])
        if number in self._read and self._read[number][0] == state:
            return self._read[number][1]
        motifs = self[number]
        level = float(motifs.parameters["options"]["alpha"])
        known = motifs.labels, motifs.probabilities, motifs.to_dict()["outlier_score"]
        self._read[number] = state, Assigned.of(*known, level, self.orientations[number])
        return self._read[number][1]

    # ------------------------------------------------------------------ what was found

    @property
    def model(self) -> MotifModel:
        """The model, with its method ``save``. Its moments are those of the reference orientation."""
        return self._model

    @property
    def images(self) -> list[str]:
        """Names of the images: their titles, with numbers where they repeat; others can be set."""
        return list(self._titles)

    @images.setter
    def images(self, names: Sequence[str]) -> None:
        if len(names) != len(self):
            raise ValueError(f"{len(names)} names were given for {len(self)} images.")
        self._titles = unique_names([str(name) for name in names])

    @property
    def n_motifs(self) -> int:
        """Number of motifs in all images together."""
        return max(len(self._assigned(number).doubt) for number in range(len(self)))

    @property
    def names(self) -> list[str]:
        """Name of each motif: the one given with :meth:`relabel`, else its number."""
        given: dict[int, str] = {} if self._saved is None else self._saved.names_of_motifs
        for motifs in self if self._saved is None else ():
            given.update({k: name for k, name in enumerate(motifs.names) if name != str(k)})
        return [given.get(k, str(k)) for k in range(self.n_motifs)]

    def relabel(self, names: Mapping[int, str]) -> None:
        """Name motifs in all images, as ``{0: "Mo", 1: "Se2"}``.

        Raises
        ------
        ValueError
            If there is no such motif; no image is changed then.
        """
        wrong = [k for k in names if k not in range(self.n_motifs)]
        if wrong:
            raise ValueError(
                f"There is no motif {', '.join(map(repr, wrong))}; motifs are 0 to {self.n_motifs - 1}."
            )
        for number, motifs in enumerate(self):
            # A rare motif need not occur in every image.
            present = {k: name for k, name in names.items() if k < motifs.n_motifs}
            if present:
                motifs.relabel(present)
                if self._saved is not None:
                    self._saved.rewrite(number)
        if self._saved is not None:
            self._saved.names_of_motifs = {**self._saved.names_of_motifs, **names}

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of atoms of each motif in each image, shape (images, n_motifs)."""
        self._warn_of_edits()
        n = self.n_motifs
        return np.array(
            [np.bincount(self._assigned(number).labels, minlength=n) for number in range(len(self))]
        )

    @property
    def count_errors(self) -> NDArray[np.float64]:
        """Standard errors of `counts`, shape (images, n_motifs).

        Two independent parts: the counts of another field of the same specimen would differ as those of independent atoms
        (binomial), and atoms are assigned with a probability.
        """
        counts, n = self.counts.astype(float), self.n_motifs
        each = [self._assigned(number).doubt for number in range(len(self))]
        doubt = np.array([np.pad(one, (0, n - len(one))) for one in each])
        return np.sqrt(counts * (1 - counts / counts.sum(axis=1, keepdims=True)) + doubt)

    @property
    def fractions(self) -> NDArray[np.float64]:
        """`counts` divided by the atoms of the image, shape (images, n_motifs)."""
        counts = self.counts
        return counts / counts.sum(axis=1, keepdims=True)

    def cautions(self) -> list[str]:
        """What may make the counts meaningless, a sentence each: images without common motifs, or with other atoms in them."""
        n = self.n_motifs
        each = [self._assigned(number).unlike for number in range(len(self))]
        unlike = np.array([np.pad(one, (0, n - len(one))) for one in each])
        return find_cautions(self._titles, self.counts, unlike)

    def summary(self) -> str:
        """The images and their motifs as lines of text, after what makes them doubtful."""
        counts, names = self.counts, self.names
        lines = [
            *(f"caution: {line}" for line in self.cautions()),
            f"{len(self)} images, {counts.sum():,} atoms, {self.n_motifs} motifs of one model "
            f"(radius {store.radius_words(self._model.radius, self._model.facts, self._model.units)})",
        ]
        width = max(len(title) for title in self._titles)
        # An image of another structure or detector has most of its atoms in such motifs.
        alone = counts[:, np.count_nonzero(counts, axis=0) == 1].sum(axis=1)
        for k, (title, row) in enumerate(zip(self._titles, counts, strict=True)):
            angle, mirrored = self.orientations[k]
            by = signed_degrees(angle, 1) if np.isfinite(angle) else "0.0"
            turned = (
                f"  turned by {by}°{' and mirrored' if mirrored else ''}" if by != "0.0" or mirrored else ""
            )
            shares = ", ".join(f"{name}: {n:,}" for name, n in zip(names, row, strict=True) if n)
            own = f"  {alone[k]:,} in motifs of this image alone" if alone[k] else ""
            lines.append(f"  {title:<{width}}  {row.sum():7,} atoms  {shares}{turned}{own}")
        return "\n".join(lines)

    # ------------------------------------------------------------------ comparisons

    def compare(
        self,
        groups: Sequence[object] | None = None,
        *,
        reference: object = None,
        what: Sequence[str] = FAMILIES,
    ) -> GroupComparison:
        """Compare the frequencies of motifs, vacancies, cells and bonds in groups of images.

        Parameters
        ----------
        groups : sequence, length images
            Group of each image, such as ``["before", "before", "after", "after"]``. It must be given.
        reference : optional
            The group that the others are compared with; the first by default.
        what : sequence of {"motif", "vacancy", "cell", "bond"}
            Atoms of each motif among all atoms; empty sites among all sites of a motif; cells of each sequence of corners
            among all cells; bonds between two motifs among all bonds.

        Returns
        -------
        GroupComparison
            With effect sizes and corrected p-values over all rows; ``print`` shows what was assumed of the images, and what
            differs. Images are the samples, not atoms (:func:`~hyperspy_motifs.collection.compare_groups`). Those that
            show one field, repeated or cropped, are one sample together.

        Raises
        ------
        ValueError
            If there are fewer than two groups, or not more images than groups.
        """
        if isinstance(what, str) or not what or set(what) - set(FAMILIES):
            raise ValueError(f"what is {what!r}; expected a list of {', '.join(FAMILIES)}.")
        if groups is None:
            images = ", ".join([*self.images[:4], *(["..."] if len(self) > 4 else [])])
            raise ValueError(
                f"Give the group of each of the {len(self)} images ({images}) in their order: collection.compare(['before', "
                "..., 'after'])."
            )
        self._check(groups)
        self._warn_of_edits()
        # Motifs with equal names stay two.
        families, names, counts, totals, fields = count_units(self, what, unique_names(self.names))
        shared = shared_fields(fields, self._titles)
        rows, of_sample = shared.samples(groups)
        found = compare_groups(
            shared.merged(counts, rows),
            shared.merged(totals, rows),
            of_sample,
            reference=reference,
            names=names,
            families=families,
        )
        return replace(found, assumptions=tuple(shared.notes(groups)))

    def _warn_of_edits(self) -> None:
        """Warn of images whose motifs were merged or split alone, which gives them numbers of their own."""
        edited = [
            title
            for number, (title, labels) in enumerate(zip(self._titles, self._labels, strict=True))
            if not np.array_equal(self._assigned(number).labels, labels)
        ]
        if edited:
            warnings.warn(
                f"Motifs of {', '.join(edited)} were edited since the collection was made: their numbers may differ from those "
                "of the other images. motifs.edit.undo() takes the last edit back.",
                stacklevel=3,
            )

    def _check(self, groups: Sequence[object]) -> None:
        """Refuse groups that are not one for each image."""
        if isinstance(groups, str) or not isinstance(groups, Sequence | np.ndarray):
            raise ValueError(f"groups is {groups!r}; expected a list with the group of each image.")
        if len(groups) != len(self):
            raise ValueError(f"{len(groups)} groups were given for {len(self)} images.")

    @property
    def similarity(self) -> NDArray[np.float64]:
        """Distances between images by their motifs, shape (images, images).

        Hellinger distance of the fractions of the motifs, from 0 for equal ones to 1 for images without a common motif.
        """
        root = np.sqrt(self.fractions)
        overlap = np.clip(root @ root.T, 0.0, 1.0)
        np.fill_diagonal(overlap, 1.0)
        return np.sqrt(1 - overlap)

    @property
    def graph(self) -> MotifGraph:
        """Atoms, cells and larger units of all images as one graph, with the images as its highest level.

        See :func:`hyperspy_motifs.graph.join_graphs`. ``graph.find(level="atom", image=2)`` finds the atoms of an image.
        """
        from hyperspy_motifs.graph import join_graphs

        self._warn_of_edits()
        return join_graphs([motifs.graph for motifs in self], self._titles)

    # ------------------------------------------------------------------ tables and figures

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row for each image and motif: image, motif, name, count, error, fraction."""
        n_images, n = len(self), self.n_motifs
        return {
            "image": np.repeat(np.array(self._titles), n),
            "motif": np.tile(np.arange(n), n_images),
            "name": np.tile(np.array(self.names), n_images),
            "count": self.counts.ravel(),
            "error": self.count_errors.ravel(),
            "fraction": self.fractions.ravel(),
        }

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the columns of :meth:`to_dict` to a file of comma-separated values."""
        return write_csv(self.to_dict(), path)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        groups: Sequence[object] | None = None,
        title: str | None = None,
    ) -> Path:
        """Write one HTML file with the frequencies, the comparison of groups, and all images.

        Parameters
        ----------
        path : path
        groups : sequence, length images, optional
            Compared as by :meth:`compare`.
        title : str, optional

        Returns
        -------
        pathlib.Path
        """
        return write_report(self, path, groups, title)

    def plot_populations(self, *, groups: Sequence[object] | None = None, ax: Axes | None = None) -> Axes:
        """Draw the fraction of each motif in each image, with error bars.

        Parameters
        ----------
        groups : sequence, length images, optional
            Images are sorted by their group, which is written below.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_image_populations

        if groups is not None:
            self._check(groups)
        errors = self.count_errors / self.counts.sum(axis=1, keepdims=True)
        return plot_image_populations(self.fractions, errors, self.names, self._titles, groups=groups, ax=ax)

    def plot_similarity(self, *, groups: Sequence[object] | None = None, ax: Axes | None = None) -> Axes:
        """Draw a map of the images: near to each other are images with like fractions of motifs.

        Classical multidimensional scaling of :attr:`similarity`.

        Parameters
        ----------
        groups : sequence, length images, optional
            Drawn in one colour each.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_image_map

        if groups is not None:
            self._check(groups)
        return plot_image_map(_scaled(self.similarity), self._titles, groups=groups, ax=ax)


def open_collection(images: Sequence[BaseSignal] | str | os.PathLike[str]) -> MotifCollection:
    """Return the collection of images that already have motifs of one model, without a new analysis.

    These are images of :func:`find_motifs`, saved and loaded again, and others to which the model of the collection was applied
    (:meth:`AtomicImage.apply_model <hyperspy_motifs.signals.AtomicImage.apply_model>`), also after an update of the model.

    Parameters
    ----------
    images : sequence of AtomicImage or path, or the path of a folder
        A folder is one that ``find_motifs(images, results=folder)`` wrote; its images are read when they are asked for.

    Returns
    -------
    MotifCollection
        In the order of `images`. The orientation of an image to which the model was applied later is NaN.

    Raises
    ------
    ValueError
        If an image has no motifs, or those of another model; the message names it.

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> images = [hm.data.monolayer(shape=(160, 192), rotation=a, random_state=k)[0] for k, a in enumerate((0, 20))]
    >>> collection = hm.find_motifs(images, show_progressbar=False)
    >>> (hm.open_collection(images).counts == collection.counts).all()
    np.True_
    """
    from hyperspy_motifs.clustering import to_state
    from hyperspy_motifs.models import from_bytes

    if isinstance(images, str | os.PathLike):
        saved = SavedImages.of_folder(images)
        model = cast("tuple[MotifModel, Any]", saved.kept_model())[0]
        return MotifCollection(saved, model, names=saved.names, orientations=saved.orientations())
    signals = store.open_images(several(images))
    models, states, turned = [], [], []
    for number, signal in enumerate(signals):
        name = f"Image {number} ({store.title_of(signal)})"
        if not store.has_result(signal):
            raise ValueError(
                f"{name} has no motifs: hyperspy_motifs.find_motifs([...]) finds those of all images."
            )
        record = store.read(signal)
        if record.parameters.get("learned") not in ("collection", "model") or record.model is None:
            raise ValueError(
                f"{name} has motifs of its own, not of the model of a collection: analyse all images with "
                "hyperspy_motifs.find_motifs([...]), or apply the model to it with apply_model(collection.model)."
            )
        models.append(from_bytes(record.model))
        extensions = ({**to_state(one.model.classifier), "": one.numbers} for one in models[-1].extensions)
        states.append([to_state(models[-1].classifier), *extensions])
        # A model that was updated has the numbers of the one before.
        for first, last in zip(states[0], states[-1], strict=False):
            if last.keys() != first.keys() or not all(np.array_equal(last[k], first[k]) for k in first):
                raise ValueError(
                    f"{name} has motifs of another model than image 0 ({store.title_of(signals[0])})."
                )
        angle, mirrored = record.parameters.get("orientation", (np.nan, False))
        turned.append((float(angle), bool(mirrored)))
    grown = max(models, key=lambda one: len(one.extensions))
    return MotifCollection(signals, grown, names=[store.title_of(s) for s in signals], orientations=turned)


def _scaled(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions (n, 2) by classical multidimensional scaling of distances (n, n).

    Torgerson, Psychometrika 17, 401 (1952).
    """
    n = len(distances)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    axes = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0))
    # The sign of an eigenvector is arbitrary: the largest entry is positive.
    return np.asarray(axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] + 1e-300))

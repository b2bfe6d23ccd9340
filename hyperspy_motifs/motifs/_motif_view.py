from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.exchange import AtomColumns

from ._described import IdentifiedMotifs, Score
from ._levels import make_graph, make_hierarchy
from ._views import ManifoldView, MotifsAtRadius

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.clustering import MotifTree, Stability, TurnedMotif
    from hyperspy_motifs.defects import Defects
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.hierarchy import Hierarchy
    from hyperspy_motifs.manifold import Continuity
    from hyperspy_motifs.occupancy import Sites
    from hyperspy_motifs.pipeline import ImageQuality
    from hyperspy_motifs.signals import AtomicImage, AtomPatches, ZernikeFeatures

_T = TypeVar("_T")


class MotifView(AtomColumns):
    """Read access of :class:`~hyperspy_motifs.motifs.Motifs` to the stored result, which is read again after every edit."""

    def __init__(self, signal: AtomicImage) -> None:
        self._shown = signal
        self._held = store.held(signal)
        self._seen: tuple[object, ...] = ()
        self._cache: dict[str, Any] = {}
        self._refresh()

    @property
    def _signal(self) -> AtomicImage:
        """The image with this result. Once another result has taken its place there, a copy that shares the pixels."""
        if not store.is_same(self._held, store.held(self._shown)):
            self._shown = store.holding(self._shown, self._held)
        return self._shown

    def _refresh(self) -> store.Record:
        signal = self._signal
        now = store.state(signal)
        if now != self._seen:
            self._record = store.read(signal)
            self._held, self._seen = store.held(signal), now
            self._cache.clear()
        return self._record

    def _cached(self, name: str, make: Callable[[], _T]) -> _T:
        self._refresh()
        if name not in self._cache:
            self._cache[name] = make()
        found: _T = self._cache[name]
        return found

    def _with_atoms(self) -> Self:
        """These motifs, for what has no meaning without atoms.

        Raises
        ------
        ValueError
            If there are none, as in a crop of vacuum.
        """
        if not len(self._refresh().labels):
            raise ValueError(
                "There are no atoms in this part of the image. Take a part with atoms, or call find_motifs() on this one."
            )
        return self

    # ------------------------------------------------------------------ the atoms

    @property
    def signal(self) -> AtomicImage:
        """The image that the motifs belong to; a copy with the same pixels once ``find_motifs`` has been called on it again."""
        return self._signal

    @property
    def detectors(self) -> list[AtomicImage]:
        """The image, and those of the further detectors with which the motifs were found, in the order of the features.

        Raises
        ------
        ValueError
            If the images of further detectors were not kept, because they are large or lazy, or the image was resampled.
        """
        from hyperspy_motifs.pipeline import detectors_of

        found = detectors_of(self._signal, self._refresh())
        if found is None:
            raise ValueError(
                "The images of the further detectors were not kept with the result: they are large or lazy, or the image was "
                "resampled since then. Use the images that were given to find_motifs."
            )
        return found

    @property
    def positions(self) -> np.ndarray:
        """Positions of the atoms, shape (n, 2): x, y in axis units."""
        return self._refresh().positions

    @property
    def quality(self) -> ImageQuality:
        """Problems found in the image, and their treatment (:class:`~hyperspy_motifs.pipeline.ImageQuality`)."""
        from hyperspy_motifs.pipeline import ImageQuality

        return ImageQuality.from_dict(self._refresh().parameters.get("quality", {}))

    @property
    def pixel_positions(self) -> np.ndarray:
        """Positions of the atoms, shape (n, 2): column, row in pixels, pixel centres at integers."""
        record = self._refresh()
        return record.stamp.to_pixels(record.positions) * self._pixel_scale()

    def _pixel_scale(self) -> np.ndarray:
        """Return the number of pixels per pixel of the stored stamp, which refers to square pixels, along x and y."""
        if not store.is_oblong(self._signal):
            return np.ones(2)
        own = [abs(float(axis.scale)) for axis in self._signal.axes_manager.signal_axes]
        return np.abs(self._refresh().stamp.scale) / own

    @property
    def sites(self) -> Sites:
        """All sites, occupied or empty (:class:`~hyperspy_motifs.occupancy.Sites`).

        A site is a place at which the structure repeats. The atoms are the occupied ones; an empty one is a vacancy.
        """
        from hyperspy_motifs.pipeline import sites_of_record

        return self._cached("sites", lambda: sites_of_record(self._refresh(), self._pixel_scale()))

    @property
    def frames(self) -> np.ndarray:
        """Flat index of the frame of each atom (C order of the navigation shape), shape (n,); 0 for a single image."""
        return self._refresh().frames

    @property
    def units(self) -> str:
        """Units of `positions`; "px" for an image without calibration, "axis units" for a scale without a unit."""
        return self._refresh().stamp.units

    @property
    def labels(self) -> np.ndarray:
        """Motif of each atom, shape (n,); 0 is the most frequent."""
        return self._refresh().labels

    @property
    def probabilities(self) -> np.ndarray:
        """Certainty of the motif of each atom, shape (n,), 0 to 1. Every atom has a motif; uncertain ones have a low value."""
        return self._refresh().probabilities

    @property
    def truncated(self) -> np.ndarray:
        """Whether the disc of each atom at the chosen radius is cut by the border of the image, shape (n,).

        The surroundings of such an atom are only partly visible. Use ``labels[~truncated]`` to count complete ones.
        """
        from hyperspy_motifs.pipeline import has_whole_disc, radius_in_pixels

        record = self._refresh()
        return ~has_whole_disc(record, radius_in_pixels(record, self.radius))

    @property
    def angles(self) -> np.ndarray | None:
        """Angle of each atom relative to the mean of its motif, shape (n,), radians from x towards y.

        None unless the motifs were found with ``rotation_invariant=True``.
        """
        return self._refresh().atoms.get("motif_angle")

    @property
    def n_motifs(self) -> int:
        """Number of motifs."""
        return len(self.counts)

    @property
    def counts(self) -> np.ndarray:
        """Number of atoms of each motif, shape (n_motifs,)."""
        return np.bincount(self.labels)

    @property
    def names(self) -> list[str]:
        """Name of each motif: the one given with ``motifs.relabel``, else its number."""
        given = self._refresh().names
        return [given.get(i, str(i)) for i in range(self.n_motifs)]

    @property
    def parameters(self) -> dict[str, Any]:
        """Requested options and estimated values, by name."""
        return dict(self._refresh().parameters)

    # ------------------------------------------------------------------ radii, layout, features

    @property
    def radii(self) -> tuple[float, ...]:
        """Radii at which motifs were found, in nearest-neighbour distances."""
        return tuple(float(v) for v in self._refresh().radii)

    @property
    def radius(self) -> float:
        """The radius whose motifs are `labels`."""
        return self.radii[self._refresh().chosen]

    def at(self, radius: float) -> MotifsAtRadius:
        """Motifs, layout and features at one of `radii`, in nearest-neighbour distances."""
        return MotifsAtRadius(self, self._radius_index(radius))

    def labels_at(self, radius: float) -> np.ndarray:
        """Motif of each atom at one of `radii`, shape (n,)."""
        return self.at(radius).labels

    @property
    def layout(self) -> np.ndarray:
        """Force-relaxed layout of the atoms at the chosen radius, shape (n, 2)."""
        return self._refresh().layouts[self._refresh().chosen]

    @property
    def features(self) -> ZernikeFeatures:
        """Zernike features of the atoms at the chosen radius; navigation axis: atoms, in the order of `labels`."""
        return self._cached("features", self._calibrated_features)

    def _calibrated_features(self) -> ZernikeFeatures:
        from hyperspy_motifs.pipeline import features_at

        record = self._refresh()
        stamp = record.stamp
        if record.features is None:
            # The features of a large stack are not stored.
            return features_at(self._signal, record, self.radius)
        return record.features.calibrated(record.stretch, abs(stamp.scale[0]), stamp.units)

    @property
    def patches(self) -> AtomPatches:
        """The disc around each atom at the chosen radius; navigation axis: atoms, in the order of `labels`."""
        from hyperspy_motifs.pipeline import patches_of_record

        return self._cached("patches", lambda: patches_of_record(self._signal, self._refresh()))

    @property
    def means(self) -> AtomPatches:
        """Mean patch of each motif; navigation axis: motifs. Patches of rotation-invariant motifs are rotated first."""
        from hyperspy_motifs.pipeline import means_of_record

        return self._cached("means", lambda: means_of_record(self._signal, self._refresh()))

    @property
    def symmetries(self) -> list[str]:
        """Point group of the mean patch of each motif: 1, m, 2, 2mm, 3, 3m, 4, 4mm, 6 or 6mm.

        A symmetry is reported if the correlation of the mean with its copies under the symmetry is 0.85 or more, corrected for
        noise. It is the symmetry of the projection within the disc of the chosen radius. Scan distortion lowers it.
        """
        return self._symmetries()[0]

    def _symmetries(self) -> tuple[list[str], list[Score]]:
        from ._described import symmetries

        return self._cached("symmetries", lambda: symmetries(self))

    def _turned(self) -> list[TurnedMotif]:
        """Motifs that are others in another orientation; none of a continuum, of a stack, and where motifs have any."""
        from hyperspy_motifs.clustering import CONSTANTS, turned_motifs

        options = self.parameters["options"]
        if options.get("rotation_invariant") or self.is_continuous or len(np.unique(self.frames)) > 1:
            return []
        moments = self.features.of_detector(0).get_moments()
        return self._cached(
            "turned",
            lambda: turned_motifs(moments, self.labels, float(options.get("alpha", CONSTANTS.alpha))),
        )

    @property
    def tree(self) -> MotifTree:
        """The tree of the splits of motifs from radius to radius; ``tree.cut(k)`` gives labels of k motifs."""
        from hyperspy_motifs.clustering import MotifTree

        stored = self._refresh().tree
        return MotifTree(**{"leaf_of" if k == "atom_leaf" else k: v for k, v in stored.items()})

    @property
    def is_continuous(self) -> bool:
        """Whether surroundings change continuously, so that classes would be arbitrary and motifs are regions."""
        return bool(self._refresh().parameters.get("continuous", False))

    @property
    def continuity(self) -> Continuity | None:
        """Whether the atoms form classes, with the certainty of the answer, for all atoms and for each motif.

        All radii that reach the neighbours are used. A radius of 1.2 nearest-neighbour distances is added if no other radius
        contains only the neighbours. The smallest of these radii gives
        the variation of the surroundings. All of them give the number of dimensions.

        Returns
        -------
        hyperspy_motifs.manifold.Continuity
        """
        from hyperspy_motifs.pipeline import available_radii, estimate, source_of

        record = self._with_atoms()._refresh()
        return self._cached(
            "continuity",
            lambda: estimate(source_of(self._signal, record), available_radii(record), record.labels),
        )

    @property
    def manifold(self) -> ManifoldView:
        """The atoms as points of a continuum: coordinates, topology, disorder, moiré."""

        return self._cached("manifold", lambda: ManifoldView(self._signal, self._with_atoms()._refresh()))

    def _radius_index(self, radius: float) -> int:
        radii = np.array(self.radii)
        close = np.flatnonzero(np.isclose(radii, float(radius)))
        if not len(close):
            raise ValueError(f"There is no radius {radius}; the radii of these motifs are {self.radii}.")
        return int(close[0])

    @property
    def cells(self) -> Cells:
        """The polygons of the tiling by the atoms, in axis units (:class:`~hyperspy_motifs.cells.Cells`)."""
        from hyperspy_motifs.pipeline import cells_of_record

        return self._cached("cells", lambda: cells_of_record(self._signal, self._refresh()))

    @property
    def graph(self) -> MotifGraph:
        """Atoms, cells, domains and their types as one networkx graph (:class:`~hyperspy_motifs.graph.MotifGraph`)."""
        return self._cached("graph", lambda: make_graph(self))

    @property
    def hierarchy(self) -> Hierarchy | None:
        """The levels above the cells (:class:`~hyperspy_motifs.hierarchy.Hierarchy`).

        That of a stack has the nodes of all frames, with common classes and the column ``frame``; ``stack.inav[k].motifs`` has
        that of one frame. None if there are no cells.
        """
        return self._cached("hierarchy", lambda: make_hierarchy(self))

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain columns, one row per atom, ready for ``pandas.DataFrame`` or a CSV file."""
        from hyperspy_motifs.exchange import flat_columns

        record = self._refresh()
        names = np.array(self.names)
        out = {
            "x": record.positions[:, 0],
            "y": record.positions[:, 1],
            "frame": record.frames,
            "motif": record.labels,
            "name": names[record.labels],
            "probability": record.probabilities,
            "truncated": self.truncated,
        }
        for radius in self.radii:
            out[f"motif_at_{radius:g}"] = self.labels_at(radius)
        return out | flat_columns(record.atoms)

    @property
    def defects(self) -> Defects:
        """What departs from the frequent motifs, each place once (:class:`~hyperspy_motifs.defects.Defects`).

        Empty sites, atoms of motifs that are rare on their sites, and single outliers (:meth:`find_outliers`), at a false
        discovery rate of 5 %. It is computed when it is first read (or printed, for a single image), and stored with the
        image. From then on the nodes of ``motifs.graph`` have the attributes ``defect`` and ``q_value``. Atoms of a boundary
        are compared with each other: its structure is no point defect.
        """
        return self._cached("defects", self._find_defects)

    def get_stability(self, n_seeds: int = 5) -> Stability:
        """Agreement of these motifs with those of other random seeds.

        The layout and the splits are repeated with ``n_seeds`` other values of ``random_state``. Each run takes as
        long as ``find_motifs`` without the search for atoms.

        Parameters
        ----------
        n_seeds : int, optional
            Two or more.

        Returns
        -------
        hyperspy_motifs.clustering.Stability
            ``mean_agreement`` of the runs, 1 if all are equal; ``motifs``, the agreement of each current motif;
            ``atoms``, the fraction of runs with the same motif for each atom.

        Raises
        ------
        ValueError
            If there are no atoms, or the motifs were not found in this image alone: fitted to a sample of a stack, or
            assigned by a model; or in several detectors, whose images were too large to be kept.
        """
        from hyperspy_motifs.clustering import estimate_stability
        from hyperspy_motifs.pipeline import labels_by_seed

        record = self._with_atoms()._refresh()
        return estimate_stability(record.labels, labels_by_seed(self._signal, record, n_seeds))

    def reconstruct(self) -> AtomicImage:
        """The image reconstructed from the mean patches of the motifs.

        The residual (``s - motifs.reconstruct()``) contains noise and structure that the motifs do not explain. It is
        a map of anomalies.

        Returns
        -------
        AtomicImage
            NaN far from all atoms.

        Raises
        ------
        ValueError
            If there are no atoms.
        """
        from hyperspy_motifs.pipeline import reconstruct

        return reconstruct(self._signal, self._with_atoms()._refresh())

    def _find_defects(self) -> Defects:
        from hyperspy_motifs.pipeline import find_defects, keep_defects

        defects = self._stored_defects()
        if defects is None:
            record = self._refresh()
            defects = keep_defects(self._signal, record, find_defects(self._signal, record, self.sites))
            # The graph marks them from now on.
            self._cache.pop("graph", None)
        return defects

    @property
    def identification(self) -> IdentifiedMotifs:
        """The last result of :meth:`Motifs.identify`, stored with the image.

        Raises
        ------
        ValueError
            If the atoms were not identified, or have changed since then.
        """
        found = self._identification()
        if found is None:
            raise ValueError(
                "These atoms were not identified, or have changed since then. Call motifs.identify with a structure, such as "
                'motifs.identify("MoSe2").'
            )
        return found

    def _identification(self) -> IdentifiedMotifs | None:
        from hyperspy_motifs.pipeline import stored_identification

        def read() -> IdentifiedMotifs | None:
            stored = stored_identification(self._signal, self._refresh())
            return None if stored is None else IdentifiedMotifs.of(stored, self)

        return self._cached("identification", read)

    def _stored_defects(self) -> Defects | None:
        """The defects if they have been looked for; in a stack that takes a while."""
        from hyperspy_motifs.pipeline import stored_defects

        return stored_defects(self._signal, self._refresh())

    def _known_outliers(self) -> np.ndarray:
        """Rows of the atoms that are single outliers, if the defects have been looked for."""
        from hyperspy_motifs.defects import ANOTHER

        defects = self._stored_defects()
        if defects is None:
            return np.empty(0, dtype=np.intp)
        return defects.atoms[(defects.atoms >= 0) & (defects.kinds != ANOTHER)]

    def _image(self, frame: int) -> tuple[np.ndarray, dict[str, Any]]:
        from hyperspy_motifs.draw import image_extent
        from hyperspy_motifs.pipeline import frame as image_of_frame

        stamp = self._refresh().stamp
        image = np.asarray(image_of_frame(self.signal, frame), float)
        return image, {"extent": image_extent(image.shape, stamp.scale, stamp.offset), "units": stamp.units}

    def _class_pictures(self) -> dict[str, np.ndarray]:
        from hyperspy_motifs.pipeline import class_pictures

        return self._cached("pictures", lambda: class_pictures(self._signal, self._refresh(), self.graph))

    def _check_motifs(self, motifs: Sequence[int]) -> list[int]:
        chosen = list(dict.fromkeys(int(m) for m in motifs))
        wrong = [m for m in chosen if not 0 <= m < self.n_motifs]
        if wrong or not chosen:
            raise ValueError(f"There is no motif {wrong or motifs}; motifs are 0 to {self.n_motifs - 1}.")
        return chosen

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.clustering import MotifTree
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.hierarchy import Hierarchy
    from hyperspy_motifs.occupancy import Sites
    from hyperspy_motifs.pipeline import ImageQuality
    from hyperspy_motifs.signals import AtomicImage, AtomPatches, ZernikeFeatures

    from ._manifold_view import ManifoldView


class MotifView:
    """Read access of :class:`~hyperspy_motifs.motifs.Motifs` to the stored result, which is read again after every edit."""

    def __init__(self, signal: AtomicImage) -> None:
        self._signal = signal
        self._seen: tuple[Any, ...] = ()
        self._cache: dict[str, Any] = {}
        self._refresh()

    def _refresh(self) -> store.Record:
        signal = self._signal
        now = (store.edition(signal), store.Stamp.of(signal), store.pixels_key(signal))
        if now != self._seen:
            self._record = store.read(signal)
            self._seen = now
            self._cache.clear()
        return self._record

    def _cached(self, name: str, make: Callable[[], Any]) -> Any:
        self._refresh()
        if name not in self._cache:
            self._cache[name] = make()
        return self._cache[name]

    # ------------------------------------------------------------------ the atoms

    @property
    def signal(self) -> AtomicImage:
        """The image that the motifs belong to."""
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
        """Units of `positions`; "px" for an image without calibration."""
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
        """Name of each motif: the one given with :meth:`relabel`, else its number."""
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

    def labels_at(self, radius: float) -> np.ndarray:
        """Motif of each atom at one of `radii`, shape (n,)."""
        return self._refresh().radius_labels[self._radius_index(radius)]

    def probabilities_at(self, radius: float) -> np.ndarray:
        """Certainty of the motif of each atom at one of `radii`, shape (n,), 0 to 1."""
        return self._refresh().radius_probabilities[self._radius_index(radius)]

    @property
    def layout(self) -> np.ndarray:
        """Force-relaxed layout of the atoms at the chosen radius, shape (n, 2)."""
        return self._refresh().layouts[self._refresh().chosen]

    def layout_at(self, radius: float) -> np.ndarray:
        """Force-relaxed layout of the atoms at one of `radii`, shape (n, 2)."""
        return self._refresh().layouts[self._radius_index(radius)]

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

    def features_at(self, radius: float) -> ZernikeFeatures:
        """Zernike features of the atoms at one of `radii`."""
        from hyperspy_motifs.pipeline import features_at

        if self._radius_index(radius) == self._refresh().chosen:
            return self.features
        return features_at(self._signal, self._refresh(), radius)

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

    def _symmetries(self) -> Any:
        from ._mean_symmetry import symmetries

        return self._cached("symmetries", lambda: symmetries(self))

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
    def continuity(self) -> Any:
        """Whether the atoms form classes, with the certainty of the answer, for all atoms and for each motif.

        All radii that reach the neighbours are used. A radius of 1.2 nearest-neighbour distances is added if no other radius
        contains only the neighbours. The smallest of these radii gives
        the variation of the surroundings. All of them give the number of dimensions.

        Returns
        -------
        hyperspy_motifs.manifold.Continuity
        """
        from hyperspy_motifs.pipeline import available_radii, estimate, source_of

        record = self._refresh()
        return self._cached(
            "continuity",
            lambda: estimate(source_of(self._signal, record), available_radii(record), record.labels),
        )

    @property
    def manifold(self) -> ManifoldView:
        """The atoms as points of a continuum: coordinates, topology, disorder, moiré."""
        from ._manifold_view import ManifoldView

        return self._cached("manifold", lambda: ManifoldView(self._signal, self._refresh()))

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
        return self._cached("graph", self._make_graph)

    def _make_graph(self) -> MotifGraph:
        from hyperspy_motifs.graph import MotifGraph
        from hyperspy_motifs.pipeline import stored_defects

        record, signal = self._refresh(), self._signal
        graph = MotifGraph.from_arrays(
            positions=record.positions,
            labels=record.labels,
            probabilities=record.probabilities,
            cells=self.cells if len(self.cells) else None,
            hierarchy=self.hierarchy,
            names=self.names,
            units=record.stamp.units,
            frames=record.frames if len(np.unique(record.frames)) > 1 else None,
        )
        self._describe_vacancies(graph)
        graph.canvas = lambda: _canvas(signal)
        defects = stored_defects(signal, record)
        if defects is not None:
            graph.add_defects(
                defects.atoms, defects.positions, defects.kinds, defects.q_values, defects.spacing
            )
        self._describe_species(graph)
        for description in self._cache.get("descriptions", ()):
            graph.nodes[f"motif:{description.motif}"]["description"] = description.text
        return graph

    def _describe_species(self, graph: MotifGraph) -> None:
        """Add the names of an identification to a graph; there is none here."""

    def _describe_vacancies(self, graph: MotifGraph) -> None:
        """Add to the vacancies of a graph the motif that is missing, and the probability that the site is occupied."""
        for j, site in enumerate(self._sites_of_corners().tolist()):
            if site >= 0:
                missing = f"motif:{self.sites.expected_motifs[site]}"
                graph.nodes[f"vacancy:{j}"].update(
                    missing=missing, probability=float(self.sites.probability[site])
                )

    def _sites_of_corners(self) -> np.ndarray:
        """Row in `sites` of each of ``cells.empty_sites``; -1 for none."""
        from scipy.spatial import cKDTree

        empty, vacant = self.cells.empty_sites, np.flatnonzero(self.sites.vacant)
        if not len(empty) or not len(vacant):
            return np.full(len(empty), -1)
        distance, nearest = cKDTree(self.sites.positions[vacant]).query(empty)
        return np.where(distance < 1e-6 * float(np.ptp(self.sites.positions)), vacant[nearest], -1)

    def _missing_motifs(self) -> np.ndarray:
        """Motif that is missing at each of ``cells.empty_sites``; -1 where it is unknown."""
        sites = self._sites_of_corners()
        return np.append(self.sites.expected_motifs, -1)[sites]

    @property
    def hierarchy(self) -> Hierarchy | None:
        """The levels above the cells (:class:`~hyperspy_motifs.hierarchy.Hierarchy`).

        None for a stack of images, whose frames have no common field, and if there are no cells.
        """
        return self._cached("hierarchy", self._make_hierarchy)

    def _make_hierarchy(self) -> Hierarchy | None:
        from hyperspy_motifs.hierarchy import HierarchyOptions, build_hierarchy

        record = self._refresh()
        if not len(self.cells) or len(np.unique(record.frames)) > 1:
            return None
        found = build_hierarchy(
            record.positions,
            record.labels,
            self.cells,
            names=self.names,
            angles=record.atoms.get("motif_angle"),
            reflected=record.atoms.get("motif_mirrored"),
            options=HierarchyOptions(**record.parameters.get("hierarchy", {})),
            units=record.stamp.units,
        )
        return self._with_moire(found)

    def _with_moire(self, found: Hierarchy) -> Hierarchy:
        """Return the hierarchy with the moiré cells as the top level, if the atoms form a periodic continuum."""
        from hyperspy_motifs.hierarchy import moire_level

        record = self._refresh()
        moire = self.manifold.moire if self.is_continuous else None
        level = None if moire is None else moire_level(moire, record.positions, record.stamp.units)
        if level is None:
            return found
        reason = "The hierarchy ends at the moiré cell: all larger units are translations of it."
        return replace(found, levels=(*found.levels, level), reason=reason)


def _canvas(signal: AtomicImage) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Return the first frame of the image and its extent in axis units."""
    from hyperspy_motifs.draw import image_extent
    from hyperspy_motifs.pipeline import frame

    stamp = store.Stamp.of(signal)
    image = np.asarray(frame(signal, 0), float)
    return image, image_extent(image.shape, stamp.scale, stamp.offset)

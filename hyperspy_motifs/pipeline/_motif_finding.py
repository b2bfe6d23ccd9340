"""Find the ``Motifs`` of an ``AtomicImage``: atoms, moments, layout, motifs, cells, and the record of the result."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.external.progressbar import progressbar

from hyperspy_motifs import store
from hyperspy_motifs.common import FEWEST_ATOMS

from ._atom_finding import find_atoms, given_atoms, quiet, stored_atoms
from ._atom_table import AtomTable, sites_of_given
from ._cell_finding import find_cells
from ._checks import FindOptions, check_arguments
from ._clean_image import CleanFrames, all_detectors, images_to_keep
from ._learning import (
    REACH_OF_NEIGHBOURS,
    Learned,
    SampleLearning,
    apply_to_all,
    is_large,
    learn,
    open_checkpoint,
    order_by_frequency,
    radii_of,
    reference_frame,
    sample_rows,
    spacing_of,
    warn_of_fewer,
)
from ._model_building import AUTO, N_MAX, MomentSource, fitted_motif_model, source_of
from ._patch_extraction import GRID, check_patch_centres, grid_table
from ._quality import measure_quality

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.clustering import MotifTree
    from hyperspy_motifs.stacks import Checkpoint
    from hyperspy_motifs.zernike import Moments


def find_motifs(
    signal: BaseSignal,
    atoms: Any,
    wanted: FindOptions,
    detectors: Any,
    checkpoint: str | PathLike[str] | None,
    show_progressbar: bool | None,
) -> None:
    """Write the motifs of an image or a stack into its metadata; see
    :meth:`hyperspy_motifs.signals.AtomicImage.find_motifs`.
    """
    from hyperspy_motifs.models import to_bytes

    options = check_arguments(signal, wanted, (AUTO,))
    detectors = all_detectors(signal, detectors)
    stamp = store.Stamp.of(signal)
    folder = open_checkpoint(checkpoint, detectors, options)
    meanwhile = SampleLearning(detectors, options)
    clean = CleanFrames(detectors)
    try:
        table, origin = _atoms(signal, atoms, options, folder, show_progressbar, meanwhile.watch, clean)
        if len(table) < FEWEST_ATOMS:
            raise ValueError(
                f"There are {len(table)} atoms, at least {FEWEST_ATOMS} are needed to compare their surroundings. Use a "
                "larger field of view, or give separation= or atoms= if columns were missed."
            )
        large = is_large(signal, table, folder)
        rows = sample_rows(signal, table) if large else np.arange(len(table))
        learned = meanwhile.result() if large else None
    finally:
        meanwhile.cancel()
    if learned is None:
        learned = _learned(clean, table, rows, options, large, show_progressbar)
    repeated = len(learned.labels) < len(rows)
    large |= repeated
    warn_of_fewer(learned, options.n_motifs)
    source, model, chosen, reason = learned.source, learned.model, learned.chosen, learned.reason
    tree, columns = _tree_arrays(model.tree_), dict(table.columns)
    found = {
        "labels": learned.labels,
        "probabilities": learned.probabilities,
        "radius_labels": np.array([model.labels_at_[v] for v in model.radii_]),
        "radius_probabilities": np.array([model.probabilities_at_[v] for v in model.radii_]),
        "layouts": np.array([model.layouts_[v] for v in model.radii_]),
    }
    facts = {
        **table.facts,
        **learned.continuity,
        "options": dataclasses.asdict(options),
        "detectors": len(detectors),
    }
    motif_model = fitted_motif_model(model, source, learned.labels, chosen, stamp, facts, with_anchors=large)
    columns["outlier_score"] = model.outlier_scores_
    if large:
        found = apply_to_all(detectors, table, motif_model, folder, show_progressbar)
        found, motif_model, tree = order_by_frequency(found, motif_model, tree)
        columns["outlier_score"] = found.pop("outlier_score")
        n_learnt, of_frames = len(learned.labels), len(np.unique(table.frames[rows]))
        reason = (
            f"{reason}; learned on {n_learnt} atoms of {of_frames} frames{', each once' if repeated else ''}"
        )
    quality = measure_quality(signal, source, table, clean)
    record = store.Record(
        positions=table.positions,
        frames=table.frames,
        labels=found["labels"],
        probabilities=found["probabilities"],
        radii=np.array(model.radii_),
        radius_labels=found["radius_labels"],
        radius_probabilities=found["radius_probabilities"],
        layouts=found["layouts"],
        chosen=chosen,
        stamp=stamp,
        atoms=columns,
        tree=tree,
        model=to_bytes(motif_model),
        parameters={
            "options": dataclasses.asdict(options),
            "atoms": origin,
            "patch_centres": check_patch_centres(signal, table, clean),
            "spacing": source.spacing * abs(stamp.scale[0]),
            "n_max": int(source.orders[float(model.radii_[chosen])]),
            "orders": {f"{radius:g}": int(source.orders[float(radius)]) for radius in model.radii_},
            "detectors": len(detectors),
            "learned": "sample" if large else "here",
            "reason": reason,
            "quality": quality.as_dict(),
            **{k: v for k, v in table.facts.items() if k != "edited"},
            **learned.continuity,
        },
        detectors=images_to_keep(detectors),
        features=None if large else features_signal(source(float(model.radii_[chosen])), stamp),
        sites=dict(table.sites),
    )
    if options.rotation_invariant and not large:
        record = dataclasses.replace(record, atoms={**record.atoms, **_turns(source, record)})
    record = dataclasses.replace(record, cells=find_cells(record, "auto", None))
    store.write(signal, record)
    if origin != "edited":
        store.remove_atoms(signal)  # those of the motifs take their place
    if quality.one_order:
        warnings.warn(f"{quality.refusals()[-1].capitalize()}.", UserWarning, stacklevel=3)
    if record.parameters["continuous"]:
        warnings.warn(
            "The neighbourhoods of the atoms change gradually: the motifs are regions of a continuum, and their boundaries are "
            "arbitrary. motifs.manifold gives its coordinates.",
            UserWarning,
            stacklevel=3,
        )


def _learned(
    clean: CleanFrames,
    table: AtomTable,
    rows: np.ndarray,
    options: FindOptions,
    large: bool,
    show_progressbar: bool | None,
) -> Learned:
    """Find the motifs of the atoms `rows` of `table` in this process."""
    detectors = clean.signals
    scale = abs(store.Stamp.of(detectors[0]).scale[0])
    spacing = float(table.facts["separation"]) / scale
    n_max, frames = options.n_max, table.frames[rows]
    if large:
        first = table.pixel_positions[rows[frames == reference_frame(frames)]]
        # Bit-identical to the spacing that a worker uses, which has the frames of the sample only.
        spacing = spacing_of(first) if len(first) > 2 else spacing
    source = MomentSource(
        detectors,
        table.pixel_positions[rows],
        frames,
        spacing,
        N_MAX if n_max is None else n_max,
        clean=clean,
    )
    radii = radii_of(options.radius, options.radius_units, spacing * scale)
    with progressbar(total=100, disable=quiet(show_progressbar), desc="Motifs", leave=False) as bar:
        return learn(source, radii, options, lambda done: bar.update(round(100 * done) - bar.n))


def _turns(source: MomentSource, record: store.Record) -> dict[str, np.ndarray]:
    """Return the angle of each atom relative to the mean of its motif, and whether it is the mirror image.

    The angle is measured at a radius that reaches the neighbours, because a single column is round.
    """
    from hyperspy_motifs.zernike import align_classes

    chosen = float(record.radii[record.chosen])
    wide = record.radii[record.radii >= max(chosen, REACH_OF_NEIGHBOURS)]
    moments = source(float(wide[0]) if len(wide) else chosen)
    noise = np.sqrt(np.nanmean(np.asarray(moments.noise_std, float) ** 2, axis=0))
    weights = 1 / np.maximum(noise, 1e-3 * max(float(noise.max()), 1e-30))
    order = {tuple(mode): k for k, mode in enumerate(moments.modes.tolist())}
    partner = [order.get((n, -m), order[n, m]) for n, m in moments.modes.tolist()]
    found = align_classes(
        moments.values, record.labels, moments.modes, weights=(weights + weights[partner]) / 2
    )
    return {"motif_angle": found.angles, "motif_mirrored": found.mirrored}


def features_signal(moments: Moments, stamp: store.Stamp) -> BaseSignal:
    """Return moments as a ``ZernikeFeatures`` signal, of the atoms that have patches: fewer suffice to identify a motif."""
    from hyperspy_motifs.zernike import MIN_COVERAGE

    seen = np.asarray(moments.coverage) >= MIN_COVERAGE
    if not seen.all():
        values = np.where(seen[:, None], moments.values, np.float32(np.nan))
        moments = dataclasses.replace(moments, values=values, valid=moments.valid & seen)
    return store.moments_signal(moments, abs(stamp.scale[0]), stamp.units)


def features_at(signal: BaseSignal, record: store.Record, radius: float) -> BaseSignal:
    """Return the features of a stored result at another of its radii, computed again."""
    return features_signal(source_of(signal, record)(float(radius)), record.stamp)


def moments_of(signal: BaseSignal, record: store.Record, radius: float) -> Moments:
    """Return the moments of a stored result at one of its radii; moments that were not stored are computed again."""
    if record.features is not None and np.isclose(radius, record.radii[record.chosen]):
        return record.features.get_moments()
    return source_of(signal, record)(float(radius))


def split_motif(
    signal: BaseSignal, record: store.Record, motif: int, min_motif_size: int, random_state: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split one motif by a layout of its own at the chosen radius; return the group (from 0) and certainty of each member."""
    from hyperspy_motifs.clustering import CONSTANTS, NestedRadii, check_min_motif_size

    min_motif_size = check_min_motif_size(min_motif_size)
    members = np.flatnonzero(record.labels == motif)
    if len(members) < 2 * min_motif_size:
        raise ValueError(
            f"Motif {motif} has {len(members)} atoms: at least {2 * min_motif_size} are needed to split it."
        )
    radius = float(record.radii[record.chosen])
    moments = moments_of(signal, record, radius).take(members)
    model = NestedRadii(
        radii=radius,
        rotation_invariant=bool(record.parameters["options"]["rotation_invariant"]),
        min_motif_size=min_motif_size,
        alpha=float(record.parameters["options"].get("alpha", CONSTANTS.alpha)),
        random_state=random_state,
    ).fit(lambda _: moments)
    return model.labels_at_[radius], model.probabilities_at_[radius]


def _atoms(
    signal: BaseSignal,
    atoms: Any,
    options: FindOptions,
    folder: Checkpoint | None,
    show_progressbar: bool | None,
    watch: Callable[[int, Any], None],
    clean: CleanFrames,
) -> tuple[AtomTable, str]:
    """Return the atoms to classify, and their origin."""
    separation, polarity, refine = options.separation, options.polarity, options.refine
    if isinstance(atoms, str) and atoms == GRID:
        return grid_table(signal, separation, polarity, show_progressbar), "grid"
    if atoms is not None:
        given = given_atoms(signal, atoms, refine, polarity, True, separation)
        return _with_sites(signal, given, options), "given"
    kept = stored_atoms(signal, of_motifs=False)
    if kept is not None and kept.facts.get("edited"):
        # Stored atoms may have been corrected by hand: a new search would discard the corrections.
        return _with_sites(signal, given_atoms(signal, kept, False, polarity), options), "edited"
    table = find_atoms(
        signal,
        separation,
        show_progressbar,
        folder,
        watch,
        clean,
        options.complete,
        polarity=polarity,
        refine=refine,
    )
    if not len(table.frames):
        raise ValueError(
            "No atoms remain after refinement, so there are no motifs. Set separation= to the distance of neighbours, "
            "polarity= for dark columns, or atoms= to the positions."
        )
    # Radii are multiples of the distance measured from the atoms found, not of the first estimate.
    first = table.pixel_positions[table.frames == table.frames[0]]
    spacing = spacing_of(first) if len(first) > 2 else table.facts["separation"]
    facts = {**table.facts, "separation": spacing * abs(store.Stamp.of(signal).scale[0])}
    return dataclasses.replace(table, facts=facts), "found"


def _with_sites(signal: BaseSignal, table: AtomTable, options: FindOptions) -> AtomTable:
    """Add the sites to atoms that were given."""
    return dataclasses.replace(table, sites=sites_of_given(signal, table)) if options.complete else table


def _tree_arrays(tree: MotifTree) -> dict[str, object]:
    return {
        "parent": tree.parent,
        "radius": tree.radius,
        "size": tree.size,
        "height": tree.height,
        "atom_leaf": tree.leaf_of,
        "merges": tree.merges,
        "base_radius": float(tree.base_radius),
    }

"""From an ``AtomicImage`` to its ``Motifs``: the chain atoms, moments, layout, motifs, cells, and the record of it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from hyperspy.external.progressbar import progressbar

from hyperspy_motifs import store

from ._arguments import FEWEST_OF_A_MOTIF, check_arguments
from ._atom_finding import FEWEST_ATOMS, find_atoms, given_atoms, quiet, stored_atoms
from ._atom_table import AtomTable
from ._cell_finding import find_cells
from ._checks import check_axes
from ._moment_source import AUTO, N_MAX, MomentSource, source_of
from ._patch_sites import grid_table, judge_sites
from ._stack_finding import apply_to_all, is_large, open_checkpoint, order_by_frequency, sample_rows
from ._vocabulary_making import learned_vocabulary

REACH_OF_NEIGHBOURS = 1.1


def find_motifs(
    signal: Any,
    atoms: Any = None,
    *,
    also: Any,
    separation: float | None,
    polarity: str,
    refine: bool | str,
    lens: str | float,
    patch_radius: float | None,
    n_max: int | str | None,
    rotation_invariant: bool,
    n_motifs: int | None,
    min_motif_size: int | None,
    random_state: int,
    checkpoint: Any,
    show_progressbar: bool | None,
) -> Any:
    """See :meth:`hyperspy_motifs.signals.AtomicImage.find_motifs`."""
    from hyperspy_motifs.clustering import LENSES, NestedLenses
    from hyperspy_motifs.motifs import Motifs
    from hyperspy_motifs.vocabulary import to_bytes

    asked = {
        "separation": separation,
        "polarity": polarity,
        "refine": refine,
        "lens": lens,
        "patch_radius": patch_radius,
        "n_max": n_max,
        "rotation_invariant": rotation_invariant,
        "n_motifs": n_motifs,
        "min_motif_size": min_motif_size,
        "random_state": random_state,
    }
    check_arguments(signal, asked, (AUTO,))
    detectors = _detectors(signal, also)
    stamp = store.Stamp.of(signal)
    folder = open_checkpoint(checkpoint, detectors, asked)
    table, origin = _atoms(signal, atoms, separation, polarity, refine, folder, show_progressbar)
    if len(table) < FEWEST_ATOMS:
        raise ValueError(
            f"There are {len(table)} atoms, at least {FEWEST_ATOMS} are needed to compare their surroundings. Use a larger "
            "field of view, or give separation= or atoms= if columns were missed."
        )
    spacing_px = float(table.facts["separation"]) / abs(stamp.scale[0])
    large = is_large(signal, table, folder)
    rows = sample_rows(table) if large else np.arange(len(table))
    source = MomentSource(
        detectors,
        table.pixel_positions[rows],
        table.frames[rows],
        spacing_px,
        N_MAX if n_max is None else n_max,
    )
    lenses = _lenses(LENSES, lens, patch_radius, spacing_px * abs(stamp.scale[0]))
    with progressbar(total=100, disable=quiet(show_progressbar), desc="Motifs", leave=False) as bar:
        model = NestedLenses(
            lenses=lenses,
            rotation_invariant=bool(rotation_invariant),
            n_motifs=n_motifs,
            min_motif_size=min_motif_size,
            random_state=int(random_state),
            progress=lambda done: bar.update(round(100 * done) - bar.n),
        ).fit(source, None if large else source.neighbours())
    chosen, labels, probabilities, reason = _choice(model, lens, n_motifs)
    tree, columns = _tree_arrays(model.tree_), dict(table.columns)
    found = {
        "labels": labels,
        "probabilities": probabilities,
        "lens_labels": np.array([model.labels_at_[v] for v in model.lenses_]),
        "lens_probabilities": np.array([model.probabilities_at_[v] for v in model.lenses_]),
        "layouts": np.array([model.layouts_[v] for v in model.lenses_]),
    }
    kept = None
    continuity = _continuity(source, model.lenses_, labels)
    if large:
        vocabulary = learned_vocabulary(
            model, source, labels, chosen, stamp, {**table.facts, "asked": asked, "detectors": len(detectors)}
        )
        found = apply_to_all(detectors, table, vocabulary, folder, show_progressbar)
        found, vocabulary, tree = order_by_frequency(found, vocabulary, tree)
        columns["strangeness"] = found.pop("strangeness")
        kept = to_bytes(vocabulary)
        reason = f"{reason}; learned on {len(rows)} atoms of {len(np.unique(table.frames[rows]))} frames"
    record = store.Record(
        positions=table.positions,
        frames=table.frames,
        labels=found["labels"],
        probabilities=found["probabilities"],
        lenses=np.array(model.lenses_),
        lens_labels=found["lens_labels"],
        lens_probabilities=found["lens_probabilities"],
        layouts=found["layouts"],
        chosen=chosen,
        stamp=stamp,
        atoms=columns,
        tree=tree,
        vocabulary=kept,
        parameters={
            "asked": asked,
            "atoms": origin,
            "sites": judge_sites(signal, table),
            "spacing": spacing_px * abs(stamp.scale[0]),
            "n_max": int(source.orders[float(model.lenses_[chosen])]),
            "orders": {f"{lens:g}": int(source.orders[float(lens)]) for lens in model.lenses_},
            "detectors": len(detectors),
            "reason": reason,
            **{k: v for k, v in table.facts.items() if k != "edited"},
            **continuity,
        },
        features=None if large else features_signal(source(float(model.lenses_[chosen])), stamp),
    )
    if rotation_invariant and not large:
        record = dataclasses.replace(record, atoms={**record.atoms, **_turns(source, record)})
    record = dataclasses.replace(record, cells=find_cells(record, "auto", None))
    store.write(signal, record)
    if record.parameters["continuous"]:
        warnings.warn(
            "The surroundings of the atoms change without gaps: the motifs are parts of a continuum, and where one ends is "
            "arbitrary. motifs.manifold gives its coordinates.",
            UserWarning,
            stacklevel=3,
        )
    return Motifs(signal)


def _turns(source: MomentSource, record: store.Record) -> dict[str, np.ndarray]:
    """Angle of each atom against the mean of its motif, and whether it is its mirror image.

    Looked at through a lens that reaches the neighbours: a column alone is round.
    """
    from hyperspy_motifs.zernike import align_classes

    chosen = float(record.lenses[record.chosen])
    wide = record.lenses[record.lenses >= max(chosen, REACH_OF_NEIGHBOURS)]
    moments = source(float(wide[0]) if len(wide) else chosen)
    noise = np.sqrt(np.nanmean(np.asarray(moments.noise_std, float) ** 2, axis=0))
    weights = 1 / np.maximum(noise, 1e-3 * max(float(noise.max()), 1e-30))
    order = {tuple(mode): k for k, mode in enumerate(moments.modes.tolist())}
    partner = [order.get((n, -m), order[n, m]) for n, m in moments.modes.tolist()]
    found = align_classes(
        moments.values, record.labels, moments.modes, weights=(weights + weights[partner]) / 2
    )
    return {"motif_angle": found.angles, "motif_mirrored": found.mirrored}


def features_signal(moments: Any, stamp: store.Stamp) -> Any:
    """Moments as a ``ZernikeFeatures`` signal: of the atoms that have patches, as less is enough to tell a motif."""
    from hyperspy_motifs.zernike import MIN_COVERAGE

    from ._zernike_features import ZernikeFeatures

    seen = np.asarray(moments.coverage) >= MIN_COVERAGE
    if not seen.all():
        values = np.where(seen[:, None], moments.values, np.float32(np.nan))
        moments = dataclasses.replace(moments, values=values, valid=moments.valid & seen)
    return ZernikeFeatures.from_moments(moments, abs(stamp.scale[0]), stamp.units)


def features_at(signal: Any, record: store.Record, lens: float) -> Any:
    """Features of a stored result through another of its lenses, computed anew."""
    return features_signal(source_of(signal, record)(float(lens)), record.stamp)


def moments_of(signal: Any, record: store.Record, lens: float) -> Any:
    """Moments of a stored result through one of its lenses; those that were not kept are computed anew."""
    if record.features is not None and np.isclose(lens, record.lenses[record.chosen]):
        return record.features.get_moments()
    return source_of(signal, record)(float(lens))


def split_motif(
    signal: Any, record: store.Record, motif: int, min_motif_size: int | None, random_state: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parts of one motif, relaxed alone at the chosen lens: number of the part (0 first) and certainty of each member."""
    from hyperspy_motifs.clustering import NestedLenses

    members = np.flatnonzero(record.labels == motif)
    if len(members) < 2 * FEWEST_OF_A_MOTIF:
        raise ValueError(
            f"Motif {motif} has {len(members)} atoms: at least {2 * FEWEST_OF_A_MOTIF} are needed to part it."
        )
    lens = float(record.lenses[record.chosen])
    moments = moments_of(signal, record, lens).take(members)
    model = NestedLenses(
        lenses=lens,
        rotation_invariant=bool(record.parameters["asked"]["rotation_invariant"]),
        min_motif_size=min_motif_size,
        random_state=random_state,
    ).fit(lambda _: moments)
    return model.labels_at_[lens], model.probabilities_at_[lens]


def _detectors(signal: Any, also: Any) -> list[Any]:
    """`signal` and the images of the same field by other detectors."""
    others = [] if also is None else list(also) if isinstance(also, list | tuple) else [also]
    stamp = store.Stamp.of(signal)
    for other in others:
        if not hasattr(other, "axes_manager"):
            raise TypeError(
                f"also= holds a {type(other).__name__}; HyperSpy images of the same scan are expected."
            )
        check_axes(other)
        theirs = store.Stamp.of(other)
        if (theirs.shape, theirs.navigation_shape) != (stamp.shape, stamp.navigation_shape):
            raise ValueError(
                f"An image in also= has {theirs.shape[0]} x {theirs.shape[1]} pixels, this one {stamp.shape[0]} x "
                f"{stamp.shape[1]}: detectors of one scan, pixel by pixel, are expected."
            )
        if not np.allclose(theirs.scale, stamp.scale) or theirs.units != stamp.units:
            raise ValueError(
                "An image in also= is calibrated differently from this one: detectors of one scan are expected."
            )
    return [signal, *others]


def _atoms(
    signal: Any,
    atoms: Any,
    separation: float | None,
    polarity: str,
    refine: bool | str,
    folder: Any,
    show_progressbar: bool | None,
) -> tuple[AtomTable, str]:
    """The atoms to class, and where they come from."""
    if isinstance(atoms, str):
        return grid_table(signal, atoms, separation, polarity, show_progressbar), "grid"
    if atoms is not None:
        return given_atoms(signal, atoms, refine, polarity), "given"
    kept = stored_atoms(signal)
    if kept is not None and kept.facts.get("edited"):
        # Someone took the trouble to correct them: to search again would throw that work away.
        return given_atoms(signal, kept, False, polarity), "edited"
    table = find_atoms(signal, separation, show_progressbar, folder, polarity=polarity, refine=refine)
    if not len(table.frames):
        raise ValueError(
            "No atom is left after refinement, so there are no motifs. Give the distance of neighbours as separation=, "
            "polarity= where columns are dark, or the positions as atoms=."
        )
    from hyperspy_motifs.atoms import nearest_neighbour_distance

    # The lenses are measured by what was found, not by what was guessed before anything was found.
    first = table.pixel_positions[table.frames == table.frames[0]]
    spacing = nearest_neighbour_distance(first) if len(first) > 2 else table.facts["separation"]
    facts = {**table.facts, "separation": spacing * abs(store.Stamp.of(signal).scale[0])}
    return dataclasses.replace(table, facts=facts), "found"


def _lenses(default: tuple[float, ...], lens: str | float, patch_radius: float | None, spacing: float) -> Any:
    """Lenses to look through: the named ones, with the one the user asked for among them, or a single radius."""
    if patch_radius is not None:
        return (float(patch_radius) / spacing,)
    if lens == "auto":
        return default
    value = float(lens)
    return tuple(sorted({*(v for v in default if abs(v - value) > 0.05), value}))


def _choice(model: Any, lens: str | float, n_motifs: int | None) -> tuple[int, np.ndarray, np.ndarray, str]:
    """Index of the lens whose labels are taken, the labels, their probabilities, and why."""
    taken = (
        model.lens_
        if lens == "auto"
        else model.lenses_[int(np.argmin(np.abs(np.array(model.lenses_) - float(lens))))]
    )
    index = model.lenses_.index(taken)
    if n_motifs is not None:
        n_found = int(model.labels_.max()) + 1
        reason = f"the tree of motifs was cut to n_motifs = {n_motifs}"
        if n_found < n_motifs:
            reason = f"no more than {n_found} motifs differ by more than noise, {n_motifs} were asked for"
            warnings.warn(f"There are only {n_found} motifs: {reason}.", UserWarning, stacklevel=4)
        return index, model.labels_, model.probabilities_, reason
    reason = model.reason_ if lens == "auto" else "this lens was asked for"
    return index, model.labels_at_[taken], model.probabilities_at_[taken], reason


def _tree_arrays(tree: Any) -> dict[str, Any]:
    return {
        "parent": tree.parent,
        "lens": tree.lens,
        "size": tree.size,
        "height": tree.height,
        "atom_leaf": tree.leaf_of,
        "joins": tree.joins,
        "first": float(tree.first),
    }


def _continuity(source: MomentSource, lenses: Sequence[float], labels: np.ndarray) -> dict[str, Any]:
    """Whether the features fall into classes at all, through every lens that reaches the neighbours."""
    found = estimate(source, lenses, labels)
    return {
        "continuous": bool(found.is_continuous),
        "continuity": {"kind": str(found.kind), "certainty": float(found.certainty)},
    }


def estimate(source: MomentSource, lenses: Sequence[float], labels: np.ndarray | None = None) -> Any:
    """:class:`hyperspy_motifs.clustering.Continuity` of the atoms of a source, and of each motif where labels are given."""
    from hyperspy_motifs.clustering import estimate_continuity, manifold_features

    wide = [float(v) for v in lenses if v >= REACH_OF_NEIGHBOURS] or [float(max(lenses))]
    values = [np.asarray(manifold_features(source(lens)).values) for lens in wide]
    ok = np.all([np.isfinite(v).all(axis=1) for v in values], axis=0)
    return estimate_continuity([v[ok] for v in values], groups=None if labels is None else labels[ok])

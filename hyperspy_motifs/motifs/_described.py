"""What each motif of a result is, from its image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs.describe import Descriptions

from ._moments import noise_units, surroundings

if TYPE_CHECKING:
    from ._motifs import Motifs

# Moments that are named in a description.
_MOST_MOMENTS = 2
# Motifs whose means are nearest are compared atom by atom.
_CANDIDATES = 4
# Sites of a kind that are at most this part of all sites can be those of a boundary or an island.
_MINORITY = 0.1
# Atoms of a motif that are compared with another one.
_ENOUGH = 400
# Atoms below this probability are counted as uncertain.
_CERTAIN = 0.9


def draw_description(motifs: Motifs, motif: int, n_modes: int, figure: Any) -> Any:
    """Draw a motif beside the most similar one."""
    import matplotlib.pyplot as plt

    from hyperspy_motifs.draw import TWO_COLUMNS, plot_means

    if not 0 <= motif < motifs.n_motifs:
        raise ValueError(f"There is no motif {motif}: there are {motifs.n_motifs}.")
    nearest = motifs.describe()[motif].nearest
    if nearest < 0:
        raise ValueError(f"There is no motif to compare motif {motif} with.")
    two = [motif, nearest]
    means = surroundings(motifs)
    if figure is None:
        figure = plt.figure(figsize=(TWO_COLUMNS, 1.5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(2, 3 + n_modes))
    axes = plot_means(
        np.asarray(means.data)[two], motifs.counts[two], labels=two, names=[motifs.names[k] for k in two], figure=left,
        radius=motifs.radius * motifs.parameters["spacing"], units=motifs.units,
        pixel_size=means.axes_manager.signal_axes[0].scale,
    )  # fmt: skip
    if motifs.angles is not None:
        spectrum = motifs.plot.spectrum(two, ax=right.subplots())
        if legend := spectrum.get_legend():
            legend.remove()
        return np.array([*axes, spectrum])
    features = motifs.features.of_detector(0)
    shown = features.plot_explanation(motifs.labels, (motif, nearest), n_modes=n_modes, figure=right)
    return np.array([*axes, *shown])


def describe(motifs: Motifs) -> Descriptions:
    from hyperspy_motifs.describe import MotifDescription

    labels, names = motifs.labels, tuple(motifs.names)
    neighbours = _Surroundings(motifs)
    groups, rotations = motifs._symmetries()
    similar = _most_similar(motifs)
    truncated, probabilities = motifs.truncated, motifs.probabilities
    out = []
    for k, count in enumerate(motifs.counts.tolist()):
        here = labels == k
        share = count / len(labels)
        site, place = neighbours.place(here)
        reference, brightness, scatter = neighbours.brightness(k, site)
        fold, rotation, rotation_error, mirror, mirror_error = rotations[k]
        nearest, separation, confused, differences = similar[k]
        out.append(
            MotifDescription(
                k, names[k], names, motifs.units, count, share, float(np.sqrt(share * (1 - share) / len(labels))),
                neighbours.shell(here), reference, brightness, scatter, groups[k], fold, rotation, rotation_error, mirror,
                mirror_error, place, site, nearest, separation, confused, differences,
                float(probabilities[here].mean()) if count else np.nan,
                int(np.count_nonzero(probabilities[here] < _CERTAIN)), int(np.count_nonzero(truncated[here])),
            )
        )  # fmt: skip
    return Descriptions(out)


class _Surroundings:
    """Sites, heights and margins of all atoms of a result."""

    def __init__(self, motifs: Motifs) -> None:
        record, sites = motifs._refresh(), motifs.sites
        self.labels, self.on_grid = motifs.labels, record.parameters.get("atoms") == "grid"
        n = len(self.labels)
        pixels = record.stamp.to_pixels(record.positions)
        last = np.array(record.stamp.shape) - 1
        scale = abs(record.stamp.scale[0])
        self.spacing = float(record.parameters.get("spacing", np.nan))
        vacant = sites.vacant
        frames = np.concatenate([motifs.frames, sites.frames[vacant]])
        self.one_frame = len(np.unique(frames)) == 1
        # Frames side by side, so far apart that no atom has a neighbour in another one.
        aside = 3 * scale * float(last.max()) * frames[:, None] * np.array([1.0, 0.0])
        self.points = np.concatenate([motifs.positions, sites.positions[vacant]]) + aside
        self.kinds = np.append(self.labels, np.full(int(vacant.sum()), -1))
        edge = np.minimum(pixels, last - pixels).min(axis=1) * scale
        self.margin = np.append(edge, np.zeros(int(vacant.sum())))
        held = sites.atoms >= 0
        # What stands on most sites of the same kind; the motif itself where there are no sites.
        self.expected = self.labels.astype(np.int64)
        self.expected[sites.atoms[held]] = sites.expected_motifs[held]
        self.sites = np.concatenate([motifs.positions, sites.positions[vacant]])
        self.site_kinds = np.append(self.expected, sites.expected_motifs[vacant])
        self.heights = np.asarray(motifs.to_dict().get("amplitude", np.full(n, np.nan)), dtype=float)

    def shell(self, here: np.ndarray) -> Any:
        from hyperspy_motifs.describe import find_shell

        if self.on_grid or not here.any():
            return None
        return find_shell(self.points, self.kinds, np.flatnonzero(here), self.margin)

    def place(self, here: np.ndarray) -> tuple[int, Any]:
        """Motif that most sites of some atoms have, and where the atoms are among these sites."""
        from hyperspy_motifs.describe import describe_place

        if not here.any():
            return -1, None
        site = int(np.bincount(self.expected[here]).argmax())
        if not self.one_frame:
            return site, None
        members = self.sites[: len(here)][here & (self.expected == site)]
        sites = self.sites[self.site_kinds == site]
        found = describe_place(members, sites, self.spacing)
        if found.kind == "everywhere" and len(members) <= _MINORITY * len(self.sites):
            # A boundary has sites of its own: where are these among all?
            among_all = describe_place(members, self.sites, self.spacing)
            if among_all.kind == "clustered":
                return site, replace(among_all, n_sites=len(sites))
        return site, found

    def brightness(self, motif: int, site: int) -> tuple[int, float, float]:
        """Motif to compare with, and the relative height."""
        from hyperspy_motifs.describe import compare_brightness

        reference = site
        if reference == motif:
            others = np.bincount(self.labels[self.expected != site], minlength=1)
            others[motif : motif + 1] = 0
            reference = int(others.argmax()) if others.any() else -1
        if reference < 0:
            return -1, np.nan, np.nan
        ratio = compare_brightness(self.heights, self.labels == motif, self.labels == reference)
        return (reference, *ratio)


def _most_similar(motifs: Motifs) -> list[tuple[int, float, float, tuple[str, ...]]]:
    """Most similar motif of each, its distance, the fraction of confused atoms, and the moments that distinguish the two."""
    from hyperspy_motifs.describe import separate

    if not motifs.features.of_detector(0).get_moments().valid.any():
        # No disc lies in the image whole: there is nothing to compare.
        return [(-1, np.nan, np.nan, ())] * motifs.n_motifs
    values, known = noise_units(motifs)
    labels = motifs.labels[known]
    order = np.random.default_rng(0).permutation(len(labels))
    # A part of a frequent motif tells its distribution.
    members = [values[order[labels[order] == k][:_ENOUGH]] for k in range(motifs.n_motifs)]
    means = np.array([m.mean(axis=0) if len(m) else np.full(values.shape[1], np.nan) for m in members])
    compared: dict[tuple[int, int], tuple[float, float]] = {}
    out: list[tuple[int, float, float, tuple[str, ...]]] = []
    for k in range(len(members)):
        away = np.linalg.norm(means - means[k], axis=1)
        away[k] = np.nan
        near = [int(j) for j in np.argsort(away, kind="stable")[:_CANDIDATES] if np.isfinite(away[j])]
        for j in near:
            pair = (min(j, k), max(j, k))
            if pair not in compared:
                compared[pair] = separate(members[pair[0]], members[pair[1]])
        found = {j: compared[min(j, k), max(j, k)] for j in near}
        finite = {j: both for j, both in found.items() if np.isfinite(both[0])}
        if not finite:
            out.append((near[0] if near else -1, np.nan, np.nan, ()))
            continue
        nearest = min(finite, key=lambda j: finite[j][0])
        out.append((nearest, *finite[nearest], _differences(motifs, k, nearest)))
    return out


def _differences(motifs: Motifs, motif: int, other: int) -> tuple[str, ...]:
    """The moments that distinguish two motifs, in words; magnitudes, where motifs are rotated to each other."""
    from hyperspy_motifs.zernike import explain, to_complex

    features, labels = motifs.features.of_detector(0), motifs.labels
    if motifs.angles is None:
        return tuple(features.explain(labels, (motif, other)).to_text(_MOST_MOMENTS).split("\n"))
    moments = features.get_moments()
    values, orders = to_complex(np.asarray(moments.values, dtype=float), moments.modes)
    text = explain(np.abs(values), labels, orders, (motif, other)).to_text(_MOST_MOMENTS)
    return tuple(text.replace(", cosine", "").replace(", x", "").split("\n"))

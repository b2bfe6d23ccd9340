"""What each motif of a result is: features and point symmetry of its mean, its description, and its name from structures."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.describe import UNCERTAIN, Descriptions
from hyperspy_motifs.identify import Identification
from hyperspy_motifs.store import neighbour_distance

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hyperspy_motifs.describe import Shell
    from hyperspy_motifs.signals import AtomPatches
    from hyperspy_motifs.zernike import Moments

    from ._motif_view import MotifView
    from ._motifs import Motifs


# A mean patch has a symmetry if its correlation with its copies is at least this value. It is 1 for perfect sites,
# 0.95 or more on real scans, and 0.5 for a site without one of three like neighbours, the smallest common deviation.
LEAST_CORRELATION = 0.85

# Rotation axes of crystals.
_FOLDS = (2, 3, 4, 6)

# In nearest-neighbour distances: the second shell of a honeycomb or a triangular lattice is at 1.73, with half a column.
_SECOND_SHELL = 2.1


def mean_moments(motifs: MotifView) -> tuple[Any, list[int]]:
    """Mean moments of the atoms of each motif, and the motifs of the rows; motifs without complete discs are omitted.

    Atoms of rotation-invariant motifs are first rotated (and mirrored) to the mean of their motif. The first of
    several detectors is used.
    """
    from hyperspy_motifs.zernike import rotate_moments

    moments = motifs.features.of_detector(0).get_moments()
    values = np.asarray(moments.values, dtype=float)
    if motifs.angles is not None:
        values = rotate_moments(values, moments.modes, -np.nan_to_num(motifs.angles))
        mirrored = np.asarray(motifs.to_dict()["motif_mirrored"], dtype=bool)
        # The mean was mirrored (y to -y) before the rotation, which changes the sign of the sines.
        values = np.where(mirrored[:, None] & (moments.modes[:, 1] < 0), -values, values)
    known = [k for k in range(motifs.n_motifs) if (moments.valid & (motifs.labels == k)).any()]
    rows = [np.flatnonzero(moments.valid & (motifs.labels == k)) for k in known]
    noise = np.asarray(moments.noise_std, dtype=float)
    means = replace(
        moments.take(np.array([members[0] for members in rows], dtype=np.intp)),
        values=np.array([values[members].mean(axis=0) for members in rows]),
        # Discs of neighbours overlap, so their noise is not independent.
        noise_std=np.array([np.sqrt((noise[members] ** 2).sum(axis=0)) / len(members) for members in rows]),
    )
    return means, known


Score = tuple[int, float, float, float, float]


def point_groups(moments: Moments) -> tuple[list[str], list[Score]]:
    """Point group of each pattern in Hermann-Mauguin's short form: 1, 2, 3, 4, 6, m, 2mm, 3m, 4mm, 6mm.

    Parameters
    ----------
    moments : Moments
        Of n patterns.

    Returns
    -------
    groups : list of str, length n
    scores : list of tuple, length n
        Order of the rotation axis, or of the one that is nearest to hold, correlation with the rotated copies and its error,
        that with the mirrored copy and its error.
    """
    from hyperspy_motifs.zernike import get_symmetry

    found = get_symmetry(moments, _FOLDS)
    holds: NDArray[np.bool_] = found.scores >= LEAST_CORRELATION
    mirrored = found.mirror >= LEAST_CORRELATION
    groups, scores = [], []
    for k, (folds, mirror) in enumerate(zip(holds, mirrored, strict=True)):
        held = np.flatnonzero(folds)
        column = int(held[-1]) if len(held) else int(np.argmax(found.scores[k]))
        fold = _FOLDS[column] if len(held) else 1
        # Odd folds have one kind of mirror axis, even ones two.
        axes = ("m" if fold % 2 else "mm") if mirror else ""
        groups.append("m" if fold == 1 and mirror else f"{fold}{axes}")
        rotation, rotation_error = float(found.scores[k, column]), float(found.scores_std[k, column])
        mirrors = float(found.mirror[k]), float(found.mirror_std[k])
        scores.append((_FOLDS[column], rotation, rotation_error, *mirrors))
    return groups, scores


def symmetries(motifs: MotifView) -> tuple[list[str], list[Score]]:
    """Point group of the mean of each motif with its scores; an empty string and NaN if no disc of it lies in the image."""
    unknown: tuple[str, Score] = ("", (1, np.nan, np.nan, np.nan, np.nan))
    found: dict[int, tuple[str, Score]] = {}
    if motifs.features.of_detector(0).get_moments().valid.any():
        means, known = mean_moments(motifs)
        found = {k: (group, score) for k, group, score in zip(known, *point_groups(means), strict=True)}
    rows = [found.get(k, unknown) for k in range(motifs.n_motifs)]
    return [group for group, _ in rows], [score for _, score in rows]


def surroundings(motifs: MotifView) -> AtomPatches:
    """Mean patch of each motif to the second shell, or to the compared radius where that is larger."""
    from hyperspy_motifs.pipeline import means_of_record, radius_in_pixels

    record = motifs._refresh()
    reach = radius_in_pixels(record, max(motifs.radius, _SECOND_SHELL))
    return motifs._cached("surroundings", lambda: means_of_record(motifs.signal, record, reach))


def noise_units(motifs: MotifView) -> tuple[np.ndarray, np.ndarray]:
    """Features of the chosen radius in units of noise, and the atoms that have them."""
    from hyperspy_motifs.zernike import invariants, whiten

    moments = motifs.features.get_moments()
    known = np.flatnonzero(moments.valid)
    moments = moments.take(known)
    turned = motifs.parameters["options"]["rotation_invariant"]
    values, noise = invariants(moments) if turned else (moments.values, moments.noise_std)
    return whiten(values, noise), known


def relaxation_history(motifs: MotifView, every: int) -> tuple[np.ndarray, np.ndarray]:
    from hyperspy_motifs.relaxation import ForceRelaxedLayout

    if int(every) != every or every < 1:
        raise ValueError(f"every is {every!r}; a whole number of steps from 1 is expected.")
    values, known = noise_units(motifs)
    seed = motifs.parameters["options"]["random_state"]
    history = ForceRelaxedLayout(history=int(every), random_state=seed).fit(values).history_
    return np.asarray(history), known


# Moments that are named in a description.
_MOST_MOMENTS = 2
# Motifs whose means are nearest are compared atom by atom.
_CANDIDATES = 4
# Sites of a kind that are at most this part of all sites can be those of a boundary or an island.
_MINORITY = 0.1
# Atoms of a motif that are compared with another one.
_ENOUGH = 400


def draw_description(motifs: Motifs, motif: int, n_modes: int, figure: Figure | None) -> np.ndarray:
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
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(2, 3 + n_modes)))
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
        reference, brightness, scatter, weaker = neighbours.brightness(k, site)
        fold, rotation, rotation_error, mirror, mirror_error = rotations[k]
        nearest, separation, confused, differences = similar[k]
        out.append(
            MotifDescription(
                k, names[k], names, motifs.units, count, share, float(np.sqrt(share * (1 - share) / len(labels))),
                neighbours.shell(here), reference, brightness, scatter, weaker, groups[k], fold, rotation, rotation_error,
                mirror, mirror_error, place, site, nearest, separation, confused, differences,
                float(probabilities[here].mean()) if count else np.nan,
                int(np.count_nonzero(probabilities[here] < UNCERTAIN)), int(np.count_nonzero(truncated[here])),
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
        self.spacing = neighbour_distance(record.parameters) or np.nan
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

    def shell(self, here: np.ndarray) -> Shell | None:
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

    def brightness(self, motif: int, site: int) -> tuple[int, float, float, float]:
        """Motif to compare with, and the result of :func:`hyperspy_motifs.describe.compare_brightness`."""
        from hyperspy_motifs.describe import compare_brightness

        reference = site
        if reference == motif:
            others = np.bincount(self.labels[self.expected != site], minlength=1)
            others[motif : motif + 1] = 0
            reference = int(others.argmax()) if others.any() else -1
        if reference < 0:
            return -1, np.nan, np.nan, np.nan
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


@dataclass(frozen=True, eq=False, repr=False)
class IdentifiedMotifs(Identification):
    """An identification (:class:`~hyperspy_motifs.identify.Identification`) with the image that it belongs to.

    ``print`` shows it; :attr:`names` has one name per atom, :meth:`motif_table` one row per motif.
    """

    _motifs: Any = None

    @classmethod
    def of(cls, found: Identification, motifs: MotifView) -> IdentifiedMotifs:
        """The same with the motifs of an image."""
        values = {f.name: getattr(found, f.name) for f in fields(Identification)}
        return cls(**values, _motifs=motifs)

    def plot(self, colour_by: str = "species", *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the image with its atoms coloured by name, open circles at empty sites, and a legend with counts.

        Parameters
        ----------
        colour_by : {"species", "structure"}, optional
            ``"structure"`` shows which structure fits where.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_motifs`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_motifs

        if colour_by == "species":
            values = self.names
        elif colour_by == "structure":
            values = np.array([*(s.name for s in self.structures), "none of these"])[self.phases]
        else:
            raise ValueError(f"colour_by is {colour_by!r}; expected 'species' or 'structure'.")
        names, index, counts = np.unique(values, return_inverse=True, return_counts=True)
        order = np.lexsort((names, -counts))
        rank = np.argsort(order)
        image, where = self._motifs._image(int(self._motifs.frames[0]))
        options = {**where, "vacancies": self.vacancies, **kwargs}
        drawn = plot_motifs(
            self._motifs.positions, rank[index], image, names=[str(names[k]) for k in order], ax=ax, **options
        )
        legend = drawn.get_legend()
        if legend is not None:
            legend.set_title(f"{colour_by} (atoms)")
        return drawn

    def cell_names(self) -> list[str]:
        """Composition of the corners of each of ``motifs.cells``, such as ``"hexagon Mo3 Se5"``."""
        cells, n = self._motifs.cells, len(self.labels)
        words = {3: "triangle", 4: "quadrangle", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon"}
        out = []
        for corners in cells.corners:
            word = words.get(len(corners), f"{len(corners)}-ring")
            out.append(f"{word} {self.cell_formula(corners[corners < n].tolist())}".rstrip())
        return out

    def to_ase(self, repeats: int = 1) -> Atoms:
        """An atomistic model of the field of view in three dimensions, with vacancies and substitutes in place.

        Parameters
        ----------
        repeats : int, optional
            Thickness of a crystal in its repeats along the beam. A layer has one.

        Returns
        -------
        ase.Atoms
            In ångström. As in the image, y points down and z away from the observer. The cell encloses the field of view, with
            vacuum along z and without periodic boundaries. ``tags`` are the motifs; ``arrays`` hold ``column`` (the atom of
            ``motifs``) and ``probability``. Columns without a name are left out.

        Raises
        ------
        ValueError
            If the image is not calibrated, `repeats` is below 1, or no structure was accepted.
        ImportError
            If ASE is not installed.
        """
        from hyperspy_motifs import store
        from hyperspy_motifs.exchange import require
        from hyperspy_motifs.identify import build_model

        ase = require("ase", "A model in three dimensions")
        ratio = store.length_ratio(self._motifs.units, "Å")
        if ratio is None:
            raise ValueError(
                "A model is in ångström, but the axes of the image have no unit of length. Calibrate it first: "
                "s.axes_manager.signal_axes.set(scale=..., units='nm')."
            )
        if self.refused:
            raise ValueError(f"There is no model of the field: no structure was accepted ({self.refused}).")
        if repeats < 1:
            raise ValueError(f"repeats={repeats} must be 1 or more.")
        data = require("ase.data", "A model in three dimensions")
        mirrored = np.zeros(len(self.labels), bool)
        for number, report in enumerate(self.structures):
            below = [grain for grain, seen in zip(report.orientations, report.mirrored, strict=True) if seen]
            mirrored |= (self.phases == number) & np.isin(self.grains, below)
        numbers, places, columns = build_model(
            self, ratio * self._motifs.positions, mirrored, data.covalent_radii, int(repeats)
        )
        atoms = ase.Atoms(numbers=numbers, positions=places, tags=self.motifs[columns])
        atoms.set_array("column", columns)
        atoms.set_array("probability", self.probabilities[columns])
        atoms.center(vacuum=_VACUUM, axis=2)
        stamp = self._motifs._refresh().stamp
        size = ratio * np.array(stamp.shape) * np.abs(stamp.scale)
        atoms.cell[0, 0], atoms.cell[1, 1] = size
        atoms.info["structure"] = self.best.name
        return atoms

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{row['motif']}</td><td>{escape(row['name'])}</td><td>{row['atoms']:,}</td>"
            f"<td>{row['probability']:.2f}</td>"
            f"<td>{escape(', '.join(f'{k} {v:.2f}' for k, v in row['alternatives']))}</td></tr>"
            for row in self.motif_table()
        )
        head = "<tr><th>motif</th><th>name</th><th>atoms</th><th>probability</th><th>alternatives</th></tr>"
        formula = "" if self.refused else f"<br>{escape(self.formula())}"
        return f"<div><b>{escape(self.headline())}</b>{formula}</div><table>{head}{rows}</table>"


#: Vacuum below and above a model in ångström.
_VACUUM = 8.0

"""What the points of a field are, from candidate structures: fits, phases, compositions and empty sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import softmax

from ._composition import (
    HOST,
    KIND_VACANCY,
    Candidate,
    Compositions,
    candidates_of,
    column_name,
    compositions_by_brightness,
    dopants_of,
    substitutes_of,
)
from ._constants import CONSTANTS
from ._emission import Brightness
from ._fit import EmptyPlaces, Observations, StructureFit, fit_jointly, fit_structure
from ._identification import N_ALTERNATIVES, Identification, Species, StructureReport
from ._projection import Composition, ProjectedCell, formula
from ._registration import lattice_indices


@dataclass(frozen=True)
class Chemistry:
    """What is known of the elements.

    Attributes
    ----------
    symbols : sequence of str
        By atomic number.
    radii : sequence of float
        Covalent radii in ångström by atomic number.
    defects : bool
        Whether columns may differ from those of the structure.
    dopants : tuple of int or None
        Atomic numbers of the only possible substitutes; None for all elements by rule.
    """

    symbols: Sequence[str]
    radii: Sequence[float]
    defects: bool = True
    dopants: tuple[int, ...] | None = None


def identify_columns(
    observed: Observations,
    cells: Sequence[ProjectedCell],
    chemistry: Chemistry,
    empty: NDArray[np.float64],
    empty_probabilities: NDArray[np.float64],
) -> Identification:
    """Identify the columns of a field.

    Parameters
    ----------
    observed : Observations
    cells : sequence of ProjectedCell
        Candidate structures.
    chemistry : Chemistry
    empty : ndarray of shape (e, 2)
        Places without a column where the structure of the image repeats, in the units of the points.
    empty_probabilities : ndarray of shape (e,)
        That they are empty.

    Returns
    -------
    Identification
        Its `vacancies` are in the units of the points.
    """
    n = len(observed)
    alone = [_weighed(observed, fit_structure(observed, cell), chemistry) for cell in cells]
    fits, phases, map_factor = _mapped(observed, alone, chemistry)
    labels, grains = np.full(n, -1), np.full(n, -1)
    columns, heights = np.full(n, -1), np.zeros(n)
    probabilities = np.ones(n)
    alternatives, alternative_probabilities = np.full((n, N_ALTERNATIVES), -1), np.zeros((n, N_ALTERNATIVES))
    species: list[Species] = []
    exponents = []
    for number, fit in enumerate(fits):
        here = np.flatnonzero(phases == number)
        exponents.append(np.nan)
        if fit.registration is None:
            continue
        grains[here], columns[here] = fit.registration.grains[here], fit.registration.columns[here]
        heights[here] = _cell_heights(fit)[here]
        candidates, found = _compositions(observed, fit, phases == number, chemistry)
        if isinstance(fit.registration.emission, Brightness):
            exponents[-1] = found.levels.exponent
        own, table = _species_of(fit, number, candidates, found, here, chemistry.symbols)
        shares = _by_species(own, found, fit, here)
        # That the point is such a column at all is uncertain as well.
        shares *= fit.registration.probabilities[here, None]
        # The names are those of the arrangement that is shown, also where the sum of the others is likelier for one point.
        of_shown = np.array([k for k, _ in own]) == fit.kind[here][:, None]
        name = np.where(of_shown, shares, -1.0).argmax(axis=1)
        ranked = np.argsort(-shares - 2 * (np.arange(len(own)) == name[:, None]), axis=1, kind="stable")
        ranked = ranked[:, : N_ALTERNATIVES + 1]
        values = np.take_along_axis(shares, ranked, axis=1)
        unexplained = np.maximum(1 - shares.sum(axis=1), 0.0)
        known = values[:, 0] >= unexplained
        labels[here] = np.where(known, ranked[:, 0] + len(species), -1)
        probabilities[here] = np.where(known, values[:, 0], unexplained)
        more = ranked[:, 1:].shape[1]
        later = np.where(known[:, None], ranked[:, 1:], ranked[:, :more])
        later_values = np.where(known[:, None], values[:, 1:], values[:, :more])
        alternatives[here[:, None], np.arange(more)] = np.where(later_values > 0, later + len(species), -1)
        alternative_probabilities[here[:, None], np.arange(more)] = later_values
        species += table
    on_lattice = labels >= 0
    for number, fit in enumerate(fits):
        _name_off_lattice(observed, fit, number, phases, species, labels, probabilities)
    vacancies, vacancy_labels, vacancy_probabilities = _vacancies(
        observed, fits, phases, species, empty, empty_probabilities
    )
    reports = _reports(observed, alone, exponents, chemistry.symbols)
    return Identification(
        structures=reports,
        species=species,
        phases=np.where(on_lattice, phases, -1),
        grains=grains,
        labels=labels,
        probabilities=probabilities,
        alternatives=alternatives,
        alternative_probabilities=alternative_probabilities,
        vacancies=vacancies,
        vacancy_labels=vacancy_labels,
        vacancy_probabilities=vacancy_probabilities,
        motifs=np.asarray(observed.motifs, np.int64),
        columns=columns,
        heights=heights,
        column_heights=[
            [[(z, h) for z, _, h in atoms] for atoms in fit.registration.cell.heights]
            if fit.registration
            else []
            for fit in fits
        ],
        repeats=[0.0 if cell.layer else cell.repeat for cell in cells],
        method=(
            "geometry, and brightness as a power of the atomic number, taken as annular dark field"
            if observed.by_brightness
            else "geometry alone: the brightness of this kind of image has no simple law"
        ),
        refused=_refusal(reports, on_lattice),
        map_log_factor=map_factor,
        calibrated=observed.calibrated,
        symbols=chemistry.symbols,
    )


def _weighed(observed: Observations, fit: StructureFit, chemistry: Chemistry) -> StructureFit:
    """A fit with its arrangements compared by the defects that each needs: frequent vacancies are likelier than dopants."""
    if fit.registration is None or not observed.by_brightness:
        return fit
    every = [fit.registration, *fit.others]
    each = [StructureFit.of(fit.cell, [found], np.zeros(1)) for found in every]
    # Positions do not distinguish the arrangements: where they ended in different maps, the best one is that of all.
    placed = np.array([r.log_placed for r in every])
    evidence = np.array([_evidence(observed, [one], chemistry) for one in each]) - placed + placed.max()
    weighed = StructureFit.of(fit.cell, every, evidence)
    return replace(weighed, weight=float(evidence.max()))


def _mapped(
    observed: Observations, alone: list[StructureFit], chemistry: Chemistry
) -> tuple[list[StructureFit], NDArray[np.int64], float]:
    """The fits that hold, the structure of each point, and the logarithm of the Bayes factor of a map of several structures.

    A map is taken if it is better than the best structure alone, fitted in the same way and with the names that both need, by
    more than the number of places.
    """
    taking = [i for i, fit in enumerate(alone) if fit.is_accepted(observed)]
    joint = fit_jointly(observed, [alone[i] for i in taking]) if len(taking) > 1 else []
    joint = [fit for fit in joint if (fit.kind >= 0).any()]
    if len(joint) > 1:
        best = fit_jointly(observed, [max((alone[i] for i in taking), key=lambda fit: fit.weight)])
        factor = _evidence(observed, joint, chemistry) - _evidence(observed, best, chemistry)
        if factor > CONSTANTS.clearly + np.log(len(observed)):
            fits, phases = list(alone), np.full(len(observed), -1)
            for fit in joint:
                number = next(i for i in taking if alone[i].cell is fit.cell)
                fits[number], phases[fit.kind >= 0] = fit, number
            return fits, phases, factor
    return alone, _phases(observed, alone), 0.0


def _evidence(observed: Observations, fits: Sequence[StructureFit], chemistry: Chemistry) -> float:
    """Logarithm of the evidence of structures that share a field, or of one, with the names that they need."""
    found = [fit.registration for fit in fits if fit.registration is not None]
    placed = sum(r.log_placed for r in found)
    emission = found[0].emission
    if not isinstance(emission, Brightness):
        return placed + sum(float(r.brightness.sum()) for r in found) + emission.log_prior()
    kinds = list(dict.fromkeys(kind for fit in fits for kind in fit.kinds))
    hosts = np.full(len(observed), -1)
    for fit in fits:
        number = np.array([kinds.index(kind) for kind in fit.kinds])
        hosts = np.where(fit.kind >= 0, number[fit.kind], hosts)
    layer = all(fit.cell.layer for fit in fits)
    _, names = _names(observed, emission, kinds, hosts, layer, chemistry)
    # The brightness counts by the names.
    return placed + names.log_evidence


def _comparable(observed: Observations, fits: Sequence[StructureFit]) -> NDArray[np.float64]:
    """Logarithms of the evidence of the structures. Refused structures take part only if all are."""
    accepted = [fit.is_accepted(observed) for fit in fits]
    return np.array(
        [
            fit.weight if good or not any(accepted) else -np.inf
            for fit, good in zip(fits, accepted, strict=True)
        ]
    )


def _phases(observed: Observations, fits: Sequence[StructureFit]) -> NDArray[np.int64]:
    """Structure of each point: the one that explains the field best."""
    best = int(np.argmax(_comparable(observed, fits)))
    return np.where(fits[best].kind >= 0, best, -1)


def _cell_heights(fit: StructureFit) -> NDArray[np.float64]:
    """Height of the unit cell of each point along the beam."""
    found = fit.registration
    assert found is not None
    if found.cell.layer or not np.abs(found.cell.rise).max() > 1e-6:
        return np.zeros(len(fit.kind))
    indices, _ = lattice_indices(found)
    return (indices @ found.cell.rise) % found.cell.repeat


def _names(
    observed: Observations,
    emission: Brightness,
    kinds: Sequence[Composition],
    hosts: NDArray[np.int64],
    layer: bool,
    chemistry: Chemistry,
) -> tuple[list[list[Candidate]], Compositions]:
    """Candidates of each kind of column, and the probability of each for points on these hosts."""
    elements = {z for host in kinds for z, _ in host}
    substitutes = (
        {z: substitutes_of(z, chemistry.radii) for z in elements}
        if chemistry.dopants is None
        else dopants_of(sorted(elements), chemistry.radii, chemistry.dopants)
    )
    candidates = [candidates_of(host, kinds, layer, substitutes, chemistry.defects) for host in kinds]
    return candidates, compositions_by_brightness(
        emission.values, emission.errors / emission.local, hosts, observed.motifs, candidates, emission.scatter,
        layer, emission.effective,
    )  # fmt: skip


def _compositions(
    observed: Observations, fit: StructureFit, here: NDArray[np.bool_], chemistry: Chemistry
) -> tuple[list[list[Candidate]], Compositions]:
    """Candidates of each kind of column, and the probability of each for the points of a phase."""
    found = fit.registration
    assert found is not None
    hosts = np.where(here, fit.kind, -1)
    if isinstance(found.emission, Brightness):
        return _names(observed, found.emission, fit.kinds, hosts, fit.cell.layer, chemistry)
    candidates = [[Candidate(host, HOST, 1.0)] for host in fit.kinds]
    # Without a law of brightness every column is its host.
    every = [some[0].composition for some in candidates]
    shares = np.eye(len(every) + 1)[hosts][:, :-1]
    levels = Brightness(np.ones(1), np.ones(1), np.zeros((1, 2)), every, np.ones(len(every)), True).levels
    return candidates, Compositions(every, shares, 1 - shares.sum(axis=1), levels, 0.0)


def _species_of(
    fit: StructureFit,
    number: int,
    candidates: Sequence[Sequence[Candidate]],
    found: Compositions,
    here: NDArray[np.integer],
    symbols: Sequence[str],
) -> tuple[list[tuple[int, int]], list[Species]]:
    """Kinds of column with their compositions, as numbers and as species, and the missing columns."""
    numbers: list[tuple[int, int]] = []
    table: list[Species] = []
    for k, (host, some) in enumerate(zip(fit.kinds, candidates, strict=True)):
        for candidate in (c for c in some if c.composition):
            j = found.compositions.index(candidate.composition)
            rows = here[fit.kind[here] == k]
            if candidate.kind != HOST and not (found.probabilities[rows, j] > 1e-3).any():
                continue
            numbers.append((k, j))
            name = column_name(candidate.composition, host, symbols)
            table.append(Species(name, candidate.kind, candidate.composition, host, number))
        numbers.append((k, -1))
        table.append(Species(column_name((), host, symbols), KIND_VACANCY, (), host, number))
    return numbers, table


def _by_species(
    numbers: Sequence[tuple[int, int]], found: Compositions, fit: StructureFit, here: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Probability of each species for the points of a phase; other arrangements have their kinds without defects."""
    out = np.zeros((len(here), len(numbers)))
    hosts = {k: i for i, (k, _) in reversed(list(enumerate(numbers)))}
    for i, (k, j) in enumerate(numbers):
        rows = fit.kind[here] == k
        if j >= 0:
            out[rows, i] = found.probabilities[here[rows], j]
    # Of two equally likely arrangements the one that is shown gives the names.
    out *= fit.arrangements[0][1] * (1 + 1e-9)
    for exchange, probability in fit.arrangements[1:]:
        for k, other in enumerate(exchange):
            out[fit.kind[here] == k, hosts[other]] += probability
    return out


def _name_off_lattice(
    observed: Observations,
    fit: StructureFit,
    number: int,
    phases: NDArray[np.integer],
    species: Sequence[Species],
    labels: NDArray[np.integer],
    probabilities: NDArray[np.float64],
) -> None:
    """Name points that are not at the places of a structure, as in a boundary, as hosts by their brightness alone.

    The prior probability that such a point is one of the hosts is the share of the points around it that are at the places of
    the structure. `labels` and `probabilities` are changed.
    """
    lost = np.flatnonzero((phases < 0) & (labels < 0))
    hosts = [i for i, s in enumerate(species) if s.structure == number and s.kind == HOST]
    if not len(lost) or not hosts or fit.registration is None:
        return
    emission = fit.registration.emission
    if not isinstance(emission, Brightness):
        return
    near = observed.field.tree.query(observed.field.points[lost], k=min(4 * CONSTANTS.nearby, len(observed)))[
        1
    ]
    near = near.reshape(len(lost), -1)
    kinds = [fit.kinds.index(species[i].host) for i in hosts]
    frequency = np.bincount(fit.kind[fit.kind >= 0], minlength=len(fit.kinds))[kinds] / (fit.kind >= 0).sum()
    by_brightness = frequency * np.exp(emission.log_ratios()[lost][:, kinds])
    host = (phases == number).astype(float)
    # Twice, so that the other points off the lattice count as well, where those on it are near.
    for _ in range(2):
        inside = host[near].mean(axis=1)
        joint = inside[:, None] * by_brightness
        total = joint.sum(axis=1) + 1 - inside
        host[lost] = joint.sum(axis=1) / total
    best = joint.argmax(axis=1)
    value = joint[np.arange(len(lost)), best] / total
    known = value > 0.5
    labels[lost] = np.where(known, np.array(hosts)[best], -1)
    probabilities[lost] = np.where(known, value, 1 - joint.sum(axis=1) / total)


def _vacancies(
    observed: Observations,
    fits: Sequence[StructureFit],
    phases: NDArray[np.integer],
    species: Sequence[Species],
    empty: NDArray[np.float64],
    empty_probabilities: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Places at which a structure has a column and the image none, the species (missing columns) and their probabilities.

    Where the image was found to be empty (`empty`), the place and the probability are those that were measured; elsewhere the
    probability is the share of the columns around that predict the place.
    """
    places, labels, probabilities = [np.empty((0, 2))], [np.empty(0, np.int64)], [np.empty(0)]
    for number, fit in enumerate(fits):
        found = fit.registration
        if found is None or not (phases == number).any():
            continue
        found = replace(found, columns=np.where(phases == number, found.columns, -1))
        missing = EmptyPlaces.of(observed.field, found)
        lost = {s.host: i for i, s in enumerate(species) if s.structure == number and not s.composition}
        index = np.array([lost[host] for host in found.cell.compositions], np.int64)
        where, probability = missing.places.copy(), missing.agreement.copy()
        if len(empty) and len(where):
            distance, nearest = cKDTree(empty).query(where)
            measured = distance < 0.5 * found.spacing
            where[measured], probability[measured] = (
                empty[nearest[measured]],
                empty_probabilities[nearest[measured]],
            )
        places.append(where)
        labels.append(index[missing.columns])
        probabilities.append(probability)
    return np.concatenate(places), np.concatenate(labels), np.concatenate(probabilities)


def _reports(
    observed: Observations, fits: Sequence[StructureFit], exponents: Sequence[float], symbols: Sequence[str]
) -> list[StructureReport]:
    evidence = _comparable(observed, fits)
    shares = softmax(evidence) if np.isfinite(evidence).any() else np.zeros(len(fits))
    out = []
    for fit, share, exponent in zip(fits, shares.tolist(), exponents, strict=True):
        found = fit.registration
        used = (
            []
            if found is None
            else [o for j, o in enumerate(found.orientations) if (found.grains == j).any()]
        )
        seen = [] if found is None else list(found.cell.compositions)
        unseen = list(dict.fromkeys(formula(c, symbols) for c in fit.cell.compositions if c not in seen))
        columns: dict[str, int] = {}
        for composition in seen:
            name = formula(composition, symbols)
            columns[name] = columns.get(name, 0) + 1
        out.append(
            StructureReport(
                name=fit.cell.name,
                explained=fit.explained,
                log_evidence=fit.log_evidence,
                probability=share,
                odds=fit.log_odds(observed),
                spacing=observed.spacing(fit.cell) if found is None else 1.0,
                rotations=[o.rotation for o in used],
                mirrored=[o.mirrored for o in used],
                orientations=[] if found is None else np.unique(found.grains[found.grains >= 0]).tolist(),
                scales=[o.scale for o in used],
                distortions=[float(np.abs(np.linalg.eigvalsh(o.strain)).max()) for o in used],
                arrangements=[(_arrangement(fit.kinds, order, symbols), p) for order, p in fit.arrangements],
                exponent=float(exponent),
                unseen=unseen if found is not None else [],
                cell_columns=columns,
            )
        )
    return out


def _arrangement(kinds: Sequence[Composition], exchange: Sequence[int], symbols: Sequence[str]) -> str:
    """An arrangement in words, relative to the one that is shown."""
    changes = [
        f"{formula(kinds[other], symbols)} for {formula(kinds[k], symbols)}"
        for k, other in enumerate(exchange)
        if k != other
    ]
    return ", ".join(changes) or "as shown"


def _refusal(reports: Sequence[StructureReport], on_lattice: NDArray[np.bool_]) -> str:
    """Why no structure is accepted; empty if one is."""
    accepted = [report for report in reports if not report.refusal]
    explained = float(on_lattice.mean()) if len(on_lattice) else 0.0
    if accepted and explained > 0.5:
        return ""
    if not accepted:
        return "; ".join(f"{report.name}: {report.refusal}" for report in reports)
    return f"the structures explain {100 * explained:.1f} % of {len(on_lattice):,} atoms"

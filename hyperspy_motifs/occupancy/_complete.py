"""Completion of the columns of an image by what repeats in it: missed columns, empty sites, false columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.sparse import csr_array
from scipy.stats import norm

from hyperspy_motifs.atoms import Atoms, ColumnFit, NoiseSpectrum, nearest_neighbour_distance
from hyperspy_motifs.common import FEWEST_ATOMS_OF_A_TREND

from ._places import BEYOND, Places, columns_beyond, predict_places, repeating_places
from ._sites import (
    N_TWINS,
    TOLERANCE,
    Occupancy,
    SiteTable,
    Translations,
    compare_models,
    local_translations,
    same_kind,
)

# Rounds in which columns are added and removed, and passes of each fit: further ones change nothing that the sites show.
_ROUNDS = 3
# Agreement of the surroundings of an empty site with those of its kind. It is about a half at an edge of the crystal, 0.65 or
# less behind a mirror boundary, and three quarters or more beside one or two vacancies.
_SAME_SURROUNDINGS = 0.7
# Minimum evidence for a kind of sites: odds of twenty to one.
_EVIDENCE = float(np.log(20.0))
# Minimum number of places to which translations map a column before it may be called false.
_FEWEST_PLACES = 4
# A column that is added is further from the border of the image, in nearest-neighbour distances: too little of others is seen.
_RIM = 0.1
# Probability below which a site is empty although a weak column stands beside it, which is then removed.
_CLEARLY_EMPTY = 0.05
# The maximum in the mean of a kind of sites: distance of the points around it and standard deviation of the filter, in
# nearest-neighbour distances, and the decrease in standard errors of the mean. Towards a bright neighbour the image
# rises again: after this filter at 0.3 beside titanium, for oxygen in PbTiO3 along [110], and not yet at 0.2.
_RING, _SMOOTHING, _DIRECTIONS = 0.2, 0.12, 8
_SIGNIFICANT_DIP = 2.0
# The same of an increase in one of the directions, at the same level for all of them together (Bonferroni).
_SIGNIFICANT_RISE = float(norm.isf(norm.sf(_SIGNIFICANT_DIP) / _DIRECTIONS))
# The same decrease around sites without a known column, relative to that around all sites of the kind. They were not found
# because noise makes them the fainter ones: half of the sites, found at a signal-to-noise ratio of 1.5, leave others with 0.5.
_LEAST_MULTIPLE = 0.25


@dataclass(frozen=True)
class _Survey:
    """The sites of a state of the fit: its columns, then the places they predict."""

    translations: Translations
    places: Places
    amplitudes: np.ndarray
    uncertainties: np.ndarray
    occupancy: Occupancy
    links: np.ndarray
    seen: np.ndarray
    alike: np.ndarray
    repeating: np.ndarray
    weak: np.ndarray
    spacing: float

    @property
    def known(self) -> np.ndarray:
        """Mask of the sites of a kind that noise and the tails of other columns do not explain."""
        return (self.occupancy.evidence > _EVIDENCE) & self.seen

    @property
    def measured(self) -> np.ndarray:
        """Mask of the sites that are occupied, of a known kind, by what the image shows there."""
        return (self.occupancy.probability > 0.5) & self.known & self.alike

    @property
    def occupied(self) -> np.ndarray:
        """Mask of the sites that are occupied; a place is one only where the structure repeats."""
        return self.measured & self.repeating


def complete(
    image: np.ndarray,
    atoms: Atoms,
    *,
    mask: np.ndarray | None = None,
    change: bool = True,
    refine: bool = True,
) -> tuple[Atoms, SiteTable]:
    """Find all sites of an image, occupied or empty, and correct its columns by them.

    Every column predicts, by the local translations of the crystal, where columns of its kind stand. The fit of all columns
    measures the amplitude at each predicted place, whether or not there is a maximum. Two models, empty and occupied, are
    compared. Places that are occupied become columns, which predict others in turn. Columns of a kind whose
    places are all empty but for noise are removed. Nothing is predicted where nothing repeats.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite and real.
    atoms : Atoms
        The columns found in it.
    mask : ndarray of bool of shape (rows, columns), optional
        Pixels without data.
    change : bool, optional
        Whether columns may be added and removed. Otherwise `atoms` is returned as it is.
    refine : bool, optional
        Whether to fit positions again: those near a change, and those at the border, together with the columns beyond it that
        repetition predicts. Otherwise an added column is where it was predicted.

    Returns
    -------
    atoms : Atoms
        With missed columns added at the end, false ones removed, and those at the border fitted again.
    sites : SiteTable
    """
    has_data = np.ones(image.shape, bool) if mask is None else ~np.asarray(mask, bool)
    if len(atoms) < FEWEST_ATOMS_OF_A_TREND:
        return atoms, _columns_alone(atoms)
    fit = ColumnFit.of_atoms(image, atoms)
    noise = fit.measure_noise()
    n_known = len(atoms)
    added = np.zeros(len(atoms), bool)
    vectors = None
    for round_ in range(_ROUNDS + 1):
        survey = _survey(fit, noise, has_data, added, vectors)
        # Columns that are added follow the translations that are known.
        vectors = survey.translations.proposed
        n = len(fit.start)
        new = survey.occupied[n:] & _inside(survey.places.positions, image.shape, _RIM * survey.spacing)
        false = (~survey.known[:n] & _unsupported(survey)) | survey.weak
        false |= ~survey.occupied[:n] & added
        if not change or round_ == _ROUNDS or not (new.any() or false.any()):
            break
        shapes = _shapes(fit, survey)[new]
        fit.keep(~false)
        fit.extend(survey.places.positions[new])
        fit.parameters[len(fit.start) - len(shapes) :, 3:6] = shapes
        added = np.concatenate([added[~false], np.ones(len(shapes), bool)])
        which = fit.with_neighbours(np.flatnonzero(added))
        fit.measure_amplitudes(which=which)
    beyond = columns_beyond(fit.parameters, survey.translations, survey.spacing, image.shape)
    if added.any() or len(added) < n_known or (change and refine and len(beyond)):
        if refine:
            _refine_near(fit, added, image.shape, beyond)
        atoms = replace(
            fit.atoms(),
            separation=atoms.separation,
            separation_certainty=atoms.separation_certainty,
            polarity=atoms.polarity,
            polarity_certainty=atoms.polarity_certainty,
        )
    return atoms, _table(atoms, survey, not change)


def _refine_near(fit: ColumnFit, added: np.ndarray, shape: tuple[int, ...], beyond: np.ndarray) -> None:
    """Fit the added columns and their neighbours, and those at the border of the image together with those `beyond` it (m, 7).

    All others keep their fit, and lost columns the place that was predicted.
    """
    n = len(added)
    before = fit.parameters.copy(), fit.fitted.copy(), fit.uncertainty.copy()
    fit.extend(beyond[:, 1:3])
    fit.parameters[n:] = beyond
    near = np.isin(np.arange(len(fit.start)), fit.with_neighbours(np.arange(n, len(fit.start))))
    near &= ~_inside(fit.parameters[:, 1:3], shape, BEYOND * fit.separation)
    near[fit.with_neighbours(np.flatnonzero(added))] = True
    near[n:] = False
    if near.any():
        fit.refine(passes=_ROUNDS, which=np.flatnonzero(near))
    fit.keep(np.arange(len(fit.start)) < n)
    moved = np.hypot(*(fit.parameters[:, 1:3] - before[0][:, 1:3]).T) > TOLERANCE * fit.separation
    outside = ~_inside(fit.parameters[:, 1:3], shape, -0.5)
    kept = ~near[:n] | moved | outside | ~fit.fitted
    fit.parameters[kept], fit.fitted[kept], fit.uncertainty[kept] = (values[kept] for values in before)


def _inside(points: np.ndarray, shape: tuple[int, ...], margin: float) -> np.ndarray:
    """Return a mask of the points x, y (m, 2) at least `margin` inside the outermost pixels of the image."""
    return np.all((points >= margin) & (points <= np.array(shape[::-1]) - 1 - margin), axis=1)


def _survey(
    fit: ColumnFit,
    noise: NoiseSpectrum,
    has_data: np.ndarray,
    added: np.ndarray,
    vectors: np.ndarray | None,
) -> _Survey:
    """Predict places from the columns of `fit`, measure them, and compare the two models of each site."""
    positions = fit.parameters[:, 1:3]
    amplitudes = np.maximum(fit.parameters[:, 0], 0.0)
    spacing = nearest_neighbour_distance(positions)
    translations = local_translations(positions, amplitudes, spacing, has_data, vectors)
    places = predict_places(positions, amplitudes, translations, spacing, has_data)
    n = len(positions)
    column, vector = np.nonzero(translations.valid & (translations.partners >= 0))
    pairs = np.column_stack([column, translations.partners[column, vector]])
    links = np.concatenate([pairs, places.links + np.array([0, n])])
    trial = fit.copy()
    trial.extend(places.positions)
    trial.parameters[n:, 3:6] = _mean_shapes(fit.parameters[:, 3:6], places)
    # A displaced column is measured at the place where it is expected, with the common shape.
    odd = places.displaced
    trial.parameters[odd, 1:3] = places.places_of_displaced
    trial.parameters[odd, 3:6] = trial.common, 0.0, trial.common
    every = np.arange(len(trial.start))
    which = np.concatenate([odd, every[n:]])
    if len(which):
        trial.measure_amplitudes(which=trial.with_neighbours(which))
    uncertainties = trial.measure_with_uncertainty(1, every)
    measured = trial.parameters[:, 0]
    typical = float(np.median(measured[:n]))
    # A disc with too few pixels says nothing about its site.
    unknown = ~np.isfinite(uncertainties)
    uncertainties = np.where(unknown, 1e3 * typical, np.maximum(uncertainties, 1e-6 * typical))
    around = same_kind(links, len(every))
    found = compare_models(measured, uncertainties, around, every < n)
    original = np.zeros(len(every), bool)
    original[:n] = ~added
    seen, alike = _seen(
        fit.image, trial.parameters[:, 1:3], around, original, found.probability, noise, spacing
    )
    weak = np.zeros(n, bool)
    weak[odd] = places.surroundings_of_displaced >= _SAME_SURROUNDINGS
    weak[:n] &= found.probability[:n] < _CLEARLY_EMPTY
    survey = _Survey(
        translations,
        places,
        measured,
        uncertainties,
        found,
        links,
        seen,
        alike,
        np.ones(len(every), bool),
        weak,
        spacing,
    )
    repeating = survey.repeating.copy()
    repeating[n:] = repeating_places(places, survey.measured[n:], positions, translations, spacing, has_data)
    return replace(survey, repeating=repeating)


def _seen(
    image: np.ndarray,
    positions: np.ndarray,
    around: csr_array,
    claimed: np.ndarray,
    probability: np.ndarray,
    noise: NoiseSpectrum,
    spacing: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a mask of the sites of kinds that the image shows as maxima, and one of the sites that look like their kind.

    Most sites of the kind have a column that was found, or the mean image of the occupied sites of the kind nearby decreases
    from its centre in all directions. Tails of other columns have no maximum between them. Sites without a known column look
    like their kind if their mean image decreases in the same way, and increases in no direction.
    """
    mostly = around @ claimed.astype(float) > 0.5 * around.sum(axis=1)
    if claimed.all():
        return mostly, np.ones(len(mostly), bool)
    smooth = gaussian_filter(image, _SMOOTHING * spacing)
    angles = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    ring = _RING * spacing * np.column_stack([np.cos(angles), np.sin(angles)])
    points = positions[:, None] + np.concatenate([np.zeros((1, 2)), ring])
    values = map_coordinates(smooth, [points[..., 1], points[..., 0]], order=1, mode="nearest")
    dips = values[:, :1] - values[:, 1:]
    weight = np.maximum(around @ probability, 1e-9)[:, None]
    mean = around @ (probability[:, None] * dips) / weight
    # Noise of the difference of two points of the filtered image.
    number = weight**2 / np.maximum(around @ probability**2, 1e-9)[:, None]
    variance = _variance_of_dip(noise, _SMOOTHING * spacing, _RING * spacing)
    error = np.sqrt(variance / number)
    maximum = mostly | _is_maximum(mean, error)
    # The decreases around the unknown sites as a multiple of those around all, by least squares.
    unknown = (~claimed * probability)[:, None]
    own = around @ (unknown * dips) / np.maximum(around @ unknown, 1e-9)
    shape = np.maximum(mean, 0.0)
    multiple = (own * shape).sum(axis=1) / np.maximum((shape**2).sum(axis=1), 1e-30)
    weight = np.maximum(around @ unknown, 1e-9)
    doubt = np.sqrt(variance * (around @ unknown**2)) / weight
    alike = (multiple > _LEAST_MULTIPLE) & (own > -_SIGNIFICANT_RISE * doubt).all(axis=1)
    return maximum, claimed | alike


def _variance_of_dip(noise: NoiseSpectrum, width: float, distance: float) -> float:
    """Return the variance, by noise, of the difference of two points of an image after a Gaussian filter."""
    reach = int(np.ceil(4 * width + distance))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(float)
    points = [np.exp(-0.5 * ((x - at) ** 2 + y**2) / width**2) for at in (0.0, distance)]
    return float(noise.variance_of_sum(points[0] / points[0].sum() - points[1] / points[1].sum()))


def _is_maximum(dips: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return a mask of the centres (m,) of which the mean decrease is significant, and no increase in any direction."""
    # Opposite directions are nearly independent, neighbouring ones are not: half of them count.
    overall = np.sqrt((error**2).mean(axis=1) / (_DIRECTIONS / 2))
    return (dips > -_SIGNIFICANT_RISE * error).all(axis=1) & (dips.mean(axis=1) > _SIGNIFICANT_DIP * overall)


def _mean_shapes(precisions: np.ndarray, places: Places) -> np.ndarray:
    """Return the mean precision matrices (m, 3) of the columns that predict each place."""
    column, place = places.links.T
    number = np.maximum(np.bincount(place, minlength=len(places)), 1)
    sums = [np.bincount(place, precisions[column, k], len(places)) for k in range(3)]
    return np.stack(sums, axis=1) / number[:, None]


def _shapes(fit: ColumnFit, survey: _Survey) -> np.ndarray:
    return _mean_shapes(fit.parameters[:, 3:6], survey.places)


def _unsupported(survey: _Survey) -> np.ndarray:
    """Return a mask of the columns of which most translations lead to places with the same surroundings but no column."""
    translations, places = survey.translations, survey.places
    n = len(translations.valid)
    column, place = places.links.T
    without = np.bincount(column, places.surroundings[place] >= _SAME_SURROUNDINGS, n)
    found = (translations.valid & (translations.partners >= 0)).sum(axis=1)
    return (without + found >= _FEWEST_PLACES) & (without > found)


def _table(atoms: Atoms, survey: _Survey, with_unknown: bool) -> SiteTable:
    """Return the sites of the last survey: `atoms`, enclosed empty places, and unknown columns if asked for."""
    n, occupancy = len(atoms), survey.occupancy
    places = survey.places
    probability = occupancy.probability.copy()
    # An amplitude that its kind does not have is that of a column only where the image shows one.
    bare = ~survey.alike & (occupancy.usual <= 0.5)
    probability[n:][bare[n:]] = np.minimum(probability, 0.5)[n:][bare[n:]]
    empty = (probability <= 0.5) & (occupancy.share > 0.5) & survey.known
    listed = empty[n:] & places.enclosed & (places.surroundings >= _SAME_SURROUNDINGS)
    if with_unknown:
        listed |= survey.occupied[n:]
    chosen = np.flatnonzero(listed)
    rows = np.concatenate([np.arange(n), n + chosen])
    sign = 1.0 if atoms.polarity == "bright" else -1.0
    known = np.sqrt((atoms.uncertainty**2).mean(axis=1))
    # A column that no translation supports is compared with nothing: its own fit shows that it is there.
    alone = ~survey.translations.valid.any(axis=1)
    probability = probability[rows]
    probability[:n] = np.where(alone, 1.0, probability[:n])
    expected = sign * occupancy.expected[rows]
    expected[:n] = np.where(alone, atoms.amplitude, expected[:n])
    return SiteTable(
        positions=np.concatenate([atoms.positions, places.positions[chosen]]),
        uncertainty=np.concatenate([known, places.uncertainty[chosen]]),
        atoms=np.concatenate([np.arange(n), np.full(len(chosen), -1)]),
        probability=probability,
        amplitude=np.concatenate([atoms.amplitude, sign * survey.amplitudes[n + chosen]]),
        amplitude_uncertainty=survey.uncertainties[rows],
        expected_amplitude=expected,
        twins=_twins(survey.links, n, rows),
    )


def _twins(links: np.ndarray, n: int, rows: np.ndarray) -> np.ndarray:
    """Return the first columns (m, N_TWINS) to which translations map the sites `rows`, -1 where there are fewer."""
    site, column = np.concatenate([links, links[:, ::-1]]).T
    keys = np.sort(site[column < n] * n + column[column < n])
    site, column = np.divmod(keys[np.diff(keys, prepend=-1) > 0], n)
    first = np.searchsorted(site, site)
    place = np.arange(len(site)) - first
    out = np.full((int(max(rows.max(), n)) + 1, N_TWINS), -1)
    kept = (place < N_TWINS) & (site < len(out))
    out[site[kept], place[kept]] = column[kept]
    return out[rows]


def _columns_alone(atoms: Atoms) -> SiteTable:
    """Return the sites of an image with too few columns to repeat."""
    n = len(atoms)
    return SiteTable(
        positions=atoms.positions,
        uncertainty=np.sqrt((atoms.uncertainty**2).mean(axis=1)),
        atoms=np.arange(n),
        probability=np.ones(n),
        amplitude=atoms.amplitude,
        amplitude_uncertainty=np.full(n, np.nan),
        expected_amplitude=atoms.amplitude,
        twins=np.full((n, N_TWINS), -1),
    )

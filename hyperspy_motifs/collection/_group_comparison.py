"""How often motifs occur in groups of images, which are the samples, not the atoms.

Cautions about unlike images, and the page that reports all.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import xlog1py, xlogy

from hyperspy_motifs.common import REPORTED_LEVEL
from hyperspy_motifs.motifs import Page, add_drawing

if TYPE_CHECKING:
    from ._collection import MotifCollection

# Images whose atoms are drawn in a report; all are in its tables.
_MOST_DRAWN = 60


@dataclass(frozen=True)
class GroupComparison:
    """Frequencies in groups of images, one row for each kind of unit and each group beside the first.

    Attributes
    ----------
    families, names : tuple of str
        What was counted ("motif", "cell", ...) and which.
    groups : tuple of str
        The group that is compared with `reference`.
    reference : str
    fractions, reference_fractions : ndarray, shape (rows,)
        Share of the counted units in either group.
    errors, reference_errors : ndarray, shape (rows,)
        Standard errors of both over images.
    odds_ratios : ndarray, shape (rows,)
        Odds in the group divided by the odds in the reference: the effect size.
    intervals : ndarray, shape (rows, 2)
        95 % confidence intervals of the odds ratios.
    dispersions : ndarray, shape (rows,)
        Variance over images relative to that of independent atoms.
    p_values, q_values : ndarray, shape (rows,)
        Of no difference; q is corrected for the number of rows, 1 where a kind is too rare to differ significantly.
    n_images : dict of str to int
        Number of images of each group, the reference among them; images that show one field count once.
    assumptions : tuple of str
        What was assumed of the images, a sentence each: which show one field, and that the others are independent.
    """

    families: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    reference: str
    fractions: NDArray[np.float64]
    reference_fractions: NDArray[np.float64]
    errors: NDArray[np.float64]
    reference_errors: NDArray[np.float64]
    odds_ratios: NDArray[np.float64]
    intervals: NDArray[np.float64]
    dispersions: NDArray[np.float64]
    p_values: NDArray[np.float64]
    q_values: NDArray[np.float64]
    n_images: Mapping[str, int]
    assumptions: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def significant(self, fdr: float = REPORTED_LEVEL) -> NDArray[np.int64]:
        """Return the rows that differ at a false discovery rate, the most significant first."""
        order = np.argsort(self.p_values, kind="stable")
        return order[self.q_values[order] <= fdr]

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain one-dimensional columns, ready for ``pandas.DataFrame``."""
        return {
            "family": np.array(self.families), "name": np.array(self.names), "group": np.array(self.groups),
            "reference": np.array([self.reference] * len(self)),
            "fraction": self.fractions, "error": self.errors,
            "reference_fraction": self.reference_fractions, "reference_error": self.reference_errors,
            "odds_ratio": self.odds_ratios, "odds_ratio_low": self.intervals[:, 0],
            "odds_ratio_high": self.intervals[:, 1], "dispersion": self.dispersions,
            "p_value": self.p_values, "q_value": self.q_values,
        }  # fmt: skip

    def cautions(self) -> list[str]:
        """What makes the p-values doubtful, a sentence each: groups of one image."""
        single = [f"'{name}'" for name, number in self.n_images.items() if number < 2]
        if not single:
            return []
        many = "group" if len(single) == 1 else "groups"
        return [
            f"one image only in {many} {', '.join(single)}: images are the samples, and how much those of such a group differ "
            "is taken from the other groups. Its p- and q-values hold only if it is the same; add images"
        ]

    def __repr__(self) -> str:
        rows = self.significant()
        lines = [f"caution: {line}" for line in self.cautions()]
        lines += [f"assumed: {line}" for line in self.assumptions]
        lines += [f"{len(rows)} of {len(self)} differ from group '{self.reference}' at 5 % false discoveries"]
        for k in rows[:20].tolist():
            low, high = self.intervals[k]
            lines.append(
                f"  {self.families[k]} {self.names[k]}: {100 * self.fractions[k]:.3g} ± {100 * self.errors[k]:.2g} % in "
                f"'{self.groups[k]}', {100 * self.reference_fractions[k]:.3g} ± {100 * self.reference_errors[k]:.2g} % in "
                f"'{self.reference}'; odds ratio {self.odds_ratios[k]:.3g} ({low:.3g} to {high:.3g}), "
                f"q = {self.q_values[k]:.2g}"
            )
        return "\n".join(lines)


def compare_groups(
    counts: ArrayLike,
    totals: ArrayLike,
    groups: Sequence[object],
    *,
    reference: object = None,
    names: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
) -> GroupComparison:
    r"""Compare how often units occur in groups of images.

    The count in an image is quasi-binomial: its variance is :math:`\phi n p (1 - p)`, where p is the fraction in its group,
    and the dispersion :math:`\phi` is estimated from the images of all groups by Pearson's statistic. It is 1 if atoms
    are independent, and larger if images of one group differ. Two groups are compared by the deviance divided by
    :math:`\phi`, with the F distribution whose degrees of freedom are the number of images minus that of groups [1]_. No
    p-value is smaller than that of independent atoms, of the deviance itself and the chi-squared distribution: a dispersion
    below 1 is chance.

    The q-values are those of Benjamini and Hochberg over the kinds that can differ at all [2]_: one with three atoms in all
    images cannot, in whichever images they are, and the more such kinds there are, the more would the others have to differ.

    Parameters
    ----------
    counts : array_like of int, shape (images, k)
        Number of units of each kind.
    totals : array_like of int, shape (images, k) or (images,)
        Number of which they are a part.
    groups : sequence, length images
        Group of each image.
    reference : optional
        The group that others are compared with; the first one by default.
    names, families : sequence of str, length k, optional

    Returns
    -------
    GroupComparison
        Kinds that occur in no image of two compared groups are left out.

    Raises
    ------
    ValueError
        If there are fewer than two groups, no group has two images, or the shapes do not match.

    References
    ----------
    .. [1] P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd ed., section 4.5 (1989).
    .. [2] P. B. Gilbert, J. R. Stat. Soc. C 54, 143 (2005).
    """
    counts = np.asarray(counts, float)
    n = np.broadcast_to(np.asarray(totals, float).reshape(len(counts), -1), counts.shape)
    group_of = np.array([str(g) for g in groups])
    if counts.ndim != 2 or len(group_of) != len(counts):
        raise ValueError(
            f"counts of shape (images, kinds) and one group per image are expected; got {counts.shape} and {len(group_of)} "
            "groups."
        )
    known = list(dict.fromkeys(group_of.tolist()))
    if reference is not None and str(reference) not in known:
        raise ValueError(f"There is no group '{reference}'; the groups are {', '.join(known)}.")
    first = known[0] if reference is None else str(reference)
    others = [g for g in known if g != first]
    df = len(counts) - len(known)
    if not others or df < 1:
        raise ValueError(
            f"{len(known)} group(s) of {len(counts)} images cannot be compared: images are the samples, so two groups and more "
            "images than groups are needed."
        )
    names = [str(k) for k in range(counts.shape[1])] if names is None else list(names)
    families = ["motif"] * counts.shape[1] if families is None else list(families)
    member = np.array([group_of == g for g in known])
    k_of, n_of = member @ counts, member @ n
    share = k_of / np.maximum(n_of, 1)
    fitted = share[member.argmax(axis=0)]
    variance = n * fitted * (1 - fitted)
    pearson = np.where(variance > 0, (counts - n * fitted) ** 2 / np.maximum(variance, 1e-300), 0.0).sum(
        axis=0
    )
    dispersion = pearson / df
    errors = np.sqrt(np.maximum(dispersion, 1.0) * share * (1 - share) / np.maximum(n_of, 1))
    rows: list[tuple[object, ...]] = []
    a = known.index(first)
    for other in others:
        b = known.index(other)
        both = (k_of[a] + k_of[b]) / np.maximum(n_of[a] + n_of[b], 1)
        deviance = 2 * sum(
            _log_likelihood(k_of[g], n_of[g], share[g]) - _log_likelihood(k_of[g], n_of[g], both)
            for g in (a, b)
        )
        deviance = np.maximum(deviance, 0)
        ratio_of_variances = deviance / np.maximum(dispersion, 1e-12)
        p_values = np.maximum(stats.f.sf(ratio_of_variances, 1, df), stats.chi2.sf(deviance, 1))
        least = _least_p_values(k_of[[a, b]], n_of[[a, b]])
        # Half a unit is added to each count (Haldane), so that the ratio is finite.
        logs = [np.log((k_of[g] + 0.5) / (n_of[g] - k_of[g] + 0.5)) for g in (a, b)]
        error = np.sqrt(sum(1 / (k_of[g] + 0.5) + 1 / (n_of[g] - k_of[g] + 0.5) for g in (a, b)))
        width = error * np.maximum(stats.t.ppf(0.975, df) * np.sqrt(dispersion), stats.norm.ppf(0.975))
        ratio = logs[1] - logs[0]
        for k in np.flatnonzero((k_of[a] + k_of[b] > 0) & (n_of[a] > 0) & (n_of[b] > 0)).tolist():
            rows.append((
                families[k], names[k], other, share[b, k], share[a, k], errors[b, k], errors[a, k], np.exp(ratio[k]),
                (np.exp(ratio[k] - width[k]), np.exp(ratio[k] + width[k])), dispersion[k], p_values[k],
                least[k],
            ))  # fmt: skip
    columns = list(zip(*rows, strict=True)) if rows else [()] * 12
    p, least = np.array(columns[10], float), np.array(columns[11], float)
    return GroupComparison(
        families=tuple(columns[0]), names=tuple(columns[1]), groups=tuple(columns[2]), reference=first,
        fractions=np.array(columns[3], float), reference_fractions=np.array(columns[4], float),
        errors=np.array(columns[5], float), reference_errors=np.array(columns[6], float),
        odds_ratios=np.array(columns[7], float), intervals=np.array(columns[8], float).reshape(-1, 2),
        dispersions=np.array(columns[9], float), p_values=p,
        q_values=_q_values(p, least),
        n_images={name: int(np.count_nonzero(own)) for name, own in zip(known, member, strict=True)},
    )  # fmt: skip


def _least_p_values(counts: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the p-value of each kind if all of its units were in one of two groups; counts and totals (2, k)."""
    together, n = counts.sum(axis=0), totals.sum(axis=0)
    whole = _log_likelihood(together, n, together / np.maximum(n, 1))
    deviances = []
    for own in totals:
        here = np.minimum(together, own)
        rest = together - here
        apart = _log_likelihood(here, own, here / np.maximum(own, 1))
        apart += _log_likelihood(rest, n - own, rest / np.maximum(n - own, 1))
        deviances.append(2 * (apart - whole))
    return np.asarray(stats.chi2.sf(np.maximum(np.max(deviances, axis=0), 0), 1))


def _q_values(p: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return q-values (rows,) over those rows whose smallest possible p-values pass a test of all that are kept (Tarone)."""
    q = np.ones(len(p))
    for number in range(1, len(p) + 1):
        kept = least < REPORTED_LEVEL / number
        if np.count_nonzero(kept) <= number:
            if kept.any():
                q[kept] = stats.false_discovery_control(p[kept])
            break
    return q


def _log_likelihood(
    k: NDArray[np.float64], n: NDArray[np.float64], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the logarithm of the binomial likelihood without its constant."""
    return np.asarray(xlogy(k, p) + xlog1py(n - k, -p))


# Names of images in one sentence.
_NAMED = 4


def common_share(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the share of their atoms that two images have in common motifs, shape (images, images).

    Parameters
    ----------
    counts : ndarray of int, shape (images, motifs)
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.minimum(shares[:, None], shares).sum(axis=2))


def find_cautions(
    names: Sequence[str], counts: NDArray[np.integer], unlike: NDArray[np.integer]
) -> list[str]:
    """Return a sentence for each reason to doubt that the images belong into one collection.

    Images that are linked by others are of one kind: in a series of alloys the first and the last may have little in common.

    Parameters
    ----------
    names : sequence of str
        Of the images.
    counts : ndarray of int, shape (images, motifs)
        Atoms of each motif.
    unlike : ndarray of int, shape (images, motifs)
        Those of them that differ from the atoms of the motif in all images, at the level of the motifs.
    """
    lines = []
    # More than half of the atoms: most of an image.
    linked = csr_array(2 * common_share(counts) > 1)
    number, group_of = connected_components(linked, directed=False)
    if number > 1:
        groups = [_listed([names[i] for i in np.flatnonzero(group_of == g).tolist()]) for g in range(number)]
        lines.append(
            "the images share few motifs: no image of one of these groups has most of its atoms in common motifs with one of "
            f"another: {' | '.join(groups)}. Different materials, detectors or magnifications are no samples of one specimen"
        )
    # A rare motif may hold accidents of several kinds; that of a host does not.
    wrong = [
        name for name, own, other in zip(names, counts, unlike, strict=True) if 2 * other.sum() > own.sum()
    ]
    if wrong:
        lines.append(
            f"most atoms in {_listed(wrong)} are unlike those of the same motifs in other images: each has the nearest motif "
            "and may be of another material"
        )
    return lines


def _listed(names: Sequence[str]) -> str:
    """Return some names in a line."""
    more = len(names) - _NAMED
    return ", ".join([*names[:_NAMED], *([f"and {more} more"] if more > 0 else [])])


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names, with numbers where they repeat that make no name a second time."""
    seen = Counter(names)
    number: Counter[str] = Counter()
    out = []
    for name in names:
        unique = name
        while seen[name] > 1 and unique in seen:
            number[name] += 1
            unique = f"{name} {number[name]}"
        out.append(unique)
    return out


def write_report(
    collection: MotifCollection, path: str | PathLike[str], groups: Sequence[object] | None, title: str | None
) -> Path:
    """See :meth:`MotifCollection.report`."""
    import matplotlib.pyplot as plt

    counts = collection.counts
    now = datetime.datetime.now(datetime.UTC)
    about = f"{len(collection)} images, {counts.sum():,} atoms, {collection.n_motifs} motifs of one model."
    page = Page(
        f"Motifs of {title or f'{len(collection)} images'}", f"{about} Written {now:%Y-%m-%d %H:%M} UTC."
    )
    for line in collection.cautions():
        page.add("caution", line)
    with plt.ioff():
        if groups is not None and len({str(g) for g in groups}) > 1:
            _comparison(page, collection, groups)
        page.add("heading", "Frequencies")
        add_drawing(
            page, collection.plot_populations, "Fraction of each motif in each image",
            "Fraction of the atoms of each image that belong to each motif, with standard errors.", groups=groups,
        )  # fmt: skip
        if len(collection) > 2:
            add_drawing(
                page, collection.plot_similarity, "Images as points, near to each other if alike",
                "Map of the images: distances are Hellinger distances of their fractions of motifs.", groups=groups,
            )  # fmt: skip
        names = collection.names
        heads = [name if names.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(names)]
        columns = dict(zip(heads, counts.T.tolist(), strict=True))
        page.table(
            "Atoms of each motif.",
            {"image": collection.images, "atoms": counts.sum(axis=1).tolist(), **columns},
        )
        page.add("heading", "Images")
        for name, motifs in list(zip(collection.images, collection, strict=True))[:_MOST_DRAWN]:
            add_drawing(page, motifs.plot, f"Image {name} with a coloured dot on each atom", f"{name}.")
    if len(collection) > _MOST_DRAWN:
        page.add("paragraph", f"The first {_MOST_DRAWN} of {len(collection)} images are shown.")
    page.write(path)
    return Path(path)


def _comparison(page: Page, collection: MotifCollection, groups: Sequence[object]) -> None:
    found = collection.compare(groups)
    rows = found.significant()
    page.add("heading", "Groups")
    for line in found.cautions():
        page.add("caution", line)
    for line in found.assumptions:
        page.add("paragraph", f"Assumed: {line}.")
    page.add(
        "paragraph",
        f"{len(rows)} of {len(found)} frequencies differ from group '{found.reference}' at a false discovery rate of 5 %. "
        "Images are the samples, not atoms.",
    )
    shown = rows.tolist() or np.argsort(found.p_values, kind="stable")[:5].tolist()
    numbers = {
        "%": 100 * found.fractions, "± %": 100 * found.errors, f"% in {found.reference}": 100 * found.reference_fractions,
        "error (%)": 100 * found.reference_errors, "odds ratio": found.odds_ratios, "from": found.intervals[:, 0],
        "to": found.intervals[:, 1], "q": found.q_values,
    }  # fmt: skip
    page.table(
        "What differs." if len(rows) else "The smallest p-values; none is significant.",
        {
            "what": [f"{found.families[k]} {found.names[k]}" for k in shown],
            "group": [found.groups[k] for k in shown],
            **{head: values[shown].tolist() for head, values in numbers.items()},
        },
    )

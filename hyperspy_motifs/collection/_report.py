"""The report of a collection: one page over all images."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hyperspy_motifs.motifs import Page, add_drawing

if TYPE_CHECKING:
    from ._collection import MotifCollection

# Images whose atoms are drawn; all are in the tables.
_MOST_DRAWN = 60


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

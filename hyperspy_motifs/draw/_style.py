"""Sizes and settings of figures for a journal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl

#: Widths in inches of one and of two columns of a journal: 85 and 170 mm.
ONE_COLUMN, TWO_COLUMNS = 85 / 25.4, 170 / 25.4


def journal_style(**settings: Any) -> AbstractContextManager[None]:
    """Draw and save figures for a journal within a ``with`` block, without a change of the global settings.

    Letters are of 8 points in a font without serifs. PDF and PostScript files contain the fonts as TrueType (type 42), which
    journals ask for, and SVG files contain texts as texts. Bitmaps have 600 dots per inch.

    Parameters
    ----------
    **settings
        Further settings of matplotlib with ``_`` in place of the dot, such as ``font_size=7``.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> with hm.draw.journal_style():
    ...     ax = hm.draw.plot_motifs([[0, 0], [1, 0], [0, 1]], [0, 0, 1])
    ...     ax.figure.savefig("motifs.pdf")  # doctest: +SKIP
    """
    chosen: Any = {
        "font.family": "sans-serif", "font.size": 8, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none",
        "savefig.dpi": 600, "axes.linewidth": 0.6,
    }  # fmt: skip
    own: Any = {key.replace("_", ".", 1): value for key, value in settings.items()}
    return mpl.rc_context({**chosen, **own})

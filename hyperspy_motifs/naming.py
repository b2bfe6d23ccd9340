"""How a text calls a motif."""

from __future__ import annotations

from collections.abc import Sequence


def motif_name(motif: int, names: Sequence[str] | None = None) -> str:
    """The name of a motif within a sentence: the one it was given, else "motif" and its number.

    Parameters
    ----------
    motif : int
    names : sequence of str, optional
        Name of each motif; the number stands for one without a name.

    Returns
    -------
    str

    Examples
    --------
    >>> motif_name(1, ["Mo", "Se"]), motif_name(1, ["Mo", "1"]), motif_name(1)
    ('Se', 'motif 1', 'motif 1')
    """
    name = str(names[motif]) if names is not None and 0 <= motif < len(names) else str(motif)
    return f"motif {motif}" if name == str(motif) else name

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._cell_colouring import class_words
from ._motif_view import MotifView

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class HierarchyFigures(MotifView):
    """Figures of :class:`~hyperspy_motifs.motifs.Motifs` that show its graph."""

    def plot_hierarchy(self, *, pictures: bool = True, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the levels as rows of classes, with their images and components.

        Parameters
        ----------
        pictures : bool, optional
            Whether classes are drawn as mean images instead of symbols.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_hierarchy`: ``most=30`` draws up to 30 classes per level.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_hierarchy

        words = class_words(self.cells, self.names, self._missing_motifs())
        kwargs = {"names": {f"cell-class:{k}": name for k, name in enumerate(words)}, **kwargs}
        if pictures:
            kwargs = {"pictures": self._class_pictures(), **kwargs}
        return plot_hierarchy(self.graph, ax=ax, **kwargs)

    def _class_pictures(self) -> dict[str, np.ndarray]:
        from hyperspy_motifs.pipeline import class_pictures

        return self._cached("pictures", lambda: class_pictures(self.signal, self._refresh(), self.graph))

    def plot_enrichment(self, *, kind: str = "motif", ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the pairs of classes that are neighbours more or less often than by chance.

        Parameters
        ----------
        kind : str, optional
            "motif", "cell-class" or another kind of class of the graph.
        ax : matplotlib.axes.Axes, optional
        **kwargs
            Passed to :func:`hyperspy_motifs.draw.plot_enrichment`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_enrichment

        return plot_enrichment(self.graph, kind=kind, ax=ax, **kwargs)

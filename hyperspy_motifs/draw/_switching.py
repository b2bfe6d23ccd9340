"""Switching of motifs by a click on their entry in the legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.backend_bases import PickEvent
from matplotlib.legend import Legend

_FAINT = 0.25


class MotifSwitch:
    """Entries of a legend that show and hide the HyperSpy markers of their motifs.

    Parameters
    ----------
    legend : matplotlib.legend.Legend
        Result of :func:`~hyperspy_motifs.draw.add_motif_legend`: one entry per motif that occurs, in their order.
    markers : dict of int to HyperSpy marker
        Marker of each motif, plotted (:func:`~hyperspy_motifs.draw.motif_markers`).

    Attributes
    ----------
    hidden : set of int
        Motifs that are switched off.
    """

    def __init__(self, legend: Legend, markers: Mapping[int, Any]) -> None:
        self.hidden: set[int] = set()
        self._markers = dict(markers)
        self._entries: dict[int, tuple[Any, Any]] = {
            motif: (handle, text)
            for motif, handle, text in zip(
                sorted(markers), legend.legend_handles, legend.get_texts(), strict=False
            )
        }
        self._motif_of = {artist: motif for motif, entry in self._entries.items() for artist in entry}
        for artist in self._motif_of:
            artist.set_picker(5)
        self._ax = legend.axes
        figure: Any = legend.get_figure(root=True)
        self._canvas = figure.canvas
        self._canvas.mpl_connect("pick_event", self._on_pick)
        # matplotlib keeps weak references to callbacks: the switch exists as long as its legend.
        legend._motif_switch = self  # type: ignore[attr-defined]

    def toggle(self, motif: int) -> None:
        """Hide the atoms of `motif`, or show them again."""
        self.hidden ^= {motif}
        shown = motif not in self.hidden
        # None after its figure is closed.
        collection = self._markers[motif]._collection
        if collection is not None:
            collection.set_visible(shown)
        for artist in self._entries[motif]:
            artist.set_alpha(None if shown else _FAINT)
        plot = getattr(self._ax, "hspy_fig", None)
        if plot is not None:
            plot.render_figure()
        else:
            self._canvas.draw_idle()

    def _on_pick(self, event: PickEvent) -> None:
        motif = self._motif_of.get(event.artist)
        if motif is not None:
            self.toggle(motif)

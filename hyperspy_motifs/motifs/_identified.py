from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs.identify import Identification

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._motif_view import MotifView


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

    def to_ase(self, repeats: int = 1) -> Any:
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

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs.identify import Identification

from ._edits import MotifEdits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hyperspy_motifs.graph import MotifGraph


@dataclass(frozen=True, eq=False, repr=False)
class IdentifiedMotifs(Identification):
    """An identification (:class:`~hyperspy_motifs.identify.Identification`) with the image that it belongs to.

    ``print`` shows it; :attr:`names` has one name per atom, :meth:`motif_table` one row per motif.
    """

    _motifs: Any = None

    @classmethod
    def of(cls, found: Identification, motifs: Any) -> IdentifiedMotifs:
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


class MotifNames(MotifEdits):
    """Names of the motifs of :class:`~hyperspy_motifs.motifs.Motifs` from candidate structures."""

    def identify(
        self,
        structure: Any,
        zone_axis: Any = (0, 0, 1),
        defects: Any = "auto",
        *,
        detector: str = "auto",
        scattering: Mapping[str, float] | None = None,
        relabel: bool = True,
    ) -> IdentifiedMotifs:
        """Say which column of a structure every motif, every atom and every empty site is.

        The structure is projected along the zone axis. Its orientation, distortion and grains are found from the positions of
        the atoms; which column an atom is follows from its neighbours, and from its brightness as a power of the atomic number,
        whose exponent is fitted. Candidates for atoms that differ from their column are made by rule: vacancies, substitutes,
        antisites and adatoms. The guide "Names from a structure" has the model.

        Parameters
        ----------
        structure : str, path, ase.Atoms, pymatgen.Structure, or a list of them
            A name of :data:`hyperspy_motifs.data.structures.NAMES` such as ``"MoSe2"``, a CIF file, or an object. Of a list the
            most probable one is taken, and where another one fits better, that one.
        zone_axis : sequence of three int, optional
            Direction [uvw] of the lattice that points to the observer; or a list with one for each structure.
        defects : "auto", None or sequence of str, optional
            ``"auto"``: substitutes are all elements of like size and valence. A list of symbols: only these. None: every column
            is one of the structure.
        detector : {"auto", "ADF", "ABF", "STM"}, optional
            ``"auto"`` is ABF for dark columns, STM where ``metadata.Signal.quantity`` is a height, as "Height (nm)", and ADF
            otherwise. Brightness is used for ADF only; otherwise names follow from geometry alone, and assignments that it
            cannot distinguish are listed with equal probabilities.
        scattering : mapping of str to float, optional
            Brightness of single atoms by their symbol, in any unit, such as ``{"Mo": 5.1, "Se": 3.6}``, from a simulation with
            the detector of the image. By default a power of the atomic number, which is fitted in any case.
        relabel : bool, optional
            Whether the motifs get their names (:meth:`relabel`), for legends, graph, report and files. Not if the
            structures are refused.

        Returns
        -------
        IdentifiedMotifs
            ``print`` shows it. It is stored with the image: :attr:`identification`.

        Raises
        ------
        ValueError
            If a structure or an argument is not understood, or the result has several frames or patches on a grid.
        ImportError
            If ASE is not installed.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> s, truth = hm.data.monolayer("MoSe2", shape=(200, 220), random_state=0)
        >>> motifs = s.find_motifs(show_progressbar=False)
        >>> found = motifs.identify("MoSe2")
        >>> motifs.names[:2]
        ['Mo', 'Se2']
        """
        from hyperspy_motifs import store
        from hyperspy_motifs.pipeline import identify, place_in_image

        several = isinstance(structure, list | tuple)
        record = self._refresh()
        found = identify(
            record,
            self.sites,
            list(structure) if several else [structure],
            zone_axis,
            defects,
            detector,
            scattering,
            str(self._signal.metadata.get_item("Signal.quantity", "") or ""),
        )
        found = place_in_image(found, record)
        if relabel and not found.refused:
            self.relabel(found.motif_names())
        store.write_identification(self._signal, found.state())
        self._cache.pop("identification", None)
        self._cache.pop("graph", None)
        return self.identification

    @property
    def identification(self) -> IdentifiedMotifs:
        """The last result of :meth:`identify`, stored with the image.

        Raises
        ------
        ValueError
            If the atoms were not identified, or have changed since then.
        """
        found = self._identification()
        if found is None:
            raise ValueError(
                "These atoms were not identified, or have changed since then. Call motifs.identify with a structure, such as "
                'motifs.identify("MoSe2").'
            )
        return found

    def _describe_species(self, graph: MotifGraph) -> None:
        """Add the names and their probabilities to the atoms of a graph, and compositions to its cells."""
        found = self._identification()
        if found is None:
            return
        for i, (name, probability) in enumerate(
            zip(found.names.tolist(), found.probabilities.tolist(), strict=True)
        ):
            graph.nodes[f"atom:{i}"].update(species=name, species_probability=probability)
        for i, name in enumerate(found.cell_names()):
            if f"cell:{i}" in graph.nodes:
                graph.nodes[f"cell:{i}"]["composition"] = name

    def _identification(self) -> IdentifiedMotifs | None:
        from hyperspy_motifs.pipeline import stored_identification

        def read() -> IdentifiedMotifs | None:
            stored = stored_identification(self._signal, self._refresh())
            return None if stored is None else IdentifiedMotifs.of(stored, self)

        return self._cached("identification", read)

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.common import REPORTED_LEVEL

from ._accessors import MotifEdits, MotifExports
from ._described import IdentifiedMotifs
from ._motif_view import MotifView
from ._plots import MotifPlots
from ._views import MotifMovie

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hyperspy_motifs.cells import Cells
    from hyperspy_motifs.defects import Outliers
    from hyperspy_motifs.describe import Descriptions
    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.signals import AtomicImage


class Motifs(MotifView):
    """The motifs of an image, its cells and its graph.

    A view of ``signal.metadata.Motifs``, which is saved with the image. Arrays have one row per atom and are
    read-only; methods change them, for every view of this result. When ``find_motifs`` is called again, the views
    of the earlier result keep their answers, each with its later edits on a copy of the image of its own.

    Parameters
    ----------
    signal : AtomicImage
        An image on which ``find_motifs`` has been called.

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
    >>> motifs = s.find_motifs(show_progressbar=False)
    >>> int(motifs.counts.sum()) == len(motifs.labels)
    True
    """

    # ------------------------------------------------------------------ groups of methods

    @property
    def plot(self) -> MotifPlots:
        """Figures: ``motifs.plot()``, ``motifs.plot.layout()`` ... (:class:`~hyperspy_motifs.motifs.MotifPlots`)."""
        return MotifPlots(self)

    @property
    def edit(self) -> MotifEdits:
        """Changes: ``motifs.edit.merge([0, 1])``, ``motifs.edit.undo()`` ... (:class:`~hyperspy_motifs.motifs.MotifEdits`)."""
        return MotifEdits(self)

    @property
    def export(self) -> MotifExports:
        """Other tools: ``motifs.export.ase()`` ... (:class:`~hyperspy_motifs.motifs.MotifExports`)."""
        return MotifExports(self)

    @property
    def movie(self) -> MotifMovie:
        """Atoms in time: ``motifs.movie.transitions()`` ... (:class:`~hyperspy_motifs.motifs.MotifMovie`)."""
        return MotifMovie(self)

    # ------------------------------------------------------------------ aliases of what is called most

    @property
    def plot_layout(self) -> Callable[..., Axes]:
        """Alias of ``motifs.plot.layout``."""
        return self.plot.layout

    @property
    def plot_means(self) -> Callable[..., np.ndarray]:
        """Alias of ``motifs.plot.means``."""
        return self.plot.means

    @property
    def plot_cells(self) -> Callable[..., Axes]:
        """Alias of ``motifs.plot.cells``."""
        return self.plot.cells

    @property
    def plot_defects(self) -> Callable[..., Axes]:
        """Alias of ``motifs.plot.defects``."""
        return self.plot.defects

    @property
    def merge(self) -> Callable[..., Motifs]:
        """Alias of ``motifs.edit.merge``."""
        return self.edit.merge

    @property
    def split(self) -> Callable[..., Motifs]:
        """Alias of ``motifs.edit.split``."""
        return self.edit.split

    @property
    def relabel(self) -> Callable[..., Motifs]:
        """Alias of ``motifs.edit.relabel``."""
        return self.edit.relabel

    @property
    def find_cells(self) -> Callable[..., Cells]:
        """Alias of ``motifs.edit.cells``."""
        return self.edit.cells

    # ------------------------------------------------------------------ analyses

    def identify(
        self,
        structure: object,
        zone_axis: object = (0, 0, 1),
        defects: str | Sequence[str] | None = "auto",
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
            ``"auto"``: substitutes are all elements of like size and valence. A list of symbols: only these, each on the sites
            that it is most like. None: every column is one of the structure.
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

        record = self._refresh()
        found = identify(
            record,
            self.sites,
            list(structure) if isinstance(structure, list | tuple) else [structure],
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

    def describe(self) -> Descriptions:
        """What each motif is: a paragraph that can be checked against the image.

        How many atoms, on which sites, and whether they are at random there, clustered or along a line; the first shell of
        neighbours; brightness; point group of the mean patch; the most similar motif, how far away it is and in which
        moments the two differ; how certain the atoms are. From then on the motifs of ``motifs.graph`` have the attribute
        ``description``.

        Returns
        -------
        hyperspy_motifs.describe.Descriptions
            ``print`` shows it; ``descriptions[k]`` is that of motif k, ``to_dict()`` gives a table.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
        >>> motifs = s.find_motifs(radius=0.6, show_progressbar=False)
        >>> motifs.describe()[0].shell.motifs[0]  # the neighbours of most atoms
        1
        """
        return self._cached("descriptions", self._find_descriptions)

    def _find_descriptions(self) -> Descriptions:
        from ._described import describe

        found = describe(self)
        # The graph has them from now on.
        self._cache.pop("graph", None)
        return found

    def find_outliers(self, fdr: float = REPORTED_LEVEL) -> Outliers:
        """Find single atoms that differ from their counterparts, with their error rate.

        A motif needs five atoms. Here every atom is tested alone, against its counterparts: the nearest atoms with the same
        surroundings, whatever stands at their centre. Three things are compared: the intensity (of one linear fit of all
        columns), the place relative to the neighbours, and the shape. The scatter and the tails of the null distribution
        are those of the image itself; slow changes of brightness and distance are allowed for. The three p-values of an atom
        are combined [2]_, and the false discovery rate over all atoms is controlled [1]_. An atom beside a more significant
        outlier is compared by its intensity only, because its place and shape may be disturbed.

        Parameters
        ----------
        fdr : float, optional
            False discovery rate: the expected fraction of false ones among the outliers. In an image without any, it is the
            probability that there is one.

        Returns
        -------
        hyperspy_motifs.defects.Outliers
            In order of significance; ``print`` lists them. Atoms closer than 1.5 nearest-neighbour distances to the border are
            not tested; those whose surroundings do not repeat only by their intensity, against every kind of atom nearby.

        Raises
        ------
        ValueError
            If `fdr` is not between 0 and 1, or the motifs are of patches on a grid.

        References
        ----------
        .. [1] Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57, 289 (1995).
        .. [2] Y. Liu and J. Xie, J. Am. Stat. Assoc. 115, 393 (2020).

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
        >>> motifs = s.find_motifs(show_progressbar=False)
        >>> outliers = motifs.find_outliers(fdr=0.05)
        >>> len(outliers.kinds) == len(outliers.q_values)
        True
        """
        from hyperspy_motifs.pipeline import find_outliers

        return find_outliers(self._signal, self._refresh(), self.sites, fdr)

    def cluster_cells(
        self,
        *,
        n_corners: int | Sequence[int] | None = None,
        radius: float | None = None,
        n_clusters: int | None = None,
        rotation_invariant: bool = True,
        random_state: int = 0,
    ) -> np.ndarray:
        """Group cells by the image inside them, independently of their corners.

        The features of the discs around their centres are clustered like those of atoms. This separates empty and
        filled channels, even if the column inside was not detected.

        Parameters
        ----------
        n_corners : int or sequence of int, optional
            Only cells with this number of corners. Each kind of ring should be analysed separately.
        radius : float, optional
            In axis units; by default the disc has the area of the median cell.
        n_clusters : int, optional
            Number of groups; by default groups that differ by more than noise.
        rotation_invariant : bool, optional
            Whether rotated cells are equivalent.
        random_state : int, optional

        Returns
        -------
        numpy.ndarray of int, shape (m,)
            Group of each of ``motifs.cells``, 0 = most frequent; -1 for cells that were not selected and for cells
            whose disc leaves the image. ``motifs.plot_cells(groups)`` draws them.
        """
        from hyperspy_motifs.pipeline import cell_groups

        patches = self.export.cell_patches(n_corners=n_corners, radius=radius)
        features = patches.get_zernike_features()
        return cell_groups(
            features, patches.atoms, len(self.cells), rotation_invariant, n_clusters, random_state
        )

    def predict(
        self,
        other: AtomicImage,
        *,
        atoms: object = None,
        detectors: object = None,
        show_progressbar: bool | None = None,
    ) -> Motifs:
        """Apply these motifs to another image, with the same numbers and names.

        Parameters
        ----------
        other : AtomicImage
            An image of the same material, at the same polarity; if calibrated in the same units, discs have the same size.
        atoms : optional
            Atoms of the other image, as in ``find_motifs``; found by default.
        detectors : AtomicImage or list of AtomicImage, optional
            Images of the same scan as `other` by the further detectors, if the motifs were found in several, in the same order.
        show_progressbar : bool, optional

        Returns
        -------
        Motifs
            Of the other image, also available as ``other.motifs``. Its column ``outlier_score`` (:meth:`to_dict`), 0
            to 1, is near 1 for atoms that resemble no motif: 1 - outlier_score is a p-value, uniformly distributed
            for atoms that belong to their motif, and below 1 / n for outliers.
        """
        from hyperspy_motifs.pipeline import predict

        record = self._refresh()
        predict(self.model, other, atoms, show_progressbar, record.parameters, detectors)
        return type(self)(other)

    def subset(self, atoms: object) -> Motifs:
        """Some of the atoms as motifs of a copy of the image, such as those of one grain or of a selection.

        Parameters
        ----------
        atoms : array-like of int, or of bool of shape (n,)
            Rows of :attr:`positions`, or a mask.

        Returns
        -------
        Motifs
            Motifs keep their numbers and names, atoms their order. Cells remain if all their corners do, and an empty
            site if the atom nearest to it does. Defects are found again when they are read.

        Raises
        ------
        ValueError
            If no atom is left, or one of them does not exist.

        Examples
        --------
        >>> import hyperspy_motifs as hm
        >>> s, truth = hm.data.monolayer(shape=(160, 192), random_state=0)
        >>> motifs = s.find_motifs(show_progressbar=False)
        >>> left = motifs.subset(motifs.positions[:, 0] < motifs.positions[:, 0].mean())
        >>> 0 < len(left.labels) < len(motifs.labels)
        True
        """
        from hyperspy_motifs.pipeline import stored_form

        given, n = np.asarray(atoms), len(self.labels)
        if given.dtype == bool and given.shape == (n,):
            given = np.flatnonzero(given)
        if given.ndim != 1 or not given.size or given.dtype.kind not in "iu":
            raise ValueError(
                f"atoms must be rows of {n} atoms or a mask of the shape ({n},), with an atom or more."
            )
        if len(absent := given[(given < 0) | (given >= n)]):
            raise ValueError(f"There is no atom {absent[0]}; atoms are 0 to {n - 1}.")
        part = self._refresh().around(np.unique(given))
        signal = self._signal.deepcopy()
        store.write(signal, replace(part, cells=stored_form(part), kept=None, previous={}))
        return type(self)(signal)

    @property
    def model(self) -> MotifModel:
        """The fitted model for other atoms (:class:`~hyperspy_motifs.models.MotifModel`), including edits."""
        from hyperspy_motifs.pipeline import motif_model_of

        return self._cached("model", lambda: motif_model_of(self._signal, self._with_atoms()._refresh()))

    def report(self, path: str | PathLike[str], *, title: str | None = None, frame: int = 0) -> Path:
        """Write one HTML file with the figures, tables, parameters and versions of this result.

        The file is self-contained, needs no network, and contains no script.

        Parameters
        ----------
        path : str or path
            The file; an existing one is replaced by the complete new one.
        title : str, optional
            Name of the image; its ``metadata.General.title`` by default.
        frame : int, optional
            Flat index of the frame in the figures, for a stack.

        Returns
        -------
        pathlib.Path
            The file that was written.

        Raises
        ------
        ValueError
            If `path` is a folder or does not end in ``.html``, or the frame has no atoms.
        FileNotFoundError
            If the folder to write into does not exist.
        """
        from ._report import write_report

        return write_report(self, path, title, frame)

    def explore(self, *, frame: int = 0, view: str = "auto", figure: Figure | None = None) -> Any:
        """Open the explorer: linked image, layout, mean patches and lists; edits are applied to the motifs.

        Parameters
        ----------
        frame : int, optional
            Flat index of the frame of a stack.
        view : {"auto", "notebook", "window"}, optional
            "notebook" is a widget that the browser draws; it needs the extra ``gui-jupyter``. "window" is a figure of
            matplotlib, for Qt and other windows. "auto" takes the notebook in Jupyter, unless matplotlib has a window
            (``%matplotlib qt``, ``%matplotlib widget``) or a figure is given.
        figure : matplotlib.figure.Figure, optional

        Returns
        -------
        hyperspy_motifs.draw.Explorer or NotebookExplorer
            Its ``state`` (:class:`~hyperspy_motifs.motifs.ExplorerState`) selects, filters, edits and exports. The widget is
            shown as the result of a cell; keep a reference to it while it is open.

        Raises
        ------
        ValueError
            If the frame has no atoms, or there is no such view.
        ImportError
            If the widget is asked for and not installed.
        """
        from ._explorer_state import open_explorer

        return open_explorer(self, frame, view, figure)

    def summary(self) -> str:
        """A summary of the result: atoms, chosen radius with the reason, motifs with counts, cells."""
        from ._summary import summarise

        return summarise(self)

    def __repr__(self) -> str:
        return (
            f"<Motifs: {len(self.labels)} atoms, {self.n_motifs} motifs at radius {self.radius:g} of "
            f"{', '.join(f'{v:g}' for v in self.radii)}; print(motifs.summary()) gives details>"
        )

    def _repr_html_(self) -> str:
        from ._summary import as_html

        return as_html(self)

    def __str__(self) -> str:
        return self.summary()

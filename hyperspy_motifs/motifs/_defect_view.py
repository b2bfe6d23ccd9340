from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._motif_view import MotifView

if TYPE_CHECKING:
    from hyperspy_motifs.defects import Defects, Outliers


class DefectView(MotifView):
    """What departs from the motifs of :class:`~hyperspy_motifs.motifs.Motifs`."""

    def find_outliers(self, fdr: float = 0.05) -> Outliers:
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

    @property
    def defects(self) -> Defects:
        """What departs from the frequent motifs, each place once (:class:`~hyperspy_motifs.defects.Defects`).

        Empty sites, atoms of motifs that are rare on their sites, and single outliers (:meth:`find_outliers`), at a false
        discovery rate of 5 %. It is computed when it is first read (or printed, for a single image), and stored with the
        image. From then on the nodes of ``motifs.graph`` have the attributes ``defect`` and ``q_value``. Atoms of a boundary
        are compared with each other: its structure is no point defect.
        """
        return self._cached("defects", self._find_defects)

    def _find_defects(self) -> Defects:
        from hyperspy_motifs.pipeline import find_defects, keep_defects

        defects = self._stored_defects()
        if defects is None:
            record = self._refresh()
            defects = keep_defects(self._signal, record, find_defects(self._signal, record, self.sites))
            # The graph marks them from now on.
            self._cache.pop("graph", None)
        return defects

    def _stored_defects(self) -> Defects | None:
        """The defects if they have been looked for; in a stack that takes a while."""
        from hyperspy_motifs.pipeline import stored_defects

        return stored_defects(self._signal, self._refresh())

    def _known_outliers(self) -> np.ndarray:
        """Rows of the atoms that are single outliers, if the defects have been looked for."""
        from hyperspy_motifs.defects import RARE

        defects = self._stored_defects()
        if defects is None:
            return np.empty(0, dtype=np.intp)
        return defects.atoms[(defects.atoms >= 0) & (defects.kinds != RARE)]

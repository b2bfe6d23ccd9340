"""Densities of the kinds of defects."""

from __future__ import annotations

from typing import NamedTuple


class Density(NamedTuple):
    """Number and density of defects of one kind, with 95 % confidence intervals.

    Attributes
    ----------
    number : int
    per_area : float
        Per square unit of the axes.
    per_area_interval : tuple of float
        Of the mean of a Poisson distribution (Garwood).
    n_sites : int
        Sites on which there could be one.
    per_site : float
    per_site_interval : tuple of float
        Of a binomial fraction (Clopper and Pearson).
    """

    number: int
    per_area: float
    per_area_interval: tuple[float, float]
    n_sites: int
    per_site: float
    per_site_interval: tuple[float, float]


class Densities(dict[str, Density]):
    """Densities by kind of defect; as text, one line per kind.

    Parameters
    ----------
    units : str, optional
        Unit of the axes.

    Examples
    --------
    >>> from hyperspy_motifs.defects import Densities, Density
    >>> densities = Densities(units="nm")
    >>> densities["vacancy"] = Density(4, 0.0166, (0.0045, 0.0424), 1766, 0.00227, (0.00062, 0.00579))
    >>> densities
    vacancy: 4 in 1,766 sites, 0.23 % (0.062 to 0.58 %); 0.017 per nm² (0.0045 to 0.042)
    """

    def __init__(self, *, units: str = "px") -> None:
        super().__init__()
        self.units = units

    def __repr__(self) -> str:
        width = max((len(kind) for kind in self), default=0)
        lines = []
        for kind, d in self.items():
            low, high = (100 * x for x in d.per_site_interval)
            area = " to ".join(f"{x:.2g}" for x in d.per_area_interval)
            lines.append(
                f"{kind:>{width}}: {d.number:,} in {d.n_sites:,} sites, {100 * d.per_site:.2g} % "
                f"({low:.2g} to {high:.2g} %); {d.per_area:.2g} per {self.units}² ({area})"
            )
        return "\n".join(lines) or "no defects"

"""Bonds, faces and the classes of motif-cells.

:func:`find_cells`                points and motifs to :class:`Cells`
:func:`vertex_figures`            the cells around each point, as symbols such as 3^2.4.3.4
:func:`ring_statistics`           distribution of ring sizes, Aboav-Weaire and Lemaitre laws
:func:`bond_orientational_order`  psi_k of every point
:class:`BondRule`                 base class of all bond rules: :class:`AutoBonds`, :class:`DelaunayBonds`,
                                  :class:`VoronoiBonds`, :class:`RadiusBonds`, :class:`NearestBonds`,
                                  :class:`ExplicitBonds`
:func:`find_faces`                faces of any bonds in the plane
:func:`canonical_sequences`       least rotation of cyclic sequences over both directions
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Figures of motifs, cells and hierarchies, fit for a paper.

Every function draws on the axes (or figure) it is given, or makes one, and returns it. None computes a
result and none saves a file. All take plain arrays: positions as columns x, y in the units of the image's
axes, labels as integers (motif 0 is the most frequent). Axis y points down, as HyperSpy shows images. Legends and
colour bars stand outside the axes: give figures of several axes ``layout="compressed"``.

Colours
    :func:`motif_colour`, :func:`motif_colours`, :func:`motif_marker`, :func:`cell_colours`,
    :func:`motif_colormap`: motif k has one colour and one shape in all figures, whatever their number
On the image
    :func:`plot_image`, :func:`add_scale_bar`, :func:`add_motif_legend`, :func:`plot_motifs`,
    :func:`plot_cells`, :func:`plot_values`, :func:`plot_map`, :func:`plot_orientation`, :func:`plot_strain`
HyperSpy markers
    :func:`motif_markers`, :func:`cell_markers`; :class:`MotifSwitch` shows and hides them from the legend
Feature space
    :func:`plot_layout`, :func:`compare_layouts`, :func:`animate_relaxation`, :func:`plot_manifold`
Motifs
    :func:`plot_means`, :func:`plot_tree`, :func:`plot_zernike_spectrum`, :func:`plot_basis`
Hierarchy
    :func:`plot_hierarchy`, :func:`plot_type_graph`, :func:`plot_enrichment`; :func:`plot_nodes`, on the image
Looking and touching
    :class:`Explorer` of :class:`ExplorerArrays`: image, layout and patches linked; :class:`Labelling`;
    :class:`RegionView`: a picture of the atoms that are in a region of interest (:func:`inside_roi`)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

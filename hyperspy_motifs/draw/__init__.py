"""Figures of motifs, cells and hierarchies for publication.

Every function draws on given axes (or a figure), or creates new ones, and returns them. The functions do not compute
results or save files. All use plain arrays: positions as columns x, y in the units of the image's axes, labels as
integers (motif 0 is the most frequent). Axis y points down, as in HyperSpy. Legends and colour bars are placed
outside the axes: use ``layout="compressed"`` for figures of several axes.

Colours
    :func:`motif_colour`, :func:`motif_colours`, :func:`motif_marker`, :func:`cell_colours`,
    :func:`motif_colormap`: motif k has the same colour and shape in all figures
For a journal
    :func:`journal_style` embeds fonts; ``ONE_COLUMN`` and ``TWO_COLUMNS`` are widths in inches
On the image
    :func:`plot_image`, :func:`add_scale_bar`, :func:`add_motif_legend`, :func:`plot_motifs`,
    :func:`plot_cells`, :func:`plot_values`, :func:`plot_map`
HyperSpy markers
    :func:`motif_markers`, :func:`cell_markers`; :class:`MotifSwitch` shows and hides them from the legend
Feature space
    :func:`plot_layout`, :func:`compare_layouts`, :func:`animate_relaxation`, :func:`plot_manifold`
Motifs
    :func:`plot_means`, :func:`plot_heights`, :func:`plot_tree`, :func:`plot_zernike_spectrum`, :func:`plot_basis`
Hierarchy
    :func:`plot_hierarchy`, :func:`plot_enrichment`; :func:`plot_nodes`, on the image
Linked views in a page
    :func:`linked_views`, :func:`linked_table` of :func:`linked_atoms`, :func:`linked_cells`, :func:`linked_source`,
    and :func:`keyboard_script` (Bokeh)
Interaction
    :class:`Explorer` in a window, :func:`open_notebook_explorer`: linked image, layout and patches;
    :func:`plot_layout_in_region`: the layout of the atoms in a region of interest (:func:`inside_roi`)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Methods of a result in groups, and the short names of those that are called most."""

import matplotlib.pyplot as plt
import pytest

ALIASES = {
    "plot_layout": "plot.layout", "plot_means": "plot.means", "plot_cells": "plot.cells", "plot_defects": "plot.defects",
    "merge": "edit.merge", "split": "edit.split", "relabel": "edit.relabel", "find_cells": "edit.cells",
}  # fmt: skip


@pytest.mark.parametrize(("short", "full"), ALIASES.items())
def test_a_short_name_is_the_method_of_its_group(motifs, short, full):
    group, name = full.split(".")
    assert getattr(motifs, short).__func__ is getattr(type(getattr(motifs, group)), name)
    # So that help() of the short name has the arguments.
    assert getattr(motifs, short).__doc__ == getattr(getattr(motifs, group), name).__doc__


def test_a_group_works_on_the_motifs_that_it_was_taken_from(motifs):
    edit, plot = motifs.edit, motifs.plot
    n, counts = motifs.n_motifs, motifs.counts
    assert edit.merge([0, 1]) is motifs
    assert motifs.n_motifs == n - 1
    drawn = plot()
    assert f"({counts[0] + counts[1]:,})" in drawn.get_legend().get_texts()[0].get_text()
    assert edit.undo().n_motifs == n
    plt.close("all")


def test_what_a_result_offers_fits_on_a_page(motifs):
    names = [name for name in dir(motifs) if not name.startswith("_")]
    assert {"plot", "edit", "export", "movie", "at"} <= set(names)
    assert len(names) <= 60

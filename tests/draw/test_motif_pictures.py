"""What is drawn on the image: atoms, legend, scale bar, cells, values."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.patches import Rectangle
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from hyperspy_motifs.draw import (
    TWO_COLUMNS,
    add_motif_legend,
    add_scale_bar,
    cell_colours,
    image_extent,
    journal_style,
    motif_colours,
    plot_cells,
    plot_image,
    plot_map,
    plot_motifs,
    plot_values,
)

ROWS, COLUMNS, SCALE = 40, 60, 0.02
NAMES = ["Mo", "Se2", "vacancy"]


@pytest.fixture(scope="module")
def field():
    rng = np.random.default_rng(1)
    image = rng.random((ROWS, COLUMNS))
    positions = rng.uniform([0, 0], [(COLUMNS - 1) * SCALE, (ROWS - 1) * SCALE], (50, 2))
    labels = np.r_[np.zeros(30, int), np.ones(15, int), np.full(5, 2)]
    return image, positions, rng.permutation(labels)


@pytest.fixture(scope="module")
def hexagons():
    turn = np.arange(6) * np.pi / 3
    centres = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.6], [0.9, 0.6]])
    return [c + 0.1 * np.column_stack([np.cos(turn), np.sin(turn)]) for c in centres]


def collections(ax, kind):
    return [c for c in ax.collections if isinstance(c, kind)]


def bar_length(ax):
    (bar,) = (a for a in ax.artists if isinstance(a, AnchoredSizeBar))
    (rectangle,) = bar.size_bar.findobj(Rectangle)
    return rectangle.get_width(), bar.txt_label.get_text()


def test_extent_puts_pixel_centres_on_hyperspy_coordinates():
    left, right, bottom, top = image_extent((ROWS, COLUMNS), (0.5, 0.25), (10.0, -3.0))
    assert (left, right) == (9.75, 10.0 + 0.5 * (COLUMNS - 0.5))
    assert (top, bottom) == (-3.125, -3.0 + 0.25 * (ROWS - 0.5))


def test_atoms_are_one_collection_in_the_colours_of_their_labels_the_rare_on_top(field):
    image, positions, labels = field
    extent = image_extent(image.shape, SCALE)
    ax = plot_motifs(positions, labels, image, extent=extent, units="nm", names=NAMES)
    (atoms,) = collections(ax, PathCollection)
    order = np.argsort(labels, kind="stable")
    positions, labels = positions[order], labels[order]
    np.testing.assert_array_equal(atoms.get_offsets(), positions)
    np.testing.assert_allclose(atoms.get_facecolors(), motif_colours(labels))
    paths = atoms.get_paths()
    assert len(paths) == len(labels)
    for k in range(3):
        # Motifs have different shapes, atoms of one motif the same.
        assert len({paths[i].vertices.tobytes() for i in np.flatnonzero(labels == k)}) == 1
    assert len({p.vertices.tobytes() for p in paths}) == 3
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Mo (30)", "Se2 (15)", "vacancy (5)"]
    colours = [handle.get_markerfacecolor() for handle in ax.get_legend().legend_handles]
    np.testing.assert_allclose(colours, motif_colours(range(3)))


def test_y_points_down_and_the_image_fills_the_axes(field):
    image, positions, labels = field
    extent = image_extent(image.shape, SCALE)
    ax = plot_motifs(positions, labels, image, extent=extent, units="nm")
    assert ax.get_xlim() == extent[:2]
    assert ax.get_ylim() == extent[2:]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    alone = plot_motifs(positions, labels)
    assert alone.get_ylim()[0] > alone.get_ylim()[1]
    assert not alone.images


def test_rare_motifs_have_larger_markers():
    rng = np.random.default_rng(0)
    labels = np.r_[np.zeros(995, int), np.ones(5, int)]
    ax = plot_motifs(rng.random((1000, 2)), labels, legend=False)
    sizes = ax.collections[0].get_sizes()
    assert sizes[-5:].min() > 1.5 * sizes[:-5].max()
    fixed = plot_motifs(rng.random((1000, 2)), labels, legend=False, s=4.0, marker="o").collections[0]
    np.testing.assert_array_equal(fixed.get_sizes(), 4.0)
    assert len(fixed.get_paths()) == 1


def test_ten_thousand_atoms_of_forty_motifs_are_still_one_collection():
    labels = np.arange(10_000) % 40
    ax = plot_motifs(np.random.default_rng(0).random((10_000, 2)), labels)
    (atoms,) = collections(ax, PathCollection)
    assert len(atoms.get_offsets()) == 10_000
    legend = ax.get_legend()
    # As many as fit beside the picture, and the others together.
    *entries, last = [text.get_text() for text in legend.get_texts()]
    assert len(entries) > 20
    assert entries[20] == "motif 20 (250)"
    assert last.startswith(f"{40 - len(entries)} rarer ones (")
    figure = ax.figure
    figure.canvas.draw()
    assert legend.get_title().get_text() == "motif (atoms)"
    frame = legend.get_window_extent()
    assert frame.x1 <= figure.bbox.x1
    assert frame.y0 >= figure.bbox.y0


def test_a_legend_leaves_the_picture_its_room_and_counts_what_it_leaves_out():
    labels = np.repeat(np.arange(40), np.arange(50, 10, -1))
    xy = np.random.default_rng(0).random((len(labels), 2))
    figure, ax = plt.subplots(figsize=(3.39, 2.7), layout="constrained")
    plot_motifs(xy, labels, ax=ax)
    figure.canvas.draw()
    assert ax.get_window_extent().width > 0.4 * figure.bbox.width
    *entries, last = [text.get_text() for text in ax.get_legend().get_texts()]
    assert entries == [f"motif {k} ({50 - k})" for k in range(len(entries))]
    assert last == f"{40 - len(entries)} rarer ones ({sum(50 - k for k in range(len(entries), 40))})"


def test_motifs_that_do_not_occur_are_left_out_and_keep_the_colours_of_the_others():
    _, ax = plt.subplots()
    legend = add_motif_legend(ax, [3, 1, 3], ["a", "b", "c", "d"], location="upper left")
    assert [t.get_text() for t in legend.get_texts()] == ["b (1)", "d (2)"]
    np.testing.assert_allclose(
        [h.get_markerfacecolor() for h in legend.legend_handles], motif_colours([1, 3])
    )


@pytest.mark.parametrize(
    ("width", "units", "length", "text"),
    [
        (12.0, "nm", 2.0, "2 nm"),
        (0.3, "nm", 0.05, "50 pm"),
        (8000.0, "nm", 2000.0, "2 µm"),
        (100.0, "Å", 20.0, "20 Å"),
        (45.0, "angstrom", 10.0, "10 Å"),
        (512.0, "<undefined>", 100.0, "100 px"),
        (0.04, "um", 0.01, "10 nm"),
        (3.0, "1/nm", 0.5, "0.5 1/nm"),
    ],
)
def test_scale_bar_is_a_round_length_in_data_units(width, units, length, text):
    _, ax = plt.subplots()
    ax.set_xlim(0, width)
    ax.set_ylim(width / 2, 0)
    add_scale_bar(ax, units)
    drawn, label = bar_length(ax)
    assert drawn == pytest.approx(length)
    assert label == text
    ax.figure.canvas.draw()
    (bar,) = ax.artists
    (rectangle,) = bar.size_bar.findobj(Rectangle)
    on_screen = np.diff(ax.transData.transform([[0, 0], [length, 0]])[:, 0])
    assert rectangle.get_window_extent().width == pytest.approx(on_screen[0], abs=0.5)


def test_scale_bar_of_given_length():
    _, ax = plt.subplots()
    ax.set_xlim(0, 10)
    add_scale_bar(ax, "nm", length=3.0)
    assert bar_length(ax) == (3.0, "3 nm")
    with pytest.raises(ValueError, match="must be positive"):
        add_scale_bar(ax, "nm", length=0.0)


def test_one_hot_pixel_does_not_darken_the_image():
    image = np.linspace(0, 1, 40 * 60).reshape(40, 60)
    image[3, 4] = 1e6
    image[5, 6] = np.nan
    low, high = plot_image(image).images[0].get_clim()
    assert high < 1.1
    assert low >= 0


def test_things_are_drawn_on_given_axes_that_hold_an_image(field, hexagons):
    image, positions, labels = field
    ax = plot_image(image, extent=image_extent(image.shape, SCALE), units="nm")
    limits = ax.get_xlim(), ax.get_ylim()
    assert plot_cells(hexagons, [0, 1, 0, 1], ax=ax) is ax
    assert plot_motifs(positions, labels, ax=ax) is ax
    assert (ax.get_xlim(), ax.get_ylim()) == limits
    assert len(ax.images) == 1
    assert sum(isinstance(a, AnchoredSizeBar) for a in ax.artists) == 1


def test_cells_have_the_colours_of_their_classes(hexagons):
    classes = np.array([2, 0, 2, 1])
    ax = plot_cells(hexagons, classes, names=["5-ring", "7-ring", "6-ring"], units="nm")
    (cells,) = collections(ax, PolyCollection)
    np.testing.assert_allclose(cells.get_facecolors()[:, :3], cell_colours(classes)[:, :3])
    for path, corners in zip(cells.get_paths(), hexagons, strict=True):
        np.testing.assert_array_equal(path.vertices[:6], corners)
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert [text.replace("\xa0", " ") for text in texts] == ["5-ring (1)", "7-ring (1)", "6-ring (2)"]


def test_cells_by_a_value_have_a_colour_bar(hexagons):
    areas = np.array([1.5, 2.5, 3.5, 0.5])
    ax = plot_cells(hexagons, areas, label="area (nm²)")
    (cells,) = collections(ax, PolyCollection)
    np.testing.assert_array_equal(cells.get_array(), areas)
    assert cells.colorbar.ax.get_ylabel() == "area (nm²)"
    outlines = plot_cells(hexagons).collections[0]
    assert not len(outlines.get_facecolor())


def test_values_of_atoms_and_their_period(field):
    image, positions, _ = field
    values = np.linspace(0, 200, len(positions))
    ax = plot_values(positions, values, image, extent=image_extent(image.shape, SCALE), label="disorder")
    (atoms,) = collections(ax, PathCollection)
    np.testing.assert_array_equal(atoms.get_array(), values)
    assert atoms.colorbar.ax.get_ylabel() == "disorder"
    (cyclic,) = collections(plot_values(positions, values, period=60), PathCollection)
    np.testing.assert_allclose(cyclic.get_array(), values % 60)
    assert cyclic.get_clim() == (0, 60)


def test_two_values_an_atom_differ_in_colour_along_both(field):
    _, positions, _ = field
    square = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]], float)
    (atoms,) = collections(plot_values(positions[:5], square), PathCollection)
    rgb = atoms.get_facecolors()[:, :3]
    assert rgb[0, 2] > rgb[0, 0]  # first coordinate: from blue ...
    assert rgb[1, 2] < rgb[1, 0]  # ... to yellow
    assert rgb[2].sum() > rgb[0].sum() + 0.5  # second coordinate: lighter
    assert rgb[3].sum() > rgb[1].sum() + 0.5
    square[4] = np.nan, 1
    (atoms,) = collections(plot_values(positions[:5], square), PathCollection)
    np.testing.assert_allclose(atoms.get_facecolors()[:4, :3], rgb[:4])
    assert np.ptp(atoms.get_facecolors()[4, :3]) == 0


def test_no_atoms_give_an_empty_picture(field):
    image = field[0]
    ax = plot_motifs(np.empty((0, 2)), np.empty(0, int), image)
    assert len(ax.collections[0].get_offsets()) == 0
    ax.figure.canvas.draw()


def test_what_does_not_fit_together_is_refused(field):
    image, positions, labels = field
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        plot_motifs(positions.T, labels, image)
    with pytest.raises(ValueError, match="one value for each of 50"):
        plot_motifs(positions, labels[:-1], image)
    with pytest.raises(ValueError, match="2 names, but there are labels up to 2"):
        plot_motifs(positions, labels, image, names=NAMES[:2])
    with pytest.raises(ValueError, match="two dimensions"):
        plot_image(image[None])
    with pytest.raises(ValueError, match="period must be positive"):
        plot_values(positions, positions[:, 0], period=0)
    with pytest.raises(ValueError, match=r"shape \(n,\) or \(n, 2\)"):
        plot_values(positions, np.zeros((50, 3)))


def test_rare_cell_classes_are_one_grey_and_the_legend_leaves_the_picture_its_room():
    classes = np.r_[np.repeat(np.arange(12), 3), np.arange(12, 42)]
    triangles = [np.array([[0, 0], [1, 0], [0, 1]]) + divmod(i, 9) for i in range(len(classes))]
    ax = plot_cells(triangles, classes)
    (cells,) = collections(ax, PolyCollection)
    faces = cells.get_facecolors()[:, :3]
    np.testing.assert_allclose(faces[:36], cell_colours(classes[:36])[:, :3])
    assert len(np.unique(faces[36:], axis=0)) == 1
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert texts[-1].replace("\xa0", " ") == "30 rarer ones (30)"
    assert len(texts) == 13


@pytest.mark.parametrize(("n", "faded"), [(900, False), (4000, True)])
def test_rare_atoms_outliers_and_empty_sites_stand_out_of_thousands(n, faded):
    rng = np.random.default_rng(5)
    xy, labels = rng.random((n, 2)), (np.arange(n) % 80 == 7).astype(int)
    odd = [3, 500]
    ax = plot_motifs(xy, labels, vacancies=[[0.5, 0.25]], outliers=odd)
    atoms, *rings = collections(ax, PathCollection)
    opacity = atoms.get_facecolors()[:, 3]
    np.testing.assert_array_equal(atoms.get_offsets()[-2:], xy[odd])
    assert (opacity[:-2].min() < 0.5) == faded
    assert opacity[-2:].min() == opacity.max()
    assert {tuple(p) for ring in rings for p in ring.get_offsets()} == {*map(tuple, xy[odd]), (0.5, 0.25)}
    assert min(ring.get_zorder() for ring in rings) > atoms.get_zorder()
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert texts[-2:] == ["empty sites (1)", "outliers (2)"]
    even = collections(plot_motifs(xy, labels, emphasis="none"), PathCollection)[0]
    assert even.get_facecolors()[:, 3].min() == 1
    with pytest.raises(ValueError, match="emphasis is 'loud'"):
        plot_motifs(xy, labels, emphasis="loud")


def test_scale_bar_and_legend_hide_nothing(field):
    image, positions, labels = field
    ax = plot_motifs(positions, labels, image, extent=image_extent(image.shape, SCALE), units="nm")
    ax.figure.canvas.draw()
    picture = ax.get_window_extent()
    (bar,) = (a for a in ax.artists if isinstance(a, AnchoredSizeBar))
    for box in (bar.get_window_extent(), ax.get_legend().get_window_extent()):
        assert not box.overlaps(picture)
        assert box.x1 <= ax.figure.bbox.x1
        assert box.y0 >= ax.figure.bbox.y0
    assert ax.figure.get_size_inches()[0] == pytest.approx(TWO_COLUMNS)


def test_fonts_of_a_journal_are_embedded_and_the_settings_come_back(tmp_path):
    before = mpl.rcParams["pdf.fonttype"], mpl.rcParams["font.size"]
    with journal_style(font_size=7):
        ax = plot_motifs([[0, 0], [1, 0], [0, 1]], [0, 0, 1])
        ax.figure.savefig(tmp_path / "a.pdf")
        ax.figure.savefig(tmp_path / "a.svg")
    assert b"/FontFile2" in (tmp_path / "a.pdf").read_bytes()
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()
    assert ">motif 0 (2)<" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert (mpl.rcParams["pdf.fonttype"], mpl.rcParams["font.size"]) == before


def test_a_dense_map_has_its_colour_bar_and_scale_bar():
    angles = np.linspace(-30, 200, ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    ax = plot_map(angles, extent=image_extent(angles.shape, SCALE), units="nm", label="angle (°)", period=60)
    (shown,) = ax.images
    np.testing.assert_allclose(shown.get_array(), angles % 60)
    assert shown.get_clim() == (0, 60)
    assert shown.colorbar.ax.get_ylabel() == "angle (°)"
    assert bar_length(ax) == (0.2, "0.2 nm")


@pytest.mark.parametrize("units", ["nm", "µm"])
def test_keys_lie_within_a_figure_as_wide_as_two_columns(hexagons, units):
    assert plot_cells(hexagons, units=units).figure.get_size_inches()[0] == pytest.approx(TWO_COLUMNS)
    for values, label in (([3, 0, 1, 1], None), ([0.001, 0.002, 0.003, 0.0045], "area of the cells (nm²)")):
        ax = plot_cells(hexagons, np.array(values), units=units, label=label)
        figure = ax.figure
        figure.canvas.draw()
        (key,) = [ax.get_legend()] if label is None else ax.child_axes
        box = key.get_tightbbox()
        assert box.x0 > ax.get_window_extent().x1
        assert box.x1 <= figure.bbox.x1
        assert figure.get_size_inches()[0] == pytest.approx(TWO_COLUMNS)
        assert ax.get_window_extent().width > 0.7 * figure.bbox.width


def test_a_key_lies_within_a_plain_figure_of_another_and_beside_no_other_axes(hexagons):
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
    plot_cells(hexagons, np.array([0.001, 0.002, 0.003, 0.0045]), ax=left, label="area of the cells (nm²)")
    plot_cells(hexagons, np.array([3, 0, 1, 1]), ax=right)
    figure.canvas.draw()
    box = right.get_legend().get_tightbbox()
    assert box.x0 > right.get_window_extent().x1
    assert box.x1 <= figure.bbox.x1
    assert right.get_window_extent().width > 0.25 * figure.bbox.width / 2

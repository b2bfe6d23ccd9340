"""Feature space: layouts, their film, means, tree and moments."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.animation import FuncAnimation
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from hyperspy_motifs.draw import (
    animate_relaxation,
    compare_layouts,
    motif_colour,
    motif_colours,
    plot_basis,
    plot_layout,
    plot_manifold,
    plot_means,
    plot_tree,
    plot_zernike_spectrum,
)


@pytest.fixture(scope="module")
def layout():
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.r_[np.zeros(60, int), np.ones(30, int), np.full(10, 2)])
    return rng.normal(0, 1, (100, 2)) + 8 * np.eye(3)[labels][:, :2], labels


def scatters(ax):
    return [c for c in ax.collections if isinstance(c, PathCollection)]


def test_rare_motifs_lie_on_top_in_the_layout(layout):
    xy, labels = layout
    ax = plot_layout(xy, labels, names=["a", "b", "c"])
    (atoms,) = scatters(ax)
    order = np.argsort(labels, kind="stable")
    np.testing.assert_array_equal(atoms.get_offsets(), xy[order])
    np.testing.assert_allclose(atoms.get_facecolors(), motif_colours(labels[order]))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a (60)", "b (30)", "c (10)"]
    # Each group has its name and number, at one of its atoms.
    places = {text.get_text()[0]: text.xy for text in ax.texts}
    assert set(places) == {"a", "b", "c"}
    for k, name in enumerate("abc"):
        assert (xy[labels == k] == places[name]).all(axis=1).any()
    ax = plot_layout(xy, labels, names=["molybdenum", "Se2", "2"])
    assert {text.get_text().split()[0] for text in ax.texts} == {"molybde…", "Se2", "2"}


def test_islands_of_a_motif_have_their_numbers():
    rng = np.random.default_rng(3)
    centres = np.repeat([[0, 0], [9, 1], [4, 6]], [300, 120, 90], axis=0)
    labels = np.repeat([0, 0, 1], [300, 120, 90])
    ax = plot_layout(centres + 0.1 * rng.standard_normal((510, 2)), labels, names=["Mo", "Se"])
    assert sorted(text.get_text() for text in ax.texts) == ["Mo (120)", "Mo (300)", "Se (90)"]


def boxes(texts):
    """Boxes of drawn texts on the screen, as (x0, y0, x1, y1)."""
    texts[0].figure.canvas.draw()
    return np.array([Text.get_window_extent(text).extents for text in texts])


def overlapping(boxes):
    """How many pairs of boxes share more than a pixel."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    shared = np.minimum(high, boxes[None, :, 2:]) - np.maximum(low, boxes[None, :, :2])
    return int((np.triu(np.all(shared > 1, axis=2), 1)).sum())


@pytest.mark.parametrize(("width", "fewest", "most"), [(1.0, 17, 18), (0.15, 15, 18)])
def test_numbers_of_small_groups_hide_no_other_and_stay_within_the_frame(width, fewest, most):
    # Eighteen tight groups in a picture of one column, some of them at the rim and close to each other, or most in a crowd.
    centres = 0.5 + width * (np.random.default_rng(3).random((18, 2)) - 0.5)
    centres[:4] = [[0, 0], [0, 0.04], [1, 1], [0.96, 1]]
    labels = np.repeat(np.arange(18), 12)
    xy = centres[labels] + 0.002 * np.random.default_rng(4).standard_normal((len(labels), 2))
    _, ax = plt.subplots(figsize=(3.39, 2.7), layout="constrained")
    plot_layout(xy, labels, ax=ax)
    numbers = boxes(ax.texts)
    assert fewest <= len(numbers) <= most
    assert overlapping(numbers) == 0
    frame = ax.get_window_extent()
    assert (numbers[:, :2] > [frame.x0 - 1, frame.y0 - 1]).all()
    assert (numbers[:, 2:] < [frame.x1 + 1, frame.y1 + 1]).all()
    groups = ax.transData.transform(centres)
    on_a_group = np.all((groups > numbers[:, None, :2]) & (groups < numbers[:, None, 2:]), axis=2)
    assert on_a_group.sum() == 0


def test_names_cover_no_atoms_where_there_is_room(layout):
    xy, labels = layout
    rng = np.random.default_rng(1)
    crowd = np.concatenate([xy, rng.normal([4, 4], 0.8, (400, 2)), rng.normal([8, 8], 1.0, (300, 2))])
    labels = np.concatenate([labels, rng.integers(3, 6, 400), np.full(300, 6)])
    _, ax = plt.subplots(figsize=(3.39, 2.7), layout="constrained")
    plot_layout(crowd, labels, ax=ax)
    names = {text.get_text().split()[0] for text in ax.texts}
    # Three motifs in one crowd, and a large island beside it.
    assert {"0", "6"} <= names
    atoms = ax.transData.transform(crowd)
    low, high = boxes(ax.texts)[:, None, :2] + 2, boxes(ax.texts)[:, None, 2:] - 2
    assert np.all((atoms > low) & (atoms < high), axis=2).sum(axis=1).max() <= 4


def test_the_name_of_an_island_without_room_beside_it_stands_on_it():
    xy = np.random.default_rng(0).random((5000, 2))
    _, ax = plt.subplots(figsize=(3.39, 2.7), layout="constrained")
    (name,) = plot_layout(xy, np.zeros(5000, int), ax=ax).texts
    assert name.xyann == (0, 0)


@pytest.mark.parametrize("engine", ["constrained", "compressed"])
def test_legend_and_colour_bar_fit_into_a_figure_of_one_column(layout, engine):
    xy, labels = layout
    for colour_by in (labels, np.linspace(0, 1, len(xy)), None):
        figure, ax = plt.subplots(figsize=(3.39, 2.7), layout=engine)
        plot_layout(xy, colour_by, names=["molybdenum", "selenium", "vacancy"], label="probability", ax=ax)
        figure.canvas.draw()
        drawn = figure.get_tightbbox()
        assert drawn.x0 > -0.02
        assert drawn.x1 < 3.39 + 0.02


@pytest.mark.parametrize("stretch", [1, 3])
def test_a_layout_fills_axes_that_hold_all_atoms(layout, stretch):
    xy, labels = layout[0] * [1, stretch], layout[1]
    ax = plot_layout(xy, labels)
    for limits, values in ((ax.get_xlim(), xy[:, 0]), (ax.get_ylim(), xy[:, 1])):
        assert limits[0] < values.min()
        assert limits[1] > values.max()
    sides = np.ptp(xy, axis=0)
    filled = sides / [np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())]
    # Of a long one the shorter side is at least 3/4 of the longer one.
    np.testing.assert_allclose(filled, np.minimum(sides / sides.max() * 4 / 3, 1) / 1.08)
    assert filled.max() > 0.9
    assert ax.get_aspect() == 1


def test_layout_by_a_value_and_by_density(layout):
    xy, _ = layout
    probability = np.random.default_rng(1).random(100)
    ax = plot_layout(xy, probability, label="probability")
    (atoms,) = scatters(ax)
    order = np.argsort(probability)
    np.testing.assert_array_equal(atoms.get_array(), probability[order])
    np.testing.assert_array_equal(atoms.get_offsets(), xy[order])
    assert atoms.colorbar.ax.get_ylabel() == "probability"
    (density,) = (c for c in plot_layout(xy).collections if isinstance(c, PolyCollection))
    assert density.get_array().sum() == 100


def test_layouts_are_compared_in_the_same_colours(layout):
    xy, labels = layout
    axes = compare_layouts({"force-relaxed": xy, "PCA": xy[:, ::-1]}, labels)
    assert [ax.get_title() for ax in axes] == ["force-relaxed", "PCA"]
    first, second = (scatters(ax)[0] for ax in axes)
    np.testing.assert_array_equal(first.get_facecolors(), second.get_facecolors())
    np.testing.assert_array_equal(first.get_offsets(), second.get_offsets()[:, ::-1])
    assert axes[0].get_legend() is None
    assert axes[1].get_legend() is not None


def test_film_moves_the_atoms_and_keeps_the_frame(layout, tmp_path):
    xy, labels = layout
    history = np.stack([xy * t for t in (0.1, 0.5, 1.0)])
    film = animate_relaxation(history, labels, iterations=[0, 50, 100])
    assert isinstance(film, FuncAnimation)
    film.save(tmp_path / "film.gif", writer="pillow")
    ax = film._fig.axes[0]
    order = np.argsort(labels, kind="stable")
    np.testing.assert_array_equal(scatters(ax)[0].get_offsets(), xy[order])
    assert ax.get_title() == "iteration 100"
    assert ax.get_xlim()[1] > xy[:, 0].max()
    film._func(1)
    np.testing.assert_array_equal(scatters(ax)[0].get_offsets(), 0.5 * xy[order])
    assert ax.get_title() == "iteration 50"


def test_manifold_has_the_colours_of_its_map(layout):
    from hyperspy_motifs.draw import plot_values

    xy, _ = layout
    on_manifold = scatters(plot_manifold(xy))[0].get_facecolors()
    on_image = scatters(plot_values(xy, xy))[0].get_facecolors()
    np.testing.assert_array_equal(on_manifold, on_image)
    by_value = scatters(plot_manifold(xy, xy[:, 0], label="disorder"))[0]
    np.testing.assert_array_equal(by_value.get_array(), xy[:, 0])
    bars = plot_manifold(xy[:, :1]).patches
    assert sum(bar.get_height() for bar in bars) == 100


def test_means_are_framed_in_the_colour_of_their_motif_and_share_one_scale():
    patches = np.random.default_rng(0).random((5, 9, 9)) * np.arange(1, 6)[:, None, None]
    patches[:, 0, 0] = np.nan
    axes = plot_means(
        patches, [1200, 50, 9, 8, 2], names=list("abcde"), symmetries=["3m", "m", "1", "2", "4"],
        radius=0.06, pixel_size=0.02, units="nm",
    )  # fmt: skip
    assert axes.shape == (5,)
    assert [ax.get_title() for ax in axes] == [
        "a (3m)\n1,200 atoms",
        "b (m)\n50 atoms",
        "c (1)\n9 atoms",
        "d (2)\n8 atoms",
        "e (4)\n2 atoms",
    ]
    assert len({ax.images[0].get_clim() for ax in axes}) == 1
    for k, ax in enumerate(axes):
        np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), patches[k])
        assert ax.spines["left"].get_edgecolor() == to_rgba(motif_colour(k))
        assert ax.images[0].get_extent() == pytest.approx((-0.01, 0.17, 0.17, -0.01))
        (compared,) = ax.patches
        assert compared.center == pytest.approx((0.08, 0.08))
        assert compared.radius == 0.06
    # One scale bar, below the patches.
    ((bar,),) = [ax.artists for ax in axes if ax.artists]
    axes[0].figure.canvas.draw()
    assert bar.get_window_extent().y1 < axes[0].get_window_extent().y0


def test_thirty_means_fit_on_a_page():
    axes = plot_means(np.zeros((30, 5, 5)) + np.arange(30)[:, None, None], np.arange(30))
    assert len(axes) == 30
    width, height = axes[0].figure.get_size_inches()
    assert width <= 7.2
    assert height <= 9.5


PARENTS = [-1, 0, 0, 1, 1, 2]
SIZES = [100, 70, 30, 60, 10, 30]
RADII = [0, 0.6, 0.6, 1.2, 1.2, 1.2]


def test_tree_places_nodes_by_radius_and_parents_between_children():
    ax = plot_tree(PARENTS, SIZES, RADII, labels=[-1, -1, -1, 0, 2, 1], names=["Mo", "Se2", "vacancy"])
    (nodes,) = scatters(ax)
    x, y = np.asarray(nodes.get_offsets()).T
    np.testing.assert_array_equal(x, [0, 1, 1, 2, 2, 2])
    assert y[1] == (y[3] + y[4]) / 2
    assert y[2] == y[5]
    assert len(set(y[3:])) == 3
    np.testing.assert_allclose(nodes.get_facecolors()[[3, 5, 4]], motif_colours([0, 1, 2]))
    assert {t.get_text() for t in ax.texts} == {"Mo (60)", "vacancy (10)", "Se2 (30)", "100", "70", "30"}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["all", "0.6", "1.2"]
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    for segment, child in zip(lines.get_segments(), range(1, 6), strict=True):
        np.testing.assert_array_equal(segment[0], (x[PARENTS[child]], y[PARENTS[child]]))
        np.testing.assert_array_equal(segment[-1], (x[child], y[child]))


def test_a_tree_of_many_leaves_ends_at_its_motifs():
    def drawn(leaves):
        parents = [-1, 0, 0, *([1] * leaves), *([2] * leaves)]
        radii = [0, 0.6, 0.6, *([1.2] * (2 * leaves))]
        sizes = [6 * leaves, 4 * leaves, 2 * leaves, *([4] * leaves), *([2] * leaves)]
        ax = plot_tree(parents, sizes, radii, labels=[-1, 0, 1, *([-1] * (2 * leaves))], names=["Mo", "Se2"])
        return {text.get_text() for text in ax.texts}, len(scatters(ax)[0].get_offsets())

    texts, nodes = drawn(40)
    assert texts == {"240", "Mo (160)", "Se2 (80)"}
    assert nodes == 3
    assert drawn(4)[1] == 11


def test_tree_draws_steps_at_one_radius_as_one_fork_unless_one_is_a_motif():
    # All (60) part into 30 and 30 at 0.6, the second in two steps: 20 and 10, then 20 into 15 and 5, one of which at 1.2.
    parents, sizes = [-1, 0, 0, 2, 2, 3, 3, 5], [60, 30, 30, 20, 10, 15, 5, 15]
    radii = [0, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 1.2]

    def drawn(motifs):
        ax = plot_tree(parents, sizes, radii, labels=motifs, names=["a", "b", "c"])
        (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
        steps = [(float(s[0][0]), float(s[-1][0])) for s in lines.get_segments()]
        return sorted(steps), {t.get_text() for t in ax.texts}

    steps, texts = drawn([-1] * 8)
    assert steps == [(0, 1)] * 4 + [(1, 2)]
    assert texts == {"60", "15", "30", "10", "5"}
    steps, texts = drawn([-1, 0, -1, 1, 2, -1, -1, -1])
    assert steps == [(0, 1)] * 3 + [(1, 1)] * 2 + [(1, 2)]
    assert {"a (30)", "b (20)", "c (10)"} <= texts


def test_texts_of_a_tree_do_not_overlap_however_low_it_is():
    # 40 leaves in a picture of one column: motifs and large branches are named first.
    parents = [-1, *[0] * 8, *np.repeat(np.arange(1, 9), 5)]
    sizes = [400, *range(54, 46, -1), *np.tile([30, 9, 5, 4, 2], 8)]
    radii = [0, *[0.6] * 8, *[1.2] * 40]
    motifs = [-1, *range(8), *[-1] * 40]
    _, ax = plt.subplots(figsize=(3.39, 2.7), layout="constrained")
    plot_tree(parents, sizes, radii, labels=motifs, ax=ax)
    assert overlapping(boxes(ax.texts)) == 0
    drawn = [t.get_text() for t in ax.texts]
    assert {f"motif {k} ({54 - k})" for k in range(8)} <= set(drawn)
    assert drawn.count("30") == 8


def test_tree_refuses_what_is_no_tree():
    with pytest.raises(ValueError, match="do not describe a tree"):
        plot_tree([-1, 2, 1], [3, 2, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="sizes must hold one value for each of 6"):
        plot_tree(PARENTS, SIZES[:-1], RADII)


MODES = np.array([(n, m) for n in range(5) for m in range(-n, n + 1, 2)])


def test_spectrum_joins_cosines_and_sines():
    moments = np.zeros(len(MODES))
    moments[(MODES == (3, -1)).all(axis=1)] = 3
    moments[(MODES == (3, 1)).all(axis=1)] = 4
    ax = plot_zernike_spectrum(moments, MODES)
    heights = np.array([bar.get_height() for bar in ax.patches])
    pairs = [(n, m) for n in range(5) for m in range(n % 2, n + 1, 2)]
    assert len(heights) == len(pairs)
    assert heights[pairs.index((3, 1))] == pytest.approx(5)
    assert heights.sum() == pytest.approx(5)
    assert [t.get_text() for t in ax.get_xticklabels()] == list("01234")
    assert [t.get_text() for t in ax.get_xticklabels(minor=True)] == [str(m) for _, m in pairs]


def test_spectra_of_motifs_have_their_colours():
    moments = np.random.default_rng(0).normal(size=(2, len(MODES)))
    ax = plot_zernike_spectrum(
        moments, MODES, labels=[4, 1], names=list("abcde"), errors=np.abs(moments) / 10
    )
    first, second = (container.lines[0] for container in ax.containers)
    assert (first.get_color(), second.get_color()) == (motif_colour(4), motif_colour(1))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["e", "b"]
    turned = moments.copy()
    one, minus = (MODES == (2, 2)).all(axis=1), (MODES == (2, -2)).all(axis=1)
    turned[:, one], turned[:, minus] = moments[:, minus], -moments[:, one]  # a turn by 45 degrees
    np.testing.assert_allclose(
        plot_zernike_spectrum(turned, MODES).containers[0].lines[0].get_ydata(), first.get_ydata()
    )


def test_basis_is_a_pyramid_of_n_and_m():
    functions = np.random.default_rng(0).normal(size=(len(MODES), 11, 11))
    ax = plot_basis(functions, MODES)
    assert len(ax.images) == len(MODES)
    for picture, (n, m) in zip(ax.images, MODES, strict=True):
        left, right, bottom, top = picture.get_extent()
        assert ((left + right) / 2, (bottom + top) / 2) == pytest.approx((m, n))
        assert picture.get_clim()[0] == -picture.get_clim()[1]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_what_does_not_fit_together_is_refused(layout):
    xy, labels = layout
    with pytest.raises(ValueError, match="one value for each of 100"):
        plot_layout(xy, labels[1:])
    with pytest.raises(ValueError, match="layouts is empty"):
        compare_layouts({}, labels)
    with pytest.raises(ValueError, match="n_frames"):
        animate_relaxation(xy, labels)
    with pytest.raises(ValueError, match=r"\(n_motifs, size, size\)"):
        plot_means(np.zeros((5, 5)))
    with pytest.raises(ValueError, match="counts must hold one value for each of 3"):
        plot_means(np.zeros((3, 5, 5)), [1, 2])
    with pytest.raises(ValueError, match="moments must have shape"):
        plot_zernike_spectrum(np.zeros(7), MODES)
    with pytest.raises(ValueError, match="modes must be integers"):
        plot_basis(np.zeros((2, 5, 5)), [[0.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize("width", [1.0, 1.1, 1.4])
def test_the_legend_of_a_movie_lies_in_its_figure(width):
    history = np.random.default_rng(0).uniform(size=(3, 90, 2)) * [width, 1]
    movie = animate_relaxation(history, np.arange(90) % 3, names=["molybdenum", "selenium", "vacancy"])
    ax = plt.gca()
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x1 < ax.figure.bbox.x1
    movie._draw_was_started = True
    plt.close(ax.figure)

"""The graph of types: what is composed of what, who is next to whom."""

import itertools

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection

from hyperspy_motifs.draw import (
    TWO_COLUMNS,
    cell_colours,
    motif_colours,
    plot_enrichment,
    plot_hierarchy,
    short_name,
)
from hyperspy_motifs.graph import MotifGraph

SQUARE, HEXAGON = "cell-class:1", "cell-class:0"


@pytest.fixture(scope="module")
def types():
    graph = nx.DiGraph()
    for i, (name, size) in enumerate([("Mo", 40), ("Se2", 38), ("W", 2)]):
        graph.add_node(f"motif:{i}", kind="motif", level=0, size=size, name=name)
    graph.add_node(HEXAGON, kind="cell-class", level=1, size=30, name="Mo Se2 Mo Se2 Mo Se2", n_corners=6)
    graph.add_node(SQUARE, kind="cell-class", level=1, size=3, name="Mo Se2 W Se2", n_corners=4)
    graph.add_node("atom:0", kind="atom", level=0, size=1, type="motif:0")
    graph.add_edge("atom:0", "motif:0", kind="instance_of")
    for cell, motif, count in [
        (HEXAGON, 0, 3.0),
        (HEXAGON, 1, 3.0),
        (SQUARE, 0, 1.0),
        (SQUARE, 1, 2.0),
        (SQUARE, 2, 1.0),
    ]:
        graph.add_edge(cell, f"motif:{motif}", kind="composed_of", count=count)
    for pair, observed, z, q in [((0, 0), 80, 4.0, 0.001), ((0, 1), 10, -6.0, 0.0001), ((1, 1), 1, 0.5, 0.6)]:
        source, target = (f"cell-class:{i}" for i in pair)
        graph.add_edge(source, target, kind="neighbours", observed=observed, expected=5.0, z=z, q=q)
    return graph


def of_kind(ax, kind):
    return [c for c in ax.collections if isinstance(c, kind)]


def test_hierarchy_shows_types_and_counts_and_no_atoms(types):
    ax = plot_hierarchy(types)
    nodes = of_kind(ax, PathCollection)
    assert len(nodes) == 5
    heights = [node.get_offsets()[0][1] for node in nodes]
    assert len(set(heights[:3])) == len(set(heights[3:])) == 1
    assert heights[3] > heights[0]
    np.testing.assert_allclose(nodes[0].get_facecolors()[0], motif_colours([0])[0])
    np.testing.assert_allclose(nodes[3].get_facecolors()[0], cell_colours([0])[0])
    texts = [text.get_text() for text in ax.texts]
    assert "(Mo Se2)×3\n(30)" in texts
    assert "motifs" in texts
    assert "cells" in texts
    (lines,) = of_kind(ax, LineCollection)
    assert len(lines.get_segments()) == 5
    assert sorted(t for t in texts if t.isdigit()) == ["1", "1", "2", "3", "3"]
    # The width of a line shows the number: three Mo in a hexagon, one in a square.
    widths = lines.get_linewidths()
    assert widths[0] > widths[2]


def test_a_hierarchy_is_as_wide_as_a_page_and_has_no_line_for_a_minor_part(many):
    before = len(of_kind(plot_hierarchy(many), LineCollection)[0].get_segments())
    many.edges["cell-class:0", "motif:0"]["count"] = 0.3
    ax = plot_hierarchy(many, names={"cell-class:0": "heptagon"})
    (lines,) = of_kind(ax, LineCollection)
    assert len(lines.get_segments()) == before - 1
    assert ax.figure.get_size_inches()[0] == pytest.approx(TWO_COLUMNS)
    assert min(text.get_fontsize() for text in ax.texts) >= 6
    assert "and 24\nrarer ones" in {text.get_text() for text in ax.texts}
    assert "heptagon\n(99)" in {text.get_text() for text in ax.texts}


def test_a_row_is_named_in_words(types):
    graph = types.copy()
    cells = [node for node, kind in graph.nodes(data="kind") if kind == "cell-class"]
    nx.set_node_attributes(graph, dict.fromkeys(cells, "moire-cell-class"), "kind")
    assert "moiré cells" in [text.get_text() for text in plot_hierarchy(graph).texts]


def test_hierarchy_tells_how_many_types_it_leaves_out(types):
    ax = plot_hierarchy(types, most=2)
    assert len(of_kind(ax, PathCollection)) == 4
    assert "and 1\nrarer one" in [text.get_text() for text in ax.texts]


@pytest.fixture
def many():
    """Thirty cell classes with long names on twelve motifs."""
    graph = nx.DiGraph()
    for i in range(12):
        graph.add_node(f"motif:{i}", kind="motif", level=0, size=40 - i, name=f"motif {i}")
    for i in range(30):
        name = " ".join(f"motif {j % 12}" for j in range(i, i + 7))
        graph.add_node(f"cell-class:{i}", kind="cell-class", level=1, size=99 - i, name=name, n_corners=7)
        for j in range(i, i + 7):
            graph.add_edge(f"cell-class:{i}", f"motif:{j % 12}", kind="composed_of", count=1.0)
    return graph


@pytest.mark.parametrize("most", [6, 30])
def test_no_caption_of_a_large_hierarchy_lies_on_another(many, most):
    pictures = {node: np.random.default_rng(0).random((9, 9)) for node in list(many)[5:30]}
    ax = plot_hierarchy(many, most=most, pictures=pictures)
    ax.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.texts if "(" in t.get_text()]
    boxes += [image.get_window_extent() for image in ax.images]
    assert len(ax.images) == sum(1 for node in pictures if f"({many.nodes[node]['size']})" in captions(ax))
    assert len(boxes) - len(ax.images) == min(12, most) + most
    for i, box in enumerate(boxes):
        # Captions may touch the padding of their white ground, not each other.
        assert not any(box.shrunk(0.98, 0.9).overlaps(other.shrunk(0.98, 0.9)) for other in boxes[:i])


@pytest.mark.parametrize("size", [(7, 5), (4, 3)])
def test_a_hierarchy_on_given_axes_stays_within_them_and_can_be_read(many, size):
    _, ax = plt.subplots(figsize=size)
    plot_hierarchy(many, ax=ax)
    ax.figure.canvas.draw()
    frame = ax.get_window_extent()
    boxes = [t.get_window_extent() for t in ax.texts if "(" in t.get_text()]
    assert len(boxes) >= 4
    for i, box in enumerate(boxes):
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert not any(box.shrunk(0.98, 0.9).overlaps(other.shrunk(0.98, 0.9)) for other in boxes[:i])
    # The number of omitted types is given in every level.
    drawn = {
        level: sum(f"({many.nodes[n]['size']})" in captions(ax) for n in many if n.startswith(level))
        for level in ("motif", "cell-class")
    }
    more = {t.get_text() for t in ax.texts if t.get_text().startswith("and ")}
    assert more == {
        f"and {all_ - drawn[kind]}\nrarer ones" for kind, all_ in (("motif", 12), ("cell-class", 30))
    }


def captions(ax):
    return {line for text in ax.texts for line in text.get_text().split("\n")}


def test_cell_classes_are_polygons_with_their_corners(types):
    ax = plot_hierarchy(types)
    hexagon, square = (node.get_paths()[0].vertices for node in of_kind(ax, PathCollection)[3:])
    assert len(np.unique(hexagon.round(9), axis=0)) == 6
    assert len(np.unique(square.round(9), axis=0)) == 4


def bubbles(ax):
    """Place, area and whether it is filled, of each bubble."""
    (drawn,) = of_kind(ax, PathCollection)
    places = [(int(y), int(x)) for x, y in drawn.get_offsets()]
    filled = drawn.get_facecolors()[:, 3] > 0
    return dict(zip(places, zip(drawn.get_sizes(), filled, drawn.get_facecolors(), strict=True), strict=True))


def test_enrichment_of_a_graph_has_a_larger_bubble_for_a_larger_score_and_fills_the_sure_ones(types):
    ax = plot_enrichment(types, kind="cell-class")
    found = bubbles(ax)
    assert found[0, 1][0] == found[1, 0][0] > found[0, 0][0] > found[1, 1][0]
    assert [place for place, (_, filled, _) in found.items() if filled] == [(0, 0), (0, 1), (1, 0)]
    red, blue = found[0, 0][2], found[0, 1][2]
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["(Mo Se2)×3", "Mo Se2 W Se2"]


def test_enrichment_of_a_graph_leaves_rare_types_out(types):
    assert list(bubbles(plot_enrichment(types, kind="cell-class", most=1))) == [(0, 0)]


def test_enrichment_of_an_array_has_no_bubble_for_the_unknown():
    z = np.array([[2.0, np.nan, -3.0], [np.nan, 1.0, 0.0], [-3.0, 0.0, 9.0]])
    ax = plot_enrichment(z, ["a", "b", "c"], q=np.where(z > 5, 0.01, 0.5))
    found = bubbles(ax)
    assert (0, 1) not in found
    assert len(found) == 7
    assert [place for place, (_, filled, _) in found.items() if filled] == [(2, 2)]


def test_names_beside_a_large_enrichment_do_not_overlap():
    names = [f"(Mo Se2)×3 in {i}" for i in range(18)]
    ax = plot_enrichment(np.zeros((18, 18)), names)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    boxes = [text.get_window_extent() for text in ax.get_xticklabels()]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_a_real_motif_graph_is_drawn():
    positions = np.indices((6, 7)).reshape(2, -1).T.astype(float)
    labels = positions.sum(axis=1).astype(int) % 2
    graph = MotifGraph.from_arrays(positions, labels, names=["Na", "Cl"], n_permutations=0)
    ax = plot_hierarchy(graph)
    assert {"Na\n(21)", "Cl\n(21)"} <= {text.get_text() for text in ax.texts}
    np.testing.assert_array_equal(
        [t.get_text() for t in plot_enrichment(np.zeros((2, 2)), ["Na", "Cl"]).get_xticklabels()],
        ["Na", "Cl"],
    )


def test_what_does_not_fit_is_refused(types):
    with pytest.raises(ValueError, match="no types of kind 'domain-class'; it has cell-class, motif"):
        plot_enrichment(types, kind="domain-class")
    with pytest.raises(ValueError, match="contains no types"):
        plot_hierarchy(nx.DiGraph())
    with pytest.raises(ValueError, match="square matrices"):
        plot_enrichment(np.zeros((2, 3)))


@pytest.mark.parametrize(
    "name", ["3 × quadrilateral, 2 × triangle", "hexagon of 3 × W, 3 × W (2)", "hexagon, 1 Se2 vacancy"]
)
def test_names_are_broken_into_lines_between_words_alone(name):
    lines = short_name(name, 14, 3).split("\n")
    assert len(lines) > 1
    assert max(map(len, lines)) < 28
    words = " ".join(lines).replace("\N{NO-BREAK SPACE}", " ")
    assert words == name
    assert not any(line.startswith(("(", "×")) or line.endswith("×") for line in lines)

"""MotifGraph: what is built from arrays, and what it answers."""

import numpy as np
import pytest

from hyperspy_motifs.graph import MotifGraph


@pytest.fixture(scope="module")
def graph(honeycomb):
    positions, labels, cells = honeycomb
    probabilities = np.linspace(0.2, 1.0, len(labels))
    return MotifGraph.from_arrays(
        positions, labels, probabilities, cells=cells, names=["Mo", "Se2"], units="nm", n_permutations=50
    )


def test_a_hexagon_of_alternating_corners_holds_one_of_each(graph):
    cell = graph.level("cell")[3]
    assert graph.composition(cell) == pytest.approx({"Mo": 1.0, "Se2": 1.0})
    assert graph.formula(cell) == "Mo1 Se2"
    assert graph.formula("cell-class:0") == "Mo1 Se2"


def test_levels_and_counts_are_those_of_the_arrays(graph, honeycomb):
    positions, labels, cells = honeycomb
    assert graph.levels == {0: "atom", 1: "cell"}
    assert len(graph.level(0)) == len(graph.level("atom")) == len(positions)
    assert len(graph.level(1)) == len(cells.labels)
    assert graph.graph["units"] == "nm"
    x_y = np.array([[graph.nodes[n]["x"], graph.nodes[n]["y"]] for n in graph.level(0)])
    np.testing.assert_array_equal(x_y, positions)
    assert graph.nodes["motif:1"]["size"] == np.sum(labels == 1)


def test_fractions_round_an_inner_atom_add_up_to_one(graph):
    inner = [n for n in graph.level(0) if len(graph.parents(n)) == 3]
    assert len(inner) > 20
    for node in inner:
        assert sum(graph[node][cell]["fraction"] for cell in graph.parents(node)) == pytest.approx(1.0)


def test_parents_children_and_neighbours_agree(graph):
    for cell in graph.level("cell")[::7]:
        assert len(graph.children(cell)) == 6
        assert all(cell in graph.parents(child) for child in graph.children(cell))
        assert all(cell in graph.neighbours(other) for other in graph.neighbours(cell))
    assert graph.children("cell-class:0") == ["motif:0", "motif:1"]
    assert graph.parents("motif:1") == ["cell-class:0"]
    assert set(graph.neighbours("motif:0")) >= {"motif:1"}
    assert graph.type_of("atom:0") == "motif:0"
    assert graph.instances("cell-class:0") == graph.level("cell")


def test_find_takes_values_sets_functions_and_names(graph, honeycomb):
    _, labels, _ = honeycomb
    assert graph.find(level="cell", n_corners=6) == graph.level(1)
    assert graph.find(level="cell", n_corners=5) == []
    mo = [f"atom:{i}" for i in np.flatnonzero(labels == 0)]
    assert (
        graph.find(level=0, type="Mo") == graph.find(kind="atom", type=0) == graph.find(type="motif:0") == mo
    )
    low = graph.find(level="atom", probability=lambda p: p < 0.5)
    assert low == [f"atom:{i}" for i in np.flatnonzero(np.linspace(0.2, 1, len(labels)) < 0.5)]
    assert set(graph.find(kind={"motif", "cell-class"})) == {"motif:0", "motif:1", "cell-class:0"}
    assert graph.find(level=0, kind="motif") == ["motif:0", "motif:1"]
    with pytest.raises(ValueError, match="cannot both"):
        graph.find(level="cell", kind="atom")


def test_find_sees_what_was_edited(honeycomb):
    positions, labels, cells = honeycomb
    graph = MotifGraph.from_arrays(positions, labels, cells=cells, n_permutations=0)
    graph.nodes["cell:4"]["n_corners"] = 5
    graph.add_node("cell:999", kind="cell", level=1, n_corners=5)
    assert graph.find(level="cell", n_corners=5) == ["cell:4", "cell:999"]
    graph.remove_node("cell:4")
    assert graph.find(level="cell", n_corners=5) == ["cell:999"]


def test_alternation_is_favoured_and_equal_neighbours_frustrated(graph):
    assert graph["motif:0"]["motif:1"]["z"] > 5
    assert graph["motif:0"]["motif:1"]["q"] < 1e-6
    assert graph["motif:0"]["motif:0"]["z"] < -5
    assert graph["motif:0"]["motif:0"]["observed"] == 0


def test_types_are_a_small_graph_of_their_own(graph):
    types = graph.types
    assert isinstance(types, MotifGraph)
    assert set(types) == {"motif:0", "motif:1", "cell-class:0"}
    assert types["cell-class:0"]["motif:0"]["count"] == pytest.approx(3)
    assert types["cell-class:0"]["motif:0"]["fraction"] == pytest.approx(1)


def test_all_values_are_plain(graph):
    values = [v for _, d in graph.nodes.items() for v in d.values()]
    values += [v for _, _, d in graph.edges(data=True) for v in d.values()]
    assert {type(v) for v in values} <= {str, int, float, bool}


def test_adjacent_edges_go_from_the_lower_to_the_higher_id(graph):
    for u, v, d in graph.edges(data=True):
        if d["kind"] == "adjacent":
            assert u.partition(":")[0] == v.partition(":")[0]
            assert int(u.partition(":")[2]) < int(v.partition(":")[2])
            assert isinstance(d["shared"], int)


def test_summary_names_levels_and_formula(graph):
    text = graph.summary()
    assert "Level 1, cell" in text
    assert "Mo1 Se2" in text
    assert "favoured" in text


@pytest.mark.parametrize(
    ("positions", "labels", "message"),
    [
        (np.zeros((3, 3)), [0, 0, 0], "shape"),
        (np.zeros((3, 2)), [0, 0], "one label per atom"),
        (np.zeros((2, 2)), [0, -1], "from 0"),
        (np.full((2, 2), np.nan), [0, 0], "finite"),
    ],
)
def test_bad_arrays_are_refused(positions, labels, message):
    with pytest.raises(ValueError, match=message):
        MotifGraph.from_arrays(positions, labels)


def test_unknown_nodes_are_named(graph):
    with pytest.raises(ValueError, match="atom:99999"):
        graph.parents("atom:99999")

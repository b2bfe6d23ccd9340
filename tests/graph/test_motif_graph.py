"""MotifGraph: what is built from arrays, and what it answers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.graph import MotifGraph
from hyperspy_motifs.hierarchy import build_hierarchy


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


def test_a_graph_shows_its_levels_and_a_motif_without_a_name_its_number_once(graph, honeycomb):
    positions, labels, cells = honeycomb
    assert repr(graph).startswith(f"<MotifGraph: {len(positions):,} atom, {len(cells.labels):,} cell; ")
    assert repr(MotifGraph()).startswith("<MotifGraph: empty; 0 edges")
    assert f"  motif:1 Se2: {np.sum(labels == 1)}" in graph.summary().splitlines()
    bare = MotifGraph.from_arrays(positions, labels, names=["0", "1"], n_permutations=20)
    assert f"  motif:1: {np.sum(labels == 1)}" in bare.summary().splitlines()


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


def test_an_edge_is_one_from_either_end(graph):
    after = {(source, target) for source, target in graph.edges}
    assert after == {(source, target) for target in graph for source in graph.pred[target]}
    assert after
    for source, target in after:
        assert graph.pred[target][source] is graph.succ[source][target]


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
    with pytest.raises(ValueError, match="contradict"):
        graph.find(level="cell", kind="atom")


def test_an_error_in_a_question_is_no_empty_answer(graph):
    assert graph.find(level="moire-cell") == [] == graph.find(level="moire-cell", area=1.0)
    with pytest.raises(ValueError, match="no level 'cells'; the levels of this graph are atom, cell"):
        graph.find(level="cells")
    with pytest.raises(ValueError, match=r"attribute 'corners'; they have .*n_corners"):
        graph.find(level="cell", corners=5)


def test_find_sees_what_was_edited(honeycomb):
    positions, labels, cells = honeycomb
    graph = MotifGraph.from_arrays(positions, labels, cells=cells, n_permutations=0)
    graph.nodes["cell:4"]["n_corners"] = 5
    graph.add_node("cell:999", kind="cell", level=1, n_corners=5)
    assert graph.find(level="cell", n_corners=5) == ["cell:4", "cell:999"]
    graph.remove_node("cell:4")
    assert graph.find(level="cell", n_corners=5) == ["cell:999"]


def test_alternation_is_enriched_and_equal_neighbours_depleted(graph):
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
    assert "enriched" in text


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


def test_composition_counts_what_is_inside_a_ring():
    # A hexagon with an atom in the middle that is bonded to nothing.
    angles = np.arange(6) * np.pi / 3
    points = np.vstack([np.column_stack([np.cos(angles), np.sin(angles)]), [[0.05, 0.1]]])
    labels = np.array([0, 1, 0, 1, 0, 1, 2])
    ring = np.column_stack([np.arange(6), (np.arange(6) + 1) % 6])
    cells = find_cells(points, labels, bonds=ring)
    graph = MotifGraph.from_arrays(points, labels, cells=cells, names=["A", "B", "C"], n_permutations=0)
    assert graph.composition("cell:0") == pytest.approx({"A": 1.0, "B": 1.0, "C": 1.0})
    assert graph["atom:6"]["cell:0"]["fraction"] == 1.0


def test_around_is_the_neighbourhood_with_its_types(graph):
    part = graph.around("cell:30", 1)
    assert isinstance(part, MotifGraph)
    cells = set(graph.neighbours("cell:30")) | {"cell:30"}
    assert set(part.level("cell")) == cells
    assert set(part.level("atom")) == set(graph.children("cell:30"))
    assert {"motif:0", "motif:1", "cell-class:0"} <= set(part)
    assert part.nodes["cell:30"] == graph.nodes["cell:30"]
    part.nodes["cell:30"]["area"] = -1.0
    assert graph.nodes["cell:30"]["area"] > 0


def test_paths_walk_along_neighbours_only(graph):
    start, end = graph.level("cell")[0], graph.level("cell")[-1]
    paths = graph.paths(start, end, most=5)
    assert 1 <= len(paths) <= 5
    assert len({len(path) for path in paths}) == 1
    for u, v in zip(paths[0][:-1], paths[0][1:], strict=True):
        assert v in graph.neighbours(u)
    child = graph.children(start)[0]
    assert graph.paths(child, start) == []
    assert [child, start] in graph.paths(child, start, kinds=["part_of"])


def test_answers_can_be_painted_on_the_image(graph, honeycomb):
    positions, labels, cells = honeycomb
    np.testing.assert_array_equal(graph.atom_indices("cell:7"), np.sort(cells.polygons[7]))
    np.testing.assert_array_equal(graph.atom_indices(graph.find(type="Se2")), np.flatnonzero(labels == 1))
    np.testing.assert_array_equal(graph.atom_indices("motif:1"), np.flatnonzero(labels == 1))
    np.testing.assert_array_equal(graph.coordinates(graph.level(1)), cells.centres)
    np.testing.assert_array_equal(graph.coordinates(["atom:5", "atom:2"]), positions[[5, 2]])
    with pytest.raises(ValueError, match="no position"):
        graph.coordinates(["motif:0"])


def test_queries_in_cypher(graph):
    pytest.importorskip("grandcypher")
    found = graph.query(
        'MATCH (a:atom)-[:part_of]->(c:cell) WHERE a.type = "motif:1" RETURN id(a), id(c), c.n_corners'
    )
    ids, cells, corners = found["ID(a)"], found["ID(c)"], found["c.n_corners"]
    assert len(ids) == 3 * len(graph.level("cell"))
    assert set(corners) == {6}
    assert all(c in graph.parents(a) for a, c in zip(ids, cells, strict=True))
    for quoted in ("'motif:1'", '"motif:1"'):
        again = graph.query(f"MATCH (a:atom) WHERE a.type = {quoted} RETURN id(a)")["ID(a)"]
        assert sorted(again) == sorted(graph.find(kind="atom", type="motif:1"))
    (type_of,) = graph.query("MATCH (t:cell_class) RETURN t")["t"]
    assert type_of == graph.nodes["cell-class:0"]
    with pytest.raises(ValueError, match="cannot be parsed"):
        graph.query("MATCH everything")
    assert "__labels__" not in graph.nodes["cell:0"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("it", "'it'"),
        ("it", '"it"'),
        ("it's", '"it' + "'" + 's"'),
        ('it\'s "so"', r"""'it\'s "so"'"""),
        ("so \\", r"""'so \\'"""),
    ],
)
def test_queries_take_texts_in_either_quotes(graph, text, written):
    pytest.importorskip("grandcypher")
    remarked = graph.copy()
    for number, remark in enumerate((text, text + "!", "other")):
        remarked.nodes[f"atom:{number}"]["remark"] = remark
    found = remarked.query(f"MATCH (a:atom) WHERE a.remark = {written} RETURN a.x")["a.x"]
    assert found == [graph.nodes["atom:0"]["x"]]


def test_levels_of_a_hierarchy_are_in_the_graph():
    h, k = (v.ravel() for v in np.meshgrid(np.arange(11), np.arange(8)))
    corners = np.column_stack([h + 0.5 * (k % 2), np.sqrt(0.75) * k]) * 3.3
    points = np.vstack([corners, corners + np.array([1.65, 3.3 / np.sqrt(12)])])
    labels = np.repeat([0, 1], len(corners))
    cells = find_cells(points, labels)
    hierarchy = build_hierarchy(points, labels, cells, names=["Mo", "Se"])
    graph = MotifGraph.from_arrays(
        points, labels, cells=cells, hierarchy=hierarchy, names=["Mo", "Se"], units="Å", n_permutations=0
    )
    assert graph.levels == {0: "atom", 1: "cell", 2: "vertex-figure", 3: "unit-cell"}
    assert graph.formula("unit-cell:5") == "Mo1 Se1"
    assert graph.formula("unit-cell-class:0") == "Mo1 Se1"
    assert graph.find(level="unit-cell", area=lambda area: area > 0) == graph.level(3)
    assert graph.graph["unit-cell:area"] == pytest.approx(3.3**2 * np.sqrt(0.75), rel=1e-6)
    assert graph.nodes["vertex-figure-class:0"]["name"] == "6^3"
    assert "unit cell" in graph.summary()
    assert graph["unit-cell-class:0"]["motif:0"]["fraction"] == pytest.approx(1.0, abs=0.05)


def test_types_of_two_images_are_compared(honeycomb):
    positions, labels, cells = honeycomb
    one = MotifGraph.from_arrays(positions, labels, cells=cells, names=["Mo", "Se"], n_permutations=0)
    doped = labels.copy()
    doped[::5] = 2
    two = MotifGraph.from_arrays(positions, doped, cells=cells, names=["Mo", "Se", "W"], n_permutations=0)
    same = one.compare(one)
    assert same.differing() == []
    assert (same.only_first, same.only_second) == ([], [])
    different = one.compare(two)
    assert ("motif", "W") in different.only_second
    w = next(d for d in different.classes if d.key == ("motif", "W"))
    assert (w.first, w.second) == (0, (doped == 2).sum())
    assert w.z > 3
    assert w in different.differing()
    rule = next(d for d in different.rules if d.key == ("motif", "Mo", "Se"))
    assert rule.z < 0
    assert "motif W" in different.summary()


class TestPlot:
    @pytest.fixture(autouse=True)
    def close(self):
        yield
        plt.close("all")

    def test_cells_are_painted_where_they_lie(self, graph, honeycomb):
        positions, _, cells = honeycomb[:3]
        wanted = graph.find(level="cell")[3:8]
        (areas,) = [c for c in graph.plot(wanted).collections if isinstance(c, PolyCollection)]
        assert len(areas.get_paths()) == 5
        for node, path in zip(wanted, areas.get_paths(), strict=True):
            corners = positions[cells.polygons[int(node.rpartition(":")[2])]]
            drawn = {tuple(v) for v in path.vertices.round(9).tolist()}
            assert drawn == {tuple(v) for v in corners.round(9).tolist()}
            assert polygon_area(path.vertices[:-1]) == pytest.approx(graph.nodes[node]["area"])

    def test_atoms_types_and_answers_of_queries(self, graph):
        atoms = graph.find(level="atom", type=0)
        drawn = graph.plot(atoms).collections[-1].get_offsets()
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(graph.coordinates(atoms), axis=0))
        areas = graph.plot("cell-class:0").collections[-1]
        assert len(areas.get_paths()) == len(graph.instances("cell-class:0"))
        answer = {"id": graph.find(level="cell")[:4], "area": [1.0, 2.0, 3.0, 4.0]}
        by_area = graph.plot(answer, colour_by="area").collections[-1]
        np.testing.assert_allclose(by_area.get_array(), [graph.nodes[n]["area"] for n in answer["id"]])

    def test_on_an_image_nothing_else_is_drawn(self, graph):
        image = np.random.default_rng(0).random((30, 41))
        ax = graph.plot(graph.find(level="cell")[:2], image)
        assert ax.images[0].get_array().shape == (30, 41)
        assert len(ax.collections) == 1

    @pytest.mark.parametrize(
        ("nodes", "choice", "message"),
        [
            ([], "type", "no nodes to draw"),
            (["cell:-4"], "type", "no node"),
            (["cell:0"], "colour", "no numeric attribute"),
        ],
    )
    def test_what_cannot_be_painted_is_told(self, graph, nodes, choice, message):
        with pytest.raises(ValueError, match=message):
            graph.plot(nodes, colour_by=choice)


def polygon_area(corners):
    x, y = corners.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def test_empty_sites_are_nodes_and_corners():
    root = np.sqrt(3)
    i, j = (v.ravel() for v in np.meshgrid(np.arange(9), np.arange(7)))
    origin = np.column_stack([root * (i + 0.5 * (j % 2)), 1.5 * j])
    points = np.vstack([origin, origin + np.array([root / 2, 0.5])])
    labels = np.repeat([0, 1], len(origin))
    missing = len(origin) + 9 * 3 + 4
    points, labels, vacant = np.delete(points, missing, axis=0), np.delete(labels, missing), points[[missing]]
    cells = find_cells(points, labels, empty=vacant)
    hierarchy = build_hierarchy(points, labels, cells, names=["Mo", "Se"])
    built = MotifGraph.from_arrays(
        points, labels, cells=cells, hierarchy=hierarchy, names=["Mo", "Se"], n_permutations=50
    )
    assert built.find(kind="vacancy") == ["vacancy:0"]
    assert len(built.level("atom")) == len(points)
    # Three bonds and the three hexagons around the empty site.
    edges = [
        d["kind"] for _, _, d in [*built.out_edges("vacancy:0", True), *built.in_edges("vacancy:0", True)]
    ]
    assert sorted(edges) == ["adjacent"] * 3 + ["part_of"] * 3
    odd = built.find(kind="cell", corner_sequence="v-0-1-0-1-0")
    assert len(odd) == 3
    assert built.composition(odd[0]) == pytest.approx({"Mo": 1.0, "Se": 2 / 3})
    assert built.nodes[built.nodes[odd[0]]["type"]]["name"] == "vacancy Mo Se Mo Se Mo"
    assert "and 1 empty sites" in built.summary()
    # The crystal continues across the vacancy.
    assert hierarchy.level("unit-cell").names[0] == "Mo1 Se1"
    assert set(hierarchy.atom_domains.tolist()) == {0}

"""JSON and tables next to GraphML."""

import csv
import json
import math

import networkx as nx
import pytest

from hyperspy_motifs.graph import MotifGraph


@pytest.fixture(scope="module")
def graph(honeycomb):
    positions, labels, cells = honeycomb
    graph = MotifGraph.from_arrays(positions, labels, cells=cells, names=['M"o,', "Se\n"], n_permutations=0)
    graph.nodes["cell:2"]["remark"] = "\x00 \u2028 </script>"
    return graph


def test_json_comes_back_equal(graph, tmp_path):
    path = tmp_path / "graph.json"
    graph.to_json(path)
    back = MotifGraph.from_json(path)
    assert nx.utils.graphs_equal(back, graph)
    assert type(back.nodes["atom:3"]["x"]) is float
    assert type(back.nodes["cell:3"]["on_border"]) is bool
    other = nx.node_link_graph(json.loads(path.read_text()), edges="edges")
    assert other.nodes["cell:2"] == graph.nodes["cell:2"]


def test_what_is_not_finite_becomes_null(tmp_path):
    graph = MotifGraph.from_arrays([[0.0, 0.0]], [0])
    graph.nodes["atom:0"]["odd"] = math.inf
    graph.to_json(tmp_path / "graph.json")
    assert json.loads((tmp_path / "graph.json").read_text())["nodes"][0]["odd"] is None
    assert math.isnan(MotifGraph.from_json(tmp_path / "graph.json").nodes["atom:0"]["odd"])


def document(**changes):
    data = {
        "directed": True,
        "multigraph": False,
        "graph": {"schema": "hyperspy_motifs.graph", "schema_version": 1},
        "nodes": [{"id": "atom:0", "kind": "atom", "x": 1.0}],
        "edges": [],
    }
    return json.dumps({**data, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document()[:-9], "cut off"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "node-link"),
        (document(graph={}), "not a motif graph"),
        (document(directed=False), "not a directed"),
        (document(nodes=[{"id": 3}]), "no string"),
        (document(nodes=[{"id": "a", "kind": "atom", "x": "1"}]), "of the type float"),
        (document(nodes=[{"id": "a", "kind": "atom", "x": [1.0]}]), "neither text nor"),
        (document(nodes=[{"id": "a"}]), "no kind"),
        (document(nodes=7), "not a list"),
        (document(edges=[{"source": "atom:0", "target": "atom:1", "kind": "a"}]), "not between nodes"),
    ],
)
def test_foreign_json_is_refused(text, message, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        MotifGraph.from_json(path)


def test_an_error_leaves_the_former_file(graph, tmp_path):
    path = tmp_path / "graph.json"
    graph.to_json(path)
    before = path.read_bytes()
    broken = graph.copy()
    broken.nodes["atom:0"]["odd"] = object()
    for write in (broken.to_json, broken.to_graphml):
        with pytest.raises(TypeError, match="odd"):
            write(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["graph.json"]


def test_tables_hold_every_node_and_edge(graph, tmp_path):
    graph.to_csv(tmp_path / "tables")
    with open(tmp_path / "tables" / "nodes.csv", newline="", encoding="utf-8") as file:
        nodes = list(csv.DictReader(file))
    with open(tmp_path / "tables" / "edges.csv", newline="", encoding="utf-8") as file:
        edges = list(csv.DictReader(file))
    assert [row["id"] for row in nodes] == list(graph)
    assert len(edges) == graph.number_of_edges()
    by_id = {row["id"]: row for row in nodes}
    assert float(by_id["atom:5"]["x"]) == graph.nodes["atom:5"]["x"]
    assert by_id["motif:0"]["name"] == 'M"o,'
    assert by_id["motif:1"]["name"] == "Se\n"
    assert by_id["atom:5"]["n_corners"] == ""
    assert {row["kind"] for row in edges} == {d["kind"] for _, _, d in graph.edges(data=True)}

"""Tables next to GraphML, and a file that could not be written."""

import csv

import pytest

from hyperspy_motifs.graph import MotifGraph


@pytest.fixture(scope="module")
def graph(honeycomb):
    positions, labels, cells = honeycomb
    graph = MotifGraph.from_arrays(positions, labels, cells=cells, names=['M"o,', "Se\n"], n_permutations=0)
    graph.nodes["cell:2"]["remark"] = "\x00 \u2028 </script>"
    return graph


def test_an_error_leaves_the_former_file(graph, tmp_path):
    path = tmp_path / "graph.graphml"
    graph.to_graphml(path)
    before = path.read_bytes()
    broken = graph.copy()
    broken.nodes["atom:0"]["odd"] = object()
    with pytest.raises(TypeError, match="odd"):
        broken.to_graphml(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["graph.graphml"]


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

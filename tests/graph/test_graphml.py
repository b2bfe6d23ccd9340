"""GraphML: comes back equal, opens elsewhere, and hostile files are refused."""

import shutil
import subprocess

import networkx as nx
import numpy as np
import pytest

from hyperspy_motifs.graph import MotifGraph

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
KEYS = (
    '<key id="s" for="graph" attr.name="schema" attr.type="string"/>'
    '<key id="v" for="graph" attr.name="schema_version" attr.type="long"/>'
    '<key id="k" for="all" attr.name="kind" attr.type="string"/>'
    '<key id="x" for="node" attr.name="x" attr.type="double"/>\n'
)
OURS = '<data key="s">hyperspy_motifs.graph</data><data key="v">1</data>\n'
NODE = '<node id="atom:0"><data key="k">atom</data><data key="x">1.5</data></node>\n'
TAIL = "</graph></graphml>\n"


def whole(body=NODE, keys=KEYS, ours=OURS, graph='edgedefault="directed"'):
    return f"{HEAD}{keys}<graph {graph}>\n{ours}{body}{TAIL}"


@pytest.fixture(scope="module")
def graph(honeycomb):
    positions, labels, cells = honeycomb
    frames = np.arange(len(labels)) % 3
    graph = MotifGraph.from_arrays(
        positions + np.pi, labels, cells=cells, names=["Mo<&>'\"", "Se₂\t\n\r\x00\x1f\\u0041 ]]>"],
        frames=frames, n_permutations=0,
    )  # fmt: skip
    graph.nodes["cell:0"].update(infinite=-np.inf, large=2**62, yes=np.True_, number=np.float32(0.1))
    graph.nodes["cell:1"]["infinite"] = 3
    graph.graph["note"] = "ends with a carriage return\r"
    graph.add_node("name & \x07 <odd>", kind="remark", level=9)
    graph.add_edge("name & \x07 <odd>", "cell:1", kind="about", weight=1e-300)
    return graph


@pytest.fixture(scope="module")
def path(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("graphml") / "graph.graphml"
    graph.to_graphml(path)
    return path


def test_comes_back_equal_with_types(graph, path):
    back = MotifGraph.from_graphml(path)
    assert isinstance(back, MotifGraph)
    assert list(back) == list(graph)
    assert nx.utils.graphs_equal(back, graph)
    assert back.graph["schema"] == "hyperspy_motifs.graph"
    assert type(back.graph["schema_version"]) is int
    assert type(back.nodes["cell:0"]["yes"]) is bool
    assert type(back.nodes["atom:0"]["frame"]) is int
    assert {type(d["x"]) for n, d in back.nodes.items() if n.startswith("atom")} == {float}


def test_opens_in_networkx_with_equal_values(graph, path):
    other = nx.read_graphml(path)
    assert other.is_directed()
    assert set(map(str, other)) >= set(graph.level("cell"))
    assert other.nodes["cell:2"] == graph.nodes["cell:2"]
    assert other.edges["atom:0", "motif:0"] == {"kind": "instance_of"}


def test_what_networkx_writes_is_read(graph, tmp_path):
    small = graph.types
    nx.relabel_nodes(small, {}, copy=False)
    for _, d in small.nodes.items():
        d["name"] = "plain"
    small.graph["note"] = "plain"
    nx.write_graphml(small, tmp_path / "nx.graphml")
    assert nx.utils.graphs_equal(MotifGraph.from_graphml(tmp_path / "nx.graphml"), small)


def test_opens_in_igraph_with_types(graph, path):
    igraph = pytest.importorskip("igraph")
    other = igraph.Graph.Read_GraphML(str(path))
    assert (other.vcount(), other.ecount()) == (graph.number_of_nodes(), graph.number_of_edges())
    vertex = other.vs.find(id="cell:2")
    assert vertex["kind"] == "cell"
    assert vertex["x"] == graph.nodes["cell:2"]["x"]
    assert vertex["n_corners"] == 6
    assert vertex["on_border"] is False


@pytest.mark.skipif(shutil.which("graphml2gv") is None, reason="Graphviz is not installed")
def test_opens_in_graphviz(graph, path):
    text = subprocess.run(["graphml2gv", str(path)], capture_output=True, check=True, text=True).stdout
    assert text.count("->") == graph.number_of_edges()


@pytest.mark.parametrize("value", [None, [1], (1, 2), {"a": 1}, np.zeros(2), 1j, 2**63])
def test_values_that_graphml_cannot_hold_are_refused_and_nothing_is_written(value, tmp_path):
    graph = MotifGraph.from_arrays(np.zeros((1, 2)), [0])
    graph.nodes["atom:0"]["odd"] = value
    with pytest.raises(TypeError, match="odd"):
        graph.to_graphml(tmp_path / "graph.graphml")
    assert list(tmp_path.iterdir()) == []


def test_an_attribute_has_one_type_as_igraph_wants_it(tmp_path):
    graph = MotifGraph.from_arrays(np.zeros((2, 2)), [0, 0])
    graph.nodes["atom:0"]["mixed"], graph.nodes["atom:1"]["mixed"] = 1.5, "text"
    with pytest.raises(TypeError, match="two names"):
        graph.to_graphml(tmp_path / "graph.graphml")


def test_ids_must_be_strings(tmp_path):
    graph = MotifGraph.from_arrays(np.zeros((1, 2)), [0])
    graph.add_node(7)
    with pytest.raises(TypeError, match="strings"):
        graph.to_graphml(tmp_path / "graph.graphml")


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<graphml><graph edgedefault="directed"><node id="&b;"/></graph></graphml>'
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    '<graphml><graph edgedefault="directed"><node id="a"/>&a;</graph></graphml>'
)
DTD = '<?xml version="1.0"?><!DOCTYPE graphml SYSTEM "http://127.0.0.1:9/evil.dtd"><graphml/>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "document type"),
        (EXTERNAL, "document type"),
        (DTD, "document type"),
        (LAUGHS.replace('"1.0"?', '"1.0" encoding="UTF-16"?').encode("utf-16"), "document type"),
        (whole().replace("1.5", "one"), "'one' is not a possible value"),
        (whole().replace("1.5", "1.5</data><data key='k'>atom"), None),
        (whole(keys=KEYS.replace("double", "string")), "should be of the type float"),
        (whole(keys=KEYS.replace("double", "object")), "'object' is not one of"),
        (whole()[:-40], "truncated"),
        ("", "truncated"),
        ("nothing like it", "well-formed"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "well-formed"),
        (whole(graph='edgedefault="undirected"'), "not directed"),
        (whole(ours=""), "not a motif graph"),
        (whole(ours=OURS.replace("hyperspy_motifs.graph", "another")), "not a motif graph"),
        (whole(ours=OURS.replace(">1<", ">2<")), "Update"),
        (whole(ours=OURS.replace(">1<", ">-1<")), "schema_version"),
        (whole(NODE + NODE), "twice"),
        (whole(NODE + '<edge source="atom:0" target="atom:1"><data key="k">a</data></edge>'), "not both"),
        (whole(NODE + '<edge source="atom:0"/>'), "no 'target'"),
        (whole('<node id="atom:0"/>'), "no kind"),
        (whole('<node id="atom:0"><data key="z">1</data></node>'), "not declared"),
        (whole('<node id="a"><data key="s">1</data></node>'), "attribute 'schema' of a graph"),
        (whole('<script href="x"/>'), "<script>"),
        (whole("<node id='a'>" + "<desc>" * 50 + "</desc>" * 50 + "</node>"), "element"),
        (whole().replace('<graph edge', '<graph edgedefault="directed"/><graph edge'), "more than one graph"),
    ],
)  # fmt: skip
def test_hostile_and_foreign_files_are_refused(text, message, tmp_path):
    path = tmp_path / "odd.graphml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if message is None:
        assert MotifGraph.from_graphml(path).nodes["atom:0"] == {"kind": "atom", "x": 1.5}
        return
    with pytest.raises(ValueError, match=message):
        MotifGraph.from_graphml(path)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        MotifGraph.from_graphml(tmp_path / "none.graphml")

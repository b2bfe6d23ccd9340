"""Files and queries from anywhere: read rightly or refused, quickly, without running anything that is in them."""

import ast
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hyperspy_motifs
from hyperspy_motifs.graph import MotifGraph

SOURCES = [
    p for p in Path(hyperspy_motifs.__file__).parent.rglob("*.py") if "tests" not in p.parts[-3:]
]  # the wheel keeps its tests in the package
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {"eval", "exec", "system", "popen", "read_pickle", "to_pickle", "exec_module"}


def name_of(node):
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def offences(tree):
    """Lines of a module that could run what they read, and why."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            if UNSAFE_MODULES & {name.split(".")[0] for name in names}:
                yield node.lineno, "an unsafe module"
        if not isinstance(node, ast.Call):
            continue
        owner, name = name_of(getattr(node.func, "value", None)), name_of(node.func)
        keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        if isinstance(node.func, ast.Name) and name in UNSAFE_CALLS:
            yield node.lineno, name
        if isinstance(node.func, ast.Attribute) and name in UNSAFE_METHODS:
            yield node.lineno, name
        if name == "load" and owner in ("np", "numpy") and keywords.get("allow_pickle") is not False:
            yield node.lineno, "np.load without allow_pickle=False"
        if name in ("load", "load_all") and owner == "yaml":
            yield node.lineno, "yaml.load: yaml.safe_load is the one that runs nothing"
        if keywords.get("shell"):
            yield node.lineno, "a shell"


def test_nothing_that_is_read_can_run():
    assert len(SOURCES) > 100
    found = [(p.name, *o) for p in SOURCES for o in offences(ast.parse(p.read_text(encoding="utf-8")))]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "eval(x)",
        "table.eval(x)",
        "pandas.read_pickle(p)",
        "os.system(x)",
        "np.load(p)",
        "yaml.load(f)",
        "run(x, shell=True)",
    ],
)
def test_the_search_for_it_finds_it(line):
    assert list(offences(ast.parse(line)))


def test_an_array_of_objects_is_not_unpickled(tmp_path, capsys):
    from hyperspy_motifs import cli

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was_run",))

    np.save(tmp_path / "evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    assert cli.main([str(tmp_path / "evil.npy"), "-o", str(tmp_path / "out"), "-q"]) == cli.EXIT_FAILED
    assert not (tmp_path / "was_run").exists()
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(3)
    y, x = np.indices((4, 5))
    points = np.column_stack([x.ravel(), y.ravel()]) + rng.normal(0, 0.01, (20, 2))
    return MotifGraph.from_arrays(points, np.arange(20) % 3, n_permutations=0)


@pytest.fixture(scope="module")
def text(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "graph.graphml"
    graph.to_graphml(path)
    return path.read_bytes()


BITS = st.sampled_from(
    [b"", b"<", b">", b"\x00", b"&a;", b"<!DOCTYPE a>", b"]]>", b"nan", b"1e999", b"-1", b"99999999999999999999", b"\xff",
     b"</node>", b"<node id='atom:0'/>", b"<data key='d0'>x</data>", b"true", b"<graph/>", b"<!--", b"<?x?>", b"\\ud800"]
)  # fmt: skip


@settings(max_examples=250)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), BITS), min_size=1, max_size=4))
def test_a_damaged_graph_is_read_or_refused(ours, text, tmp_path_factory, damages):
    damaged = text
    for where, length, bits in damages:
        at = int(where * len(damaged))
        damaged = damaged[:at] + bits + damaged[at + length :]
    path = tmp_path_factory.getbasetemp() / "damaged.graphml"
    path.write_bytes(damaged)
    with ours():
        graph = MotifGraph.from_graphml(path)
        assert all("kind" in attributes for _, attributes in graph.nodes(data=True))


def test_a_billion_laughs_are_refused_before_the_first(tmp_path):
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    path = tmp_path / "laughs.graphml"
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE g [<!ENTITY l0 "{"ha" * 50}">{entities}]>'
        '<graphml><graph edgedefault="directed"><node id="&l9;"/></graph></graphml>'
    )
    tracemalloc.start()
    with pytest.raises(ValueError, match="document type"):
        MotifGraph.from_graphml(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


WORDS = ["MATCH", "RETURN", "WHERE", "(a)", "(a:atom)", "-[r]->", "-[*]->", "a.kind", "a", "=", "'atom'", "1",
         "count(a)", "LIMIT", "ORDER BY", "b", "(b)", ",", ";", "{", "}", "__import__('os')", "a.__class__",
         "DELETE", "CREATE", "é"]  # fmt: skip


@settings(max_examples=100)
@given(
    st.one_of(
        st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
        st.text(max_size=12),
        st.none(),
        st.integers(),
    )
)
def test_any_query_is_answered_or_refused(ours, graph, query):
    pytest.importorskip("grandcypher")
    before = dict(graph.nodes(data=True))
    with ours():
        assert isinstance(graph.query(query), dict)
    assert dict(graph.nodes(data=True)) == before

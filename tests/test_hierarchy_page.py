"""The hierarchy as a page: what it holds, and that nothing in it comes from elsewhere or can be made to run."""

import json
import re

import networkx as nx
import numpy as np
import pytest

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.graph import MotifGraph
from hyperspy_motifs.hierarchy import build_hierarchy
from hyperspy_motifs.motifs._hierarchy_page import write_hierarchy

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def graph():
    h, k = (v.ravel() for v in np.meshgrid(np.arange(9), np.arange(8)))
    corner = np.column_stack([h + 0.5 * k, np.sqrt(0.75) * k])
    points = np.vstack([corner, corner + np.array([0.5, np.sqrt(1 / 12)])])
    labels = np.repeat([0, 1], len(corner))
    labels[[20, 41, 100]] = 2
    cells = find_cells(points, labels)
    hierarchy = build_hierarchy(points, labels, cells)
    names = ["Mo", "Se2", HOSTILE]
    return MotifGraph.from_arrays(points, labels, cells=cells, hierarchy=hierarchy, names=names)


@pytest.fixture(scope="module")
def page(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "hierarchy.html"
    pictures = {"motif:0": np.arange(30.0).reshape(5, 6)}
    assert write_hierarchy(graph, pictures, path, f"a {HOSTILE}") == path
    return path.read_text(encoding="utf-8")


def test_every_class_is_there_with_its_parts(graph, page):
    ids = re.findall(r'data-id="([^"]+)"', page)
    assert sorted(ids) == sorted(graph.types)
    told = json.loads(re.search(r'id="types">(.*?)</script>', page, re.DOTALL)[1])
    assert set(told) == set(graph.types)
    hexagon = next(
        n for n in told if n.startswith("cell-class") and told[n]["name"] == "Mo Se2 Mo Se2 Mo Se2"
    )
    assert dict(told[hexagon]["parts"]) == {"motif:0": 3.0, "motif:1": 3.0}
    assert hexagon in dict(told["motif:0"]["wholes"])
    assert told["motif:2"]["name"] == HOSTILE
    assert page.count("data:image/png;base64,") == 1


def test_it_needs_no_network_and_names_cannot_run(page):
    assert HOSTILE not in page
    assert "http:" not in page
    assert "https:" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert page.count("<script") == 2  # the data and the one that the policy knows by its hash


def test_a_folder_is_no_page(graph, tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        write_hierarchy(graph, {}, tmp_path, "title")
    assert isinstance(graph, nx.DiGraph)

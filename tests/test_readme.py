"""The README's first five minutes, run unchanged on an image in a file."""

import re
from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs.data import monolayer
from hyperspy_motifs.graph import MotifGraph

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_first_five_minutes(tmp_path, monkeypatch, capsys):
    if not README.is_file():
        pytest.skip("the README is not in an installed package")
    text = README.read_text(encoding="utf-8")
    part = text[text.index("## The first five minutes") : text.index("## Try it on a simulated image")]
    code = "\n".join(re.findall(r"```python\n(.*?)```", part, re.DOTALL))
    image, truth = monolayer(
        "WSe2", vacancies=0.06, double_vacancies=0, metal_dopant=None, chalcogen_dopant=None,
        shape=(300, 330), rotation=8.0, random_state=2,
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    image.save("own.hspy")
    exec(code.replace("image.dm4", "own.hspy"), {})
    rarest = int(re.search(r"(\d+) atoms of the rarest motif", capsys.readouterr().out)[1])
    loaded = hs.load("image.hspy")
    # All vacancies whose disc the image holds.
    margin = loaded.motifs.radius * loaded.motifs.parameters["spacing"] / image.axes_manager[0].scale
    whole = np.all((truth.positions > margin) & (truth.positions < np.array([329, 299]) - margin), axis=1)
    assert rarest == np.sum(whole & (truth.labels == truth.names.index("Se1"))) > 3
    graph = MotifGraph.from_graphml("hierarchy.graphml")
    assert len(graph.find(kind="atom")) == len(loaded.motifs.labels)

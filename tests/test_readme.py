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
        shape=(226, 240), rotation=8.0, random_state=2,
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    image.save("own.hspy")
    exec(code.replace("image.dm4", "own.hspy"), {})
    assert "of another motif" in capsys.readouterr().out
    loaded = hs.load("image.hspy")
    # All vacancies that are not at the border.
    spacing = loaded.motifs.parameters["spacing"] / image.axes_manager[0].scale
    whole = np.minimum(truth.positions, np.array([239, 225]) - truth.positions).min(axis=1) > 1.6 * spacing
    vacancies = truth.positions[whole & (truth.labels == truth.names.index("Se1"))]
    found = loaded.motifs.defects.pixel_positions
    assert len(vacancies) > 3
    assert np.hypot(*(vacancies[:, None] - found).transpose(2, 0, 1)).min(axis=1).max() < 0.3 * spacing
    assert len(Path("defects.csv").read_text(encoding="utf-8").splitlines()) == len(found) + 1
    graph = MotifGraph.from_graphml("hierarchy.graphml")
    assert len(graph.find(kind="atom")) == len(loaded.motifs.labels)

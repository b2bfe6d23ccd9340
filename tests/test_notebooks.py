"""The notebooks of the documentation, run from top to bottom as a reader runs them."""

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# What a reader must see of the results, next to the pictures.
SAYS = {
    "01_first_steps": "motif",
    "02_rare_defects_and_the_graph": "{'Cr': 8}",
    "03_cells_and_hierarchy": "Mo1 Se2",
}

pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="the notebooks are not in an installed package")


@pytest.fixture(scope="module")
def nbformat():
    """Imported by the process that runs these tests alone: it takes seconds."""
    return pytest.importorskip("nbformat")


def test_there_is_a_notebook_for_each_expectation():
    assert [path.stem for path in NOTEBOOKS] == sorted(SAYS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebooks_hold_no_results(path, nbformat):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, nbformat):
    """Outputs of each notebook. One kernel runs all of them, and forgets its variables in between: its imports take long."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells, begins = [], {}
    for path in NOTEBOOKS:
        cells.append(nbformat.v4.new_code_cell("%reset -f"))
        begins[path.stem] = len(cells)
        cells += nbformat.read(path, as_version=4).cells
    together = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        # The kernel draws into the notebook, independent of the backend of the tests, and finds this checkout.
        patch.delenv("MPLBACKEND", raising=False)
        patch.setenv(
            "PYTHONPATH", os.pathsep.join([str(FOLDER.parent.parent), os.environ.get("PYTHONPATH", "")])
        )
        folder = tmp_path_factory.mktemp("notebooks")
        # Nobody looks at these pictures, and most of the time would be spent on their pixels.
        (folder / "matplotlibrc").write_text("figure.dpi: 30\n")
        patch.setenv("MATPLOTLIBRC", str(folder / "matplotlibrc"))
        where = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(together, timeout=240, kernel_name="python3", resources=where).execute()
    ends = [*list(begins.values())[1:], len(cells) + 1]
    return {
        stem: [out for cell in cells[begin : end - 1] if cell.cell_type == "code" for out in cell.outputs]
        for (stem, begin), end in zip(begins.items(), ends, strict=True)
    }


@pytest.mark.parametrize("name", SAYS)
def test_notebook_runs_top_to_bottom(name, outputs):
    pictures = [out for out in outputs[name] if "image/png" in out.get("data", {})]
    assert len(pictures) >= 4
    text = "\n".join(out.get("text", "") + out.get("data", {}).get("text/plain", "") for out in outputs[name])
    assert SAYS[name] in text
    complaints = [
        out.text for out in outputs[name] if out.get("name") == "stderr" and "Traceback" in out.text
    ]
    assert not complaints

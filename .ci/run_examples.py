"""Run every example, and save its figures where a folder is given: ``python .ci/run_examples.py [FOLDER]``.

One process runs them all, as importing and compiling take longer than most of them.
"""

import contextlib
import io
import os
import runpy
import sys
import tempfile
import time
import traceback
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt


def run(script: Path, folder: Path | None) -> bool:
    """Run one example in the current folder; whether it ended, with a figure."""
    start, said = time.perf_counter(), io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_path(str(script), run_name="__main__")
            fault = "" if plt.get_fignums() else "It draws no figure.\n"
        except Exception:
            fault = traceback.format_exc()
    for number in plt.get_fignums() if folder else ():
        plt.figure(number).savefig(folder / f"{script.stem}_{number}.png", dpi=130)
    plt.close("all")
    print(f"{script.name:40s} {time.perf_counter() - start:6.1f} s {'FAILED' if fault else ''}", flush=True)
    if fault:
        print(said.getvalue(), fault, sep="\n", file=sys.stderr)
    return not fault


def main() -> None:
    """Run all, and end with an error if one of them failed."""
    scripts = sorted((Path(__file__).absolute().parents[1] / "examples").glob("*.py"))
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as here:
        os.chdir(here)
        ended = [run(script, folder) for script in scripts]
        os.chdir(folder or "/")
    sys.exit(f"{ended.count(False)} of {len(ended)} examples failed." if not all(ended) else 0)


if __name__ == "__main__":
    main()

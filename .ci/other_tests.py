"""Other people's tests next to this package: ``make other-tests``.

- HyperSpy's own suite without this extension and with it: every test must end the same.
- Its tests of Signal2D once more, with ``AtomicImage`` in the place of ``Signal2D``.
- atomap's own suite without this package and next to it.
- scikit-learn's checks of both estimators.
- The round trips and examples of `tests/exchange` with everything installed, squidpy, scanpy and pymatgen as well.

The outcomes are compared test by test, and a difference is an error. Tests that need the network or a screen fail both
times where there is none, which is no difference. Long: half an hour on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
# Everything that this package needs is there both times: it alone makes the difference.
REQUIREMENTS = (f"{CHECKOUT}[tests]", "hyperspy[tests]", "pytest-mpl")
SIGNAL2D = (
    "signals/test_2D.py", "signals/test_2D_tools.py", "signals/test_image.py", "signals/test_find_peaks2D.py",
    "signals/test_fancy_indexing.py", "signals/test_map_method.py", "signals/test_transpose.py",
    "signals/test_tools.py", "signals/test_lazy.py", "signals/test_apodization.py", "signals/test_fourier_transform.py",
    "signals/test_binned.py", "model/test_model2d.py", "drawing/test_plot_signal2d.py", "drawing/test_markers.py",
    "utils/test_roi.py", "utils/test_stack_calibration.py",
)  # fmt: skip
# Tests that cannot hold for a class that is more than Signal2D, and why. Nothing else may end in another way.
TRANSPOSED = (
    "it transposes a BaseSignal without a signal type, for which HyperSpy makes its own Signal2D, and asks "
    "whether that is an instance of the class put in the place of Signal2D"
)
NAMES_THE_CLASS = {
    "tests.signals.test_transpose.TestTranspose::test_signal_int_transpose": TRANSPOSED,
    "tests.signals.test_transpose.TestTranspose::test_lazy_signal_int_transpose": TRANSPOSED,
}


def main() -> int:
    """Run the selected parts, print a table, and return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "parts", nargs="*", default=["hyperspy", "signal2d", "atomap", "estimators", "exchange"]
    )
    parser.add_argument(
        "--folder", type=Path, default=CHECKOUT / ".venv-other", help="environment and results"
    )
    parser.add_argument("-n", default="2", help="processes")
    options = parser.parse_args()
    suites = Suites(options.folder.resolve(), options.n)
    wrong = [part for part in options.parts if not getattr(suites, part)()]
    print(f"== {', '.join(wrong)} failed" if wrong else "== all as expected")
    return len(wrong)


class Suites:
    """The suites, in one environment in which this package is installed, taken out and put back."""

    def __init__(self, folder: Path, n: str, requirements: Sequence[str] = REQUIREMENTS) -> None:
        self.folder, self.n, self.requirements = folder, n, requirements
        self.python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    def make(self) -> None:
        """Make the environment, if it is not there."""
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder], check=True)
            self.pip("install", *self.requirements)
        (self.folder / "empty").mkdir(exist_ok=True)

    def pip(self, *arguments: str) -> None:
        subprocess.run([self.python, "-m", "pip", "--quiet", *arguments], check=True)

    def put_in(self) -> None:
        self.make()
        self.pip("install", "--no-deps", "--force-reinstall", str(CHECKOUT))
        self.must_be_known(True)

    def take_out(self) -> None:
        self.make()
        self.pip("uninstall", "-y", "hyperspy_motifs")
        self.must_be_known(False)

    def must_be_known(self, wanted: bool) -> None:
        """Stop if the registration of the extension in HyperSpy is not as expected: both runs would be equal."""
        code = "from hyperspy.extensions import ALL_EXTENSIONS as E; print('AtomicImage' in E['signals'])"
        known = subprocess.check_output([self.python, "-c", code], text=True, cwd=self.folder / "empty")
        if known.strip() != str(wanted):
            sys.exit(
                f"HyperSpy {'does not register' if wanted else 'still registers'} the extension in {self.folder}"
            )

    def run(self, name: str, *arguments: str) -> dict[str, str]:
        """Outcome of every test of one run of pytest."""
        report = self.folder / f"{name}.xml"
        report.unlink(missing_ok=True)
        subprocess.run(
            [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", self.n, f"--junitxml={report}",
             "--timeout=600", "-W", "ignore", *arguments],
            cwd=self.folder / "empty", stdout=open(self.folder / f"{name}.txt", "w"), stderr=subprocess.STDOUT,
            env={**environment(), "PYTHONPATH": str(HERE)}, check=False,
        )  # fmt: skip
        found = outcomes(report)
        print(f"{name}: {dict(Counter(found.values()))}", flush=True)
        return found

    def hyperspy(self) -> bool:
        self.take_out()
        without = self.run("hyperspy_without", "--pyargs", "hyperspy")
        self.put_in()
        with_it = self.run("hyperspy_with", "--pyargs", "hyperspy")
        return bool(without) and same(without, with_it, {})

    def signal2d(self) -> bool:
        self.put_in()
        tests = Path(
            subprocess.check_output(
                [self.python, "-c", "import hyperspy.tests as t; print(t.__path__[0])"], text=True,
                cwd=self.folder / "empty",
            ).strip()
        )  # fmt: skip
        files = [str(tests / name) for name in SIGNAL2D]
        cut = ["--confcutdir", str(tests.parent), "--rootdir", str(tests.parent)]
        as_it_is = self.run("signal2d_itself", *cut, *files)
        replaced = self.run("signal2d_replaced", "-p", "atomic_image_for_signal2d", *cut, *files)
        return bool(as_it_is) and same(as_it_is, replaced, NAMES_THE_CLASS)

    def atomap(self) -> bool:
        self.take_out()
        without = self.run("atomap_without", "--pyargs", "atomap")
        self.put_in()
        with_it = self.run("atomap_with", "--pyargs", "atomap")
        return bool(without) and same(without, with_it, {})

    def estimators(self) -> bool:
        self.put_in()
        found = self.run("estimators", "--pyargs", "hyperspy_motifs.tests.trust.test_estimators")
        # Of scikit-learn's checks some are skipped, those of array libraries that are not installed among them.
        return "passed" in found.values() and set(found.values()) <= {"passed", "skipped"}

    def exchange(self) -> bool:
        # squidpy needs zarr 3, HyperSpy's .zspy files need zarr 2: an environment of its own.
        return Suites(self.folder / "exchange", self.n, [f"{CHECKOUT}[exchange-tests]"]).round_trips()

    def round_trips(self) -> bool:
        self.put_in()
        package = Path(
            subprocess.check_output(
                [self.python, "-c", "import hyperspy_motifs as h; print(h.__path__[0])"], text=True,
                cwd=self.folder / "empty",
            ).strip()
        )  # fmt: skip
        cut = ["--confcutdir", str(package), "--rootdir", str(package)]
        found = self.run("exchange", *cut, str(package / "tests" / "exchange"))
        skipped = [test for test, outcome in found.items() if outcome == "skipped"]
        # OVITO and AtomAI (with PyTorch) are large and not installed: their tests run where they are.
        return (
            bool(found)
            and all("ovito" in test or "atomai" in test for test in skipped)
            and set(found.values()) <= {"passed", "skipped"}
        )


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def outcomes(report: Path) -> dict[str, str]:
    """Test id to passed, failed, error or skipped, from a JUnit file."""
    if not report.exists():
        return {}
    found = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[f"{case.get('classname')}::{case.get('name')}"] = (
            "failed" if "failure" in kinds else kinds.pop() if kinds else "passed"
        )
    return found


def same(before: dict[str, str], after: dict[str, str], excused: dict[str, str]) -> bool:
    """Whether every test ended the same both times; what did not is listed."""
    alike = True
    for test in sorted(before.keys() | after.keys()):
        one, two = before.get(test, "absent"), after.get(test, "absent")
        if one != two:
            reason = excused.get(test)
            print(f"  {test}: {one}, then {two}{f' ({reason})' if reason else ''}")
            alike &= reason is not None
    return alike


if __name__ == "__main__":
    sys.exit(main())

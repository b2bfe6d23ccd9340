"""What must be in the wheel and in the sdist: ``check_contents.py FOLDER``."""

import sys
import tarfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
KEPT = (".py", ".pyi", ".yaml", ".typed", ".hspy", ".npz", ".json", ".jinja")


def main(folder: Path) -> None:
    """Stop with a list of what is missing, if anything is."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    package = sources("hyperspy_motifs")
    tests = sources("tests")
    wanted_in_wheel = package | {f"hyperspy_motifs/{name}" for name in tests}
    missing = [f"wheel: {name}" for name in sorted(wanted_in_wheel - in_wheel)]
    missing += [f"sdist: {name}" for name in sorted((package | tests | {"LICENSE", "README.md"}) - in_sdist)]
    if missing or "hyperspy_motifs/hyperspy_extension.yaml" not in package:
        sys.exit("not in the built package: " + ", ".join(missing))
    print(f"wheel {len(in_wheel)} files, sdist {len(in_sdist)}: YAML, stubs and tests are in both")


def sources(folder: str) -> set[str]:
    """Files of a folder of the checkout that must be shipped."""
    return {
        p.relative_to(CHECKOUT).as_posix()
        for p in (CHECKOUT / folder).rglob("*")
        if p.suffix in KEPT and "__pycache__" not in p.parts
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))

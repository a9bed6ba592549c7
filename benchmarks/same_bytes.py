"""Does a change of structure leave every recorded digit as it was?

    python benchmarks/same_bytes.py --against COMMIT_OR_FOLDER [--only CASE ...]
        [--except COLUMN_PATTERN ...] [--work DIR]

Runs the same `gmmal run` commands with the package as it was (there) and as it is in
this working tree (here), on the CPU, and compares the tables of method and reference
byte for byte; timings.csv alone may differ. Prints a line for each case, then `same`;
exit code 1 if any case differs or fails. `--except 'supervised/*/gradient_ratio'`
leaves out columns of diagnostics.csv that are known to differ.

Results of the other side are kept in `--work`, so that the next comparison with it runs
this side only; so are compiled programs, which both sides share.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from table_differences import compare, read_tables

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "gmmal_jax"
SHORT = [
    "--cycles", "2", "--width", "8", "--train.steps", "100", "--da.steps", "100",
    "--da.refit-every", "50",
]  # fmt: skip
ALONE = ["--reference", "none"]
# What the preset of digits says, for data sets that have none; the critic's gradient
# flows through the mixture columns here, as in the paper and unlike in that preset.
OWN = [
    "--model", "small", "--initial", "20", "--budget", "20", "--data.pad", "1",
    "--data.no-flip", "--train.batch-size", "20", "--train.learning-rate", "0.03",
    "--reg.subset-size", "100", "--da.batch-size", "50", "--da.hidden", "64", "64",
]  # fmt: skip
# DATA stands for the folder of the data sets that this script makes.
CASES = {
    f"{method}-{setting}": [
        "--method", method, "--setting", setting, "--seeds", "0", "1",
        *([] if method == "gmm" else ALONE),
    ]
    for setting in ("balanced", "imbalanced", "mismatch")
    for method in ("gmm", "random", "entropy")
} | {
    "folder": ["--dataset", "folder:DATA/pictures", "--data.placement", "streamed",
               *OWN],
    "npz": ["--dataset", "npz:DATA/arrays.npz", *OWN],
    "longer-margin": ["--learn", "reg_longer", "--query", "margin",
                      "--select.diversity", "balance_kmeans", *ALONE],
    "ce-gmm": ["--learn", "ce", "--query", "gmm", *ALONE],
}  # fmt: skip
_LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn", "pillow")
_SWITCHES = ("JAX_", "XLA_", "OMP_", "OPENBLAS_", "MKL_")


class Side(NamedTuple):
    """A package whose runs are compared.

    Attributes:
      tree: the folder that holds it.
      data: the data sets' folder, the same for both sides: it is in the commands.
      compiled: the folder of compiled programs.
    """

    tree: Path
    data: Path
    compiled: Path

    def environment(self) -> dict[str, str]:
        """Of a process that uses this package on the CPU."""
        return os.environ | {
            "PYTHONPATH": str(self.tree),
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": str(self.compiled),
        }

    def check(self) -> None:
        """Insist that a run uses this package: an installed one must not come first."""
        look = f"import importlib.util as u; print(u.find_spec('{PACKAGE}').origin)"
        found = subprocess.run(
            [sys.executable, "-c", look],
            cwd=self.data,
            env=self.environment(),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()
        if not Path(found).is_relative_to(self.tree):
            sys.exit(f"{PACKAGE} comes from {found}, not from {self.tree}")

    def run(self, case: str, folder: Path) -> str | None:
        """Run a case in a new folder; None, or how it failed."""
        options = [word.replace("DATA", str(self.data)) for word in CASES[case]]
        command = [sys.executable, "-m", PACKAGE, "run", "--out", str(folder / "run")]
        done = subprocess.run(
            [*command, *SHORT, *options],
            cwd=folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        (folder / "log.txt").write_text(done.stdout)
        if done.returncode:
            last = (done.stdout.splitlines() or ["no output"])[-1]
            return f"run ended with code {done.returncode}: {last}"
        return None


def main() -> int:
    """Compare all cases and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", required=True, metavar="COMMIT_OR_FOLDER")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=CASES,
        default=list(CASES),
        metavar="CASE",
        help=", ".join(CASES),
    )
    parser.add_argument(
        "--except",
        nargs="+",
        default=[],
        dest="patterns",
        metavar="COLUMN_PATTERN",
        help="columns of diagnostics.csv that may differ, as in a shell: a/*",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "gmmal-same-bytes",
        help="the other side's results and compiled programs (default: %(default)s)",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as trees:
        there, here = Path(trees) / "there", Path(trees) / "here"
        try:
            name = fetch(arguments.against, there)
        except ValueError as error:
            parser.error(str(error))
        # A copy: edits while the comparison goes on shall not mix into it.
        copy_package(ROOT, here)
        machine = circumstances()
        work = arguments.work.resolve()
        data = make_data(work / f"data-{script_digest()}")
        sides = [Side(t, data, work / f"compiled-{machine}") for t in (there, here)]
        for side in sides:
            side.check()
        kept = work / f"{name}-{machine}-{script_digest()}"
        return compare_all(arguments.only, *sides, kept, arguments.patterns)


def compare_all(
    cases: Sequence[str], there: Side, here: Side, kept: Path, patterns: Sequence[str]
) -> int:
    """Compare cases; the exit code.

    Args:
      cases: their names.
      there: the other side.
      here: this side.
      kept: where results of the other side are kept.
      patterns: see `compare`.
    """
    kept.mkdir(parents=True, exist_ok=True)
    ours = Path(tempfile.mkdtemp(prefix="here-", dir=kept.parent))
    seconds, differing, unmatched = [0.0, 0.0], 0, set(patterns)
    for case in cases:
        began = time.monotonic()
        wrong = keep(there, case, kept)
        seconds[0] += time.monotonic() - began
        began = time.monotonic()
        (ours / case).mkdir()
        failed = here.run(case, ours / case)
        seconds[1] += time.monotonic() - began
        found = [f"there: {wrong}"] if wrong else []
        found += [f"here: {failed}"] if failed else []
        excepted: list[str] = []
        if not found:
            before, after = (read_tables(f / case / "run") for f in (kept, ours))
            found, excepted = compare(before, after, patterns)
        columns = {column.split(" ")[0] for column in excepted}
        unmatched -= {p for p in patterns if any(fnmatchcase(c, p) for c in columns)}
        differing += bool(found)
        line = f"DIFFERS: {case}: {'; '.join(found)}" if found else f"same: {case}"
        if excepted:
            line += f" (excepted: {', '.join(excepted)})"
        print(line, flush=True)
    for pattern in sorted(unmatched):
        print(f"--except {pattern}: no such column was found")
    print(f"seconds: {seconds[0]:.0f} there, {seconds[1]:.0f} here")
    if differing:
        print(f"{differing} of {len(cases)} cases differ; see {kept} and {ours}")
        return 1
    shutil.rmtree(ours)
    print("same")
    return 0


def keep(side: Side, case: str, kept: Path) -> str | None:
    """Run a case unless its results are kept already; None, or how it failed."""
    place = kept / case
    if place.exists():
        return None
    part = Path(tempfile.mkdtemp(prefix=f"{case}.part-", dir=kept))
    failed = side.run(case, part)
    if failed:
        return failed
    _move(part, place)
    return None


def fetch(against: str, tree: Path) -> str:
    """Copy the package of a commit or a folder; a name for what it holds.

    Raises:
      ValueError: neither of the two, or without the package.
    """
    if (Path(against) / PACKAGE).is_dir():
        copy_package(Path(against), tree)
        digest = hashlib.sha256()
        for path in sorted(tree.rglob("*.py")):
            digest.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes())
        return digest.hexdigest()[:12]
    archived = _git("archive", "--format=tar", against)
    with tarfile.open(fileobj=io.BytesIO(archived)) as archive:
        archive.extractall(tree, filter="data")
    if not (tree / PACKAGE).is_dir():
        raise ValueError(f"--against {against}: holds no {PACKAGE}")
    commit = _git("rev-parse", "--verify", f"{against}^{{commit}}")
    return commit.decode().strip()[:12]


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True)
    if done.returncode:
        said = done.stderr.decode().strip()
        raise ValueError(
            f"--against: neither a folder with {PACKAGE} in it, nor {said}"
        )
    return done.stdout


def copy_package(source: Path, tree: Path) -> None:
    """Copy the package out of a working tree."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / PACKAGE, tree / PACKAGE, ignore=ignored)


def circumstances() -> str:
    """A digest of all beside the package that digits may depend on."""
    from gmmal_jax.cli import doctor

    versions = {name: metadata.version(name) for name in _LIBRARIES}
    # Compiled programs may be anywhere; and all runs are on the CPU.
    ours = ("JAX_COMPILATION_CACHE_DIR", "JAX_PLATFORMS")
    switches = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_SWITCHES) and name not in ours
    }
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    known = (doctor.processor(), cores, platform.python_version(), versions, switches)
    text = json.dumps(known, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def script_digest() -> str:
    """A digest of this file, which holds the commands and makes the data."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


def make_data(folder: Path) -> Path:
    """Write 300 training and 100 test images of digits as PNG and as arrays, once."""
    if folder.exists():
        return folder
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images * 15).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix="data.part-", dir=folder.parent))
    arrays = {}
    for name, rows in (("train", slice(0, 300)), ("test", slice(300, 400))):
        arrays[f"x_{name}"] = images[rows, ..., None]
        arrays[f"y_{name}"] = labels[rows]
        pairs = zip(images[rows], labels[rows], strict=True)
        for index, (image, label) in enumerate(pairs):
            path = part / "pictures" / name / str(label) / f"{index:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    np.savez(part / "arrays.npz", **arrays)
    _move(part, folder)
    return folder


def _move(part: Path, place: Path) -> None:
    """Put a finished folder into its place."""
    try:
        part.rename(place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(part)  # another comparison at the same time was quicker


if __name__ == "__main__":
    sys.exit(main())

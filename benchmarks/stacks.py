"""The tests on other Pythons, with the newest packages that each of them gets.

    python benchmarks/stacks.py [--python 3.12 3.13] [--json FILE] [-- TESTS ...]

For each version: a fresh virtual environment, the project from its own files, then
pytest with warnings of ours and deprecations as errors. Interpreters are looked for on
the path and among pyenv's. Once a release; what it said stands in docs/stacks.md. Exit
code 1 if a test failed or an interpreter is absent.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import harness

ROOT = Path(__file__).parents[1]
_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy", "scipy")
_STRICT = ("-W", "error::DeprecationWarning:gmmal_jax")
_COUNTS = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


def find(version: str) -> str | None:
    """An interpreter of that version; None: there is none here."""
    there = shutil.which(f"python{version}")
    if there and _works(there):
        return there
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(pyenv[-1]) if pyenv else None


def _works(python: str) -> bool:
    """Pyenv's shims are on the path for versions that are not switched on."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def tried(version: str, tests: list[str]) -> dict[str, Any]:
    """Install, run, count."""
    python = find(version)
    if python is None:
        return {"python": version, "absent": True}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        own = str(Path(folder) / "bin" / "python")
        source = f"{ROOT}[test]"
        subprocess.run([own, "-m", "pip", "install", "-q", source], check=True)
        listed = subprocess.run(
            [own, "-m", "pip", "list", "--format", "json"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        versions = {each["name"]: each["version"] for each in json.loads(listed.stdout)}
        command = [own, "-m", "pytest", *_STRICT, "-rsfE", *tests]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-2000:] if done.returncode else "", file=sys.stderr, flush=True)
    return {
        "python": version,
        "code": done.returncode,
        **_counts(done.stdout),
        **{name: versions.get(name, "") for name in _PACKAGES},
        "failures": re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.MULTILINE),
    }


def _counts(said: str) -> dict[str, int]:
    """Of pytest's last line: word -> number."""
    lines = said.splitlines()
    return {word: int(num) for num, word in _COUNTS.findall(lines[-1] if lines else "")}


def main() -> int:
    """Try each version and print what it said; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="+", default=["3.12", "3.13"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_args()
    rows = [tried(version, arguments.tests) for version in arguments.python]
    for row in rows:
        print(json.dumps(row, indent=2))
    if arguments.json:
        harness.write_json(arguments.json, rows)
    return 0 if all(row.get("code") == 0 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

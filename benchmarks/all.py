"""Run all benchmarks, keep their results by device, rewrite README.md's tables.

    python benchmarks/all.py [--only NAME ...] [--check]

Each script runs in a process of its own. One that is missing or fails is reported,
and the rest goes on; its last results stay. Those of `APART` run where `--only` names
them. Exit code 1 if a script failed or, with `--check`, a floor was missed.
"""

import argparse
import datetime
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness
from harness import Table

from gmmal_jax.storage import files

HERE = Path(__file__).parent
SCRIPTS = (
    "em", "train_step", "scoring", "selection", "selection_kmeans", "features", "cycle",
    "scaling", "startup",
)  # fmt: skip
APART: dict[str, tuple[str, ...]] = {
    "kill_and_resume": ("--moments", "50"),
    "faults": (),
    "large_pool": (),
    "parallel_seeds": (),
}
"""Scripts that take long, with their options: run where they are named."""
MARKER = "<!-- results: written by all.py, everything below is replaced -->"
LONGEST = 2400.0
"""Seconds after which a script counts as stuck."""


def run(name: str, folder: Path) -> tuple[dict[str, Any] | None, str]:
    """Run a script; its results, and one line on how it went."""
    script, out = HERE / f"{name}.py", folder / f"{name}.json"
    if not script.exists():
        return None, f"{name}: missing"
    began = time.monotonic()
    try:
        code = subprocess.run(
            [sys.executable, str(script), "--json", str(out), *APART.get(name, ())],
            timeout=LONGEST,
        ).returncode
    except subprocess.TimeoutExpired:
        return None, f"{name}: stopped after {LONGEST:.0f} s"
    seconds = time.monotonic() - began
    if code or not out.exists():
        return None, f"{name}: failed with code {code} after {seconds:.0f} s"
    return json.loads(out.read_text()) | {
        "seconds": seconds
    }, f"{name}: {seconds:.0f} s"


def slug(environment: Mapping[str, Any]) -> str:
    """A file name for a device; CPUs differ by their cores and wide vectors, too."""
    words = environment["device"]
    if environment["platform"] == "cpu":
        wide = any(flag.startswith("avx512") for flag in environment["vectors"])
        words += " avx512" if wide else ""
        words += f" {environment['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def merged(
    before: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], date: str
) -> dict[str, Any]:
    """Earlier results of a device with those of this run put in their places.

    Args:
      before: script -> results, as this function returned them; may be empty.
      found: script -> what it wrote.
      date: of this run.
    """
    fresh = {name: dict(body) | {"date": date} for name, body in found.items()}
    together = dict(before) | fresh
    known = [name for name in SCRIPTS if name in together]
    return {name: together[name] for name in known + sorted(set(together) - {*known})}


def page(head: str, devices: Mapping[str, Mapping[str, Any]]) -> str:
    """README.md: what stands above the marker, then the tables of every device.

    Args:
      head: the old page.
      devices: slug -> results, as `merged` returns them.
    """
    parts = [head.split(MARKER)[0].rstrip(), MARKER]
    for results in devices.values():
        first = next(iter(results.values()))["environment"]
        parts.append(f"## {_device(first)}")
        for name, body in results.items():
            parts.append(f"**{name}.py**, {_circumstances(body)}")
            parts += [_markdown(table) for table in body["tables"]]
            parts += [f"Below its floor: {line}." for line in body["missed"]]
    return "\n\n".join(parts) + "\n"


def _device(environment: Mapping[str, Any]) -> str:
    if environment["platform"] != "cpu":
        return environment["device"]
    vectors, cores = " ".join(environment["vectors"]), environment["cores"]
    return f"{environment['device']} ({vectors}), {cores} cores"


def _circumstances(body: Mapping[str, Any]) -> str:
    environment = body["environment"]
    versions = {"Python": environment["python"]} | environment["versions"]
    named = ", ".join(f"{name} {v}" for name, v in versions.items() if v)
    return f"{body['date']}, took {body['seconds']:.0f} s; {named}"


def _markdown(table: Mapping[str, Any]) -> str:
    text = harness.markdown(Table(table["title"], table["rows"], note=table["note"]))
    return text.replace("### ", "#### ", 1)


def main() -> int:
    """Run, merge, write, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=(*SCRIPTS, *APART), default=SCRIPTS
    )
    parser.add_argument(
        "--check", action="store_true", help="exit 1 where a floor is missed"
    )
    arguments = parser.parse_args()
    found, lines, missed = {}, [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            results, line = run(name, Path(folder))
            lines.append(line)
            if results is not None:
                found[name] = results
                missed += results["missed"]
    results_folder, readme = HERE / "results", HERE / "README.md"
    if found:
        results_folder.mkdir(exist_ok=True)
        device = slug(next(iter(found.values()))["environment"])
        path = results_folder / f"{device}.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        today = datetime.date.today().isoformat()
        harness.write_json(path, merged(before, found, today))
    devices = {
        path.stem: json.loads(path.read_text())
        for path in sorted(results_folder.glob("*.json"))
    }
    files.write_atomic(readme, page(readme.read_text(), devices))
    for line in lines:
        print(line)
    for line in missed:
        print(f"below its floor: {line}")
    failed = len(found) < len(arguments.only)
    return 1 if failed or (arguments.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Is a run that was killed with -9 and resumed equal to one that was not?

    python benchmarks/kill_and_resume.py [--json FILE]

Runs digits with a network of width 4 once whole, then once for each stage of a cycle:
a child process kills itself with SIGKILL inside that stage, which it names, `gmmal
resume` goes on in a new process, and the tables of method and reference are compared
byte for byte. Exit code 1 if any differs or a child did not die of the signal.
"""

import argparse
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
from table_differences import VIEWS

OPTIONS = [
    "--width", "4", "--cycles", "2", "--train.steps", "40", "--train.chunk-steps",
    "10", "--da.steps", "40", "--da.refit-every", "20", "--da.hidden", "32",
    "--checkpoint.every-seconds", "0",
]  # fmt: skip
# stage -> (module, function, call that dies, before or after its work)
STAGES = {
    "stage 1": ("gmmal_jax.parallel", "run_chunk", 6, "after"),
    "stage 2": ("gmmal_jax.parallel", "run_chunk", 10, "after"),
    "mixture refit": ("gmmal_jax.mixtures.em", "fit_shards", 2, "after"),
    "scoring": ("gmmal_jax.strategies.base", "query", 2, "after"),
    "checkpoint write": ("gmmal_jax.storage.files", "sync", 20, "before"),
    "record write": ("gmmal_jax.storage.records", "write", 3, "before"),
    "tables": ("gmmal_jax.storage.records", "write_views", 2, "before"),
}


def child(stage: str, folder: str) -> None:
    """Run until the stage, then die as by the kernel's hand."""
    from gmmal_jax.cli import main as cli

    module_name, name, call, when = STAGES[stage]
    module = importlib.import_module(module_name)
    original, calls = getattr(module, name), 0

    def dying(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        result = original(*args, **kwargs) if when == "after" else None
        if calls == call:
            print(f"killed in: {stage} ({module_name}.{name}, call {call})", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return result if when == "after" else original(*args, **kwargs)

    setattr(module, name, dying)
    sys.exit(cli.main(["run", "--out", folder, *OPTIONS]))


def gmmal(*args: str) -> None:
    """Run the command line and insist that it ends well."""
    command = [sys.executable, "-m", "gmmal_jax", *args]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def tables(folder: Path) -> dict[str, bytes]:
    """Contents of the deterministic tables of both arms."""
    places = (folder, folder / "reference")
    return {f"{p.name}/{v}": (p / v).read_bytes() for p in places for v in VIEWS}


def attempt(stage: str, root: Path, whole: dict[str, bytes]) -> dict[str, object]:
    """Kill in a stage, resume, compare."""
    folder = root / stage.replace(" ", "-") / "run"
    command = [sys.executable, __file__, "--child", stage, str(folder)]
    died = subprocess.run(command, capture_output=True, text=True)
    said = [line for line in died.stdout.splitlines() if line.startswith("killed in")]
    killed = died.returncode == -signal.SIGKILL and bool(said)
    gmmal("resume", str(folder))
    return {
        "stage": stage,
        "hit": said[0] if said else f"{stage}: not hit",
        "killed": killed,
        "equal": tables(folder) == whole,
    }


def main() -> int:
    """Compare all stages and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, metavar=("STAGE", "FOLDER"))
    args = parser.parse_args()
    if args.child:
        child(*args.child)
    with tempfile.TemporaryDirectory() as root:
        straight = Path(root) / "whole" / "run"
        gmmal("run", "--out", str(straight), *OPTIONS)
        whole = tables(straight)
        rows = []
        for stage in STAGES:
            rows.append(attempt(stage, Path(root), whole))
            row = rows[-1]
            verdict = "byte-identical" if row["equal"] else "DIFFERENT"
            print(f"{row['hit']}: {verdict}", flush=True)
    if args.json:
        harness.write_json(args.json, rows)
    return 0 if all(row["equal"] and row["killed"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

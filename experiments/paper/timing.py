"""Tables 2 and 3, of seconds: measured by `benchmarks/cycle.py`, at the paper's shapes.

Its pictures are random numbers of CIFAR-10's shape, which take as long. On a CPU it
runs a step of each kind and multiplies. What it prints has the paper's lines beside
ours.
"""

import json
import subprocess
import sys
from pathlib import Path

from experiments.paper.worlds import SCALES, Scale
from gmmal_jax.errors import UserError

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "benchmarks" / "cycle.py"


def path(out: Path, scale: Scale) -> Path:
    """Of what was measured at a scale; both tables are in it."""
    return out / scale / "timing.json"


def run(out: Path, scale: Scale) -> int:
    """Measure; the exit code of the benchmark."""
    where = path(out, scale).absolute()
    where.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(SCRIPT), "--json", str(where)]
    return subprocess.run(command, cwd=ROOT).returncode


def state(out: Path) -> tuple[str, str]:
    """(device, state): full where an accelerator was measured.

    Raises:
      UserError: a file is damaged.
    """
    there = [p for p in (path(out, scale) for scale in SCALES) if p.exists()]
    if not there:
        return "", "not run: needs a GPU"
    return _state(there[0])


def _state(where: Path) -> tuple[str, str]:
    try:
        found = json.loads(where.read_text())["environment"]
        device, platform = str(found["device"]), found["platform"]
    except (ValueError, KeyError, TypeError):
        remedy = "remove it and measure again"
        raise UserError("not what a benchmark wrote", str(where), remedy) from None
    if platform == "cpu":
        return device, "substitute (random pictures on a CPU, resnet18)"
    return device, "full"

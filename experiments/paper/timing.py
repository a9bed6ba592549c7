"""Tables 2 and 3, of seconds: measured by `benchmarks/cycle.py`, at the paper's shapes.

Its pictures are random numbers of CIFAR-10's shape, which take as long. On a CPU it
runs a step of each kind and multiplies. What it prints has the paper's lines beside
ours.
"""

import json
import subprocess
import sys
from pathlib import Path

from gmmal_jax.errors import UserError

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "benchmarks" / "cycle.py"


def path(out: Path) -> Path:
    """Of what was measured; both tables are in it."""
    return out / "timing.json"


def run(out: Path) -> int:
    """Measure; the exit code of the benchmark."""
    out.mkdir(parents=True, exist_ok=True)
    where = path(out).absolute()
    command = [sys.executable, str(SCRIPT), "--json", str(where)]
    return subprocess.run(command, cwd=ROOT).returncode


def state(out: Path) -> tuple[str, str]:
    """(device, state): full where an accelerator was measured.

    Raises:
      UserError: the file is damaged.
    """
    if not path(out).exists():
        return "", "not run: needs a GPU"
    try:
        found = json.loads(path(out).read_text())["environment"]
        device, platform = str(found["device"]), found["platform"]
    except (ValueError, KeyError, TypeError):
        remedy = "remove it and measure again"
        raise UserError("not what a benchmark wrote", str(path(out)), remedy) from None
    if platform == "cpu":
        return device, "substitute (random pictures on a CPU, resnet18)"
    return device, "full"

"""Whole choices of `features.py`: made-up features, a process, what it takes."""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

DIMS, CLASSES, LABELS, BUDGET = 768, 10, 1000, 1000
_BLOCK = 50_000
_TOLD = re.compile(r"about (\d+) (s|min|h|days) in all")
_BOUND = re.compile(r"memory: at most ([\d.]+) GB")
_UNITS = {"s": 1, "min": 60, "h": 3600, "days": 86400}


def write(folder: Path, rows: int) -> Path:
    """Features of Gaussian classes, block by block, and labels of some rows."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    means = generator.normal(0, 0.25, (CLASSES, DIMS)).astype(np.float32)
    scale = generator.uniform(0.5, 2.0, DIMS).astype(np.float32)
    file, truth = folder / "features.npy", np.zeros(rows, np.int32)
    shape = (rows, DIMS)
    found = np.lib.format.open_memmap(file, "w+", np.float16, shape)
    for first in range(0, rows, _BLOCK):
        classes = generator.integers(0, CLASSES, min(_BLOCK, rows - first))
        block = generator.standard_normal((len(classes), DIMS), np.float32)
        found[first : first + len(classes)] = (block + means[classes]) * scale
        truth[first : first + len(classes)] = classes
    found.flush()
    known = np.sort(generator.choice(rows, LABELS, replace=False))
    lines = [f"{row},class{truth[row]}" for row in known]
    (folder / "labels.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    return file


def measured(file: Path, rows: int) -> dict[str, Any]:
    """A row of the table: seconds, what was told, memory."""
    out = file.with_name("to_label.csv")
    arguments = ["--features", str(file), "--budget", str(BUDGET), "--out", str(out)]
    begin, most = time.monotonic(), 0
    with subprocess.Popen(
        [sys.executable, "-m", "gmmal_jax", "select", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            most = max(most, anonymous(process.pid))
            time.sleep(0.2)
        seconds = time.monotonic() - begin
        assert process.stdout is not None
        said = process.stdout.read()
    if process.returncode:
        return {"rows": f"{rows:,}", "failed": process.returncode}
    told, bound = _TOLD.search(said), _BOUND.search(said)
    told_seconds = float(told[1]) * _UNITS[told[2]] if told else None
    return {
        "rows": f"{rows:,}",
        "seconds": seconds,
        "told s": told_seconds,
        "told / took": told_seconds / seconds if told_seconds else None,
        "MB": most / 1000,
        "bound MB": 1000 * float(bound[1]) if bound else None,
    }


def anonymous(pid: int | str) -> int:
    """Kilobytes that a process holds beside mapped files; 0 where nobody says."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(x.split()[1]) for x in lines if x.startswith("RssAnon")), 0)

"""Do two pieces come out again? A network and what branches from it, at toy size."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import tables
from experiments.first_cycle import pieces, run, work
from gmmal_jax.cli import doctor
from gmmal_jax.storage import files, run_folder

RECORD = Path(__file__).parent / "check.json"
ARMS = ("reg", "da")
POINTS = 12.0
"""Elsewhere rounding alone moves a run of few labels by points; a piece further off
than this is another algorithm (or a very unlucky machine)."""
_CLASSES, _SIZE, _POOL, _TEST = 10, 12, 2000, 500


def images(path: Path) -> str:
    """Write a small data set of coloured patterns under noise; its name as an option.

    Args:
      path: of the npz file.
    """
    generator = np.random.default_rng(0)
    patterns = generator.uniform(60, 200, (_CLASSES, 3, 3, 3)).repeat(4, 1).repeat(4, 2)
    arrays: dict[str, Any] = {}
    for part, num in (("train", _POOL), ("test", _TEST)):
        labels = np.arange(num) % _CLASSES
        noise = generator.normal(0, 150, (num, _SIZE, _SIZE, 3))
        noisy = np.clip(patterns[labels] + noise, 0, 255)
        arrays |= {f"x_{part}": noisy.astype(np.uint8), f"y_{part}": labels}
    np.savez(path, **arrays)
    return f"npz:{path}"


def wanted() -> list[pieces.Piece]:
    """The pieces, in the order in which they are run."""
    found = {
        piece.arm: piece
        for piece in pieces.reported("toy", {})
        if (piece.part, piece.seed) == (pieces.BALANCED, 0)
    }
    return [found[arm] for arm in ARMS]


def run_pieces(folder: Path) -> list[tables.Row]:
    """Run them from nothing; their rows."""
    results = folder / "results.csv"
    data = work.Data(images(folder / "toy.npz"), None, folder)
    for piece in wanted():
        run.one(piece, data, results, say=_quiet, stop=lambda: False)
    return tables.load(results)


def against(found: list[tables.Row], committed: list[tables.Row], same: bool) -> bool:
    """Compare rows with those on record, and print a line for each.

    Args:
      found: now.
      committed: before.
      same: machine and versions are those of the record: networks must have equal bits.
    """
    known, well = {run.key(row): row for row in committed}, True
    bound = "equal bits wanted" if same else f"within {POINTS:g} points"
    for row in found:
        before = known[run.key(row)]
        gap = 100 * (float(row["accuracy"]) - float(before["accuracy"]))
        agrees = row["network"] == before["network"] if same else abs(gap) <= POINTS
        shown = "ok" if agrees else "DIFFERS"
        print(f"{shown}: {' / '.join(run.key(row))}, {gap:+.2f} points ({bound})")
        well = well and agrees
    return well


def environment() -> dict[str, Any]:
    """All that equal bits depend on."""
    processor = doctor.processor()
    own = {"processor": processor.model, "vectors": list(processor.vectors)}
    return run_folder.environment(jax.devices()[:1]) | own


def main(folder: Path, record: bool) -> int:
    """Run again, compare, print; 0 if all rows agree, else 1.

    Args:
      folder: for what is run.
      record: write what comes out, instead of comparing.
    """
    here, found = environment(), run_pieces(folder)
    if record:
        text = json.dumps({"environment": here, "rows": found}, indent=2)
        files.write_atomic(RECORD, text + "\n")
        return 0
    before = json.loads(RECORD.read_text())
    return 0 if against(found, before["rows"], here == before["environment"]) else 1


def _quiet(line: str) -> None:
    """Nobody watches a minute."""

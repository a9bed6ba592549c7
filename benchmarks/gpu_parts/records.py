"""The parts in their order, and what is on record of each."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from gmmal_jax.storage import files

OK, FAILED, UNFINISHED = "ok", "failed", "unfinished"


class Part(NamedTuple):
    """A part of the command.

    Attributes:
      module: of `gpu_parts`.
      minutes: about what it takes on an H100, compilation included.
    """

    module: str
    minutes: float


PARTS = {
    "environment": Part("environment", 0.5),
    "numerics": Part("numerics", 1),
    "resume": Part("resume", 2),
    "supervised": Part("supervised", 3),
    "alternating": Part("alternating", 3),
    "profile": Part("kernels", 2),
    "em": Part("mixtures", 2),
    "cycle": Part("stages_of_cycle", 4),
    "compile": Part("compiling", 3),
    "training": Part("training", 60),
    "cycles": Part("cycles", 130),
}
"""In order of value. Real training comes last because it takes whatever is left: first
its short pieces, then whole cycles."""


def read(out: Path, name: str) -> dict[str, Any] | None:
    """A part's record; None where there is none."""
    path = out / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def write(out: Path, name: str, body: dict[str, Any]) -> None:
    """Write a part's record, whole or not at all.

    Args:
      out: folder of the records.
      name: of the part.
      body: at least status, headline and seconds.
    """
    text = json.dumps({"part": name} | body, indent=2, default=float)
    files.write_atomic(out / f"{name}.json", text + "\n")


def status(out: Path, name: str) -> str | None:
    """One of `OK`, `FAILED` and `UNFINISHED`; None: not on record."""
    record = read(out, name)
    return record["status"] if record else None


def line(out: Path, name: str) -> str:
    """What a part found out, in a line."""
    record = read(out, name)
    if record is None:
        return "not run"
    before = "" if record["status"] == OK else f"{record['status']}: "
    return f"{before}{record['headline']}"


def table(out: Path) -> str:
    """What is on record: a line for each part, then what was left out or fell short.

    Args:
      out: folder of the records.
    """
    lines, more = ["", f"{'part':<12}{'seconds':>9}  what"], []
    for name in PARTS:
        record = read(out, name)
        seconds = f"{record['seconds']:.0f}" if record else ""
        lines.append(f"{name:<12}{seconds:>9}  {line(out, name)}")
        for what in ("failures", "absent"):
            more += [f"{name}, {what}: {each}" for each in (record or {}).get(what, [])]
    return "\n".join([*lines, *more])

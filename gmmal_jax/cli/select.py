"""`gmmal select`: from features, and perhaps some labels, what to label next."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmmal_jax import methods
from gmmal_jax.cli import options, parser, run, signals
from gmmal_jax.cli.parser import Given, Option, Parsed, Verb
from gmmal_jax.config import Config, to_dict
from gmmal_jax.errors import Interrupted, UserError

if TYPE_CHECKING:
    from gmmal_jax import train
    from gmmal_jax.cli.live import Live
    from gmmal_jax.project.choose import Chosen
    from gmmal_jax.storage.records import Record

OUT = "to_label.csv"
_NOT_ONE_SHOT = {
    "dataset", "data-dir", "image-size", "setting", "eval", "cycles", "initial",
    "clip-budget", "reference", "out", "seeds", "train.init", "data.pad", "data.flip",
    "data.class-cap", "data.imbalance-ratio", "data.imbalance-minor",
}  # fmt: skip
"""Settings of a simulation, or of pictures."""
DEFAULTS: dict[str, object] = {
    "memory_gb": 4.0,
    "gmm.mode": "exact",
    "gmm.refit_rows": 100_000,
}
"""One choice has time for the exact mixture of all rows, which shards only average to;
the fits on the way to it need not read a million."""
OWN = (
    Option("features", "FILE", "What an encoder made of the pictures: a .npy of rows "
           "[n, d], as gmmal embed writes it, or a .npz with x_train.", required=True),
    Option("out", "FILE", "The table of rows to label; beside it, under the same name, "
           "a summary (.json) and pictures (.png)."),
    Option("seed", "INT", "The seed of all that is random."),
)  # fmt: skip


def configuration(given: Given) -> Config:
    """The configuration that options mean.

    Raises:
      UserError: an unknown or impossible one.
    """
    values: dict[str, object] = {
        "dataset": f"features:{parser.one(given, 'features')}",
        "cycles": 1,
        "reference": "none",
    }
    seed = parser.one(given, "seed")
    if seed is not None:
        if not seed.isdecimal():
            raise UserError("--seed", seed, "use a whole number of 0 or more")
        values["seeds"] = (int(seed),)
    return methods.configure(values | DEFAULTS | options.read(given))


def _defaults(parsed: Parsed) -> Mapping[str, str]:
    features = parsed.given.get("features") or ["features.npy"]
    shown = options.shown(configuration(parsed.given | {"features": features}))
    return dict(shown) | {"out": OUT, "seed": "0"}


def _select(parsed: Parsed) -> int:
    from gmmal_jax.storage import files

    config = configuration(parsed.given)
    out = parser.path(parser.one(parsed.given, "out") or OUT)
    if out.suffix != ".csv":
        raise UserError("--out", str(out), "let its name end in .csv")
    if out.exists():
        raise UserError("--out: there already", str(out), "name another file")
    run.announce()
    run.use_cache()
    work = out.with_suffix(".work")
    try:
        with files.lock(work):
            _choose(config, out, work)
    except Interrupted as interrupted:
        return signals.saved(interrupted)
    shutil.rmtree(work, ignore_errors=True)
    return 0


def _choose(config: Config, out: Path, work: Path) -> None:
    from gmmal_jax.cli import live
    from gmmal_jax.project import choose, drawn, output
    from gmmal_jax.storage import files

    with signals.noted() as stop, live.Live(1.0) as shown:
        chosen = choose.choose(config, work, _Shown(shown), stop)
    features = Path(config.dataset.partition(":")[2]).expanduser()
    rows = output.rows(chosen, features)
    summary = output.summary(chosen, to_dict(config, chosen.groups))
    pictures, lost = drawn.draw(chosen, rows, out)
    for line in lost:
        print(line)
    written = [out, out.with_suffix(".json"), *pictures]
    body = json.dumps(summary, indent=1) + "\n"
    files.write_atomic(out.with_suffix(".json"), body)
    # Last: who finds the table finds all.
    files.write_atomic(out, output.table(rows))
    _tell(chosen, summary, written)


def _tell(chosen: "Chosen", summary: dict[str, Any], written: list[Path]) -> None:
    labeled = int(chosen.pool.labeled.sum())
    known = f"{labeled:,} labels of {len(summary['labeled'])} classes"
    if chosen.cold:
        known = "no label: a first choice by the features alone"
    print(f"{chosen.label}: {summary['chosen']} of {summary['rows']:,} rows; {known}")
    if chosen.dataset.skipped:
        print(f"broken rows, left out: {len(chosen.dataset.skipped)}")
    for path in written:
        print(f"written: {path}")
    print(
        "next: write labels of these rows to a table with the columns id and label, "
        "and name it by --labels"
    )


class _Shown:
    """A `loop.Reporter` of one choice.

    Args:
      live: shows it.
    """

    def __init__(self, live: "Live") -> None:
        self.live = live

    def note(self, text: str) -> None:
        """One line of news."""
        self.live.print(f"note: {text}")

    def progress(self, arm: str, seed: int, cycle: int, chunk: "train.Chunk") -> None:
        """A chunk is done."""
        from gmmal_jax.cli.live import of_chunk

        # Phases differ in length, and how many there are is the learner's matter.
        share = 1 - 0.5 ** (chunk.phase + chunk.step / chunk.num_steps)
        self.live.tell(share, f"{arm} · {of_chunk(chunk, self.live.lap())}")

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """A stage without steps begins."""
        self.live.tell(0.9, f"{arm} · {name}")

    def row(self, arm: str, record: "Record") -> None:
        """Nothing: a choice has no cycles."""


SELECT = Verb(
    "select",
    "",
    "choose what to label next from features, with or without labels",
    _select,
    (
        *OWN,
        *(each for each in options.settings() if each.name not in _NOT_ONE_SHOT),
    ),
    more=lambda: (
        "With labels (--labels FILE, or labels.csv beside the features) the method's "
        "network is trained on them, all other rows are scored, and the best are "
        "chosen. Without any, typical rows of as many clusters as are wanted."
    ),
    defaults=_defaults,
)

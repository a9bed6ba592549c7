"""`gmmal select`: from features, and perhaps some labels, what to label next."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmmal_jax import methods
from gmmal_jax.cli import options, parser, run, signals
from gmmal_jax.cli.parser import Given, Option, Parsed, Verb
from gmmal_jax.config import Config, to_dict
from gmmal_jax.config.checks import Seed, check
from gmmal_jax.errors import Interrupted, UserError

if TYPE_CHECKING:
    from gmmal_jax import train
    from gmmal_jax.cli.live import Live
    from gmmal_jax.loop import Stop
    from gmmal_jax.project.choose import Chosen
    from gmmal_jax.project.places import Places
    from gmmal_jax.storage.records import Record

OUT = "to_label.csv"
_LONGEST_NUMBER = 20
"""Digits; Python refuses to read thousands of them."""
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
           "a summary (.json) and pictures (.png, .svg)."),
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
        if not seed.isdecimal() or len(seed) > _LONGEST_NUMBER:
            raise UserError("--seed", seed, "use a whole number of 0 or more")
        check(int(seed), Seed, "seed")
        values["seeds"] = (int(seed),)
    return methods.configure(values | DEFAULTS | options.read(given))


def _defaults(parsed: Parsed) -> Mapping[str, str]:
    features = parsed.given.get("features") or ["features.npy"]
    shown = options.shown(configuration(parsed.given | {"features": features}))
    return dict(shown) | {"out": OUT, "seed": "0"}


def _select(parsed: Parsed) -> int:
    from gmmal_jax.project import places as choices
    from gmmal_jax.storage import files

    config = configuration(parsed.given)
    out = parser.path(parser.one(parsed.given, "out") or OUT)
    if out.suffix != ".csv":
        raise UserError("--out", str(out), "let its name end in .csv")
    places = choices.Places(out)
    choices.require_free(places, _features(config))
    run.announce()
    run.use_cache()
    try:
        with files.lock(places.work):
            _choose(config, places)
            choices.tidy(places)
    except Interrupted as interrupted:
        return signals.saved(interrupted)
    except signals.Stopped as stopped:
        if not places.work.exists():
            raise
        print(f"\n{stopped}; the same command goes on from what is saved")
        return 128 + stopped.signum
    return 0


@contextlib.contextmanager
def _training() -> Iterator["Stop"]:
    """Signals wait for the end of a chunk; before and after, they stop at once."""
    with signals.noted() as stop:
        yield stop
        late = stop()
    if late:  # it came in the last chunk's saving
        raise signals.Stopped(late)


def _features(config: Config) -> Path:
    return Path(config.dataset.partition(":")[2]).expanduser()


def _choose(config: Config, places: "Places") -> None:
    from gmmal_jax.cli import live
    from gmmal_jax.project import choose, drawn, output, places as choices
    from gmmal_jax.storage import files

    with live.Live(1.0) as shown:
        try:
            chosen = choose.choose(config, places.work, _Shown(shown), _training)
        except UserError as error:  # features are a data set of a run
            message = str(error).replace("--dataset: ", "--features: ")
            raise UserError(message) from None
    rows = output.rows(chosen, _features(config))
    summary = output.summary(chosen, to_dict(config, chosen.groups))
    choices.begin(places)
    pictures, lost = drawn.draw(chosen, rows, places)
    for line in lost:
        print(line)
    written = [places.table, places.summary, *pictures]
    files.write_atomic(places.summary, json.dumps(summary, indent=1) + "\n")
    # Last: who finds the table finds all.
    files.write_atomic(places.table, output.table(rows))
    _tell(chosen, summary, written, _next_step(config, chosen.cold))


def _tell(
    chosen: "Chosen", summary: dict[str, Any], written: list[Path], next_step: str
) -> None:
    labeled = int(chosen.pool.labeled.sum())
    known = f"{labeled:,} labels of {len(summary['labeled'])} classes"
    if chosen.cold:
        known = "no label: a first choice by the features alone"
    print(f"{chosen.label}: {summary['chosen']} of {summary['rows']:,} rows; {known}")
    if chosen.dataset.skipped:
        print(f"broken rows, left out: {len(chosen.dataset.skipped)}")
    for path in written:
        print(f"written: {path}")
    print(f"next: {next_step}")


def _next_step(config: Config, cold: bool) -> str:
    """What to do with the table.

    One file holds all labels: it stands in place of any other.
    """
    from gmmal_jax.data.sources import features

    if cold:
        table = "a table with the columns id and label"
        return f"write labels of these rows to {table}, and name it by --labels"
    named = config.labels or features.place_of_labels(_features(config))
    kept = "the labels of these rows to those in"
    return f"add {kept} {named}, and give the same command with another --out"


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

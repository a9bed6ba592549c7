"""How hard the rows are that each score puts first, cycle by cycle (Figure 7).

One seed of an arm is run whole, as its rows of accuracy keep no score of what is not
chosen. True labels are looked at when a cycle's training is over, and move nothing.
Killed, it goes on.
"""

import shutil
from pathlib import Path
from typing import Any

import jax

from experiments import analysis, jobs, tables
from experiments.paper import curves, looks, published, work
from experiments.paper.arms import SCORES
from experiments.paper.plan import Task
from experiments.paper.status import device
from experiments.paper.store import Store, digest
from experiments.tables import Row
from gmmal_jax import bind, loop, opening
from gmmal_jax.report import markdown
from gmmal_jax.storage import records, run_folder
from gmmal_jax.storage.records import Record
from gmmal_jax.strategies import base
from gmmal_jax.types import PoolView, PyTree

FIRST, OF = 5_000, 49_000
"""Rows that the paper looks at, of those that are unlabeled at first in its CIFAR-10;
of another pool as large a share is looked at, in every cycle as many."""
ALL = "unlabeled"
WORD = "mean cross-entropy (nats), by true labels"
_PREFIX = "hardness/"
"""Of diagnostics in the run's records."""
_NAMED = ("world", "arm", "seed", "cycle", "labeled", "first")
"""Columns that are no means."""


def take(task: Task, data: Path | None, store: Store) -> None:
    """Run a task's seed and keep its means; what is there stays.

    Args:
      task: which arm and seed.
      data: the folder of pictures.
      store: of the results.

    Raises:
      TrainingDiverged: a loss is not finite.
    """
    if looks.HARDNESS.current(task, store):
        return
    folder = store.root / "work"
    where = folder / looks.HARDNESS.path(task, store).stem
    config = work.config(task, (task.seed,), data, folder)
    with opening.opened(config, where, 1) as (run, _):
        first = _first(run, task.seed)
        arm = _watched(run, task.seed, first)
        loop.execute(run._replace(arms=(arm,)), jobs.Lines())
        rows = [_row(task, record, first) for record in records.load(where)]
        sums = published.of(task.form, run.dataset)
        about = work.about(run_folder.read_config(where), sums)
    looks.HARDNESS.keep_about(task, store, about | {"rows": digest(rows)})
    tables.save(looks.HARDNESS.path(task, store), rows)
    shutil.rmtree(where)
    work.forget_programs()


def _first(run: bind.Run, seed: int) -> int:
    """How many rows are looked at."""
    split = run.splits[seed]
    return round(FIRST * (len(split.pool) - len(split.initial)) / OF)


def _watched(run: bind.Run, seed: int, first: int) -> bind.Arm:
    """The run's arm, with the means among its diagnostics: its training is the same."""
    arm, truth = run.arms[0], analysis.classes(run, seed)
    learner, strategy = arm.method.learner, arm.method.strategy

    def diagnose(
        state: PyTree, view: PoolView, held_out: dict[str, Any]
    ) -> dict[str, float]:
        found = learner.diagnose(state, view, held_out) if learner.diagnose else {}
        # Any key: these scores draw nothing.
        scores, _, _ = base.score_pool(jax.random.key(0), strategy, view)
        logits, unlabeled = view.columns["logits"][:], ~view.labeled
        means = analysis.hardness(logits, truth, unlabeled, scores, first)
        return found | {_PREFIX + name: value for name, value in means.items()}

    watched = learner._replace(diagnose=diagnose)
    return arm._replace(method=arm.method._replace(learner=watched))


def _row(task: Task, record: Record, first: int) -> Row:
    world, arm, seed = task.key
    named = (world, arm, seed, record.cycle, record.results["labeled"], first)
    row = dict(zip(_NAMED, map(str, named), strict=True))
    found = record.diagnostics
    return row | {n: f"{found[_PREFIX + n]:.6f}" for n in (*SCORES, ALL)}


def rows(task: Task, store: Store) -> list[Row]:
    """What `take` kept, a row a cycle; none where it kept nothing."""
    return tables.load(looks.HARDNESS.path(task, store))


def part(task: Task, store: Store, number: str) -> str:
    """Markdown of what is on record: a picture and a table.

    Args:
      task: whose rows they are.
      store: of the results.
      number: of the figure.
    """
    form, found = task.form, rows(task, store)
    sizes, first = [int(row["labeled"]) for row in found], int(found[0]["first"])
    words = {ALL: "all unlabeled"}
    words |= {name: f"first by {name.replace('_', ' ')}" for name in SCORES}
    named = {word: [float(row[name]) for row in found] for name, word in words.items()}
    stem = store.path(f"{form.key}_hardness_{number}", "")
    whole = {name: {str(task.seed): own} for name, own in named.items()}
    picture, _ = curves.draw(whole, sizes, WORD, stem)
    by = device(looks.HARDNESS.about(task, store))
    lines = [["rows", *(f"{n:,}" for n in sizes), "device"]]
    lines += [[n, *(f"{mean:.3f}" for mean in own), by] for n, own in named.items()]
    said = f"{WORD}, of the first {first:,} unlabeled rows, one seed, {form.network}"
    return "\n\n".join(
        [
            f"**{form.title}**: {said}",
            f"![{form.title}: {WORD}]({picture.name})",
            markdown.table(lines),
        ]
    )

"""Tasks run one after another, each put on record when it is done."""

import functools
import shutil
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from experiments import jobs, pictures
from experiments.beyond import classes
from experiments.beyond.arms import ARMS
from experiments.jobs import Job
from experiments.paper import cost, made, published, worlds
from experiments.paper.plan import Task
from experiments.paper.store import Body, Done, Store
from experiments.tables import Row
from gmmal_jax import config as configs
from gmmal_jax.cli import doctor
from gmmal_jax.config import Config
from gmmal_jax.data import sources
from gmmal_jax.errors import TrainingDiverged, UserError
from gmmal_jax.estimate import in_words
from gmmal_jax.storage import records, run_folder
from gmmal_jax.storage.records import Record

Say = Callable[[str], None]
KEPT = ("checksum", "train", "test", "classes")
"""Of a run's data."""


def run(
    tasks: Sequence[Task],
    data: Path | None,
    store: Store,
    say: Say,
    later: Sequence[Task] = (),
) -> int:
    """Run what has no rows yet.

    Args:
      tasks: wanted, in their order.
      data: the folder of pictures.
      store: of the rows.
      say: takes lines of progress.
      later: what other calls will run: the time left is that of all.

    Returns:
      How many training did not end for; they stay without rows.
    """
    own = {task.key: task for task in tasks}
    everything = [*({task.key: task for task in (*tasks, *later)} | own).values()]
    done = store.done(everything)
    left = [task for task in everything if task.key not in done and task.key in own]
    after = [task for task in everything if task.key not in done | own.keys()]
    past = [task for task in everything if task.key in done]
    failed = 0
    if not left:
        say("nothing is left to run")
    for number, task in enumerate(left):
        world, arm, seed = task.key
        time = _time_left([*left[number:], *after], past, store)
        say(f"{number + 1} of {len(left)}: {world}, {arm}, seed {seed}{time}")
        try:
            store.add(task, _done(task, data, store.root / "work"))
            past.append(task)
        except TrainingDiverged as error:
            failed += 1
            say(f"no result: {error}")
        forget_programs()
    return failed


def _done(task: Task, data: Path | None, work: Path) -> Done:
    """Run a task, or go on with it."""
    own, job = work / f"seed-{task.seed}", job_of(task, (task.seed,))
    start = base(task, data, work)
    rows = jobs.run(job, start, own)
    folder = job.folder(own)
    saved, recorded = run_folder.read_config(folder), records.load(folder)
    place = start.dataset, start.data_dir, saved["data"]["checksum"]
    sums = _sums(*place) if task.form.full else {}
    counts = classes.counted(task.arm, task.seed, recorded, task.form.classes)
    found = outcome(task, rows, recorded, about(saved, sums))._replace(classes=counts)
    shutil.rmtree(folder)
    return found


def forget_programs() -> None:
    """Give compiled programs back, or those of all tasks would pile up."""
    jax.clear_caches()


@functools.cache
def _sums(dataset: str, data_dir: str | None, checksum: str) -> Body:
    """What tells the published pictures, of the data that a run began with.

    Raises:
      UserError: the data has changed.
    """
    whole = sources.load(dataset, data_dir)
    if whole.checksum != checksum:
        remedy = "restore the data that the run began with"
        raise UserError("data set changed since the run began", dataset, remedy)
    return published.summed(whole)


def job_of(task: Task, seeds: tuple[int, ...]) -> Job:
    """The run of a task's arm, for some seeds."""
    return Job(task.form.key, task.arm, ARMS[task.arm], seeds, "test")


def outcome(
    task: Task, rows: list[Row], recorded: Sequence[Record], came_by: Body
) -> Done:
    """What the store keeps of finished cycles, but for the classes of their labels.

    Args:
      task: whose they are.
      rows: of `experiments.jobs`, one a cycle.
      recorded: the cycles.
      came_by: see `about`.
    """
    for row, record in zip(rows, recorded, strict=True):
        row["critic_entropy"] = row["critic_entropy"] or _entropy(record)
    seconds = [line for record in recorded for line in _seconds(task, record)]
    return Done(rows, seconds, **came_by)


def about(saved: Body, sums: Body) -> Body:
    """Settings, data and versions of a result.

    Args:
      saved: what a run writes down when it begins.
      sums: of its pictures, see `published`; nothing of a substitute.
    """
    return {
        "settings": made.plain(saved["config"]),
        "data": {name: saved["data"][name] for name in KEPT} | sums,
        "versions": _versions(saved["versions"]),
    }


def _entropy(record: Record) -> str:
    """Of a discriminator that goes by its method's name; "" where there is none."""
    named = record.diagnostics.items()
    found = [value for name, value in named if name.endswith("/binary_entropy")]
    return f"{found[0]:.4g}" if found else ""


def _seconds(task: Task, record: Record) -> list[Row]:
    """A row a stage."""
    own = {"arm": task.arm, "seed": str(task.seed), "cycle": str(record.cycle)}
    return [
        own | {"stage": stage, "seconds": f"{value:.3f}"}
        for stage, value in record.timings.items()
    ]


def _versions(versions: Body) -> Body:
    """With the processor where a CPU computed: equal bits depend on it."""
    if versions["device"] != "cpu":
        return versions
    model, vectors = doctor.processor()
    return versions | {"processor": " ".join((model, *vectors))}


def config(task: Task, seeds: tuple[int, ...], data: Path | None, work: Path) -> Config:
    """The configuration of a task's arm.

    Args:
      task: which arm of which world.
      seeds: of the run.
      data: the folder of pictures.
      work: has room for reduced ones.
    """
    return jobs.config(job_of(task, seeds), base(task, data, work))


def base(task: Task, data: Path | None, work: Path) -> Config:
    """The world's configuration; pictures are reduced once."""
    form = task.form
    found = worlds.placed(form, data)
    if form.kept is None:
        return found
    path = work / "pictures" / f"{form.source}_{'_'.join(map(str, form.kept))}.npz"
    dataset = pictures.place(path, found.dataset, found.data_dir, form.kept)
    return configs.replace(found, dataset=dataset, data_dir=None)


def _time_left(left: Sequence[Task], done: Sequence[Task], store: Store) -> str:
    """By the pace of this folder's pieces; nothing before the first of them."""
    seconds: dict[tuple[str, str, str], float] = {}
    for world in dict.fromkeys(task.form.key for task in done):
        for row in store.seconds(world):
            if row["stage"] == "total":
                piece = world, row["arm"], row["seed"]
                seconds[piece] = seconds.get(piece, 0.0) + float(row["seconds"])
    paces = [seconds[t.key] / cost.work(t) for t in done if t.key in seconds]
    if not paces:
        return ""
    total = statistics.median(paces) * sum(map(cost.work, left))
    return f"; about {in_words(total)} left"

"""Results of the paper's tables: made up at full scale, or of a few steps on digits."""

from experiments.paper import NAMES, made, plan, published, work, worlds
from experiments.paper.experiment import SEEDS, load
from experiments.paper.store import Done, Store
from experiments.paper.worlds import World

ALL = {name: load(name) for name in NAMES}
RUN = {name: experiment for name, experiment in ALL.items() if experiment.runs}
TINY = {
    "width": 2, "cycles": 2, "initial": 20, "budget": 20, "data.class_cap": 20,
    "train.steps": 2, "train.chunk_steps": 2, "da.steps": 2, "da.refit_every": 2,
    "reg.subset_size": 20, "da.hidden": (4,), "gmm.em_iters": 2,
}  # fmt: skip
WORLD = World("cifar10", "imbalanced")


def data_of(source):
    """What a full result says of published pictures."""
    own = worlds.DATA[source]
    return {
        "checksum": "x",
        "train": [own.train, *own.image],
        "test": [own.test, *own.image],
        "classes": [str(i) for i in range(own.classes)],
        "rows": dict(
            zip(published.PARTS, published.ROWS.get(source, "xy"), strict=True)
        ),
        "class_sizes": {
            part: [*sizes]
            for part, sizes in zip(
                published.PARTS, published.SIZES[source], strict=True
            )
        },
    }


def full_result(out, experiment="table_05", seeds=SEEDS, **changes):
    """Rows as a run at full scale would leave them, of made-up accuracies."""
    wanted = plan.tasks([ALL[experiment]], "full", seeds, True)
    return made_up(out, "full", wanted, **changes)


def made_up(out, scale, wanted, **changes):
    """Rows as runs of tasks would leave them, of other settings where it says so."""
    kept = Store(out, scale)
    for task in wanted:
        kept.add(task, done(task, **changes))
    return kept


def done(task, **changes):
    """What a task's run would leave."""
    config, data = task.config, {"checksum": task.form.source}
    rows = [
        {
            "world": task.form.key, "arm": task.arm, "eval": "test",
            "seed": str(task.seed), "cycle": str(i),
            "labeled": str(config.initial + i * config.budget),
            "accuracy": str(0.5 + 0.01 * i + 0.001 * task.seed),
            "labeled_class_entropy": "2.3", "critic_entropy": "0.6",
        }
        for i in range(config.cycles)
    ]  # fmt: skip
    seconds = [{"arm": task.arm, "seed": str(task.seed), "cycle": "0",
                "stage": "total", "seconds": "1.0"}]  # fmt: skip
    if task.form.source in worlds.DATA:
        data = data_of(task.form.source)
    versions = {"device": "NVIDIA H100", "cores": 1}
    return Done(rows, seconds, made.settings(task) | changes, data, versions)


def tiny_digits(patch):
    """Digits of two steps a cycle stand in for the paper's pictures."""
    own = worlds.SUBSTITUTES["digits"]
    tiny = own._replace(changes=own.changes | TINY)
    patch.setitem(worlds.SUBSTITUTES, "digits", tiny)


def small():
    """A figure of two arms."""
    both = {"Random": "random", "CoreSet": "coreset"}
    return ALL["figure_15"]._replace(worlds=(WORLD,), arms=both)


def tasks(experiment):
    """One seed of each arm, on digits."""
    return plan.tasks([experiment], "cpu", 1, False)


def ran(experiment, out, say=lambda line: None):
    """One seed of each arm, run."""
    kept = Store(out, "cpu")
    assert work.run(tasks(experiment), None, kept, say) == 0
    return kept

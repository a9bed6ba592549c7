"""How long an experiment would take: counted pictures at rates from elsewhere.

- On a GPU 10 us a picture of 32x32 in a step: the goal of docs/gpu.md, a seed of the
  paper's method in 25 minutes of an H100. Nothing of this was measured.
- On CPU cores 35 ms: 160,767 CPU seconds of a cycle, by `benchmarks/cycle.py`, which
  measures a step of each kind and multiplies.
- Substitutes: 45 us a picture of 8x8 on one core, and a minute of compiling an arm, as
  seen once on a shared machine; more pixels and channels take as many times as long.

A picture that is only read counts a third of one in a step, ResNet-50 2.3 times, and
what a method trains beside the network as if it passed the network.
"""

from experiments.paper import looks, made, worlds
from experiments.paper.experiment import SEEDS, Experiment
from experiments.paper.plan import Task, looked_at, of_forms
from experiments.paper.worlds import Scale
from gmmal_jax.estimate import in_words

GPU, CPU, SMALL = 10e-6, 35e-3, 45e-6 * 16
"""Seconds a picture of 32x32 pixels; of the narrow network, in its last."""
COMPILE = 60.0
LARGER = {"resnet50": 2.3}
"""Networks of more operations than ResNet-18."""
_YEAR = 365 * 86400.0


def full(experiment: Experiment) -> float:
    """Pictures of 32x32 in steps of ResNet-18 that would take as long, five seeds."""
    forms = [worlds.form(world, "full", True) for world in experiment.worlds]
    return sum(map(work, of_forms(experiment, forms, SEEDS)))


def small(experiment: Experiment, with_pictures: bool) -> float:
    """Seconds of a core at cpu scale, five seeds."""
    found = dict.fromkeys(
        worlds.form(world, "cpu", with_pictures) for world in experiment.worlds
    )
    tasks = of_forms(experiment, found, SEEDS)
    compiled = COMPILE * len(tasks) / SEEDS
    return compiled + SMALL * sum(map(work, tasks))


def sentence(experiment: Experiment) -> str:
    """What the docstring of an experiment says."""
    if not experiment.runs:
        return _of_looks(experiment)
    pictures = full(experiment)
    years = CPU * pictures / _YEAR
    return (
        f"Cost by arithmetic (`cost`), five seeds: full, {pictures / 1e9:,.1f} billion "
        f"pictures, {in_words(GPU * pictures)} of a GPU or {years:,.1f} years of a CPU "
        f"core; cpu, {in_words(small(experiment, False))} of a core on digits, "
        f"{in_words(small(experiment, True))} where pictures are at hand."
    )


def _of_looks(experiment: Experiment) -> str:
    """Of what rows do not hold; fits of likelihoods are small and left out."""
    likely = "likelihood" in experiment.shown
    seeds, cycles = (SEEDS, 1) if likely else (1, looks.of(experiment).cycles)
    which = "first cycles" if cycles else "all cycles"
    tasks, own, near = (
        _looked_at(experiment, "full", True),
        _looked_at(experiment, "cpu", False),
        _looked_at(experiment, "cpu", True),
    )
    pictures = sum(work(task, cycles) for task in tasks)
    on_core = [
        in_words(
            COMPILE * len(some) / seeds + SMALL * sum(work(t, cycles) for t in some)
        )
        for some in (own, near)
    ]
    num = "one seed" if seeds == 1 else "five seeds"
    return (
        f"Cost by arithmetic (`cost`), {which} of {num}: full, "
        f"{pictures / 1e6:,.1f} million pictures, {in_words(GPU * pictures)} of a GPU "
        f"or {in_words(CPU * pictures)} of a CPU core; cpu, {on_core[0]} of a core on "
        f"digits, {on_core[1]} where pictures are at hand."
    )


def _looked_at(experiment: Experiment, scale: Scale, with_pictures: bool) -> list[Task]:
    """Tasks that are trained for what rows do not hold."""
    every = (worlds.form(world, scale, with_pictures) for world in experiment.worlds)
    return looked_at(experiment, dict.fromkeys(every), SEEDS)


def work(task: Task, cycles: int | None = None) -> float:
    """Pictures of 32x32 in steps that take as long, of ResNet-18 or the narrow one.

    Args:
      task: what is counted.
      cycles: of it, the first ones; None: all.
    """
    height, width, _ = task.form.image
    larger = LARGER.get(task.config.model, 1.0)
    return made.work(task, cycles) * larger * height * width / 32**2

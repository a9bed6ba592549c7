"""What is to be run: tasks, each once, however many tables ask for it."""

from collections.abc import Iterable
from typing import NamedTuple

from experiments.beyond.arms import ARMS
from experiments.paper import worlds
from experiments.paper.experiment import Experiment, pieces
from experiments.paper.worlds import Form, Scale
from gmmal_jax import config as configs
from gmmal_jax.config import Config


class Task(NamedTuple):
    """One arm and seed of a world in a form: what is recorded at once.

    Attributes:
      form: of the world.
      arm: a key of `ARMS`.
      seed: of the run.
      counted: the classes of its labels are wanted beside its rows.
    """

    form: Form
    arm: str
    seed: int
    counted: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """World, arm and seed, as rows have them."""
        return self.form.key, self.arm, str(self.seed)

    @property
    def config(self) -> Config:
        """Of the run, without the place of its data."""
        return configs.replace(self.form.config, **ARMS[self.arm])


def tasks(
    experiments: Iterable[Experiment], scale: Scale, seeds: int, with_pictures: bool
) -> list[Task]:
    """All tasks of experiments, in their order, each once.

    Args:
      experiments: whose rows are wanted.
      scale: of their worlds.
      seeds: of each arm.
      with_pictures: published pictures are at hand.
    """
    found: dict[tuple[str, str, str], Task] = {}
    for experiment in experiments:
        if experiment.runs:
            for world, arm, seed in pieces(experiment, seeds):
                form = worlds.form(world, scale, with_pictures)
                task = Task(form, arm, seed, experiment.counted)
                found.setdefault(task.key, task)
    return list(found.values())


def of_forms(experiment: Experiment, forms: Iterable[Form], seeds: int) -> list[Task]:
    """Tasks of an experiment in given forms of its worlds."""
    arms = dict.fromkeys(experiment.arms.values())
    return [
        Task(form, arm, seed, experiment.counted)
        for form in forms
        for arm in arms
        for seed in range(seeds)
    ]


def seen(experiment: Experiment, forms: Iterable[Form]) -> list[Task]:
    """Tasks of which an experiment shows what rows do not hold: one seed of each."""
    arms = [experiment.arms[name] for name in experiment.seen]
    return [Task(form, arm, 0) for form in forms for arm in arms]


def looked_at(experiment: Experiment, forms: Iterable[Form], seeds: int) -> list[Task]:
    """Tasks that are trained for what rows do not hold; seeds are of likelihoods."""
    if "likelihood" in experiment.shown:
        return of_forms(experiment, forms, seeds)
    return seen(experiment, forms)

"""What a task's settings make: its learner, the groups it reads, pictures it passes."""

import functools
import json
from typing import Any

from experiments.paper.plan import Task
from gmmal_jax import assembly, config as configs, estimate
from gmmal_jax.config import Config
from gmmal_jax.phases import network as networks
from gmmal_jax.storage import run_folder

FREE = {"dataset", "data_dir", "out", "seeds", "memory_gb", "data.placement"}
"""Settings that name places, or move no digit."""


@functools.cache
def method(config: Config, classes: int, image: tuple[int, int, int]) -> Any:
    """Learner and strategy, without any data.

    Args:
      config: of the arm.
      classes: K.
      image: height, width, channels.
    """
    channels = (0.5,) * image[2]
    data, precision = config.data, config.train.precision
    form = networks.ImageForm(
        image, channels, channels, data.pad, data.flip, precision, data.dropout,
        data.noise,
    )  # fmt: skip
    network = networks.make(config.model, config.width, classes, form)
    return assembly.make(network, config)


def settings(task: Task) -> dict[str, Any]:
    """Dotted field -> value: all that decides a task's digits, as JSON has it."""
    own = method(task.config, task.form.classes, task.form.image)
    return plain(configs.to_dict(task.config, own.groups))


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Nested settings of a run as `settings` has them."""
    flat = run_folder.flat(json.loads(json.dumps(values)))
    return {
        name: value
        for name, value in flat.items()
        if name not in FREE and not name.startswith("checkpoint.")
    }


def work(task: Task, cycles: int | None = None) -> float:
    """Pictures that pass the network in steps; one that is only read counts a third.

    Args:
      task: what is counted.
      cycles: of it, the first ones; None: all.
    """
    config, form = task.config, task.form
    learner = method(config, form.classes, form.image).learner
    chunk, total = config.train.chunk_steps, 0.0
    for cycle in range(cycles or config.cycles):
        labeled = config.initial + cycle * config.budget
        done = estimate.of_training(learner, chunk, labeled, form.pool)
        total += done._replace(read=done.read + form.pool).work
    return total

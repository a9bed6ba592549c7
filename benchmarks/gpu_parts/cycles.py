"""Whole cycles of Random and of the paper's method, as many as the time takes."""

import shutil
import time
from pathlib import Path

from experiments.paper import cycles
from experiments.paper.plan import Task
from experiments.paper.store import RESULTS, Store
from experiments.paper.worlds import Form
from gmmal_jax import config as configs
from gmmal_jax.config.presets import preset
from gpu_parts import pictures
from gpu_parts.base import Context, Found

FILE = cycles.KEPT.name


def measure(context: Context) -> Found:
    """Go on with the cycles where their record ends, until the time is up."""
    path, images = context.out / FILE, pictures.file(context)
    if context.size.name == "dry":
        tasks = _toy(context, images)
    else:
        if not path.exists() and cycles.KEPT.exists():
            shutil.copyfile(cycles.KEPT, path)
        there = Store(RESULTS, "full").done(cycles.planned())
        tasks = [task for task in cycles.planned() if task.key not in there]

    def seconds_left() -> float:
        return context.ends - time.monotonic()

    ended = cycles.missing(tasks, images.parent, path, context.work, seconds_left)
    return Found(
        f"{len(ended.rows)} cycles done now, {ended.left} left",
        {"rows": ended.rows, "left": ended.left},
        failures=tuple(ended.failed),
        finished=not ended.left,
    )


def _toy(context: Context, images: Path) -> list[Task]:
    """Two cycles of each, of the rehearsal's network and steps."""
    scale = context.size.scale
    own = {"reference": "none", "cycles": 2}
    config = configs.replace(preset(scale.preset), **(scale.changes | own))
    form = Form(
        "toy", "patterns", images.stem, 10, (12, 12, 3), 2000, None, config, False
    )
    return [Task(form, arm, 0) for arm in cycles.ARMS]

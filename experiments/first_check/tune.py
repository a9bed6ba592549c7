"""Every configuration whose accuracy was looked at, on validation data, seeds 1000 up.

Random's recipe (ce) is tried first, then Reg's on the recipe chosen, then DA's on
both; each arm has the same number of trials on a world. Nothing is chosen by the last
trials: they ask why DA hurts on digits. One cycle, random labels.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import tables
from experiments.first_check.work import run_all
from experiments.jobs import Job

LOG = Path(__file__).parent.parent / "tuning_log.csv"
SEEDS = {
    "digits": tuple(range(1000, 1006)),
    "digits_imbalanced": tuple(range(1000, 1006)),
    "fashion": tuple(range(1000, 1004)),
    "cifar": tuple(range(1000, 1004)),
}
LABELED = {"digits": 60, "digits_imbalanced": 100, "fashion": 200, "cifar": 500}
"""Labels of the one cycle of a trial."""

Changes = dict[str, Any]

CE: dict[str, Changes] = {
    "rate 0.1": {},
    "rate 0.03": {"train.learning_rate": 0.03},
    "rate 0.1, decay 5e-3": {"train.weight_decay": 5e-3},
    "rate 0.03, decay 5e-3": {"train.learning_rate": 0.03, "train.weight_decay": 5e-3},
    "rate 0.01, decay 5e-3": {"train.learning_rate": 0.01, "train.weight_decay": 5e-3},
    "rate 0.03, decay 2e-2": {"train.learning_rate": 0.03, "train.weight_decay": 2e-2},
}
REG: dict[str, Changes] = {
    "alpha 1e-4": {},
    "alpha 1e-3": {"reg.alpha": 1e-3},
    "alpha 1e-2": {"reg.alpha": 1e-2},
    "alpha 1e-1": {"reg.alpha": 1e-1},
    "alpha 1": {"reg.alpha": 1.0},
    "alpha 1e-3, floor 1e-4": {"reg.alpha": 1e-3, "reg.variance_floor": 1e-4},
}
DA: dict[str, Changes] = {
    "beta 1": {},
    "beta 0.1": {"da.beta": 0.1},
    "beta 1, gradient cut": {"da.mixture_gradient": False},
    "beta 0.1, gradient cut": {"da.beta": 0.1, "da.mixture_gradient": False},
    "beta 0.01": {"da.beta": 0.01},
    "beta 0.1, latents only": {"da.beta": 0.1, "da.inputs": "latents"},
}
OFF: Changes = {"da.beta": 0.0}
FORMS: dict[str, Changes] = {
    "as it is": {},
    "joint BatchNorm": {"da.batch_norm": "joint"},
    "a tenth of the rate": {"da.learning_rate": 1e-3},
    "a third of the steps": {"da.steps": 100},
    "three times the steps": {"da.steps": 900},
    "two-sided penalty": {"da.penalty_sides": "two"},
}
"""Possible causes of what the paper's DA does to digits: each taken out of it."""
WHY: dict[str, Changes] = {
    f"{name}, {weight}": form | changes
    for name, form in FORMS.items()
    for weight, changes in (("on", {}), ("off", OFF))
}
ARMS: dict[str, tuple[str, dict[str, Changes]]] = {
    "ce": ("ce", CE),
    "reg": ("reg", REG),
    "da": ("reg_da", DA),
}
"""Arm -> (learner, its trials); the first trial is the default."""
_DIGITS: dict[str, Changes] = {
    "ce": CE["rate 0.03, decay 5e-3"],
    "reg": REG["alpha 1e-3"],
    "da": DA["beta 1, gradient cut"],
}
_FASHION: dict[str, Changes] = {
    "ce": CE["rate 0.1"],
    "reg": REG["alpha 1e-4"],
    "da": DA["beta 1, gradient cut"],
}
CHOSEN: dict[str, dict[str, Changes]] = {
    "digits": _DIGITS,
    "digits_imbalanced": _DIGITS,
    "fashion": _FASHION,
    "cifar": _FASHION,
}
"""World -> arm -> the trial with the highest mean accuracy on digits or fashion.

The other two worlds take over what was chosen there: no arm was tried on them as often
as the others (their rows of the log were looked at, and nothing was chosen by them).
"""
TRIED = ("digits", "fashion")
WHY_ARM = "why"
TRIALS = ARMS | {WHY_ARM: ("reg_da", WHY)}
"""All that `--tune` runs."""


def jobs(arm: str, world: str, chosen: Changes) -> list[Job]:
    """An arm's trials on a world.

    Args:
      arm: a key of `TRIALS`.
      world: a key of `SEEDS`.
      chosen: changes of the arms tried before.
    """
    learner, trials = TRIALS[arm]
    common: Changes = {"learn": learner, "query": "random", "cycles": 1}
    common |= {"initial": LABELED[world]} | chosen
    return [
        Job(world, f"{arm} {name}", common | changes, SEEDS[world], "validation")
        for name, changes in trials.items()
    ]


def _before(arm: str, world: str) -> Changes:
    """What was chosen for the arms that come before this one."""
    order = list(ARMS)
    earlier = order[: order.index("da" if arm == WHY_ARM else arm)]
    chosen = CHOSEN.get(world, {})
    return {k: v for name in earlier for k, v in chosen.get(name, {}).items()}


def run(
    arm: str, world: str, work: Path, data_dir: str | None, cores: Sequence[int]
) -> None:
    """Run an arm's trials on a world and log them, each row once."""
    trials = jobs(arm, world, _before(arm, world))
    finished = run_all(trials, work, data_dir, cores)
    for job, rows in zip(trials, finished, strict=True):
        log = tables.load(LOG)
        if not any((row["world"], row["arm"]) == (world, job.arm) for row in log):
            changes = json.dumps(job.changes, sort_keys=True)
            tables.save(LOG, [*log, *(row | {"changes": changes} for row in rows)])
        accuracy = 100 * np.mean([float(row["accuracy"]) for row in rows])
        print(f"{world:<18} {rows[0]['arm']:<28} {accuracy:6.2f}", flush=True)

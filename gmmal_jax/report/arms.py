"""What is compared: arms over their seeds, and the task that they share.

An arm is all seeds of one label, of equal settings. A task is a data set in a setting,
measured on one part of it: within a task everything may be compared.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gmmal_jax.errors import UserError
from gmmal_jax.report import alike
from gmmal_jax.report.runs import Run
from gmmal_jax.storage.records import Record

_TASK = ("dataset", "setting", "eval")

Curves = dict[int, tuple[float, ...]]
"""Seed -> a number at each labeled size that it has reached."""


class Arm(NamedTuple):
    """All seeds of one method.

    Attributes:
      label: its name in tables and legends.
      cycles: seed -> its finished cycles, in order; never empty.
      runs: seed -> the run that holds it.
    """

    label: str
    cycles: dict[int, list[Record]]
    runs: dict[int, Run]


class Task(NamedTuple):
    """Arms that may be compared.

    Attributes:
      name: data set, setting and evaluation part.
      sizes: the labeled sizes of the longest curve.
      arms: methods in the order given, the reference last.
      reference: label of the arm that the runs themselves were set beside; None: of
        none.
    """

    name: str
    sizes: tuple[int, ...]
    arms: tuple[Arm, ...]
    reference: str | None


def task(runs: Sequence[Run]) -> Task:
    """The task of runs, pooled by their labels.

    A reference's seed that several runs hold counts once, as the first has it: theirs
    are trained alike.

    Args:
      runs: at least one, with distinct seeds for each label.

    Raises:
      UserError: data sets or labeled sizes differ, or a label's seed comes twice;
        runs do not stand together, see `alike.require`.
    """
    _require_same_task(runs)
    sizes = _common_sizes(runs)
    alike.require(_name(runs[0]), runs)
    reference = next((run.reference.label for run in runs if run.reference), None)
    arms = sorted(_pool(runs), key=lambda arm: arm.label == reference)
    return Task(_name(runs[0]), sizes, tuple(arms), reference)


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each task, in the order of their first ones."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_name(run), []).append(run)
    return list(groups.values())


def curves(arm: Arm, name: str, factor: float = 1.0) -> Curves:
    """A result or diagnostic over the labeled sizes, times a factor.

    Seeds that lack it in a cycle are left out: older runs did not write all of them.
    """
    found = {
        seed: [(record.diagnostics | record.results).get(name) for record in cycles]
        for seed, cycles in arm.cycles.items()
    }
    return {
        seed: tuple(factor * float(value) for value in values if value is not None)
        for seed, values in found.items()
        if None not in values
    }


def class_names(arms: Iterable[Arm]) -> dict[int, str]:
    """Class -> its name, as the first run wrote it down that did."""
    for arm in arms:
        for run in arm.runs.values():
            names = run.data.get("classes")
            if names:
                return {place: str(name) for place, name in enumerate(names)}
    return {}


def whole(values: Curves, num_sizes: int) -> Curves:
    """The seeds that have reached every labeled size."""
    return {seed: curve for seed, curve in values.items() if len(curve) == num_sizes}


def shared(one: Iterable[int], other: Iterable[int]) -> list[int]:
    """Seeds that are in both, sorted."""
    return sorted({*one} & {*other})


def _name(run: Run) -> str:
    return ", ".join(str(run.config.get(name)) for name in _TASK)


def _require_same_task(runs: Sequence[Run]) -> None:
    for name in _TASK:
        values = sorted({str(run.config.get(name)) for run in runs})
        if len(values) > 1:
            raise UserError(f"runs differ in {name}", values, "report them one by one")


def _references(runs: Sequence[Run]) -> list[Run]:
    return [run.reference for run in runs if run.reference]


def _by_seed(run: Run) -> dict[int, list[Record]]:
    seeds: dict[int, list[Record]] = {}
    for record in run.records:
        seeds.setdefault(record.seed, []).append(record)
    return seeds


def _common_sizes(runs: Sequence[Run]) -> tuple[int, ...]:
    """The labeled sizes of the longest curve; all others must be a start of it."""
    found = [
        (run, tuple(int(record.results["labeled"]) for record in cycles))
        for run in [*runs, *_references(runs)]
        for cycles in _by_seed(run).values()
    ]
    longest = max((sizes for _, sizes in found), key=len)
    for run, sizes in found:
        if sizes != longest[: len(sizes)]:
            raise UserError(
                f"labeled sizes differ: {list(longest)} and, in {run.folder}",
                list(sizes),
                "report runs of equal --initial and --budget",
            )
    return longest


def _pool(runs: Sequence[Run]) -> list[Arm]:
    pooled: dict[str, Arm] = {}
    for run in runs:
        arm = pooled.setdefault(run.label, Arm(run.label, {}, {}))
        for seed, cycles in _by_seed(run).items():
            if seed in arm.cycles:
                remedy = "leave one of the folders out"
                raise UserError(f"seed {seed} comes twice", run.label, remedy)
            arm.cycles[seed], arm.runs[seed] = cycles, run
    for run in _references(runs):
        arm = pooled.setdefault(run.label, Arm(run.label, {}, {}))
        for seed, cycles in _by_seed(run).items():
            if seed not in arm.cycles:
                arm.cycles[seed], arm.runs[seed] = cycles, run
    return list(pooled.values())

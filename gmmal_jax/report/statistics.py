"""Finished cycles as numbers: means, intervals, differences to a reference.

Accuracies are shares in the records and per cent here. Intervals are 95 % t-intervals
over seeds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.report.runs import Run
from gmmal_jax.storage import records

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean over seeds, in the values' unit (here per cent).

    Attributes:
      mean: the mean.
      half_width: half the 95 % interval's width; None for one seed.
      num_seeds: how many seeds were averaged.
    """

    mean: float
    half_width: float | None
    num_seeds: int


class Row(NamedTuple):
    """One method's line of the table.

    Attributes:
      label: the method.
      seeds: all of its seeds.
      sizes: the labeled sizes, the same in all rows.
      cells: accuracy at each size over the seeds that reached it; None: none did.
      average: mean over all sizes, over the seeds that reached them all.
      reference: label of the method subtracted below; None where a seed lacks its
        partner there, and for the reference itself.
      differences: accuracy less the reference's of the same seed, at each size.
      average_difference: the same of the average.
    """

    label: str
    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    cells: tuple[Estimate | None, ...]
    average: Estimate | None
    reference: str | None = None
    differences: tuple[Estimate | None, ...] = ()
    average_difference: Estimate | None = None


Accuracies = dict[int, tuple[float, ...]]
"""Seed -> accuracy in per cent at each labeled size that it has reached."""


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and t-interval: quantile * s / sqrt(n); None of no values."""
    from scipy.special import stdtrit

    n = len(values)
    if n == 0:
        return None
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, None, 1)
    quantile = stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    return Estimate(mean, float(quantile * np.std(values, ddof=1) / np.sqrt(n)), n)


def summarise(runs: Sequence[Run]) -> list[Row]:
    """Mean accuracy per labeled size, and its difference to the reference.

    Runs of one label are pooled over their seeds. A seed still under way counts at
    the sizes it has reached and not in the average over sizes. Runs with the same
    reference label share one reference row, where a seed that several of them hold
    counts once, as the first has it.

    Args:
      runs: at least one, with distinct seeds for each label.

    Returns:
      One row for each label, methods before references, in the order given.

    Raises:
      UserError: data sets or labeled sizes differ, or a label's seed comes twice.
    """
    _require_same_task(runs)
    sizes = _common_sizes(runs)
    methods = _pool(runs)
    reference = next((run.reference.label for run in runs if run.reference), None)
    partners = methods.get(reference, {}) if reference else {}
    rows = [
        _row(label, sizes, accuracies, reference, partners)
        for label, accuracies in methods.items()
    ]
    return sorted(rows, key=lambda row: row.label == reference)


def _arms(runs: Sequence[Run]) -> list[Run]:
    """The runs, then their references."""
    return [*runs, *(run.reference for run in runs if run.reference)]


def _require_same_task(runs: Sequence[Run]) -> None:
    for name in ("dataset", "setting", "eval"):
        values = sorted({str(run.config.get(name)) for run in runs})
        if len(values) > 1:
            raise UserError(f"runs differ in {name}", values, "report them one by one")


def _by_seed(run: Run) -> dict[int, list[records.Record]]:
    seeds: dict[int, list[records.Record]] = {}
    for record in run.records:
        seeds.setdefault(record.seed, []).append(record)
    return seeds


def _common_sizes(runs: Sequence[Run]) -> tuple[int, ...]:
    """The labeled sizes of the longest curve; all others must be a start of it."""
    curves = [
        (run, tuple(int(record.results["labeled"]) for record in cycles))
        for run in _arms(runs)
        for cycles in _by_seed(run).values()
    ]
    longest = max((sizes for _, sizes in curves), key=len)
    for run, sizes in curves:
        if sizes != longest[: len(sizes)]:
            raise UserError(
                f"labeled sizes differ: {list(longest)} and, in {run.folder}",
                list(sizes),
                "report runs of equal --initial and --budget",
            )
    return longest


def _pool(runs: Sequence[Run]) -> dict[str, Accuracies]:
    """Label -> accuracies of all its seeds."""
    pooled: dict[str, Accuracies] = {}
    for run in runs:
        seeds = pooled.setdefault(run.label, {})
        for seed, accuracy in _accuracies(run).items():
            if seed in seeds:
                remedy = "leave one of the folders out"
                raise UserError(f"seed {seed} comes twice", run.label, remedy)
            seeds[seed] = accuracy
    for run in (run.reference for run in runs if run.reference):
        pooled[run.label] = _accuracies(run) | pooled.get(run.label, {})
    return pooled


def _accuracies(run: Run) -> Accuracies:
    return {
        seed: tuple(100 * float(record.results["accuracy"]) for record in cycles)
        for seed, cycles in _by_seed(run).items()
    }


def _row(
    label: str,
    sizes: tuple[int, ...],
    accuracies: Accuracies,
    reference: str | None,
    partners: Accuracies,
) -> Row:
    seeds = tuple(sorted(accuracies))
    cells, average = _estimates(accuracies, len(sizes))
    if label == reference or not set(accuracies) <= set(partners):
        return Row(label, seeds, sizes, cells, average)
    paired = {
        seed: tuple(
            a - b for a, b in zip(accuracies[seed], partners[seed], strict=False)
        )
        for seed in seeds
    }
    differences, average_difference = _estimates(paired, len(sizes))
    return Row(
        label,
        seeds,
        sizes,
        cells,
        average,
        reference,
        differences,
        average_difference,
    )


def _estimates(
    values: Accuracies, num_sizes: int
) -> tuple[tuple[Estimate | None, ...], Estimate | None]:
    """The estimate at each size and that of the average over all sizes."""
    cells = tuple(
        estimate([curve[i] for curve in values.values() if i < len(curve)])
        for i in range(num_sizes)
    )
    whole = [
        float(np.mean(curve)) for curve in values.values() if len(curve) == num_sizes
    ]
    return cells, estimate(whole)

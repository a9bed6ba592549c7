"""Finished cycles as numbers for a person: means, intervals, a table.

Accuracies are shares in the records and per cent here. Intervals are 95 % t-intervals
over seeds.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.storage import layout, records

CONFIDENCE = 0.95
MAX_LINE = 100


class Run(NamedTuple):
    """A run's folder, read.

    Attributes:
      folder: where it lies.
      label: its name in tables and legends.
      config: the resolved configuration, as plain values.
      records: its finished cycles, sorted by seed and cycle; never empty.
      reference: the comparison arm from the same starts, if the run has one.
    """

    folder: Path
    label: str
    config: dict[str, Any]
    records: list[records.Record]
    reference: "Run | None" = None


class Estimate(NamedTuple):
    """A mean over seeds, in per cent.

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


def load_run(folder: str | os.PathLike) -> Run:
    """Read a run's folder, and the reference arm inside it if there is one.

    Raises:
      UserError: the folder is missing, is no run's, has no finished cycle yet, or
        holds a damaged record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError("no such folder", str(folder), "name the folder of a run")
    places = layout.of(folder)
    config = _read_config(places.config)
    loaded = records.load(folder)
    if not loaded:
        remedy = "wait for the first cycle to end, or `gmmal resume`"
        raise UserError("no finished cycle yet", str(folder), remedy)
    started = layout.of(places.reference).records.is_dir()
    arm = load_run(places.reference) if started else None
    return Run(folder, config["label"], config["config"], loaded, arm)


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


def table(runs: Sequence[Run], *, markdown: bool = False) -> str:
    """The summary as text: accuracies, then differences to the reference.

    Args:
      runs: see `summarise`, which also says what is refused.
      markdown: bars between the columns, and a rule below the head.
    """
    rows = summarise(runs)
    head = ["accuracy (%)", "seeds", *(f"{size:,}" for size in rows[0].sizes), "Avg"]
    lines = [head, *(_accuracy_line(row) for row in rows)]
    lines += [_difference_line(row) for row in rows if row.reference]
    text = _markdown(lines) if markdown else _aligned(lines)
    notes = _notes(rows)
    return text + ("\n" + "\n".join(notes) + "\n" if notes else "")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        remedy = "name the folder that `gmmal run` wrote"
        raise UserError("not a run's folder", str(path.parent), remedy) from None
    except ValueError:
        remedy = "restore it from a copy"
        raise UserError("configuration is damaged", str(path), remedy) from None


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
        _estimate([curve[i] for curve in values.values() if i < len(curve)])
        for i in range(num_sizes)
    )
    whole = [
        float(np.mean(curve)) for curve in values.values() if len(curve) == num_sizes
    ]
    return cells, _estimate(whole)


def _estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and t-interval: quantile * s / sqrt(n)."""
    from scipy.special import stdtrit

    n = len(values)
    if n == 0:
        return None
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, None, 1)
    quantile = stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    return Estimate(mean, float(quantile * np.std(values, ddof=1) / np.sqrt(n)), n)


def _accuracy_line(row: Row) -> list[str]:
    cells = [_show(cell, "") for cell in (*row.cells, row.average)]
    return [row.label, str(len(row.seeds)), *cells]


def _difference_line(row: Row) -> list[str]:
    estimates = (*row.differences, row.average_difference)
    cells = [_show(estimate, "+") for estimate in estimates]
    return [f"{row.label} - {row.reference}", str(len(row.seeds)), *cells]


def _show(estimate: Estimate | None, sign: str) -> str:
    if estimate is None:
        return ""
    mean = f"{estimate.mean:{sign}.2f}"
    if estimate.half_width is None:
        return mean
    return f"{mean} ± {estimate.half_width:.2f}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of equal width; where a line grows too long, in blocks one by one."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    fixed = widths[0] + widths[1] + 2
    at_once = max(1, (MAX_LINE - fixed) // (max(widths[2:]) + 2))
    num_blocks = -(-len(widths[2:]) // at_once)
    blocks = np.array_split(np.arange(2, len(widths)), num_blocks)
    return "\n".join(_block(lines, [0, 1, *block.tolist()], widths) for block in blocks)


def _block(
    lines: Sequence[Sequence[str]], columns: Sequence[int], widths: Sequence[int]
) -> str:
    rows = [
        "  ".join(
            line[i].rjust(widths[i]) if i else line[i].ljust(widths[i]) for i in columns
        ).rstrip()
        for line in lines
    ]
    rule = "-" * max(map(len, rows))
    return "\n".join([rows[0], rule, *rows[1:]]) + "\n"


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    rows = [f"| {' | '.join(line)} |" for line in lines]
    rule = "|---|" + "---:|" * (len(lines[0]) - 1)
    return "\n".join([rows[0], rule, *rows[1:]]) + "\n"


def _notes(rows: Sequence[Row]) -> list[str]:
    """What the numbers do not say by themselves."""
    notes = []
    if any(len(row.seeds) > 1 for row in rows):
        notes.append("±: half width of the 95 % t-interval over seeds.")
    for row in rows:
        full = len(row.seeds)
        counts = [cell.num_seeds if cell else 0 for cell in row.cells]
        short = [
            f"{count} at {size:,}"
            for size, count in zip(row.sizes, counts, strict=True)
            if count < full
        ]
        if short:
            notes.append(f"{row.label}: of {full} seeds only {', '.join(short)}.")
    return notes

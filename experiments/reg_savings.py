"""What Reg's balanced subset costs on digits, and what cheaper forms of it change.

    python -m experiments.reg_savings [--cycles 2] [--seeds 1000 1001 1002 1003]

Trains with Reg and random queries, measured on a validation part of the pool, so all
forms of one seed label the same rows. Seeds that stand in the table are not run again.
Seconds are the process's CPU seconds, the median over chunks of steps without a
cycle's first; pin the process to one core for numbers that mean something.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

import gmmal_jax
from experiments import tables
from gmmal_jax import Config, loop, preset, replace, train
from gmmal_jax.report import estimate, markdown, show

TABLE = Path(__file__).with_suffix(".csv")
PAPER = "a subset of 100 a step"
VARIANTS: dict[str, dict[str, Any]] = {
    PAPER: {},
    "refit_every 5": {"reg.refit_every": 5},
    "refit_every 50": {"reg.refit_every": 50},
    "statistics_decay 0.9, subset 20": {
        "reg.statistics_decay": 0.9,
        "reg.subset_size": 20,
    },
    "alpha 0": {"reg.alpha": 0.0},
    "no Reg": {"learn": "ce"},
}
"""Name -> changes of the digits preset."""


class Watch(loop.Silent):
    """A reporter that keeps a seed's seconds a step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.before: float | None = None

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """A cycle's first chunk may compile: it is not timed."""
        self.before = None

    def progress(self, arm: str, seed: int, cycle: int, chunk: train.Chunk) -> None:
        """A chunk of supervised steps is done."""
        now = time.process_time()
        if self.before is not None:
            self.seconds.append(now - self.before)
        self.before = now


def settings(variant: str, seed: int, cycles: int) -> Config:
    """The digits preset with Reg, random queries and a variant's changes."""
    common = {
        "learn": "reg",
        "query": "random",
        "reference": "none",
        "train.learning_rate": 0.1,
        "train.weight_decay": 5e-4,
        "eval": "validation",
        "seeds": (seed,),
        "cycles": cycles,
    }
    return replace(preset("digits"), **(common | VARIANTS[variant]))


def measure(variant: str, seed: int, cycles: int) -> list[tables.Row]:
    """Rows of one variant and seed, one a cycle."""
    watch, config = Watch(), settings(variant, seed, cycles)
    with tempfile.TemporaryDirectory() as folder:
        results = gmmal_jax.run(config, folder, watch, num_devices=1).results
    step = statistics.median(watch.seconds) / config.train.chunk_steps
    return [
        {
            "variant": variant,
            "seed": str(seed),
            "cycles": str(cycles),
            "labeled": str(labeled),
            "accuracy": f"{accuracy:.6f}",
            "cpu_ms_per_step": f"{1000 * step:.3f}",
        }
        for labeled, accuracy in zip(
            results["labeled"], results["accuracy"], strict=True
        )
    ]


def table(rows: Sequence[tables.Row], seeds: Sequence[int], cycles: int) -> str:
    """Markdown: accuracy, paired difference to the paper's form, time of a step."""

    def of(variant: str, column: str) -> list[float]:
        """One number a seed: the mean over its cycles."""
        values = [
            [
                float(row[column])
                for row in rows
                if (row["variant"], row["seed"], row["cycles"])
                == (variant, str(seed), str(cycles))
            ]
            for seed in seeds
        ]
        return [float(np.mean(value)) for value in values]

    lines = [["Reg", "accuracy (%)", "difference (points)", "CPU ms a step"]]
    base = np.asarray(of(PAPER, "accuracy"))
    for variant in VARIANTS:
        accuracy = np.asarray(of(variant, "accuracy"))
        gains = None if variant == PAPER else 100 * (accuracy - base)
        change = "" if gains is None else show(estimate(gains.tolist()), "+")
        step = statistics.median(of(variant, "cpu_ms_per_step"))
        lines.append([variant, f"{100 * accuracy.mean():.2f}", change, f"{step:.1f}"])
    twins = np.subtract(of("alpha 0", "accuracy"), of("no Reg", "accuracy"))
    notes = (
        f"Means over {cycles} cycles and {len(seeds)} seeds; ±: 95 % t-interval of the "
        "difference within seeds. An interval that holds 0 shows no difference, and "
        "not that there is none. `alpha 0` and `no Reg` are one training but for "
        f"rounding, and yet {100 * np.abs(twins).mean():.2f} points apart in a seed, "
        "on average: smaller differences within a seed mean nothing here."
    )
    return f"{markdown.table(lines)}\n\n{notes}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(1000, 1004))
    args = parser.parse_args(argv)
    rows = tables.load(TABLE)
    done = {(row["variant"], row["seed"], row["cycles"]) for row in rows}
    with tempfile.TemporaryDirectory() as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        for seed in args.seeds:
            for variant in VARIANTS:
                if (variant, str(seed), str(args.cycles)) in done:
                    continue
                rows += measure(variant, seed, args.cycles)
                tables.save(TABLE, rows)
                print(f"done: {variant}, seed {seed}", file=sys.stderr, flush=True)
    print(table(rows, args.seeds, args.cycles))
    return 0


if __name__ == "__main__":
    sys.exit(main())

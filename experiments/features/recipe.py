"""Rates, lengths and the like for heads on features, on validation data.

    python -m experiments.features.recipe --features FILE --work DIR

Random queries, 100 labels and then 1,000, seeds 1000 and 1001; a fifth of the rows that
are no test part measures. Cells that recipe.csv has are not run again.
"""

import argparse
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import gmmal_jax
from experiments import tables
from gmmal_jax import methods

RESULTS = Path(__file__).with_name("recipe.csv")
SIZES = (100, 1000)
BASE = {
    "method": "random", "reference": "none", "eval": "validation",
    "seeds": (1000, 1001), "cycles": 2, "initial": SIZES[0],
    "budget": SIZES[1] - SIZES[0], "train.steps": 500,
}  # fmt: skip
RATE = {"model": "mlp", "train.learning_rate": 0.03}
AFTER = {"learn": "reg_da", "da.steps": 500, "da.refit_every": 500}


def cells() -> Iterator[dict[str, Any]]:
    """What was tried, in this order: changes of `BASE`."""
    rates, decays = (0.003, 0.01, 0.03, 0.1), (5e-4, 1e-2)
    for model, rate, decay in itertools.product(("linear", "mlp"), rates, decays):
        yield {
            "model": model,
            "train.learning_rate": rate,
            "train.weight_decay": decay,
        }
    for steps, model in itertools.product((200, 1000), ("linear", "mlp")):
        yield RATE | {"train.steps": steps, "model": model}
    for share in (0.3, 0.6):
        yield RATE | {"data.dropout": share}
    yield RATE | {"learn": "reg"}
    for rate in (0.001, 0.01):
        yield RATE | AFTER | {"da.learning_rate": rate}
    gradient = {"da.learning_rate": 0.003, "da.mixture_gradient": True}
    yield RATE | AFTER | gradient
    for noise, share in ((0.5, 0.0), (0.5, 0.3), (1.0, 0.3)):
        views = {"data.noise": noise, "data.dropout": share}
        yield RATE | {"learn": "fixmatch"} | views


def run(
    features: Path,
    work: Path,
    results: Path = RESULTS,
    tried: Iterable[dict[str, Any]] | None = None,
) -> None:
    """Run the cells that the results lack; a column for each number of labels."""
    for number, changes in enumerate(cells() if tried is None else tried):
        rows, name = tables.load(results), json.dumps(changes)
        if any(row["changes"] == name for row in rows):
            continue
        options = BASE | {"dataset": f"features:{features}"} | changes
        done = gmmal_jax.run(methods.configure(options), work / f"{number:02d}")
        found = done.results
        row = {"changes": name}
        for size in np.unique(found["labeled"]):
            right = found["accuracy"][found["labeled"] == size]
            row[f"at {size}"] = f"{100 * np.mean(right):.2f}"
        tables.save(results, [*rows, row])
        print(row, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/features_recipe"))
    args = parser.parse_args()
    run(args.features, args.work)

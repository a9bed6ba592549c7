"""How long substitutes train, on validation data: do more labels help at all?

    python -m experiments.paper.recipe_choice --data DIR --core N [--world NAME ...]

A substitute whose network is trained too little tells no query from another. Random
queries, cross-entropy, seeds 1000 and 1001, accuracy at each of a substitute's numbers
of labels on a part of the pool that is set aside. What recipe_choice.csv has is not run
again.
"""

import argparse
import itertools
import json
import os
from pathlib import Path

import numpy as np

from experiments import processes, tables

RESULTS = Path(__file__).with_name("recipe_choice.csv")
WORLDS = ("cifar10", "fashion_mnist", "cifar100", "svhn_cropped")
SEEDS = (1000, 1001)
TRIED = [
    {"train.steps": steps, "train.batch_size": size}
    for steps, size in itertools.chain(
        itertools.product((200, 600), (20, 50)), [(1000, 50), (2000, 50)]
    )
]


def run(data: Path, work: Path, names: list[str]) -> None:
    """Run the cells that the results lack; a column for each cycle."""
    from experiments import jobs
    from experiments.jobs import Job
    from experiments.paper import work as paper, worlds
    from experiments.paper.plan import Task

    for name, changes in itertools.product(names, TRIED):
        form, text = worlds.form(worlds.World(name), "cpu", True), json.dumps(changes)
        found = {"world": form.key, "changes": text}
        if any(found.items() <= row.items() for row in tables.load(RESULTS)):
            continue
        base = paper.base(Task(form, "random", SEEDS[0]), data, work)
        job = Job(form.key, text, changes | {"method": "random"}, SEEDS, "validation")
        rows = jobs.run(job, base, work)
        for cycle in range(form.config.cycles):
            own = [float(r["accuracy"]) for r in rows if r["cycle"] == str(cycle)]
            found[f"cycle {cycle}"] = f"{100 * np.mean(own):.2f}"
        tables.save(RESULTS, [*tables.load(RESULTS), found])
        print(found, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/recipe_choice"))
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--world", nargs="+", choices=WORLDS, default=list(WORLDS))
    args = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    processes.pin(args.core)
    run(args.data, args.work, args.world)

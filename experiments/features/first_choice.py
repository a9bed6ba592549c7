"""What to label first, when there is no label: a linear classifier on each choice.

    python -m experiments.features.first_choice --features FILE --work DIR

A fifth of the rows (another one for each seed) measures; of the others each strategy
that needs no label chooses, and scikit-learn's logistic regression learns from them.
"""

import argparse
from pathlib import Path

import numpy as np

from experiments import tables
from gmmal_jax.cli.select import configuration
from gmmal_jax.data import sources
from gmmal_jax.loop import Silent
from gmmal_jax.project import choose

RESULTS = Path(__file__).with_name("first_choice.csv")
SEEDS, BUDGETS = (1000, 1001, 1002, 1003), (20, 50, 100, 500)
_SHARE, _INVERSE_PENALTY = 0.2, 0.01


def run(features: Path, work: Path) -> None:
    """Run the choices that the results lack."""
    dataset = sources.load(f"features:{features}")
    rows = np.asarray(dataset.train_images, np.float32)
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(len(rows))
        out, pool = np.split(order, [round(_SHARE * len(rows))])
        file = work / str(seed) / "pool.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, rows[pool])
        for budget in BUDGETS:
            for query in choose.COLD_ONES:
                _one(file, rows, dataset.train_labels, pool, out, seed, budget, query)


def _one(
    file: Path,
    rows: np.ndarray,
    labels: np.ndarray,
    pool: np.ndarray,
    out: np.ndarray,
    seed: int,
    budget: int,
    query: str,
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    done = tables.load(RESULTS)
    names = {"seed": str(seed), "budget": str(budget), "query": query}
    if any(names.items() <= row.items() for row in done):
        return
    given = names | {"features": str(file)}
    config = configuration({name: [value] for name, value in given.items()})
    chosen = pool[choose.choose(config, file.parent, Silent()).query.indices]
    scale = StandardScaler().fit(rows[pool])
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=200)
    model.fit(scale.transform(rows[chosen]), labels[chosen])
    right = 100 * model.score(scale.transform(rows[out]), labels[out])
    classes = str(len(set(labels[chosen])))
    row = names | {"accuracy": f"{right:.2f}", "classes": classes}
    tables.save(RESULTS, [*done, row])
    print(row, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/first_choice"))
    args = parser.parse_args()
    run(args.features, args.work)

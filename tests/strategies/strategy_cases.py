"""A synthetic pool with every column that a strategy may need."""

import numpy as np

from gmmal_jax.types import PoolView

NUM_ROWS, NUM_CLASSES, BUDGET = 30, 3, 6


def view(num_labeled=8, seed=0):
    """A pool whose first rows (in a random order of ids) are labeled."""
    rng = np.random.default_rng(seed)
    labeled = np.zeros(NUM_ROWS, bool)
    labeled[rng.permutation(NUM_ROWS)[:num_labeled]] = True
    truth = rng.integers(NUM_CLASSES, size=NUM_ROWS)
    columns = {
        "logits": 3 * rng.normal(size=(NUM_ROWS, NUM_CLASSES)),
        "latents": rng.gamma(1.0, size=(NUM_ROWS, 4)),
        "critic": rng.uniform(size=NUM_ROWS),
        "log_likelihood_labeled": 100 * rng.normal(size=NUM_ROWS),
        "log_likelihood_unlabeled": 100 * rng.normal(size=NUM_ROWS),
    }
    return PoolView(
        ids=rng.permutation(1000)[:NUM_ROWS].astype(np.uint32),
        labeled=labeled,
        candidates=~labeled,
        labels=np.where(labeled, truth, -1).astype(np.int32),
        columns={name: values.astype(np.float32) for name, values in columns.items()},
    )


def take(pool, rows):
    """The pool of some of the rows, in that order."""
    columns = {name: values[rows] for name, values in pool.columns.items()}
    per_row = (pool.ids, pool.labeled, pool.candidates, pool.labels)
    return PoolView(*(values[rows] for values in per_row), columns=columns)


def restrict(pool, names):
    """The pool with the named columns only."""
    return pool._replace(columns={name: pool.columns[name] for name in names})

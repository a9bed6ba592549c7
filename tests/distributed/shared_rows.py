"""Fits and choices of generated rows, by all devices of all processes, into a file.

python shared_rows.py FILE [COORDINATOR PROCESSES PROCESS]
"""

import dataclasses
import sys

import jax
import numpy as np

from gmmal_jax import parallel, selection
from gmmal_jax.config import Config, MixtureConfig, SelectConfig
from gmmal_jax.mixtures import refit
from gmmal_jax.phases import adversary
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, gmm
from gmmal_jax.types import PoolView

N, D, K = 611, 8, 4


def main(path, *place):
    """Do all of it; every process writes what it found."""
    if place:
        address, count, number = place
        cluster = parallel.hosts.Cluster(address, int(count), int(number))
        parallel.hosts.join(cluster)
    team = parallel.team(parallel.make_mesh())
    np.savez(path, **found(dataclasses.replace(team, fewest=0)))


def found(team):
    """Name -> array."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, K, N)
    rows = (3 * rng.normal(size=(K, D))[classes] + rng.normal(size=(N, D))).astype("f4")
    labeled = (rng.random(N) < 0.2) & (classes > 0)
    labels = np.where(labeled, classes, -1).astype(np.int32)
    ids, key, kept = np.arange(N, dtype=np.uint32), jax.random.key(0), {}
    columns = {"latents": rows, "logits": rows[:, :K]}
    for mode in ("exact", "sharded"):
        gmm_of = MixtureConfig(mode=mode, shard_size=100)
        known = refit.fit_labeled(rows, labels, labeled, K, gmm_of, team)
        fitted, info = refit.fit_pool(key, rows, ~labeled, known, gmm_of, None, team)
        scale = adversary.column_scale(rows, known, fitted, "standardize", team)
        for i, leaf in enumerate(jax.tree.leaves((known, fitted, info, scale))):
            kept[f"{mode}-{i}"] = np.asarray(leaf)
    for name, column in zip(
        ("critic", "log_likelihood_labeled", "log_likelihood_unlabeled"),
        rng.normal(size=(3, N)).astype("f4"),
        strict=True,
    ):
        columns[name] = column
    view = PoolView(ids, labeled, ~labeled, labels, columns, team=team)
    query = base.query(key, gmm.make(Config().fuse), view, Ask(9, K, SelectConfig()))
    kept |= {f"score-{name}": values for name, values in query.scores.items()}
    kept["query"] = query.indices
    kept["k-center"] = np.asarray(
        selection.k_center_of(team, key, rows, labeled, ~labeled, 99, ids=ids)
    )
    kept["k-means"] = np.asarray(
        selection.representatives_of(team, key, rows, ~labeled, ~labeled, ids=ids, k=9)
    )
    return kept


if __name__ == "__main__":
    main(*sys.argv[1:])

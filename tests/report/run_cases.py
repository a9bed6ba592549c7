"""Folders of runs with known accuracies."""

import json

import numpy as np
import pytest

from gmmal_jax import report
from gmmal_jax.data import sources
from gmmal_jax.storage import records


def write_run(folder, label, curves, sizes=(10, 20), **changes):
    """A run's folder with these accuracies (shares): seed -> one a size."""
    folder.mkdir(parents=True, exist_ok=True)
    task = {"dataset": "digits", "setting": "balanced", "eval": "test"}
    config = task | {"method": label} | changes
    text = json.dumps({"config": config, "label": label})
    (folder / "config.json").write_text(text)
    for seed, curve in curves.items():
        for cycle, accuracy in enumerate(curve):
            results = {"labeled": sizes[cycle], "accuracy": accuracy}
            records.write(folder, records.Record(seed, cycle, results, [], [], {}, {}))
    return folder


def write_asking_run(folder, label, curves, *, names=None, rows=(4, 3), seed=0):
    """A run on digits whose cycles but the last ask for `rows[0]` rows each.

    They ask at random, from a seed of the method; latents are of `rows[1]` dimensions.
    """
    dataset = sources.load("digits")
    generator = np.random.default_rng(seed)
    sizes = [rows[0] * (i + 1) for i in range(max(map(len, curves.values())))]
    write_run(folder, label, curves, sizes)
    saved = json.loads((folder / "config.json").read_text())
    classes = list(dataset.class_names) if names is None else names
    saved |= {"versions": {"jax": "0.10"}}
    saved |= {"data": {"checksum": dataset.checksum, "classes": classes}}
    (folder / "config.json").write_text(json.dumps(saved))
    for record in records.load(folder):
        ids = generator.choice(1000, 2 * rows[0], replace=False)
        asked = [
            {"rank": rank, "index": int(i), "id": int(i), "pseudo_label": 0,
             "entropy": 0.5, "rank_entropy": 1.0, "total": 1.0,
             "label": int(dataset.train_labels[i])}
            for rank, i in enumerate(ids[: rows[0]])
        ]  # fmt: skip
        first = [
            {"index": int(i), "id": int(i), "label": int(dataset.train_labels[i])}
            for i in ids[rows[0] :]
        ]
        last = record.cycle == len(curves[record.seed]) - 1
        more = {
            "balanced_accuracy": 0.5,
            "test_loss": 1.0,
            "labeled_class_entropy": 2.0,
        }
        records.write(
            folder,
            record._replace(
                results=record.results | more,
                initial=[] if record.cycle else first,
                queries=[] if last else asked,
                diagnostics={"calibration_error": 0.125},
                recalls=[
                    {"class": k, "recall": 0.5 + k / 20, "support": 36}
                    for k in range(10)
                ],
                timings={"scoring": 1.0, "supervised": 2.0, "total": 3.0},
            ),
        )
        if not last:
            group = np.arange(40) % 3
            records.write_arrays(
                folder,
                record.seed,
                record.cycle,
                latents=generator.normal(size=(40, rows[1])).astype(np.float32),
                group=group.astype(np.int8),
                label=(np.arange(40) % 10).astype(np.int32),
                bought=group != 1,
            )
    return folder


FIVE = {
    0: [0.50, 0.60],
    1: [0.52, 0.64],
    2: [0.54, 0.62],
    3: [0.51, 0.66],
    4: [0.53, 0.63],
}


@pytest.fixture
def compared(tmp_path):
    """Five seeds of gmm and, always less by 0.02 and 0.04, of its reference."""
    folder = write_run(tmp_path / "run", "gmm", FIVE)
    lower = {seed: [a - 0.02, b - 0.04] for seed, (a, b) in FIVE.items()}
    write_run(folder / "reference", "random", lower)
    return report.load_run(folder)

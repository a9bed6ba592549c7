"""Folders of runs with known accuracies."""

import json

import pytest

from gmmal_jax import report
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

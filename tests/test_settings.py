"""Whole tiny runs: category mismatch, a test part that must not be read, clipping."""

import csv

import numpy as np
import pytest
import tiny

from gmmal_jax import config as configs, loop, opening
from gmmal_jax.data import sources
from gmmal_jax.storage import records, run_folder

VIEWS = (
    "initial.csv", "results.csv", "recall.csv", "queries.csv", "diagnostics.csv",
)  # fmt: skip


class Alert(loop.Silent):
    def note(self, text):
        raise AssertionError(text)


def execute(folder, **changes):
    config = tiny.config(**({"reference": "none", "cycles": 2} | changes))
    with opening.opened(config, folder, 1) as (prepared, _):
        loop.execute(prepared, Alert())
    return prepared


def rows(folder, name):
    with open(folder / f"{name}.csv") as file:
        return list(csv.DictReader(file))


def test_mismatch_copes_with_classes_that_nobody_labeled(tmp_path):
    """Masked components, EM's start, X_s, critic and query, over two cycles."""
    prepared = execute(tmp_path, setting="mismatch", **{"reg.alpha": 0.1})
    first = {int(row["label"]) for row in rows(tmp_path, "initial")}
    assert first and first <= set(range(7))
    network = prepared.arms[0].method.learner
    assert network.gives >= {"critic", "log_likelihood_labeled"}
    found = records.load(tmp_path)
    assert [record.results["labeled"] for record in found] == [20, 40]
    for record in found:
        assert np.isfinite(list(record.results.values())).all()
        wild = [k for k, v in record.diagnostics.items() if not np.isfinite(v)]
        assert not wild
        assert record.diagnostics["supervised/reg/gradient_ratio"] > 0
    queries = rows(tmp_path, "queries")
    assert len({row["index"] for row in queries}) == 20
    scores = ("likelihood_ratio", "critic", "entropy", "total")
    assert np.isfinite([[float(row[name]) for name in scores] for row in queries]).all()
    assert {int(row["label"]) for row in queries} - set(range(7))


class Unreadable:
    """Stands for the test part; its shape may be written down, no more."""

    def __init__(self, shape):
        self.shape = shape

    def _refuse(self, *args, **kwargs):
        raise AssertionError("the test part was read")

    __getattr__ = __getitem__ = __len__ = __iter__ = __array__ = _refuse


def test_validation_never_reads_the_test_part(tmp_path, monkeypatch):
    """With the method that evaluates most: critic and mixtures on held-out rows."""
    changes = {"eval": "validation", "cycles": 2}
    execute(tmp_path / "plain", **changes)
    digits = sources.load("digits")
    poisoned = digits._replace(
        test_images=Unreadable(digits.test_images.shape),
        test_labels=Unreadable(digits.test_labels.shape),
    )
    monkeypatch.setattr(sources, "load", lambda *args: poisoned)
    execute(tmp_path / "poisoned", **changes)
    for name in VIEWS:
        plain, other = (
            (tmp_path / f / name).read_bytes() for f in ("plain", "poisoned")
        )
        assert plain == other
    with pytest.raises(AssertionError, match="test part was read"):
        execute(tmp_path / "test", **(changes | {"eval": "test"}))


def test_a_clipped_run_writes_down_what_it_does(tmp_path):
    changes = {"method": "random", "clip_budget": True, "initial": 20, "budget": 250}
    prepared = execute(tmp_path, cycles=9, **changes)
    assert prepared.config.cycles == 2
    assert run_folder.read_config(tmp_path)["config"]["cycles"] == 2
    assert [r.results["labeled"] for r in records.load(tmp_path)] == [20, 270]
    again = opening.reopen(tmp_path, 1).run
    groups = prepared.arms[-1].method.groups  # no others are written down
    one, other = (configs.to_dict(run.config, groups) for run in (again, prepared))
    assert one == other


def test_given_moments_reach_the_network_and_the_record(tmp_path):
    config = tiny.config(**{"data.mean": (0.25,), "data.std": (0.5,)})
    prepared = opening.start(config, tmp_path, 1)
    assert run_folder.read_config(tmp_path)["data"]["mean"] == [0.25]
    own = sources.load("digits")
    assert prepared.dataset.mean == (0.25,) != own.mean
    assert prepared.dataset.std == (0.5,) != own.std
    assert prepared.dataset.checksum == own.checksum

"""A run from Python: what `run` does in a folder, and what `load` reads there."""

import csv
import signal
from importlib import metadata

import numpy as np
import pytest
import tiny

import gmmal_jax
from gmmal_jax import loop
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.phases import diagnosis

TABLES = ("results", "recall", "queries", "diagnostics", "initial")


def config(**changes):
    return tiny.config(method="entropy", cycles=2, **changes)


class Chunks(loop.Silent):
    """Keeps the chunks of steps, the rows and the news."""

    def __init__(self):
        self.chunks, self.rows, self.notes = [], [], []

    def note(self, text):
        self.notes.append(text)

    def progress(self, arm, seed, cycle, chunk):
        self.chunks.append(chunk)

    def row(self, arm, record):
        self.rows.append((arm, record.cycle))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("done") / "run"
    report = Chunks()
    return gmmal_jax.run(config(), folder, report, num_devices=1), report


def assert_equal(one, other):
    assert one.config == other.config
    for name in TABLES:
        ours, theirs = getattr(one, name), getattr(other, name)
        assert list(ours) == list(theirs)
        for column in ours:
            np.testing.assert_array_equal(ours[column], theirs[column])


def test_columns_are_those_of_the_tables(done):
    loaded, _ = done
    assert (loaded.label, loaded.reference.label) == ("entropy", "random")
    for arm, folder in (
        (loaded, loaded.folder),
        (loaded.reference, loaded.folder / "reference"),
    ):
        for name in TABLES:
            with open(folder / f"{name}.csv", newline="") as file:
                head, *rows = csv.reader(file)
            columns = getattr(arm, name)
            assert list(columns) == head
            read = np.array(rows, np.float64).T
            np.testing.assert_array_equal(np.stack(list(columns.values())), read)
    assert loaded.results["labeled"].dtype == np.int64
    assert loaded.results["accuracy"].dtype == np.float64
    assert loaded.reference.config.method == "random"
    assert_equal(gmmal_jax.load(loaded.folder), loaded)


def test_a_reporter_is_told_of_chunks_and_rows(done):
    _, report = done
    assert report.rows == [(a, c) for c in range(2) for a in ("random", "entropy")]
    first = report.chunks[0]
    assert (first.phase, first.name, first.step, first.num_steps) == (
        0, "supervised", 2, 4,
    )  # fmt: skip
    assert first.images == 20 and np.isfinite(first.metrics["loss"])


def test_a_run_that_is_done_is_read_again(done):
    loaded, _ = done
    report = Chunks()
    again = gmmal_jax.run(config(), str(loaded.folder), report, num_devices=1)
    assert not report.chunks and len(report.rows) == 4
    assert_equal(again, loaded)


def test_a_folder_of_another_run_is_refused(done):
    folder = done[0].folder
    with pytest.raises(UserError, match="another run.*--budget is 20 there, 30 here"):
        gmmal_jax.run(config(budget=30), folder, num_devices=1)
    with pytest.raises(UserError, match="this very run.*gmmal resume"):
        gmmal_jax.run(config(), folder, num_devices=1, resume=False)


def test_a_stopped_run_goes_on(done, tmp_path):
    answers = [None] * 4 + [signal.SIGTERM]  # in the reference's second cycle
    with pytest.raises(Interrupted):
        gmmal_jax.run(config(), tmp_path, num_devices=1, stop=lambda: answers.pop(0))
    one = gmmal_jax.load(tmp_path)
    assert one.results["cycle"].tolist() == [0]
    assert one.reference.results["cycle"].tolist() == [0]
    assert_equal(gmmal_jax.run(config(), tmp_path, num_devices=1), done[0])


def test_a_folder_without_a_finished_cycle_is_refused(tmp_path):
    with pytest.raises(UserError, match="no run in folder"):
        gmmal_jax.load(tmp_path)
    with pytest.raises(Interrupted):
        gmmal_jax.run(config(), tmp_path, num_devices=1, stop=lambda: signal.SIGINT)
    with pytest.raises(UserError, match="no finished cycle"):
        gmmal_jax.load(tmp_path)


def test_an_unusable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to the folder"):
        gmmal_jax.run(config(), tmp_path / "file" / "run", num_devices=1)


def test_the_public_names():
    assert len(gmmal_jax.__all__) == 10
    for name in gmmal_jax.__all__:
        assert getattr(gmmal_jax, name) is not None
    assert gmmal_jax.__version__ == metadata.version("gmmal_jax")
    assert callable(gmmal_jax.run) and gmmal_jax.run is loop.run
    assert isinstance(loop.Silent(), loop.Reporter)


def test_numbers_that_deserve_distrust_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(diagnosis, "doubts", lambda numbers: [f"{len(numbers)} x"])
    report = Chunks()
    one = {"method": "entropy", "cycles": 1, "reference": "none"}
    gmmal_jax.run(tiny.config(**one), tmp_path / "run", report, num_devices=1)
    assert len(report.notes) == 1 and report.notes[0].startswith("cycle 0, seed ")

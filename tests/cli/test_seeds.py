"""Seeds side by side against one after the other, on a core each."""

import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest
from crew import OPTIONS, features

from gmmal_jax.cli import main as cli, seeds
from gmmal_jax.errors import UserError

CORES = sorted(os.sched_getaffinity(0))
MORE = ["--method", "margin", "--seeds", "0", "1", "2", "--reference", "random"]
two_cores = pytest.mark.skipif(len(CORES) < 2, reason="this machine has one core")


def start(folder, words, cores=CORES):
    environment = processes.environment(cache=None, JAX_PLATFORMS="cpu")
    return subprocess.Popen(
        [sys.executable, "-m", "gmmal_jax", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        cwd=folder, preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip


def words(folder, *more):
    data = f"features:{features(folder)}"
    return ["run", "--dataset", data, "--out", "run", *OPTIONS, *MORE, *more]


def tables(folder):
    tables = ("results", "recall", "queries", "initial", "diagnostics")
    places = (folder / "run", folder / "run/reference")
    return [(place / f"{name}.csv").read_bytes() for place in places for name in tables]


@two_cores
def test_seeds_side_by_side_are_those_one_after_the_other(tmp_path):
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    for folder in (alone, beside):
        folder.mkdir()
    done = start(alone, words(alone), {CORES[0]})
    said, _ = done.communicate(timeout=240)
    assert done.returncode == 0, said
    stopped = start(beside, words(beside, "--parallel-seeds", "2"))
    while not (beside / "run/records/seed-001/cycle-00.json").exists():
        assert stopped.poll() is None, stopped.communicate()[0]
        time.sleep(0.02)
    stopped.send_signal(signal.SIGTERM)
    said, _ = stopped.communicate(timeout=240)
    assert stopped.returncode == 128 + signal.SIGTERM, said
    assert "saved; go on with: gmmal resume run" in said
    again = start(beside, ["resume", "run", "--parallel-seeds", "2"])
    said, _ = again.communicate(timeout=240)
    assert again.returncode == 0, said
    assert "note:" not in said and "results: run" in said
    assert tables(beside) == tables(alone)


def test_more_than_there_are_cores_are_refused(tmp_path):
    many = str(len(CORES) + 1)
    process = start(tmp_path, words(tmp_path, "--parallel-seeds", many))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"--parallel-seeds: {many}; this machine has {len(CORES)} cores" in said
    assert not (tmp_path / "run").exists()


def works_in_a_session_of_its_own(child):
    """It runs Python, and long enough to have imported JAX."""
    status = Path(f"/proc/{child}/status").read_text()
    threads = next(line for line in status.splitlines() if line.startswith("Threads"))
    return os.getsid(int(child)) == int(child) and int(threads.split()[1]) > 3


@two_cores
def test_whoever_starts_them_takes_them_along(tmp_path):
    """Killed by -9 it leaves nobody behind that would go on in the folder."""
    long = ["--train.steps", "100000", "--parallel-seeds", "2"]
    process, children = start(tmp_path, words(tmp_path, *long)), []
    while len(children) < 2 or not all(map(works_in_a_session_of_its_own, children)):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
        # Threads start processes, too.
        listed = Path(f"/proc/{process.pid}/task").glob("*/children")
        children = [child for each in listed for child in each.read_text().split()]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}/exe").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"parallel-seeds": ["0"]}, "a whole number from 1 on"),
        ({"parallel-seeds": ["two"]}, "a whole number from 1 on"),
        ({"parallel-seeds": ["2"], "distributed": []}, "not together with"),
        ({"parallel-seeds": ["2"], "distributed": ["true"]}, "not together with"),
    ],
)
def test_impossible_numbers_are_one_line(given, line):
    with pytest.raises(UserError, match=line):
        seeds.wanted(given)


class Ended:
    """A process of some seeds that has ended.

    Args:
      code: with which.
    """

    def __init__(self, code):
        self.poll = self.wait = lambda: code


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [((0, 1), 1), ((1, 143), 1), ((1, 1), 1), ((1, 2), 2), ((0, 2), 2), ((-9, 1), 2)],
)
def test_seeds_that_diverge_end_with_the_code_of_one_that_does(
    codes, wanted, monkeypatch, capsys
):
    crew = object.__new__(seeds._Crew)
    crew.messages, crew.members = queue.Queue(), [Ended(code) for code in codes]
    for _ in codes:
        crew.messages.put({"kind": "ended"})
    verb = cli.VERBS["methods"]._replace(run=lambda parsed: crew.show(None, int))
    monkeypatch.setitem(cli.VERBS, "methods", verb)
    assert cli.main(["methods"]) == wanted
    assert "seeds ended with code: " in capsys.readouterr().err


def test_not_distributed_is_no_obstacle():
    assert seeds.wanted({"parallel-seeds": ["2"], "distributed": ["False"]}) == 2

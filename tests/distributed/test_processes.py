"""Two real processes on loopback against one of two devices; losses; other layouts."""

import os
import shutil
import signal
import time

import numpy as np
import pytest
from crew import HEARTBEAT, Crew, tables

LIGHT = ("--method", "margin")
"""Compiles in seconds."""


def alone(folder, *more, tight=False):
    """What one process with two devices makes, never stopped."""
    folder.mkdir()
    crew = Crew.runs(folder, *more, count=1, devices=2, tight=tight)
    assert crew.codes() == [0], crew.said()
    return tables(folder)


def test_a_pair_stopped_and_taken_up_is_one_process_of_two_devices(tmp_path):
    whole = alone(tmp_path / "alone")
    crew = Crew.runs(tmp_path)
    crew.until_recorded(0)
    os.kill(crew.members[1].pid, signal.SIGTERM)  # one is told: both stop
    assert crew.codes() == [128 + signal.SIGTERM] * 2, crew.said()
    assert "saved; go on with: gmmal resume run" in crew.logs[0].read_text()
    again = Crew.resumes(tmp_path)
    assert again.codes() == [0, 0], again.said()
    assert tables(tmp_path) == whole


def test_a_pair_that_cannot_hold_its_pool_is_one_process_of_two_devices(tmp_path):
    crew = Crew.runs(tmp_path, *LIGHT, tight=True)
    assert crew.codes() == [0, 0], crew.said()
    assert tables(tmp_path) == alone(tmp_path / "alone", *LIGHT, tight=True)
    pictures = "run/records/seed-000/cycle-00.npz"
    own, other = (np.load(place / pictures) for place in (tmp_path, tmp_path / "alone"))
    assert own["latents"].shape[0] == 240
    for name in other.files:
        assert own[name].tobytes() == other[name].tobytes(), name


WITHIN_A_SUM = None
"""Killed within a chunk of the second cycle, whose sums go over both processes."""


@pytest.mark.parametrize(
    ("lost", "how"),
    [(0, signal.SIGKILL), (1, WITHIN_A_SUM), (1, signal.SIGSTOP)],
    ids=["first-killed", "second-killed-within-a-sum", "second-frozen"],
)
def test_whoever_loses_another_ends_in_time_and_nothing_is_lost(tmp_path, lost, how):
    dies = (lost, 15) if how is WITHIN_A_SUM else None
    crew = Crew.runs(tmp_path, *LIGHT, dies=dies)
    try:
        if how is WITHIN_A_SUM:
            assert crew.members[lost].wait(timeout=240) == -signal.SIGKILL, crew.said()
        else:
            crew.until_recorded(0)
            os.kill(crew.members[lost].pid, how)
        began = time.monotonic()
        code = crew.members[1 - lost].wait(timeout=10 * HEARTBEAT)
        took = time.monotonic() - began
    finally:
        crew.kill()
    assert code != 0 and took < 2 * HEARTBEAT, crew.said()
    assert "if one is lost, go on with: gmmal resume run" in crew.said()
    if lost == 0:
        again = Crew.resumes(tmp_path)
        assert again.codes() == [0, 0], again.said()
        assert tables(tmp_path) == alone(tmp_path / "alone", *LIGHT)


def test_what_eight_devices_saved_a_pair_takes_up(tmp_path):
    crew = Crew.runs(tmp_path, count=1, devices=8)
    crew.until_recorded(0)
    os.kill(crew.members[0].pid, signal.SIGTERM)
    assert crew.codes() == [128 + signal.SIGTERM], crew.said()
    first = tables(tmp_path)["results.csv"].splitlines()
    again = Crew.resumes(tmp_path)
    assert again.codes() == [0, 0], again.said()
    assert "devices was 8, is 2: results agree to rounding only" in again.said()
    results = tables(tmp_path)["results.csv"].splitlines()
    assert results[: len(first)] == first and len(results) == 1 + 4
    accuracy = [float(line.split(b",")[3]) for line in results[1:]]
    assert np.all(np.isfinite(accuracy))


def test_what_eight_devices_saved_fewer_take_up(tmp_path):
    (tmp_path / "eight").mkdir()
    crew = Crew.runs(tmp_path / "eight", count=1, devices=8)
    crew.until_recorded(0)
    os.kill(crew.members[0].pid, signal.SIGTERM)
    assert crew.codes() == [128 + signal.SIGTERM], crew.said()
    first = tables(tmp_path / "eight")["results.csv"].splitlines()
    for devices in (1, 2, 4):
        folder = tmp_path / str(devices)
        shutil.copytree(tmp_path / "eight", folder)
        again = Crew.resumes(folder, count=1, devices=devices)
        assert again.codes() == [0], again.said()
        assert f"devices was 8, is {devices}: results agree" in again.said()
        results = tables(folder)["results.csv"].splitlines()
        assert results[: len(first)] == first and len(results) == 1 + 4


def test_who_cannot_go_on_ends_all(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{")
    crew = Crew.resumes(tmp_path)
    assert crew.codes() == [2, 2], crew.said()
    assert "not valid JSON" in crew.logs[0].read_text()
    assert "another process could not go on" in crew.logs[1].read_text()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--processes", "2"], "--processes; it goes with --distributed"),
        (["--distributed", "yes"], "--distributed: 'yes'; use true or false"),
        (["--distributed", "true"], "give --coordinator HOST:PORT, --processes and"),
        (["--distributed", "--coordinator", "here"], "write HOST:PORT"),
        (["--distributed", "--processes", "0"], "a whole number from 1 on"),
        (["--distributed"], "give --coordinator HOST:PORT, --processes and --process"),
    ],
)
def test_bad_options_are_one_line(tmp_path, words, line):
    crew = Crew(tmp_path, ["run", *words], count=1)
    assert crew.codes() == [2]
    assert line in crew.said() and len(crew.said().splitlines()) <= 2, crew.said()

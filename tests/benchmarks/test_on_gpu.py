"""The command for a borrowed GPU, rehearsed: killed, gone on with, failing in part."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from processes import environment

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPT = FOLDER / "on_gpu.py"
PARTS = (
    "environment", "numerics", "resume", "supervised", "alternating", "profile", "em",
    "cycle", "compile", "training", "cycles",
)  # fmt: skip


@pytest.fixture
def on_gpu(load):
    return load("on_gpu")


def command(folder, *more):
    return [sys.executable, str(SCRIPT), "--dry-run", "--work", str(folder), *more]


def records(folder):
    found = sorted((folder / "records-dry").glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in found}


def alive(session):
    """Processes of a session, by what Linux tells; none where it does not."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_every_part_is_rehearsed_and_what_is_on_record_survives_a_kill(tmp_path):
    """Whole: the slowest test here; nothing else runs all parts' code."""
    process = subprocess.Popen(
        command(tmp_path), stdout=subprocess.PIPE, text=True, start_new_session=True,
        env=environment(cache=None, JAX_PLATFORMS="cpu"),
    )  # fmt: skip
    while process.stdout.readline() != "resume: toy size\n":
        assert process.poll() is None
    children = [
        int(pid)
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children")
        .read_text()
        .split()
    ]
    process.kill()
    process.wait()
    before = records(tmp_path)
    assert list(before) == ["environment", "numerics"]
    deadline = time.monotonic() + 20
    while any(alive(child) for child in children):  # a worker outlives no command
        assert time.monotonic() < deadline
        time.sleep(0.1)

    done = subprocess.run(
        command(tmp_path, "--minutes", "10"),
        capture_output=True,
        text=True,
        env=environment(cache=None, JAX_PLATFORMS="cpu"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(tmp_path)
    assert set(found) == set(PARTS)
    assert {record["status"] for record in found.values()} == {"ok"}
    assert {name: found[name] for name in before} == before
    assert "environment: on record\nnumerics: on record\nresume: toy" in done.stdout
    for name in PARTS:  # the table at the end
        assert f"\n{name:<12}" in done.stdout
    assert found["training"]["results"]["rows"][0]["scale"] == "toy"
    whole = found["cycles"]["results"]
    assert [row["arm"] for row in whole["rows"]] == ["random", "gmm"] * 2
    assert [row["labeled"] for row in whole["rows"]] == ["20"] * 2 + ["40"] * 2
    assert whole["left"] == 0 and (tmp_path / "records-dry" / "cycles.npz").exists()


def python(script, log):
    """A worker's stand-in."""
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=log,
        text=True, start_new_session=True,
    )  # fmt: skip


def arguments(folder, **changes):
    given = {
        "dry_run": True, "data": None, "out": folder, "work": folder, "peer": [],
        "only": None, "minutes": 5.0,
    }  # fmt: skip
    return argparse.Namespace(**(given | changes))


def test_a_part_that_fails_is_recorded_with_its_reason(on_gpu, load, tmp_path):
    worker, folder = load("gpu_parts.worker"), str(tmp_path)
    ends = time.monotonic() + 100
    job = worker.Job(["training"], "full", ends, None, folder, folder, {})
    worker.measure(job, "training")
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["status"] == "failed" and "--data" in record["headline"]
    assert any("FileNotFoundError" in line for line in record["log"])
    assert "failed: FileNotFoundError" in on_gpu.records.table(tmp_path)


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("sys.exit(3)", "its process ended with code 3: out of luck"),
        ("os.kill(os.getpid(), 9)", "stopped: stuck, or out of memory"),
    ],
)
def test_a_part_that_takes_its_process_along_does_not_stop_the_next(
    on_gpu, tmp_path, monkeypatch, capsys, death, reason
):
    asked = []

    def start(args, names, ends, log):
        asked.append(names)
        end = death if len(asked) == 1 else "sys.exit(0)"
        script = (
            "import os, sys; print('out of luck', file=sys.stderr);"
            f"print('begin {names[0]}', flush=True); {end}"
        )
        if len(asked) == 2:
            on_gpu.records.write(
                tmp_path, names[0], {"status": "ok", "headline": "well"}
            )
            script = f"print('begin {names[0]}'); print('end {names[0]}')"
        return python(script, log)

    monkeypatch.setattr(on_gpu, "_start", start)
    monkeypatch.setattr(on_gpu.records, "table", lambda out: "")
    args = arguments(tmp_path, only=["numerics", "em"])
    assert on_gpu._all(args) == 1
    assert asked == [["numerics", "em"], ["em"]]
    failed = json.loads((tmp_path / "numerics.json").read_text())
    assert (failed["status"], failed["headline"]) == ("failed", reason)
    assert "em: well" in capsys.readouterr().out


def test_time_that_is_up_leaves_the_part_for_the_next_call(
    on_gpu, tmp_path, monkeypatch
):
    def start(args, names, ends, log):
        script = f"import time; print('begin {names[0]}', flush=True); time.sleep(60)"
        return python(script, log)

    monkeypatch.setattr(on_gpu, "_start", start)
    monkeypatch.setattr(on_gpu.records, "table", lambda out: "")
    monkeypatch.setattr(on_gpu.worker, "SHORTEST", 0.0)
    args = arguments(tmp_path, only=["em"], minutes=2 / 60)
    assert on_gpu._all(args) == 0
    # So it is run again.
    assert on_gpu.records.status(tmp_path, "em") == on_gpu.records.UNFINISHED


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "nowhere.npz"], "--data: no such file: 'nowhere.npz'"),
        (["--peer", "flash"], "use NAME=MODULE:FUNCTION"),
    ],
)
def test_wrong_options_are_one_line(on_gpu, tmp_path, capsys, options, said):
    assert on_gpu.main(["--work", str(tmp_path / "w"), *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def tf32(values):
    """As a tensor core reads them: ten bits after the point."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32)


@pytest.mark.parametrize("check", ["likelihoods", "penalties"])
def test_a_leak_of_tf32_would_be_seen(load, check):
    measure = getattr(load("gpu_parts.numerics"), check)
    error, bound = measure(lambda values: values)
    assert error <= bound / 4
    error, bound = measure(tf32)
    assert error > bound


def test_kernels_are_summed_by_name(load, monkeypatch, tmp_path):
    profile = load("gpu_parts.kernels")
    (tmp_path / "a.xplane.pb").touch()

    class Event:
        def __init__(self, name, duration_ns):
            self.name, self.duration_ns = name, duration_ns

    def line(name, *events):
        return argparse.Namespace(name=name, events=[Event(*e) for e in events])

    streams = line("Stream #13", ("conv", 6e6), ("norm", 1e6), ("conv", 2e6))
    modules = line("XLA Modules", ("jit_run", 9e6))
    device = argparse.Namespace(name="/device:GPU:0", lines=[streams, modules])
    host = argparse.Namespace(name="/host:CPU", lines=[line("tf_XLA", ("x", 1e9))])
    data = argparse.Namespace(planes=[host, device])
    reader = argparse.Namespace(from_file=lambda path: data)
    monkeypatch.setattr(profile.jax.profiler, "ProfileData", reader)
    found = profile.reduced(tmp_path, chunk=2)
    assert found["busy_milliseconds_a_step"] == pytest.approx(4.5)
    assert found["launches_a_step"] == pytest.approx(1.5)
    first = found["kernels"][0]
    assert first["name"] == "conv" and first["share"] == pytest.approx(8 / 9)
    assert first["milliseconds_a_step"] == pytest.approx(4)

"""Disks that fill and folders that turn read-only while a run writes: real ones."""

import subprocess
import sys

import pytest
from processes import environment
from test_cli import TINY

ALLOWED = subprocess.run(
    ["unshare", "-m", "sh", "-c", 'd=$(mktemp -d) && mount -t tmpfs none "$d"'],
    capture_output=True,
).returncode
"""In a mount namespace of its own, so nothing has to be unmounted."""
pytestmark = pytest.mark.skipif(
    ALLOWED != 0, reason="no mounts of our own: unshare -m is not allowed here"
)
VIEWS = ("initial.csv", "results.csv", "queries.csv", "diagnostics.csv")
SCRIPT = """
import importlib, subprocess, sys
from pathlib import Path
from gmmal_jax.cli import main as cli

disk, straight, module, name, what, options = (*sys.argv[1:6], sys.argv[6:])
disk, straight = Path(disk), Path(straight)
folder, filler = disk / "run", disk / "filler"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", disk], check=True)
owner = importlib.import_module(module)
original, calls = getattr(owner, name), []

def trouble(*args, **kwargs):
    calls.append(name)
    if len(calls) == 2:
        if what == "full":
            with open(filler, "wb", 0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
        else:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    return original(*args, **kwargs)

setattr(owner, name, trouble)
print("CODE", cli.main(["run", *options, "--out", str(folder)]), flush=True)
setattr(owner, name, original)
if what == "full":
    filler.unlink()
else:
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
print("RESUMED", cli.main(["resume", str(folder)]), flush=True)
for view in VIEWS:
    assert (folder / view).read_bytes() == (straight / view).read_bytes(), view
print("EQUAL")
"""
SCRIPT = f"VIEWS = {VIEWS}{SCRIPT}"
OPTIONS = [*TINY, "--reference", "none", "--query", "entropy", "--learn", "ce",
           "--checkpoint.every-seconds", "0"]  # fmt: skip


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight") / "run"
    command = [sys.executable, "-m", "gmmal_jax", "run", *OPTIONS, "--out", folder]
    subprocess.run(
        command, env=environment(JAX_PLATFORMS="cpu"), check=True, capture_output=True
    )
    return folder


CACHES = ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
ON_A_DISK = """
import os, subprocess, sys
from gmmal_jax.cli import main as cli

disk, what, name, below, args = (*sys.argv[1:5], sys.argv[5:])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
if what == "full":
    with open(os.path.join(disk, "filler"), "wb", 0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
else:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
for other in ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME"):
    os.environ.pop(other, None)
os.environ[name] = os.path.join(disk, below)
os.chdir(disk)
sys.exit(cli.main(args))
"""


@pytest.mark.parametrize("what", ["full", "read-only"])
@pytest.mark.parametrize("below", ["", "new/folder"])
@pytest.mark.parametrize("name", CACHES)
def test_the_doctor_ends_in_a_report(name, below, what, tmp_path):
    places = [str(tmp_path), what, name, below, "doctor"]
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", ON_A_DISK, *places],
        env=environment(JAX_PLATFORMS="cpu"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and not done.stderr, done.stdout + done.stderr
    reason = "No space left on device" if what == "full" else "Read-only file system"
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"LOOK compilation cache {tmp_path}") and reason in last


@pytest.mark.parametrize("what", ["full", "read-only"])
def test_a_run_does_without_a_cache_that_has_no_place(what, tmp_path):
    disk, folder = tmp_path / "disk", tmp_path / "run"
    disk.mkdir()
    places = [str(disk), what, "JAX_COMPILATION_CACHE_DIR", "", "run"]
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", ON_A_DISK, *places, *OPTIONS,
         "--cycles", "1", "--out", str(folder)],
        env=environment(JAX_PLATFORMS="cpu"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    assert done.stdout.count("compiled programs are not kept") == 1


@pytest.mark.parametrize("what", ["full", "read-only"])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("gmmal_jax.storage.checkpoint", "save"),
        ("gmmal_jax.storage.records", "write"),
        ("gmmal_jax.storage.records", "write_views"),
    ],
)
def test_it_is_a_line_and_nothing_is_lost(module, name, what, tmp_path, straight):
    command = ["unshare", "-m", sys.executable, "-c", SCRIPT]
    places = [str(tmp_path), str(straight), module, name, what]
    done = subprocess.run(
        [*command, *places, *OPTIONS],
        env=environment(JAX_PLATFORMS="cpu"),
        capture_output=True,
        text=True,
    )
    assert "CODE 2" in done.stdout, done.stdout + done.stderr
    error = done.stderr
    assert error.startswith("gmmal: ") and error.count("\n") == 1, error
    assert "gmmal resume" in error and str(tmp_path) in error
    reason = "no space left" if what == "full" else "read-only file system"
    assert reason in error.lower()
    assert "RESUMED 0\nEQUAL" in done.stdout, done.stdout


@pytest.mark.parametrize("what", ["full", "read-only"])
def test_a_picture_that_finds_no_place_is_a_line(what, tmp_path, straight):
    """The run is done: only the picture is lost, and drawn again by `report`."""
    script = SCRIPT.replace("len(calls) == 2", "len(calls) == 1")
    places = [str(tmp_path), str(straight), "gmmal_jax.report.canvas", "save", what]
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", script, *places, *OPTIONS],
        env=environment(JAX_PLATFORMS="cpu"), capture_output=True, text=True,
    )  # fmt: skip
    assert "CODE 0" in done.stdout and not done.stderr, done.stdout + done.stderr
    assert done.stdout.count("no learning curve: ") == 1
    assert "RESUMED 0\nEQUAL" in done.stdout, done.stdout

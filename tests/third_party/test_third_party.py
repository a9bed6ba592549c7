"""A package of somebody else: built, installed, run, resumed, reported, without it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from gmmal_jax.cli import main as cli

ROOT = Path(__file__).parent.parent.parent
SOURCE = Path(__file__).parent / "gmmal_tiny"
TINY = [
    "--method", "doubt", "--model", "plain", "--width", "2", "--cycles", "2",
    "--train.steps", "4",
    "--train.chunk-steps", "2", "--train.batch-size", "10", "--da.steps", "4",
    "--da.refit-every", "2", "--data.class-cap", "8",
]  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package's sources, outside of ours."""
    return shutil.copytree(SOURCE, tmp_path_factory.mktemp("source") / "package")


@pytest.fixture(scope="module")
def installed(copy, tmp_path_factory):
    """The folder that pip installs the package to, offline."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    more = ["--no-index", "--quiet", "--target", str(folder), str(copy)]
    done = subprocess.run([*pip, *more], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}\nis the test extra installed?"
    return folder


@pytest.fixture
def there(installed, monkeypatch):
    """This process, with the package."""
    monkeypatch.syspath_prepend(installed)
    yield
    for name in [name for name in sys.modules if name.startswith("gmmal_tiny")]:
        del sys.modules[name]


def python(*args, installed, devices=1):
    """Run Python with the package, on so many devices that compile in no time."""
    paths = [str(installed), str(ROOT), os.environ.get("PYTHONPATH", "")]
    flags = (
        f"--xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    )
    told = environment(
        cache="children" if devices == 1 else None,
        JAX_PLATFORMS="cpu", XLA_FLAGS=flags, PYTHONPATH=os.pathsep.join(paths),
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True, text=True, env=told,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(installed, tmp_path_factory):
    """The folder of a run of its method."""
    folder = tmp_path_factory.mktemp("runs") / "doubt"
    args = ("-m", "gmmal_jax", "run", "--out", str(folder), *TINY)
    done = python(*args, installed=installed)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_runs_by_its_name_and_with_its_settings(run):
    saved = json.loads((run / "config.json").read_text())
    assert saved["label"] == "doubt"
    assert saved["config"]["select"]["subset_size"] == 200
    assert saved["versions"]["gmmal-tiny"] == "1.0"
    with open(run / "queries.csv", newline="") as file:
        assert "doubt" in next(csv.reader(file))
    reference = json.loads((run / "reference" / "config.json").read_text())
    assert reference["config"]["select"]["subset_size"] is None
    assert reference["versions"]["gmmal-tiny"] == "1.0"  # the network's


def test_it_resumes_to_the_same_tables(run, installed, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    last = sorted((copy / "records").rglob("*"))[-1]
    last.unlink()
    done = python("-m", "gmmal_jax", "resume", str(copy), installed=installed)
    assert done.returncode == 0, done.stderr
    assert "was" not in done.stdout  # nothing changed since
    assert last.exists()
    for name in ("results.csv", "queries.csv", "initial.csv", "diagnostics.csv"):
        assert (copy / name).read_bytes() == (run / name).read_bytes(), name


def test_resume_without_the_package_names_it(run, capsys):
    assert cli.main(["resume", str(run)]) == 2
    line = capsys.readouterr().err
    assert "needs a package: 'gmmal-tiny 1.0'; install it, then resume" in line


def test_a_run_without_the_package_names_what_there_is(capsys):
    assert cli.main(["run", *TINY]) == 2
    line = capsys.readouterr().err
    assert "--model: 'plain';" in line and "use one of small, resnet18" in line
    assert cli.main(["run", *TINY, "--model", "small"]) == 2
    assert "--method: 'doubt'; use one of gmm, random" in capsys.readouterr().err


def test_it_is_reported_without_the_package(run, capsys):
    assert cli.main(["report", str(run)]) == 0
    assert "doubt - random" in capsys.readouterr().out


def test_it_is_listed(there, capsys):
    assert cli.main(["methods"]) == 0
    line, what = (
        line for line in capsys.readouterr().out.splitlines() if "doubt" in line
    )
    assert "its own" in line and "an example of a package" in what
    assert cli.main(["doctor"]) == 0
    found = capsys.readouterr().out
    assert "ok   method doubt: gmmal-tiny 1.0" in found
    assert "ok   network plain: gmmal-tiny 1.0" in found


def test_its_parts_go_with_ours(there):
    from gmmal_jax import methods

    for option, label in (("--learn", "doubt+gmm"), ("--query", "ce+doubt")):
        other = {"--learn": ["--query", "gmm"], "--query": ["--learn", "ce"]}[option]
        config = cli.parse_run([option, "doubt", *other])
        assert methods.label(config) == label


def test_it_passes_our_checks_in_its_own_tests(copy, installed):
    """The checks that `gmmal_jax.testing` offers to everybody."""
    args = ("-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy))
    done = python(*args, installed=installed, devices=2)
    assert done.returncode == 0, done.stdout[-3000:]

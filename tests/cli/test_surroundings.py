"""Machines and folders that are not as we would like them: a line, never a trace."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from processes import environment
from test_cli import TINY

from gmmal_jax.cli import main as cli, run
from gmmal_jax.storage import saver


def gmmal(*args, **env):
    """A process of its own: (exit code, standard output, standard error)."""
    done = subprocess.run(
        [sys.executable, "-m", "gmmal_jax", *map(str, args)],
        env=environment(**{"JAX_PLATFORMS": "cpu"} | env),
        capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("asked", ["cuda", "gpu", "cdua", "tpu"])
def test_devices_that_are_not_there_are_one_line(asked, tmp_path):
    options = [*TINY, "--out", tmp_path / "run"]
    code, _, error = gmmal("run", *options, JAX_PLATFORMS=asked)
    assert code == 2 and error.count("\n") == 1, error
    assert f"JAX_PLATFORMS: no such device: '{asked}'" in error
    assert "this installation has cpu" in error and "pip install" in error
    assert not (tmp_path / "run").exists()


def test_the_doctor_ends_in_a_report_without_devices():
    code, out, error = gmmal("doctor", JAX_PLATFORMS="cuda")
    assert code == 1 and "Traceback" not in error
    assert "LOOK JAX_PLATFORMS: no such device: 'cuda'" in out
    assert "compilation cache" in out.splitlines()[-1]


def test_python_is_told_of_devices_in_a_line_too(tmp_path):
    script = (
        "import gmmal_jax\n"
        "try: gmmal_jax.run(gmmal_jax.preset('digits'), 'run')\n"
        "except gmmal_jax.UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(JAX_PLATFORMS="cuda"),
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert "no such device: 'cuda'" in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())


def homeless(monkeypatch):
    for name in ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(run.Path, "home", _no_home)


def _no_home():
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_folder_programs_are_not_kept(monkeypatch, capsys):
    homeless(monkeypatch)
    assert run.cache_folder() is None
    assert cli.main(["doctor"]) == 1
    assert "LOOK no home folder: compiled programs are not kept" in (
        capsys.readouterr().out
    )
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert run.cache_folder() == "/elsewhere/gmmal_jax/compiled"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/given")
    assert run.cache_folder() == "/given"


@pytest.mark.parametrize("home", [None, "file"])
def test_a_run_does_without_a_cache(home, tmp_path, monkeypatch, capsys):
    import jax

    before = jax.config.jax_compilation_cache_dir
    homeless(monkeypatch)
    if home:
        (tmp_path / home).write_text("no folder")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
    options = ["--out", str(tmp_path / "run"), "--reference", "none", "--learn", "ce"]
    try:
        assert cli.main(["run", *TINY, "--query", "random", *options]) == 0
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    out = capsys.readouterr().out
    assert out.count("compiled programs are not kept") == 1


def test_a_run_on_equal_pictures_ends_well_without_a_map(tmp_path, capsys):
    """Black pictures: all latents are equal, over which t-SNE ended the interpreter."""
    black = {"x": np.zeros((24, 8, 8, 1), np.uint8), "y": np.arange(24) % 3}
    arrays = {f"{k}_{part}": v for part in ("train", "test") for k, v in black.items()}
    np.savez(tmp_path / "black.npz", **arrays)
    folder = tmp_path / "run"
    few = ["--initial", "6", "--budget", "3", "--gmm.shard-size", "8"]
    own = ["--model", "small", "--data.pad", "1", "--reference", "none", *few]
    options = [*TINY, *own, "--dataset", f"npz:{tmp_path / 'black.npz'}"]
    assert cli.main(["run", *options, "--out", str(folder)]) == 0
    said = "no map of the latents: latent map: all latents are equal, rows: 24"
    assert said in capsys.readouterr().out
    assert (folder / "figures" / "learning_curve.png").exists()
    assert not (folder / "figures" / "latents.png").exists()
    assert cli.main(["report", str(folder)]) == 0
    assert said in capsys.readouterr().out


def pictures(path):
    generator = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "test"):
        arrays[f"y_{part}"] = np.arange(60) % 3
        noise = generator.integers(0, 99, (60, 8, 8, 1))
        arrays[f"x_{part}"] = (noise + 70 * (np.arange(60) % 3)[:, None, None, None]
                               ).astype(np.uint8)  # fmt: skip
    np.savez(path, **arrays)


SMALL = ["--model", "small", "--data.pad", "1", "--reference", "none", "--learn", "ce",
         "--query", "entropy", "--initial", "6", "--budget", "3"]  # fmt: skip


def test_a_run_goes_on_from_any_folder(tmp_path, monkeypatch, capsys):
    """Relative paths are those of the folder where it began."""
    at, other = tmp_path / "here", tmp_path / "there"
    at.mkdir(), other.mkdir()
    monkeypatch.chdir(at)
    pictures("data.npz")
    options = [*TINY, *SMALL, "--dataset", "npz:data.npz", "--out", "run"]

    def stop(*args):
        signal.raise_signal(signal.SIGINT)
        return False

    with monkeypatch.context() as patch:
        patch.setattr(saver.Saver, "is_due", stop)
        assert cli.main(["run", *options]) == 130
    saved = json.loads((at / "run" / "config.json").read_text())
    assert saved["config"]["dataset"] == "npz:data.npz"  # as it was given
    assert saved["data"]["places"] == {"dataset": f"npz:{at / 'data.npz'}"}

    monkeypatch.chdir(other)
    (at / "data.npz").rename(at / "moved.npz")
    capsys.readouterr()
    assert cli.main(["resume", "../here/run"]) == 2
    error = capsys.readouterr().err
    assert "--dataset" not in error and f"the run's data: no such file: '{at}" in error
    pictures("data.npz")  # moved along with the person: found as it was given
    assert cli.main(["resume", "../here/run"]) == 0
    (at / "moved.npz").rename(at / "data.npz")
    other_data = dict(np.load("data.npz"))
    other_data["x_train"] = 255 - other_data["x_train"]
    np.savez(at / "data.npz", **other_data)
    capsys.readouterr()
    assert cli.main(["resume", "../here/run"]) == 2
    assert "data set changed since the run began" in capsys.readouterr().err


RUN = (
    "import signal, sys\n"
    "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the tests may run under nohup
    "from gmmal_jax.cli import main\n"
    "import gmmal_jax.{module} as module\n"
    "original = module.{name}\n"
    "def hit(*args, **kwargs):\n"
    "    signal.raise_signal(signal.{signum})\n"
    "    return original(*args, **kwargs)\n"
    "module.{name} = hit\n"
    "sys.exit(main.main(sys.argv[1:]))\n"
)
MOMENTS = {
    "announced": ("cli.doctor", "device_line", False),
    "loading": ("data.sources", "load", False),
    "splitting": ("data.splits", "make", False),
    "training": ("parallel", "run_chunk", True),
    "scoring": ("strategies.base", "query", True),
    "recording": ("storage.records", "write", True),
    "drawing": ("report.plane", "embed", True),
}
"""Moment -> module and function within which a signal comes, whether a run is there."""
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@pytest.mark.parametrize(
    ("moment", "signum"),
    [
        *((moment, "SIGINT") for moment in MOMENTS),
        ("loading", "SIGTERM"), ("drawing", "SIGTERM"),
        ("loading", "SIGHUP"), ("training", "SIGHUP"),
    ],
)  # fmt: skip
def test_a_signal_at_any_moment_is_a_line(moment, signum, tmp_path, monkeypatch):
    module, name, is_there = MOMENTS[moment]
    script = RUN.format(module=module, name=name, signum=signum)
    options = [*TINY, "--reference", "none", "--query", "entropy", "--learn", "ce"]
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", script, "run", *options, "--out", str(folder)],
        env=environment(JAX_PLATFORMS="cpu"),
        capture_output=True, text=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == CODES[signum], said
    assert "Traceback" not in said
    assert (f"go on with: gmmal resume {folder}" in said) == is_there
    assert ("saved; " in said) or f"stopped by {signum}" in said
    if is_there:
        code, out, error = gmmal("resume", folder)
        assert code == 0, error
        assert "picture: " in out


@pytest.mark.parametrize("verb", [["doctor"], ["methods"], ["run", "--cycles", "1"]])
def test_an_output_that_takes_no_more_is_a_line(verb, tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gmmal_jax", *verb], stdout=full, cwd=tmp_path,
            stderr=subprocess.PIPE, text=True, env=environment(JAX_PLATFORMS="cpu"),
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "gmmal: standard output: No space left on device\n"


def test_a_reader_that_has_gone_is_no_trace():
    process = subprocess.Popen(
        [sys.executable, "-m", "gmmal_jax", "methods"], env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 1


def test_the_doctor_says_that_a_run_would_be_refused_without_jit():
    code, out, error = gmmal("doctor", JAX_DISABLE_JIT="1")
    assert code == 1 and not error
    assert "LOOK JAX_DISABLE_JIT: True; a run needs its programs compiled" in out


def test_the_command_runs_in_a_thread_too(capsys):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(cli.main(["methods"])))
    thread.start()
    thread.join()
    assert codes == [0] and "gmm" in capsys.readouterr().out


def test_a_run_under_nohup_outlives_its_terminal():
    script = (
        "import signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from gmmal_jax.cli import signals\n"
        "with signals.at_once():\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
        "    with signals.noted() as stop:\n"
        "        signal.raise_signal(signal.SIGHUP)\n"
        "        assert stop() is None\n"
        "print('still here')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.stdout == "still here\n", done.stderr

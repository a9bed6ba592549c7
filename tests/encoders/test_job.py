"""Embedding from end to end: the same bytes after kill -9, what is refused, bounds."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import encoder_files
import numpy as np
import pytest
from PIL import Image
from processes import environment

from gmmal_jax.encoders import ahead, inputs, job, onnx_file
from gmmal_jax.encoders.base import BATCH, Form, Wanted
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.storage import files

NUM = 7 * BATCH + 5
WRITTEN = ("features.npy", "ids.txt", "labels.csv", "skipped.csv", "features.json")
SILENT = job.Watch(lambda done: None, lambda: None)


@pytest.fixture(autouse=True)
def save_often(monkeypatch):
    monkeypatch.setattr(job, "SAVE_BATCHES", 2)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder of pictures, every 10th of them broken; their pixels; an encoder."""
    root = tmp_path_factory.mktemp("world")
    rows = np.random.default_rng(0).integers(0, 256, (NUM, 8, 8, 3), np.uint8)
    for number, array in enumerate(rows):
        path = root / "pictures" / f"class{number % 3}" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
        if number % 10 == 0:
            path.write_bytes(path.read_bytes()[:60])
    encoder_files.linear(root / "e.onnx")
    return root, rows


def embed(root, out, precision="float32", workers=1, watch=SILENT, images="pictures"):
    pictures = inputs.find(str(root / images))
    encoder = onnx_file.load(str(root / "e.onnx"), Wanted())
    return job.embed(pictures, encoder, out, precision, workers, watch)


@pytest.fixture(scope="module")
def straight(world, tmp_path_factory):
    """The folder of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("straight") / "features.npy"
    embed(world[0], out)
    return out.parent


def equal(folder, other):
    for name in WRITTEN:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    left = {path.name for path in folder.iterdir()} - {*WRITTEN, files.LOCK_NAME}
    assert not left


def test_rows_are_the_encoders_of_normalized_pixels(world, straight):
    root, pixels = world
    features = np.load(straight / "features.npy")
    ids = (straight / "ids.txt").read_text().splitlines()
    numbers = [int(Path(name).stem) for name in ids]
    assert sorted(numbers) == [n for n in range(NUM) if n % 10]
    assert ids == sorted(ids)
    _, matrix = encoder_files.linear(root / "again.onnx")
    want = encoder_files.reference(pixels[numbers], matrix)
    # Normalized values are at most 4; each product and sum rounds once in float32.
    size = 4 * np.abs(matrix).sum(axis=0)
    assert features.dtype == np.float32
    assert np.all(np.abs(features - want) <= 200 * 2.0**-24 * size)


def test_labels_skipped_pictures_and_what_it_was(world, straight):
    root, _ = world
    ids = (straight / "ids.txt").read_text().splitlines()
    with open(straight / "labels.csv", newline="") as file:
        labels = list(csv.reader(file))
    assert labels == [["id", "label"], *([name, name.split("/")[0]] for name in ids)]
    with open(straight / "skipped.csv", newline="") as file:
        head, *skipped = csv.reader(file)
    assert head == ["path", "reason"]
    assert [int(Path(path).stem) % 10 for path, _ in skipped] == [0] * len(skipped)
    assert all(path.startswith(str(root)) and reason for path, reason in skipped)
    about = json.loads((straight / "features.json").read_text())
    assert about["rows"] == len(ids) and about["skipped"] == len(skipped) == 23
    assert about["labels"] == len(ids) and about["width"] == 5
    assert about["precision"] == "float32" and about["file"] == "features.npy"
    assert about["source"] == str(root / "pictures")
    encoder = about["encoder"]
    assert encoder["sha256"] == files.checksum(root / "e.onnx")
    assert encoder["name"] == "tiny" and encoder["trained_on"] == "nothing"
    assert encoder["size"] == 8 and encoder["interpolation"] == "bilinear"
    assert tuple(encoder["mean"]) == encoder_files.MEAN


def test_workers_change_no_byte(world, straight, tmp_path):
    embed(world[0], tmp_path / "features.npy", workers=3)
    equal(tmp_path, straight)


def test_half_the_room(world, straight, tmp_path):
    embed(world[0], tmp_path / "features.npy", "float16")
    half, whole = (np.load(at / "features.npy") for at in (tmp_path, straight))
    assert half.dtype == np.float16 and np.array_equal(half, whole.astype(np.float16))


def test_arrays_and_files_of_the_same_pixels(world, tmp_path):
    root, pixels = world
    kept = [number for number in range(NUM) if number % 10]
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in kept:
        Image.fromarray(pixels[number]).save(folder / f"{number:03d}.png")
    y_train = np.arange(len(kept)) % 4 - 1
    np.savez(tmp_path / "a.npz", x_train=pixels[kept], y_train=y_train)
    for name in ("flat", "a.npz"):
        embed(root, tmp_path / f"of-{name}/features.npy", images=tmp_path / name)
    flat, arrays = tmp_path / "of-flat", tmp_path / "of-a.npz"
    assert (flat / "features.npy").read_bytes() == (
        arrays / "features.npy"
    ).read_bytes()
    assert not (flat / "labels.csv").exists()
    assert (arrays / "ids.txt").read_text() == "".join(
        f"{row}\n" for row in range(len(kept))
    )
    lines = (arrays / "labels.csv").read_text().splitlines()
    assert lines[:4] == ["id,label", "1,0", "2,1", "3,2"]  # row 0 has label -1


KILLED = """
import importlib, os, signal, sys
from pathlib import Path
from gmmal_jax.encoders import inputs, job, onnx_file
from gmmal_jax.encoders.base import Wanted

if __name__ == "__main__":
    root, out, module, name, count = sys.argv[1:]
    job.SAVE_BATCHES = 2
    owner = importlib.import_module(module)
    original, calls = getattr(owner, name), []

    def deadly(*args, **kwargs):
        calls.append(name)
        if len(calls) == int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, deadly)
    pictures = inputs.find(str(Path(root) / "pictures"))
    encoder = onnx_file.load(str(Path(root) / "e.onnx"), Wanted())
    watch = job.Watch(lambda done: None, lambda: None)
    job.embed(pictures, encoder, Path(out), "float32", 2, watch)
"""


@pytest.mark.parametrize(
    ("module", "name", "count"),
    [
        ("os", "replace", 1),  # the part's beginning is not there yet
        ("os", "replace", 2),  # nor is the word that it has begun
        ("gmmal_jax.encoders.job", "_write", 2),  # rows, but no word of them
        ("gmmal_jax.storage.files", "seal", 3),  # rows on the disk, no word of them
        ("gmmal_jax.encoders.job", "_write", 6),
        ("gmmal_jax.encoders.job", "_finish", 1),
        ("gmmal_jax.encoders.output", "table", 1),  # ids, but no labels
        ("gmmal_jax.storage.files", "sync", 11),  # named, and not yet tidied up
    ],
)
def test_killed_it_goes_on_to_the_same_bytes(
    module, name, count, world, straight, tmp_path
):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    out = tmp_path / "out" / "features.npy"
    done = subprocess.run(
        [sys.executable, script, world[0], out, module, name, str(count)],
        env=environment(PYTHONPATH=os.getcwd()), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    reports = []
    embed(world[0], out, watch=job.Watch(reports.append, lambda: None))
    equal(out.parent, straight)
    if (name, count) == ("_write", 6):
        assert reports[0] == 4 * BATCH  # what was saved is not done again


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_killed_it_leaves_no_process_behind(world, tmp_path):
    script = tmp_path / "killed.py"
    waits = "print('here', flush=True), signal.pause()"
    script.write_text(KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", waits))
    child = subprocess.Popen(
        [sys.executable, script, world[0], tmp_path / "out/features.npy",
         "gmmal_jax.encoders.job", "_write", "3"],
        env=environment(PYTHONPATH=os.getcwd()), stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout.readline() == b"here\n"
    workers = children(child.pid)
    assert len(workers) >= 2
    child.kill()
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [int(pid) for pid in workers if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def interrupted(root, out, batches=3):
    """A run that a signal ends after some batches."""
    reports = []

    def stop():
        return signal.SIGTERM if len(reports) > batches else None

    with pytest.raises(Interrupted):
        embed(root, out, watch=job.Watch(reports.append, stop))
    return reports


def test_a_signal_saves_at_once(world, straight, tmp_path):
    out = tmp_path / "features.npy"
    before = interrupted(world[0], out)
    assert not out.exists()
    reports = []
    embed(world[0], out, watch=job.Watch(reports.append, lambda: None))
    assert reports[0] == before[-1] and reports[-1] == NUM
    equal(tmp_path, straight)


def test_what_is_done_is_not_done_again(world, straight, tmp_path):
    out = tmp_path / "features.npy"
    first = embed(world[0], out)
    reports = []
    again = embed(world[0], out, watch=job.Watch(reports.append, lambda: None))
    assert again == first and not reports
    equal(tmp_path, straight)


@pytest.fixture
def begun(world, tmp_path):
    """A copy of the pictures, half embedded."""
    root = tmp_path / "copy"
    subprocess.run(["cp", "-rp", world[0], root], check=True)
    interrupted(root, tmp_path / "out/features.npy")
    return root, tmp_path / "out/features.npy"


def contents(folder):
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name != files.LOCK_NAME
    }


def refused(root, out, message, **options):
    before = contents(out.parent)
    with pytest.raises(UserError, match=message) as caught:
        embed(root, out, **options)
    assert "\n" not in str(caught.value)
    assert contents(out.parent) == before


def test_other_pictures_are_not_gone_on_with(begun):
    root, out = begun
    picture = root / "pictures/class1/001.png"
    anew = rf"remove {out}.part and {out}.progress to begin anew"
    sizes = "--images: names, sizes or times are not what they were"
    changed = f"{sizes} when .* was begun; {anew}"
    content, stamp = picture.read_bytes(), picture.stat().st_mtime_ns
    picture.write_bytes(content)
    refused(root, out, changed)
    os.utime(picture, ns=(stamp, stamp))
    picture.rename(picture.with_name("1.png"))
    refused(root, out, changed)
    picture.with_name("1.png").rename(picture)
    (root / "pictures/class1/more.png").write_bytes(content)
    refused(root, out, changed)
    (root / "pictures/class1/more.png").unlink()
    refused(root, out, "--precision is not what it was", precision="float16")
    embed(root, out)


def test_another_encoder_does_not_go_on(begun):
    root, out = begun
    encoder_files.linear(root / "e.onnx", gain=2)
    refused(root, out, "--encoder, or how it takes pictures, is not what it was")


def test_a_damaged_part_is_not_gone_on_with(begun):
    root, out = begun
    part, progress = (Path(f"{out}.{name}") for name in ("part", "progress"))
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    refused(root, out, "is shorter than it was; remove")
    part.write_bytes(content)
    saved = progress.read_text()
    progress.write_text(saved.replace('"batches":', '"batches": 1'))
    refused(root, out, "checksum does not match|JSON|Expecting")


@pytest.mark.parametrize("name", WRITTEN)
def test_nobodys_files_are_lost(name, world, tmp_path):
    (tmp_path / name).write_text("mine")
    message = f"a file of that name is there: .*{name}"
    refused(world[0], tmp_path / "features.npy", message)


def test_a_feature_beyond_float16_is_one_line_and_leaves_nothing(world, tmp_path):
    root = tmp_path / "large"
    subprocess.run(["cp", "-rp", world[0], root], check=True)
    encoder_files.linear(root / "e.onnx", gain=1e5)
    out = tmp_path / "out/features.npy"
    with pytest.raises(UserError, match="float16 cannot hold .*; use --precision floa"):
        embed(root, out, "float16")
    assert not out.parent.exists()
    embed(root, out)


def test_rows_that_are_not_finite_are_left_out(world, tmp_path):
    """The square root of a negative number: of pictures darker than the mean."""
    from onnx import helper

    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Sqrt", ["f"], ["y"]),
    ]
    encoder_files.write(
        tmp_path / "e.onnx", nodes, {"x": ["n", 3, "h", "w"]}, {"y": ["n", 3]}
    )
    pixels = np.full((5, 8, 8, 3), 200, np.uint8)
    pixels[3] = 0
    np.savez(tmp_path / "a.npz", x_train=pixels)
    embed(tmp_path, tmp_path / "out/features.npy", images="a.npz")
    assert (tmp_path / "out/ids.txt").read_text() == "0\n1\n2\n4\n"
    assert len(np.load(tmp_path / "out/features.npy")) == 4
    skipped = (tmp_path / "out/skipped.csv").read_text()
    assert skipped == f"path,reason\n{tmp_path}/3,its features are not finite\n"


def test_no_picture_at_all_leaves_nothing(world, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    encoder_files.linear(tmp_path / "e.onnx")
    with pytest.raises(UserError, match="no picture can be read.*a.png: empty file"):
        embed(tmp_path, tmp_path / "out/features.npy")
    assert not (tmp_path / "out").exists()


def test_a_row_depends_on_its_picture_alone(world, straight, tmp_path):
    root, pixels = world
    np.savez(tmp_path / "one.npz", x_train=pixels[[11]])
    embed(root, tmp_path / "out/features.npy", images=tmp_path / "one.npz")
    ids = (straight / "ids.txt").read_text().splitlines()
    features = np.load(straight / "features.npy")
    (one,) = np.load(tmp_path / "out/features.npy")
    assert np.array_equal(one, features[ids.index("class2/011.png")])


def test_a_full_disk_is_one_line_and_loses_nothing(
    world, straight, tmp_path, monkeypatch
):
    write, calls = files.write_atomic, []

    def full(path, data):
        calls.append(path)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomic", full)
        with pytest.raises(UserError, match="No space left on device: .*; once that"):
            embed(world[0], tmp_path / "features.npy")
    embed(world[0], tmp_path / "features.npy")
    equal(tmp_path, straight)


def test_the_last_batch_is_filled_up(world, straight, tmp_path):
    """Shapes are the same from the first batch to the last, and so are programs."""
    root, shapes = world[0], []
    encoder = onnx_file.load(str(root / "e.onnx"), Wanted())

    def run(pixels):
        shapes.append(pixels.shape)
        return encoder.run(pixels)

    pictures = inputs.find(str(root / "pictures"))
    watched, out = encoder._replace(run=run), tmp_path / "features.npy"
    job.embed(pictures, watched, out, "float32", 1, SILENT)
    assert NUM % BATCH and shapes == [(BATCH, 3, 8, 8)] * (NUM // BATCH + 1)
    equal(tmp_path, straight)


def test_few_batches_are_held():
    """In flight are one a worker and two more, however many there are."""
    taken = []

    def batches():
        for number in range(12):
            taken.append(number)
            yield np.zeros((1, 8, 8), np.uint8)

    form = Form(8, "bicubic", 1.0, (0.5,) * 3, (0.5,) * 3)
    most = 0
    for handed, _ in enumerate(ahead.decoded(batches(), form, 2)):
        most = max(most, len(taken) - handed)
    assert most == 2 + ahead.MORE and len(taken) == 12


def test_a_decoder_that_is_killed_is_one_line(world, straight, tmp_path):
    out = tmp_path / "features.npy"

    def report(done):
        if done == 2 * BATCH:
            for pid in children(os.getpid()):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)

    with pytest.raises(UserError, match="a decoding process was killed; give it more"):
        embed(world[0], out, workers=1, watch=job.Watch(report, lambda: None))
    embed(world[0], out)
    equal(tmp_path, straight)

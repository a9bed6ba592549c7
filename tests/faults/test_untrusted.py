"""What was put into a file to do harm: formulas, bombs, objects, paths elsewhere."""

import csv
import pickle
import struct
import zipfile
import zlib

import encoder_files
import numpy as np
import pytest
from PIL import Image

from gmmal_jax.data import sources
from gmmal_jax.data.sources import npz, tables
from gmmal_jax.encoders import inputs, onnx_file, output
from gmmal_jax.encoders.base import Wanted
from gmmal_jax.errors import UserError
from gmmal_jax.project import output as project

EVIL = [
    '=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
]


@pytest.mark.parametrize("text", EVIL)
def test_a_name_is_no_formula_and_comes_back(text):
    written = tables.cell(text)
    assert written[0] == "'" and tables.plain(written) == text


@pytest.mark.parametrize("text", ["-1", "+2.5", "-1e-3", "cat", "", "'quoted", "a=b"])
def test_numbers_and_other_names_stay(text):
    assert tables.cell(text) == tables.plain(text) == text


def test_tables_of_an_embedding_hold_no_formula_and_are_read_back(tmp_path):
    places = output.Places(tmp_path / "features.npy")
    names = [f"{text}.png" for text in EVIL[:4]]
    np.save(places.features, np.zeros((4, 3), np.float32) + np.arange(4)[:, None])
    (tmp_path / "ids.txt").write_text("".join(f"{name}\n" for name in names))
    pairs = zip(names, "abab", strict=True)
    output.table(places.labels, [("id", "label"), *pairs])
    with places.labels.open() as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[0] in "=+-@"]
    found = sources.load(f"features:{places.features}")
    assert found.train_labels.tolist() == [0, 1, 0, 1]


def test_what_is_to_be_labeled_holds_no_formula():
    text = project.table([{"id": tables.cell(EVIL[0]), "rank": 1}])
    assert text.splitlines()[1].startswith("\"'=")


def test_skipped_files_are_listed_without_formulas(tmp_path):
    from gmmal_jax.storage import run_folder

    run_folder.write_skipped(tmp_path, [("=a.png", "-b")])
    assert (tmp_path / "skipped.csv").read_text().splitlines()[1] == "'=a.png,'-b"


def test_arrays_that_no_memory_holds_are_refused_before_they_are_read(
    tmp_path, monkeypatch
):
    path = tmp_path / "bomb.npz"
    labels = np.arange(6) % 2
    np.savez_compressed(
        path, x_train=np.zeros((6, 400, 400, 3), np.uint8), y_train=labels,
        x_test=np.zeros((6, 4, 4, 3), np.uint8), y_test=labels,
    )  # fmt: skip
    assert path.stat().st_size < 10_000  # and 3 MB of zeros
    monkeypatch.setattr(npz.os, "sysconf", lambda name: 2**10)
    with pytest.raises(UserError, match="its arrays need: '0 GB'; this machine has 0"):
        sources.load(f"npz:{path}")


def picture_bomb(path, side):
    """A PNG that says it has so many pixels a side, in some hundred bytes."""

    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    content = chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def test_a_picture_of_gigapixels_is_skipped(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.new("L", (4, 4)).save(tmp_path / label / f"{i}.png")
    picture_bomb(tmp_path / "a/bomb.png", 60_000)
    found = sources.load(f"folder:{tmp_path}", None, 4)
    ((path, reason),) = found.skipped
    assert path.endswith("bomb.png") and "decompression bomb" in reason


class Harm:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["npz", "features", "labels"])
def test_pickles_are_never_opened(tmp_path, form):
    harmed = tmp_path / "harmed"
    evil = np.empty(4, object)
    evil[:] = [Harm(harmed)] * 4
    well = {"x_train": np.zeros((4, 3, 3), np.uint8), "y_train": np.arange(4) % 2}
    well |= {"x_test": well["x_train"], "y_test": well["y_train"]}
    if form == "npz":
        np.savez(tmp_path / "a.npz", **(well | {"y_test": evil}))
        name = f"npz:{tmp_path / 'a.npz'}"
    else:
        np.save(tmp_path / "f.npy", evil if form == "features" else np.ones((4, 2)))
        name = f"features:{tmp_path / 'f.npy'}"
        if form == "labels":
            np.save(tmp_path / "labels.npy", evil)
    with pytest.raises(UserError, match="cannot be read|pickled objects"):
        sources.load(name)
    assert not harmed.exists()
    assert harmed.name in str(pickle.dumps(evil))  # or nothing was at stake


@pytest.mark.parametrize("place", ["../secret.bin", "{root}/secret.bin"])
def test_an_encoder_reads_no_weights_from_elsewhere(tmp_path, place):
    import onnx

    (tmp_path / "in").mkdir()
    file = tmp_path / "in/m.onnx"
    encoder_files.linear(file)
    model = onnx.load(str(file))
    matrix = model.graph.initializer[0]
    (tmp_path / "secret.bin").write_bytes(onnx.numpy_helper.to_array(matrix).tobytes())
    for field in ("raw_data", "float_data"):
        matrix.ClearField(field)
    matrix.data_location = onnx.TensorProto.EXTERNAL
    where = matrix.external_data.add()
    where.key, where.value = "location", place.format(root=tmp_path)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="no ONNX model that onnxruntime can read"):
        onnx_file.load(str(file), Wanted())


def test_members_of_an_archive_go_nowhere(tmp_path):
    """Nothing is ever unpacked: a name is a name."""
    path = tmp_path / "in/a.npz"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.npy", b"x")
    for read in (lambda: sources.load(f"npz:{path}"), lambda: inputs.find(str(path))):
        with pytest.raises(UserError, match="no array named: 'x_train'"):
            read()
    assert [p.name for p in tmp_path.iterdir()] == ["in"]

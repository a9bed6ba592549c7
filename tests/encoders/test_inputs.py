"""What is embedded: folders, manifests, arrays; their order and their labels."""

import os
from pathlib import Path

import numpy as np
import pytest

from gmmal_jax.encoders import inputs, npz_stream, output
from gmmal_jax.errors import UserError


def tree(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def found(folder, *names):
    return inputs.find(str(tree(folder, *names)))


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["b/1.png", "a/2.jpg", "a/10.png"], ["a", "a", "b"]),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png"], ["a", "a", "b"]),
        (["a/1.png", "b/1.png", "0.png"], ["", "a", "b"]),
        (["1.png", "0.png"], None),
        (["a/1.png"], None),
        (["train/1.png", "test/1.png"], None),
        (["2024/01/1.png", "2024/02/1.png"], None),
        (["a/b/1.png", "c/1.png"], None),
    ],
)
def test_labels_of_folders(names, labels, tmp_path):
    read = found(tmp_path, *names)
    assert read.ids == sorted(names, key=lambda name: name.split("/"))
    assert read.labels == labels


def test_what_is_no_picture_is_passed_over(tmp_path):
    names = [
        "a/1.png",
        "a/.2.png",
        "__MACOSX/3.png",
        "a/notes.txt",
        "b/line\nbreak.png",
    ]
    read = found(tmp_path, *names)
    assert read.ids == ["a/1.png"]
    reasons = dict(read.skipped)
    assert reasons[str(tmp_path / "a/notes.txt")].startswith("not named .png")
    assert reasons[str(tmp_path / "b/line\nbreak.png")] == (
        "a name that is no line of text"
    )
    assert len(reasons) == 2


def test_our_own_files_are_not_of_the_folder(tmp_path, monkeypatch):
    """Their coming and going would make it another folder at the next start."""
    before = found(tmp_path, "a/1.png", "a/other/f.npy.part")
    tree(tmp_path, "a/out/f.npy.part", "a/out/f.npy.progress")
    assert inputs.find(str(tmp_path)).fingerprint != before.fingerprint
    monkeypatch.chdir(tmp_path)
    own = output.Places(Path("a/out/f.npy")).all()
    after = inputs.find(str(tmp_path), own)
    assert after.fingerprint == before.fingerprint
    assert after.skipped == before.skipped and len(after.skipped) == 1


def test_names_that_are_no_text_and_links_that_turn_round(tmp_path):
    tree(tmp_path, "a/1.png")
    with open(os.fsencode(tmp_path) + b"/a/\xff.png", "wb"):
        pass
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    read = inputs.find(str(tmp_path))
    assert read.ids == ["a/1.png"]
    assert dict(read.skipped) == {
        f"{tmp_path}/a/\\xff.png": "a name that is no line of text",
        f"{tmp_path}/a/up": "a link to a folder above it",
    }


def test_the_fingerprint_knows_names_sizes_and_times(tmp_path):
    before = found(tmp_path, "a/1.png", "b/2.png")
    assert inputs.find(str(tmp_path)).fingerprint == before.fingerprint
    os.utime(tmp_path / "a/1.png", ns=(0, 1))
    after = inputs.find(str(tmp_path))
    assert after.fingerprint != before.fingerprint
    (tmp_path / "b/3.png").write_bytes(b"y")
    assert inputs.find(str(tmp_path)).fingerprint != after.fingerprint


def test_batches_begin_where_they_are_asked_to(tmp_path):
    read = found(tmp_path, *(f"{number}.png" for number in range(7)))
    names = [[path.name for path in batch] for batch in read.batches(1, 3)]
    assert names == [["3.png", "4.png", "5.png"], ["6.png"]]


def test_a_manifest_with_and_without_labels(tmp_path):
    file = tree(tmp_path, "x/1.png", "x/2.png") / "list.csv"
    file.write_text("path,label,weight\nx/2.png,cat,1\nx/1.png,,2\n")
    read = inputs.find(str(file))
    assert read.ids == ["x/2.png", "x/1.png"] and read.labels == ["cat", ""]
    (batch,) = read.batches(0, 9)
    assert batch == [tmp_path / "x/2.png", tmp_path / "x/1.png"]
    file.write_text("path\nx/2.png\n")
    assert inputs.find(str(file)).labels is None
    file.write_text(f"path\n{tmp_path}/x/1.png\n/elsewhere/2.png\n")
    assert inputs.find(str(file)).ids == ["x/1.png", "/elsewhere/2.png"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("shape", [(7, 4, 5), (7, 4, 5, 1), (7, 4, 5, 3)])
def test_arrays_are_read_in_batches(save, shape, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    save(tmp_path / "a.npz", x_train=images, y_train=np.array([0, 1, -1, 2, 2, 2, 0]))
    read = inputs.find(str(tmp_path / "a.npz"))
    assert read.ids == list("0123456") and read.labels == ["0", "1", "", *"2220"]
    assert np.array_equal(np.concatenate([*read.batches(0, 3)]), images)
    assert np.array_equal(np.concatenate([*read.batches(1, 3)]), images[3:])
    assert [len(batch) for batch in read.batches(0, 3)] == [3, 3, 1]


def test_a_large_array_is_never_held_whole(tmp_path):
    import tracemalloc

    images = np.zeros((8000, 100, 100), np.uint8)  # 80 MB
    np.savez_compressed(tmp_path / "a.npz", x_train=images)
    stream = npz_stream.find(tmp_path / "a.npz")
    tracemalloc.start()
    for _ in stream.batches(20, 32):
        pass
    # Rows that are passed over go by 16 MB at a time.
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 4, 4), np.uint8)}, "no array named: 'x_train'"),
        ({"x_train": np.zeros((2, 4, 4))}, "image dtype of x_train: 'float64'"),
        ({"x_train": np.zeros((2, 4), np.uint8)}, "image shape of x_train"),
        ({"x_train": np.zeros((2, 4, 4, 2), np.uint8)}, "image shape of x_train"),
        ({"x_train": np.zeros((0, 4, 4), np.uint8)}, "image shape of x_train"),
        ({"x_train": np.array([[[None]]])}, "image dtype of x_train: 'object'"),
        ({"x_train": np.zeros((2, 4, 4), np.uint8, "F")}, "Fortran's order"),
        ({"x_train": np.zeros((2, 4, 4), np.uint8), "y_train": np.zeros(2)},
         "use 2 integers, one an image"),
        ({"x_train": np.zeros((2, 4, 4), np.uint8), "y_train": np.zeros(3, int)},
         "use 2 integers, one an image"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_images(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=message):
        inputs.find(str(tmp_path / "a.npz"))


def test_a_file_that_is_cut_off(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=np.zeros((99, 8, 8), np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match="cannot be read.*write it again"):
        inputs.find(str(path))


def test_a_file_that_is_damaged_inside(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=np.zeros((99, 8, 8), np.uint8))
    content = bytearray(path.read_bytes())
    content[3000] = 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read: .*CRC"):
        list(inputs.find(str(path)).batches(0, 10))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "no such folder or file"),
        ("empty", "no pictures in"),
        ("notes.txt", "give a folder, a .csv or .jsonl manifest, or an .npz file"),
        ("list.csv", "no column: 'path'"),
    ],
)
def test_nothing_to_embed(name, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "list.csv").write_text("file,label\na.png,b\n")
    with pytest.raises(UserError, match=message):
        inputs.find(str(tmp_path / name))

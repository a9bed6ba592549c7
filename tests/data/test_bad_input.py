"""Whatever is wrong with a person's files: one line, exit code 2, no folder."""

import pickle
import zipfile

import numpy as np
import pytest
from images import pixels, save, world

from gmmal_jax.cli import main as cli


def npz(path, **changes):
    arrays = {
        "x_train": pixels(0, 12, 6, 6, 3),
        "y_train": np.arange(12) % 3,
        "x_test": pixels(1, 6, 6, 6, 3),
        "y_test": np.arange(6) % 3,
    }
    kept = {k: v for k, v in (arrays | changes).items() if v is not None}
    np.savez(path, **kept)
    return f"npz:{path}"


def csv(path, text, encoding="utf-8"):
    """A table beside ten pictures 0.png to 9.png."""
    for i in range(10):
        save(path.parent / f"{i}.png", pixels(i, 6, 6))
    path.write_bytes(text.encode(encoding))
    return f"manifest:{path}"


def table(extra="", header="path,label"):
    rows = "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(8))
    return f"{header}\n{rows}{extra}"


def split_table(extra):
    rows = "".join(
        f"{i}.png,{'ab'[i % 2]},{'test' if i > 5 else 'train'},\n" for i in range(8)
    )
    return f"path,label,split,group\n{rows}{extra}"


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_npz(root):
    name = npz(root / "a.npz")
    half(root / "a.npz")
    return name


def truncated_member(root):
    """A sound zip whose array ends too early."""
    name = npz(root / "a.npz")
    with zipfile.ZipFile(root / "a.npz") as file:
        members = {member: file.read(member) for member in file.namelist()}
    with zipfile.ZipFile(root / "a.npz", "w") as file:
        for member, content in members.items():
            short = len(content) // 2 if member == "x_train.npy" else len(content)
            file.writestr(member, content[:short])
    return name


def bad_crc(root):
    name = npz(root / "a.npz")
    content = bytearray((root / "a.npz").read_bytes())
    content[len(content) // 3] ^= 255
    (root / "a.npz").write_bytes(content)
    return name


def pickled(root):
    with open(root / "a.npz", "wb") as file:
        pickle.dump({"x_train": 0}, file)
    return f"npz:{root / 'a.npz'}"


def lone_array(root):
    np.save(root / "a.npy", np.zeros(3))
    (root / "a.npy").rename(root / "a.npz")
    return f"npz:{root / 'a.npz'}"


FLOATS = np.linspace(0, 1, 12 * 6 * 6 * 3).reshape(12, 6, 6, 3)
NAN = np.where(FLOATS > 0.5, np.nan, FLOATS)

NPZ = {
    "array missing": ({"y_test": None}, "no array named: 'y_test'"),
    "zero to one": ({"x_train": FLOATS}, "float64'; multiply by 255"),
    "zero to 255": ({"x_train": FLOATS * 255}, "use uint8, 0 to 255"),
    "nan": ({"x_train": NAN}, "NaN pixels"),
    "int64": ({"x_test": np.zeros((6, 6, 6, 3), int)}, "of x_test: 'int64'"),
    "two channels": ({"x_train": np.zeros((12, 6, 6, 2), np.uint8)}, "image shape"),
    "no images": ({"x_train": np.zeros((0, 6, 6, 3), np.uint8)}, "image shape"),
    "flat": ({"x_train": np.zeros((12, 108), np.uint8)}, "image shape"),
    "shapes": ({"x_test": np.zeros((6, 5, 6, 3), np.uint8)}, "image shapes differ"),
    "lengths": ({"y_train": np.arange(11) % 3}, "use 12 integers, one an image"),
    "negative": ({"y_train": np.arange(12) % 3 - 1}, "number classes from 0"),
    "float labels": ({"y_train": np.arange(12) % 3.0}, "use 12 integers"),
    "one-hot": ({"y_train": np.eye(12, dtype=int)}, "use 12 integers"),
    "objects": ({"y_train": np.array([None] * 12)}, "pickled objects: 'y_train'"),
    "gap": ({"y_train": np.arange(12) % 2 * 2}, "class 1 has no images"),
    "huge label": ({"y_train": np.arange(12) * 10**15}, "class 1 has no images"),
    "test only": ({"y_test": np.array([0, 1, 2, 3, 0, 0])}, "class of its own: 3"),
    "one class": ({"y_train": np.zeros(12, int)}, "number of classes: 1"),
}


def world_with(counts, change):
    def make(root):
        world(root / "p", counts)
        change(root / "p")
        return f"folder:{root / 'p'}"

    return make


def parted(train, test, change=lambda root: None):
    def make(root):
        world(root / "p" / "train", train)
        world(root / "p" / "test", test)
        change(root / "p")
        return f"folder:{root / 'p'}"

    return make


def empty_files(folder):
    for file in folder.glob("*.png"):
        file.write_bytes(b"")


def remove_files(folder):
    for file in folder.glob("*.png"):
        file.unlink()


def manifest(text, name="t.csv", encoding="utf-8"):
    return lambda root: csv(root / name, text, encoding)


TWO = {"a": 3, "b": 3}
CASES = {
    **{
        f"npz: {name}": (lambda root, c=changes: npz(root / "a.npz", **c), message)
        for name, (changes, message) in NPZ.items()
    },
    "npz: missing": (lambda root: f"npz:{root / 'no.npz'}", "no such file"),
    "npz: a folder": (lambda root: f"npz:{root}", "cannot be read"),
    "npz: truncated": (truncated_npz, "cannot be read"),
    "npz: truncated member": (truncated_member, "x_train cannot be read"),
    "npz: flipped byte": (bad_crc, "cannot be read"),
    "npz: a pickle": (pickled, "not an npz file"),
    "npz: an npy": (lone_array, "not an npz file"),
    "folder: a name too long": (
        lambda root: f"folder:{root / ('x' * 300)}", "File name too long",
    ),
    "a name too long": (lambda root: "x" * 300, "File name too long"),
    "folder: missing": (lambda root: f"folder:{root / 'no'}", "no such folder"),
    "folder: empty": (world_with({}, lambda root: root.mkdir()), "no class folders"),
    "folder: one class": (world_with({"a": 3}, lambda root: None), "classes: 1"),
    "folder: empty class": (
        world_with(TWO, lambda root: (root / "c").mkdir()), "p/c'; put PNG or JPEG",
    ),
    "folder: a class of one": (
        world_with({"a": 1, "b": 3}, lambda root: None), "no test part",
    ),
    "folder: unreadable class": (
        world_with(TWO, lambda root: empty_files(root / "b")),
        "no readable training pictures of class: 'b'",
    ),
    "folder: all unreadable": (
        world_with(TWO, lambda root: [empty_files(root / c) for c in TWO]),
        "no picture can be read",
    ),
    "folder: sizes": (
        world_with(TWO, lambda root: save(root / "b" / "z.png", pixels(0, 7, 6, 3))),
        "z.png is 6x7; bring them to one with --image-size N",
    ),
    "folder: no test": (
        parted(TWO, {}), "train/ without test/",
    ),
    "folder: beside train": (
        parted(TWO, TWO, lambda root: (root / "val").mkdir()), "beside train/: 'val'",
    ),
    "folder: class in train only": (
        parted({"a": 2, "b": 2, "c": 2}, TWO), "p/test: no folder of class: 'c'",
    ),
    "folder: class in test only": (
        parted({"a": 2, "b": 2}, {**TWO, "c": 1}), "p/train: no folder of class: 'c'",
    ),
    "folder: empty test class": (
        parted(TWO, TWO, lambda root: remove_files(root / "test" / "a")),
        "test/a'; put PNG or JPEG",
    ),
    "manifest: missing": (lambda root: f"manifest:{root / 'no.csv'}", "No such file"),
    "manifest: a folder": (lambda root: f"manifest:{root}", "name it .csv or .jsonl"),
    "manifest: unknown kind": (manifest("", "t.txt"), "name it .csv or .jsonl"),
    "manifest: empty": (manifest(""), "no column: 'path'"),
    "manifest: header only": (manifest("path,label\n"), "has no rows"),
    "manifest: no label column": (
        manifest(table(header="path,class")), "no column: 'label'",
    ),
    "manifest: semicolons": (manifest("path;label\n0.png;a\n"), "no column: 'path'"),
    "manifest: misspelt column": (
        manifest(table(header="path,Label")), "did you mean label?",
    ),
    "manifest: misspelt split": (
        manifest("path,label,splitt\n0.png,a,train\n"), "did you mean split?",
    ),
    "manifest: no label": (manifest(table("8.png,\n")), "line 10 has no label"),
    "manifest: no path": (manifest(table(",a\n")), "line 10 has no path"),
    "manifest: short row": (manifest(table("8.png\n")), "line 10 has no label"),
    "manifest: long row": (manifest(table("8.png,a,b\n")), "more values than columns"),
    "manifest: duplicate": (manifest(table("./0.png,a\n")), "in line 2 already"),
    "manifest: unknown split": (
        manifest(split_table("8.png,a,val,\n")), "line 10, split: 'val'; use train or",
    ),
    "manifest: split missing": (
        manifest(split_table("8.png,a,,\n")), "line 10 has no split",
    ),
    "manifest: group in both": (
        manifest(split_table("8.png,a,test,g\n9.png,a,train,g\n")),
        "train and test share group: 'g'",
    ),
    "manifest: one group": (
        manifest("path,label,group\n0.png,a,g\n1.png,a,g\n2.png,b,\n3.png,b,\n"),
        "no test part can be cut from the images of class: 'a'",
    ),
    "manifest: class not in test": (
        manifest(split_table("8.png,c,train,\n")), "no test pictures of class: 'c'",
    ),
    "manifest: class not in train": (
        manifest(split_table("8.png,c,test,\n")), "no training pictures of class: 'c'",
    ),
    "manifest: no files": (
        manifest("path,label\nx0,a\nx1,a\nx2,b\nx3,b\n"), "No such file",
    ),
    "manifest: latin-1": (manifest(table("é.png,a\n"), encoding="latin-1"), "UTF-8"),
    "manifest: not JSON": (
        manifest('{"path": "0.png", "label": 1}\n{"path"\n', "t.jsonl"),
        "line 2 is not JSON",
    ),
    "manifest: a JSON list": (manifest("[1]\n", "t.jsonl"), "line 1: '[1]'"),
    "manifest: a JSON number": (
        manifest('{"path": "0.png", "label": 0.5}\n', "t.jsonl"), "label: 0.5",
    ),
    "manifest: JSON without label": (
        manifest('{"path": "0.png"}\n', "t.jsonl"), "no column: 'label'",
    ),
    "tiny_imagenet: missing": (
        lambda root: f"tiny_imagenet:{root}", "give the unpacked tiny-imagenet-200",
    ),
    "unknown": (lambda root: "xyz", "use one of digits, cifar10"),
    "near": (lambda root: "cifar-10", "did you mean cifar10?"),
    "near, with a path": (lambda root: "foldr:/x", "did you mean folder:/x?"),
    "a bare folder": (lambda root: str(root), "did you mean folder:"),
    "a bare file": (lambda root: "x.jsonl", "did you mean manifest:x.jsonl?"),
    "no path": (lambda root: "folder:", "did you mean folder:PATH?"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_exit_code_2(case, tmp_path, capsys):
    make, message = CASES[case]
    (tmp_path / "data").mkdir()
    out = tmp_path / "out"
    dataset = make(tmp_path / "data")
    assert cli.main(["run", "--dataset", dataset, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("gmmal: ") and error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--dataset", "digits", "--image-size", "4"], "digits has a size of its own"),
        (["--image-size", "0"], "use 1 or more pixels"),
        (["--dataset", "cifar10", "--data-dir", "."], "datasets prepare cifar10"),
        (["--data.dir", "x"], "did you mean --data-dir?"),
    ],
)
def test_options_of_data_sets(args, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--out", "out", *args]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not any(tmp_path.iterdir())

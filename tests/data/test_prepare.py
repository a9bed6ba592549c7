"""Original files -> TFDS folders that the stock builders read, without TensorFlow."""

import hashlib
import os
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import originals_of
import pytest

from gmmal_jax.cli import main as cli
from gmmal_jax.data import sources
from gmmal_jax.data.prepare import cifar_names, originals, writer
from gmmal_jax.errors import UserError

NAMES = list(originals.ORIGINALS)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Makes small originals pass for the published ones."""

    def make(name):
        files, parts = originals_of.files(name, tmp_path / "from")
        md5 = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files}
        original = originals.ORIGINALS[name]
        assert sorted(md5) == sorted(original.md5)
        small = original._replace(md5={file: md5[file] for file in original.md5})
        monkeypatch.setitem(originals.ORIGINALS, name, small)
        return files, parts

    return make


def run(name, given, data_dir):
    args = ["datasets", "prepare", name, "--from", *map(str, given)]
    return cli.main([*args, "--data-dir", str(data_dir)])


def archive(files, path):
    with tarfile.open(path, "w:gz") as packed:
        for file in files:
            packed.add(file, f"cifar-batches-py/{file.name}")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_what_is_prepared_is_what_is_read(name, small, tmp_path, capsys):
    files, parts = small(name)
    data_dir = tmp_path / "new" / "tfds"
    assert run(name, files, data_dir) == 0
    assert (
        f"gmmal run --dataset {name} --data-dir {data_dir}" in capsys.readouterr().out
    )
    assert [path.name for path in data_dir.iterdir()] == [name]
    loaded = sources.load(name, str(data_dir))
    np.testing.assert_array_equal(loaded.train_images, parts["train"][0])
    np.testing.assert_array_equal(loaded.test_images, parts["test"][0])
    assert loaded.train_labels.tolist() == parts["train"][1]
    assert loaded.test_labels.tolist() == parts["test"][1]
    assert loaded.test_labels.dtype == np.int32
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    assert run(name, files, data_dir) == 2
    error = capsys.readouterr().err
    assert "holds the data set already" in error and error.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before


def test_tfds_itself_reads_names_ids_and_coarse_labels(small, tmp_path):
    import tensorflow_datasets as tfds

    files, parts = small("cifar100")
    writer.prepare("cifar100", files, tmp_path / "d")
    rows = tfds.data_source("cifar100", split="test", data_dir=tmp_path / "d")
    assert [row["id"] for row in rows] == [b"test_%05d" % i for i in range(4)]
    coarse = [label // 2 for label in parts["test"][1]]
    assert [row["coarse_label"] for row in rows] == coarse
    np.testing.assert_array_equal(rows[3]["image"], parts["test"][0][3])
    features = rows.dataset_info.features
    assert tuple(features["label"].names) == cifar_names.CIFAR100
    assert tuple(features["coarse_label"].names) == cifar_names.CIFAR100_COARSE


def test_class_names():
    assert len(cifar_names.CIFAR10) == 10 and len(set(cifar_names.CIFAR100)) == 100
    assert sorted(cifar_names.CIFAR100) == list(cifar_names.CIFAR100)
    assert sorted(cifar_names.CIFAR100_COARSE) == list(cifar_names.CIFAR100_COARSE)
    assert len(set(cifar_names.CIFAR100_COARSE)) == 20


def test_folders_and_archives_hold_the_files_too(small, tmp_path):
    files, parts = small("cifar10")
    packed = archive(files, tmp_path / "cifar-10-python.tar.gz")
    for given in (files[0].parent, tmp_path, packed):
        found = originals.read("cifar10", [given])
        np.testing.assert_array_equal(found["train"].images, parts["train"][0])
        assert found["test"].labels["label"].tolist() == parts["test"][1]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-9])


def bad_files(case, files, tmp_path):
    """What is given in place of `files`."""
    packed = tmp_path / "cifar-10-python.tar.gz"
    if case == "truncated file":
        truncate(files[0])
    elif case == "missing file":
        return files[1:]
    elif case == "no such file":
        return [tmp_path / "none"]
    elif case == "another file":
        (tmp_path / "other.bin").write_bytes(b"x" * 600)
        return [tmp_path / "other.bin"]
    elif case == "truncated archive":
        packed = archive(files, packed)
        packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
        return [packed]
    elif case == "archive of others":
        return [archive(files[:2], packed)]
    elif case == "empty folder":
        (tmp_path / "empty").mkdir()
        return [tmp_path / "empty"]
    return files


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "truncated file",
            "MD5 is not the original's: 'data_batch_1'; it is truncated",
        ),
        ("missing file", "cifar10 lacks: 'data_batch_1'; name cifar-10-python.tar.gz"),
        ("no such file", "No such file"),
        ("another file", "not cifar-10-python.tar.gz: download it again"),
        ("truncated archive", "it is truncated"),
        ("archive of others", "cifar10 lacks: 'data_batch_3, "),
        ("empty folder", "cifar10 lacks: 'data_batch_1, "),
    ],
)
def test_wrong_files_are_one_line_and_exit_2(case, message, small, tmp_path, capsys):
    files, _ = small("cifar10")
    given = bad_files(case, files, tmp_path)
    assert run("cifar10", given, tmp_path / "d" / "e") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_an_unknown_file_of_a_set_without_archive(small, tmp_path, capsys):
    files, _ = small("mnist")
    (tmp_path / "x.gz").write_bytes(b"")
    assert run("mnist", [*files, tmp_path / "x.gz"], tmp_path / "d") == 2
    assert "unknown file" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to(small, tmp_path, capsys):
    files, _ = small("mnist")
    (tmp_path / "file").write_text("")
    assert run("mnist", files, tmp_path / "file" / "d") == 2
    error = capsys.readouterr().err
    assert "--data-dir: Not a directory" in error and error.count("\n") == 1
    assert run("mnist", files, tmp_path / ("x" * 300)) == 2
    assert "--data-dir: File name too long" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left"), RuntimeError("x\ny"), KeyboardInterrupt()],
)
def test_nothing_stays_of_a_preparation_that_fails(error, small, tmp_path, monkeypatch):
    files, _ = small("mnist")
    calls = []

    def full(image):
        calls.append(image)
        if len(calls) == 3:
            raise error
        return b"png"

    monkeypatch.setattr(writer, "_png", full)
    with pytest.raises((UserError, KeyboardInterrupt), match=r"^[^\n]*$"):
        writer.prepare("mnist", files, tmp_path / "a" / "b")
    assert len(calls) == 3 and not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "needs NAME; see gmmal datasets prepare --help"),
        (["cifar10", "--from", "--data-dir", "y"], "--from FILE ... is required"),
        (["cifar10", "--data-dir", "y"], "--from FILE ... is required"),
        (["--from", "x", "--data-dir", "y", "cifar10", "z"], "takes NAME: 'cifar10 z'"),
        (["cifar10", "--form", "x"], "did you mean --from?"),
        (["cifar10", "--fo=x"], "did you mean --from?"),
        (["-x"], "unknown option: '-x'"),
    ],
)
def test_options_are_checked_in_one_line(args, message, capsys):
    assert cli.main(["datasets", "prepare", *args]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_an_unknown_data_set_is_not_prepared(tmp_path, capsys):
    assert run("cifar", ["x"], tmp_path) == 2
    assert "no such NAME: 'cifar'; did you mean cifar10?" in capsys.readouterr().err


def test_there_is_nothing_else_than_preparing(capsys):
    assert cli.main(["datasets", "make"]) == 2
    assert "did you mean datasets" in capsys.readouterr().err


def test_help(capsys):
    assert cli.main(["datasets", "prepare", "--help"]) == 0
    assert "cifar-10-python.tar.gz" in capsys.readouterr().out


def test_pickles_cannot_call_anything():
    class Evil:
        def __reduce__(self):
            return os.system, ("touch evil",)

    for protocol in (0, 2):
        harmful = pickle.dumps(Evil(), protocol=protocol)
        with pytest.raises(pickle.UnpicklingError, match="asks for .*system"):
            originals.unpickle(harmful)


def test_tensorflow_is_never_imported(tmp_path):
    """It need not be installed: in its place stands a module that ends the process."""
    fake = tmp_path / "fake" / "tensorflow"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("import os; os._exit(77)\n")
    code = (
        "import hashlib, pathlib, sys\n"
        "import originals_of\n"
        "from gmmal_jax.data import sources\n"
        "from gmmal_jax.data.prepare import originals, writer\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "files, _ = originals_of.files('mnist', root / 'from')\n"
        "md5 = {f.name: hashlib.md5(f.read_bytes()).hexdigest() for f in files}\n"
        "old = originals.ORIGINALS['mnist']\n"
        "originals.ORIGINALS['mnist'] = old._replace(md5=md5)\n"
        "writer.prepare('mnist', files, root / 'd')\n"
        "assert len(sources.load('mnist', str(root / 'd')).train_labels) == 10\n"
    )
    paths = [str(tmp_path / "fake"), str(Path(__file__).parent), *sys.path]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, check=True, env=environment)


def test_a_set_that_is_damaged_is_one_line(small, tmp_path, capsys):
    files, _ = small("mnist")
    folder = writer.prepare("mnist", files, tmp_path / "d")
    [path] = folder.glob("*-train.array_record*")
    content = bytearray(path.read_bytes())
    content[3000] ^= 1
    path.write_bytes(content)
    args = ["run", "--dataset", "mnist", "--data-dir", str(tmp_path / "d")]
    assert cli.main([*args, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "damaged data set" in error and "prepare it again" in error
    assert error.count("\n") == 1 and not (tmp_path / "out").exists()

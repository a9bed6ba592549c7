"""A person's own pictures from the command line to the tables, and at resume."""

import csv
import json

import numpy as np
import pytest
import tiny
from test_cli import TINY

import gmmal_jax
from gmmal_jax import opening
from gmmal_jax.cli import main as cli
from gmmal_jax.data import sources


@pytest.fixture
def pictures(tmp_path):
    """The same 90 images as class folders and as arrays; test part: the last 30."""
    from PIL import Image

    images, labels = tiny.dataset()
    arrays = {}
    for part, rows in (("train", range(60)), ("test", range(60, 90))):
        order = sorted(rows, key=lambda row: labels[row])
        for row in rows:
            path = tmp_path / "own" / part / str(labels[row]) / f"{row:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[row, ..., 0]).save(path)
        arrays |= {f"x_{part}": images[order], f"y_{part}": labels[order]}
    np.savez(tmp_path / "own.npz", **arrays)
    return tmp_path


def run(dataset, out, *options):
    args = ["--dataset", dataset, "--out", str(out), "--model", "small", *TINY]
    more = ["--initial", "10", "--budget", "10", "--data.pad", "1"]
    more += ["--method", "entropy", "--reference", "none"]
    return cli.main(["run", *args, *more, *options])


def execute(dataset, folder):
    """A run of two cycles on one device."""
    config = tiny.config(
        dataset=dataset, cycles=2, initial=10, budget=10, method="entropy",
        reference="none",
    )  # fmt: skip
    gmmal_jax.run(config, folder, tiny.Quiet(), num_devices=1)


def test_equal_rows_give_equal_tables_and_changed_data_is_noticed(pictures, capsys):
    out = pictures / "out"
    execute(f"folder:{pictures / 'own'}", out / "folder")
    execute(f"npz:{pictures / 'own.npz'}", out / "npz")
    for name in ("results.csv", "queries.csv", "initial.csv", "diagnostics.csv"):
        written = (out / "folder" / name).read_bytes()
        assert written and written == (out / "npz" / name).read_bytes(), name
    assert not (out / "folder" / "skipped.csv").exists()

    picture = next((pictures / "own" / "train" / "1").iterdir())
    content = picture.read_bytes()
    picture.write_bytes(next((pictures / "own/train/0").iterdir()).read_bytes())
    assert cli.main(["resume", str(out / "folder")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gmmal: data set changed") and error.count("\n") == 1
    picture.write_bytes(content)
    for part in ("train", "test"):  # the same pixels under another name
        (pictures / "own" / part / "1").rename(pictures / "own" / part / "1b")
    assert cli.main(["resume", str(out / "folder")]) == 2
    assert "data set changed" in capsys.readouterr().err
    for part in ("train", "test"):
        (pictures / "own" / part / "1b").rename(pictures / "own" / part / "1")
    opening.reopen(out / "folder", 1)


def test_unreadable_pictures_are_listed_beside_the_results(pictures, capsys):
    own, out = pictures / "own", pictures / "out"
    (own / "train" / "0" / "bad.png").write_bytes(b"")
    (own / "test" / "1" / "a, b.jpg").write_bytes(b"none")
    assert run(f"folder:{own}", out, "--cycles", "1") == 0
    assert f"skipped: 2 files, see {out / 'skipped.csv'}" in capsys.readouterr().out
    with open(out / "skipped.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["path", "reason"],
        [str(own / "test" / "1" / "a, b.jpg"), "neither PNG nor JPEG"],
        [str(own / "train" / "0" / "bad.png"), "empty file"],
    ]
    saved = json.loads((out / "config.json").read_text())
    assert saved["data"]["train"] == [60, 6, 6, 1]
    assert saved["config"]["dataset"] == f"folder:{own}"
    (own / "train" / "0" / "bad.png").unlink()
    assert cli.main(["resume", str(out)]) == 0
    assert (out / "skipped.csv").read_text().count("\n") == 2


@pytest.mark.parametrize("inside", ["runs/first", ".", "train/1/mine"])
def test_a_run_among_its_own_pictures_is_refused(pictures, capsys, inside):
    own = pictures / "own"
    before = sorted(own.rglob("*"))
    for verb in (["run", "--dataset", f"folder:{own}"],
                 ["datasets", "pack", f"folder:{own}"]):  # fmt: skip
        assert cli.main([*verb, "--out", str(own / inside)]) == 2
        said = capsys.readouterr().err
        assert "--out: lies in the pictures" in said
        assert "; choose a folder outside of the pictures\n" in said
        assert sorted(own.rglob("*")) == before


def test_in_a_hidden_folder_a_run_is_not_read_as_a_class(pictures):
    sources.require_outside(f"folder:{pictures / 'own'}", pictures / "own" / ".runs")
    sources.require_outside(f"folder:{pictures / 'own'}", pictures / "runs")

"""Nobody else's files are lost where a choice is written."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from gmmal_jax.cli import main
from gmmal_jax.project import places as choices


@pytest.fixture
def features(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "emb"
    folder.mkdir()
    rows = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    np.save(folder / "features.npy", rows)
    return folder / "features.npy"


def arguments(features, out="next.csv", *more):
    named = ["--features", str(features), "--out", str(out), "--budget", "5"]
    return ["select", *named, "--query", "random", *more]


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def refused(capsys, features, out="next.csv"):
    """What is said; nothing has changed."""
    before = everything(features.parents[1])
    assert main.main(arguments(features, out)) == 2
    assert everything(features.parents[1]) == before
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--out" in said and "name another" in said
    return said


@pytest.mark.parametrize(
    "name",
    ["thesis/chapter.txt", "notes.txt", "config.json", "checkpoints/mine", ".hidden"],
)
def test_a_folder_of_the_works_name_stays(features, tmp_path, capsys, name):
    mine = tmp_path / "next.work" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    assert repr("next.work") in refused(capsys, features)


def test_a_file_of_the_works_name_stays(features, tmp_path, capsys):
    (tmp_path / "next.work").write_text("mine")
    assert repr("next.work") in refused(capsys, features)


@pytest.mark.parametrize(
    "name", ["next.csv", "next.json", "next.png", "next.svg", "next_sheet.png"]
)
def test_files_that_would_be_written_over_stay(features, tmp_path, capsys, name):
    (tmp_path / name).write_text("mine")
    assert repr(name) in refused(capsys, features)


@pytest.mark.parametrize("stem", ["features", "labels", "skipped"])
def test_names_of_the_features_own_files(features, capsys, stem):
    assert stem in refused(capsys, features, f"emb/{stem}.csv")


def test_all_that_is_written_is_said_and_nothing_is_left(features, tmp_path, capsys):
    before = everything(tmp_path).keys()
    assert main.main(arguments(features)) == 0
    new = everything(tmp_path).keys() - before
    assert new == {"next.csv", "next.json", "next.png", "next.svg"}
    said = capsys.readouterr().out
    assert all(f"written: {name}\n" in said for name in new)


def test_killed_while_it_is_written_it_goes_on(features, tmp_path):
    """Its own pictures and summary are there then, without the table."""
    script = (
        "import os, signal, sys\n"
        "from gmmal_jax.cli import main\n"
        "from gmmal_jax.project import output\n"
        "output.table = lambda rows: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main.main(sys.argv[1:])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, *arguments(features)])
    assert killed.returncode == -signal.SIGKILL
    there = everything(tmp_path).keys()
    assert {"next.json", "next.png"} <= there and "next.csv" not in there
    assert main.main(arguments(features)) == 0
    assert (tmp_path / "next.csv").exists() and not (tmp_path / "next.work").exists()


def test_what_came_into_the_folder_meanwhile_stays(tmp_path):
    places = choices.Places(tmp_path / "next.csv")
    (places.work / "checkpoints" / "seed-000").mkdir(parents=True)
    for name in (".lock", "config.json", ".writing", ".config.json.tmp-7"):
        (places.work / name).write_text(json.dumps({"labels": []}))
    choices.require_free(places, tmp_path / "elsewhere" / "f.npy")
    (places.work / "mine.txt").write_text("mine")
    choices.tidy(places)
    assert os.listdir(places.work) == ["mine.txt"]

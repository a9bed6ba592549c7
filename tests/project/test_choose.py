"""One choice from features: warm, cold, killed and gone on."""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmmal_jax.cli import main, select, signals
from gmmal_jax.cli.select import configuration
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.loop import Silent
from gmmal_jax.project import choose, output

ROWS, CLASSES, WIDTH = 120, 3, 8
QUICK = {
    "train.steps": ["6"], "train.chunk-steps": ["2"], "train.batch-size": ["10"],
    "reg.subset-size": ["9"], "da.steps": ["4"], "da.refit-every": ["2"],
    "da.batch-size": ["10"], "da.hidden": ["8"], "width": ["4"], "budget": ["6"],
    "checkpoint.every-seconds": ["0"],
}  # fmt: skip


@pytest.fixture
def features(tmp_path):
    """Three clusters in a .npy; ten rows have labels."""
    rng = np.random.default_rng(0)
    truth = np.arange(ROWS) % CLASSES
    centres = 3 * rng.normal(size=(CLASSES, WIDTH))
    rows = centres[truth] + rng.normal(size=(ROWS, WIDTH))
    np.save(tmp_path / "f.npy", rows.astype(np.float16))
    lines = [f"{row},{'abc'[truth[row]]}" for row in range(10)]
    (tmp_path / "some.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    return tmp_path / "f.npy"


def config_of(features, labels=None, **given):
    named = {"labels": [str(labels)]} if labels else {}
    options = {name.replace("_", "-"): [str(value)] for name, value in given.items()}
    return configuration({"features": [str(features)]} | QUICK | named | options)


def chosen_of(features, labels=None, work="work", report=None, stop=None, **given):
    config = config_of(features, labels, **given)
    more = (lambda: nullcontext(stop),) if stop else ()
    return choose.choose(config, features.parent / work, report or Silent(), *more)


def test_some_labels_train_the_method_and_the_others_are_asked(features):
    found = chosen_of(features, features.with_name("some.csv"))
    assert (found.label, found.cold) == ("gmm", False)
    assert found.pool.labeled.sum() == 10
    rows = output.rows(found, features)
    assert len({row["id"] for row in rows}) == 6
    assert not {int(row["id"]) for row in rows} & {*range(10)}
    assert [row["rank"] for row in rows] == [*range(1, 7)]
    scores = {"likelihood_ratio", "critic", "entropy"}
    assert scores | {f"rank_{name}" for name in scores} <= rows[0].keys()
    shares = [float(row["confidence"]) for row in rows]
    assert all(1 / 3 <= share <= 1 for share in shares)
    assert {row["pseudo_label"] for row in rows} <= {*"abc"}


def test_no_label_a_first_choice_of_typical_rows(features):
    found = chosen_of(features)
    assert (found.label, found.cold, found.seconds) == ("typiclust", True, {})
    # Three tight clusters: each is among six typical rows.
    assert set(found.query.indices % CLASSES) == {0, 1, 2}
    assert output.rows(found, features)[0].keys() == {"id", "rank", "row"}


@pytest.mark.parametrize("query", choose.COLD_ONES)
def test_every_strategy_that_needs_no_label(features, query):
    found = chosen_of(features, query=query)
    assert found.label == query and len(set(found.query.indices.tolist())) == 6


@pytest.mark.parametrize("query", ["entropy", "gmm", "badge", "probcover", "four_ds"])
def test_the_others_say_so(features, query):
    with pytest.raises(UserError, match="--query.*needs labels, and there are none"):
        chosen_of(features, query=query)


def test_broken_rows_are_not_asked(features):
    rows = np.load(features)
    rows[50:60] = np.nan
    np.save(features, rows)
    with pytest.raises(UserError, match="10 such rows"):
        chosen_of(features)
    found = chosen_of(features, **{"data.broken": "skip"}, budget=110)
    assert sorted(found.pool.ids[found.query.indices]) == [*range(50), *range(60, 120)]
    assert output.summary(found, {})["broken_rows"] == 10


def test_its_table_is_utf8_whatever_folders_are_called():
    table = output.table([{"id": "0.png", "path": os.fsdecode(b"/caf\xe9/0.png")}])
    assert table == "id,path\n0.png,/caf\\xe9/0.png\n"


def test_more_than_there_is(features):
    with pytest.raises(UserError, match="--budget: 111; only 110 rows have no label"):
        chosen_of(features, features.with_name("some.csv"), budget=111)


def test_labels_of_one_class_are_no_start(features):
    features.with_name("one.csv").write_text("id,label\n1,a\n2,a\n")
    with pytest.raises(UserError, match="one class only: 'a'"):
        chosen_of(features, features.with_name("one.csv"))


class Stop:
    """Asks to stop after so many chunks."""

    def __init__(self, after):
        self.left = after

    def __call__(self):
        self.left -= 1
        return signal.SIGTERM if self.left == 0 else None


@pytest.mark.parametrize("after", [2, 4])
def test_stopped_in_either_stage_it_goes_on_to_the_same_choice(features, after):
    labels = features.with_name("some.csv")
    whole = chosen_of(features, labels, "whole")
    with pytest.raises(Interrupted):
        chosen_of(features, labels, "parts", stop=Stop(after))
    again = chosen_of(features, labels, "parts")
    assert output.table(output.rows(whole, features)) == output.table(
        output.rows(again, features)
    )


class Told(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_what_is_kept_of_another_choice_is_not_used(features):
    labels, told = features.with_name("some.csv"), Told()
    with pytest.raises(Interrupted):
        chosen_of(features, labels, stop=Stop(2))
    features.with_name("more.csv").write_text(labels.read_text() + "20,b\n")
    chosen_of(features, features.with_name("more.csv"), report=told)
    assert any("of another choice: begun anew" in note for note in told.notes)


def run(features, *more):
    quick = [text for name, texts in QUICK.items() for text in (f"--{name}", *texts)]
    out = features.with_name("to_label.csv")
    named = ["--features", str(features), "--out", str(out)]
    return main.main(["select", *named, *quick, *more]), out


def test_the_command_writes_a_table_a_summary_and_pictures(features, capsys):
    folder = features.with_name("pictures")
    folder.mkdir()
    for row in range(ROWS):
        Image.new("RGB", (9, 7), (row, 0, 0)).save(folder / f"{row}.png")
    ids = "".join(f"{row}.png\n" for row in range(ROWS))
    features.with_name("ids.txt").write_text(ids)
    features.with_name("features.json").write_text(json.dumps({"source": str(folder)}))
    code, out = run(features)
    said = capsys.readouterr().out
    assert code == 0 and "no label: a first choice" in said
    assert "next: write labels of these rows to a table" in said
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == [*"123456"]
    assert all(Path(row["path"]).is_file() for row in rows)
    summary = json.loads(out.with_suffix(".json").read_text())
    assert summary["cold_start"] and summary["method"] == "typiclust"
    assert summary["chosen"] == 6 and summary["rows"] == ROWS
    for picture in ("to_label.png", "to_label_sheet.png"):
        with Image.open(out.with_name(picture)) as opened:
            assert min(opened.size) > 100
        assert f"written: {out.with_name(picture)}" in said
    assert not out.with_suffix(".work").exists()
    before = out.read_bytes()
    assert run(features)[0] == 2 and out.read_bytes() == before
    assert "there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--out", "x.txt"], "let its name end in .csv"),
        (["--seed", "-1"], "use a whole number of 0 or more"),
        (["--seed", "9" * 5000], "use a whole number of 0 or more"),
        (["--seed", "99999999999"], "--seed: 99999999999; use seeds of 0 or more"),
        (["--features", "nothere.npy"], "--features: no such file: 'nothere.npy'"),
        (["--cycles", "2"], "unknown option"),
        (["--model", "resnet18"], "it reads pictures, not features"),
    ],
)
def test_what_the_command_refuses(features, capsys, more, line):
    code, out = run(features, "--labels", str(features.with_name("some.csv")), *more)
    assert code == 2 and line in capsys.readouterr().err and not out.exists()


def test_ctrl_c_outside_of_training_is_at_once(features, monkeypatch, capsys):
    labels = features.with_name("some.csv")
    before = sorted(features.parent.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(choose.bind, "loaded", interrupt)
        assert run(features, "--labels", str(labels))[0] == 130
    assert sorted(features.parent.iterdir()) == before
    assert capsys.readouterr().err == "gmmal: stopped by SIGINT\n"
    with monkeypatch.context() as patch:
        patch.setattr(choose.cycles, "ask", interrupt)
        assert run(features, "--labels", str(labels))[0] == 130
    said = capsys.readouterr().out
    assert "stopped by SIGINT; the same command goes on" in said
    assert "stopping after" not in said
    assert run(features, "--labels", str(labels))[0] == 0
    said = capsys.readouterr().out
    # One file holds all labels: a new one would lose those that there are.
    wanted = f"next: add the labels of these rows to those in {labels}, and give the "
    assert f"{wanted}same command with another --out\n" in said


def interrupt(*args):
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_in_the_last_chunk_is_not_lost():
    with pytest.raises(signals.Stopped), signals.at_once(), select._training():
        signal.raise_signal(signal.SIGINT)


def test_killed_it_goes_on_to_the_same_bytes(features):
    labels = features.with_name("some.csv")
    quick = [text for name, texts in QUICK.items() for text in (f"--{name}", *texts)]
    killed = (
        "import os, signal, sys\n"
        "from gmmal_jax import parallel\n"
        "from gmmal_jax.cli import main\n"
        "inner, left = parallel.run_chunk, [4]\n"
        "def run_chunk(*args):\n"
        "    left[0] -= 1\n"
        "    if not left[0]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return inner(*args)\n"
        "parallel.run_chunk = run_chunk\n"
        "main.main(sys.argv[1:])\n"
    )
    tables = {}
    for name, deaths in (("whole", 0), ("parts", 1)):
        out = features.with_name(f"{name}.csv")
        arguments = [
            "select", "--features", str(features), "--labels", str(labels),
            "--out", str(out), *quick,
        ]  # fmt: skip
        if deaths:
            child = subprocess.run(
                [sys.executable, "-c", killed, *arguments], capture_output=True
            )
            assert child.returncode == -signal.SIGKILL and not out.exists()
            assert any(out.with_suffix(".work").rglob("phase-*"))
        assert main.main(arguments) == 0
        tables[name] = out.read_bytes()
    assert tables["whole"] == tables["parts"]

"""Unusable options and files: one line, exit code 2, nothing left behind."""

import dataclasses
import errno
import json
import os
import typing

import numpy as np
import pytest
import tiny

from gmmal_jax import config as configs, opening
from gmmal_jax.cli import main as cli
from gmmal_jax.config import Config, checks
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files


def refused(capsys, *args):
    """The one line that the command line says."""
    assert cli.main(list(args)) == 2
    said = capsys.readouterr().err
    assert said.startswith("gmmal: ") and said.count("\n") == 1, said
    return said.removeprefix("gmmal: ")


def numbers(cls=Config, prefix=""):
    """(option, kind, range) of every number that an option takes."""
    for name, hint in checks.hints(cls).items():
        hint, _ = checks.unwrap(hint)
        if dataclasses.is_dataclass(hint):
            yield from numbers(hint, f"{prefix}{name}.")
        if typing.get_origin(hint) is tuple:
            hint = typing.get_args(hint)[0]
        if typing.get_origin(hint) is typing.Annotated:
            kind, bounds = typing.get_args(hint)
            yield checks.option(prefix + name), kind, bounds
        else:
            assert hint not in (int, float), f"{prefix}{name} has no range"


@pytest.mark.parametrize(
    ("option", "kind", "bounds"), [*numbers()], ids=lambda v: str(v)
)
def test_every_number_has_a_range(option, kind, bounds, capsys, tmp_path):
    out = tmp_path / "out"
    texts = ["x", "nan", "inf", "-inf", "1e999", str(10**14), "9" * 5000]
    texts += [repr(kind(bounds.low) - 1), repr(kind(bounds.high) + 1)]
    if kind is float:
        texts.remove(str(10**14))
        texts[-1] = repr(2 * bounds.high + 1)
        if bounds.low < -1:
            texts[-2] = repr(2 * bounds.low)
        if bounds.high > 1e20:
            texts.remove("9" * 5000)
            texts.append("9" * 400)
    texts += [repr(kind(bounds.low))] if bounds.above else []
    texts += [repr(kind(bounds.high))] if bounds.below else []
    for text in texts:
        line = refused(capsys, "run", "--out", str(out), f"--{option}", text)
        assert line.startswith(f"--{option}: ") and "; use " in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--da.hidden", "0"], "--da.hidden: 0; use 1 or more"),
        (["--da.hidden"], "--da.hidden; it takes at least one value"),
        (["--train.momentum", "1.5"], "--train.momentum: 1.5; use a share in [0, 1)"),
        (["--da.decay", "2"], "--da.decay: 2.0; use a factor in [0, 1]"),
        (["--budget", "99999999999999"], "use 1 or more, at most 2,000,000,000"),
        (["--model", "resnet19"], "did you mean resnet18? use one of small, resnet18"),
        (["--setting", "longtailed"], "did you mean long_tailed?"),
        (["--method", "margn"], "did you mean margin?"),
        (["--learn", "reg-da"], "did you mean reg_da?"),
        (["--query", "entrop"], "did you mean entropy?"),
        (["--preset", "literl"], "--preset: 'literl'; did you mean literal?"),
        (["--preset", "literal", "onecicle"], "did you mean onecycle?"),
        (["--preset"], "--preset; it takes at least one value"),
        (["--prest", "literal"], "did you mean --preset?"),
        (
            ["--data.no-flp"],
            "unknown option: '--data.no-flp'; did you mean --data.no-flip?",
        ),
        (["--no-data.flip"], "did you mean --data.no-flip?"),
        (["--data.flp"], "did you mean --data.flip?"),
        (["--no-clip-budget", "3"], "--no-clip-budget: '3'; it takes no value"),
        (["--preset", "offical"], "did you mean official?"),
        (["--initial", "9999", "--clip-budget"], "rows: lower --initial\n"),
        (["--data.flip", "maybe"], "--data.flip: 'maybe'; use true or false"),
        (["--cycles"], "--cycles; it takes one value"),
        (["--cycles", "3", "4"], "--cycles: '3 4'; it takes one value"),
        (["--qqqqqqqq", "1"], "unknown option: '--qqqqqqqq'; see gmmal run --help"),
        (["--config"], "--config; it takes one value"),
        (["--gmm.feature-mode", "eval"], "the option is gone: '--gmm.feature-mode'"),
        (["--select.subset-size", "5"], "use 20 (--budget) or more"),
        (["--setting", "mismatch", "--initial", "1000"], "first 7 classes have 9"),
        (["--data.mean", "0.1", "0.2", "0.3"], "one number a channel: digits has 1"),
        (["--data.imbalance-ratio", "999", "--setting", "imbalanced"], "class 0 keeps"),
    ],
)
def test_the_line_says_what_to_do(args, message, capsys, tmp_path):
    out = tmp_path / "deep" / "out"
    assert message in refused(capsys, "run", "--out", str(out), *args)
    assert not list(tmp_path.iterdir())


def test_a_class_without_images(capsys, tmp_path):
    path, out = tmp_path / "mine.npz", tmp_path / "out"
    images, labels = np.zeros((60, 8, 8), np.uint8), np.arange(60) % 2 * 2
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    sizes = ("--initial", "5", "--budget", "5", "--model", "small")
    line = refused(capsys, "run", "--dataset", f"npz:{path}", "--out", str(out), *sizes)
    assert "class 1 has no images in y_train; number classes from 0" in line
    assert not out.exists()


def test_something_before_the_first_option(capsys):
    assert "no option before: 'digits'" in refused(capsys, "run", "digits")


def test_the_nearest_verb(capsys):
    assert "did you mean resume? use one of run" in refused(capsys, "resum", "x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cycles": "three"}, "--cycles: 'three'; use a whole number"),
        ({"cycles": 3.5}, "--cycles: 3.5; use a whole number"),
        ({"cycles": True}, "--cycles: True; use a whole number"),
        ({"train": {"learning_rate": "x"}}, "--train.learning-rate: 'x'; use a number"),
        ({"train": {"learning_rate": None}}, "--train.learning-rate; use a number"),
        ({"train": {"learning_rat": 1}}, "did you mean train.learning_rate?"),
        ({"train": 3}, "train: 3; use a group of settings"),
        ({"trian": {}}, "no field: 'trian'; did you mean train?"),
        ({"seeds": 3}, "--seeds: 3; use a list of values"),
        ({"seeds": ["a"]}, "--seeds: 'a'; use a whole number"),
        ({"data": {"flip": 1}}, "--data.flip: 1; use true or false"),
        ({"dataset": 3}, "--dataset: 3; use text"),
        ({"gmm": {"feature_mode": "train"}}, "--gmm.feature-mode: 'train'; the option"),
        ({"model": ["small"]}, "--model: ('small',); use text"),
        ({"da": {"beta": float("nan")}}, "--da.beta: nan; use 0 or more"),
        ({"config": None}, "use a group of settings"),
        (None, "not a configuration"),
    ],
)
def test_a_configuration_file_is_checked_field_by_field(
    values, message, capsys, tmp_path
):
    path, out = tmp_path / "saved.json", tmp_path / "out"
    path.write_text(json.dumps(values))
    line = refused(capsys, "run", "--out", str(out), "--config", str(path))
    assert line.startswith(str(path)) and message in line
    assert not out.exists()


def test_a_folder_that_no_checkpoint_can_go_to_is_refused(capsys, tmp_path):
    out = tmp_path / os.fsdecode(b"caf\xe9")
    line = refused(capsys, "run", "--out", str(out))
    assert line.startswith("--out: a path that is not UTF-8") and "choose" in line
    assert not out.exists()


def saved_run(folder, **changes):
    """A folder that says it holds a run of these settings."""
    folder.mkdir()
    config = configs.to_dict(configs.replace(cli.parse_run([]), **changes))
    body = {"config": config, "versions": {}, "data": {"checksum": ""}}
    (folder / "config.json").write_text(json.dumps(body))
    return folder


def test_a_folder_of_another_run_says_what_differs(capsys, tmp_path):
    folder = saved_run(tmp_path / "my run", budget=30, **{"train.steps": 200})
    before = (folder / "config.json").read_bytes()
    line = refused(capsys, "run", "--out", str(folder))
    assert "holds another run" in line
    assert "--budget is 30 there, 20 here and 1 more differ; name another" in line
    assert f"gmmal resume '{folder}'" in line
    line = refused(capsys, "run", "--out", str(folder), "--budget", "30")
    assert "--train.steps is 200 there, 300 here; name another" in line
    assert (folder / "config.json").read_bytes() == before


def test_a_folder_of_the_same_run_says_how_to_go_on(capsys, tmp_path):
    folder = saved_run(tmp_path / "run", out="elsewhere")
    line = refused(capsys, "run", "--out", str(folder))
    assert f"this very run: '{folder}'; continue it with `gmmal resume" in line
    clipped = saved_run(tmp_path / "clipped", clip_budget=True, cycles=4)
    more = ("run", "--out", str(clipped), "--clip-budget", "--cycles")
    assert "this very run" in refused(capsys, *more, "9")
    assert "--cycles is 4 there, 3 here" in refused(capsys, *more, "3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "not a run's configuration; restore it"),
        (b'{"config": 3, "versions": {}, "data": {}}', "not a run's configuration"),
        (b'{"config": {}, "versions": {}, "data": {}}', "not a run's configuration"),
        (
            b'{"config": {"cycles": "x"}, "versions": {}, "data": {"checksum": ""}}',
            "config.json: --cycles: 'x'; use a whole number",
        ),
    ],
)
def test_a_damaged_configuration_is_not_resumed(content, message, capsys, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    assert message in refused(capsys, "resume", str(tmp_path))
    assert message in refused(capsys, "run", "--out", str(tmp_path))
    assert (tmp_path / "config.json").read_bytes() == content


def test_a_file_is_no_folder(capsys, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    assert "File exists" in refused(capsys, "run", "--out", str(path))
    assert "no run in folder" in refused(capsys, "resume", str(path))
    assert path.read_text() == "mine"


def fail(code):
    def raise_(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return raise_


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_takes_no_file(code, capsys, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(files, "open", fail(code), raising=False)
        line = refused(capsys, "run", "--out", str(tmp_path / "a" / "b"))
    assert os.strerror(code) in line and "--out" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("written", [0, 1])
def test_a_full_disk_at_the_start(written, capsys, tmp_path, monkeypatch):
    """Before the first arm's configuration is written, and before the second's."""
    original, calls = files.write_atomic, []

    def write(path, data):
        with monkeypatch.context() as patch:
            if len(calls) == written:
                patch.setattr(os, "fsync", fail(errno.ENOSPC))
            calls.append(path)
            original(path, data)

    monkeypatch.setattr(files, "write_atomic", write)
    out = tmp_path / "a" / "b"
    line = refused(capsys, "run", "--width", "2", "--out", str(out))
    assert os.strerror(errno.ENOSPC) in line and len(calls) == written + 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_there_stays(capsys, tmp_path):
    (tmp_path / "notes").write_text("mine")
    refused(capsys, "run", "--out", str(tmp_path), "--budget", "900")
    assert {path.name for path in tmp_path.iterdir()} <= {"notes", files.LOCK_NAME}
    (tmp_path / "empty").mkdir()
    refused(capsys, "run", "--out", str(tmp_path / "empty"), "--budget", "900")
    assert not list((tmp_path / "empty").iterdir())


def test_python_callers_get_the_same_line(tmp_path):
    with pytest.raises(UserError, match="--train.batch-size: 0; use 1 or more"):
        tiny.config(**{"train.batch_size": 0})
    with pytest.raises(UserError, match="one number a channel"):
        opening.start(tiny.config(**{"data.std": (1.0, 1.0)}), tmp_path / "run", 1)
    assert not list(tmp_path.iterdir())

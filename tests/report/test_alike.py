"""Runs that may not stand together, and what may differ all the same."""

import json

import pytest
from run_cases import FIVE, write_run

from gmmal_jax import config as configs, methods, report
from gmmal_jax.cli import main as cli
from gmmal_jax.errors import UserError

FIRST, SECOND = ({s: FIVE[s] for s in seeds} for seeds in ((0, 1), (2, 3)))
PAPER, SHORT = ({"train": {"epochs": epochs, "decay": 0.1}} for epochs in (200, 40))


def run_of(folder, label, curves=FIRST, beside=None, **settings):
    """Beside random choice of some settings; None: of none."""
    write_run(folder, label, curves, **settings)
    if beside is not None:
        write_run(folder / "reference", "random", curves, **beside)
    return report.load_run(folder)


def refused(runs):
    with pytest.raises(UserError) as error:
        report.summarise(runs)
    return str(error.value)


def test_one_label_of_two_settings_is_no_arm(tmp_path):
    one = run_of(tmp_path / "a", "gmm", **PAPER)
    other = run_of(tmp_path / "b", "gmm", SECOND, **SHORT)
    assert refused([one, other]) == (
        f"runs of gmm differ in --train.epochs: 200 in {tmp_path}/a, 40 in "
        f"{tmp_path}/b; report them one by one"
    )


def test_a_reference_trained_otherwise_serves_nobody_else(tmp_path):
    one = run_of(tmp_path / "a", "gmm", beside=PAPER, **PAPER)
    other = run_of(tmp_path / "b", "entropy", beside=SHORT, **SHORT)
    assert refused([one, other]) == (
        f"runs of random differ in --train.epochs: 200 in {tmp_path}/a/reference, 40 "
        f"in {tmp_path}/b/reference; report them one by one"
    )
    same = run_of(tmp_path / "c", "entropy", beside=PAPER, **PAPER)
    assert [row.reference for row in report.summarise([one, same])] == [
        "random", "random", None,
    ]  # fmt: skip


def test_a_run_of_random_is_trained_as_the_references_are(tmp_path):
    one = run_of(tmp_path / "a", "gmm", beside=PAPER, **PAPER)
    assert "of random differ" in refused(
        [one, run_of(tmp_path / "b", "random", **SHORT)]
    )
    alike = run_of(tmp_path / "c", "random", SECOND, method="gmm", learn="ce", **PAPER)
    rows = {row.label: row for row in report.summarise([one, alike])}
    assert rows["random"].seeds == (0, 1, 2, 3)


def test_a_run_without_a_reference_takes_none_that_is_trained_otherwise(tmp_path):
    one = run_of(tmp_path / "a", "gmm", beside=PAPER, **PAPER)
    lone = run_of(tmp_path / "b", "entropy", **SHORT)
    assert "entropy and its reference differ in --train.epochs: 200" in refused(
        [lone, one]
    )
    query = {"select": {"diversity": "kmeans"}, "gmm": {"em_iters": 5}}
    alike = run_of(tmp_path / "c", "entropy", **PAPER, **query)
    assert report.summarise([alike, one])[0].reference == "random"


def test_all_methods_stand_together_as_they_are(tmp_path):
    """Each beside its own reference, or beside another's."""
    runs = []
    for name in methods.METHODS:
        if name == "random":
            continue
        config = methods.configure({"dataset": "digits", "method": name})
        own, plain = configs.to_dict(config), methods.reference(config)
        beside = configs.to_dict(plain, configs.plain.OF_EVERY_RUN)
        for label, its in ((name, beside), (f"{name} alone", None)):
            runs.append(run_of(tmp_path / label, label, {0: [0.5]}, its, **own))
    rows = {row.label: row.reference for row in report.summarise(runs)}
    assert rows.pop("random") is None and set(rows.values()) == {"random"}


def test_what_is_a_method_s_own_may_differ_between_methods(tmp_path):
    gmm = run_of(tmp_path / "a", "gmm", **PAPER, da={"beta": 1.0})
    entropy = run_of(tmp_path / "b", "entropy", **SHORT, da={"beta": 0.5})
    assert len(report.summarise([gmm, entropy])) == 2
    assert "--da.beta: 1.0" in refused(
        [gmm, run_of(tmp_path / "c", "gmm", SECOND, **PAPER, da={"beta": 0.5})]
    )


def test_what_differs_by_nature_is_no_difference(tmp_path):
    one = run_of(
        tmp_path / "a", "ce+gmm", **PAPER, seeds=[0, 1], out="a", data_dir=None,
        labels="/a/labels.csv", cycles=2, method="gmm", learn="ce", reference="none",
        memory_gb=4.0, data={"placement": "auto"}, checkpoint={"keep": 2},
    )  # fmt: skip
    other = run_of(
        tmp_path / "b", "ce+gmm", SECOND, **PAPER, seeds=[2, 3], out="b",
        data_dir="/data", labels="/b/labels.csv", cycles=9, method="entropy",
        learn="ce", query="gmm", memory_gb=None, data={"placement": "streamed"},
        checkpoint={"keep": 3},
    )  # fmt: skip
    (row,) = report.summarise([one, other])
    assert row.seeds == (0, 1, 2, 3)


def test_what_an_older_run_did_not_write_down_is_no_difference(tmp_path):
    old = run_of(tmp_path / "a", "gmm", beside={})
    one = run_of(tmp_path / "b", "gmm", SECOND, beside=PAPER, **PAPER)
    other = run_of(tmp_path / "c", "gmm", {4: FIVE[4]}, beside=SHORT, **SHORT)
    assert report.summarise([old, one])[0].seeds == (0, 1, 2, 3)
    # It does not stand between the two that did.
    assert "--train.epochs: 200" in refused([old, one, other])


def test_methods_share_their_pool(tmp_path):
    def with_checksum(run, checksum):
        path = run.folder / "config.json"
        saved = json.loads(path.read_text()) | {"data": {"checksum": checksum}}
        path.write_text(json.dumps(saved))
        return report.load_run(run.folder)

    gmm = with_checksum(run_of(tmp_path / "a", "gmm"), "12ab")
    entropy = with_checksum(run_of(tmp_path / "b", "entropy"), "34cd")
    assert refused([gmm, entropy]) == (
        "runs of digits, balanced, test differ in the data's checksum: '12ab' in "
        f"{tmp_path}/a, '34cd' in {tmp_path}/b; report them one by one"
    )
    old = run_of(tmp_path / "c", "margin")
    assert len(report.summarise([gmm, old])) == 2
    capped = (
        run_of(tmp_path / name, name, data={"class_cap": cap})
        for name, cap in (("entropy", None), ("margin", 500))
    )
    assert "in --data.class-cap: None in " in refused([*capped])


def test_the_command_refuses_them_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_of(tmp_path / "a", "gmm", **PAPER)
    run_of(tmp_path / "b", "gmm", SECOND, **SHORT)
    assert cli.main(["report", "a", "b"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "gmmal: runs of gmm differ in --train.epochs: 200 in a, 40 in b; report them "
        "one by one\n"
    )

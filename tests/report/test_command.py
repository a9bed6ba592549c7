"""`gmmal report`: what its options write, and what they refuse in one line."""

import pytest
from run_cases import write_asking_run

from gmmal_jax.cli import main as cli

CURVES = {seed: [0.3 + seed / 50, 0.5 - seed / 70] for seed in range(2)}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [
        str(write_asking_run(tmp_path / label, label, CURVES, seed=place))
        for place, label in enumerate(("gmm", "random"))
    ]


def test_files_and_page_are_written_where_options_say(runs, tmp_path, capsys):
    wanted = ["--csv", "a/b", "--json", "c", "--html", "d/page.html"]
    assert cli.main(["report", *runs, *wanted]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "a/b/accuracy.csv").exists()
    assert (tmp_path / "c/pairs.json").exists()
    assert (tmp_path / "d/page.html").read_text().startswith("<!DOCTYPE html>")
    assert "written: d/page.html" in printed and "Paired differences" in printed
    assert (tmp_path / "learning_curve.svg").exists()


def test_the_same_runs_give_the_same_bytes(runs, tmp_path):
    for name in ("one", "two"):
        wanted = ["--csv", name, "--html", f"{name}/page.html"]
        assert cli.main(["report", *runs, *wanted]) == 0
    first, second = (
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert first == second and len(first) > 10


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--at", "much"], "--at: 'much'; give an accuracy in per cent"),
        (["--at", "0"], "--at: '0'; give an accuracy in per cent"),
        (["--at", "nan"], "--at: 'nan'; give an accuracy in per cent"),
        (
            ["--base", "badge"],
            "--base: no run of it in digits, balanced, test: 'badge'",
        ),
        (["--html"], "--html; it takes one value"),
        (["--csv", "gmm/config.json"], "config.json"),
        (["--html", "gmm"], "gmm: Is a directory"),
    ],
)
def test_what_cannot_be_is_one_line(runs, capsys, options, line):
    assert cli.main(["report", *runs, *options]) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1 and error.startswith("gmmal: ")


def test_data_sets_are_reported_apart(runs, tmp_path, capsys):
    config = tmp_path / "random/config.json"
    config.write_text(config.read_text().replace("balanced", "imbalanced"))
    assert cli.main(["report", *runs]) == 0
    printed = capsys.readouterr().out
    assert "digits, balanced, test\n" in printed
    assert "digits, imbalanced, test\n" in printed
    assert (tmp_path / "learning_curve_2.png").exists()

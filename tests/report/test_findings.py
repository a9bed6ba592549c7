"""The tables as files, and what is refused."""

import csv
import json

import pytest
from run_cases import FIVE, compared as compared, write_asking_run, write_run

from gmmal_jax import report
from gmmal_jax.errors import UserError
from gmmal_jax.report import arms, findings, sections

CURVES = {seed: [0.3 + seed / 50, 0.5, 0.6 - seed / 70] for seed in range(3)}
TABLES = {
    "accuracy", "balanced_accuracy", "test_loss", "calibration_error", "recall",
    "labeled_class_entropy", "gains", "area", "labels_needed", "pairs", "overlap",
    "classes", "seconds", "penalties",
}  # fmt: skip


@pytest.fixture
def found(tmp_path):
    lower = {seed: [a - 0.1 for a in curve] for seed, curve in CURVES.items()}
    runs = [
        report.load_run(write_asking_run(tmp_path / "gmm", "gmm", CURVES)),
        report.load_run(write_asking_run(tmp_path / "r", "random", lower, seed=1)),
    ]
    return findings.find([arms.task(runs)])


def test_every_table_is_a_file_of_each_kind(tmp_path, found):
    assert set(findings.tables(found)) == TABLES
    for write in (findings.write_csv, findings.write_json):
        paths = write(tmp_path / "out", found)
        assert {path.stem for path in paths} == TABLES
        assert all(path.exists() for path in paths)


def test_both_kinds_say_the_same(tmp_path, found):
    findings.write_csv(tmp_path, found)
    findings.write_json(tmp_path, found)
    for name in TABLES:
        with open(tmp_path / f"{name}.csv", newline="") as file:
            lines = list(csv.DictReader(file))
        rows = json.loads((tmp_path / f"{name}.json").read_text())
        shown = [
            {key: "" if value is None else str(value) for key, value in row.items()}
            for row in rows
        ]
        assert lines == shown


def test_intervals_are_in_the_files_with_their_seeds(tmp_path, found):
    findings.write_json(tmp_path, found)
    rows = json.loads((tmp_path / "accuracy.json").read_text())
    (first,) = [r for r in rows if r["method"] == "gmm" and r["labeled"] == 4]
    assert first["task"] == "digits, balanced, test" and first["n"] == 3
    assert first["mean"] == pytest.approx(32) and first["low"] < 32 < first["high"]


def test_what_is_never_reached_is_a_word_and_no_number(tmp_path, found):
    task = found.found[0].task
    findings.write_csv(tmp_path, findings.find([task], level=99.0))
    with open(tmp_path / "labels_needed.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["labels"] for row in rows} == {""}
    assert {row["labels_shown"] for row in rows} == {"> 12"}


def test_the_base_is_the_reference_or_random_or_asked_for(found, compared):
    assert found.found[0].base == "random"
    task = arms.task([compared])
    assert findings.find([task]).found[0].base == "random"
    assert findings.find([task], "gmm").found[0].base == "gmm"
    with pytest.raises(UserError, match="--base.*'badge'.*use one of gmm, random"):
        findings.find([task], "badge")


def test_the_best_is_marked_and_so_are_ties(tmp_path):
    runs = [
        report.load_run(write_run(tmp_path / name, name, {0: curve}))
        for name, curve in (("a", [0.5, 0.6]), ("b", [0.5, 0.5]), ("c", [0.4, 0.1]))
    ]
    (found,) = findings.find([arms.task(runs)]).found
    lines = sections.of_task(found)[0].lines
    assert [[entry.best for entry in line[2:]] for line in lines] == [
        [True, True], [True, False], [False, False],
    ]  # fmt: skip


def test_the_calibration_error_is_in_per_cent_and_small_where_good(found):
    cells = found.found[0].results["calibration_error"]
    assert {(cell.method, cell.mean) for cell in cells} == {
        ("gmm", 12.5), ("random", 12.5),
    }  # fmt: skip
    titles = [section.title for section in sections.of_task(found.found[0])]
    assert titles[3] == "Expected calibration error (%)"
    assert "Recall by class (%)" in titles


def test_what_only_some_recorded_says_who_did_not(tmp_path, found):
    old = report.load_run(write_run(tmp_path / "old", "old", FIVE, (4, 8)))
    new = found.found[0].task.arms[0].runs[0]
    (mixed,) = findings.find([arms.task([new, old])]).found
    by_title = {each.title: each for each in sections.of_task(mixed)}
    section = by_title["Expected calibration error (%)"]
    assert [line[0].text for line in section.lines] == ["gmm"]
    assert section.notes[-1] == "Not recorded: old."
    assert "Not recorded" not in " ".join(by_title["Accuracy (%)"].notes)


def test_an_old_run_without_a_measure_lacks_its_table(tmp_path):
    run = report.load_run(write_run(tmp_path / "a", "a", FIVE))
    found = findings.find([arms.task([run])])
    titles = [section.title for section in sections.of_task(found.found[0])]
    assert titles == ["Accuracy (%)", "What labels buy"]
    assert sections.penalties(found).lines == []


def test_one_seed_prints_no_more_than_the_accuracies(tmp_path):
    run = report.load_run(write_run(tmp_path / "a", "a", {0: [0.5, 0.6]}))
    assert sections.for_terminal(findings.find([arms.task([run])])) == []


def test_sections_as_text(found):
    texts = [sections.text(section) for section in sections.for_terminal(found)]
    assert [text.split("\n")[0] for text in texts] == [
        "What labels buy", "Paired differences", "Overlap of queries", "Who beats whom",
    ]  # fmt: skip
    assert "gmm - random" in texts[1]

"""Recall by class: where methods have all come to, absent classes, many classes."""

import pytest
from run_cases import write_asking_run, write_run

from gmmal_jax import report
from gmmal_jax.report import arms, class_table, findings, recall
from gmmal_jax.report.statistics import estimate
from gmmal_jax.storage import records


def run_of(folder, label, shares, num_classes=3, **changes):
    """A run: seed -> cycle -> recall of each class (a function of its number)."""
    curves = {seed: [0.5] * len(cycles) for seed, cycles in shares.items()}
    write_run(folder, label, curves, (10, 20, 30), **changes)
    for record in records.load(folder):
        of = shares[record.seed][record.cycle]
        rows = [
            {"class": k, "recall": of(k), "support": 0 if of(k) is None else 4 + k}
            for k in range(num_classes)
        ]
        records.write(folder, record._replace(recalls=rows))
    return report.load_run(folder)


def task_of(*runs):
    return arms.task(runs)


def section_of(*runs):
    return class_table.section(findings.find([task_of(*runs)]).found[0])


def level(share):
    return lambda k: share + k / 10


def test_means_and_intervals_are_those_of_the_last_size_that_all_have_come_to(tmp_path):
    one = run_of(tmp_path / "a", "a", {s: [level(0.1), level(s / 5)] for s in range(3)})
    other = run_of(tmp_path / "b", "b", {0: [level(0.2)] * 3, 1: [level(0.0)]})
    rows = {
        (row.method, row.label): row for row in recall.by_class(task_of(one, other))
    }
    assert {row.labeled for row in rows.values()} == {20}
    found, expected = rows["a", 1], estimate([10.0, 30.0, 50.0])
    assert (found.n, found.support) == (3, 5)
    for name in ("mean", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))
    assert rows["b", 2].n == 1 and rows["b", 2].low is None
    assert rows["b", 2].mean == pytest.approx(40)


def test_a_class_that_is_not_there_is_empty_and_never_0(tmp_path):
    run = run_of(tmp_path / "a", "a", {0: [lambda k: None if k == 1 else 0.5]})
    rows = recall.by_class(task_of(run))
    assert [(row.n, row.mean, row.support) for row in rows] == [
        (1, 50, 4), (0, None, 0), (1, 50, 6),
    ]  # fmt: skip
    texts = [[entry.text for entry in line] for line in section_of(run).lines]
    assert texts == [["0", "4", "50.00"], ["1", "0", ""], ["2", "6", "50.00"]]
    findings.write_csv(tmp_path, findings.find([task_of(run)]))
    lines = (tmp_path / "recall.csv").read_text().split("\n")
    assert lines[0] == "task,method,labeled,label,n,mean,low,high,support"
    assert lines[2] == '"digits, balanced, test",a,10,1,0,,,,0.0'


def test_the_best_of_a_class_is_marked_and_so_are_ties(tmp_path):
    run_a = run_of(tmp_path / "a", "a", {0: [lambda k: (0.5, 0.6, 0.5)[k]]})
    run_b = run_of(tmp_path / "b", "b", {0: [lambda k: (0.5, 0.5, 0.9)[k]]})
    best = [
        [entry.best for entry in line[2:]] for line in section_of(run_a, run_b).lines
    ]
    assert best == [[True, True], [True, False], [False, True]]


def test_of_many_classes_the_worst_are_shown_and_how_far_all_lie_apart(tmp_path):
    run = run_of(tmp_path / "a", "a", {0: [lambda k: (k * 7 % 30) / 100]}, 30)
    section = section_of(run)
    texts = [[entry.text for entry in line] for line in section.lines]
    worst = [k for k in sorted(range(30), key=lambda k: k * 7 % 30)][:10]
    assert [line[0] for line in texts[:10]] == [str(k) for k in worst]
    assert texts[10:] == [
        ["lowest of 30", "", "0.00"],
        ["median of 30", "", "14.50"],
        ["highest of 30", "", "29.00"],
    ]
    assert "10 of 30 classes" in section.notes[0]
    assert len(section_of(run_of(tmp_path / "b", "b", {0: [level(0)]}, 20)).lines) == 20


def test_a_run_of_an_older_version_is_named_and_holds_nobody_back(tmp_path):
    new = run_of(tmp_path / "a", "a", {0: [level(0.1), level(0.2)]})
    old = report.load_run(write_run(tmp_path / "b", "old", {0: [0.5]}))
    section = section_of(new, old)
    assert section.head == ("class", "rows", "a")
    assert section.notes[-1] == "Not recorded: old."
    assert section.lines[0][2].text == "20.00"
    assert recall.by_class(task_of(old)) == [] and section_of(old).lines == []


def test_a_run_that_went_on_with_a_newer_version_has_its_later_cycles(tmp_path):
    run_of(tmp_path / "a", "a", {0: [level(0.1), level(0.2)]})
    first = records.load(tmp_path / "a")[0]
    records.write(tmp_path / "a", first._replace(recalls=[]))
    rows = recall.by_class(task_of(report.load_run(tmp_path / "a")))
    assert [row.mean for row in rows] == pytest.approx([20, 30, 40])
    assert rows[0].labeled == 20


def test_classes_are_called_by_their_names(tmp_path):
    folder = write_asking_run(
        tmp_path / "a", "a", {0: [0.5]}, names=["cat", *"123456789"]
    )
    assert section_of(report.load_run(folder)).lines[0][0].text == "cat"

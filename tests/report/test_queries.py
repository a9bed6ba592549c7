"""Overlap and class counts, by hand."""

import pytest
from run_cases import write_asking_run, write_run

from gmmal_jax import report
from gmmal_jax.report import arms, queries
from gmmal_jax.storage import records


def asking(folder, label, asked, first=(1, 1)):
    """A run whose cycles ask for rows of these ids: seed -> a list a cycle."""
    curves = {seed: [0.5] * (len(ids) + 1) for seed, ids in asked.items()}
    write_run(folder, label, curves, (2, 4, 6))
    for record in records.load(folder):
        ids = asked[record.seed]
        rows = ids[record.cycle] if record.cycle < len(ids) else []
        initial = [{"index": 0, "id": 0, "label": label} for label in first]
        records.write(
            folder,
            record._replace(
                initial=[] if record.cycle else initial,
                queries=[{"id": i, "label": i % 2} for i in rows],
            ),
        )
    return report.load_run(folder)


def test_overlaps_by_hand(tmp_path):
    a = asking(tmp_path / "a", "a", {0: [[1, 2], [3, 4]], 1: [[1, 2], [5, 6]]})
    b = asking(tmp_path / "b", "b", {0: [[1, 2], [5, 6]], 1: [[7, 8], [5, 6]]})
    found = {(o.method, o.other): o for o in queries.overlaps(arms.task([a, b]))}
    # Seed 0: {1, 2} of six; seed 1: {5, 6} of six.
    assert found["a", "b"] == ("a", "b", 2, pytest.approx(1 / 3))
    assert found["a", "a"] == ("a", "a", 1, pytest.approx(2 / 6))
    assert found["b", "b"] == ("b", "b", 1, pytest.approx(2 / 6))


def test_an_arm_under_way_is_compared_over_the_cycles_it_has_finished(tmp_path):
    a = asking(tmp_path / "a", "a", {0: [[1, 2], [3, 4]]})
    folder = tmp_path / "b"
    asking(folder, "b", {0: [[1, 2], [3, 4]]})
    (folder / "records/seed-000/cycle-02.json").unlink()
    (folder / "records/seed-000/cycle-01.json").unlink()
    (found,) = queries.overlaps(arms.task([a, report.load_run(folder)]))
    assert found.jaccard == 1.0


def test_nothing_asked_has_no_overlap(tmp_path):
    runs = [
        report.load_run(write_run(tmp_path / name, name, {0: [0.5]})) for name in "ab"
    ]
    assert queries.overlaps(arms.task(runs)) == []
    assert queries.class_shares(arms.task(runs)) == []
    assert queries.jaccard(frozenset(), frozenset()) is None


def test_classes_of_the_labeled_set_grow_with_the_answers(tmp_path):
    run = asking(tmp_path / "a", "a", {0: [[1, 2], [3, 5]], 1: [[2, 4], [6, 8]]})
    found = {
        (s.labeled, s.label): s.labels for s in queries.class_shares(arms.task([run]))
    }
    assert found == {
        (2, 0): 0, (2, 1): 2, (4, 0): 1.5, (4, 1): 2.5, (6, 0): 2.5, (6, 1): 3.5,
    }  # fmt: skip


def test_a_seed_under_way_ends_where_it_is(tmp_path):
    folder = write_asking_run(tmp_path / "a", "a", {0: [0.1, 0.2], 1: [0.1]})
    shares = queries.class_shares(arms.task([report.load_run(folder)]))
    assert {share.labeled: share.n for share in shares} == {4: 2, 8: 1}

"""Figures of what rows do not hold: maps of first cycles, losses by scores."""

import numpy as np
import pytest
from paper_results import ALL, tiny_digits
from scipy.special import log_softmax

from experiments import analysis, jobs, tables
from experiments.paper import (
    arms,
    cli,
    hardness,
    looks,
    made,
    maps,
    page,
    plan,
    status,
    worlds,
)
from experiments.paper.store import Store, digest
from gmmal_jax.errors import TrainingDiverged

HARD = ALL["figure_07"]
MAPS = HARD._replace(
    title="Figure 11", shown=("latents",), panels=("class", "group", "chosen", "total")
)
"""Of the same arm: its programs are compiled once."""


@pytest.fixture(scope="module", autouse=True)
def tiny():
    with pytest.MonkeyPatch.context() as patch:
        tiny_digits(patch)
        yield


def task_of(figure):
    (task,) = plan.seen(figure, [worlds.form(figure.worlds[0], "cpu", False)])
    return task


def test_a_first_cycle_is_drawn_as_maps(tmp_path, monkeypatch):
    kept, task, look = Store(tmp_path, "cpu"), task_of(MAPS), looks.MAP
    assert page.write(MAPS, "figure_11", "cpu", tmp_path) is None
    assert status.state(MAPS, tmp_path).startswith("not run: needs cifar10")
    assert not cli._look(MAPS, task, None, kept)
    found = maps.read(task, kept)
    assert np.bincount(found["group"]).tolist()[::2] == [20, 20]
    assert found["points"].shape == (len(found["class"]), 2)
    first = look.path(task, kept).read_bytes()
    look.path(task, kept).unlink()
    maps.take(task, None, kept)
    assert look.path(task, kept).read_bytes() == first
    text = page.write(MAPS, "figure_11", "cpu", tmp_path).read_text()
    assert "](digits_balanced_map_11.png)" in text
    assert "squares: chosen. Colors are true classes. Dark is low" in text
    assert status.state(MAPS, tmp_path).startswith("substitute (scikit-learn's")
    assert made.settings(task) == look.about(task, kept)["settings"]
    # What is there is not trained again, but what was changed is.
    monkeypatch.setattr(maps, "first_cycle", trained := Spy())
    maps.take(task, None, kept)
    assert not trained.times
    look.path(task, kept).write_bytes(first[:-1])
    with pytest.raises(KeyboardInterrupt):
        maps.take(task, None, kept)
    assert trained.times == 1


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """Figure 7 on digits, killed and gone on with, and what was summed up."""
    kept, seen = Store(tmp_path_factory.mktemp("hard"), "cpu"), []

    def spied(*given):
        seen.append(given)
        return whole(*given)

    def kill(self, arm, record):
        raise KeyboardInterrupt

    whole = analysis.hardness
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "hardness", spied)
        with pytest.MonkeyPatch.context() as once:
            once.setattr(jobs.Lines, "row", kill)
            with pytest.raises(KeyboardInterrupt):
                hardness.take(task_of(HARD), None, kept)
        assert len(seen) == 1 and looks.HARDNESS.about(task_of(HARD), kept) == {}
        assert not cli._look(HARD, task_of(HARD), None, kept)
    return kept, seen


def test_losses_are_those_of_what_each_score_puts_first(hard):
    kept, seen = hard
    rows = hardness.rows(task_of(HARD), kept)
    assert [row["labeled"] for row in rows] == ["20", "40"] and len(seen) == 2
    for row, (logits, truth, unlabeled, scores, first) in zip(rows, seen, strict=True):
        n, labeled = len(truth), int(row["labeled"])
        assert first == int(row["first"]) == round(5000 / 49_000 * (n - 20))
        assert n == 200 and np.count_nonzero(unlabeled) == n - labeled
        assert np.bincount(truth).tolist() == [20] * 10
        assert {*scores} == {*arms.SCORES}
        own = -log_softmax(logits.astype(float), axis=1)[np.arange(n), truth]
        assert float(row["unlabeled"]) == pytest.approx(own[unlabeled].mean(), 1e-5)
        for name, score in scores.items():
            order = np.flatnonzero(unlabeled)[np.argsort(-score[unlabeled])]
            assert score[order[first - 1]] > score[order[first]]  # no tie
            mean = own[order[:first]].mean()
            assert float(row[name]) == pytest.approx(mean, 1e-5)


def test_losses_have_a_page_a_state_and_what_they_came_by(hard, monkeypatch):
    kept, _ = hard
    task, out = task_of(HARD), kept.root
    about = looks.HARDNESS.about(task, kept)
    assert about["settings"] == made.settings(task)
    rows = hardness.rows(task, kept)
    assert about["rows"] == digest(rows)
    assert not any("second" in name for name in rows[0])
    text = page.write(HARD, "figure_07", "cpu", out).read_text()
    assert text.startswith("# Substitutes\n")
    assert "](digits_balanced_hardness_7.png)" in text
    for name in ("all unlabeled", *(f"first by {s}" for s in ("critic", "entropy"))):
        assert f"\n| {name} | " in text
    assert kept.path("digits_balanced_hardness_7", ".svg").exists()
    state = "substitute (scikit-learn's digits, 8x8, small of width 2)"
    assert status.state(HARD, out) == state
    left = [path.name for path in (out / "work").iterdir()]
    assert not any("hardness" in name for name in left)
    # What is there is not trained again, but what was changed is.
    monkeypatch.setattr(hardness.opening, "opened", opened := Spy())
    assert not cli._look(HARD, task, None, kept) and not opened.times
    tables.save(looks.HARDNESS.path(task, kept), rows[:1])
    assert status.state(HARD, out) == f"{state}, partial (0 of 1), 1 stale"
    with pytest.raises(KeyboardInterrupt):
        cli._look(HARD, task, None, kept)
    assert opened.times == 1


class Spy:
    """Counts how often training would begin, and lets none."""

    times = 0

    def __call__(self, *given):
        self.times += 1
        raise KeyboardInterrupt


def test_a_training_that_does_not_end_is_told(tmp_path, monkeypatch, capsys):
    def diverges(*given):
        raise TrainingDiverged(0, "supervised", 3)

    monkeypatch.setattr(hardness, "take", diverges)
    assert cli._look(HARD, task_of(HARD), None, Store(tmp_path, "cpu"))
    assert "no result: " in capsys.readouterr().out

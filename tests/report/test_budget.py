"""Areas and labels saved, by hand."""

import math

import numpy as np
import pytest
from run_cases import write_run

from gmmal_jax import report
from gmmal_jax.report import arms, budget, words
from gmmal_jax.storage.records import Record

SIZES = (10, 20, 40)


def task_of(tmp_path, **curves):
    runs = [
        report.load_run(write_run(tmp_path / label, label, seeds, SIZES))
        for label, seeds in curves.items()
    ]
    return arms.task(runs)


def arm_of(label, curves):
    """Without a folder."""
    cycles = {
        seed: [
            Record(seed, cycle, {"labeled": size, "accuracy": value}, [], [], {}, {})
            for cycle, (size, value) in enumerate(zip(SIZES, curve, strict=True))
        ]
        for seed, curve in curves.items()
    }
    return arms.Arm(label, cycles, {})


def test_area_is_the_mean_height_over_the_labels(tmp_path):
    task = task_of(tmp_path, a={0: [0.1, 0.3, 0.5], 1: [0.1, 0.3]})
    # 10 labels at 20 % on average, 20 at 40 %; a seed under way has no area.
    (area,) = budget.area_table(task)
    assert area == ("a", 1, pytest.approx(100 / 3), None, None)


def test_one_labeled_size_has_its_value_for_an_area(tmp_path):
    run = report.load_run(write_run(tmp_path / "a", "a", {0: [0.25]}))
    (area,) = budget.area_table(arms.task([run]))
    assert area.mean == 25


def test_labels_lie_on_the_line_between_sizes():
    curve = np.array([10.0, 30.0, 50.0])
    assert budget.labels_at(SIZES, curve, 20.0) == 15
    assert budget.labels_at(SIZES, curve, 50.0) == 40
    assert budget.labels_at(SIZES, curve, 5.0) == 10
    assert budget.labels_at(SIZES, curve, 50.1) == math.inf
    # Where it falls again, the first time counts.
    assert budget.labels_at(SIZES, np.array([10.0, 50.0, 20.0]), 30.0) == 15


def test_what_is_missing_by_rounding_is_there():
    curve = np.array([10.0, 30.0, np.nextafter(50.0, 0)])
    assert budget.labels_at(SIZES, curve, 50.0) == 40


@pytest.mark.parametrize("draw", range(20))
def test_a_base_of_many_seeds_reaches_what_it_ends_with(draw, monkeypatch):
    """From eight numbers on the sum of a list is another than that of rows."""
    monkeypatch.setattr(budget, "RESAMPLES", 20)  # the interval is not looked at
    ends = np.random.default_rng(draw).integers(500, 900, 20) / 1000
    curves = {seed: [0.1, 0.3, end] for seed, end in enumerate(ends.tolist())}
    equal = arm_of("equal", dict(reversed(curves.items())))
    task = arms.Task("", SIZES, (equal, arm_of("base", curves)), "base")
    level = budget.level_of(task, "base")
    assert level == pytest.approx(100 * ends.mean())
    found, base = budget.needed_table(task, level, "base")
    assert (words.labels(base), words.labels(found)) == ("40", "40")
    assert (found.saved, words.saved(found)) == (0, "0")


def test_labels_saved_beside_the_base(tmp_path):
    task = task_of(
        tmp_path,
        quick={0: [0.1, 0.5, 0.9], 1: [0.1, 0.5, 0.9]},
        never={0: [0.1, 0.2, 0.3], 1: [0.1, 0.2, 0.3]},
        base={0: [0.1, 0.3, 0.5], 1: [0.1, 0.3, 0.5]},
    )
    level = budget.level_of(task, "base")
    assert level == pytest.approx(50.0)
    quick, never, base = budget.needed_table(task, level, "base")
    assert (quick.labels, quick.saved) == (20, 20)
    assert (quick.low, quick.high) == (20, 20)  # seeds are equal
    assert base.labels == 40 and base.base is None
    assert math.isinf(never.labels)
    shown = [(words.labels(n), words.saved(n)) for n in (quick, never, base)]
    assert shown == [("20", "+20"), ("> 40", "< 0"), ("40", "")]


def test_a_base_that_never_gets_there_is_a_bound(tmp_path):
    task = task_of(
        tmp_path,
        quick={0: [0.1, 0.5, 0.9], 1: [0.1, 0.7, 0.9]},
        base={0: [0.1, 0.3, 0.5], 1: [0.1, 0.3, 0.5]},
    )
    quick, base = budget.needed_table(task, 60.0, "base")
    assert words.labels(base) == "> 40" and words.labels(quick) == "20"
    assert words.saved(quick) == "> +20"
    assert words.saved_interval(quick) == "open to open"
    assert words.labels_interval(quick) == "18 to 25"
    assert words.labels(quick._replace(labels=10.0)) == "≤ 10"


def test_who_was_there_from_the_start_saved_at_least_that():
    found = budget.Needed("a", 50.0, 3, 10, 40, 10.0, 10.0, 10.0, "base", 12.0)
    assert words.saved(found) == "≥ +12"
    assert words.saved(found._replace(labels=11.0)) == "+12"
    assert words.saved(found._replace(labels=22.0, saved=-12.0)) == "≤ -12"
    assert words.saved(found._replace(saved=0.0)) == "0"


def test_neither_gets_there(tmp_path):
    task = task_of(tmp_path, a={0: [0.1, 0.2, 0.3]}, base={0: [0.1, 0.2, 0.3]})
    found, _ = budget.needed_table(task, 90.0, "base")
    assert math.isnan(found.saved)
    assert words.saved(found) == words.saved_interval(found) == ""
    assert words.labels_interval(found) == ""  # one seed


def both(quick, base, short, num_seeds):
    """Two arms that agree in all seeds but for `short`, the last one's curve."""
    made = [
        arm_of(label, {seed: curve for seed in range(num_seeds)} | {num_seeds: short})
        for label, curve in (("quick", quick), ("base", base))
    ]
    return arms.Task("", SIZES, tuple(made), "base")


def test_samples_in_which_neither_gets_there_open_both_ends():
    task = both([0.1, 0.75, 0.9], [0.1, 0.5, 0.9], [0.1, 0.2, 0.3], 3)
    found, _ = budget.needed_table(task, 60.0, "base")
    # Means are 10, 61.25, 75 and 10, 42.5, 75.
    assert found.saved == pytest.approx(20 + 20 * 17.5 / 32.5 - 10 - 10 * 50 / 51.25)
    # Three or four of four rows are the short one in 13 of 256 samples.
    assert (found.saved_low, found.saved_high) == (-math.inf, math.inf)
    assert words.saved_interval(found) == "open to open"


def test_rare_samples_in_which_neither_gets_there_open_no_end():
    task = both([0.1, 0.7, 0.9], [0.1, 0.5, 0.9], [0.1, 0.1, 0.1], 5)
    found, _ = budget.needed_table(task, 40.0, "base")
    # Four rows of six or more are the short one in 0.9 % of all samples.
    assert math.isfinite(found.saved_low) and math.isfinite(found.saved_high)
    assert found.saved_low <= found.saved <= found.saved_high


def test_without_a_base_the_worst_arm_sets_the_level(tmp_path):
    task = task_of(tmp_path, a={0: [0.1, 0.2, 0.3]}, b={0: [0.1, 0.2, 0.8]})
    level = budget.level_of(task, None)
    assert level == pytest.approx(30)
    found = budget.needed_table(task, level, None)
    assert all(each.base is None and math.isfinite(each.labels) for each in found)


def test_the_bootstrap_is_the_same_twice(tmp_path):
    curves = {s: [0.1, 0.3 + 0.02 * s, 0.5] for s in range(6)}
    task = task_of(tmp_path, a=curves)
    (one,), (two,) = (budget.needed_table(task, 40.0, None) for _ in range(2))
    assert one[:-4] == two[:-4]
    assert one.low <= one.labels <= one.high

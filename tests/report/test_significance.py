"""Tests of paired differences, by hand and against SciPy's own cases."""

import numpy as np
import pytest
from run_cases import FIVE, compared as compared, write_run

from gmmal_jax import report
from gmmal_jax.report import arms, findings, penalty, sections, significance, words


def three_arms(tmp_path, num_seeds=6):
    """`best` is about 10 points above `base`, `same` about 0."""
    noise = np.random.default_rng(0).normal(0, 0.01, (3, num_seeds, 2))
    levels = {"best": 0.6, "same": 0.5, "base": 0.5}
    runs = []
    for (label, level), own in zip(levels.items(), noise, strict=True):
        curves = {s: (level + own[s]).tolist() for s in range(num_seeds)}
        runs.append(report.load_run(write_run(tmp_path / label, label, curves)))
    return arms.task(runs)


def test_sign_flips_by_hand():
    # Of 2^5 sign patterns two have a mean as far from 0 as all +.
    assert significance.sign_flips([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 32)
    # |mean| is largest for +++ and ---, next for one 1 flipped: 4 of 8.
    assert significance.sign_flips([-1.0, 2.0, 3.0]) == pytest.approx(4 / 8)
    assert significance.sign_flips([0.0, 0.0]) == significance.sign_flips([3.0]) == 1.0


def test_beyond_the_exact_seeds_flips_are_random_but_fixed():
    gaps = np.random.default_rng(1).normal(0.4, 1.0, significance.EXACT_SEEDS + 6)
    gaps = gaps.tolist()
    p = significance.sign_flips(gaps)
    assert p == significance.sign_flips(gaps)
    assert p == pytest.approx(significance.t_test(gaps), abs=0.02)


def test_no_t_test_of_one_difference_or_equal_ones():
    assert significance.t_test([1.0]) is None
    assert significance.t_test([0.2, 0.1 + 0.1, 0.3 - 0.1]) is None
    assert significance.t_test([1.0, 2.0, 3.0]) == pytest.approx(0.0741799, abs=1e-6)


def test_pairs_are_adjusted_together(tmp_path):
    found = significance.pairs(three_arms(tmp_path))
    assert [(p.method, p.base) for p in found] == [
        ("best", "same"), ("best", "base"), ("same", "base"),
    ]  # fmt: skip
    assert [p.p_t_holm for p in found] == significance.holm([p.p_t for p in found])
    # All six differences have one sign: 2 of 64, and the smallest of three times 3.
    assert found[0].p_flips == found[1].p_flips == pytest.approx(2 / 64)
    assert found[0].p_flips_holm == pytest.approx(3 * 2 / 64)
    assert found[0].low < found[0].mean < found[0].high


def test_equal_differences_have_no_p_and_are_no_family(compared):
    (pair,) = significance.pairs(arms.task([compared]))
    assert pair.mean == pytest.approx(3.0)
    assert pair.p_t is None and pair.p_t_holm is None
    assert pair.p_flips == pytest.approx(2 / 32)


def test_fewer_than_six_seeds_are_said_to_be_too_few(tmp_path):
    for num_seeds, told in ((5, True), (6, False)):
        task = three_arms(tmp_path / str(num_seeds), num_seeds)
        section = sections.tested(findings.find([task]).found[0])
        notes = " ".join(section.notes)
        assert ("With 5 seeds the exact test cannot fall below 0.0625" in notes) is told


def test_the_penalty_matrix_by_hand(tmp_path):
    found = {(p.method, p.beaten): p for p in penalty.matrix([three_arms(tmp_path)])}
    assert len(found) == 6
    # Two labeled sizes, the first of which does not count.
    assert found["best", "base"][2:] == (1.0, 1, 1)
    assert found["base", "best"].share == found["same", "base"].share == 0.0


def test_tasks_weigh_the_same_in_the_matrix(tmp_path):
    """Whatever their number of labeled sizes."""
    first, tasks = three_arms(tmp_path / "a"), []
    for name, sizes, lead in (("b", (10, 20, 30, 40), 0.0), ("c", (10, 20), 0.1)):
        runs = []
        for seed, (label, more) in enumerate((("best", lead), ("base", 0.0))):
            noise = np.random.default_rng(seed).normal(0, 0.001, (6, len(sizes)))
            curves = {s: (0.5 + more + noise[s]).tolist() for s in range(6)}
            folder = tmp_path / name / label
            written = write_run(folder, label, curves, sizes, dataset=name)
            runs.append(report.load_run(written))
        tasks.append(arms.task(runs))
    found = {(p.method, p.beaten): p for p in penalty.matrix([first, *tasks])}
    best = found["best", "base"]
    assert (best.tasks, best.cells) == (3, 1 + 3 + 1)
    assert best.share == pytest.approx(2 / 3, abs=0.12)
    assert found["same", "base"].tasks == 1


def test_p_values_in_words():
    assert [words.p_value(p) for p in (None, 0.0004, 0.0312)] == [
        "", "< 0.001", "0.031",
    ]  # fmt: skip


def test_runs_are_grouped_by_task(tmp_path):
    runs = [
        report.load_run(write_run(tmp_path / name, name, FIVE, dataset=data))
        for name, data in (("a", "digits"), ("b", "svhn"), ("c", "digits"))
    ]
    groups = arms.grouped(runs)
    assert [[run.label for run in group] for group in groups] == [["a", "c"], ["b"]]

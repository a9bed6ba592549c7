"""Means, intervals and paired differences, by hand."""

import numpy as np
import pytest
from run_cases import FIVE, compared as compared, write_run

from gmmal_jax import report
from gmmal_jax.errors import UserError


def test_interval_by_hand(compared):
    row = report.summarise([compared])[0]
    # 50 to 54: mean 52, variance 10 / 4; t-quantile of 4 degrees of freedom: 2.776.
    assert row.cells[0].mean == pytest.approx(52)
    assert row.cells[0].half_width == pytest.approx(2.776 * 2.5**0.5 / 5**0.5, rel=1e-3)
    averages = [55, 58, 58, 58.5, 58]
    assert row.average.mean == pytest.approx(np.mean(averages))
    half = 2.776 * np.std(averages, ddof=1) / 5**0.5
    assert row.average.half_width == pytest.approx(half, rel=1e-3)
    assert (row.seeds, row.sizes) == ((0, 1, 2, 3, 4), (10, 20))


def test_differences_are_paired(compared):
    row, reference = report.summarise([compared])
    assert row.reference == "random"
    assert [d.mean for d in row.differences] == pytest.approx([2, 4])
    # The seeds' spread cancels: every pair differs by the same.
    assert [d.half_width for d in row.differences] == pytest.approx([0, 0], abs=1e-9)
    assert row.average_difference.mean == pytest.approx(3)
    assert (reference.label, reference.reference) == ("random", None)
    assert reference.differences == ()


def test_no_difference_without_a_partner_for_each_seed(tmp_path, compared):
    other = report.load_run(write_run(tmp_path / "other", "entropy", {9: [0.5, 0.6]}))
    rows = report.summarise([compared, other])
    assert [row.label for row in rows] == ["gmm", "entropy", "random"]
    assert rows[1].reference is None


def test_one_seed_has_no_interval(tmp_path):
    run = report.load_run(write_run(tmp_path / "a", "gmm", {3: [0.5, 0.75]}))
    (row,) = report.summarise([run])
    assert row.cells == ((50.0, None, 1), (75.0, None, 1))
    assert row.average == (62.5, None, 1)
    assert "±" not in report.table([run])


def test_runs_of_one_label_are_pooled(tmp_path, compared):
    parts = [
        report.load_run(write_run(tmp_path / str(seed), "gmm", {seed: FIVE[seed]}))
        for seed in (4, 0, 2, 1, 3)
    ]
    (pooled,) = report.summarise(parts)
    whole = report.summarise([compared])[0]
    assert pooled.seeds == whole.seeds
    for ours, theirs in zip(pooled.cells, whole.cells, strict=True):
        assert ours == pytest.approx(theirs)


def test_two_methods_share_the_reference_of_the_first(tmp_path, compared):
    folder = write_run(tmp_path / "other", "entropy", {0: [0.4, 0.5]})
    write_run(folder / "reference", "random", {0: [0.1, 0.1]})
    rows = report.summarise([compared, report.load_run(folder)])
    assert [row.label for row in rows] == ["gmm", "entropy", "random"]
    assert rows[1].differences[0].mean == pytest.approx(40 - 48)
    assert rows[2].cells[0].num_seeds == 5


def test_a_seed_under_way_counts_where_it_is(tmp_path):
    curves = {0: [0.50, 0.60], 1: [0.60]}
    run = report.load_run(write_run(tmp_path / "a", "gmm", curves))
    (row,) = report.summarise([run])
    assert [cell.num_seeds for cell in row.cells] == [2, 1]
    assert row.average == pytest.approx((55.0, None, 1))
    assert "gmm: of 2 seeds only 1 at 20." in report.table([run])


def test_errors_of_runs_together(tmp_path, compared):
    def other(name, **options):
        curves = {7: [0.5, 0.6]}
        return report.load_run(write_run(tmp_path / name, "x", curves, **options))

    with pytest.raises(UserError, match="labeled sizes differ.*sizes.*10, 30"):
        report.summarise([compared, other("sizes", sizes=(10, 30))])
    with pytest.raises(UserError, match="differ in dataset.*svhn"):
        report.summarise([compared, other("data", dataset="svhn")])
    with pytest.raises(UserError, match="differ in eval.*test.*validation"):
        report.summarise([compared, other("held out", eval="validation")])
    with pytest.raises(UserError, match="seed 0 comes twice.*gmm"):
        report.summarise([compared, compared])


def test_no_value_has_no_estimate_and_one_no_interval():
    assert report.estimate([]) is None
    assert report.estimate([3.0]) == (3.0, None, 1)
    # t(1) is the Cauchy distribution: its 97.5 % quantile is tan(0.475 pi).
    mean, half, num = report.estimate([1.0, 3.0])
    assert (mean, num) == (2.0, 2)
    assert half == pytest.approx(np.tan(0.475 * np.pi))

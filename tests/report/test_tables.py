import json
import os
import subprocess
import sys

import numpy as np
import pytest

from gmmal_jax import report
from gmmal_jax.errors import UserError
from gmmal_jax.report import tables
from gmmal_jax.storage import records


def write_run(folder, label, curves, sizes=(10, 20), **changes):
    """A run's folder with these accuracies (shares): seed -> one a size."""
    folder.mkdir(parents=True, exist_ok=True)
    task = {"dataset": "digits", "setting": "balanced", "eval": "test"}
    config = task | {"method": label} | changes
    text = json.dumps({"config": config, "label": label})
    (folder / "config.json").write_text(text)
    for seed, curve in curves.items():
        for cycle, accuracy in enumerate(curve):
            results = {"labeled": sizes[cycle], "accuracy": accuracy}
            records.write(folder, records.Record(seed, cycle, results, [], [], {}, {}))
    return folder


FIVE = {
    0: [0.50, 0.60],
    1: [0.52, 0.64],
    2: [0.54, 0.62],
    3: [0.51, 0.66],
    4: [0.53, 0.63],
}


@pytest.fixture
def compared(tmp_path):
    """Five seeds of gmm and, always less by 0.02 and 0.04, of its reference."""
    folder = write_run(tmp_path / "run", "gmm", FIVE)
    lower = {seed: [a - 0.02, b - 0.04] for seed, (a, b) in FIVE.items()}
    write_run(folder / "reference", "random", lower)
    return report.load_run(folder)


def test_load_run(compared):
    assert compared.label == "gmm" and compared.config["dataset"] == "digits"
    assert [r[:2] for r in compared.records[:3]] == [(0, 0), (0, 1), (1, 0)]
    assert compared.reference.label == "random"
    assert compared.reference.reference is None


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


def test_table(compared):
    text = report.table([compared])
    assert text.split("\n") == [
        "accuracy (%)  seeds            10            20           Avg",
        "-------------------------------------------------------------",
        "gmm               5  52.00 ± 1.96  63.00 ± 2.78  57.50 ± 1.76",
        "random            5  50.00 ± 1.96  59.00 ± 2.78  54.50 ± 1.76",
        "gmm - random      5  +2.00 ± 0.00  +4.00 ± 0.00  +3.00 ± 0.00",
        "",
        "±: half width of the 95 % t-interval over seeds.",
        "",
    ]


def test_a_wide_table_is_cut_into_blocks(tmp_path):
    sizes = tuple(range(1000, 11_000, 1000))
    curves = {seed: [0.5 + seed / 100] * 10 for seed in range(2)}
    run = report.load_run(write_run(tmp_path / "a", "gmm", curves, sizes))
    text = report.table([run])
    assert max(map(len, text.split("\n"))) <= tables.MAX_LINE
    heads = [line.split()[3:] for line in text.split("\n") if "accuracy" in line]
    assert [len(head) for head in heads] == [4, 4, 3]
    assert heads[0][0] == "1,000" and heads[2][-1] == "Avg"
    assert text.count("gmm") == 3


def test_markdown_table(tmp_path):
    sizes = (1000, 20_000)
    folder = write_run(tmp_path / "a", "gmm", {0: [0.5, 0.75]}, sizes)
    assert report.table([report.load_run(folder)], markdown=True) == (
        "| accuracy (%) | seeds | 1,000 | 20,000 | Avg |\n"
        "|---|---:|---:|---:|---:|\n"
        "| gmm | 1 | 50.00 | 75.00 | 62.50 |\n"
    )


def test_errors_of_one_folder(tmp_path):
    with pytest.raises(UserError, match="no such folder.*nowhere"):
        report.load_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not a run's folder"):
        report.load_run(tmp_path)
    with pytest.raises(UserError, match="no finished cycle yet.*gmmal resume"):
        report.load_run(write_run(tmp_path / "new", "gmm", {}))
    (tmp_path / "new" / "config.json").write_text("{")
    with pytest.raises(UserError, match="damaged.*config.json"):
        report.load_run(tmp_path / "new")


def test_a_reference_not_yet_begun_is_none(tmp_path):
    folder = write_run(tmp_path / "a", "gmm", {0: [0.5]})
    write_run(folder / "reference", "random", {})
    assert report.load_run(folder).reference is None


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


def test_the_table_needs_no_drawing_library():
    code = """
import sys
from gmmal_jax import report
from gmmal_jax.storage import records
heavy = {"matplotlib", "sklearn"} & set(sys.modules)
assert not heavy, heavy
"""
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)

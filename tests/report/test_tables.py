"""Statistics as text."""

import subprocess
import sys

from processes import environment
from run_cases import compared as compared, write_run

from gmmal_jax import report
from gmmal_jax.report import tables


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


def test_the_table_needs_no_drawing_library():
    code = """
import sys
from gmmal_jax import report
from gmmal_jax.storage import records
heavy = {"matplotlib", "sklearn"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def test_an_estimate_is_shown_with_its_sign_and_digits():
    found = report.Estimate(1.26, 0.04, 5)
    assert report.show(found) == "1.26 ± 0.04"
    assert report.show(found, "+", digits=1) == "+1.3 ± 0.0"
    assert report.show(found._replace(half_width=None)) == "1.26"
    assert report.show(None) == ""

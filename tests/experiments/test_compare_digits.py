"""The comparison of all methods: its plan, its primary twelve, its tables."""

import pytest

from experiments import primary, tables
from experiments.compare_digits import arms, check, report
from gmmal_jax import methods


def row(world, arm, seed, cycle, accuracy):
    spent = {"network_steps": "600", "images_forwarded": "12000"}
    return {
        "world": world, "arm": arm, "seed": str(seed), "cycle": str(cycle),
        "labeled": str(40 + 40 * cycle), "accuracy": str(accuracy), **spent,
    }  # fmt: skip


def rows_of(seeds, better=0.02):
    """Two cycles; the paper's query is better by so much, give or take."""
    found = []
    for world in arms.WORLDS.values():
        for seed in seeds:
            for query in (primary.QUERY, *primary.OTHERS):
                gain = (query == primary.QUERY) * (better + 0.001 * (seed % 3))
                for cycle in (0, 1):
                    accuracy = 0.5 + cycle * gain
                    name = arms.primary_arm(query)
                    found.append(row(world, name, seed, cycle, accuracy))
    return found


def test_holm_by_hand():
    assert primary.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )
    assert primary.holm([0.9, 0.8]) == [1.0, 1.0]


def test_p_values_are_those_of_a_paired_t_test():
    # t = 2 / (1 / sqrt(3)) * ... by hand: mean 2, s 1, n 3, t = 3.4641, 2 degrees.
    assert primary.p_value([1.0, 2.0, 3.0]) == pytest.approx(0.0741799, abs=1e-6)
    assert primary.p_value([0.0, 0.0]) == 1.0


def test_no_primary_comparison_is_shown_before_all_seeds_are_there():
    assert report.primary_table(rows_of(primary.SEEDS[:-1])) is None
    table = report.primary_table(rows_of(primary.SEEDS))
    assert len(table.splitlines()) == 2 + 12
    assert "+2.1" in table and "**< 0.001**" in table


def test_every_method_is_planned_in_both_settings():
    jobs = list(arms.jobs())
    keys = [(job.world, job.arm, job.seeds) for job in jobs]
    assert len(set(keys)) == len(keys)
    for world in arms.WORLDS.values():
        own = {job.arm for job in jobs if job.world == world}
        assert own >= {*methods.METHODS} - {primary.QUERY}
    primaries = [job for job in jobs if job.arm in arms.main_arms()]
    assert len(primaries) == 7 * 2 * 20
    assert {*check.ARMS} <= {job.arm for job in jobs}


def test_tables_count_pieces_and_compare_with_random_of_the_same_training():
    rows = rows_of((0, 1))
    assert f"| primary | 28 | {7 * 2 * 20} |" in report.status(rows)
    table = report.arms_table(rows, arms.WORLDS["balanced"])
    (ours,) = (line for line in table.splitlines() if line.startswith("| gmm"))
    assert "50.0" in ours and "+2.1" in ours and "1,200" in ours


def test_the_report_stands_between_its_markers(tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text(
        "head\n<!-- compare_digits: begin -->\nold\n<!-- compare_digits: end -->\ntail"
    )
    monkeypatch.setattr(tables, "README", page)
    report.write(rows_of(primary.SEEDS))
    text = page.read_text()
    assert text.startswith("head\n") and text.endswith("\ntail") and "old" not in text
    assert "Primary" in text and "**imbalanced**" in text


def test_no_primary_arm_is_shown_before_all_of_them_are_whole():
    other = row(arms.WORLDS["balanced"], "badge", 0, 0, 0.5)
    assert report.shown_rows([*rows_of(primary.SEEDS[1:]), other]) == [other]
    whole = [*rows_of(primary.SEEDS), other]
    assert report.shown_rows(whole) == whole


def test_the_page_shows_what_is_on_record():
    text = tables.README.read_text()
    begin, end = "<!-- compare_digits: begin -->", "<!-- compare_digits: end -->"
    shown = text.split(begin)[1].split(end)[0].strip()
    assert shown == report.page(tables.load(check.RESULTS))

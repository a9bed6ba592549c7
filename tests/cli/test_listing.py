"""`gmmal methods`: a line for each, with what a person chooses by."""

import pytest

from gmmal_jax import methods
from gmmal_jax.cli import main as cli, pages


@pytest.fixture
def lines(capsys):
    assert cli.main(["methods"]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_method_has_its_line(lines):
    head, *rows = lines[: 1 + len(methods.METHODS)]
    where = head.index("candidates")
    for row, (name, entry) in zip(rows, methods.METHODS.items(), strict=True):
        assert row.split()[:3] == [name, entry.learner, entry.query]
        assert row[where:].startswith("all")
        assert row.endswith(f"  {entry.state}")
    (official,) = (row for row in rows if row.startswith("ll4al"))
    assert "all | 10,000" in official


def test_what_a_method_is_and_costs_stands_below(lines):
    text = " ".join(" ".join(lines).split())
    for name, entry in methods.METHODS.items():
        assert f"{name} {entry.source} {entry.cost}".strip() in text


def test_no_line_is_wider_than_a_screen(lines):
    assert max(map(len, lines)) <= pages.WIDEST


def test_queries_show_their_columns_and_other_names_stand_below(lines):
    below = lines[lines.index("--query, and the columns that it needs") :]
    text = " ".join(" ".join(below).split())
    wanted = f"badge {methods.STRATEGIES['badge'].source} latents, logits"
    assert wanted in text
    assert ["kcenter", "coreset"] in [line.split() for line in lines]

"""`gmmal methods`: a line for each, with what a person chooses by."""

import pytest

from gmmal_jax import methods
from gmmal_jax.cli import main as cli


@pytest.fixture
def lines(capsys):
    assert cli.main(["methods"]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_method_has_its_line(lines):
    head, *rows = lines[: 1 + len(methods.METHODS)]
    where = {name: head.index(name) for name in ("learner", "candidates", "what")}
    for row, (name, entry) in zip(rows, methods.METHODS.items(), strict=True):
        assert row.split()[:3] == [name, entry.learner, entry.query]
        assert row[where["what"] :] == entry.source
        assert row[where["candidates"] :].startswith("all")
        assert f"  {entry.state}  " in row
    (official,) = (row for row in rows if row.startswith("ll4al"))
    assert "all | 10,000" in official


def test_queries_show_their_columns_and_other_names_stand_below(lines):
    (badge,) = (line for line in lines if line.startswith("badge") and "," in line[:35])
    assert badge.split("  ")[0] == "badge" and "latents, logits" in badge
    assert ["kcenter", "coreset"] in [line.split() for line in lines]

"""A bound on memory: what is held, what is read by rows, who sees only some rows."""

import json

import numpy as np
import pytest
from test_choose import Told, chosen_of, features, run

from gmmal_jax import memory
from gmmal_jax.errors import UserError
from gmmal_jax.phases import adversary
from gmmal_jax.project import forecast
from gmmal_jax.types import Streamed

__all__ = ["features"]
TIGHT = memory.Room(
    column_bytes=1000, resident_bytes=0, together=40, bytes=10**9, narrow=3
)
"""Scalars of 120 rows take 480 bytes, logits 1,440, latents 3,840."""


@pytest.fixture
def tight(monkeypatch):
    monkeypatch.setattr(memory, "room", lambda *_: TIGHT)


def test_a_streamed_choice_is_that_of_a_held_pool(features, monkeypatch):
    labels = features.with_name("some.csv")
    held = chosen_of(features, labels, "held", **{"gmm.mode": "exact"})
    monkeypatch.setattr(memory, "room", lambda *_: TIGHT)
    streamed = chosen_of(features, labels, "streamed", **{"gmm.mode": "exact"})
    columns = streamed.view.columns
    assert isinstance(columns["latents"], Streamed)
    assert isinstance(columns["logits"], Streamed)
    assert isinstance(columns["critic"], np.ndarray)
    assert streamed.among is None
    for name, score in held.query.scores.items():
        scale = np.abs(score).max()
        # EM and the critic's steps pass roundings on: hundreds of them, not thousands.
        np.testing.assert_allclose(
            streamed.query.scores[name], score, atol=1e-3 * scale, rtol=0
        )
    assert set(streamed.query.indices) == set(held.query.indices)


@pytest.mark.parametrize("query", ["entropy", "random"])
def test_scores_are_of_all_rows(features, tight, query):
    labels = features.with_name("some.csv")
    found = chosen_of(features, labels, query=query, learn="ce")
    assert found.among is None and len(found.pool.ids) == 120


@pytest.mark.parametrize("query", ["coreset", "badge"])
def test_who_reads_all_latents_sees_as_many_rows_as_fit(features, tight, query):
    told, labels = Told(), features.with_name("some.csv")
    found = chosen_of(features, labels, report=told, query=query, learn="ce")
    assert found.among == 30  # 40 fit, and ten are labeled
    assert found.pool.labeled.sum() == 10 and len(found.pool.ids) == 120
    assert len(set(found.pool.ids[found.query.indices].tolist())) == 6
    assert any(f"{query} reads all latents together" in note for note in told.notes)
    assert any("among 30 rows" in note for note in told.notes)


def test_a_first_choice_too(features, tight):
    found = chosen_of(features)
    assert found.among == 40 and len(found.query.indices) == 6
    again = chosen_of(features)
    np.testing.assert_array_equal(
        found.pool.ids[found.query.indices], again.pool.ids[again.query.indices]
    )


def test_no_fewer_rows_than_are_asked_for(features, tight):
    assert chosen_of(features, budget=50).among == 50


def test_room_grows_with_the_bound_and_says_what_is_too_little():
    small, large = (memory.room(gb, 10**6, 768, 10) for gb in (4.0, 8.0))
    assert small.column_bytes < large.column_bytes
    assert small.together < large.together <= 10**6 * 4
    assert small.bytes <= 4 * memory.GB
    # What strategies hold of the rows that they see together stays below the bound.
    assert 5 * 4 * 768 * small.together < small.bytes
    assert memory.room(4.0, 1000, 8, 3).bytes < 2 * memory.GB
    with pytest.raises(
        UserError, match="--memory-gb: 1.0; 5,000,000 rows of 10 classes"
    ):
        memory.room(1.0, 5 * 10**6, 768, 10)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much"])
def test_a_bound_that_is_none(features, capsys, value):
    code, out = run(features, "--memory-gb", value)
    assert code == 2 and not out.exists()
    assert "--memory-gb: " in capsys.readouterr().err


def test_the_summary_says_what_was_seen(features, tight, capsys):
    assert run(features, "--query", "coreset")[0] == 0
    out = features.with_name("to_label.json")
    assert json.loads(out.read_text())["chosen_among"] == 40
    assert "among 40 rows" in capsys.readouterr().out


def test_refits_read_some_rows_and_the_last_one_all(features, monkeypatch):
    seen, inner = [], adversary.fit_mixtures
    labels = features.with_name("some.csv")

    def fit(key, latents, *more):
        seen.append(len(latents))
        return inner(key, latents, *more)

    monkeypatch.setattr(adversary, "fit_mixtures", fit)
    chosen_of(features, labels, **{"gmm.refit-rows": 50})
    assert seen == [60, 60, 120]  # of two refits and the last; ten rows are labeled


def test_the_time_is_told_once_after_the_second_chunk(features):
    told, labels = Told(), features.with_name("some.csv")
    chosen_of(features, labels, report=told, learn="ce", query="entropy")
    found = [note for note in told.notes if "in all on this device" in note]
    assert len(found) == 1 and found[0].startswith("about ")


def test_rows_are_measured_where_there_are_many(features, monkeypatch):
    monkeypatch.setattr(forecast, "_WORTH", 100)
    monkeypatch.setattr(forecast, "_PROBED", 50)
    rates, inner = [], forecast._measured
    monkeypatch.setattr(
        forecast, "_measured", lambda *args: rates.append(inner(*args)) or rates[0]
    )
    given = {"learn": "ce", "query": "entropy"}
    chosen_of(features, features.with_name("some.csv"), **given)
    assert len(rates) == 1 and min(rates[0]) > 0

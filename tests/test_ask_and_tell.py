"""A query, its answers, the pool after them; and what a cycle does only once."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import tiny

from gmmal_jax import answers, config as configs, cycle as cycles, oracle, pool as pools
from gmmal_jax.mixtures import refit
from gmmal_jax.phases import adversary as adversaries, task as tasks
from gmmal_jax.storage.records import Record
from gmmal_jax.strategies import random
from gmmal_jax.types import Query

TRAIN = configs.TrainConfig(steps=2, chunk_steps=2, batch_size=8)
HIDDEN = np.array([2, 0, 1, 1, 2, 0], np.int32)


def asked(*indices, cycle=0):
    queries = [{"rank": i, "index": index} for i, index in enumerate(indices)]
    return Record(0, cycle, {"labeled": 1}, [], queries, {}, {})


def test_answers_come_after_the_query_and_go_to_the_pool():
    pool = pools.label(pools.make(np.arange(6)), np.array([1]), HIDDEN[[1]], 0)
    record = answers.answered(asked(4, 3, cycle=2), oracle.simulated(HIDDEN))
    assert [row["label"] for row in record.queries] == [2, 1]
    assert [row["rank"] for row in record.queries] == [0, 1]
    after = answers.tell(pool, record)
    assert after.labels.tolist() == [-1, 0, -1, 1, 2, -1]
    assert after.since.tolist() == [-1, 0, -1, 3, 3, -1]
    assert pool.labels.tolist() == [-1, 0, -1, -1, -1, -1]


def test_nothing_asked_is_nothing_told():
    def nobody(indices):
        raise AssertionError("was asked")

    pool = pools.make(np.arange(6))
    assert answers.answered(asked(), nobody) == asked()
    assert answers.tell(pool, asked()) is pool


def test_a_picture_knows_bought_labels_and_guesses_the_rest():
    """Rows 1 and 4 are bought: one at first, one by this query."""
    pool = pools.label(pools.make(np.arange(6)), np.array([1]), HIDDEN[[1]], 0)
    pool = pools.label(pool, np.array([4]), HIDDEN[[4]], 1)
    columns = {"logits": np.eye(3)[[1, 1, 0, 0, 0, 0]], "latents": np.ones((6, 2))}
    view = tiny.view()._replace(columns=columns | {"critic": np.arange(6.0)})
    scores = {"entropy": np.array([np.nan, np.nan, 2, 3, 4, 5])}
    query = Query(np.array([4], np.int32), scores, {}, np.zeros(6))
    outcome = cycles.Outcome(None, view, np.arange(6), {}, {}, query)
    kept = answers.latents(0, pool, 0, outcome)
    assert kept["label"].tolist() == [1, 0, 0, 0, 2, 0]  # the guess for row 4 was 0
    assert kept["bought"].tolist() == [False, True, False, False, True, False]
    assert kept["group"].tolist() == [1, 0, 1, 1, 2, 1]
    assert kept["column/critic"].tolist() == [*range(6)] and "column/logits" not in kept
    np.testing.assert_array_equal(kept["score/entropy"], scores["entropy"])


def kept_of(world_seed, num_labeled, budget, monkeypatch, most):
    """What a picture of 90 rows has, some of them asked for at random, and before."""
    monkeypatch.setattr(answers, "MAP_ROWS", most)
    learner = tasks.make(tiny.network(), (), TRAIN)
    task, pool = tiny.world(learner, random.make(), num_labeled=num_labeled)
    generator = np.random.default_rng(world_seed)
    chosen = generator.choice(np.arange(num_labeled, 90), budget, replace=False)
    latents, then = generator.normal(size=(2, 90, 2)).astype(np.float32)

    def embed(readout, state, images, columns=None):
        # The pool's images are told apart by their rows.
        places = [
            keys_of[image.tobytes()] for image in images.read(np.arange(len(images)))
        ]
        return {"latents": then[places]}

    own = task.images.read(np.arange(90))
    keys_of = {image.tobytes(): place for place, image in enumerate(own)}
    assert len(keys_of) == 90
    task = task._replace(trainer=task.trainer._replace(embed=embed))
    before = answers.latents_before(task, pool, 3, None)
    view = tiny.view(n=90)._replace(
        columns={"latents": latents, "logits": np.zeros((90, 3), np.float32)}
    )
    query = Query(chosen.astype(np.int32), {}, {}, np.zeros(90))
    outcome = cycles.Outcome(None, view, np.arange(90), {}, {}, query)
    after = pools.label(pool, chosen, np.zeros(budget, np.int32), 4)
    return answers.latents(task.seed, after, 3, outcome, before), then, before


@pytest.mark.parametrize(
    ("num_labeled", "budget", "most"),
    [(6, 8, 200), (6, 8, 40), (6, 30, 20), (50, 8, 20)],
)
def test_a_picture_knows_where_its_rows_were_but_for_some_that_were_chosen(
    num_labeled, budget, most, monkeypatch
):
    for seed in range(5):
        kept, then, before = kept_of(seed, num_labeled, budget, monkeypatch, most)
        assert len(before["rows"]) == min(num_labeled, most) + min(
            90 - num_labeled, most
        )
        np.testing.assert_array_equal(before["latents"], then[before["rows"]])
        missing = np.setdiff1d(np.arange(len(kept["group"])), kept["before_rows"])
        assert (kept["group"][missing] == 2).all()
        assert len(missing) == 0 or most < 90 - num_labeled


def test_latents_that_a_later_stage_left_alone_are_no_second_picture():
    rows = np.arange(4)
    latents = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    before = {"rows": rows, "latents": np.nextafter(latents, np.float32(9))}
    assert answers._moved(before, rows, latents) == {}
    before["latents"][2] *= 1.01
    found = answers._moved(before, rows[1:], latents[1:])
    assert found["before_rows"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found["before"], before["latents"][1:])


@pytest.mark.parametrize(("diagnose", "times"), [(None, 2), (lambda *args: {}, 3)])
def test_the_evaluation_part_is_read_twice_only_for_a_diagnosis(diagnose, times):
    """The pool once; the evaluation part for its accuracy, and again if needed."""
    learner = tasks.make(tiny.network(), (), TRAIN)._replace(diagnose=diagnose)
    task, pool = tiny.world(learner, random.make())
    original, rows = task.trainer.embed, []

    def embed(readout, state, images, columns=None):
        rows.append(len(images))
        return original(readout, state, images, columns)

    task = task._replace(trainer=task.trainer._replace(embed=embed))
    outcome = cycles.run(task, pool, 0, 0, None, lambda standing: None, lambda: None)
    assert sorted(rows) == [30] * (times - 1) + [90]
    assert "supervised/loss" in outcome.diagnostics


class State(NamedTuple):
    critic: Any


def test_a_refit_places_the_latents_once(monkeypatch):
    """Both fits and the scale of the columns are given one array on the device."""
    seen = []

    def watched(name):
        module = adversaries if name == "column_scale" else refit
        original = getattr(module, name)

        def call(*args):
            seen.extend(a for a in args if getattr(a, "shape", ()) == (60, tiny.LATENT))
            return original(*args)

        monkeypatch.setattr(module, name, call)

    for name in ("fit_labeled", "fit_pool", "column_scale"):
        watched(name)
    adversary, view = tiny.made(adversaries.make, tiny.config()), tiny.view()
    state = State(adversaries.init(adversary, jax.random.key(0)))
    refresh = adversaries.refit_mixtures(adversary)
    refresh(jax.random.key(1), state, lambda state: view, 0)
    assert len(seen) == 3 and isinstance(seen[0], jax.Array)
    assert seen[0] is seen[1] is seen[2]

"""What a phase is told: its rows, its length, its clock, the step of a refresh."""

import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gmmal_jax import config as configs, cycle as cycles, planning, train
from gmmal_jax.phases import task as tasks
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.strategies import random

TRAIN = configs.TrainConfig(steps=6, chunk_steps=2, batch_size=8)
LABELED = 12


def phase_of(inputs, refresh=None, refresh_every=0, num_steps=lambda *counts: 6):
    """A phase that does nothing but count."""

    def step(key, state, batch):
        return state, {"loss": jnp.zeros(())}

    return Phase("idle", step, num_steps, inputs, refresh, refresh_every)


def world_of(phase):
    learner = tasks.make(tiny.network(), (), TRAIN)._replace(phases=(phase,))
    task, pool = tiny.world(learner, random.make(), num_labeled=LABELED)
    candidates = ~pool.labeled & (np.arange(90) % 10 == 8)  # 18, 28, ..., 88
    return task, planning.Data(task.images, pool, candidates)


def plan(inputs, first=0):
    task, data = world_of(phase_of(inputs))
    phase, address = task.trainer.learner.phases[0], planning.Address(0, 0, 0)
    return task, planning.Plan(task.trainer.chunk_form, phase, address, data, 6)(first)


def rows_of(task, batch):
    """Pool rows of a batch, by their pixels."""
    known = {
        image.tobytes(): row for row, image in enumerate(task.images.read(slice(None)))
    }
    images = np.asarray(batch.images)
    return [known[image.tobytes()] for image in images.reshape(-1, *images.shape[3:])]


@pytest.mark.parametrize("candidates", [False, True])
def test_the_unlabeled_stream_is_the_pool_or_the_candidates(candidates):
    task, batch = plan(Inputs(unlabeled=39, candidates=candidates))
    rows = rows_of(task, batch.unlabeled)
    wanted = range(18, 90, 10) if candidates else range(LABELED, 90)
    assert set(rows) == set(wanted)
    assert (np.asarray(batch.unlabeled.labels) == -1).all()


def test_without_candidates_all_unlabeled_rows_may_be_read():
    _, data = world_of(phase_of(Inputs()))
    alone = data._replace(candidates=None)
    assert alone.counts(candidates=True) == (LABELED, 90 - LABELED)


@pytest.mark.parametrize(
    ("inputs", "epoch"),
    [
        (Inputs(labeled=8, unlabeled=10), 2),
        (Inputs(labeled=12), 1),
        (Inputs(unlabeled=10), 8),
        (Inputs(unlabeled=3, candidates=True), 3),
        (Inputs(), 1),
    ],
)
def test_the_clock_knows_a_pass_over_the_rows(inputs, epoch):
    _, batch = plan(inputs, first=2)
    assert np.asarray(batch.clock.step).tolist() == [[2], [3]]
    assert np.asarray(batch.clock.num_steps).tolist() == [[6], [6]]
    assert np.asarray(batch.clock.epoch_steps).tolist() == [[epoch], [epoch]]
    assert batch.clock.epoch_steps.dtype == jnp.int32


def test_a_phase_is_told_how_many_rows_there_are_and_when_it_refreshes():
    counts, steps = [], []

    def num_steps(num_labeled, num_unlabeled):
        counts.append((num_labeled, num_unlabeled))
        return 5

    def refresh(key, state, embed_pool, step):
        steps.append(step)
        return state

    inputs = Inputs(unlabeled=3, candidates=True)
    task, data = world_of(phase_of(inputs, refresh, 2, num_steps))
    select = configs.SelectConfig(subset_size=20)
    task = task._replace(select=select)
    chunks = []
    cycles.run(task, data.pool, 0, 5, None, chunks.append, lambda: None)
    assert set(counts) == {(LABELED, 20)}
    assert steps == [0, 2, 4, 6]
    assert [standing.chunk.images for standing in chunks] == [6, 6, 6]


def test_what_does_not_change_is_refreshed_once_from_all_rows():
    calls = []

    def refresh(key, state, embed_pool, step):
        calls.append((step, embed_pool(state)))
        return state

    once = phase_of(Inputs(labeled=4), refresh, 2)._replace(refresh_once=True)
    task, data = world_of(once)
    start = cycles.begin(task, 0)
    looks = train.Looks(lambda state: "some", lambda state: "all")
    run = task.trainer, 0, 0, data
    train.run(*run, start, looks, lambda standing: None)
    assert calls == [(0, "all")]
    late = cycles.begin(task, 0)._replace(position=train.Position(0, 4))
    train.run(*run, late, looks, lambda standing: None)
    assert calls == [(0, "all")]  # a checkpoint holds what the refresh left


def test_a_phase_of_no_steps_is_refreshed_all_the_same():
    steps = []

    def refresh(key, state, embed_pool, step):
        steps.append(step)
        return state

    none = phase_of(Inputs(labeled=4), refresh, num_steps=lambda *counts: 0)
    task, data = world_of(none._replace(refresh_once=True))
    cycles.run(task, data.pool, 0, 5, None, lambda standing: None, lambda: None)
    assert steps == [0]

"""How long a run will take: counted by hand, measured by a clock that is told."""

import pytest
import tiny

from gmmal_jax import bind, config as configs, estimate, memory
from gmmal_jax.phases.base import Inputs, Learner, Phase


def phase(name, steps, rows, refresh=None, every=0):
    return Phase(
        name, None, lambda labeled, unlabeled: steps, Inputs(labeled=rows),
        refresh=refresh, refresh_every=every,
    )  # fmt: skip


def learner(*phases):
    return Learner(frozenset(), None, phases, None)


def test_a_training_by_hand():
    two = learner(
        phase("one", 95, 10), phase("two", 200, 30, refresh=lambda *a: a, every=100)
    )
    found = estimate.of_training(two, 50, labeled=20, pool=1000)
    # 95 steps are two chunks; before the first step, after 100, after 200.
    assert found == (100 * 10 + 200 * 30, 3 * 1000)
    assert found.work == pytest.approx(7000 + 1000)
    assert estimate.of_training(two, 50, 20, 1000, first_phase=1) == (6000, 3000)
    once = learner(two.phases[0], two.phases[1]._replace(refresh_once=True))
    assert estimate.of_training(once, 50, 20, 1000).read == 1000
    assert estimate.of_training(once, 50, 20, 1000, refit_rows=100).read == 1000


def test_a_run_is_the_sum_of_its_cycles(tmp_path):
    config = tiny.config(
        method="entropy", seeds=(0, 1), cycles=2, initial=20, budget=5, width=2
    )
    run = bind.prepare(config, tmp_path / "run", 1)
    (split, _) = run.splits.values()
    rows = len(split.pool) + len(split.evaluation_rows)
    arms, seeds, cycles = 2, 2, 2
    each = 4 * 10 + rows / 3  # four steps of ten images, and a look at everything
    assert estimate.of_run(run) == pytest.approx(arms * seeds * cycles * each)


def test_a_query_among_some_rows_reads_only_these(tmp_path):
    config = tiny.config(method="random", seeds=(0,), cycles=1, initial=20, budget=5)
    whole = bind.prepare(config, tmp_path / "whole", 1)
    some = configs.replace(config, **{"select.subset_size": 30})
    run = bind.prepare(some, tmp_path / "some", 1)
    rows, arms = len(run.splits[0].pool), len(run.arms)
    less = arms * (rows - 50) / 3
    assert less > 0
    assert estimate.of_run(run) == pytest.approx(estimate.of_run(whole) - less)


def test_a_refit_of_latents_that_are_not_held_reads_the_pool_twice(tmp_path):
    config = tiny.config(seeds=(0,), cycles=1, reference="none")
    run = bind.prepare(config, tmp_path / "run", 1)
    twice = run._replace(room=memory.Room(0, 0, 0, 0, 10, reads=2))
    refits = 3  # before the first step of stage 2, after two, after four
    more = refits * len(run.splits[0].pool) / 3
    assert estimate.of_run(twice) == pytest.approx(estimate.of_run(run) + more)


def test_the_first_chunk_of_a_phase_is_no_measure():
    forecast = estimate.Forecast(1000.0)
    assert forecast.after("gmm", 0, 50, 60.0) is None
    assert forecast.after("gmm", 0, 50, 2.0) is None
    assert forecast.after("gmm", 1, 50, 60.0) is None
    # 100 images in 4 seconds, so 1,000 take 40.
    assert forecast.after("gmm", 0, 50, 2.0) == pytest.approx(40)
    assert forecast.after("gmm", 0, 50, 2.0) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"), (89.0, "89 s"), (100.0, "2 min"), (3000.0, "50 min"),
        (18001.0, "5 h"), (144000.0, "40 h"), (777600.0, "9 days"),
    ],
)  # fmt: skip
def test_in_words(seconds, words):
    assert estimate.in_words(seconds) == words

"""The experiment's own arithmetic, and that its committed files tell one story."""

import numpy as np
import pytest
import tiny

from experiments import costs, pictures, tables
from experiments.first_check import arms, check, report, tune
from gmmal_jax.data import sources
from gmmal_jax.learners import reg_da, vaal
from gmmal_jax.strategies import random


def dataset(order):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (40, 6, 6, 1)).astype(np.uint8)[order]
    labels = np.arange(40, dtype=np.int32)[order]
    return sources.Dataset(
        "x", images, labels, images[:9], labels[:9], (), (), (), ""
    )  # fmt: skip


def test_reduced_images_are_halved_and_chosen_whatever_their_order(tmp_path):
    shuffled = np.random.default_rng(1).permutation(40)
    chosen = {}
    for name, order in (("a", np.arange(40)), ("b", shuffled)):
        path = tmp_path / f"{name}.npz"
        path.write_bytes(pictures.reduced(dataset(order), 10, 3))
        chosen[name] = np.load(path)
    for field in ("x_train", "y_train"):
        np.testing.assert_array_equal(chosen["a"][field], chosen["b"][field])
    images, labels = (chosen["a"][field] for field in ("x_train", "y_train"))
    assert images.shape == (10, 3, 3, 1) and len(set(labels)) == 10
    original = dataset(np.arange(40)).train_images[labels[0], :2, :2, 0]
    assert images[0, 0, 0, 0] == np.round(original.astype(np.float32).mean())


def test_cost_by_hand():
    """300 steps of 20 + 100 images, 300 of 50 + 50, 4 refits of the pool."""
    settings = tiny.config(
        **{"train.chunk_steps": 50, "train.steps": 300, "da.steps": 300,
           "da.refit_every": 100, "da.batch_size": 50, "train.batch_size": 20,
           "reg.subset_size": 99}
    )  # fmt: skip
    learner = tiny.made(reg_da.make, settings)
    assert costs.cost(learner, 50, 20, 1000) == {
        "network_steps": 600,
        "critic_steps": 300,
        "images_forwarded": 300 * 119 + 300 * 100 + 4 * 1000,
    }
    assert random.make().needs == set()  # random queries forward nothing more


def test_a_network_that_is_frozen_takes_no_steps():
    """Two iterations of VAAL's, of two steps each, are one chunk of its networks."""
    learner = tiny.made(vaal.make, tiny.config(**{"train.steps": 300}))
    assert [phase.frozen for phase in learner.phases] == [False, True]
    found = costs.cost(learner, 50, 20, 1000)
    assert (found["network_steps"], found["critic_steps"]) == (300, 0)
    assert found["images_forwarded"] == 300 * 10 + 50 * 20


def rows(arm, accuracies):
    return [
        {"world": "w", "arm": arm, "seed": str(seed), "cycle": str(cycle),
         "labeled": str(20 + cycle), "accuracy": str(value), "network_steps": "300",
         "critic_steps": "0", "images_forwarded": "1000"}
        for seed, values in enumerate(accuracies)
        for cycle, value in enumerate(values)
    ]  # fmt: skip


def test_differences_are_paired_by_seed_and_skip_the_common_first_cycle():
    one, other = arms.CONTRASTS[-1][1:3]
    table = rows(one, [(0.9, 0.5), (0.9, 0.7)]) + rows(other, [(0.1, 0.4), (0.1, 0.5)])
    contrast = arms.Contrast("?", one, other, 1)
    mean, half, num = report.difference(table, "w", contrast)
    assert num == 2 and mean == pytest.approx(15.0)
    assert half == pytest.approx(12.706 * 5, rel=1e-3)  # t(1), s = 7.07, 2 seeds
    assert report.difference(table, "other", contrast) is None
    assert "+15.0 ± 63.5" in report.contrasts_table(table)
    assert "| 50.0 | 60.0 |" not in report.arms_table(table, "w")
    assert "| 90.0 | 60.0 | 75.00" in report.arms_table(table, "w")


def mean_accuracy(log, world, arm):
    found = [r for r in log if (r["world"], r["arm"]) == (world, arm)]
    return np.mean([float(row["accuracy"]) for row in found])


def test_the_choices_are_the_best_of_as_many_logged_trials_an_arm():
    log = tables.load(tune.LOG)
    for world in tune.TRIED:
        chosen = tune.CHOSEN[world]
        for arm, (_, trials) in tune.ARMS.items():
            means = {
                name: mean_accuracy(log, world, f"{arm} {name}") for name in trials
            }
            best = max(means, key=means.__getitem__)
            assert trials[best] == chosen[arm], (world, arm, means)
    assert len({len(trials) for _, trials in tune.ARMS.values()}) == 1
    assert {row["eval"] for row in log} == {"validation"}
    assert min(int(row["seed"]) for row in log) >= 1000


def test_every_question_has_arms_and_every_reported_row_is_a_fresh_seed_of_test():
    names = {job.arm for job in arms.jobs("digits")}
    assert {c.arm for c in arms.CONTRASTS} | {c.base for c in arms.CONTRASTS} <= names
    assert set(check.ARMS) <= names
    found = tables.load(check.RESULTS)
    for world in tune.CHOSEN:
        for job in arms.jobs(world):
            seeds = report.by_seed(found, world, job.arm)
            assert sorted(map(int, seeds)) == list(arms.SEEDS), (world, job.arm)
    assert {row["eval"] for row in found} == {"test"}


def test_the_tables_of_the_readme_are_those_of_the_rows():
    text, log = tables.README.read_text(), tables.load(tune.LOG)
    assert report.contrasts_table(tables.load(check.RESULTS)) in text
    assert report.trials_table(log) in text and report.why_table(log) in text


def test_what_da_does_is_compared_with_the_same_form_without_it():
    pairs = list(tune.WHY.items())
    for (on, form), (off, without) in zip(pairs[::2], pairs[1::2], strict=True):
        assert (on.removesuffix("on"), without) == (off[:-3], form | tune.OFF)
    assert tune._before("why", "digits") == tune._before("da", "digits")


def test_the_check_fails_where_rows_differ(capsys):
    committed = rows("a", [(0.5, 0.6)])

    def agrees(points, exact):
        gap = points / 100
        found = [
            row | {"accuracy": str(float(row["accuracy"]) + gap)} for row in committed
        ]
        ours = found if points else committed
        return check._agrees(ours, committed, (committed[0]["world"], "a"), exact)

    assert agrees(0, exact=True) and not agrees(0.1, exact=True)
    assert agrees(5, exact=False) and not agrees(-13, exact=False)
    assert "DIFFERS" in capsys.readouterr().out

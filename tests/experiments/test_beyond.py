"""Experiments beyond the paper: their plan, their pages, what queries were of."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from paper_results import data_of

from experiments import beyond, costs, tables
from experiments.beyond import arms, classes, likelihood
from experiments.paper import (
    NAMES,
    cli,
    cost,
    made,
    page,
    plan,
    status,
    strict,
    work,
    worlds,
)
from experiments.paper.experiment import SEEDS, load
from experiments.paper.store import Done, Store, digest
from experiments.paper.worlds import World
from gmmal_jax import config as configs
from gmmal_jax.config import Config
from gmmal_jax.errors import UserError
from gmmal_jax.storage.records import Record

ALL = {name: load(name) for name in beyond.NAMES}
RUN = [experiment for experiment in ALL.values() if experiment.runs]
PAPERS = [experiment for experiment in map(load, NAMES) if experiment.runs]
HOURS = 5.0
"""Of a core, for what the paper's tables have not run, of three seeds."""


def test_names_are_files_and_status_lists_them_below_the_papers(tmp_path, capsys):
    files = {path.stem for path in Path(beyond.__file__).parent.glob("*.py")}
    assert {*beyond.NAMES} == files - {"__init__", "arms", "classes", "likelihood"}
    assert len({*beyond.NAMES, *NAMES}) == len(beyond.NAMES) + len(NAMES)
    assert len({experiment.title for experiment in ALL.values()}) == len(ALL)
    assert cli.main(["status", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    below = lines[lines.index("Beyond the paper:") :]
    heads = [line for line in lines if line.startswith("|  |")]
    assert len(heads) == 2 and heads[0] == heads[1] == below[2]
    listed = dict.fromkeys(line.split("|")[1].strip() for line in below[4:])
    assert tuple(listed) == beyond.NAMES
    assert all("not run: needs cifar10 and a GPU" in line for line in below[4:])
    with pytest.raises(UserError, match="did you mean gains"):
        load("gain")


@pytest.mark.parametrize("name", beyond.NAMES)
def test_a_file_says_what_it_shows_and_costs(name):
    module = __import__(f"experiments.beyond.{name}", fromlist=["x"])
    said, experiment = " ".join(module.__doc__.split()), ALL[name]
    assert said.startswith(f"{experiment.title}: {experiment.caption}.")
    assert f"python -m experiments {name}" in said
    assert cost.sentence(experiment) in said
    assert "The paper has no numbers of this." in said
    assert experiment.tables == ()


def test_every_arm_can_be_made_in_its_worlds_at_both_scales():
    for scale in worlds.SCALES:
        for with_pictures in (False, True):
            for task in plan.tasks(RUN, scale, 1, with_pictures):
                assert made.work(task) > 0 and made.settings(task)
    used = {arm for experiment in ALL.values() for arm in experiment.arms.values()}
    assert {*arms.OWN} <= used <= {*arms.ARMS}
    # Folders of runs under way are named after them.
    assert max(Counter(re.sub(r"\W+", "_", arm) for arm in arms.ARMS).values()) == 1


def test_differences_are_of_arms_that_are_there():
    assert all(experiment.less or experiment.pairs for experiment in RUN)
    for experiment in (*RUN, *PAPERS):
        named = {*experiment.arms}
        assert not experiment.less or experiment.less in named
        for pair in experiment.pairs:
            assert {*pair} <= named and experiment.less != pair[1]


def test_arms_differ_from_each_other_in_every_world():
    for experiment in RUN:
        for scale in worlds.SCALES:
            for world in experiment.worlds:
                form = worlds.form(world, scale, True)
                own = plan.of_forms(experiment, [form], 1)
                assert len({task.config for task in own}) == len(own)


@pytest.mark.parametrize("scale", worlds.SCALES)
def test_controls_spend_what_they_control(scale):
    def spent(arm, setting):
        form = worlds.form(World("cifar10", setting), scale, True)
        task = plan.Task(form, arm, 0)
        learner = made.method(task.config, form.classes, form.image).learner
        chunk, labels = task.config.train.chunk_steps, task.config.initial
        return costs.cost(learner, chunk, labels, form.pool)

    for setting in ("balanced", "imbalanced"):
        for arm, control in arms.CONTROLS.items():
            assert spent(arm, setting) == spent(control, setting)
        steps = {
            spent(arm, setting)["network_steps"]
            for arm in ("random / ce longer", "random / reg_longer", "random / reg_da")
        }
        assert len(steps) == 1
        others = {spent(arm, setting)["network_steps"] for arm in ("vaal", "ta_vaal")}
        assert others == {spent("random", setting)["network_steps"]}


@pytest.mark.parametrize("scale", worlds.SCALES)
def test_schedules_buy_as_many_labels(scale):
    forms = {
        world.recipe: worlds.form(world, scale, True) for world in ALL["budgets"].worlds
    }
    config = {recipe: form.config for recipe, form in forms.items()}
    usual, half = config["step"], config["half_start"]
    assert half.initial == usual.initial / 2 and half.budget == usual.budget
    for recipe, times in (("half_query", 0.5), ("triple_query", 3)):
        own = config[recipe]
        assert own.initial == usual.initial and own.budget == times * usual.budget
        assert own.labels_wanted() == usual.labels_wanted()
    assert len({form.title for form in forms.values()}) == len(forms)
    assert len({form.title.rpartition(", ")[0] for form in forms.values()}) == 1


def test_all_of_it_at_cpu_scale_takes_five_hours_at_most():
    papers = {task.key for task in plan.tasks(PAPERS, "cpu", 1, True)}
    new = [t for t in plan.tasks(RUN, "cpu", 1, True) if t.key not in papers]
    seconds = cost.COMPILE * len(new) + 3 * cost.SMALL * sum(map(cost.work, new))
    for world in ALL["components"].worlds:
        forms = [worlds.form(world, "cpu", True)]
        (first,) = plan.of_forms(ALL["components"], forms, 1)
        seconds += cost.COMPILE + 3 * cost.SMALL * cost.work(first, 1)
    assert seconds < 3600 * HOURS


COUNTS = np.asarray([[2, 2, 0, 0], [3, 2, 3, 0], [3, 4, 3, 2]])
"""Labels of four classes in three cycles, by hand."""


def test_shares_of_queries_are_by_the_labels_that_were_bought():
    assert classes.unseen(COUNTS).tolist() == [75.0, 50.0]
    which = np.asarray([True, False, False, True])
    assert classes.share(COUNTS, which).tolist() == [25.0, 50.0]
    assert classes.until_all(COUNTS) == 2 and classes.until_all(COUNTS[:2]) is None
    assert classes.until_all(COUNTS[2:]) == 0


def test_records_are_counted_and_read_back():
    first = [{"label": label} for label in (0, 0, 1, 1)]
    asked = [[{"label": k} for k in (0, 2, 2, 2)], [{"label": k} for k in (1, 1, 3, 3)]]
    recorded = [
        Record(1, i, {}, first if i == 0 else [], queries, {}, {})
        for i, queries in enumerate([*asked, []])
    ]
    rows = classes.counted("random", 1, recorded, 4)
    assert [row["labels"] for row in rows] == ["2 2 0 0", "3 2 3 0", "3 4 3 2"]
    slow = classes.counted("random", 2, recorded[:2], 4)
    found = classes.by_seed([*rows, *slow], "random")
    assert np.array_equal(found["1"], COUNTS) and len(found["2"]) == 2
    assert classes.waited([*slow, *rows], "random") == "2, > 1"
    config = configs.replace(Config(), setting="imbalanced")
    curve = classes.curves(rows, "random", classes.MINOR, config)
    assert curve == {"1": [100.0, 0.0]}  # even classes are minor: 0 and 2


def test_minor_classes_are_those_of_the_setting():
    for setting, minor in (
        ("imbalanced", [0, 2, 4, 6, 8]), ("long_tailed", [4, 5, 6, 7, 8, 9]),
        ("balanced", []),
    ):  # fmt: skip
        config = configs.replace(Config(), setting=setting)
        assert np.flatnonzero(classes.minor(config, 10)).tolist() == minor
    for world in ALL["minor_classes"].worlds:
        assert classes.minor(worlds.form(world, "full", True).config, 10).any()


def made_up(experiment, out, scale, seeds=1):
    """Rows as runs would leave them, of made-up accuracies."""
    kept = Store(out, scale)
    for task in plan.tasks([experiment], scale, seeds, True):
        config = task.config
        rank = [*arms.ARMS].index(task.arm)
        rows = [
            {
                "world": task.form.key, "arm": task.arm, "eval": "test",
                "seed": str(task.seed), "cycle": str(i),
                "labeled": str(config.initial + i * config.budget),
                "accuracy": str(round(0.3 + 0.01 * i + 0.001 * rank, 6)),
                "network_steps": "1000", "images_forwarded": "25000",
            }
            for i in range(config.cycles)
        ]  # fmt: skip
        data = data_of(task.form.source)
        spent = {"arm": task.arm, "seed": str(task.seed), "cycle": "0"}
        spent |= {"stage": "total", "seconds": "1.0"}
        versions = {"device": "NVIDIA H100", "cores": 1}
        kept.add(task, Done(rows, [spent], made.settings(task), data, versions))
    return kept


def test_full_results_have_pages_states_and_pass_the_strict_check(tmp_path):
    experiment = ALL["controls"]
    made_up(experiment, tmp_path, "full")
    assert status.state(experiment, tmp_path) == "partial (16 of 80)"
    assert strict.complaints(tmp_path) == []
    text = page.write(experiment, "controls", "full", tmp_path).read_text()
    assert text.startswith("# Controls\n\nThe paper has no numbers of this.\n")
    lines = text.splitlines()
    heads = next(line for line in lines if line.startswith("| method"))
    assert heads.endswith("| mean | steps | images | device |")
    (line, _) = (each for each in lines if each.startswith("| Reg + DA | ours | 1 |"))
    assert line.endswith("| 10,000 | 250,000 | NVIDIA H100 |")
    gap = [*arms.ARMS].index("random / reg_da") - [*arms.ARMS].index(
        "random / pool forward"
    )
    (line, _) = (e for e in lines if e.startswith("| Reg + DA - Reg, pool forward |"))
    assert line.count(f"{gap / 10:+.2f}") == 11  # ten sizes and their mean
    # Where DA's control is on record, the paper's tables show it, too.
    text = page.write(load("table_05"), "table_05", "full", tmp_path).read_text()
    assert "| Proposed, DA at weight 0 | ours | 1 |" in text


TINY = {
    "width": 2, "cycles": 2, "initial": 20, "budget": 20, "data.class_cap": 20,
    "train.steps": 2, "train.chunk_steps": 2, "train.batch_size": 20, "da.steps": 2,
    "da.refit_every": 2, "reg.subset_size": 20, "da.hidden": (4,), "gmm.em_iters": 2,
}  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    """Digits of two steps a cycle, and random choice and k-center."""
    own = worlds.SUBSTITUTES["digits"]
    tiny = own._replace(changes=own.changes | TINY)
    monkeypatch.setitem(worlds.SUBSTITUTES, "digits", tiny)
    both = {"Random": "random", "CoreSet": "coreset"}
    return ALL["unseen_classes"]._replace(arms=both)


def ran(experiment, out, said=None):
    kept, said = Store(out, "cpu"), [] if said is None else said
    tasks = plan.tasks([experiment], "cpu", 1, False)
    assert work.run(tasks, None, kept, said.append) == 0
    return kept


def test_queries_of_unseen_classes_are_run_and_shown(small, tmp_path):
    said, world = [], "digits_mismatch"
    usual = small._replace(shown=("accuracy",), arms={"Random": "random"})
    kept = ran(usual, tmp_path)
    counts = classes.by_seed(kept.classes(world), "random")["0"]
    assert counts.sum(axis=1).tolist() == [20, 40]
    assert not counts[0, 7:].any() and counts[0, :7].sum() == 20
    # Rows of older programs have no counts: who shows them runs such pieces again.
    before = kept.rows(world), kept.classes(world)
    kept.path(world, "_classes.csv").unlink()
    ran(usual, tmp_path, said)
    assert said == ["nothing is left to run"]
    assert status.state(small, tmp_path).startswith("not run")
    ran(small, tmp_path, said)
    assert "1 of 2: digits_mismatch, random, seed 0" in said[1]
    after = kept.rows(world), kept.classes(world)
    for ours, again in zip(before, after, strict=True):
        assert ours == [row for row in again if row["arm"] == "random"]
    state = status.state(small, tmp_path)
    assert state == "substitute (scikit-learn's digits, 8x8, small of width 2)"
    both = small._replace(shown=("unseen_share", "accuracy"))
    text = page.write(both, "unseen_classes", "cpu", tmp_path).read_text()
    heads = "| 40 | mean | queries until all classes have labels | device |"
    assert f"| method | whose | seeds {heads}" in text
    share = 100 * (counts[1] - counts[0])[counts[0] == 0].sum() / 20
    waited = "1" if counts[1].all() else "> 1"
    own = f"| Random | ours | 1 | {share:.2f} | {share:.2f} | {waited} | cpu"
    assert own in text and "| CoreSet - Random | ours | 1 |" in text
    # Two steps of 20 images in each of two cycles.
    (line,) = (e for e in text.splitlines() if "| 4 | 80 | cpu" in e and "Random" in e)
    assert line.startswith("| Random | ours | 1 |")


def test_likelihoods_are_of_rows_that_no_mixture_saw(small, tmp_path, monkeypatch):
    experiment = ALL["components"]._replace(
        worlds=(World("cifar10"),), arms={"Random": "random"}
    )
    kept, form = Store(tmp_path, "cpu"), worlds.form(World("cifar10"), "cpu", False)
    (task,) = plan.of_forms(experiment, [form], 1)
    few = (likelihood.PAPERS, likelihood.Mixture(2, "spherical", "exact"))
    monkeypatch.setattr(likelihood, "MIXTURES", few)
    assert page.write(experiment, "components", "cpu", tmp_path) is None
    assert status.state(experiment, tmp_path).startswith("not run: needs cifar10")
    likelihood.take(task, None, kept)
    path = kept.path(form.key, "_likelihood.csv")
    first = path.read_bytes()
    likelihood.take(task, None, kept)
    assert path.read_bytes() == first
    kept.path(form.key, "_likelihood.json").unlink()
    likelihood.take(task, None, kept)
    assert path.read_bytes() == first
    text = page.write(experiment, "components", "cpu", tmp_path).read_text()
    assert "**scikit-learn's digits, 8x8, balanced**: log-likelihood" in text
    rows = [line.split(" | ") for line in text.splitlines() if " a class, " in line]
    assert [row[0] for row in rows] == [f"| {each.words}" for each in few]
    gap = float(rows[1][2]) - float(rows[0][2])
    assert float(rows[1][3]) == pytest.approx(gap, abs=0.011) and not rows[0][3]
    state = "substitute (scikit-learn's digits, 8x8, small of width 2)"
    assert status.state(experiment, tmp_path) == state
    assert made.settings(task) == likelihood.about(task, kept)["settings"]
    # What other settings gave is not shown, and made again.
    about = kept.path(form.key, "_likelihood.json")
    kept_of = about.read_text()
    other = json.loads(kept_of)
    other["0"]["settings"]["width"] = 3
    about.write_text(json.dumps(other))
    assert status.state(experiment, tmp_path) == f"{state}, partial (0 of 1), 1 stale"
    assert page.write(experiment, "components", "cpu", tmp_path) is None
    likelihood.take(task, None, kept)
    assert path.read_bytes() == first
    assert about.read_text() == kept_of


def likelihood_rows(seed):
    return [
        {"seed": str(seed), "mixture": each.words, "held_out": "1.0", "fitted": "1.5",
         "live": "10"}
        for each in likelihood.MIXTURES
    ]  # fmt: skip


def write_likelihoods(world, kept, rows):
    """Five seeds of a world as runs at full scale would leave them, with given rows."""
    form = worlds.form(world, "full", True)
    tasks = plan.of_forms(ALL["components"], [form], SEEDS)
    body = {
        str(task.seed): {
            "settings": made.settings(task), "data": data_of("cifar10"),
            "versions": {"device": "NVIDIA H100"},
            "rows": digest(likelihood_rows(task.seed)),
        }
        for task in tasks
    }  # fmt: skip
    path = kept.path(form.key, "_likelihood.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(body))
    tables.save(kept.path(form.key, "_likelihood.csv"), rows)
    return path, body


def test_the_strict_check_looks_at_likelihoods_too(tmp_path):
    experiment, kept = ALL["components"], Store(tmp_path, "full")
    every = [row for seed in range(SEEDS) for row in likelihood_rows(seed)]
    path, body = write_likelihoods(experiment.worlds[0], kept, every)

    def said(seed, line):
        return f"components: cifar10_balanced, seed {seed}: {line}"

    assert strict.complaints(tmp_path) == []
    assert status.state(experiment, tmp_path) == "partial (5 of 10)"
    write_likelihoods(experiment.worlds[1], kept, every)
    assert status.state(experiment, tmp_path) == "full"

    body["4"]["settings"]["width"] = 8
    path.write_text(json.dumps(body))
    assert strict.complaints(tmp_path) == [said(4, "width is 8, the paper's None")]
    assert status.state(experiment, tmp_path) == "partial (9 of 10), 1 stale"

    changed = "its rows are not those that were recorded"
    fewer = "not a row for each form of a mixture"
    path, _ = write_likelihoods(experiment.worlds[0], kept, every[:-1])
    assert strict.complaints(tmp_path) == [said(4, changed), said(4, fewer)]
    rows = path.with_suffix(".csv")
    better = [row | {"held_out": "2.0"} for row in every[:8]]
    tables.save(rows, [*better, *every[8:]])
    assert strict.complaints(tmp_path) == [said(0, changed)]
    assert status.state(experiment, tmp_path) == "partial (9 of 10), 1 stale"
    rows.unlink()
    assert len(strict.complaints(tmp_path)) == 2 * SEEDS
    assert status.state(experiment, tmp_path) == "partial (5 of 10), 5 stale"

    write_likelihoods(experiment.worlds[0], kept, every)
    path.unlink()
    nothing = "nothing says what its rows came by"
    assert strict.complaints(tmp_path) == [said(i, nothing) for i in range(SEEDS)]
    path.write_text("[]")
    with pytest.raises(UserError, match="not what likelihoods came by"):
        status.state(experiment, tmp_path)

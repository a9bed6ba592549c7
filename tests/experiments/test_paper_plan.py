"""The paper's tables and figures: their files, their plan, what is full and not."""

from pathlib import Path

import pytest
from paper_results import ALL, RUN

from experiments.paper import (
    NAMES,
    arms,
    cli,
    cost,
    made,
    plan,
    status,
    values,
    worlds,
)
from experiments.paper.experiment import SEEDS, load, pieces
from experiments.paper.worlds import World
from gmmal_jax.config import alignment_steps
from gmmal_jax.errors import UserError

NUMBERED = [name for name, experiment in RUN.items() if name.startswith("table")]
every_table = pytest.mark.parametrize("name", NUMBERED)
EDGE = {"svhn_cropped", "tiny_imagenet"}
"""Whose pictures are not at hand at cpu scale."""


def test_every_table_and_figure_but_the_diagrams_has_a_file_and_a_state(tmp_path):
    titles = [f"Table {i}" for i in range(1, 13)] + ["Figure 1"]
    titles += [f"Figure {i}" for i in range(5, 21)]
    assert [experiment.title for experiment in ALL.values()] == titles
    files = {path.stem for path in Path(cli.__file__).parent.glob("*_[0-9][0-9].py")}
    assert files == {*NAMES}
    lines = status.table(tmp_path).splitlines()[2:]
    assert len(lines) == len(NAMES) and all("not run: " in line for line in lines)
    with pytest.raises(UserError, match="a diagram"):
        load("figure_03")
    with pytest.raises(UserError, match="did you mean table_05"):
        load("table_5")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_it_shows_and_costs(name):
    module = __import__(f"experiments.paper.{name}", fromlist=["x"])
    said, experiment = " ".join(module.__doc__.split()), ALL[name]
    assert said.startswith(f"{experiment.title}: {experiment.caption}.")
    if experiment.runs or experiment.seen:
        assert cost.sentence(experiment) in said
        assert f"python -m experiments {name}" in said


@every_table
def test_arms_and_labels_are_those_that_the_paper_prints(name):
    experiment = ALL[name]
    (number,) = experiment.tables
    printed = [value for value in values.accuracies() if value.table == number]
    assert {*experiment.arms} == {value.method for value in printed}
    for world in experiment.worlds:
        form = worlds.form(world, "full", True)
        sizes = {v.labeled for v in printed if v.labeled is not None}
        config = form.config
        ours = {config.initial + i * config.budget for i in range(config.cycles)}
        assert ours == sizes
        data = worlds.DATA[world.data].title
        assert {(v.data, v.setting) for v in printed} == {(data, world.setting)}
        for method in experiment.arms:
            curve = values.curve(experiment.tables, data, world.setting, method)
            assert len(curve) in (len(sizes), len(sizes) + 1)


def test_the_file_of_the_papers_numbers_is_whole():
    found = values.accuracies()
    assert len(found) == 1095 and len(values.timings()) == 9
    assert sum(value.labeled is None for value in found) == 95
    assert values.curve((5,), "CIFAR-10", "balanced", "Proposed")[1000] == 58.98
    assert values.curve((12,), "FashionMNIST", "imbalanced", "Random")[None] == 80.35


def test_full_scale_is_the_papers_own():
    """Section 4.1, A.1, A.4 to A.7."""
    for experiment in RUN.values():
        for world in experiment.worlds:
            form = worlds.form(world, "full", False)
            config, train, da = form.config, form.config.train, form.config.da
            assert form.full and form.kept is None and config.reference == "none"
            assert (config.width, config.eval, config.setting) == (
                None,
                "test",
                world.setting,
            )
            larger = {"cifar100": 2000, "tiny_imagenet": 4000}.get(world.data, 1000)
            assert config.initial == config.budget == larger
            tail = (world.data, world.setting) == ("cifar100", "long_tailed")
            assert config.cycles == (9 if tail else 10)
            assert (train.epochs, train.steps, train.batch_size) == (200, None, 100)
            assert (train.learning_rate, train.momentum) == (0.1, 0.9)
            assert (train.weight_decay, train.decay_at, train.decay) == (5e-4, 0.8, 0.1)
            assert alignment_steps(train, da) == 10_000
            assert (da.batch_size, da.refit_every, da.beta) == (100, 500, 1.0)
            assert (da.critic_learning_rate, da.decay_at) == (5e-4, 0.8)
            assert (config.reg.alpha, config.reg.subset_size) == (1e-4, 1000)
            assert (config.reg.refit_every, config.gmm.em_iters) == (1, 10)
            assert config.data.imbalance_ratio == 10
            steps = "step" if world.recipe == "step" else "onecycle"
            assert train.schedule == steps
            network = "resnet50" if world.recipe == "resnet50" else "resnet18"
            assert config.model == network
    assert ALL["figure_18"].worlds[0].recipe == "resnet50"


def test_pools_have_the_sizes_that_settings_leave():
    pools = {
        ("cifar10", "imbalanced"): 27_500,
        ("cifar100", "imbalanced"): 27_500,
        ("fashion_mnist", "imbalanced"): 33_000,
        ("cifar10", "long_tailed"): 20_431,
        ("cifar100", "long_tailed"): 19_573,
        ("svhn_cropped", "balanced"): 73_257,
    }
    for world, pool in pools.items():
        assert worlds.form(World(*world), "full", True).pool == pool


def test_what_tables_share_lies_once():
    def shared(one, other):
        first, second = ({*pieces(ALL[name], SEEDS)} for name in (one, other))
        return first & second

    for figure, numbers in (("figure_09", range(5, 9)), ("figure_10", range(9, 13))):
        rows = {p for n in numbers for p in pieces(ALL[f"table_{n:02d}"], SEEDS)}
        assert {*pieces(ALL[figure], SEEDS)} < rows
    assert len(shared("table_01", "table_09")) == 3 * SEEDS
    assert len(shared("table_04", "table_05")) == SEEDS
    assert len(shared("figure_13", "table_05")) == 2 * SEEDS
    assert {*pieces(ALL["figure_11"], SEEDS)} == {
        piece for piece in pieces(ALL["figure_10"], SEEDS)
        if piece.world.data == "cifar10"
    }  # fmt: skip
    # Without pictures digits stand in for all: each piece is run once for all tables.
    found = plan.tasks(RUN.values(), "cpu", 1, False)
    assert len({task.key for task in found}) == len(found)
    assert {task.form.source for task in found} == {"digits"}


def test_no_substitute_bears_a_name_of_the_papers():
    titles = {data.title for data in worlds.DATA.values()}
    for experiment in RUN.values():
        for world in experiment.worlds:
            for form in worlds.forms(world, "cpu"):
                assert not form.full and not any(t in form.title for t in titles)
            assert worlds.forms(world, "cpu")[-1].source == "digits"
    for name in EDGE:
        assert name not in {s.source for s in worlds.SUBSTITUTES.values()}


def test_every_arm_can_be_made_at_both_scales():
    for scale in worlds.SCALES:
        for task in plan.tasks(RUN.values(), scale, 1, True):
            assert made.work(task) > 0 and made.settings(task)
    assert {arm for e in ALL.values() for arm in e.arms.values()} == {*arms.ARMS}

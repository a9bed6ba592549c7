"""The paper's tables and figures: their plan, their states, what is full and not."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import pictures, tables
from experiments.paper import (
    NAMES,
    arms,
    cli,
    cost,
    curves,
    made,
    maps,
    page,
    plan,
    status,
    store,
    strict,
    timing,
    values,
    work,
    worlds,
)
from experiments.paper.experiment import SEEDS, load, pieces
from experiments.paper.store import Done, Store, piece_name
from experiments.paper.worlds import World
from gmmal_jax.config import alignment_steps
from gmmal_jax.errors import UserError

ALL = {name: load(name) for name in NAMES}
RUN = {name: experiment for name, experiment in ALL.items() if experiment.runs}
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


def full_result(out, experiment="table_05", seeds=SEEDS, **changes):
    """Rows as a run at full scale would leave them, of made-up accuracies."""
    kept = Store(out, "full")
    for task in plan.tasks([ALL[experiment]], "full", seeds, True):
        config, own = task.config, worlds.DATA[task.form.source]
        rows = [
            {
                "world": task.form.key, "arm": task.arm, "eval": "test",
                "seed": str(task.seed), "cycle": str(i),
                "labeled": str(config.initial + i * config.budget),
                "accuracy": str(0.5 + 0.01 * i + 0.001 * task.seed),
                "labeled_class_entropy": "2.3", "critic_entropy": "0.6",
            }
            for i in range(config.cycles)
        ]  # fmt: skip
        seconds = [{"arm": task.arm, "seed": str(task.seed), "cycle": "0",
                    "stage": "total", "seconds": "1.0"}]  # fmt: skip
        about = {
            "checksum": "x",
            "train": [own.train, *own.image],
            "test": [own.test, *own.image],
            "classes": [str(i) for i in range(own.classes)],
        }
        kept.add(
            task,
            Done(rows, seconds, made.settings(task) | changes, about,
                 {"device": "NVIDIA H100", "cores": 1}),
        )  # fmt: skip
    return kept


def test_states_go_from_not_run_by_partial_to_full(tmp_path):
    assert status.state(ALL["table_05"], tmp_path).startswith("not run: needs cifar10")
    full_result(tmp_path, seeds=1)
    assert status.state(ALL["table_05"], tmp_path) == "partial (11 of 55)"
    assert status.state(ALL["figure_16"], tmp_path) == "partial (2 of 30)"
    full_result(tmp_path)
    (line,) = status.lines_of(ALL["table_05"], tmp_path)
    assert line == ["CIFAR-10, balanced", "10", "resnet18", "1,000 to 10,000",
                    "200 epochs + 10,000", "5", "NVIDIA H100", "full"]  # fmt: skip
    assert strict.complaints(tmp_path) == []
    assert cli.main(["status", "--strict", "--out", str(tmp_path)]) == 0


def test_full_results_stand_beside_the_papers(tmp_path):
    full_result(tmp_path)
    text = page.write(ALL["table_05"], "table_05", "full", tmp_path).read_text()
    assert text.startswith("# Table 5\n") and "**CIFAR-10, balanced**" in text
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| Proposed"))
    assert "| ours | 5 | 50.20 ± " in lines[at] and "NVIDIA H100" in lines[at]
    assert lines[at + 1].startswith("|  | paper | 5 | 58.98 | 74.15 |")
    assert page.write(ALL["figure_16"], "figure_16", "full", tmp_path)
    text = Store(tmp_path, "full").path("figure_16", ".md").read_text()
    assert "| ADS | ours | not run |" in text and "| paper |" not in text


def doctored(change):
    def apply(out):
        kept = full_result(out, "figure_16", seeds=1)
        change(kept)

    return apply


def _relabeled(kept):
    path = kept.path("cifar10_balanced")
    rows = tables.load(path)
    rows[3]["labeled"] = "4001"
    tables.save(path, rows)


def _better(kept):
    path = kept.path("cifar10_balanced")
    rows = tables.load(path)
    rows[0]["accuracy"] = "0.999"
    tables.save(path, rows)


def _edited(field, value):
    def change(kept):
        path = kept.path("cifar10_balanced", ".json")
        about = json.loads(path.read_text())
        target, *names = field.split("/")
        if target == "data":
            about["data"][names[0]] = value
        else:
            for settings in about["settings"].values():
                settings[names[0]] = value
        path.write_text(json.dumps(about))

    return change


def _as_another(kept):
    """A substitute's rows under the name of the paper's world."""
    rows = tables.load(kept.path("cifar10_balanced"))
    tables.save(kept.path("digits_balanced"), rows)
    tables.save(
        kept.path("digits_balanced", "_seconds.csv"),
        kept.seconds("cifar10_balanced"),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_relabeled, "labels are not 1,000 to 10,000"),
        (_better, "its rows are not those that were recorded"),
        (_edited("settings/train.epochs", 2), "its settings are not those"),
        (_edited("data/train", [5000, 16, 16, 3]), "the paper's [50000, 32, 32, 3]"),
        (_as_another, "no piece of the paper's"),
    ],
)
def test_the_strict_check_fails_on_a_doctored_result(change, said, tmp_path, capsys):
    doctored(change)(tmp_path)
    assert cli.main(["status", "--strict", "--out", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


def test_the_strict_check_names_settings_that_differ(tmp_path):
    full_result(tmp_path, "figure_16", 1, **{"width": 16, "reg.alpha": 0.1})
    lines = strict.complaints(tmp_path)
    assert "cifar10_balanced: random, seed 0: width is 16, the paper's None" in lines
    said = "cifar10_balanced: gmm, seed 0: reg.alpha is 0.1, the paper's 0.0001"
    assert said in lines


def test_what_is_committed_passes_the_strict_check():
    assert strict.complaints(store.RESULTS) == []


TINY = {
    "width": 2, "cycles": 2, "initial": 20, "budget": 20, "data.class_cap": 20,
    "train.steps": 2, "train.chunk_steps": 2, "da.steps": 2, "da.refit_every": 2,
    "reg.subset_size": 20, "da.hidden": (4,), "gmm.em_iters": 2,
}  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    """Digits of two steps a cycle, and a figure of two arms."""
    own = worlds.SUBSTITUTES["digits"]
    tiny = own._replace(changes=own.changes | TINY)
    monkeypatch.setitem(worlds.SUBSTITUTES, "digits", tiny)
    both = {"Random": "random", "CoreSet": "coreset"}
    return ALL["figure_15"]._replace(
        worlds=(World("cifar10", "imbalanced"),), arms=both
    )


def ran(experiment, out, say=lambda line: None, seeds=1):
    kept = Store(out, "cpu")
    tasks = plan.tasks([experiment], "cpu", seeds, False)
    assert work.run(tasks, None, kept, say) == 0
    return kept


def test_twice_from_nothing_gives_equal_bytes(small, tmp_path):
    said = []
    kept = ran(small, tmp_path / "one", said.append)
    other = ran(small._replace(arms=dict(reversed(small.arms.items()))), tmp_path / "b")
    for suffix in (".csv", ".json"):
        name = ("digits_imbalanced", suffix)
        assert kept.path(*name).read_bytes() == other.path(*name).read_bytes()
    rows = kept.rows("digits_imbalanced")
    assert [(r["arm"], r["labeled"]) for r in rows] == [
        ("coreset", "20"), ("coreset", "40"), ("random", "20"), ("random", "40"),
    ]  # fmt: skip
    assert not any("second" in name for name in rows[0])
    assert "1 of 2: digits_imbalanced, random, seed 0" in said[0]
    assert "left" in said[-1]
    # What is done is not done again.
    ran(small, tmp_path / "one", said.append)
    assert said[-1] == "nothing is left to run"
    (line,) = status.lines_of(small, tmp_path / "one")
    assert line[-1] == "substitute (scikit-learn's digits, 8x8, small of width 2)"
    assert line[5] == "1" and line[6].startswith("cpu")
    text = page.write(small, "figure_15", "cpu", tmp_path / "one").read_text()
    assert text.startswith("# Substitutes\n") and "| paper |" not in text
    assert "**scikit-learn's digits, 8x8, imbalanced**" in text
    assert "](digits_imbalanced_accuracy_15.png)" in text
    assert kept.path("digits_imbalanced_accuracy_15", ".svg").exists()


def test_a_first_cycle_is_drawn_as_maps(small, tmp_path):
    figure = small._replace(
        title="Figure 11", shown=("latents",), seen=("CoreSet",),
        panels=("class", "group", "chosen"),
    )  # fmt: skip
    kept = Store(tmp_path, "cpu")
    (task,) = plan.seen(figure, [worlds.form(figure.worlds[0], "cpu", False)])
    assert page.write(figure, "figure_11", "cpu", tmp_path) is None
    assert status.state(figure, tmp_path).startswith("not run: needs cifar10")
    maps.take(task, None, kept)
    found = maps.read(task, kept)
    assert np.bincount(found["group"]).tolist()[::2] == [20, 20]
    assert found["points"].shape == (len(found["class"]), 2)
    first = maps.path(task, kept).read_bytes()
    maps.path(task, kept).unlink()
    maps.take(task, None, kept)
    assert maps.path(task, kept).read_bytes() == first
    text = page.write(figure, "figure_11", "cpu", tmp_path).read_text()
    assert "](digits_imbalanced_map_11.png)" in text
    assert status.state(figure, tmp_path).startswith("substitute (scikit-learn's")
    assert made.settings(task) == maps.about(task, kept)["settings"]


def test_the_strict_check_looks_at_maps_too(tmp_path):
    figure = ALL["figure_01"]
    (task,) = plan.seen(figure, [worlds.form(figure.worlds[0], "full", True)])
    kept = Store(tmp_path, "full")
    data = {"train": [50_000, 32, 32, 3], "test": [10_000, 32, 32, 3],
            "classes": list("0123456789")}  # fmt: skip
    about = {"settings": made.settings(task), "data": data, "versions": {}}
    for width, wrong in ((None, []), (8, ["figure_01: width is 8, the paper's None"])):
        about["settings"]["width"] = width
        maps.path(task, kept).parent.mkdir(exist_ok=True)
        maps.path(task, kept).write_bytes(b"")
        maps.path(task, kept, ".json").write_text(json.dumps(about))
        assert strict.complaints(tmp_path) == wrong
        assert status.state(figure, tmp_path) == "full"


def test_gains_are_within_seeds():
    found = {
        "a": {"0": [2.0, 4.0], "1": [5.0, 5.0]},
        "b": {"1": [1.0, 2.0], "2": [0.0, 0.0]},
        "c": {"2": [7.0, 7.0]},
    }
    assert curves.less(found, "a") == {"b": {"1": [-4.0, -3.0]}}
    assert curves.less(found, "") == {}


def test_a_killed_piece_is_gone_on_with(small, tmp_path, monkeypatch):
    """What is under way lies in the run's folder; a kill costs that much at most."""
    whole = ran(small, tmp_path / "whole")
    kept = Store(tmp_path / "killed", "cpu")
    tasks = plan.tasks([small], "cpu", 1, False)
    lines = []

    def killed(self, arm, record):
        lines.append(record.cycle)
        if len(lines) == 3:  # the second arm's first cycle is on record
            raise KeyboardInterrupt

    monkeypatch.setattr(work.jobs.Lines, "row", killed)
    with pytest.raises(KeyboardInterrupt):
        work.run(tasks, None, kept, lambda line: None)
    assert {row["arm"] for row in kept.rows("digits_imbalanced")} == {"random"}
    assert status.state(small, tmp_path / "killed").endswith(", 1 of 2")
    work.run(tasks, None, kept, lambda line: None)
    for suffix in (".csv", ".json"):
        one, two = (s.path("digits_imbalanced", suffix) for s in (whole, kept))
        assert one.read_bytes() == two.read_bytes()
    assert piece_name("coreset", 0) in kept.about("digits_imbalanced")["pieces"]


def test_pictures_come_from_the_named_folder_and_are_halved_once(tmp_path, monkeypatch):
    own = worlds.SUBSTITUTES["clothes"]
    few = own._replace(kept=(200, 40), changes=own.changes | TINY)
    monkeypatch.setitem(worlds.SUBSTITUTES, "clothes", few)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (400, 28, 28), np.uint8)
    labels = np.arange(400) % 10
    np.savez(tmp_path / "fashion_mnist.npz", x_train=images, y_train=labels,
             x_test=images[:60], y_test=labels[:60])  # fmt: skip
    experiment = ALL["table_08"]._replace(arms={"Random": "random"})
    kept = Store(tmp_path / "out", "cpu")
    tasks = plan.tasks([experiment], "cpu", 1, True)
    monkeypatch.setattr(pictures, "reduced", counted := Counted(pictures.reduced))
    work.run(tasks, tmp_path, kept, lambda line: None)
    work.run([t._replace(seed=1) for t in tasks], tmp_path, kept, lambda line: None)
    assert kept.about("clothes_balanced")["data"]["train"] == [200, 14, 14, 1]
    assert counted.times == 1
    (line,) = status.lines_of(experiment, tmp_path / "out")
    assert "clothes, halved to 14x14" in line[-1]


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.times = function, 0

    def __call__(self, *args):
        self.times += 1
        return self.function(*args)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["table_55"], "did you mean table_05"),
        (["figure_02"], "a diagram"),
        (["figure_07"], "not built yet"),
        (["table_05", "--seeds", "9"], "use 1 to 5"),
        (["table_05", "--data", "nowhere"], "no such file: 'nowhere/cifar10.npz'"),
        (["table_05", "--scale", "full"], "name the folder"),
        (["table_05", "--core", "977"], "--core: 977"),
    ],
)
def test_bad_input_is_one_line(given, said, tmp_path, capsys):
    assert cli.main([*given, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and not (tmp_path / "out").exists()


def test_damaged_files_are_one_line(tmp_path, capsys):
    full_result(tmp_path, seeds=1)
    Store(tmp_path, "full").path("cifar10_balanced", ".json").write_text("{")
    assert cli.main(["status", "--out", str(tmp_path)]) == 2
    timing.path(tmp_path, "full").write_text("[]")
    assert "not a file of settings" in capsys.readouterr().err
    with pytest.raises(UserError, match="not what a benchmark wrote"):
        timing.state(tmp_path)


def test_seconds_are_a_substitute_unless_a_gpu_was_measured(tmp_path):
    for platform, said in (("cpu", "substitute (random"), ("gpu", "full")):
        body = {"environment": {"platform": platform, "device": "x"}}
        where = timing.path(tmp_path, "full" if platform == "gpu" else "cpu")
        where.parent.mkdir(exist_ok=True)
        where.write_text(json.dumps(body))
        assert status.state(ALL["table_02"], tmp_path).startswith(said)

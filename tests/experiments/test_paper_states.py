"""States of the paper's tables and figures, their pages, and the strict check."""

import functools
import json
import shutil

import pytest
from paper_results import ALL, data_of, full_result

from experiments import tables
from experiments.paper import (
    cli,
    curves,
    hardness,
    held,
    looks,
    made,
    page,
    plan,
    status,
    store,
    strict,
    timing,
    worlds,
)
from experiments.paper.experiment import EVERY, SEEDS, load
from experiments.paper.store import Store, digest, piece_name
from gmmal_jax.errors import UserError


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    """One seed of Table 5."""
    return full_result(tmp_path_factory.mktemp("partial"), seeds=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All five."""
    return full_result(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def figure_16(tmp_path_factory):
    """One seed of Figure 16: six arms."""
    return full_result(tmp_path_factory.mktemp("figure_16"), "figure_16", seeds=1)


@pytest.fixture
def copied(tmp_path):
    """Makes a copy that a test may write to."""

    def copy(kept):
        shutil.copytree(kept.root, tmp_path / "copy")
        return Store(tmp_path / "copy", "full")

    return copy


def test_states_go_from_not_run_by_partial_to_full(tmp_path, partial, whole):
    assert status.state(ALL["table_05"], tmp_path).startswith("not run: needs cifar10")
    assert status.state(ALL["table_05"], partial.root) == "partial (11 of 55)"
    assert status.state(ALL["figure_16"], partial.root) == "partial (2 of 30)"
    (line,) = status.lines_of(ALL["table_05"], whole.root)
    assert line == ["CIFAR-10, balanced", "10", "resnet18", "1,000 to 10,000",
                    "200 epochs + 10,000", "5", "NVIDIA H100", "full"]  # fmt: skip
    assert strict.complaints(whole.root) == []
    assert cli.main(["status", "--strict", "--out", str(whole.root)]) == 0


def test_a_page_says_where_several_kinds_of_processor_ran_its_rows(partial, copied):
    kept = copied(partial)
    path = kept.path(
        plan.tasks([ALL["table_05"]], "full", 1, True)[0].form.key, ".json"
    )
    about = json.loads(path.read_text())
    for kinds, told in ((["one", "one"], False), (["one", "other"], True)):
        for piece, kind in zip(about["pieces"].values(), kinds, strict=False):
            piece["versions"]["processor"] = kind
        path.write_text(json.dumps(about))
        text = page.write(ALL["table_05"], "table_05", "full", kept.root).read_text()
        assert (
            f"2 kinds of processor ran these rows ([which]({path.name}))" in text
        ) is told


def test_full_results_stand_beside_the_papers(whole, copied):
    out = copied(whole).root
    text = page.write(ALL["table_05"], "table_05", "full", out).read_text()
    assert text.startswith("# Table 5\n") and "**CIFAR-10, balanced**" in text
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| Proposed"))
    assert "| ours | 5 | 50.20 ± " in lines[at] and "NVIDIA H100" in lines[at]
    assert lines[at + 1].startswith("|  | paper | 5 | 58.98 | 74.15 |")
    assert page.write(ALL["figure_16"], "figure_16", "full", out)
    text = Store(out, "full").path("figure_16", ".md").read_text()
    assert "| ADS | ours | not run |" in text and "| paper |" not in text


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


CIFAR = data_of("cifar10")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_relabeled, "labels are not 1,000 to 10,000"),
        (_better, "its rows are not those that were recorded"),
        (_edited("settings/train.epochs", 2), "its settings are not those"),
        (_edited("data/train", [5000, 16, 16, 3]), "the paper's [50000, 32, 32, 3]"),
        (
            _edited("data/rows", CIFAR["rows"] | {"test": "0" * 64}),
            "test pictures are not those that were published",
        ),
        (_edited("data/rows", {}), "train pictures are not those"),
        (
            _edited("data/class_sizes", CIFAR["class_sizes"] | {"train": [50_000]}),
            "train pictures are not so many of each class",
        ),
        (_as_another, "no piece of the paper's"),
    ],
)
def test_the_strict_check_fails_on_a_doctored_result(
    change, said, figure_16, copied, capsys
):
    kept = copied(figure_16)
    change(kept)
    assert cli.main(["status", "--strict", "--out", str(kept.root)]) == 1
    assert said in capsys.readouterr().err


def test_the_strict_check_names_settings_that_differ(tmp_path):
    full_result(tmp_path, "figure_16", 1, **{"width": 16, "reg.alpha": 0.1})
    lines = strict.complaints(tmp_path)
    assert "cifar10_balanced: random, seed 0: width is 16, the paper's None" in lines
    said = "cifar10_balanced: gmm, seed 0: reg.alpha is 0.1, the paper's 0.0001"
    assert said in lines


COMMITTED = [Store(store.RESULTS, scale) for scale in worlds.SCALES]


def test_what_is_committed_came_by_the_plans_settings():
    """Each row of each piece, and all that is recorded has its rows."""
    found = 0
    for kept in COMMITTED:
        for world in kept.worlds():
            about, pieces = kept.about(world), pieces_of(kept, world)
            assert {*pieces} == {*about["pieces"]}
            for name, (task, rows) in pieces.items():
                own = about["pieces"][name]
                settings = about["settings"][own["settings"]]
                assert settings == made.settings(task), name
                assert own["settings"] == digest(settings)
                assert own["rows"] == digest(rows), name
                assert len(rows) == task.config.cycles and task.seed < SEEDS
            tasks = [task for task, _ in pieces.values()]
            assert kept.done(tasks) == {task.key for task in tasks}
            found += len(tasks)
    assert found >= 20
    assert strict.complaints(store.RESULTS) == []


def pieces_of(kept, world):
    """Name of a piece -> its task by the plan, and its rows."""
    planned, found = arms_of(kept.scale), {}
    for row in kept.rows(world):
        assert row["world"] == world
        task = planned[world, row["arm"]]._replace(seed=int(row["seed"]))
        name = piece_name(row["arm"], row["seed"])
        found.setdefault(name, (task, []))[1].append(row)
    return found


@functools.cache
def arms_of(scale):
    """World and arm -> a task of the plan."""
    every = [load(name) for name in EVERY]
    tasks = [t for at in (True, False) for t in plan.tasks(every, scale, 1, at)]
    return {(task.form.key, task.arm): task for task in tasks}


def test_nothing_that_is_committed_is_stale():
    """Maps, losses and likelihoods among it, where there are any."""
    for kept in COMMITTED:
        for experiment in map(load, EVERY):
            for world in experiment.worlds:
                forms = worlds.forms(world, kept.scale)
                assert not held.of(experiment, forms, kept).stale, experiment.title


def looked(figure, out, **changes):
    """What a figure of one seed would leave of the paper's own configuration."""
    (task,) = plan.seen(figure, [worlds.form(figure.worlds[0], "full", True)])
    kept, look = Store(out, "full"), looks.of(figure)
    about = {"settings": made.settings(task) | changes, "data": data_of("cifar10"),
             "versions": {"device": "NVIDIA H100"}}  # fmt: skip
    look.path(task, kept).parent.mkdir(exist_ok=True)
    return task, kept, look, about


CHANGED = "its bytes are not those that were recorded"


@pytest.mark.parametrize(
    ("changes", "content", "wrong", "state"),
    [
        ({}, b"points", [], "full"),
        ({}, b"", [CHANGED], "partial (0 of 1), 1 stale"),
        (
            {"width": 8},
            b"points",
            ["width is 8, the paper's None"],
            "partial (0 of 1), 1 stale",
        ),
    ],
)
def test_the_strict_check_looks_at_maps_too(changes, content, wrong, state, tmp_path):
    figure = ALL["figure_01"]
    task, kept, look, about = looked(figure, tmp_path, **changes)
    recorded = {"bytes": looks.bytes_digest(b"points")}
    look.keep_about(task, kept, about | recorded)
    assert status.state(figure, tmp_path).startswith("not run")
    look.path(task, kept).write_bytes(content)
    assert strict.complaints(tmp_path) == [f"figure_01: {line}" for line in wrong]
    assert status.state(figure, tmp_path) == state
    look.keep_about(task, kept, about)  # as older programs kept it
    assert f"figure_01: {CHANGED}" in strict.complaints(tmp_path)


def hard_rows(task, first=5000, **changes):
    """Rows as `hardness.take` leaves them."""
    world, arm, seed = task.key
    config = task.config
    return [
        {
            "world": world, "arm": arm, "seed": seed, "cycle": str(i),
            "labeled": str(config.initial + i * config.budget), "first": str(first),
            "likelihood_ratio": "1.5", "critic": "1.25", "entropy": "1.125",
            "unlabeled": "1.0",
        }
        for i in range(config.cycles)
    ]  # fmt: skip


def test_the_strict_check_looks_at_losses_of_what_scores_put_first(tmp_path):
    figure = ALL["figure_07"]
    assert status.state(figure, tmp_path) == "not run: needs cifar10 and a GPU"
    task, kept, look, about = looked(figure, tmp_path)

    def complaints(rows, recorded, data=about["data"]):
        own = {"rows": digest(recorded), "data": data}
        look.keep_about(task, kept, about | own)
        tables.save(look.path(task, kept), rows)
        return strict.complaints(tmp_path)

    rows = hard_rows(task)
    assert complaints(rows, rows) == []
    assert status.state(figure, tmp_path) == "full"
    text = page.write(figure, "figure_07", "full", tmp_path).read_text()
    assert text.startswith("# Figure 7\n") and "the first 5,000 unlabeled" in text
    assert complaints(rows, rows[:-1]) == [
        "figure_07: its rows are not those that were recorded"
    ]
    assert status.state(figure, tmp_path) == "partial (0 of 1), 1 stale"
    assert page.write(figure, "figure_07", "full", tmp_path) is None
    assert complaints(rows[:-1], rows[:-1]) == [
        "figure_07: labels are not 1,000 to 10,000"
    ]
    few = hard_rows(task, 500)
    assert complaints(few, few) == ["figure_07: not of the first 5,000 rows"]
    other = about["data"] | {"rows": {}}
    assert len(complaints(rows, rows, other)) == 2
    assert hardness.FIRST == 5000


def test_gains_are_within_seeds():
    found = {
        "a": {"0": [2.0, 4.0], "1": [5.0, 5.0]},
        "b": {"1": [1.0, 2.0], "2": [0.0, 0.0]},
        "c": {"2": [7.0, 7.0]},
    }
    assert curves.less(found, "a") == {"b": {"1": [-4.0, -3.0]}}
    assert curves.less(found, "") == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["table_55"], "did you mean table_05"),
        (["figure_02"], "a diagram"),
        (["table_05", "--seeds", "9"], "use 1 to 5"),
        (["table_05", "--data", "nowhere"], "no such file: 'nowhere/cifar10.npz'"),
        (["table_05", "--scale", "full"], "name the folder"),
        (["figure_07", "--scale", "full"], "name the folder"),
        (["table_05", "--core", "977"], "--core: 977"),
    ],
)
def test_bad_input_is_one_line(given, said, tmp_path, capsys):
    assert cli.main([*given, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and not (tmp_path / "out").exists()


def test_damaged_files_are_one_line(partial, copied, capsys):
    kept = copied(partial)
    kept.path("cifar10_balanced", ".json").write_text("{")
    assert cli.main(["status", "--out", str(kept.root)]) == 2
    assert "not a file of settings" in capsys.readouterr().err
    timing.path(kept.root, "full").write_text("[]")
    with pytest.raises(UserError, match="not what a benchmark wrote"):
        timing.state(kept.root)
    task, _, look, about = looked(ALL["figure_01"], kept.root)
    look.path(task, kept).write_bytes(b"")
    del about["data"]
    for text in ("{", "[]", json.dumps(about)):
        look.path(task, kept, ".json").write_text(text)
        with pytest.raises(UserError, match="not what a map came by"):
            look.about(task, kept)


def test_seconds_are_a_substitute_unless_a_gpu_was_measured(tmp_path):
    for platform, said in (("cpu", "substitute (random"), ("gpu", "full")):
        body = {"environment": {"platform": platform, "device": "x"}}
        where = timing.path(tmp_path, "full" if platform == "gpu" else "cpu")
        where.parent.mkdir(exist_ok=True)
        where.write_text(json.dumps(body))
        assert status.state(ALL["table_02"], tmp_path).startswith(said)

"""The command line: options, one-line errors, signals; mostly in this process."""

import json
import signal
import subprocess
import sys
import time

import pytest
import tiny
from processes import environment

from gmmal_jax import config as configs
from gmmal_jax.cli import main as cli
from gmmal_jax.config import Config, plain
from gmmal_jax.config.presets import NAMED, PRESETS, preset
from gmmal_jax.errors import UserError

TINY = [
    "--width", "2", "--cycles", "2", "--train.steps", "4", "--train.chunk-steps", "2",
    "--train.batch-size", "10", "--reg.subset-size", "20", "--da.steps", "4",
    "--da.refit-every", "2", "--da.batch-size", "10", "--da.hidden", "16",
    "--gmm.em-iters", "3", "--data.class-cap", "40",
]  # fmt: skip


def test_no_option_means_the_digits_preset():
    assert cli.parse_run([]) == preset("digits")
    assert cli.parse_run(["--dataset", "cifar10"]) == Config()


def test_options_reach_every_nested_field():
    config = cli.parse_run([*TINY, "--seeds", "3", "4", "--query", "entropy"])
    wanted = tiny.SMALL | {"cycles": 2, "seeds": (3, 4), "query": "entropy"}
    assert config == configs.replace(preset("digits"), **wanted)


def test_options_win_over_a_saved_file(tmp_path):
    path = tmp_path / "config.json"
    saved = {"label": "gmm", "config": configs.to_dict(tiny.config(budget=7))}
    path.write_text(json.dumps(saved))
    config = cli.parse_run(["--config", str(path), "--cycles", "2"])
    assert config == tiny.config(budget=7, cycles=2)


@pytest.mark.parametrize(("field", "was"), plain.REMOVED.items())
def test_a_saved_file_may_hold_a_removed_option_that_changes_nothing(field, was):
    saved = configs.to_dict(tiny.config())
    group, name = field.split(".")
    saved[group][name] = was
    assert configs.from_dict(saved) == tiny.config()
    saved[group][name] = "other"
    with pytest.raises(UserError, match=f"only '{was}' is left"):
        configs.from_dict(saved)


def test_a_saved_whole_number_is_a_float_where_the_option_is_one():
    values = {"mean": [0, 0.5, 1], "noise": 5, "pad": 1}
    found = configs.from_dict({"data": values}).data
    assert found.mean == (0.0, 0.5, 1.0) and found.noise == 5.0 and found.pad == 1
    assert {type(value) for value in (*found.mean, found.noise)} == {float}
    with pytest.raises(UserError, match="use 0 or more, but finite"):
        configs.from_dict({"data": {"noise": 10**400}})


# What each preset resolves to. A change here changes results: say why in the preset.
PINNED = {
    "digits": {
        "model": "small", "width": None, "cycles": 6, "initial": 20, "budget": 20,
        "train.steps": 300, "train.batch_size": 20, "train.learning_rate": 0.03,
        "train.weight_decay": 5e-3, "da.mixture_gradient": False,
        "reg.subset_size": 100, "reg.alpha": 1e-4, "da.steps": 300,
        "da.refit_every": 100, "da.batch_size": 50, "data.pad": 1, "data.flip": False,
        "da.hidden": (128, 128),
    },
    "cifar10": {
        "model": "resnet18", "width": None, "cycles": 10, "initial": 1000,
        "budget": 1000, "train.epochs": 200, "train.steps": None,
        "train.batch_size": 100, "train.learning_rate": 0.1, "train.decay_at": 0.8,
        "train.momentum": 0.9, "train.weight_decay": 5e-4, "reg.alpha": 1e-4,
        "reg.subset_size": 1000, "da.steps": None, "da.refit_every": 500,
        "da.beta": 1.0, "da.learning_rate": 0.01, "da.critic_learning_rate": 5e-4,
        "da.penalty_weight": 10.0, "da.penalty_sides": "one", "gmm.em_iters": 10,
        "gmm.covariance": "diag", "gmm.mode": "sharded", "gmm.init": "labeled",
        "data.pad": 4, "data.flip": True, "select.diversity": None,
    },
    "cifar100": {"initial": 2000, "budget": 2000, "da.steps": None},
    "svhn_cropped": {"data.flip": False, "initial": 1000, "train.epochs": 200},
    "fashion_mnist": {"data.flip": True, "initial": 1000, "train.epochs": 200},
    "mnist": {"data.flip": False, "initial": 100, "budget": 100},
    "tiny_imagenet": {"initial": 4000, "budget": 4000, "data.flip": True},
    "features": {
        "model": "mlp", "initial": 100, "budget": 100, "train.steps": 500,
        "train.learning_rate": 0.03, "da.steps": 500, "da.learning_rate": 0.001,
        "da.refit_every": 250, "da.hidden": (128, 128), "da.mixture_gradient": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_pinned(name):
    config = preset(name)
    for field, value in PINNED[name].items():
        holder = config
        for part in field.split("."):
            holder = getattr(holder, part)
        assert holder == value, field


# Likewise, on top of a data set's preset.
PINNED_NAMED = {
    "literal": {
        "gmm.shrinkage": 0.0, "gmm.variance_floor": 1e-6, "gmm.average": "equal",
        "gmm.labeled_mode": "sharded", "reg.variance_floor": 0.0,
        "reg.batch_norm": "batch_update", "da.penalty_sides": "two",
        "da.input_norm": "none", "da.mixture_gradient": True,
    },
    "appendix_rate": {"train.learning_rate": 0.01, "da.learning_rate": 0.001},
    "paper_code": {
        "setting": "imbalanced", "data.class_cap": 5000, "data.mean": (0.1307,),
        "data.std": (0.3081,),
    },
    "onecycle": {
        "model": "resnet50", "train.schedule": "onecycle", "train.precision": "bf16",
    },
    "small_data": {"da.mixture_gradient": False},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named_presets_are_pinned_and_win_over_the_data_sets(name):
    wanted = configs.replace(preset("digits"), **PINNED_NAMED[name])
    assert cli.parse_run(["--preset", name]) == wanted
    assert preset("digits", [name]) == wanted


def test_stage_2_is_as_long_for_its_epochs_as_the_papers_and_ends_with_a_chunk():
    for epochs, chunk, steps in ((200, 50, 10_000), (5, 50, 250), (1, 40, 80)):
        changes = {"train.epochs": epochs, "train.chunk_steps": chunk}
        changes["da.refit_every"] = 10 * chunk
        config = configs.replace(Config(), **changes)
        assert configs.alignment_steps(config.train, config.da) == steps
    given = configs.AlignConfig(steps=600)
    assert configs.alignment_steps(configs.TrainConfig(), given) == 600


def test_presets_in_their_order_then_options():
    both = ["--preset", "onecycle", "appendix_rate", "--cycles", "3"]
    config = cli.parse_run([*both, "--train.schedule", "step"])
    values = PINNED_NAMED["onecycle"] | PINNED_NAMED["appendix_rate"]
    wanted = configs.replace(preset("digits"), **values, cycles=3)
    assert config == configs.replace(wanted, **{"train.schedule": "step"})


def test_of_two_presets_the_later_one_wins(monkeypatch):
    monkeypatch.setitem(NAMED, "slow", {"train.learning_rate": (1e-3, "a test")})
    for names, rate in (
        (["slow", "appendix_rate"], 0.01),
        (["appendix_rate", "slow"], 1e-3),
    ):
        assert cli.parse_run(["--preset", *names]).train.learning_rate == rate


def test_presets_go_on_top_of_a_saved_file(tmp_path):
    path = tmp_path / "config.json"
    saved = tiny.config(budget=7, **{"train.learning_rate": 0.5})
    path.write_text(json.dumps({"config": configs.to_dict(saved)}))
    config = cli.parse_run(["--config", str(path), "--preset", "appendix_rate"])
    assert config == configs.replace(saved, **PINNED_NAMED["appendix_rate"])


def test_groups_that_a_saved_file_lacks_are_its_data_sets_preset(tmp_path):
    path = tmp_path / "config.json"
    saved = configs.replace(preset("digits"), method="entropy", budget=7)
    path.write_text(json.dumps({"config": configs.to_dict(saved, ())}))
    config = cli.parse_run(["--config", str(path), "--method", "gmm"])
    assert config == configs.replace(saved, method="gmm")


@pytest.mark.parametrize("changes", [*PRESETS.values(), *NAMED.values()])
def test_presets_say_why(changes):
    assert all(reason for _, reason in changes.values())
    for field, (value, _) in changes.items():
        changed = configs.replace(Config(), **{field: value})
        undone = any(field in other for other in PRESETS.values())
        assert undone or changed != Config(), f"{field} is the paper's value already"


def test_forms_of_options():
    given = ["--data.flip", "--data.no-flip", "--gmm.shard-size=50", "--learn", "None"]
    config = cli.parse_run([*given, "--train.batch_size", "7", "--data.pad", "2"])
    values = {"gmm.shard_size": 50, "train.batch_size": 7, "data.pad": 2}
    assert config == configs.replace(preset("digits"), **values)
    assert cli.parse_run(["--data.flip"]).data.flip is True
    assert cli.parse_run(["--data.flip", "True"]).data.flip is True
    assert cli.parse_run(["--data.mean", "1", "2"]).data.mean == (1.0, 2.0)


def test_help_lists_options_and_presets(capsys):
    assert cli.main(["run", "--dataset", "cifar100", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "(default: 2000)" in shown  # the data set's own
    assert "--data.class-cap" in shown and "--preset NAME" in shown
    assert "appendix_rate" in shown


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--cycels", "3"], "did you mean --cycles?"),
        (["--train.epoch", "3"], "did you mean --train.epochs?"),
        (["--method", "gnn"], "use one of gmm, random"),
        (["--query", "best"], "use one of gmm, random"),
        (["--dataset", "digit"], "did you mean digits?"),
        (["--train.steps", "301"], "multiple of --train.chunk-steps"),
        (["--da.refit-every", "30"], "multiple of --train.chunk-steps"),
        (["--budget", "0"], "use 1 or more"),
        (["--seeds", "0", "0"], "name each seed once"),
        (["--seeds", "-1"], "use seeds of 0 or more"),
        (["--cycles", "x"], "--cycles"),
        (["--model", "vgg"], "--model"),
        (["--config", "/nonexistent.json"], "--config"),
        (["--budget", "900"], "the pool has 1297 rows"),
        (["--select.candidate-factor", "0"], "use 1 or more"),
        (["--reg.refit-every", "0"], "use 1 or more"),
        (["--reg.statistics-decay", "1"], "use a share in [0, 1)"),
        (["--train.precision", "fp16"], "--train.precision"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(args, message, capsys, tmp_path):
    out = tmp_path / "out"
    assert cli.main(["run", "--out", str(out), *args]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1 and captured.err.startswith("gmmal: ")
    assert not out.exists()


def test_unknown_verbs_and_missing_runs(capsys, tmp_path):
    assert cli.main(["jump"]) == 2
    assert "use one of run, resume" in capsys.readouterr().err
    assert cli.main(["resume", str(tmp_path)]) == 2
    assert "no run in folder" in capsys.readouterr().err
    assert cli.main(["report", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert cli.main([]) == 0
    assert "gmmal run needs no option" in capsys.readouterr().out


def test_an_unwritable_folder_is_refused_at_once(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert cli.main(["run", *TINY, "--out", str(tmp_path / "file" / "x")]) == 2
    assert "--out" in capsys.readouterr().err


def test_impossible_values_name_the_option():
    with pytest.raises(UserError, match="gmm.variance-floor: 0.0"):
        configs.MixtureConfig(variance_floor=0.0)


def test_lists(capsys):
    assert cli.main(["methods"]) == 0
    assert "reg_da" in capsys.readouterr().out
    assert cli.main(["datasets"]) == 0
    listed = capsys.readouterr().out
    assert "--train.steps 300" in listed and "cifar10: the paper" in listed
    assert "--preset literal:" in listed and "--data.mean 0.1307: MNIST's" in listed
    assert cli.main(["doctor"]) == 0
    report = capsys.readouterr().out
    assert "relative error" in report and "processor: " in report


def start(*args):
    told = environment(JAX_PLATFORMS="cpu", PYTHONUNBUFFERED="1")
    return subprocess.Popen(
        [sys.executable, "-m", "gmmal_jax", *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=told,
    )  # fmt: skip


def test_a_person_runs_interrupts_resumes_and_reports(tmp_path):
    """One story in real processes: Ctrl-C, the printed command, report."""
    folder = str(tmp_path / "my run")
    began = time.monotonic()
    process = start("run", "--out", folder, *TINY, "--train.steps", "2000")
    lines = [process.stdout.readline()]
    assert lines[0].startswith("device:") and time.monotonic() - began < 30
    while "· supervised" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130, rest
    assert f"gmmal resume '{folder}'" in rest
    second = start("resume", folder)
    time.sleep(8)  # it is loading or training by now
    second.send_signal(signal.SIGTERM)
    rest, _ = second.communicate(timeout=120)
    assert second.returncode in (143, -signal.SIGTERM), rest
    with open(f"{folder}/config.json") as file:
        assert json.load(file)["config"]["train"]["steps"] == 2000

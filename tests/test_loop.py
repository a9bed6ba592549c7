"""The engine on real digits with a network of width 2: files, resume, equal starts."""

import csv
import shutil
import signal

import jax
import numpy as np
import pytest
import tiny

from gmmal_jax import bind, config as configs, loop, opening
from gmmal_jax.errors import Interrupted, TrainingDiverged, UserError
from gmmal_jax.storage import checkpoint, files, records, run_folder

VIEWS = (
    "initial.csv", "results.csv", "recall.csv", "queries.csv", "diagnostics.csv",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def arms_are_traced_once():
    """Arms of one configuration share their compiled programs in this file.

    Nothing else passes from one run to the next; real processes are killed and
    resumed by benchmarks/kill_and_resume.py.
    """
    original, known = bind.arm_of, {}

    def shared(config, places, *rest):
        plain = configs.replace(config, checkpoint=configs.CheckpointConfig())
        key = repr(configs.to_dict(plain))
        if key not in known:
            known[key] = original(config, places, *rest)
        return known[key]._replace(places=places, config=config)

    bind.arm_of = shared
    yield
    bind.arm_of = original


def execute(folder, config=None, report=None, stop=lambda: None):
    prepared = (
        opening.start(config, folder, 1) if config else opening.reopen(folder, 1).run
    )
    report = report or tiny.Quiet()
    loop.execute(prepared, report, stop)
    return report


def views(folder):
    return {name: (folder / name).read_bytes() for name in VIEWS}


def pictures(folder):
    """The bytes of what is kept for maps."""
    paths = sorted((folder / "records").rglob("*.npz"))
    return {path.name: path.read_bytes() for path in paths}


def rows(folder, name):
    with open(folder / f"{name}.csv") as file:
        return list(csv.DictReader(file))


class Compilations(tiny.Quiet):
    """What was compiled, and, in between, the cycles that were done."""

    def __init__(self):
        super().__init__()
        self.compiled = []

    def listen(self, name, seconds, **kwargs):
        if name == "/jax/core/compile/backend_compile_duration":
            self.compiled.append(kwargs.get("fun_name", name))

    def row(self, arm, record):
        super().row(arm, record)
        self.compiled.append((arm, record.cycle))


def counted(folder, config):
    report = Compilations()
    jax.monitoring.register_event_duration_secs_listener(report.listen)
    execute(folder, config, report)
    jax.monitoring.unregister_event_duration_listener(report.listen)
    return report


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One uninterrupted run of the paper's method beside random choice."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    report = counted(folder, tiny.config())
    return folder, report, report.compiled


def test_each_stage_compiles_once_in_a_run(whole):
    """After each arm's first cycle nothing is compiled any more."""
    _, _, compiled = whole
    second = compiled.index(("gmm", 0)) + 1
    later = [entry for entry in compiled[second:] if not isinstance(entry, tuple)]
    assert not later
    assert len([e for e in compiled[:second] if not isinstance(e, tuple)]) > 5


def test_ten_cycles_compile_what_one_does(tmp_path):
    report = counted(tmp_path / "run", tiny.config(cycles=10, reference="none"))
    first = report.compiled.index(("gmm", 0))
    assert report.compiled[first:] == [("gmm", cycle) for cycle in range(10)]


def test_files_of_a_run(whole):
    folder, report, _ = whole
    for place in (folder, folder / "reference"):
        results = rows(place, "results")
        assert [int(r["labeled"]) for r in results] == [20, 40, 60]
        assert all(0 < float(r["accuracy"]) <= 1 for r in results)
        queries = rows(place, "queries")
        assert [int(q["cycle"]) for q in queries] == [0] * 20 + [1] * 20
        bought = [int(q["index"]) for q in queries]
        first = [int(q["index"]) for q in rows(place, "initial")]
        assert len(set(bought + first)) == 60
        saved = run_folder.read_config(place)
        assert saved["streams"] and saved["versions"]["jax"] == jax.__version__
    assert (folder / "initial.csv").read_bytes() == (
        folder / "reference" / "initial.csv"
    ).read_bytes()
    assert report.rows == [(a, 0, c) for c in range(3) for a in ("random", "gmm")]
    names = {"likelihood_ratio", "critic", "entropy"}
    query = rows(folder, "queries")[0]
    assert names <= set(query) and {f"rank_{n}" for n in names} <= set(query)
    assert float(query["total"]) == pytest.approx(
        sum(float(query[f"rank_{n}"]) for n in names), abs=1e-6
    )
    diagnostics = rows(folder, "diagnostics")[-1]
    for name in (
        "supervised/reg/gradient_ratio", "alignment/critic/gap", "gmm/rho",
        "alignment/critic/penalty", "critic/binary_entropy", "critic/held_out_auc",
        "gmm/smallest_variance_pool", "gmm/saturated_posteriors_pool",
    ):  # fmt: skip
        assert np.isfinite(float(diagnostics[name]))
    assert not list((folder / "checkpoints").rglob("*step*"))


def test_latents_before_stage_2_are_those_of_a_run_without_it(whole, tmp_path):
    execute(tmp_path / "reg", tiny.config(reference="none", cycles=2, learn="reg"))
    kept = records.load_arrays(whole[0], 0, 0)
    alone = records.load_arrays(tmp_path / "reg", 0, 0)
    assert kept["before_rows"].tolist() == list(range(len(kept["latents"])))
    np.testing.assert_allclose(kept["before"], alone["latents"], rtol=1e-5, atol=1e-6)
    assert np.abs(kept["before"] - kept["latents"]).max() > 1e-3
    assert "before" not in alone
    assert {n for n in kept if "/" in n} == {
        "column/critic", "column/log_likelihood_labeled",
        "column/log_likelihood_unlabeled", "score/critic", "score/entropy",
        "score/likelihood_ratio",
    }  # fmt: skip
    assert "before" not in records.load_arrays(whole[0] / "reference", 0, 0)


def test_damaged_latents_of_stage_1_cost_their_map_alone(whole, tmp_path):
    folder, answers = tmp_path / "run", [None] * 4 + [signal.SIGTERM]
    with pytest.raises(Interrupted):
        execute(folder, tiny.config(), stop=lambda: answers.pop(0))
    (path,) = (folder / "checkpoints").rglob("before-00.npz")
    path.write_bytes(path.read_bytes()[:-200])
    execute(folder)
    assert views(folder) == views(whole[0])
    damaged, kept = (records.load_arrays(place, 0, 0) for place in (folder, whole[0]))
    assert kept.keys() - damaged.keys() == {"before", "before_rows"}
    assert "before" in records.load_arrays(folder, 0, 1)


def test_no_more_is_kept_for_a_cycle_that_asks_nothing(whole):
    names = [f"cycle-{cycle:02d}.npz" for cycle in range(2)]  # of three
    assert [*pictures(whole[0])] == [*pictures(whole[0] / "reference")] == names
    assert not list((whole[0] / "checkpoints").rglob("*.npz"))


def test_recalls_agree_with_the_accuracies(whole):
    for place in (whole[0], whole[0] / "reference"):
        recalls, errors = rows(place, "recall"), rows(place, "diagnostics")
        for result in rows(place, "results"):
            own = [r for r in recalls if r["cycle"] == result["cycle"]]
            shares = np.array([float(r["recall"]) for r in own])
            support = np.array([int(r["support"]) for r in own])
            assert [int(r["class"]) for r in own] == list(range(10))
            assert np.average(shares, weights=support) == pytest.approx(
                float(result["accuracy"])
            )
            assert shares.mean() == pytest.approx(float(result["balanced_accuracy"]))
        assert all(0 < float(r["calibration_error"]) < 1 for r in errors)


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, nothing is tidied up."""


def killed_at(monkeypatch, module, name, call):
    """Let the call-th call of a function end the run, before or after its work."""
    original, calls = getattr(module, name), []

    def dying(*args, **kwargs):
        calls.append(name)
        if len(calls) == call:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, dying)


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("gmmal_jax.parallel", "run_chunk", 6),  # stage 2
        ("gmmal_jax.mixtures.refit", "fit_pool", 3),  # a refit, the last of cycle 0
        ("gmmal_jax.storage.records", "write", 2),  # after the query, before its record
        ("gmmal_jax.storage.checkpoint", "_commit", 4),  # within a checkpoint
    ],
)
def test_killed_and_resumed_equals_whole(
    whole, tmp_path, monkeypatch, module, name, call
):
    import importlib

    folder = tmp_path / "run"
    config = tiny.config(**{"checkpoint.every_seconds": 0.0})
    with monkeypatch.context() as patch:
        killed_at(patch, importlib.import_module(module), name, call)
        with pytest.raises(Killed):
            execute(folder, config)
    execute(folder)
    assert views(folder) == views(whole[0])
    assert views(folder / "reference") == views(whole[0] / "reference")
    assert pictures(folder) == pictures(whole[0])


def test_a_signal_saves_and_resumes(whole, tmp_path):
    folder, answers = tmp_path / "run", [None] * 4 + [signal.SIGTERM]
    with pytest.raises(Interrupted) as stopped:
        execute(folder, tiny.config(), stop=lambda: answers.pop(0))
    assert stopped.value.signum == signal.SIGTERM
    report = execute(folder)
    assert report.chunks[0] == ("gmm", 0, "alignment", 4)  # not from the start
    assert views(folder) == views(whole[0])
    assert pictures(folder) == pictures(whole[0])


def test_a_damaged_checkpoint_falls_back(whole, tmp_path):
    folder = tmp_path / "run"
    answers = [None] * 4 + [signal.SIGINT]
    config = tiny.config(**{"checkpoint.every_seconds": 0.0})
    with pytest.raises(Interrupted):
        execute(folder, config, stop=lambda: answers.pop(0))
    newest = max((folder / "checkpoints").rglob("manifest.json")).parent
    data = max(newest.rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    raw = bytearray(data.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    data.write_bytes(raw)
    report = execute(folder)
    assert len(report.notes) == 1 and str(newest) in report.notes[0]
    assert views(folder) == views(whole[0])


def test_a_seed_of_networks_that_go_on_is_begun_anew_where_it_lost_one(tmp_path):
    """By what the messages say, from a record and from a state that are gone."""
    folder = tmp_path / "run"
    changes = {"train.init": "continue", "reference": "none", "cycles": 3}
    execute(folder, tiny.config(method="random", **changes))
    whole, seed = views(folder), folder / "records" / "seed-000"
    assert not list((folder / "checkpoints").rglob("carried-0"))
    (seed / "cycle-01.json").write_bytes(b"{")
    said = "cycle-01.json.*or all of that seed where networks go on.*gmmal resume"
    with pytest.raises(UserError, match=said):
        execute(folder)
    for path in [*seed.glob("cycle-01.*"), *seed.glob("cycle-02.*")]:
        path.unlink()
    with pytest.raises(UserError, match=f"state of.*is lost.*delete {seed}, then"):
        execute(folder)
    shutil.rmtree(seed)
    execute(folder)
    assert views(folder) == whole


def test_equal_seeds_start_alike_whatever_the_method(whole, tmp_path):
    """random, entropy and ce + gmm: same initial labels, bit-equal first results."""
    first = {}
    for name, changes in {
        "random": {"method": "random"},
        "entropy": {"method": "entropy"},
        "ce+gmm": {"learn": "ce"},
    }.items():
        folder = tmp_path / name
        execute(folder, tiny.config(reference="none", cycles=2, **changes))
        lines = (folder / "results.csv").read_bytes().splitlines(keepends=True)
        first[name] = (folder / "initial.csv").read_bytes(), lines[:2]
    assert first["random"] == first["entropy"] == first["ce+gmm"]
    reference = (whole[0] / "reference" / "results.csv").read_bytes()
    assert reference.splitlines(keepends=True)[:2] == first["random"][1]


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = tiny.config(**{"train.learning_rate": 1e38, "method": "random"})
    with pytest.raises(TrainingDiverged, match="cycle 0, stage supervised, step"):
        execute(tmp_path / "run", config)
    assert not records.load(tmp_path / "run")


def test_folders_that_are_taken_are_refused(whole, tmp_path):
    with pytest.raises(UserError, match="gmmal resume"):
        opening.start(tiny.config(), whole[0], 1)
    with pytest.raises(UserError, match="no run in folder"):
        opening.reopen(tmp_path, 1)
    with (
        files.lock(whole[0]),
        pytest.raises(UserError, match=str(whole[0])),
        files.lock(whole[0]),
    ):
        pass


@pytest.mark.parametrize(
    "name",
    [
        "results.csv", "timings.csv", "skipped.csv", "figures/learning_curve.png",
        "records/mine", "checkpoints/mine", "reference/mine", "reference/config.json",
    ],
)  # fmt: skip
def test_files_of_others_that_a_run_would_write_over_are_refused(tmp_path, name):
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with (
        pytest.raises(UserError, match="--out: holds other files.*of its own"),
        opening.opened(tiny.config(), tmp_path / "mine", 1),
    ):
        pass
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "mine"


def test_a_start_that_was_killed_can_be_made_again(tmp_path):
    """The reference's configuration is there then, and the method's is not."""
    folder = tmp_path / "run"
    opening.start(tiny.config(), folder, 1)
    (folder / "config.json").unlink()
    (folder / ".config.json.tmp-7").touch()
    (folder / "notes.txt").touch()
    opening.start(tiny.config(), folder, 1)
    assert run_folder.holds_run(folder)


def test_a_finished_run_resumes_to_itself(whole):
    before = views(whole[0])
    report = execute(whole[0])
    assert not report.chunks and len(report.rows) == 6
    assert views(whole[0]) == before


def test_other_data_at_resume_is_refused(tmp_path, whole):
    folder = tmp_path / "run"
    opening.start(tiny.config(), folder, 1)
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"checksum": "', '"checksum": "0'))
    with pytest.raises(UserError, match="data set changed"):
        opening.reopen(folder, 1)


def test_config_round_trip(whole):
    saved = run_folder.read_config(whole[0])["config"]
    assert {"reg", "da", "gmm"} <= saved.keys() and "vaal" not in saved
    again, wanted = (
        configs.to_dict(each, saved.keys())
        for each in (configs.from_dict(saved), tiny.config())
    )
    assert again == wanted


def test_checkpoints_of_a_running_cycle_are_few(tmp_path):
    folder, answers = tmp_path / "run", [None] * 4 + [signal.SIGINT]
    config = tiny.config(**{"checkpoint.every_seconds": 0.0, "checkpoint.keep": 1})
    with pytest.raises(Interrupted):
        execute(folder, config, stop=lambda: answers.pop(0))
    assert len(list((folder / "checkpoints").rglob(checkpoint.MANIFEST))) == 1

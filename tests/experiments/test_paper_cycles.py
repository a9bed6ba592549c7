"""Tasks a cycle at a time: the bytes of whole runs, the order, the time, the file."""

import numpy as np
import pytest

from experiments.paper import cycles, kept, plan, work, worlds
from experiments.paper.cycles import ARMS, Piece
from experiments.paper.kept import Kept
from experiments.paper.store import Done, Store
from experiments.paper.worlds import World
from gmmal_jax import bind, config as configs
from gmmal_jax.errors import TrainingDiverged, UserError

TINY = {
    "width": 2, "cycles": 3, "initial": 20, "budget": 20, "data.class_cap": 20,
    "train.steps": 2, "train.chunk_steps": 2, "da.steps": 2, "da.refit_every": 2,
    "reg.subset_size": 20, "da.hidden": (4,), "gmm.em_iters": 2,
}  # fmt: skip


@pytest.fixture
def tasks(monkeypatch):
    """Both arms on digits, of two steps a cycle."""
    own = worlds.SUBSTITUTES["digits"]
    small = own._replace(changes=own.changes | TINY)
    monkeypatch.setitem(worlds.SUBSTITUTES, "digits", small)
    form = worlds.form(World("cifar10"), "cpu", False)
    found = [plan.Task(form, arm, seed) for seed in range(2) for arm in ARMS]
    monkeypatch.setattr(cycles, "planned", lambda: found)
    return found


@pytest.fixture
def traced_once(monkeypatch):
    """Runs of one configuration share their compiled programs, and nothing else."""
    original, known = bind.arm_of, {}

    def shared(config, places, *rest):
        key = repr(configs.to_dict(config))
        if key not in known:
            known[key] = original(config, places, *rest)
        return known[key]._replace(places=places)

    monkeypatch.setattr(bind, "arm_of", shared)


def ran(tasks, folder, seconds_left=lambda: 1e9):
    """A call on a machine of its own: what it said, and how it ended."""
    said, machines = [], len(list(folder.glob("machine-*")))
    ended = cycles.missing(
        tasks, None, folder / "cycles.npz", folder / f"machine-{machines}",
        seconds_left, said.append,
    )  # fmt: skip
    return said, ended


def test_pieces_come_out_as_whole_runs_do(tasks, traced_once, tmp_path):
    """On two machines, the first one lost within a piece: the store's bytes."""
    own, path = tasks[:2], tmp_path / "cycles.npz"
    times = iter([1e9] * 3)  # asked before a piece and after each of its chunks
    said, ended = ran(own, tmp_path, lambda: next(times, -1.0))
    names = [f"{arm}, seed 0, cycle {i}" for i in range(3) for arm in ARMS]
    stopped = f"stopped within {names[1]}"
    assert said == [f"{names[0]} (6 left)", f"{names[1]} (5 left)", stopped]
    assert ended.left == 5 and [row["arm"] for row in ended.rows] == ["random"]
    (first,) = kept.load(path).values()
    assert first.done.rows == ended.rows

    said, ended = ran(own, tmp_path)
    lefts = range(5, 0, -1)
    assert said == [f"{n} ({i} left)" for n, i in zip(names[1:], lefts, strict=True)]
    assert (ended.left, ended.failed) == (0, [])
    assert kept.load(path)[own[0].key].done.rows[:1] == first.done.rows

    lines = []
    cycles.collect(path, tmp_path, lines.append)
    assert lines == [
        "random, seed 0: added", "gmm, seed 0: added",
        "random, seed 1: 0 of 3 cycles", "gmm, seed 1: 0 of 3 cycles",
    ]  # fmt: skip
    whole, pieces = Store(tmp_path / "whole", "full"), Store(tmp_path, "full")
    assert work.run(own, None, whole, lambda line: None) == 0
    for suffix in (".csv", ".json"):
        one, two = (s.path("digits_balanced", suffix) for s in (whole, pieces))
        assert one.read_bytes() == two.read_bytes()
    cycles.collect(path, tmp_path, lines.append)
    assert lines[4] == "random, seed 0: there already"


def made_up(task, asked, seconds=(), device="a"):
    """A record of a task, of made-up rows."""
    arm, seed = task.arm, str(task.seed)
    common = {"arm": arm, "seed": seed}
    rows = [{"world": task.form.key, **common, "cycle": str(i), "accuracy": "0.512345",
             "labeled": "1000"} for i in range(len(seconds))]  # fmt: skip
    took = [{**common, "cycle": str(i), "stage": "total", "seconds": str(value)}
            for i, value in enumerate(seconds)]  # fmt: skip
    versions = {"device": device, "cores": 1}
    return Kept(Done(rows, took, {"width": None}, {"checksum": "x"}, versions), asked)


def test_cycles_of_other_settings_are_not_collected(tasks, tmp_path):
    own = made_up(tasks[0], [[1], [2]], seconds=(1.0, 1.0, 1.0))
    kept.save(tmp_path / "cycles.npz", {tasks[0].key: own})
    lines = []
    cycles.collect(tmp_path / "cycles.npz", tmp_path, lines.append)
    assert lines[0] == "random, seed 0: 3 of 3 cycles, of other settings"
    assert not Store(tmp_path, "full").worlds()


def test_arms_go_in_turn_and_a_seed_after_the_other(tasks):
    have = {tasks[1].key: made_up(tasks[1], [[1]], seconds=(1.0,))}
    found = [(p.task.seed, p.cycle, p.task.arm) for p in cycles.left(tasks, have)]
    assert found == [
        (seed, cycle, arm) for seed in range(2) for cycle in range(3) for arm in ARMS
        if (seed, cycle, arm) != (0, 0, "gmm")
    ]  # fmt: skip


def test_a_piece_that_cannot_fit_is_not_begun(tasks, tmp_path):
    """By the latest cycle of its arm on this device, and by what there is to do."""
    random, gmm = tasks[:2]
    here = {"device": "cpu"}
    have = {
        random.key: made_up(random, [[1]], seconds=(1e3, 50.0), **here),
        gmm.key: made_up(gmm, [[1]], seconds=(1.0,), **here),
        tasks[2].key: made_up(tasks[2], [[1]], seconds=(7e3,), device="faster"),
    }
    next_one = Piece(random, 2)
    more = next_one.work / Piece(random, 1).work
    assert cycles._expected(next_one, have, "cpu") == pytest.approx(50 * more)
    assert cycles._expected(next_one, have, "none yet") == 0.0
    kept.save(tmp_path / "cycles.npz", {random.key: have[random.key]})
    said, ended = ran(tasks[:1], tmp_path, lambda: 49.0)
    assert said == [f"no time for random, seed 0, cycle 2: about {50 * more:.0f} s"]
    assert ended == cycles.Ended([], 1, [])


def test_training_that_diverges_does_not_stop_the_others(tasks, tmp_path, monkeypatch):
    original = cycles.loop.one_cycle

    def diverges(run, seed, asked, **more):
        if seed == 0:
            raise TrainingDiverged(len(asked), "supervised", 1)
        return original(run, seed, asked, **more)

    monkeypatch.setattr(cycles.loop, "one_cycle", diverges)
    _, ended = ran(tasks[::2], tmp_path)
    assert {row["seed"] for row in ended.rows} == {"1"} and ended.left == 3
    (line,) = ended.failed
    assert line.startswith("random, seed 0, cycle 0: loss is not finite in cycle 0")


def test_the_record_is_small_and_comes_back_as_it_was(tmp_path):
    generator, path = np.random.default_rng(0), tmp_path / "cycles.npz"
    have = {}
    for task in cycles.planned():
        rows = generator.permutation(50_000)[:9000].reshape(9, 1000).tolist()
        have[task.key] = made_up(task, rows, seconds=range(10))
    assert len(have) == 10
    kept.save(path, have)
    assert path.stat().st_size < 200_000
    assert kept.load(path) == have
    first = path.read_bytes()
    kept.save(path, have)
    assert path.read_bytes() == first


def test_cycles_of_several_machines_name_them_all(tasks):
    task = tasks[0]
    parts = [
        made_up(task, [[i]], seconds=(1.0,), device=d) for i, d in enumerate("aba")
    ]
    record = cycles.Record(0, 0, {}, [], [{"index": np.int64(7)}], {}, {})
    whole = kept.joined(None, parts[0].done, record)
    for part in parts[1:]:
        whole = kept.joined(whole, part.done, record._replace(queries=[]))
    assert whole.asked == [[7]] and len(whole.done.rows) == 3
    assert whole.done.versions == {"device": "a / b", "cores": 1}
    with pytest.raises(UserError, match="other settings or data"):
        kept.joined(whole, parts[0].done._replace(data={"checksum": "y"}), record)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no record of cycles"), (b"PK\x03\x04", "not a record of cycles")],
)
def test_a_missing_or_damaged_record_is_one_line(content, said, tmp_path, capsys):
    path = tmp_path / "cycles.npz"
    if content is not None:
        path.write_bytes(content)
    assert cycles.main([str(path), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and not (tmp_path / "out").exists()

import errno
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from processes import environment

from gmmal_jax.errors import UserError
from gmmal_jax.storage import checkpoint, files


class State(NamedTuple):
    params: Any
    mixture: Any
    optimizer: Any
    key: Any
    step: Any


def make(step):
    return State(
        params={"w": jnp.full((4, 3), step + 0.25), "b": {"c": np.arange(5.0)}},
        mixture=None,
        optimizer=(optax.EmptyState(), (), {}, np.array([-0.0, np.nan], np.float32)),
        key=np.array([step, 2**32 - 1], np.uint32),
        step={"n": np.asarray(step, np.int32), "h": np.ones(3, ml_dtypes.bfloat16)},
    )


def abstract():
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), make(0))


def save(folder, step, **options):
    return checkpoint.save(
        folder, f"phase-1-step-{step:06d}", make(step), {"step": step}, **options
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_same(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert type(a) is np.ndarray
        b = np.asarray(b)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.fixture
def two(tmp_path):
    """A folder with the steps 100 and 200."""
    save(tmp_path, 100)
    save(tmp_path, 200)
    return tmp_path


def assert_falls_back(folder, named):
    restored = checkpoint.restore_latest_good(folder, abstract())
    assert restored.meta == {"step": 100}
    assert_same(restored.state, make(100))
    (warning,) = restored.warnings
    assert "phase-1-step-000200" in warning and named in warning
    assert "\n" not in warning


def test_round_trip(tmp_path):
    path = checkpoint.save(
        tmp_path / "new", "phase-1-step-3", make(3), {"phase": "align", "lr": [0.1, 2]}
    )
    assert path == tmp_path / "new" / "phase-1-step-3"
    restored = checkpoint.restore_latest_good(tmp_path / "new", abstract())
    assert_same(restored.state, make(3))
    assert restored.meta == {"phase": "align", "lr": [0.1, 2]}
    assert restored.warnings == []
    assert restored.state.params["w"].flags.writeable


def test_state_of_eight_devices_returns_to_the_host(tmp_path):
    devices = np.array(jax.devices())
    mesh = jax.sharding.Mesh(devices, ("d",))
    for spec in ((), ("d",)):
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*spec))
        x = jax.device_put(np.arange(16.0, dtype=np.float32), sharding)
        checkpoint.save(tmp_path, "step-1", {"x": x}, {})
        restored = checkpoint.restore_latest_good(tmp_path, {"x": x})
        assert_same(restored.state, {"x": np.arange(16.0, dtype=np.float32)})


def test_nothing_there(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        restored = checkpoint.restore_latest_good(folder, abstract())
        assert restored == (None, {}, [])


def test_order_is_that_of_the_numbers(tmp_path):
    for name in ("phase-1-step-300", "phase-1-step-1000", "phase-2-step-0"):
        checkpoint.save(tmp_path, name, make(1), {"name": name}, keep=3)
        restored = checkpoint.restore_latest_good(tmp_path, abstract())
        assert restored.meta == {"name": name}


def test_what_was_saved_of_something_else_is_passed_over(two):
    """The newest whose meta has the values that are wanted."""
    restored = checkpoint.restore_latest_good(two, abstract(), {"step": 100})
    assert restored.meta == {"step": 100} and len(restored.warnings) == 1
    assert restored.warnings[0].endswith("phase-1-step-000200 is not used: "
                                         "it is of other step")  # fmt: skip
    assert_same(restored.state, make(100))
    restored = checkpoint.restore_latest_good(two, abstract(), {"labels": "a digest"})
    assert restored.state is None and len(restored.warnings) == 2
    assert all("it does not say of which labels" in w for w in restored.warnings)


def test_one_of_something_else_may_have_another_form(two):
    other = {"x": np.zeros(3)}
    assert checkpoint.restore_latest_good(two, other, {"step": 1}).state is None


def test_a_name_needs_a_number(tmp_path):
    with pytest.raises(ValueError, match="latest"):
        checkpoint.save(tmp_path, "latest", make(1), {})


def test_only_the_newest_are_kept(tmp_path):
    for step in (100, 200, 300, 400):
        save(tmp_path, step, keep=2)
    assert names(tmp_path) == ["phase-1-step-000300", "phase-1-step-000400"]
    save(tmp_path, 500, keep=1)
    assert names(tmp_path) == ["phase-1-step-000500"]


def test_a_refused_newer_checkpoint_does_not_outlive_a_save(two):
    (two / "phase-1-step-000200" / checkpoint.MANIFEST).unlink()
    save(two, 150, keep=1)
    assert names(two) == ["phase-1-step-000150"]


def test_the_same_name_is_replaced(two):
    (two / "phase-1-step-000200" / checkpoint.MANIFEST).unlink()
    save(two, 200)
    restored = checkpoint.restore_latest_good(two, abstract())
    assert (restored.meta, restored.warnings) == ({"step": 200}, [])


def test_one_flipped_bit_in_any_file_is_found(two):
    newest = two / "phase-1-step-000200"
    paths = [path for path in newest.rglob("*") if path.is_file()]
    assert len(paths) > 5
    for path in paths:
        data = path.read_bytes()
        middle = len(data) // 2
        flipped = bytes([data[middle] ^ 1])
        path.write_bytes(data[:middle] + flipped + data[middle + 1 :])
        assert_falls_back(two, path.name)
        path.write_bytes(data)
    restored = checkpoint.restore_latest_good(two, abstract())
    assert (restored.meta, restored.warnings) == ({"step": 200}, [])


def largest(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return max(paths, key=lambda path: (path.stat().st_size, path.name))


def test_truncated_removed_and_foreign_files_are_found(two):
    path = largest(two / "phase-1-step-000200" / "state")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert_falls_back(two, path.name)
    path.unlink()
    assert_falls_back(two, f"{path.name} is missing")
    path.write_bytes(data)
    (path.parent / "foreign").write_bytes(b"")
    assert_falls_back(two, "foreign")


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"files": {}}'])
def test_a_bad_manifest_is_found(two, content):
    path = two / "phase-1-step-000200" / checkpoint.MANIFEST
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert_falls_back(two, checkpoint.MANIFEST)


def test_an_emptied_folder_is_found(two):
    newest = two / "phase-1-step-000200"
    for path in sorted(newest.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert_falls_back(two, checkpoint.MANIFEST)


def test_when_none_is_good_the_warnings_remain(two):
    for path in two.iterdir():
        (path / checkpoint.MANIFEST).unlink()
    restored = checkpoint.restore_latest_good(two, abstract())
    assert (restored.state, restored.meta) == (None, {})
    assert len(restored.warnings) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s._replace(key=np.zeros(3, np.uint32)),
        lambda s: s._replace(key=np.zeros(2, np.int32)),
        lambda s: s._replace(key=None),
    ],
)
def test_another_form_is_refused(two, change):
    with pytest.raises(UserError, match=r"at \.key.*phase-1-step-000200"):
        checkpoint.restore_latest_good(two, change(make(0)))


def test_leftovers_are_ignored_and_then_removed(two):
    leftover = two / "phase-1-step-000300.tmp-123"
    (leftover / "state").mkdir(parents=True)
    restored = checkpoint.restore_latest_good(two, abstract())
    assert (restored.meta, restored.warnings) == ({"step": 200}, [])
    save(two, 300)
    assert names(two) == ["phase-1-step-000200", "phase-1-step-000300"]


def test_clear(two):
    (two / "phase-1-step-000300.tmp-123").mkdir()
    checkpoint.clear(two)
    assert names(two) == []
    checkpoint.clear(two / "nowhere")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), ValueError("RESOURCE_EXHAUSTED: full")]
)
def test_a_full_disk_is_told_and_leaves_the_old(two, monkeypatch, error):
    def fail(path, _):
        path.mkdir()
        raise error

    monkeypatch.setattr(checkpoint, "_write_state", fail)
    with pytest.raises(UserError, match="no space left.*gmmal resume"):
        save(two, 300)
    assert names(two) == ["phase-1-step-000100", "phase-1-step-000200"]


@pytest.mark.parametrize(("blocks", "left"), [(9, 200), (0, 300)])
def test_room_is_looked_for_where_a_disk_says(two, monkeypatch, blocks, left):
    disk = SimpleNamespace(f_blocks=blocks, f_bavail=1, f_frsize=2**20)
    monkeypatch.setattr(checkpoint.os, "statvfs", lambda path: disk)
    if blocks:
        with pytest.raises(UserError, match="no space left.*gmmal resume"):
            save(two, 300)
    else:  # it does not say
        save(two, 300)
    assert names(two) == [f"phase-1-step-000{n}" for n in (left - 100, left)]


def test_other_errors_pass_and_leave_the_old(two):
    with pytest.raises(ValueError, match="zero size"):
        checkpoint.save(two, "phase-1-step-300", {"x": np.zeros((0, 2))}, {})
    assert names(two) == ["phase-1-step-000100", "phase-1-step-000200"]


def test_a_crash_before_the_rename_leaves_the_old(two, monkeypatch):
    replace = os.replace

    def crash(source, target):
        if os.path.isdir(source):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            save(two, 300)
    restored = checkpoint.restore_latest_good(two, abstract())
    assert (restored.meta, restored.warnings) == ({"step": 200}, [])


def test_everything_is_on_the_disk_before_the_rename(tmp_path, monkeypatch):
    synced = []
    sync = files.sync
    monkeypatch.setattr(files, "sync", lambda p: synced.append(str(p)) or sync(p))
    path = save(tmp_path, 100)
    inside = {str(p) for p in path.rglob("*") if p.name != checkpoint.MANIFEST}
    moved = {p.replace(f"{path}.tmp-{os.getpid()}", str(path)) for p in synced}
    assert inside | {str(path), str(tmp_path)} <= moved


SAVER = """
import sys
import numpy as np
from gmmal_jax.storage import checkpoint
step = int(sys.argv[2])
while True:
    state = {"x": np.full(500_000, step, np.float32), "n": np.asarray(step, np.int32)}
    checkpoint.save(sys.argv[1], f"step-{step}", state, {"step": step}, keep=2)
    print(step, flush=True)
    step += 1
"""


def save_until_killed(folder, step, num_saves, delay):
    """Saves from `step` on in another process, kills it; the last step it told."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAVER, str(folder), str(step)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(JAX_PLATFORMS="cpu"),
    )
    for _ in range(num_saves):
        assert process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    told = process.communicate()[0].split()
    return int(told[-1]) if told else step + num_saves - 1


def test_kill_at_any_moment_leaves_the_last_told_save(tmp_path):
    target = {
        "x": jax.ShapeDtypeStruct((500_000,), np.float32),
        "n": jax.ShapeDtypeStruct((), np.int32),
    }
    step = 0
    for num_saves, delay in ((1, 0.003), (2, 0.017), (3, 0.031), (2, 0.046)):
        last = save_until_killed(tmp_path, step, num_saves, delay)
        restored = checkpoint.restore_latest_good(tmp_path, target)
        assert restored.warnings == []
        step = restored.meta["step"]
        assert last <= step <= last + 1
        assert int(restored.state["n"]) == step and (restored.state["x"] == step).all()
        step += 1

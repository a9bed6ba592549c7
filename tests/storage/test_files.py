import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

HOLDER = """
import sys
from gmmal_jax.storage import files
with files.lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_write_atomic_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.txt"
    files.write_atomic(path, "old")
    files.write_atomic(path, "new, longer \u00b1")
    assert path.read_text(encoding="utf-8") == "new, longer \u00b1"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_names_that_are_not_utf8_are_kept_or_shown(tmp_path):
    name = os.fsdecode(b"caf\xe9 \xc2\xb1")
    files.write_atomic(tmp_path / "b.txt", name)
    assert (tmp_path / "b.txt").read_bytes() == b"caf\xe9 \xc2\xb1"
    assert files.readable(name) == "caf\\xe9 \u00b1"


def test_write_atomic_obeys_the_umask(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    files.write_atomic(tmp_path / "ours", b"")
    modes = {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert len(modes) == 1


def test_crash_before_the_rename_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "b.txt"
    files.write_atomic(path, "old")

    def crash(*_):
        raise OSError(errno.EIO, "crash")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="crash"):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_data_are_on_the_disk_before_the_rename(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("fsync") or fsync(fd))
    monkeypatch.setattr(
        os, "replace", lambda a, b: calls.append("replace") or replace(a, b)
    )
    files.write_atomic(tmp_path / "b", "x")
    assert calls == ["fsync", "replace", "fsync"]


def test_checksum_of_known_content(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.checksum(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae22")


AWKWARD = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e22, 2**53 + 1, True]


def test_seal_round_trips_awkward_numbers():
    back = files.unseal(files.seal({"x": AWKWARD}))["x"]
    assert [repr(v) for v in back] == [repr(v) for v in AWKWARD]
    wild = files.unseal(files.seal([float("nan"), float("inf"), -float("inf")]))
    np.testing.assert_array_equal(wild, [np.nan, np.inf, -np.inf])


def test_seal_writes_float32_short_and_exact():
    values = [np.float32(0.1), np.float32(1 / 3), np.float32(16777217), np.int64(7)]
    text = files.seal(values)
    assert "0.1,0.33333334,16777216.0,7" in text
    assert [np.float32(v) for v in files.unseal(text)[:3]] == values[:3]


def test_seal_ignores_the_order_of_names():
    assert files.seal({"a": 1, "b": 2}) == files.seal({"b": 2, "a": 1})


@pytest.mark.parametrize("value", [np.zeros(2), object(), {1, 2}])
def test_seal_refuses_what_json_cannot_hold(value):
    with pytest.raises(TypeError):
        files.seal([value])


def test_unseal_finds_every_single_changed_digit_or_letter():
    text = files.seal({"name": "gmm", "value": 0.25})
    for place, letter in enumerate(text):
        if letter.isalnum():
            other = "0" if letter != "0" else "1"
            with pytest.raises(ValueError):
                files.unseal(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", '{"sha256": "x", "body": 1}', b"\xff"]
)
def test_unseal_refuses(text):
    with pytest.raises(ValueError):
        files.unseal(text)


def hold(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_lock_excludes_a_second_process_until_it_is_killed(tmp_path):
    process = hold(tmp_path)
    try:
        with pytest.raises(UserError, match=f"{tmp_path}.*wait until it ends"):
            with files.lock(tmp_path):
                pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with files.lock(tmp_path):
        pass


def test_lock_is_released_at_the_end_and_on_errors(tmp_path):
    with pytest.raises(KeyError), files.lock(tmp_path / "new"):
        raise KeyError
    with files.lock(tmp_path / "new"):
        pass


def test_lock_names_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file.*--out"):
        with files.lock(tmp_path / "file" / "run"):
            pass


def flock_that(monkeypatch, refuses):
    """Let `fcntl.flock` fail where `refuses` has a number for the file's mode."""
    original, modes = fcntl.flock, []

    def flock(file, operation):
        modes.append(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE)
        number = refuses(modes[-1])
        if number:
            raise OSError(number, os.strerror(number))
        original(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    return modes


def test_lock_opens_for_writing_only_where_the_disk_wants_it(tmp_path, monkeypatch):
    modes = flock_that(monkeypatch, lambda mode: 0)
    with files.lock(tmp_path / "here"):
        pass
    assert modes == [os.O_RDONLY]


def test_lock_on_nfs_is_a_lock(tmp_path, monkeypatch):
    """There an exclusive lock wants a file that is open for writing."""
    modes = flock_that(
        monkeypatch, lambda mode: errno.EBADF if mode == os.O_RDONLY else 0
    )
    with files.lock(tmp_path / "run"):
        assert modes == [os.O_RDONLY, os.O_RDWR]
        with pytest.raises(UserError, match="another process works in the folder"):
            with files.lock(tmp_path / "run"):
                pass
    with files.lock(tmp_path / "run"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF])
def test_lock_on_a_disk_without_locks_is_one_line(tmp_path, monkeypatch, number):
    flock_that(monkeypatch, lambda mode: number)
    said = f"cannot lock the file .{os.strerror(number)}.: .*run/.lock'; .*--out"
    with pytest.raises(UserError, match=said):
        with files.lock(tmp_path / "new" / "run"):
            pass
    assert not [*tmp_path.iterdir()]
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match=said):
        with files.lock(tmp_path / "run"):
            pass

"""Work on all rows by two real processes of a device each, and by one of two."""

import subprocess
import sys
from pathlib import Path

import crew
import numpy as np
import processes

SCRIPT = Path(__file__).with_name("shared_rows.py")


def started(folder, name, devices, *place):
    flags = f"{crew._QUICK} --xla_force_host_platform_device_count={devices}"
    environment = processes.environment(
        cache=None, JAX_PLATFORMS="cpu", XLA_FLAGS=flags
    )
    command = [sys.executable, str(SCRIPT), str(folder / f"{name}.npz"), *place]
    return subprocess.Popen(command, env=environment)


def test_processes_share_rows_to_the_bit_as_devices_do(tmp_path):
    address = f"127.0.0.1:{crew._free_port()}"
    members = [
        started(tmp_path, "alone", 2),
        started(tmp_path, "first", 1, address, "2", "0"),
        started(tmp_path, "second", 1, address, "2", "1"),
    ]
    try:
        assert [each.wait(timeout=240) for each in members] == [0, 0, 0]
    finally:
        for each in members:
            each.kill()
    alone, first, second = (
        dict(np.load(tmp_path / f"{name}.npz")) for name in ("alone", "first", "second")
    )
    assert alone.keys() == first.keys() == second.keys()
    for name, values in alone.items():
        assert values.tobytes() == first[name].tobytes() == second[name].tobytes(), name

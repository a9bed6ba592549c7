"""The faults of `faults.py`: (world, a few cases only) -> "" or what was wrong, a case.

The first line of a case's docstring is what is expected; it stands in the table.
"""

import importlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import fault_world
from fault_world import World, at_call, full, gmmal, tables

GO_ON = "gmmal resume"


def full_at_every_write(world: World, some: bool) -> list[str]:
    """Code 2, one line with the file and `gmmal resume`; resumed to the same bytes."""
    found = []
    for module, name in (
        ("os", "fsync"),
        ("gmmal_jax.storage.checkpoint", "_write_state"),
    ):
        with at_call(module, name, 0, full) as calls:
            folder = world.new()
            world.run(folder)
        world.drop(folder)
        numbers = range(1, calls[0] + 1)
        for number in numbers[:: max(1, len(numbers) // 3)] if some else numbers:
            found.append(_full(world, module, name, number))
    return found


def _full(world: World, module: str, name: str, number: int) -> str:
    folder = world.new()
    with at_call(module, name, number, full) as calls:
        said = world.run(folder)
    if calls[0] < number and said.code == 0:
        # Orbax writes a file more or less from run to run: this write did not come.
        world.drop(folder)
        return ""
    begun = (folder / "config.json").exists()
    line = said.is_line(str(folder), *([GO_ON] if begun else []))
    text = f"{name}, call {number}: "
    if not line:
        return f"{text}code {said.code}: {said.error}"
    same = world.goes_on(folder)
    world.drop(folder)
    return "" if same else f"{text}other tables after it went on"


_SIZES = (8, 16, 64, 256, 1024, 1040, 1056, 1072, 1088, 1104, 1120, 1136, 1152, 1280)
"""KiB: a checkpoint is refused below 1024."""


def full_disk(world: World, some: bool) -> list[str]:
    """The same on real disks of sizes up to what a run needs."""
    disk = world.root / "disk"
    disk.mkdir(exist_ok=True)
    found = []
    sizes = (32, 1060) if some else _SIZES
    for size in sizes:
        with mounted("-t", "tmpfs", "-o", f"size={size}k", "none", str(disk)):
            folder = disk / "run"
            said = world.run(folder)
            begun = (folder / "config.json").exists()
            line = said.is_line(str(disk), *([GO_ON] if begun else []))
            mount("-o", "remount,size=64m", str(disk))
            if said.code != 0 and not line:
                found.append(f"{size} KiB: code {said.code}: {said.error}")
            else:
                same = world.goes_on(folder)
                found.append("" if same else f"{size} KiB: other tables")
    return found


def read_only(world: World, some: bool) -> list[str]:
    """Code 2, one line with the folder; resumed to the same bytes."""
    places = [("gmmal_jax.storage.checkpoint", "save", 2),
              ("gmmal_jax.storage.records", "write", 1),
              ("gmmal_jax.storage.records", "write_views", 2)]  # fmt: skip
    found = []
    for module, name, number in places[:1] if some else places:
        folder = world.new()
        folder.mkdir()
        with mounted("--bind", str(folder), str(folder)):
            how = ("-o", "remount,bind,ro", str(folder))
            with at_call(module, name, number, lambda how=how: mount(*how)):
                said = world.run(folder)
            again = gmmal("resume", str(folder))
            mount("-o", "remount,bind,rw", str(folder))
            if not said.is_line(str(folder), "ead-only file system", GO_ON):
                found.append(f"{name}: code {said.code}: {said.error}")
            elif not again.is_line(str(folder)):
                found.append(f"{name}: resume: code {again.code}: {again.error}")
            else:
                found.append("" if world.goes_on(folder) else f"{name}: other tables")
    return found


def told_to_stop(world: World, some: bool) -> list[str]:
    """Code 128 + signal, a line that says how to go on; resumed to the same bytes."""
    found = []
    for call in (3,) if some else (1, 2, 3, 4):
        folder, said = world.stopped(call)
        well = said.code == 128 + signal.SIGTERM and GO_ON in said.out
        same = well and not said.error and world.goes_on(folder)
        found.append("" if same else f"chunk {call}: code {said.code}: {said.error}")
    return found


def _files_of_newest(folder: Path) -> list[Path]:
    newest = sorted(folder.glob("checkpoints/*/cycle-*/phase-*"))[-1]
    return sorted(p for p in newest.rglob("*") if p.is_file() and p.stat().st_size)


def damaged_checkpoint(world: World, some: bool) -> list[str]:
    """A note, and the one before it is used; resumed to the same bytes."""
    folder, _ = world.stopped(4)
    names = [path.relative_to(folder) for path in _files_of_newest(folder)]
    found = []
    for name in names[:2] if some else names:
        for how in (_cut, _flip):
            own = world.new()
            shutil.copytree(folder, own)
            (own / name).write_bytes(how((own / name).read_bytes()))
            said = gmmal("resume", str(own))
            noted = said.code == 0 and "is not used" in said.out
            same = noted and tables(own) == world.wanted
            found.append("" if same else f"{name}: code {said.code}: {said.error}")
    return found


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def damaged_record(world: World, some: bool) -> list[str]:
    """Code 2, one line with the file; without it and what follows, the same bytes."""
    found = []
    for cycle in (0,) if some else (0, 1):
        for how in (_cut, _flip):
            own = world.new()
            shutil.copytree(world.whole, own)
            record = own / f"records/seed-000/cycle-{cycle:02d}.json"
            record.write_bytes(how(record.read_bytes()))
            said = gmmal("resume", str(own))
            if not said.is_line(str(record), "delete that file"):
                found.append(f"code {said.code}: {said.error}")
                continue
            for path in record.parent.iterdir():
                if path.name >= record.stem:
                    path.unlink()
            found.append("" if world.goes_on(own) else f"{record.name}: other tables")
    return found


def two_at_once(world: World, some: bool) -> list[str]:
    """Code 2, one line with the folder; the first one is not disturbed."""
    folder = world.new()
    found: list[str] = []

    def second() -> None:
        words = ["-m", "gmmal_jax", "resume", str(folder)]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        said = fault_world.Said(done.returncode, done.stdout, done.stderr)
        well = said.is_line("another process works in the folder", str(folder))
        found.append("" if well else f"code {said.code}: {said.error}")

    with at_call("gmmal_jax.parallel", "run_chunk", 2, second):
        first = world.run(folder)
    same = first.code == 0 and tables(folder) == world.wanted
    return [*found, "" if same else f"the first: code {first.code}: {first.error}"]


def changed_data(world: World, some: bool) -> list[str]:
    """Code 2, one line with the data; with the old data back, the same bytes."""
    folder, _ = world.stopped()
    before = world.data.read_bytes()
    fault_world.features(world.data, seed=1)
    said = gmmal("resume", str(folder))
    world.data.write_bytes(before)
    if not said.is_line("data set changed since the run began", str(world.data)):
        return [f"code {said.code}: {said.error}"]
    return ["" if world.goes_on(folder) else "other tables"]


def clock_jumps_back(world: World, some: bool) -> list[str]:
    """It ends as ever, with the same bytes and no negative seconds."""
    found = []
    for call in (5,) if some else (2, 5, 9, 14):
        folder = world.new()
        with jumping(call):
            said = world.run(folder, "--checkpoint.every-seconds", "1")
        seconds = (folder / "timings.csv").read_text().splitlines()[1:]
        negative = any(cell.startswith("-") for x in seconds for cell in x.split(","))
        same = said.code == 0 and tables(folder) == world.wanted and not negative
        found.append("" if same else f"code {said.code}, {seconds}: {said.error}")
    return found


@contextmanager
def jumping(call: int) -> Iterator[None]:
    """Clocks of gmmal_jax that go back by an hour, from that reading on."""
    readings = [0]

    def reader(clock: Callable[[], float]) -> Callable[[], float]:
        def read() -> float:
            readings[0] += 1
            return clock() - (3600 if readings[0] >= call else 0)

        return read

    clocks = SimpleNamespace(
        **{name: reader(getattr(time, name)) for name in ("monotonic", "time")},
        strftime=time.strftime,
    )
    with ExitStack() as stack:
        for name in ("storage.saver", "cli.live", "cli.display", "project.forecast"):
            module = importlib.import_module(f"gmmal_jax.{name}")
            if hasattr(module, "time"):
                stack.callback(setattr, module, "time", module.time)
                module.time = clocks
        yield


def killed_in_a_collective(world: World, some: bool) -> list[str]:
    """The others end in time; taken up by all, to the same bytes."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    import crew

    found = []
    for number, lost in ((1, 1),) if some else ((1, 1), (2, 0), (3, 1)):
        root = world.new()
        root.mkdir()
        (root / "whole").mkdir()
        whole = crew.Crew.runs(root / "whole", "--method", "margin")
        well = whole.codes() == [0, 0]
        dying = crew.Crew.runs(root, "--method", "margin", dies=(lost, 10 * number))
        codes = dying.codes()
        again = crew.Crew.resumes(root)
        well = well and codes[lost] == -signal.SIGKILL and codes[1 - lost] != 0
        well = well and again.codes() == [0, 0]
        same = well and crew.tables(root) == crew.tables(root / "whole")
        found.append("" if same else f"codes {codes}: {dying.said()}")
    return found


def mount(*words: str) -> None:
    """In the namespace of `faults.py`, so nothing outside changes."""
    subprocess.run(["mount", *words], check=True)


@contextmanager
def mounted(*words: str) -> Iterator[None]:
    """While something is mounted; the place comes last."""
    mount(*words)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", words[-1]], check=True)


ALL: dict[str, Callable[[World, bool], Sequence[str]]] = {
    "disk full at every write": full_at_every_write,
    "real disks that are too small": full_disk,
    "folder turns read-only": read_only,
    "SIGTERM": told_to_stop,
    "checkpoint cut or flipped": damaged_checkpoint,
    "record cut or flipped": damaged_record,
    "two processes in a folder": two_at_once,
    "data changes": changed_data,
    "clock jumps back": clock_jumps_back,
    "killed in a collective": killed_in_a_collective,
}
MOUNTS = {"real disks that are too small", "folder turns read-only"}
"""Need a mount namespace of their own."""

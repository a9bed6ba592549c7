"""Where everything lies in a run's folder; no other module knows it."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Layout(NamedTuple):
    """The paths in a run's folder, or in that of its reference.

    Attributes:
      root: the folder.
    """

    root: Path

    @property
    def config(self) -> Path:
        """Settings, versions, the data's checksum: what makes it a run's folder."""
        return self.root / "config.json"

    @property
    def skipped(self) -> Path:
        """The list of files that are no readable picture; it may be missing."""
        return self.root / "skipped.csv"

    @property
    def reference(self) -> Path:
        """The folder of the arm for comparison; it may be missing."""
        return self.root / "reference"

    @property
    def records(self) -> Path:
        """The folder of what is true; the tables are made of it."""
        return self.root / "records"

    def table(self, name: str) -> Path:
        """One of the tables: results, queries, ..."""
        return self.root / f"{name}.csv"

    @property
    def figures(self) -> Path:
        """The folder of the pictures."""
        return self.root / "figures"

    def figure(self, name: str) -> Path:
        """A figure's path without its ending."""
        return self.figures / name

    def written(self, tables: Iterable[str]) -> list[Path]:
        """All that a run writes into its folder beside its configuration.

        Args:
          tables: their names.
        """
        folders = [self.reference, self.records, self.figures, self.running]
        return [self.skipped, *map(self.table, tables), *folders]

    def record(self, seed: int, cycle: int) -> Path:
        """A finished cycle."""
        return self.records / _seed(seed) / f"cycle-{cycle:02d}.json"

    def arrays(self, seed: int, cycle: int) -> Path:
        """What is kept of a cycle for a picture."""
        return self.record(seed, cycle).with_suffix(".npz")

    def recorded(self) -> dict[int, list[Path]]:
        """Seed -> the records that there are, by number."""
        seeds = _numbered(self.records, r"seed-(\d+)")
        return {n: _sorted(path, r"cycle-(\d+)\.json") for n, path in seeds}

    @property
    def running(self) -> Path:
        """The folder of what running cycles need."""
        return self.root / "checkpoints"

    def checkpoints(self, seed: int, cycle: int) -> Path:
        """The folder of a running cycle's checkpoints."""
        return self.running / _seed(seed) / f"cycle-{cycle:02d}"

    def before(self, seed: int, cycle: int) -> Path:
        """Latents that the first stage of a running cycle has left."""
        return self.running / _seed(seed) / f"before-{cycle:02d}.npz"

    def carried(self, seed: int, cycle: int) -> Path:
        """The folder of what a cycle hands on to the next."""
        return self.running / _seed(seed) / f"carried-{cycle:02d}"


def of(folder: str | os.PathLike[str]) -> Layout:
    """The layout of a folder, which need not exist."""
    return Layout(Path(folder))


def _seed(seed: int) -> str:
    return f"seed-{seed:03d}"


def _sorted(folder: Path, pattern: str) -> list[Path]:
    return [path for _, path in _numbered(folder, pattern)]


def _numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    """The entries whose whole name fits, by the number in it."""
    if not folder.is_dir():
        return []
    fits = [(re.fullmatch(pattern, path.name), path) for path in folder.iterdir()]
    return sorted((int(fit[1]), path) for fit, path in fits if fit)

"""What a person sees of a run: a live line, a table row per cycle, a summary."""

import time
from pathlib import Path

import rich.box
import rich.console
import rich.table
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from gmmal_jax import train
from gmmal_jax.report.figures import Drawn
from gmmal_jax.storage.records import Record

PLAIN_SECONDS = 10.0
"""Where the output is no terminal, a line of progress at most so often."""


class _Detail(ProgressColumn):
    """The stage's own text, kept apart from the overall bar."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("detail", ""), style="dim")


class Display:
    """A `loop.Reporter` for terminals, files and pipes.

    Args:
      arms: label -> number of phases, in the order they run.
      seeds: of the run.
      cycles: of the run.
    """

    def __init__(
        self, arms: dict[str, int], seeds: tuple[int, ...], cycles: int
    ) -> None:
        self.console = rich.console.Console(highlight=False, soft_wrap=True)
        self.arms, self.total = arms, len(arms) * len(seeds) * cycles
        self.rows: dict[tuple[int, int, str], Record] = {}
        self.width = max(6, *map(len, arms))
        self.last_chunk = self.last_line = time.monotonic()
        self.live: Progress | None = None
        self.finished = 0

    def __enter__(self) -> "Display":
        """Start the live line, where there is a terminal."""
        if self.console.is_terminal:
            self.live = Progress(
                BarColumn(bar_width=20),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeRemainingColumn(elapsed_when_finished=True),
                _Detail(),
                console=self.console,
                transient=True,
            )
            self.task = self.live.add_task("", total=self.total)
            self.live.start()
        self._print(f"seed  cycle  labeled  {'method':<{self.width}}  accuracy")
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the live line."""
        if self.live is not None:
            self.live.stop()

    def note(self, text: str) -> None:
        """One line of news."""
        self._print(f"note: {text}")

    def progress(self, arm: str, seed: int, cycle: int, chunk: train.Chunk) -> None:
        """A chunk is done: stage, step, loss, images a second, time left."""
        now = time.monotonic()
        speed = chunk.images / max(now - self.last_chunk, 1e-9)
        self.last_chunk = now
        loss = chunk.metrics["loss"]
        detail = (
            f"{arm} · seed {seed} · cycle {cycle} · {chunk.name} "
            f"{chunk.step}/{chunk.num_steps} · loss {loss:.3f} · {speed:,.0f} images/s"
        )
        share = (chunk.phase + chunk.step / chunk.num_steps) / self.arms[arm]
        self._tell(detail, share, now)

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """A stage without steps begins."""
        detail = f"{arm} · seed {seed} · cycle {cycle} · {name}"
        self._tell(detail, 1.0, time.monotonic())

    def row(self, arm: str, record: Record) -> None:
        """Print a table row: a cycle of a method is done."""
        self.finished += 1
        self.rows[record.seed, record.cycle, arm] = record
        if self.live is not None:
            self.live.update(self.task, completed=self.finished)
        labeled, accuracy = record.results["labeled"], record.results["accuracy"]
        self._print(
            f"{record.seed:>4}  {record.cycle:>5}  {labeled:>7}  "
            f"{arm:<{self.width}}  {100 * accuracy:>6.1f} %"
        )

    def _tell(self, detail: str, share: float, now: float) -> None:
        if self.live is not None:
            done = self.finished + min(share, 1.0)
            self.live.update(self.task, completed=done, detail=detail)
        elif now - self.last_line >= PLAIN_SECONDS:
            self.last_line = now
            done = (self.finished + min(share, 1.0)) / self.total
            self._print(f"  {done:.0%} · {detail}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False)


def summary(
    display: Display, folder: Path, drawn: Drawn, seeds: tuple[int, ...]
) -> list[str]:
    """The lines after a finished run.

    Args:
      display: holds the rows.
      folder: of the run.
      drawn: its pictures.
      seeds: of the run.
    """
    last = max(cycle for _, cycle, _ in display.rows)
    lines = []
    for arm in display.arms:
        records = [display.rows[seed, last, arm] for seed in seeds]
        mean = sum(r.results["accuracy"] for r in records) / len(records)
        labeled = records[0].results["labeled"]
        lines.append(f"{arm}: {100 * mean:.1f} % with {labeled} labels")
    if len(seeds) == 1:
        lines.append("1 seed: not evidence; add --seeds 0 1 2 3 4")
    return [
        *lines,
        f"results: {folder}",
        *(f"picture: {path}" for path in drawn.paths[:1]),
        *drawn.lost,
        "your own images: gmmal run --dataset folder:PATH (PNG and JPEG, a folder "
        "a class; gmmal datasets lists other ways)",
    ]

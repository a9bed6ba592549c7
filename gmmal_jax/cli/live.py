"""A live line on a terminal; elsewhere a line now and then."""

import time
from typing import TYPE_CHECKING

import rich.console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from gmmal_jax.train import Chunk

PLAIN_SECONDS = 10.0
"""Where the output is no terminal, a line of progress at most so often."""


class _Detail(ProgressColumn):
    """The stage's own text, kept apart from the overall bar."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("detail", ""), style="dim")


class Live:
    """How far something is; to be entered before it is told anything.

    Args:
      total: what is done when all is.
    """

    def __init__(self, total: float) -> None:
        self.console = rich.console.Console(highlight=False, soft_wrap=True)
        self.total = total
        self.last_line = self.last_lap = time.monotonic()
        self.bar: Progress | None = None

    def __enter__(self) -> "Live":
        """Start the live line, where there is a terminal."""
        if self.console.is_terminal:
            self.bar = Progress(
                BarColumn(bar_width=20),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeRemainingColumn(elapsed_when_finished=True),
                _Detail(),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task("", total=self.total)
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop it."""
        if self.bar is not None:
            self.bar.stop()

    def tell(self, done: float, detail: str) -> None:
        """So much is done, and what is going on."""
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(self.task, completed=done, detail=detail)
        elif now - self.last_line >= PLAIN_SECONDS:
            self.last_line = now
            self.print(f"  {done / self.total:.0%} · {detail}")

    def lap(self) -> float:
        """Seconds since the last one, or since this was made; never 0."""
        before, self.last_lap = self.last_lap, time.monotonic()
        return max(self.last_lap - before, 1e-9)

    def print(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, markup=False)


def of_chunk(chunk: "Chunk", seconds: float) -> str:
    """What is told of a chunk of steps that took so long: stage, step, loss, speed."""
    speed = f"{chunk.images / seconds:,.0f} images/s"
    loss = f"loss {chunk.metrics['loss']:.3f}"
    return f"{chunk.name} {chunk.step}/{chunk.num_steps} · {loss} · {speed}"

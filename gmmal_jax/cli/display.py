"""What a person sees of a run: a live line, a table row per cycle, a summary."""

from pathlib import Path

from gmmal_jax import estimate, train
from gmmal_jax.cli.live import Live, of_chunk
from gmmal_jax.report.figures import Drawn
from gmmal_jax.storage.records import Record


class Display:
    """A `loop.Reporter` for terminals, files and pipes.

    Args:
      arms: label -> number of phases, in the order they run.
      seeds: of the run.
      cycles: of the run.
      work: of the run, as `estimate.of_run` counts it.
    """

    def __init__(
        self, arms: dict[str, int], seeds: tuple[int, ...], cycles: int, work: float
    ) -> None:
        self.forecast = estimate.Forecast(work)
        self.arms, self.live = arms, Live(float(len(arms) * len(seeds) * cycles))
        self.rows: dict[tuple[int, int, str], Record] = {}
        self.width = max(6, *map(len, arms))
        self.finished = 0

    def __enter__(self) -> "Display":
        """Start the live line, where there is a terminal."""
        self.live.__enter__()
        self.live.print(f"seed  cycle  labeled  {'method':<{self.width}}  accuracy")
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the live line."""
        self.live.__exit__(*error)

    def note(self, text: str) -> None:
        """One line of news."""
        self.live.print(f"note: {text}")

    def progress(self, arm: str, seed: int, cycle: int, chunk: train.Chunk) -> None:
        """A chunk is done: stage, step, loss, images a second, time left."""
        took = self.live.lap()
        whole = self.forecast.after(arm, chunk.phase, chunk.images, took)
        if whole is not None:
            self._foretell(whole)
        detail = f"{arm} · seed {seed} · cycle {cycle} · {of_chunk(chunk, took)}"
        share = (chunk.phase + chunk.step / chunk.num_steps) / self.arms[arm]
        self.live.tell(self.finished + min(share, 1.0), detail)

    def _foretell(self, seconds: float) -> None:
        line = f"about {estimate.in_words(seconds)} in all on this device"
        if seconds > estimate.LONG:
            line += (
                "; shorter with --model small, fewer --train.epochs, --da.steps, "
                "--cycles or --seeds, or on features (gmmal embed)"
            )
        self.live.print(line)

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """A stage without steps begins."""
        detail = f"{arm} · seed {seed} · cycle {cycle} · {name}"
        self.live.tell(self.finished + 1.0, detail)

    def row(self, arm: str, record: Record) -> None:
        """Print a table row: a cycle of a method is done."""
        self.finished += 1
        self.rows[record.seed, record.cycle, arm] = record
        labeled, accuracy = record.results["labeled"], record.results["accuracy"]
        self.live.print(
            f"{record.seed:>4}  {record.cycle:>5}  {labeled:>7}  "
            f"{arm:<{self.width}}  {100 * accuracy:>6.1f} %"
        )


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

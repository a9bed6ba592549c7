"""The run of `large_pool.py`, in a process of its own that watches itself."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from features_choice import anonymous

OPTIONS = [
    "--model", "small", "--width", "8", "--cycles", "2", "--initial", "1000",
    "--budget", "1000", "--reference", "none", "--reg.subset-size", "100",
    "--train.steps", "200", "--da.steps",
    "100", "--da.refit-every", "100", "--gmm.refit-rows", "50000",
    "--checkpoint.every-seconds", "1000000",
]  # fmt: skip
_STEPS = ("steps of stage 1", "steps of stage 2", "tables, pictures, the rest")
"""What follows so many phases that are done."""


class Recorded(Exception):
    """The first cycle is on record: what follows would only repeat it."""


class Watch:
    """Seconds, pictures and memory of the stage that runs."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self.name, self.since = "start, checksum and moments", time.monotonic()
        threading.Thread(target=self._look, daemon=True).start()

    def enter(self, name: str) -> str:
        """Another stage begins; what the last one is called."""
        now, last = time.monotonic(), self.name
        self._own(last)["seconds"] += now - self.since
        self.name, self.since = name, now
        return last

    def within(
        self, name: str, call: Any, pictures: Callable[..., int] = lambda *_: 0
    ) -> Any:
        """A function whose time is a stage's, whatever it is called in."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            last = self.enter(name)
            try:
                return call(*args, **kwargs)
            finally:
                self.count(pictures(*args))
                self.enter(last)

        return watched

    def count(self, pictures: int) -> None:
        """So many have passed the network in this stage."""
        self._own(self.name)["pictures"] += pictures

    def rows(self) -> list[dict[str, Any]]:
        """A row a stage."""
        self.enter("end")
        return [
            {
                "stage": name,
                "seconds": own["seconds"],
                "pictures": f"{int(own['pictures']):,}",
                "pictures/s": own["pictures"] / own["seconds"],
                "MB": own["MB"],
            }
            for name, own in self.stages.items()
            if name != "end"
        ]

    def _own(self, name: str) -> dict[str, float]:
        return self.stages.setdefault(name, {"seconds": 0.0, "pictures": 0.0, "MB": 0})

    def _look(self) -> None:
        while True:
            own = self._own(self.name)
            own["MB"] = max(own["MB"], anonymous("self") / 1000)
            time.sleep(0.2)


def main(pool: str, folder: str, gigabytes: str, placement: str = "auto") -> int:
    """Run a cycle, and print what each stage took as JSON."""
    from gmmal_jax import cycle, loop
    from gmmal_jax.cli import run

    watch, tell = Watch(), loop.Watch.on_chunk

    class Report(loop.Silent):
        def row(self, arm: str, record: Any) -> None:
            raise Recorded

    def on_chunk(self: loop.Watch, standing: Any) -> None:
        tell(self, standing)
        watch.count(standing.chunk.images)
        watch.enter(_STEPS[standing.position.phase])

    def learn(*args: Any) -> Any:
        watch.enter(_STEPS[0])
        return learned(*args)

    learned = cycle.learn
    loop.Watch.on_chunk = on_chunk
    cycle.learn = learn
    _watch_stages(watch)
    arguments = ["--dataset", f"npy:{pool}", "--memory-gb", gigabytes, *OPTIONS]
    config = run.parse_run([*arguments, "--data.placement", placement])
    with contextlib.suppress(Recorded):
        loop.run(config, folder, Report())
    print(json.dumps(watch.rows()))
    return 0


def _watch_stages(watch: Watch) -> None:
    """The stages that are functions."""
    from gmmal_jax import cycle, embed
    from gmmal_jax.phases import adversary

    for name, owner, function in (
        ("EM, beside the readouts", adversary, "fit_mixtures"),
        ("the critic's scale, likewise", adversary, "column_scale"),
        ("scores, ranks, batch, likewise", cycle, "ask"),
    ):
        setattr(owner, function, watch.within(name, getattr(owner, function)))

    def pictures(embedder: Any, readout: Any, state: Any, images: Any, *_: Any) -> int:
        return len(images)

    held = watch.within("readouts", embed.Embedder._held, pictures)
    embed.Embedder._held = held

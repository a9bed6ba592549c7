"""What the parts share: sizes, what a part is told, what it hands back."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import worlds


class Size(NamedTuple):
    """How large everything is: the paper's scale, or a toy's for a rehearsal.

    Attributes:
      name: "full" or "dry".
      scale: of the pool and the method.
      rounds: of a comparison.
      side: of the square matrices whose product is the peak.
      copied: bytes of the array whose copy is the bandwidth.
      mixtures: case -> (rows, shards or 0, components).
      dims: of the mixtures' rows.
      accuracy: (rows, components) of fits against float64.
      experiment: scale of `experiments.first_cycle`.
    """

    name: str
    scale: worlds.Scale
    rounds: int
    side: int
    copied: int
    mixtures: dict[str, tuple[int, int, int]]
    dims: int
    accuracy: tuple[tuple[int, int], ...]
    experiment: str

    @property
    def chunk(self) -> int:
        """Steps a dispatch."""
        steps: int = self.scale.changes["train.chunk_steps"]
        return steps


FULL = Size(
    name="full",
    scale=worlds.Scale(
        preset="cifar10",
        image=(32, 32, 3),
        pool=50_000,
        test=10_000,
        labeled=1000,
        budget=1000,
        changes={"train.chunk_steps": 50},
    ),
    rounds=5,
    side=8192,
    copied=1 << 30,
    mixtures={
        "50,000 rows, K=10": (50_000, 0, 10),
        "50,000 rows, K=100": (50_000, 0, 100),
        "25 shards of 2,000, K=10": (50_000, 25, 10),
        "1,000,000 rows, K=10": (1_000_000, 0, 10),
    },
    dims=512,
    accuracy=((5000, 10), (2000, 10), (4000, 100)),
    experiment="gpu",
)
DRY = Size(
    name="dry",
    scale=worlds.Scale(
        preset="digits",
        image=(8, 8, 3),
        pool=600,
        test=100,
        labeled=40,
        budget=20,
        changes={
            "model": "gpu_parts.toy:network",
            "width": 8,
            "train.chunk_steps": 2,
            "train.steps": 4,
            "train.batch_size": 10,
            "reg.subset_size": 20,
            "da.steps": 4,
            "da.refit_every": 2,
            "da.batch_size": 10,
            "da.hidden": (16,),
            "gmm.shard_size": 200,
        },
    ),
    rounds=2,
    side=256,
    copied=1 << 20,
    mixtures={"400 rows, K=10": (400, 0, 10), "2 shards of 200, K=10": (400, 2, 10)},
    dims=32,
    accuracy=((2000, 10),),
    experiment="toy",
)
SIZES = {size.name: size for size in (FULL, DRY)}


class Context(NamedTuple):
    """What a part is told.

    Attributes:
      size: see `Size`.
      ends: `time.monotonic()` at which it has to be done.
      data: an npz file of CIFAR-10, or a packed part of one; None: there is none.
      out: the folder of the records.
      work: a folder for what is not kept.
      peers: name -> "module:function", EM of somebody else (see `em_peers`).
    """

    size: Size
    ends: float
    data: Path | None
    out: Path
    work: Path
    peers: dict[str, str]

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.ends


class Found(NamedTuple):
    """What a part hands back.

    Attributes:
      headline: one line for the table at the end.
      results: JSON values.
      absent: what was left out, and why.
      failures: lines on checks that did not hold.
      finished: false: the next call of the command goes on with it.
    """

    headline: str
    results: Mapping[str, Any]
    absent: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    finished: bool = True


def share(value: float, limit: float) -> str:
    """A share of a limit in per cent."""
    return f"{100 * value / limit:.0f} %"

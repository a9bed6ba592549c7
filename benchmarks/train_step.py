"""How fast is a supervised training step beside the same step in PyTorch?

    python benchmarks/train_step.py [--json FILE] [--check]

ResNets on 8x8 and 32x32 images, batch 100, cross-entropy, SGD with momentum and weight
decay, no augmentation, data on the device; ours is `learners.ce`'s step in scanned
chunks, PyTorch's is eager on a CPU (channels last and not: the faster counts) and
compiled, in bfloat16, on a GPU. Ratios are PyTorch's time over ours.

A chunk's program takes its working memory (about 1 GB at width 64) anew from the system
each time it is called. Training does so once in 50 steps or more; a call of a single
step pays a sixth of its time for it. So a call here makes several steps.
"""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import harness


class Case(NamedTuple):
    """A network, its images, steps a call, calls to measure, floor of the ratio."""

    model: str
    width: int
    size: int
    channels: int
    steps: int
    rounds: int
    at_least: float


CASES = {
    "digits: ResNet-18, width 16, 8x8": Case("resnet18", 16, 8, 1, 10, 7, 1.3),
    "digits preset: small, width 16, 8x8": Case("small", 16, 8, 1, 10, 7, 1.3),
    "ResNet-18, width 16, 32x32": Case("resnet18", 16, 32, 3, 8, 3, 0.8),
    "ResNet-18, width 32, 32x32": Case("resnet18", 32, 32, 3, 6, 3, 0.8),
    "ResNet-18, width 64, 32x32": Case("resnet18", 64, 32, 3, 3, 3, 0.8),
}
BATCH = 100
NUM_CLASSES = 10
RATE, MOMENTUM, DECAY = 0.01, 0.9, 5e-4
ON_GPU_AT_LEAST = 1.5


def ours(case: Case, precision: str) -> Callable[[], object]:
    """A call that runs `case.steps` of our steps and waits for them."""
    import jax
    import numpy as np

    from gmmal_jax import config as configs, parallel
    from gmmal_jax.learners import ce
    from gmmal_jax.phases import network as networks
    from gmmal_jax.types import Batch, Clock, StepBatch

    form = networks.ImageForm(
        shape=(case.size, case.size, case.channels),
        mean=(0.5,) * case.channels,
        std=(0.25,) * case.channels,
        precision=precision,
    )
    network = networks.make(case.model, case.width, NUM_CLASSES, form)
    config = configs.replace(configs.Config(), **{"train.learning_rate": RATE})
    learner = ce.make(network, config.train)
    mesh = parallel.make_mesh(1)
    step = parallel.compile_step(mesh, learner.phases[0].step)
    rng, shape = np.random.default_rng(0), (case.steps, 1, BATCH)
    pixels = (case.size, case.size, case.channels)
    images = rng.integers(0, 256, (*shape, *pixels), np.uint8)
    labels = rng.integers(0, NUM_CLASSES, shape).astype(np.int32)
    counter = np.arange(case.steps, dtype=np.int32)[:, None]
    length = np.full_like(counter, 1000)
    clock = Clock(counter, length, length)
    batch = StepBatch(clock, Batch(images, labels, np.ones(shape, bool)), None, None)
    placed = jax.device_put(batch, parallel.over_chunk(mesh))
    key = jax.random.key(0)
    state = parallel.place_state(mesh, jax.jit(learner.init)(key, None))

    def run() -> None:
        nonlocal state
        state, metrics = parallel.run_chunk(step, key, state, placed)
        jax.block_until_ready((state, metrics))

    return run


def theirs(case: Case, channels_last: bool, device: str) -> Callable[[], object]:
    """The same in PyTorch."""
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    net = _torch_resnet(case).to(device)
    x = torch.randn(BATCH, case.channels, case.size, case.size, device=device)
    y = torch.randint(0, NUM_CLASSES, (BATCH,), device=device)
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(net.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
    on_gpu = device != "cpu"

    def step() -> None:
        sgd.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=on_gpu):
            loss = functional.cross_entropy(net(x), y)
        loss.backward()
        sgd.step()

    if on_gpu:
        net = torch.compile(net)

    def run() -> None:
        for _ in range(case.steps):
            step()
        if on_gpu:
            torch.cuda.synchronize()

    return run


def _torch_resnet(case: Case) -> Any:
    """Our network in PyTorch's layers."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _ in range(2))
            self.shortcut = (
                nn.Sequential()
                if stride == 1 and before == after
                else nn.Sequential(
                    nn.Conv2d(before, after, 1, stride, bias=False),
                    nn.BatchNorm2d(after),
                )
            )

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.norms[0](self.first(x)))
            return torch.relu(self.norms[1](self.second(y)) + self.shortcut(x))

    from gmmal_jax.models.resnet import STAGES

    features = case.width
    layers = [
        nn.Conv2d(case.channels, features, 3, 1, 1, bias=False),
        nn.BatchNorm2d(features),
        nn.ReLU(),
    ]
    for stage, blocks in enumerate(STAGES[case.model][0]):
        for block in range(blocks):
            after = case.width * 2**stage
            layers.append(Block(features, after, 2 if stage and not block else 1))
            features = after
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, NUM_CLASSES)]
    return nn.Sequential(*layers, *pool)


def sample(case: Case) -> dict[str, list[float]]:
    """Milliseconds a step of each contender: wall, CPU, first call."""
    import jax

    device = "cpu" if jax.default_backend() == "cpu" else "cuda"
    precision = "float32" if device == "cpu" else "bf16"
    contenders = {"ours": ours(case, precision)}
    try:
        contenders["PyTorch, channels last"] = theirs(case, True, device)
        if device == "cpu":
            contenders["PyTorch"] = theirs(case, False, device)
    except ImportError:
        pass
    samples = harness.interleaved(contenders, case.rounds)
    scale = 1e3 / case.steps
    return {
        name: [s.wall * scale, s.cpu * scale, s.first] for name, s in samples.items()
    }


def measure(arguments: argparse.Namespace) -> list[harness.Table]:
    """One row a case."""
    if arguments.child:
        print(json.dumps(sample(CASES[arguments.child])))
        sys.exit(0)
    import jax

    on_cpu = jax.default_backend() == "cpu"
    # First, while this process is idle: what it keeps in memory slows its children.
    alone = {
        name: harness.on_one_core(__file__, "--child", name)
        for name in (CASES if on_cpu else ())
    }
    rows, floors = [], {}
    for name, case in CASES.items():
        row: harness.Row = {"step": name}
        wall = sample(case)
        row |= _ratios(wall, 0, "wall, all cores")
        if on_cpu:
            row |= _ratios(alone[name], 1, "CPU, one core")
        else:
            row["ours, ms"] = wall["ours"][0]
        row["compile, s"] = wall["ours"][2]
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
        column = "CPU, one core" if on_cpu else "wall, all cores"
        floor = case.at_least if on_cpu else ON_GPU_AT_LEAST
        floors[name] = [harness.Floor(column, at_least=floor)]
    note = (
        "PyTorch's time over ours, the faster of its layouts; in brackets channels "
        "last. Batch 100, medians of interleaved rounds, compilation apart."
    )
    return [harness.Table("Training step against PyTorch", rows, floors, note)]


def _ratios(samples: dict[str, list[float]], which: int, column: str) -> harness.Row:
    mine = samples["ours"][which]
    others = [s[which] for name, s in samples.items() if name != "ours"]
    if not others:
        return {column: None}
    last = samples["PyTorch, channels last"][which]
    return {column: min(others) / mine, f"{column} (channels last)": last / mine}


def options(parser: argparse.ArgumentParser) -> None:
    """What this benchmark takes beside the usual."""
    parser.add_argument("--child", choices=CASES, help=argparse.SUPPRESS)


if __name__ == "__main__":
    sys.exit(harness.main(__doc__, measure, options))

"""One piece: trained or gone on with; its row, and its network for those after it."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import analysis, pictures, tables
from experiments.costs import cost
from experiments.first_cycle import distances
from experiments.first_cycle.pieces import Piece
from gmmal_jax import bind, cycle as cycles, train
from gmmal_jax.cli import doctor
from gmmal_jax.errors import Interrupted
from gmmal_jax.pool import Pool
from gmmal_jax.storage import checkpoint, run_folder
from gmmal_jax.storage.saver import Saver
from gmmal_jax.types import ModelState, PyTree

NUMBERS = {
    "reg_pull": "supervised/reg/gradient_ratio",
    "critic_gap": "alignment/critic/gap",
    "critic_penalty": "alignment/critic/penalty",
    "critic_auc": "critic/auc",
    "held_out_auc": "critic/held_out_auc",
    "critic_entropy": "critic/binary_entropy",
}
"""Column of the table -> diagnostic of the cycle; empty where the arm has none."""
COLUMNS = (
    "scale", "setting", "eval", "seed", "arm", "part", "labeled", "accuracy",
    "balanced_accuracy", "cross_entropy", "labeled_accuracy", "pool_accuracy",
    "distance_before", "distance", "spread", *NUMBERS, "network_steps", "critic_steps",
    "images_forwarded", "seconds", "device", "jax", "begins_with", "network", "note",
)  # fmt: skip
"""Of a row, in order."""
MADE, BEGAN = "row.csv", "began_with.csv"
"""Beside a network of stage 1, and in the folder of what branched from it: its row."""
SAYS_EVERY = 500
"""Steps between two lines of progress."""

Say = Callable[[str], None]
Stop = Callable[[], bool]


class Data(NamedTuple):
    """Where images come from and where what is not finished lies.

    Attributes:
      dataset: "cifar10", or "npz:PATH" with the same arrays.
      data_dir: of prepared TFDS data sets.
      work: folder of checkpoints and networks.
    """

    dataset: str
    data_dir: str | None
    work: Path


def halved(data: Data) -> Data:
    """All pictures at half their side, kept in a file of the working folder."""
    dataset = pictures.place(data.work / "halved.npz", data.dataset, data.data_dir)
    return data._replace(dataset=dataset, data_dir=None)


class Lost(Exception):
    """The network that a piece begins with is not there."""


class _Bound(NamedTuple):
    """A piece, bound to data and device."""

    arm: bind.Arm
    task: cycles.Task
    pool: Pool
    truth: np.ndarray


def folder(piece: Piece, work: Path) -> Path:
    """Where a piece's checkpoints and network lie."""
    names = [part.replace(" ", "_").replace(",", "") for part in piece.key]
    return work.joinpath(*names)


def run(
    piece: Piece,
    data: Data,
    record: Callable[[tables.Row], None],
    say: Say = print,
    stop: Stop = lambda: False,
) -> None:
    """Train a piece from its start or its last checkpoint, and record its row.

    Args:
      piece: to run.
      data: see `Data`.
      record: keeps the row; when it returns, the piece is done.
      say: takes lines of progress.
      stop: asked after every chunk; true saves and ends.

    Raises:
      Lost: the network that it begins with is gone.
      Interrupted: `stop` asked for it.
    """
    bound = _bind(piece, data)
    arm = bound.arm
    saver = Saver(
        arm.places, piece.seed, 0, arm.config.checkpoint, arm.trainer, bound.pool
    )
    standing, warnings = saver.resume(None)
    for line in warnings:
        say(line)
    first, before, network = 0, None, None
    if piece.parent is not None:
        first, began = 1, folder(piece, data.work) / BEGAN
        kept = tables.load(began)
        if standing is None or not kept:
            saver.clean()  # a checkpoint that began with nobody knows what
            standing, (network, before) = None, _parents(piece, data, bound)
            tables.save(began, [before])
        else:
            before = kept[0]
    if standing is None:
        standing = cycles.begin(bound.task, 0, None, network, first)

    def on_chunk(now: train.Standing) -> None:
        assert now.chunk is not None
        name, step, num_steps = now.chunk.name, now.chunk.step, now.chunk.num_steps
        saver.lap(name)
        if step % SAYS_EVERY == 0 or step == num_steps:
            loss = now.chunk.metrics["loss"]
            say(f"{time.strftime('%H:%M:%S')} {name} {step} of {num_steps}: {loss:.4g}")
        ends = stop()
        if ends or saver.is_due(now.chunk):
            saver.save(now)
        if ends:
            raise Interrupted(0)

    outcome = cycles.run(
        bound.task, bound.pool, 0, 0, standing, on_chunk, lambda: saver.lap("scoring")
    )
    row = _row(piece, bound, outcome, saver.timings(), before, first)
    if piece.parent is None:
        network, own = jax.device_get(outcome.state.model), folder(piece, data.work)
        checkpoint.save(own / "network", "network-0", network, {})
        tables.save(own / MADE, [row])
    record(row)
    saver.clean()


def _bind(piece: Piece, data: Data) -> _Bound:
    config = piece.config(data.dataset, data.data_dir)
    run = bind.prepare(config, folder(piece, data.work), 1)
    arm, truth = run.arms[0], analysis.classes(run, piece.seed)
    pool = analysis.begun(run, piece.seed)
    return _Bound(arm, bind.task(run, arm, piece.seed), pool, truth)


def _parents(piece: Piece, data: Data, bound: _Bound) -> tuple[ModelState, tables.Row]:
    """The network of the arm that a piece branches from, host arrays, and its row.

    The row is that of this very network: one that was trained again, on another
    machine, differs from what is on record.

    Raises:
      Lost: there is none, or only a damaged one.
    """
    assert piece.parent is not None
    own = folder(piece.parent, data.work)
    where, made = own / "network", tables.load(own / MADE)
    init = bound.arm.trainer.init
    abstract = jax.eval_shape(lambda: init(jax.random.key(0), None).model)
    found = checkpoint.restore_latest_good(where, abstract)
    if found.state is None or not made:
        raise Lost(str(where))
    network: ModelState = found.state
    return network, made[0]


def fingerprint(tree: PyTree) -> str:
    """Eight hexadecimal digits of all bytes of a tree's leaves."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:8]


def device() -> str:
    """What computes: the accelerator, or the processor and whether it has AVX-512."""
    first = jax.devices()[0]
    if first.platform != "cpu":
        return str(first.device_kind)
    model, vectors = doctor.processor()
    wide = any(flag.startswith("avx512") for flag in vectors)
    return f"{model}{' avx512' if wide else ''}, {run_folder.cores()} core(s)"


def _row(
    piece: Piece,
    bound: _Bound,
    outcome: cycles.Outcome,
    seconds: dict[str, float],
    before: tables.Row | None,
    first_phase: int,
) -> tables.Row:
    view, results, numbers = outcome.view, outcome.results, outcome.diagnostics
    labeled = int(bound.pool.labeled.sum())
    chunk, size = bound.arm.config.train.chunk_steps, len(bound.truth)
    spent = cost(bound.arm.method.learner, chunk, labeled, size, first_phase)
    right = view.columns["logits"].argmax(axis=1) == bound.truth
    latents = view.columns["latents"]
    row: dict[str, Any] = _named(piece) | {
        "labeled": labeled,
        "accuracy": f"{results['accuracy']:.6f}",
        "balanced_accuracy": f"{results['balanced_accuracy']:.6f}",
        "cross_entropy": f"{results['test_loss']:.6f}",
        "labeled_accuracy": f"{right[bound.pool.labeled].mean():.6f}",
        "pool_accuracy": f"{right[~bound.pool.labeled].mean():.6f}",
        "distance_before": before["distance"] if before else "",
        "distance": f"{distances.frechet(latents, bound.pool.labeled):.4g}",
        "spread": f"{distances.spread(latents, bound.pool.labeled, bound.truth):.4g}",
    }
    for column, name in NUMBERS.items():
        row[column] = f"{numbers[name]:.4g}" if name in numbers else ""
    row |= spent
    row |= {
        "seconds": f"{seconds['total']:.0f}",
        "device": device(),
        "jax": jax.__version__,
        "begins_with": before["network"] if before else "",
        "network": fingerprint(outcome.state.model),
        "note": "",
    }
    return {name: str(value) for name, value in row.items()}


def without_result(piece: Piece, why: str) -> tables.Row:
    """The row of a piece that came to nothing; its accuracy is no number."""
    known = _named(piece) | {"device": device(), "jax": jax.__version__}
    numbers = {"accuracy": "nan", "seconds": "0", "note": why}
    row = dict.fromkeys(COLUMNS, "") | known | numbers
    return {name: str(value) for name, value in row.items()}


def _named(piece: Piece) -> dict[str, Any]:
    return {
        "scale": piece.scale,
        "setting": piece.setting,
        "eval": piece.eval,
        "seed": piece.seed,
        "arm": piece.arm,
        "part": piece.part,
    }

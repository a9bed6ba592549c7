"""Seconds of each stage of one cycle of the paper, and what the mixtures take of it.

    python benchmarks/cycle.py [--steps N] [--labeled N] [--json FILE] [--check]

CIFAR-10's shapes (50,000 random images of 32x32x3), ResNet-18 of width 64, the
paper's schedule. On a GPU every step and every image of a stage is run (a refit
once). On a CPU a few are, in CPU seconds of all cores, and the stage is
extrapolated: the column "measured" says which. The paper's own times (its Tables 2
and 3, device unnamed) stand beside ours for reference only.
"""

import argparse
import sys

import harness
import worlds
from harness import Row, Table

BETWEEN = 500  # steps between refits, Table 3
PAPER_STEP = {  # Table 2, ms
    "draw a minibatch B": 33.1505,
    "draw a subset X_s": 4.5133,
    "pass X_s through f": 6.1559,
    "mixture of f(X_s)": 0.0470,
    "losses": 3.7744,
    "update": 141.7344,
}
MIXTURE_LINES = ("draw a subset X_s", "pass X_s through f", "mixture of f(X_s)")
PAPER_BETWEEN, PAPER_REFIT = 144.9939, 22.0256  # Table 3, s
PAPER_SHARES = (0.0566, 0.1519)


PAPER = worlds.Scale("cifar10", (32, 32, 3), 50_000, 10_000, 1000, 1000, {})


def options(parser: argparse.ArgumentParser) -> None:
    """How much is measured, and of which cycle."""
    parser.add_argument("--steps", type=int, help="measured a stage (CPU: 1, GPU: all)")
    parser.add_argument("--labeled", type=int, default=1000, help="rows labeled")


def measure(arguments: argparse.Namespace) -> list[Table]:
    """The paper's cycle, whole on a GPU."""
    import stages

    steps = arguments.steps or (1 if stages.on_cpu() else None)
    # A chunk has to divide the steps between refits, and those measured.
    chunk = next(c for c in (50, 25, 10, 5, 2, 1) if steps is None or steps % c == 0)
    scale = PAPER._replace(
        labeled=arguments.labeled, changes={"train.chunk_steps": chunk}
    )
    return tables(scale, steps, 500 if stages.on_cpu() else None)


def tables(scale: worlds.Scale, steps: int | None, images: int | None) -> list[Table]:
    """The stages, the mixtures' share, the rows of Tables 2 and 3.

    Args:
      scale: what is measured.
      steps: measured a stage, a multiple of the chunk; None: all.
      images: measured of the pool's forward pass; None: all.
    """
    import jax
    import stages
    from stages import Stage

    on_cpu, pool_rows = stages.on_cpu(), scale.pool
    world = worlds.make(scale.preset, scale.image, pool_rows, **scale.changes)
    pool = worlds.pool(world, scale.labeled)
    latents = stages.latents(pool_rows, world.network.latent_size, worlds.NUM_CLASSES)

    state = world.trainer.init(jax.random.key(0), None)
    supervised, state = stages.training(world, pool, state, 0, steps)
    alignment, state = stages.training(world, pool, state, 1, steps)
    forward, columns = stages.embedding(world, state, images)
    fits = stages.refit(world, pool, latents)
    query = stages.query(world, pool, columns | {"latents": latents}, scale.budget)

    first, second = (
        phase.num_steps(scale.labeled, pool_rows - scale.labeled)
        for phase in world.method.learner.phases
    )
    refit = {"forward pass of the pool": forward} | fits
    refits = second // world.config.da.refit_every + 1
    refits_seconds = refits * _total(refit)
    tests = Stage(2 * scale.test / pool_rows * forward.seconds, forward.measured)
    table: dict[str, Stage] = {
        f"supervised, {first:,} steps": supervised,
        f"alignment, {second:,} steps": alignment,
        f"alignment, {refits} refits": Stage(
            refits_seconds, f"one; its forward pass: {forward.measured}"
        ),
        "scoring pass": forward,
        "evaluation, two passes": tests,
        "scores and query": query,
    }
    step, between = supervised.seconds / first, BETWEEN * alignment.seconds / second
    pieces = stages.step_pieces(world, pool, state.model, step)
    return [
        _stages(f"One cycle of the paper, {scale.labeled:,} labels", table, on_cpu),
        _shares(pieces, between, refit),
        _table_2(pieces),
        _table_3(between, refit),
    ]


def _total(parts: dict) -> float:
    return sum(part.seconds for part in parts.values())


def _stages(title: str, table: dict, on_cpu: bool) -> Table:
    total = _total(table)
    rows: list[Row] = [
        {"stage": n, "seconds": s.seconds, "share": s.seconds / total}
        | {"measured": s.measured}
        for n, s in table.items()
    ]
    rows.append({"stage": "cycle", "seconds": total, "share": 1.0, "measured": "sum"})
    note = (
        "CPU seconds of all threads; an idle machine takes no less than that over its "
        "number of cores."
    )
    return Table(title, rows, note=note if on_cpu else "Wall seconds.")


def _shares(pieces: dict[str, float], between: float, refit: dict) -> Table:
    first = sum(pieces[name] for name in MIXTURE_LINES) / sum(pieces.values())
    whole, fits = _total(refit), _total(refit) - next(iter(refit.values())).seconds
    rows: list[Row] = [
        {"stage": "supervised", "share": first, "paper": PAPER_SHARES[0]}
        | {"of it fits alone": pieces["mixture of f(X_s)"] / sum(pieces.values())},
        {"stage": "alignment", "share": whole / (between + whole)}
        | {"paper": PAPER_SHARES[1], "of it fits alone": fits / (between + whole)},
    ]
    note = (
        "The paper's lines: supervised: draw X_s, pass it through f, its mixture; "
        "alignment: one refit in 500 steps, with the pool's forward pass. By the "
        "networks' FLOPs X_s alone is 1,000 forward passes beside a step's 300 "
        "(100 forward and backward), so a clock that waits for the device cannot find "
        "the paper's first figure."
    )
    return Table("Mixtures' share of a stage", rows, note=note)


def _table_2(pieces: dict[str, float]) -> Table:
    rows: list[Row] = [
        {"line": name, "ms": 1e3 * seconds, "paper ms": PAPER_STEP[name]}
        for name, seconds in pieces.items()
    ]
    total = {"ms": 1e3 * sum(pieces.values()), "paper ms": sum(PAPER_STEP.values())}
    note = (
        "Each line is a program of its own; update is the rest of the whole step that "
        "a run compiles. Draws are planned while the device is busy. The paper's "
        "device is unnamed. On a CPU, CPU milliseconds of all threads."
    )
    rows.append({"line": "sum"} | total)
    return Table("One supervised step (the paper's Table 2)", rows, note=note)


def _table_3(between: float, refit: dict) -> Table:
    whole = _total(refit)
    rows: list[Row] = [
        {"line": "500 iterations with a refit", "seconds": between + whole}
        | {"paper seconds": PAPER_BETWEEN, "measured": ""},
        {"line": "refit", "seconds": whole, "paper seconds": PAPER_REFIT},
    ]
    rows += [
        {"line": f"... {name}", "seconds": s.seconds, "measured": s.measured}
        for name, s in refit.items()
    ]
    note = "The paper's device is unnamed. On a CPU, CPU seconds of all threads."
    return Table("500 alignment steps (the paper's Table 3)", rows, note=note)


if __name__ == "__main__":
    sys.exit(harness.main(__doc__, measure, options))

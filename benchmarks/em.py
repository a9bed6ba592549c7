"""EM for diagonal mixtures: time against peers and the machine, accuracy in float32.

    python benchmarks/em.py [--json FILE] [--check]

Same rows, same start, exactly 10 iterations for everyone, float32. CPU seconds are
taken in a child process with one core and one thread, walls with all cores (on an
accelerator walls alone). Peers that are not installed leave an empty cell. cuVS has
a mixture too, but only a C++ interface is documented, so it is not among them.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import em_peers
import em_reference
import harness
import numpy as np
from harness import Floor, Row, Sample, Table

DIMS, ITERS, SHARE = 512, 10, 1e-4
# case -> rows, shards (0: one exact fit), components, peers, rounds
CASES: dict[str, tuple[int, int, int, tuple[str, ...], int]] = {
    "exact 50,000, K=10": (50_000, 0, 10, ("scikit-learn", "torchgmm"), 3),
    "exact 50,000, K=100": (50_000, 0, 100, ("scikit-learn",), 2),
    "25 shards of 2,000, K=10": (50_000, 25, 10, ("scikit-learn",), 3),
    "25 shards of 2,000, K=100": (50_000, 25, 100, ("scikit-learn",), 2),
}
# Far behind: one round, on one core only.
SLOW = {"exact 50,000, K=10": ("gmmx",)}
FLOORS = {
    "exact 50,000, K=10": [
        Floor("x scikit-learn, cpu", at_least=4),
        Floor("x gmmx, cpu", at_least=15),
    ],
    "exact 50,000, K=100": [Floor("x scikit-learn, cpu", at_least=2.5)],
    "25 shards of 2,000, K=10": [
        Floor("% of peak, cpu", at_least=35),
        Floor("x scikit-learn, cpu", at_least=3),
    ],
    "25 shards of 2,000, K=100": [Floor("% of peak, cpu", at_least=65)],
}
KINDS = ("plain", "dead", "constant", "mean/std 100")
# rows, components -> largest relative error of the log-likelihood
BOUNDS = {(5_000, 10): 1e-6, (2_000, 10): 1e-6, (4_000, 100): 2e-5, (2_000, 100): 2e-5}
STREAMED_ROWS = 10**6


def features(num_rows: int, num_components: int, kind: str = "plain") -> np.ndarray:
    """Features as of a pooled ReLU layer: [n, d], float32."""
    rng = np.random.default_rng(num_components)
    patterns = rng.normal(-0.3, 0.5, (num_components, DIMS)).astype(np.float32)
    scale = np.exp(0.5 * rng.standard_normal(DIMS, np.float32))
    x = np.empty((num_rows, DIMS), np.float32)
    for first in range(0, num_rows, 5_000):
        rows = x[first : first + 5_000]
        classes = rng.integers(0, num_components, len(rows))
        own = patterns[classes] + 0.4 * rng.standard_normal(rows.shape, np.float32)
        rows[:] = 0
        for _ in range(4):  # positions that are pooled
            noise = 0.7 * rng.standard_normal(rows.shape, np.float32)
            rows += np.maximum(own + noise, 0)
        rows *= scale / 4
    if kind == "dead":
        x[:, ::5] = 0
    elif kind == "constant":
        x[:, ::5] = 3.7
    elif kind == "mean/std 100":
        x += 100 * x.std(0)
    return x


def random_start(x: np.ndarray, num_components: int) -> em_peers.Parameters:
    """Random rows as means, the data's variances, equal weights."""
    rows = np.random.default_rng(1).choice(len(x), num_components, replace=False)
    variances = x.var(0, dtype=np.float64) + 1e-12
    return (
        np.full(num_components, 1 / num_components, np.float32),
        x[rows],
        np.tile(np.float32(variances), (num_components, 1)),
    )


def floor_of(x: np.ndarray) -> np.ndarray:
    """Our floor of variances, [d], in float64."""
    variance, size = x.var(0, dtype=np.float64), x.mean(0, dtype=np.float64) ** 2
    constant = variance <= (4 * np.finfo(np.float32).eps) ** 2 * size
    return SHARE * np.where(constant, np.where(size > 0, size, 1.0), variance)


def ours(x: np.ndarray, start: em_peers.Parameters, shards: int = 0) -> Callable:
    """Our fit of rows that lie on the device, as peers' do."""
    import jax
    import jax.numpy as jnp

    from gmmal_jax.mixtures import em
    from gmmal_jax.mixtures.moments import Floor
    from gmmal_jax.types import Mixture

    first = Mixture(*map(jnp.asarray, start))
    shape = (shards, -1) if shards else (-1,)
    rows = jnp.asarray(x).reshape(*shape, x.shape[1])
    mask = jnp.ones(rows.shape[:-1], bool)
    fit = em.fit_shards if shards else em.fit
    options: dict[str, Any] = {"num_iters": ITERS, "floor": Floor(SHARE)}
    return lambda: jax.block_until_ready(fit(rows, mask, first, **options)[0])


def limits() -> dict[str, tuple[Callable, float]]:
    """What the machine can do: name -> (call, its floating-point operations or bytes).

    The peak is the better of XLA's and NumPy's product of square matrices.
    """
    import jax
    import jax.numpy as jnp
    from jax import lax

    a = np.random.default_rng(0).random((1024, 1024), np.float32) / 1024
    small = jnp.asarray(a[:512, :512])
    chain = jax.jit(lambda a: lax.fori_loop(0, 80, lambda _, x: x @ a, a))
    z, v = jnp.ones((50_000, 512)), jnp.ones(512)
    read = jax.jit(lambda z, v: z @ v)
    return {
        "XLA": (lambda: chain(small).block_until_ready(), 80 * 2 * 512.0**3),
        "NumPy": (lambda: [a @ a for _ in range(10)], 10 * 2 * 1024.0**3),
        "read": (lambda: read(z, v).block_until_ready(), z.size * 4.0),
    }


def pinned(case: str) -> dict[str, Any] | None:
    """In a child with one core: `timed`; nothing where JAX has an accelerator."""
    import jax

    return timed(case, SLOW.get(case, ())) if jax.default_backend() == "cpu" else None


def timed(case: str, slow_peers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Samples of all contenders of a case, and the machine's rates measured beside."""
    rows, shards, k, peers, rounds = CASES[case]
    x = features(rows, k)
    start, floor = random_start(x, k), float(floor_of(x).mean())
    parts = np.split(x, shards) if shards else [x]

    def build(name: str) -> Callable:
        fits = [found[name](part, start, floor, ITERS) for part in parts]
        return lambda: [fit() for fit in fits]

    found, _ = em_peers.available((*peers, *slow_peers))
    machine = limits()
    contenders = {name: call for name, (call, _) in machine.items()}
    contenders["ours"] = ours(x, start, shards)
    contenders |= {name: build(name) for name in peers if name in found}
    samples = harness.interleaved(contenders, rounds)
    slow = {name: build(name) for name in slow_peers if name in found}
    samples |= harness.interleaved(slow, 1)
    return {
        "samples": {name: list(sample) for name, sample in samples.items()},
        "work": {name: work for name, (_, work) in machine.items()},
        "flops": 8.0 * rows * k * DIMS * ITERS,
        "bytes": 4.0 * rows * DIMS * ITERS,
    }


def columns(result: dict[str, Any], clock: str) -> Row:
    """The columns of one clock, `cpu` or `wall`."""
    samples = {name: Sample(*values) for name, values in result["samples"].items()}
    seconds = {name: getattr(sample, clock) for name, sample in samples.items()}
    own, work = seconds["ours"], result["work"]
    peak = max(work[name] / seconds[name] for name in ("XLA", "NumPy"))
    bandwidth = work["read"] / seconds["read"]
    unit = f", {clock}"
    return {
        "ours ms" + unit: own * 1e3,
        "% of peak" + unit: 100 * result["flops"] / own / peak,
        "% of read" + unit: 100 * result["bytes"] / own / bandwidth,
        **{
            f"x {name}{unit}": seconds[name] / own if name in seconds else None
            for name in em_peers.PEERS
        },
        "peak GFLOP/s" + unit: peak / 1e9,
        "read GB/s" + unit: bandwidth / 1e9,
        "compile s" + unit: max(samples["ours"].first - samples["ours"].wall, 0.0),
    }


def speed() -> Table:
    """Every case on one core by CPU time and on the whole machine by wall."""
    # Children first: this process must not fork once JAX runs threads in it.
    alone = {c: harness.on_one_core(__file__, "--child", c) for c in CASES}
    rows = []
    for case, result in alone.items():
        row: Row = {"case": case}
        if result:
            row |= columns(result, "cpu")
        rows.append(row | columns(timed(case), "wall"))
    _, missing = em_peers.available()
    note = (
        "x: a peer's time over ours; %: of the largest matrix-product rate and of the "
        "read bandwidth measured in the same process, counting 8 N K D operations and "
        "one read of the rows an iteration. gmmx and torchgmm are left out where they "
        "take minutes: K=100 and shards, gmmx by wall. cuVS: no Python "
        "interface."
    )
    title = "Time of 10 iterations, D=512"
    return Table(title, rows, FLOORS, " ".join([note, *missing]))


def nudge(start: em_peers.Parameters) -> em_peers.Parameters:
    """Means moved at random by half a float32 digit."""
    noise = np.random.default_rng(0).standard_normal(start[1].shape)
    return start[0], start[1] * (1 + 6e-8 * noise), start[2]


def error(x: np.ndarray, fit: Callable, reference: em_peers.Parameters) -> float | str:
    """Relative error of the log-likelihood that a fit ends with."""
    try:
        fitted = fit()
    except ValueError:
        return "raises"
    expected = em_reference.log_likelihood(x, reference)
    value = em_reference.log_likelihood(x, fitted)
    return abs(value - expected) / abs(expected) if np.isfinite(value) else "NaN"


def accuracy() -> Table:
    """Log-likelihoods after 10 iterations against float64, on kind and unkind rows."""
    found, _ = em_peers.available()
    rows, floors = [], {}
    for (num_rows, k), bound in BOUNDS.items():
        for kind in KINDS:
            x = features(num_rows, k, kind)
            start, floor = random_start(x, k), floor_of(x)
            reg = float(floor.mean())
            case = f"{num_rows:,} rows, K={k}, {kind}"
            widen = em_reference.raising(floor)
            raised = em_reference.fit(x, start, widen, ITERS)
            row: Row = {"case": case, "ours": error(x, ours(x, start), raised)}
            # What float32 does to the start alone: no fit can be closer than that.
            nudged = em_reference.fit(x, nudge(start), widen, ITERS)
            expected = em_reference.log_likelihood(x, raised)
            unavoidable = abs(em_reference.log_likelihood(x, nudged) / expected - 1)
            row["float64, start rounded"] = unavoidable
            if (num_rows, k) == (2_000, 10):
                added = em_reference.fit(x, start, em_reference.adding(reg), ITERS)
                for name, build in found.items():
                    row[name] = error(x, build(x, start, reg, ITERS), added)
            rows.append(row)
            floors[case] = [Floor("ours", at_most=bound)]
    note = (
        "Relative error of the log-likelihood against a float64 fit from the same "
        "start, with the contender's own regularisation (ours: a floor; peers: "
        "reg_covar, the floor's mean, added). dead: every fifth feature 0; constant: "
        "3.7. 2,000 rows are what a shard has; peers run there at K=10. float64, start "
        "rounded: what moving the start by 6e-8 of itself does to the float64 fit."
    )
    return Table("Accuracy of float32", rows, floors, note)


def averaging() -> Table:
    """What the average of shards loses on rows that no fit has seen."""
    import jax.numpy as jnp

    import gmmal_jax
    from gmmal_jax.types import Mixture

    rows = []
    for k in (10, 100):
        x = features(60_000, k)
        train, test = x[:50_000], x[50_000:]
        start = Mixture(*map(jnp.asarray, random_start(train, k)))
        options: dict[str, Any] = {"start": start, "num_iters": ITERS}
        options["tolerance"] = None
        exact = gmmal_jax.fit_mixture(train, k, **options)
        averaged = gmmal_jax.fit_sharded(train, k, shard_size=2_000, **options)
        rows.append(
            {
                "case": f"K={k}",
                "start": em_reference.log_likelihood(test, start),
                "exact": em_reference.log_likelihood(test, exact.mixture),
                "average of 25 shards": em_reference.log_likelihood(
                    test, averaged.mixture
                ),
                "rho, exact": exact.rho,
                "rho, shards": averaged.rho,
            }
        )
    return Table("Held-out log-likelihood, nats per row (10,000 rows)", rows)


def streamed() -> Table:
    """One exact fit of a memory map that the device never holds whole."""
    import jax.numpy as jnp

    import gmmal_jax
    from gmmal_jax.types import Mixture

    base = features(50_000, 10)
    start = Mixture(*map(jnp.asarray, random_start(base, 10)))
    with tempfile.TemporaryDirectory() as folder:
        shape = (STREAMED_ROWS, DIMS)
        x = np.lib.format.open_memmap(
            Path(folder) / "x.npy", "w+", np.dtype(np.float32), shape
        )
        for first in range(0, STREAMED_ROWS, len(base)):  # rows differ, classes do not
            x[first : first + len(base)] = base * np.float32(1 + 1e-6 * first / 50_000)
        options: dict[str, Any] = {"start": start, "num_iters": ITERS}
        options["tolerance"] = None
        wall, cpu, fit = harness.timed(
            lambda: gmmal_jax.fit_mixture(x, 10, resident_bytes=0, **options)
        )
        row: Row = {
            "case": "1,000,000 x 512 x 10",
            "ours s, wall": wall,
            "ours s, cpu": cpu,
            "million rows/s/iteration": ITERS * STREAMED_ROWS / wall / 1e6,
            "GB on disk": x.nbytes / 1e9,
            "log-likelihood": float(fit.log_likelihood[-1]),
            "live": fit.live,
        }
    note = "64 MiB at a time, read once for the moments and once an iteration; all "
    note += "cores, compilation included. scikit-learn is left out: memory and time."
    return Table("Streamed from a memory map", [row], note=note)


def measure(_: Any) -> list[Table]:
    """All tables."""
    return [speed(), accuracy(), averaging(), streamed()]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(pinned(sys.argv[2])))
        sys.exit()
    sys.exit(harness.main(__doc__, measure))

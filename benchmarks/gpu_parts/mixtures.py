"""EM beside the card's own limits and beside other implementations."""

import statistics
from collections.abc import Callable
from typing import Any

import em
import em_peers
import numpy as np

from gmmal_jax import plugins
from gpu_parts import limits
from gpu_parts.base import Context, Found, Size, share

PEERS = ("torchgmm", "gmmx")
FEW_ROWS = 200_000
"""Peers that form rows x components x dimensions are not given more."""


def measure(context: Context) -> Found:
    """Ten iterations of each case; peers on the exact ones of few rows."""
    size, rates = context.size, limits.measure(context.size)
    found, missing = em_peers.available(PEERS)
    for name, reference in context.peers.items():
        found[name] = plugins.resolve(reference, f"--peer {name}")
    results, failed = {}, []
    for case in size.mixtures:
        results[case], lost = _case(size, case, found, rates)
        failed += lost
    case, first = next(iter(results.items()))
    headline = (
        f"{case}: {first['milliseconds']['ours']:.3g} ms, "
        f"{share(first['share_of_bandwidth'], 1)} of the bandwidth limit, "
        f"{share(first['share_of_products'], 1)} of products"
    )
    return Found(headline, results, (*missing, *failed))


def _case(
    size: Size, case: str, peers: dict[str, Any], rates: limits.Limits
) -> tuple[dict[str, Any], list[str]]:
    num_rows, shards, k = size.mixtures[case]
    x = _rows(size, num_rows, k)
    start = em.random_start(x[:50_000], k)
    calls: dict[str, Callable[[], Any]] = {"ours": em.ours(x, start, shards)}
    lost = []
    if not shards and num_rows <= FEW_ROWS:
        floor = float(x.var(0).mean() * em.SHARE)
        for name, build in peers.items():
            fit = build(x, start, floor, em.ITERS)
            try:
                fit()
            except Exception as error:  # a peer's failure is a result of its own
                lost.append(f"{name}, {case}: {type(error).__name__}: {error}"[:300])
                continue
            calls[name] = fit
    times = limits.alternating(calls, size.rounds)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    work = 8.0 * num_rows * k * size.dims * em.ITERS
    read = 4.0 * num_rows * size.dims * em.ITERS
    own = seconds["ours"]
    return {
        "milliseconds": {name: 1e3 * value for name, value in seconds.items()},
        "peers_over_ours": {n: s / own for n, s in seconds.items() if n != "ours"},
        # A copy reads and writes: a read alone has the same bytes a second.
        "share_of_bandwidth": read / own / rates.copy,
        "share_of_products": work / own / rates.products["float32"],
        "rows_a_second_and_iteration": em.ITERS * num_rows / own,
    }, lost


def _rows(size: Size, num_rows: int, k: int) -> np.ndarray:
    """Features of a pooled layer; a million are twenty copies, slightly apart."""
    base = em.features(min(num_rows, 50_000), k)[:, : size.dims]
    copies = -(-num_rows // len(base))
    scaled = [base * np.float32(1 + 1e-4 * copy) for copy in range(copies)]
    return np.concatenate(scaled)[:num_rows]

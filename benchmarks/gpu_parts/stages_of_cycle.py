"""Seconds of a whole cycle by stage, images and rows a second, k-means alone."""

import cycle
import selection_kmeans

from gpu_parts import limits
from gpu_parts.base import Context, Found

CLUSTERS = {"full": (10, 300, 100), "dry": (2, 30, 5)}
"""Size -> groups, candidates and clusters of a query's k-means."""


def measure(context: Context) -> Found:
    """The tables of `cycle.py`; on a CPU two steps a stage, in CPU seconds."""
    size, scale = context.size, context.size.scale
    steps = None if size.name == "full" else size.chunk
    tables = cycle.tables(scale, steps, None)
    stages = {row["stage"]: row["seconds"] for row in tables[0].rows}
    between = next(row for row in tables[3].rows if row["line"].startswith("500"))
    mixture = next(r for r in tables[3].rows if "EM on the pool" in r["line"])
    start, lloyd = selection_kmeans.ours(
        *selection_kmeans.problem(*CLUSTERS[size.name])
    )
    rates = {
        "readout, images a second": scale.pool / stages["scoring pass"],
        "query, rows a second": scale.pool / stages["scores and query"],
        "EM with merge, rows a second": scale.pool / mixture["seconds"],
        "k-means start, seconds": limits.seconds(start),
        "k-means Lloyd, seconds": limits.seconds(lloyd),
    }
    results = {
        "tables": [{"title": t.title, "note": t.note, "rows": t.rows} for t in tables],
        "rates": rates,
    }
    headline = (
        f"a cycle {stages['cycle']:.4g} s; 500 alternating steps with a refit "
        f"{between['seconds']:.3g} s; readout "
        f"{rates['readout, images a second']:,.0f} images/s"
    )
    return Found(headline, results)

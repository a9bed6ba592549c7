"""Real training: the pieces of `experiments.first_cycle`, as many as the time takes."""

import shutil

from experiments import tables
from experiments.first_cycle import report, run, work
from gmmal_jax.errors import Interrupted
from gpu_parts import pictures
from gpu_parts.base import Context, Found

TABLE = "first_cycle.csv"


def measure(context: Context) -> Found:
    """Go on with the experiment where its rows end, until the time is up."""
    results, scale = context.out / TABLE, context.size.experiment
    if not results.exists() and run.RESULTS.exists() and scale != "toy":
        shutil.copyfile(run.RESULTS, results)
    before = len(tables.load(results))
    dataset = f"npz:{pictures.file(context)}"
    data = work.Data(dataset, None, context.work / "first_cycle")
    finished = True
    try:
        run.missing(
            scale, data, results, stop=context.is_over,
            most=1 if scale == "toy" else None,
        )  # fmt: skip
    except Interrupted:
        finished = False
    rows = tables.load(results)
    left = len(run.left(scale, rows))
    done = rows[before:]
    headline = f"{len(done)} pieces done now, {left} left"
    if scale != "toy":
        print(report.status(rows, scale))
        finished = finished and not left
    found = {"rows": done, "left": left}
    return Found(headline, found, finished=finished)

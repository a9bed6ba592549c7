"""How well mixtures of several forms describe latents that they were not fitted to.

A first cycle is trained, a fifth of its unlabeled rows is held out, and each form is
fitted to the others, all from k-means++ and until an iteration gains less than 0.001
nats. Nothing looks at a label. Rows lie beside those of accuracy:

    OUT/cpu/digits_balanced_likelihood.csv    a row a seed and form
    OUT/cpu/digits_balanced_likelihood.json   what each seed's came by, their digest
"""

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

import gmmal_jax
from experiments import tables
from experiments.paper import made, maps
from experiments.paper.plan import Task
from experiments.paper.store import Body, Store, digest
from experiments.tables import Row
from gmmal_jax.errors import PrecisionWarning, UserError
from gmmal_jax.mixtures.evaluate import evaluate
from gmmal_jax.report import estimate, markdown, show
from gmmal_jax.storage import files

HELD_OUT = 0.2
"""Of the unlabeled rows."""


class Mixture(NamedTuple):
    """A form of a mixture.

    Attributes:
      components: for each class.
      covariance: of a component.
      fit: on shards of the rows, whose components are averaged, or on all at once.
    """

    components: int
    covariance: Literal["diag", "spherical"]
    fit: Literal["sharded", "exact"]

    @property
    def words(self) -> str:
        """How tables call it."""
        return f"{self.components} a class, {self.covariance}, {self.fit} EM"


PAPERS = Mixture(1, "diag", "sharded")
MIXTURES = (
    PAPERS,
    *(PAPERS._replace(components=n, fit="exact") for n in (1, 2, 4)),
    *(PAPERS._replace(components=n) for n in (2, 4)),
    *(Mixture(n, "spherical", "exact") for n in (1, 4)),
)
"""The paper's first; others differ from it by one thing or two."""


def take(task: Task, data: Path | None, store: Store) -> None:
    """Train a first cycle and fit every form to its latents; what is there stays.

    Args:
      task: whose first cycle it is.
      data: the folder of pictures.
      store: of the results.
    """
    if current(task, store):
        return
    first = maps.first_cycle(task, data, store)
    view = first.outcome.view
    latents = np.asarray(view.columns["latents"][np.flatnonzero(~view.labeled)])
    order = np.random.default_rng(task.seed).permutation(len(latents))
    held = round(HELD_OUT * len(latents))
    parts = latents[np.sort(order[held:])], latents[np.sort(order[:held])]
    own = [_row(task, each, *parts) for each in MIXTURES]
    world = task.form.key
    came_by = first.came_by | {"rows": digest(own)}
    body = _read(world, store) | {str(task.seed): came_by}
    text = json.dumps(body, indent=1, sort_keys=True) + "\n"
    there = [r for r in _rows(world, store) if r["seed"] != str(task.seed)]
    every = sorted([*there, *own], key=lambda row: int(row["seed"]))
    tables.save(store.path(world, "_likelihood.csv"), every)
    files.write_atomic(store.path(world, "_likelihood.json"), text)


def _row(task: Task, form: Mixture, fitted: np.ndarray, held: np.ndarray) -> Row:
    """A form's numbers, nats a row."""
    num = form.components * task.form.classes
    options: dict[str, Any] = {
        "covariance": form.covariance,
        "seed": task.seed,
        "variance_floor": task.config.gmm.variance_floor,
    }
    with warnings.catch_warnings():
        # Dimensions that the floor holds are the same ones for all forms.
        warnings.simplefilter("ignore", PrecisionWarning)
        if form.fit == "sharded":
            found = gmmal_jax.fit_sharded(fitted, num, **options)
        else:
            found = gmmal_jax.fit_mixture(fitted, num, **options)
    nats = [
        np.mean(evaluate("log_likelihood", rows, found.mixture))
        for rows in (held, fitted)
    ]
    return {
        "seed": str(task.seed),
        "mixture": form.words,
        "held_out": f"{nats[0]:.6f}",
        "fitted": f"{nats[1]:.6f}",
        "live": str(found.live),
    }


def about(task: Task, store: Store) -> Body:
    """What a seed's rows came by, and their digest; empty where nothing is kept.

    Raises:
      UserError: the file is damaged.
    """
    found: Body = _read(task.form.key, store).get(str(task.seed), {})
    return found


def rows(task: Task, store: Store) -> list[Row]:
    """A seed's rows, one for each form of a mixture; none where it has none."""
    every = _rows(task.form.key, store)
    return [row for row in every if row["seed"] == str(task.seed)]


def current(task: Task, store: Store) -> Body:
    """`about`, where it is of the plan's settings and of all that was recorded.

    Raises:
      UserError: the file is damaged.
    """
    found = about(task, store)
    if not found or found["settings"] != made.settings(task):
        return {}
    return {} if any(complaints(rows(task, store), found)) else found


def complaints(own: Sequence[Row], piece: Body) -> Iterator[str]:
    """What is wrong with a seed's rows.

    Args:
      own: from `rows`.
      piece: from `about`.
    """
    if digest(own) != piece["rows"]:
        yield "its rows are not those that were recorded"
    if [row["mixture"] for row in own] != [mixture.words for mixture in MIXTURES]:
        yield "not a row for each form of a mixture"


def _read(world: str, store: Store) -> Body:
    path = store.path(world, "_likelihood.json")
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
        names = ("settings", "data", "versions")
        return {
            # Older programs kept no digest.
            seed: {n: own[n] for n in names} | {"rows": own.get("rows", "")}
            for seed, own in found.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        remedy = "remove it and run `components` again"
        raise UserError("not what likelihoods came by", str(path), remedy) from None


def _rows(world: str, store: Store) -> list[Row]:
    return tables.load(store.path(world, "_likelihood.csv"))


def part(tasks: Sequence[Task], store: Store) -> str:
    """Markdown: every form of a mixture, and its difference to the paper's.

    Args:
      tasks: the seeds of a world; those that are not done are left out.
      store: of the results.
    """
    done = [task for task in tasks if current(task, store)]
    if not done:
        return ""
    own, form = [row for task in done for row in rows(task, store)], done[0].form
    base = _by_seed(own, PAPERS, "held_out")
    heads = ["components", "seeds", "held out", "less the paper's form", "fitted to"]
    lines = [[*heads, "live components"]]
    for mixture in MIXTURES:
        held, fitted, live = (
            _by_seed(own, mixture, name) for name in ("held_out", "fitted", "live")
        )
        gaps = [held[seed] - base[seed] for seed in held]
        less = "" if mixture == PAPERS else show(estimate(gaps), "+")
        cells = [_mean(held), less, _mean(fitted), f"{np.mean([*live.values()]):.1f}"]
        lines.append([mixture.words, str(len(held)), *cells])
    title = f"**{form.title}**: log-likelihood of latents (nats a row), {form.network}"
    return f"{title}\n\n{markdown.table(lines)}"


def _by_seed(rows: Sequence[Row], mixture: Mixture, name: str) -> dict[str, float]:
    return {r["seed"]: float(r[name]) for r in rows if r["mixture"] == mixture.words}


def _mean(values: dict[str, float]) -> str:
    return show(estimate([*values.values()]))

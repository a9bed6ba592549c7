"""Does what lies among full results come of the paper's configuration?

Pictures are known again by a sum of them where the published ones were at hand, and by
the numbers of each class elsewhere: see `published`.
"""

from collections.abc import Iterator
from pathlib import Path

from experiments.beyond import likelihood
from experiments.paper import NAMES, hardness, looks, made, published, worlds
from experiments.paper.experiment import EVERY, SEEDS, load
from experiments.paper.looks import Look
from experiments.paper.plan import Task, of_forms, seen
from experiments.paper.store import Body, Store, digest, piece_name
from experiments.paper.worlds import DATA, World
from experiments.tables import Row


def complaints(out: Path) -> list[str]:
    """A line for each result at full scale that is none.

    Raises:
      UserError: a file of results is damaged.
    """
    store, planned = Store(out, "full"), _planned()
    found = [
        f"{world}: {line}"
        for world in store.worlds()
        for line in _of_world(world, store, planned)
    ]
    return found + list(_of_looks(store)) + list(_of_likelihoods(store))


def _of_looks(store: Store) -> Iterator[str]:
    for name in NAMES:
        experiment = load(name)
        for world in experiment.worlds:
            for task in seen(experiment, [worlds.form(world, "full", True)]):
                lines = _of_look(looks.of(experiment), world, task, store)
                yield from (f"{name}: {line}" for line in lines)


def _of_look(look: Look, world: World, task: Task, store: Store) -> Iterator[str]:
    about = look.about(task, store)
    if not about:
        return
    yield from _came_by(task, world, about)
    if look.digest(task, store) != about.get(look.kept):
        yield f"its {look.kept} are not those that were recorded"
    if look is looks.HARDNESS:
        rows = hardness.rows(task, store)
        yield from _labels(task, rows)
        if any(row["first"] != str(hardness.FIRST) for row in rows):
            yield f"not of the first {hardness.FIRST:,} rows"


def _of_likelihoods(store: Store) -> Iterator[str]:
    for name in EVERY:
        experiment = load(name)
        for world in experiment.worlds if "likelihood" in experiment.shown else ():
            form = worlds.form(world, "full", True)
            for task in of_forms(experiment, [form], SEEDS):
                for line in _of_likelihood(world, task, store):
                    yield f"{name}: {form.key}, seed {task.seed}: {line}"


def _of_likelihood(world: World, task: Task, store: Store) -> Iterator[str]:
    about, rows = likelihood.about(task, store), likelihood.rows(task, store)
    if about:
        yield from _came_by(task, world, about)
        yield from likelihood.complaints(rows, about)
    elif rows:
        yield "nothing says what its rows came by"


def _came_by(task: Task, world: World, about: Body) -> Iterator[str]:
    """Of what keeps its settings whole, beside its rows."""
    own = {"settings": digest(about["settings"])}
    yield from _settings(task, about["settings"], own)
    yield from _data(world, about["data"])


def _planned() -> dict[tuple[str, str, str], tuple[World, Task]]:
    """All pieces of the experiments, by the keys of rows."""
    found = {}
    for experiment in map(load, EVERY):
        for world in experiment.worlds:
            form = worlds.form(world, "full", True)
            for arm in experiment.arms.values():
                for seed in range(SEEDS):
                    task = Task(form, arm, seed)
                    found[task.key] = world, task
    return found


def _of_world(
    key: str, store: Store, planned: dict[tuple[str, str, str], tuple[World, Task]]
) -> Iterator[str]:
    about, grouped = store.about(key), dict[tuple[str, str, str], list[Row]]()
    for row in store.rows(key):
        grouped.setdefault((row["world"], row["arm"], row["seed"]), []).append(row)
    for piece, rows in grouped.items():
        if piece not in planned or piece[0] != key:
            yield f"{piece_name(*piece[1:])}: no piece of the paper's"
            continue
        world, task = planned[piece]
        own = about["pieces"].get(piece_name(*piece[1:]), {})
        lines = (
            *_rows(task, rows, own),
            *_settings(task, about["settings"].get(own.get("settings")), own),
            *_data(world, about["data"]),
        )
        yield from (f"{piece_name(*piece[1:])}: {line}" for line in lines)


def _labels(task: Task, rows: list[Row]) -> Iterator[str]:
    config = task.config
    wanted = [config.initial + i * config.budget for i in range(config.cycles)]
    if [int(row["labeled"]) for row in rows] != wanted:
        yield f"labels are not {wanted[0]:,} to {wanted[-1]:,}"


def _rows(task: Task, rows: list[Row], piece: Body) -> Iterator[str]:
    if digest(rows) != piece.get("rows"):
        yield "its rows are not those that were recorded"
    yield from _labels(task, rows)
    if any(row["eval"] != "test" for row in rows):
        yield "not measured on test pictures"


def _settings(task: Task, found: Body | None, piece: Body) -> Iterator[str]:
    if found is None or digest(found) != piece.get("settings"):
        yield "its settings are not those that were recorded"
        return
    wanted = made.settings(task)
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            yield f"{name} is {found.get(name)!r}, the paper's {wanted.get(name)!r}"


def _data(world: World, found: Body) -> Iterator[str]:
    own = DATA[world.data]
    for name, num in (("train", own.train), ("test", own.test)):
        shape = [num, *own.image]
        if found.get(name) != shape:
            yield f"{name} pictures are {found.get(name)}, the paper's {shape}"
    if len(found.get("classes", ())) != own.classes:
        yield f"not of {own.classes} classes"
    yield from published.complaints(world.data, found)

"""What each table and figure stands on: the paper's own, part of it, a substitute."""

from collections.abc import Sequence
from pathlib import Path

from experiments.beyond import likelihood
from experiments.paper import NAMES, looks, timing, worlds
from experiments.paper.experiment import SEEDS, Experiment, load
from experiments.paper.plan import of_forms, seen
from experiments.paper.store import Body, Store, piece_name
from experiments.paper.worlds import Form, World
from gmmal_jax.config import Config, alignment_steps
from gmmal_jax.report import markdown

HEADS = ("", "data", "K", "network", "labels", "steps", "seeds", "device", "state")


def table(out: Path, names: Sequence[str] = NAMES) -> str:
    """Markdown: a line for what each experiment has, or for what it lacks.

    Args:
      out: the results.
      names: of the experiments.

    Raises:
      UserError: a file of results is damaged.
    """
    lines = [list(HEADS)]
    for name in names:
        lines += [[name, *cells] for cells in lines_of(load(name), out)]
    return markdown.table(lines)


def lines_of(experiment: Experiment, out: Path) -> list[list[str]]:
    """Cells of an experiment: of its full scale, of each substitute on record."""
    own = [worlds.form(world, "full", True) for world in experiment.worlds]
    if not experiment.runs:
        if "timing" in experiment.shown:
            return [_line(own, 1, *timing.state(out))]
        if "likelihood" in experiment.shown:
            return [line for w in experiment.worlds for line in _likely(w, out)]
        return _seen(experiment, own, out)
    done, device = _done(experiment, own, Store(out, "full"))
    whole = len(of_forms(experiment, own, SEEDS))
    found, seeds = [], _seeds(experiment, done)
    if done:
        state = "full" if done == whole else f"partial ({done} of {whole})"
        found.append(_line(own, seeds, device, state))
    found += _substituted(experiment, out)
    if not found:
        needs = " and ".join(dict.fromkeys(form.source for form in own))
        found.append(_line(own, SEEDS, "", f"not run: needs {needs} and a GPU"))
    return found


def _seen(experiment: Experiment, own: Sequence[Form], out: Path) -> list[list[str]]:
    """Of a figure that shows what rows do not hold: one seed."""
    look, found = looks.of(experiment), []
    for scale in worlds.SCALES:
        store = Store(out, scale)
        for world in experiment.worlds:
            for form in worlds.forms(world, scale):
                abouts = [look.about(t, store) for t in seen(experiment, [form])]
                if all(abouts):
                    name = form.title.rpartition(", ")[0]
                    stands_in = f"substitute ({name}, {form.network})"
                    state = "full" if form.full else stands_in
                    found.append(_line([form], 1, device(abouts[0]), state))
    return found or [_line(own, 1, "", f"not run: needs {own[0].source} and a GPU")]


def _likely(world: World, out: Path) -> list[list[str]]:
    """Of a world's likelihoods: of its full scale, of each substitute on record."""
    found = []
    for scale in worlds.SCALES:
        for form in worlds.forms(world, scale):
            pieces = likelihood.pieces(form, Store(out, scale))
            if pieces:
                state, num = f"substitute ({_name(form)}, {form.network})", len(pieces)
                if form.full:
                    whole = num == SEEDS
                    state = "full" if whole else f"partial ({num} of {SEEDS})"
                found.append(_line([form], num, device(pieces[0]), state))
    own = worlds.form(world, "full", True)
    needed = f"not run: needs {own.source} and a GPU"
    return found or [_line([own], SEEDS, "", needed)]


def _name(form: Form) -> str:
    """Of the pictures, without the setting."""
    return form.title.rpartition(", ")[0]


def state(experiment: Experiment, out: Path) -> str:
    """The first line's last cell."""
    return lines_of(experiment, out)[0][-1]


def _substituted(experiment: Experiment, out: Path) -> list[list[str]]:
    """A line for each data set that stands in, the nearest to the paper's first."""
    store, found = Store(out, "cpu"), []
    forms = dict.fromkeys(
        form for world in experiment.worlds for form in worlds.forms(world, "cpu")
    )
    for name in dict.fromkeys(form.title.rpartition(", ")[0] for form in forms):
        own = [form for form in forms if form.title.rpartition(", ")[0] == name]
        done, device = _done(experiment, own, store)
        if not done:
            continue
        arms = len({*experiment.arms.values()}) * len(own)
        state = f"substitute ({name}, {own[0].network})"
        if done % arms:
            state += f", {done} of {-(-done // arms) * arms}"
        found.append(_line(own, -(-done // arms), device, state))
    return found


def _seeds(experiment: Experiment, done: int) -> int:
    arms = len({*experiment.arms.values()}) * len(experiment.worlds)
    return min(SEEDS, -(-done // arms))


def _done(
    experiment: Experiment, forms: Sequence[Form], store: Store
) -> tuple[int, str]:
    """How many pieces of five seeds have rows, and what computed them."""
    tasks = of_forms(experiment, forms, SEEDS)
    there = store.done(tasks)
    found = [task for task in tasks if task.key in there]
    about = {form.key: store.about(form.key)["pieces"] for form in forms}
    devices = dict.fromkeys(
        device(about[task.form.key].get(piece_name(task.arm, task.seed)))
        for task in found
    )
    return len(found), ", ".join(devices)


def device(piece: Body | None) -> str:
    """What computed a piece, in short."""
    versions = (piece or {}).get("versions", {})
    cores = f", {versions.get('cores')} core(s)"
    name = versions.get("device", "unknown")
    return f"{name}{cores}" if name == "cpu" else str(name)


def _line(forms: Sequence[Form], seeds: int, device: str, state: str) -> list[str]:
    def each(values: Sequence[str]) -> str:
        return " / ".join(dict.fromkeys(values))

    return [
        each([form.title for form in forms]),
        each([str(form.classes) for form in forms]),
        each([form.network for form in forms]),
        each([_labels(form.config) for form in forms]),
        each([_steps(form.config) for form in forms]),
        str(seeds),
        device,
        state,
    ]


def _labels(config: Config) -> str:
    return f"{config.initial:,} to {config.labels_wanted():,}"


def _steps(config: Config) -> str:
    """Of stage 1 and of stage 2."""
    train = config.train
    first = f"{train.steps:,}" if train.steps else f"{train.epochs} epochs"
    return f"{first} + {alignment_steps(train, config.da):,}"

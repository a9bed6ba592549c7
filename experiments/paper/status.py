"""What each table and figure stands on: the paper's own, part of it, a substitute."""

from collections.abc import Sequence
from pathlib import Path

from experiments.paper import NAMES, held, timing, worlds
from experiments.paper.experiment import SEEDS, Experiment, load
from experiments.paper.held import Held
from experiments.paper.store import Body, Store
from experiments.paper.worlds import Form
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
    if "timing" in experiment.shown:
        return [_line(own, 1, *timing.state(out))]
    full, found = held.of(experiment, own, Store(out, "full")), []
    if full.seeds:
        found.append(_line(own, full.seeds_done, _devices(full), _words(full, SEEDS)))
    found += _substituted(experiment, out)
    if not found:
        needs = " and ".join(dict.fromkeys(form.source for form in own))
        seeds = 1 + max(piece.task.seed for piece in full.pieces)
        found.append(_line(own, seeds, "", f"not run: needs {needs} and a GPU"))
    return found


def state(experiment: Experiment, out: Path) -> str:
    """The first line's last cell."""
    return lines_of(experiment, out)[0][-1]


def _substituted(experiment: Experiment, out: Path) -> list[list[str]]:
    """A line for each data set that stands in, the nearest to the paper's first.

    As many seeds are wanted of all of them as any arm of one has.
    """
    store, found = Store(out, "cpu"), dict[str, list[Form]]()
    for world in experiment.worlds:
        for form in worlds.forms(world, "cpu"):
            found.setdefault(_name(form), []).append(form)
    forms = {name: list(dict.fromkeys(own)) for name, own in found.items()}
    every = {name: held.of(experiment, own, store) for name, own in forms.items()}
    wanted = max(own.seeds for own in every.values())
    lines = []
    for name in _listed(experiment, every):
        first, own = forms[name][0], every[name]
        stands_in = f"substitute ({name}, {first.network})"
        cells = own.seeds_done, _devices(own), _words(own, wanted, stands_in)
        lines.append(_line(forms[name], *cells))
    return lines


def _listed(experiment: Experiment, every: dict[str, Held]) -> list[str]:
    """Names of what stands in: what has a piece, and what belongs to it.

    Where published pictures were at hand for one world, they are wanted for all.
    """
    nearest = [worlds.form(world, "cpu", True) for world in experiment.worlds]
    begun = any(form.kept and every[_name(form)].seeds for form in nearest)
    first = dict.fromkeys(map(_name, nearest))
    wanted = first if begun else ()
    names = dict.fromkeys([*first, *every])
    return [name for name in names if every[name].seeds or name in wanted]


def _words(own: Held, seeds: int, whole: str = "") -> str:
    """A state: the words of a whole one, how much of it is there, what is stale.

    Args:
      own: what is on record.
      seeds: that are wanted of each arm.
      whole: what a substitute is called.
    """
    done, wanted = len(own.done), own.wanted(seeds)
    part = f"partial ({done} of {wanted})" if done < wanted else ""
    stale = f"{own.stale} stale" if own.stale else ""
    return ", ".join(filter(None, (whole, part, stale))) or "full"


def _devices(own: Held) -> str:
    """What computed it."""
    return ", ".join(dict.fromkeys(device(piece.came_by) for piece in own.done))


def _name(form: Form) -> str:
    """Of the pictures, without the setting."""
    return form.title.rpartition(", ")[0]


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

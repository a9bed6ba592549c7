"""Results as Markdown: ours beside the paper's at full scale, alone otherwise."""

from collections.abc import Sequence
from pathlib import Path

from experiments import beyond
from experiments.beyond import classes, likelihood
from experiments.beyond.arms import CONTROLS
from experiments.paper import curves, hardness, looks, maps, values, worlds
from experiments.paper.curves import Curves
from experiments.paper.experiment import COUNTED, SEEDS, Experiment
from experiments.paper.maps import Panel
from experiments.paper.plan import Task, of_forms, seen
from experiments.paper.status import device
from experiments.paper.store import Body, Store, piece_name
from experiments.paper.worlds import DATA, Form, Scale, World
from gmmal_jax.report import Estimate, estimate, markdown, show
from gmmal_jax.storage import files

WORDS = {
    "accuracy": "test accuracy (%)",
    "labeled_class_entropy": "entropy of the labeled set's classes (nats)",
    "critic_entropy": "entropy of the critic's outputs (nats)",
    classes.UNSEEN: "share of a query that is of classes without a label before it "
    "(%), by the labels after it",
    classes.MINOR: "share of a query that is of minor classes (%), by the labels after "
    "it",
}
BESIDE = {
    "accuracy": ("steps", "images"),
    classes.UNSEEN: ("queries until all classes have labels",),
}
"""More columns of a table."""
_LEGEND = (
    "±: half of a 95 % t-interval over seeds; differences are within seeds, and "
    "nothing is adjusted for how many there are. Steps: of the network's optimizer. "
    "Images: those that training reads; a subset of Reg counts in every step, also "
    "where several steps share it. Both are of all cycles."
)
_BESIDE = "The lines `paper` are what the paper prints: nothing of them was run here."
_ALONE = "The paper has no numbers of this."
_SEVERAL = (
    "{} kinds of processor ran these rows ([which]({}.json)): arms that train alike "
    "may differ in their first cycle where they ran on different ones."
)
_STANDS_IN = (
    "What `{}` asks, of other pictures, a smaller network, fewer labels and steps, and "
    "DA without a gradient through the mixtures: nothing here is comparable with a "
    "number of the paper."
)


def write(experiment: Experiment, name: str, scale: Scale, out: Path) -> Path | None:
    """Write the page of what is on record; None: nothing is."""
    store = Store(out, scale)
    parts = [
        _part(experiment, world, form, shown, store)
        for world, form in _forms(experiment, scale, store)
        for shown in experiment.shown
        if experiment.runs
    ]
    if parts and "accuracy" in experiment.shown:
        parts.append(_LEGEND)
    parts += _likelihoods(experiment, scale, store)
    parts += _looks(experiment, scale, store)
    if not parts:
        return None
    head = f"# {experiment.title}" if scale == "full" else "# Substitutes"
    note = _ALONE if name in beyond.NAMES else _BESIDE
    note = note if scale == "full" else _STANDS_IN.format(name)
    path = store.path(name, ".md")
    files.write_atomic(path, "\n\n".join([head, note, *parts]) + "\n")
    return path


def _forms(
    experiment: Experiment, scale: Scale, store: Store
) -> list[tuple[World, Form]]:
    """Forms with a row of the experiment, each once."""
    found: dict[str, tuple[World, Form]] = {}
    for world in experiment.worlds:
        for form in worlds.forms(world, scale):
            if store.done(of_forms(experiment, [form], 1)):
                found.setdefault(form.key, (world, form))
    return list(found.values())


def _likelihoods(experiment: Experiment, scale: Scale, store: Store) -> list[str]:
    """Tables of held-out likelihoods; none where no first cycle is on record."""
    if "likelihood" not in experiment.shown:
        return []
    found = dict.fromkeys(
        form for world in experiment.worlds for form in worlds.forms(world, scale)
    )
    seeds = (of_forms(experiment, [form], SEEDS) for form in found)
    return [text for tasks in seeds if (text := likelihood.part(tasks, store))]


def _looks(experiment: Experiment, scale: Scale, store: Store) -> list[str]:
    """What rows do not hold, of those forms that have it all on record."""
    number = experiment.title.rpartition(" ")[2]
    look, found = looks.of(experiment), dict[str, str]()
    for world in experiment.worlds:
        for form in worlds.forms(world, scale):
            tasks = seen(experiment, [form])
            if not tasks or not all(look.current(task, store) for task in tasks):
                continue
            if look is looks.HARDNESS:
                own = [hardness.part(task, store, number) for task in tasks]
                found[form.key] = "\n\n".join(own)
            else:
                stem = store.path(f"{form.key}_map_{number}", "")
                found[form.key] = _map(experiment, tasks, store, stem)
    return list(found.values())


def _map(
    experiment: Experiment, tasks: Sequence[Task], store: Store, stem: Path
) -> str:
    """A picture of first cycles."""
    panels = [
        Panel(
            name if len(tasks) > 1 else maps.WORDS.get(shown, shown),
            maps.read(task, store),
            shown,
        )
        for name, task in zip(experiment.seen, tasks, strict=True)
        for shown in experiment.panels
    ]
    picture, _ = maps.draw(panels, stem)
    title = "; ".join(panel.title for panel in panels)
    image = f"![{tasks[0].form.title}: {title}]({picture.name})"
    about = f"**{tasks[0].form.title}**: {title}, one seed, {tasks[0].form.network}"
    return "\n\n".join([about, image, maps.told(panels)])


def _part(
    experiment: Experiment, world: World, form: Form, shown: str, store: Store
) -> str:
    """One table: an arm's line, and at full scale the paper's below it."""
    arms = _arms(experiment, form, shown, store)
    sizes, found = _sizes(form, shown), _found(arms, form, shown, store)
    beside = BESIDE.get(shown, ())
    heads = ["method", "whose", "seeds", *(f"{n:,}" for n in sizes), "mean", *beside]
    lines, pieces = [[*heads, "device"]], list[Body]()
    for name, arm in arms.items():
        cells = [*_ours(found[name]), *_beside(store, form, arm, shown)]
        own = _pieces(store, form, arm)
        lines.append([name, "ours", *cells, ", ".join(dict.fromkeys(map(device, own)))])
        pieces += own
        if form.full and shown == "accuracy":
            lines += _paper(experiment, world, name, sizes)
    lines += _differences(experiment, found)
    parts = [f"**{form.title}**: {WORDS[shown]}, {form.network}"]
    parts += _drawn(experiment, form, shown, found, store)
    parts += [markdown.table(_even(lines)), *_processors(pieces, form)]
    return "\n\n".join(parts)


def _arms(
    experiment: Experiment, form: Form, shown: str, store: Store
) -> dict[str, str]:
    """Arms of a table; of accuracy DA's controls are among them, once they were run."""
    found = dict(experiment.arms)
    if shown != "accuracy":
        return found
    rows = store.current(form, store.rows(form.key))
    there = {row["arm"] for row in rows} - {*found.values()}
    for name, arm in experiment.arms.items():
        if CONTROLS.get(arm) in there:
            found[f"{name}, DA at weight 0"] = CONTROLS[arm]
    return found


def _sizes(form: Form, shown: str) -> list[int]:
    """Labels in each cycle; where queries are shown, after each of them."""
    config, first = form.config, 1 if shown in COUNTED else 0
    return [config.initial + i * config.budget for i in range(first, config.cycles)]


def _found(
    arms: dict[str, str], form: Form, shown: str, store: Store
) -> dict[str, Curves]:
    """What an experiment calls its arms -> what is shown of them."""
    if shown not in COUNTED:
        rows = store.current(form, store.rows(form.key))
        return {name: curves.of(rows, arm, shown) for name, arm in arms.items()}
    rows, config = store.current(form, store.classes(form.key)), form.config
    return {n: classes.curves(rows, arm, shown, config) for n, arm in arms.items()}


def _beside(store: Store, form: Form, arm: str, shown: str) -> list[str]:
    """Cells of the columns of `BESIDE`; none for an arm without rows."""
    if shown == classes.UNSEEN:
        counts = store.current(form, store.classes(form.key))
        return [classes.waited(counts, arm)]
    if shown not in BESIDE:
        return []
    every = store.current(form, store.rows(form.key))
    rows = [row for row in every if row["arm"] == arm]
    seeds = len({row["seed"] for row in rows})
    return [
        f"{sum(int(row[name]) for row in rows) / seeds:,.0f}"
        for name in ("network_steps", "images_forwarded")
        if rows and name in rows[0]
    ]


def _drawn(
    experiment: Experiment,
    form: Form,
    shown: str,
    found: dict[str, Curves],
    store: Store,
) -> list[str]:
    """The picture of a figure; tables have none."""
    if not experiment.title.startswith("Figure"):
        return []
    word, sizes = WORDS[shown], _sizes(form, shown)
    if experiment.less:
        found = curves.less(found, experiment.less)
        word = f"gain in {word}".replace("(%)", "(points)")
    number = experiment.title.rpartition(" ")[2]
    stem = store.path(f"{form.key}_{shown}_{number}", "")
    picture, _ = curves.draw({k: v for k, v in found.items() if v}, sizes, word, stem)
    return [f"![{form.title}: {word}]({picture.name})"]


def _even(lines: list[list[str]]) -> list[list[str]]:
    """All lines as long as the first: an arm that was not run has empty cells."""
    width = len(lines[0])
    return [[*line[:-1], *[""] * (width - len(line)), line[-1]] for line in lines]


def _ours(own: Curves) -> list[str]:
    """Seeds, a cell a size, the mean."""
    if not own:
        return ["not run"]
    seeds = list(own.values())
    means = estimate([sum(seed) / len(seed) for seed in seeds])
    cells = [_cell(estimate(list(size))) for size in zip(*seeds, strict=True)]
    return [str(len(seeds)), *cells, _cell(means)]


def _cell(found: Estimate | None, sign: str = "") -> str:
    return show(found, sign, digits=2)


def _paper(
    experiment: Experiment, world: World, name: str, sizes: Sequence[int]
) -> list[list[str]]:
    data = DATA[world.data].title
    printed = values.curve(experiment.tables, data, world.setting, name)
    if not printed:
        return []
    cells = [f"{printed[n]:.2f}" if n in printed else "" for n in [*sizes, None]]
    return [["", "paper", str(SEEDS), *cells, ""]]


def _differences(experiment: Experiment, found: dict[str, Curves]) -> list[list[str]]:
    """Less the arms that are subtracted, within seeds; nothing where none is."""
    lines, base = [], experiment.less
    less = curves.less(found, base)
    every = {f"{name} - {base}": gaps for name, gaps in less.items()}
    for one, other in experiment.pairs:
        both = {name: found[name] for name in (one, other)}
        less = curves.less(both, other)
        every |= {f"{name} - {other}": gaps for name, gaps in less.items()}
    for label, gaps in every.items():
        means = _cell(estimate([sum(gap) / len(gap) for gap in gaps.values()]), "+")
        sizes = zip(*gaps.values(), strict=True)
        cells = [_cell(estimate(list(size)), "+") for size in sizes]
        lines.append([label, "ours", str(len(gaps)), *cells, means, ""])
    return lines


def _processors(pieces: Sequence[Body], form: Form) -> list[str]:
    """A word on rows of several kinds of processor; none on those of one."""
    kinds = {piece.get("versions", {}).get("processor") for piece in pieces} - {None}
    return [_SEVERAL.format(len(kinds), form.key)] if len(kinds) > 1 else []


def _pieces(store: Store, form: Form, arm: str) -> list[Body]:
    """What the seeds of an arm came by."""
    about = store.about(form.key)["pieces"]
    rows = store.current(form, store.rows(form.key))
    seeds = dict.fromkeys(row["seed"] for row in rows if row["arm"] == arm)
    return [about[piece_name(arm, seed)] for seed in seeds]

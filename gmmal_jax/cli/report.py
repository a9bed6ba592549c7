"""`gmmal report`: tables, figures, files and a page of runs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmmal_jax.cli import parser
from gmmal_jax.cli.parser import Option, Parsed, Verb
from gmmal_jax.errors import UserError

if TYPE_CHECKING:
    from gmmal_jax.report.figures import Drawn
    from gmmal_jax.report.findings import Findings
    from gmmal_jax.report.runs import Run

MORE = """Runs of one method are pooled over their seeds; they are refused where other
settings differ. Runs of other data sets and --setting stand apart. The figures of one
run go to its folder, those of several to the folder that you are in."""


def _report(parsed: Parsed) -> int:
    from gmmal_jax import report
    from gmmal_jax.report import arms, findings, sections

    level, base = _level(parsed), parser.one(parsed.given, "base")
    given = {name: parser.one(parsed.given, name) for name in ("csv", "json", "html")}
    places = {k: parser.path(text) for k, text in given.items() if text is not None}
    runs = map(parser.path, parsed.words)
    groups = arms.grouped([report.load_run(each) for each in runs])
    tasks = [arms.task(group) for group in groups]
    for task, group in zip(tasks, groups, strict=True):
        if len(tasks) > 1:
            print(f"{task.name}\n")
        print(report.table(group))
    found = findings.find(tasks, base, level)
    for section in sections.for_terminal(found):
        print(sections.text(section))
    for path in _written(places, found):
        print(f"written: {path}")
    paths, lost = _drawn(groups)
    for path in paths:
        print(f"figure: {path}")
    for line in lost:
        print(line)
    return 0


def _level(parsed: Parsed) -> float | None:
    """The accuracy in per cent at which labels are counted."""
    text = parser.one(parsed.given, "at")
    if text is None:
        return None
    try:
        level = float(text)
    except ValueError:
        level = -1.0
    if not 0 < level <= 100:
        raise UserError("--at", text, "give an accuracy in per cent, such as 90")
    return level


def _written(places: Mapping[str, Path], found: "Findings") -> Iterator[Path]:
    """Write what is asked for; a path each.

    Args:
      places: csv, json and html -> where, if at all.
      found: what is written.
    """
    from gmmal_jax.report import findings, page
    from gmmal_jax.storage import files

    if "csv" in places:
        yield from findings.write_csv(places["csv"], found)
    if "json" in places:
        yield from findings.write_json(places["json"], found)
    if "html" in places:
        # The name of a folder, and so of a class, need not be UTF-8.
        content = page.render(found).encode(errors="backslashreplace")
        files.write_atomic(places["html"], content)
        yield places["html"]


def _drawn(groups: Sequence[Sequence["Run"]]) -> "Drawn":
    """The figures: of one run in its folder, of several where one is."""
    from gmmal_jax.report import figures

    if len(groups) == len(groups[0]) == 1:
        return figures.draw_run(groups[0][0].folder)
    drawn = figures.Drawn([], [])
    for number, group in enumerate(groups, 1):
        name = "learning_curve" if len(groups) == 1 else f"learning_curve_{number}"
        drawn.paths.extend(figures.learning_curve(group, Path(name)))
    return drawn


REPORT = Verb(
    "report",
    "RUN ...",
    "tables, statistics, figures and a page of finished or running runs",
    _report,
    (
        Option("html", "FILE", "Write one page with everything: curves, tables, maps of"
               " the latents, what was asked, times, settings. It needs no network."),
        Option("csv", "DIR", "Write every table into this folder, a file each."),
        Option("json", "DIR", "Likewise, as lists of objects."),
        Option("base", "METHOD", "What gains and saved labels are counted from; by "
               "default the runs' reference, or random."),
        Option("at", "PERCENT", "The accuracy at which labels are counted; by default "
               "what the base ends with, or without one the worst method."),
    ),
    more=lambda: MORE,
)  # fmt: skip

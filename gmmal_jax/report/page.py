"""One page of a report: everything in one file, nothing from a network, no script.

What stands in templates is escaped: names of methods, classes and settings are input.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gmmal_jax.report import charts, class_table, maps, sections, thumbnails
from gmmal_jax.report.arms import Arm, class_names
from gmmal_jax.report.charts import Chart
from gmmal_jax.report.entries import Section
from gmmal_jax.report.findings import Findings, Found
from gmmal_jax.report.maps import Map
from gmmal_jax.report.measures import MEASURES
from gmmal_jax.report.thumbnails import Strip
from gmmal_jax.storage import run_folder

LOOKS = 7
"""Colors of the style sheet beside the reference's, which is the first."""


class Part(NamedTuple):
    """A piece of a bar.

    Attributes:
      size: its share of the bar's length, in any unit.
      hue: of its color, in degrees.
      text: what it is.
    """

    size: float
    hue: int
    text: str


class Bar(NamedTuple):
    """A bar.

    Attributes:
      name: beside it.
      parts: in order.
      text: what it says, for those who do not see it.
    """

    name: str
    parts: list[Part]
    text: str


class Bars(NamedTuple):
    """Bars of one arm.

    Attributes:
      method: the arm.
      bars: below each other.
    """

    method: str
    bars: list[Bar]


class Setting(NamedTuple):
    """A row of the configuration.

    Attributes:
      name: dotted.
      values: of each arm, as text.
      differs: whether they are not all the same, of the arms that read it.
    """

    name: str
    values: list[str]
    differs: bool


class Sheet(NamedTuple):
    """What a page says of one task.

    Attributes:
      name: of the task.
      labels: of its arms.
      looks: label -> number of its color.
      charts: curves, and what is gained.
      tables: all of them.
      unrecorded: titles of tables that the version that ran kept no numbers for.
      maps: of the latents, where any is kept: those of an arm together.
      strips: of the pictures that were asked for.
      hues: class -> hue of its color.
      classes: class -> its name.
      balance: class shares over the cycles.
      seconds: time by stage.
      settings: configuration of the arms' first seeds.
      versions: likewise.
    """

    name: str
    labels: list[str]
    looks: dict[str, int]
    charts: list[Chart]
    tables: list[Section]
    unrecorded: list[str]
    maps: list[list[Map]]
    strips: list[Strip]
    hues: dict[int, int]
    classes: dict[int, str]
    balance: list[Bars]
    seconds: list[Bars]
    settings: list[Setting]
    versions: list[Setting]


def render(findings: Findings) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gmmal_jax.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    penalties = sections.penalties(findings)
    return environment.get_template("page.html").render(
        sheets=[_sheet(found) for found in findings.found],
        penalties=penalties if penalties.lines else None,
        form=charts,
        maps=maps,
    )


def _sheet(found: Found) -> Sheet:
    task = found.task
    labels = [arm.label for arm in task.arms]
    looks = _looks(labels, found.base)
    classes = class_names(task.arms)
    hues = _hues(found, classes)
    return Sheet(
        name=task.name,
        labels=labels,
        looks=looks,
        charts=_charts(found, looks),
        tables=sections.of_task(found),
        unrecorded=_unrecorded(found),
        maps=[each for arm in task.arms if (each := maps.of_last_query(arm))],
        strips=thumbnails.strips(task.arms),
        hues=hues,
        classes={label: classes.get(label, str(label)) for label in hues},
        balance=_balance(found, hues, classes),
        seconds=_seconds(found),
        settings=_settings([_flat(arm, "config") for arm in task.arms]),
        versions=_settings([_flat(arm, "versions") for arm in task.arms]),
    )


def _unrecorded(found: Found) -> list[str]:
    titles = [each.title for each in MEASURES if not found.results[each.name]]
    return titles if found.recalls else [*titles, class_table.TITLE]


def _looks(labels: Sequence[str], base: str | None) -> dict[str, int]:
    """0 for the base, which is gray; others in turn."""
    others = [label for label in labels if label != base]
    return {label: 0 for label in labels if label == base} | {
        label: 1 + place % LOOKS for place, label in enumerate(others)
    }


def _charts(found: Found, looks: dict[str, int]) -> list[Chart]:
    measure = MEASURES[0]
    made = [
        charts.curves(
            "Accuracy over labels",
            measure.title,
            found.results[measure.name],
            looks,
            (0.0, 100.0),
        ),
        charts.curves(f"Gain over {found.base}", "points", found.gains, looks),
    ]
    return [chart for chart in made if chart]


def _hues(found: Found, classes: dict[int, str]) -> dict[int, int]:
    """Class -> hue, of all that have a name or a label."""
    labels = sorted({share.label for share in found.classes} | classes.keys())
    return {label: _hue(place, len(labels)) for place, label in enumerate(labels)}


def _hue(place: int, count: int) -> int:
    return round(360 * place / max(1, count))


def _balance(found: Found, hues: dict[int, int], classes: dict[int, str]) -> list[Bars]:
    made = []
    for arm in found.task.arms:
        own = [share for share in found.classes if share.method == arm.label]
        bars = []
        for size in dict.fromkeys(share.labeled for share in own):
            parts = [
                Part(
                    share.labels,
                    hues[share.label],
                    f"{classes.get(share.label, share.label)}: {share.labels:.1f}",
                )
                for share in own
                if share.labeled == size and share.labels
            ]
            bars.append(_bar(f"{size:,}", parts))
        made.append(Bars(arm.label, bars))
    return [each for each in made if each.bars]


def _seconds(found: Found) -> list[Bars]:
    stages = [each for each in found.stages if each.stage != "total"]
    names = sorted({each.stage for each in stages})
    hues = {name: _hue(place, len(names)) for place, name in enumerate(names)}
    longest = max((each.seconds for each in found.stages), default=0.0)
    bars = []
    for label in dict.fromkeys(each.method for each in stages):
        own = [each for each in stages if each.method == label and each.seconds]
        parts = [
            Part(each.seconds, hues[each.stage], f"{each.stage}: {each.seconds:.1f} s")
            for each in own
        ]
        bars.append(_bar(label, parts, longest))
    return [Bars("", bars)] if bars else []


def _bar(name: str, parts: list[Part], length: float = 0.0) -> Bar:
    """A bar; what it lacks of a length is left empty."""
    text = ", ".join(part.text for part in parts)
    rest = length - sum(part.size for part in parts)
    empty = [Part(rest, -1, "")] if rest > 0 else []
    return Bar(name, parts + empty, text)


def _flat(arm: Arm, part: str) -> dict[str, Any]:
    run = arm.runs[min(arm.cycles)]
    return run_folder.flat(getattr(run, part))


def _settings(arms: list[dict[str, Any]]) -> list[Setting]:
    """A row for each name that any arm has."""
    rows = []
    for name in dict.fromkeys(name for arm in arms for name in arm):
        values = [_text(arm[name]) if name in arm else "" for arm in arms]
        read = {_text(arm[name]) for arm in arms if name in arm}
        rows.append(Setting(name, values, len(read) > 1))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "none" if value is None else str(value)

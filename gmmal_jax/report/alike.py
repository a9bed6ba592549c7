"""Whether runs may stand together: their settings, as they wrote them down."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gmmal_jax.config.checks import option
from gmmal_jax.errors import UserError
from gmmal_jax.report.runs import Run
from gmmal_jax.storage import run_folder

FREE = frozenset(
    {
        "seeds", "cycles", "clip_budget",  # how much of it there is
        "method", "learn", "query", "infuse",  # by its label
        "reference",  # beside it, in a folder of its own
        "data_dir", "labels", "out",  # places: data is told by its checksum
        "memory_gb", "data.placement",  # the machine
        "checkpoint.every_seconds", "checkpoint.keep",
    }
)  # fmt: skip
"""Settings in which runs of one label may differ."""
POOL = ("image_size", "data.class_cap", "data.imbalance_ratio", "data.imbalance_minor")
"""Settings that make the pool of a data set in a setting, whatever the method is."""
_QUERY = "select."
"""Settings of a query that a reference does not share."""


class _Told(NamedTuple):
    """What a run says.

    Attributes:
      run: which.
      values: name, as a person knows it -> value.
    """

    run: Run
    values: dict[str, Any]


def require(name: str, runs: Sequence[Run]) -> None:
    """Refuse runs that may not be compared, or not be one arm.

    Of a task the pool is the same, within a label all settings, and a run without a
    reference of its own is trained as those are that it is set beside. What a run did
    not write down, as an older version, is no difference.

    Args:
      name: of their task.
      runs: of one data set, setting and evaluation part.

    Raises:
      UserError: the first setting that differs, with both values.
    """
    references = [run.reference for run in runs if run.reference]
    every = [*runs, *references]
    _require_same(f"runs of {name}", map(_pool, every))
    for label in dict.fromkeys(run.label for run in every):
        own = [_settings(run) for run in every if run.label == label]
        _require_same(f"runs of {label}", own)
    _require_same_training(references, [run for run in runs if not run.reference])


def _require_same_training(references: Sequence[Run], lone: Sequence[Run]) -> None:
    """Refuse runs without a reference that is theirs, beside those of others."""
    told = [_settings(run) for run in references]
    shared = {name for each in told for name in each.values}
    for run in lone:
        values = {
            name: value
            for name, value in _settings(run).values.items()
            if name in shared and not name.startswith(_option(_QUERY))
        }
        _require_same(f"{run.label} and its reference", [*told, _Told(run, values)])


def _pool(run: Run) -> _Told:
    flat = run_folder.flat(run.config)
    values = {_option(name): flat[name] for name in POOL if name in flat}
    if "checksum" in run.data:
        values["the data's checksum"] = run.data["checksum"]
    return _Told(run, values)


def _settings(run: Run) -> _Told:
    flat = run_folder.flat(run.config)
    values = {_option(name): flat[name] for name in flat if name not in FREE}
    return _Told(run, values)


def _option(name: str) -> str:
    return f"--{option(name)}"


def _require_same(what: str, told: Iterable[_Told]) -> None:
    first: dict[str, tuple[Run, Any]] = {}
    for run, values in told:
        for name, value in values.items():
            other, there = first.setdefault(name, (run, value))
            if value != there:
                raise UserError(
                    f"{what} differ in {name}: {there!r} in {other.folder}, {value!r} "
                    f"in {run.folder}",
                    remedy="report them one by one",
                )

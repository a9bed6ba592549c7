"""What names stand for: methods and their parts, ours or an installed package's."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal

from gmmal_jax import config as configs, plugins
from gmmal_jax.config import Config, presets
from gmmal_jax.errors import UserError, unknown
from gmmal_jax.methods.named import ALIASES, METHODS, Entry
from gmmal_jax.methods.parts import LEARNERS, STRATEGIES, Part
from gmmal_jax.models import table

GROUP = "gmmal_jax.methods"
"""Entry points of other packages: method's name -> `Entry`."""
_TABLES = {"learner": LEARNERS, "query": STRATEGIES}
OPTIONS = {"learner": "--learn", "query": "--query"}

OFFICIAL = "official"
"""The preset whose changes are the method's own (`Entry.official`)."""


def resolve(config: Config) -> tuple[str, str]:
    """(learner, strategy) that a configuration names; its network exists, too.

    What others bring is imported, what is ours is not. A part that stands in none of
    our tables goes by the name of the method that brings it.

    Raises:
      UserError: an unknown name, or something that cannot be imported.
    """
    table.check(config.model)
    learn, query = _pair(config.method)
    learn, _ = factory("learner", config.learn or learn)
    query, _ = factory("query", config.query or query)
    return learn, query


def label(config: Config) -> str:
    """How tables and figures call the arm: the method's name, or learner+strategy."""
    name = _named(config) or "+".join(resolve(config))
    return f"{name} with {config.infuse}" if config.infuse else name


def entry(name: str) -> Entry:
    """The method of a name: ours, an installed package's, or "package.module:ENTRY".

    Raises:
      UserError: there is none, or what is there is no `Entry` with a source.
    """
    name = ALIASES.get(name, name)
    return _whole(plugins.load(GROUP, name, METHODS, "--method"), f"--method {name}")


def preset(config: Config, names: Sequence[str]) -> dict[str, object]:
    """Dotted field -> value of presets by name, the method's own among them.

    Args:
      config: its method says what `official` changes.
      names: of `presets.NAMED`, or `official`; later ones win.

    Raises:
      UserError: there is no such preset, or the method has none of its own.
    """
    found: dict[str, object] = {}
    known = (*presets.NAMED, OFFICIAL)
    for name in names:
        if name not in known:
            raise unknown("--preset", name, known)
        found |= _official(config) if name == OFFICIAL else presets.named([name])
    return found


def configure(options: Mapping[str, object], names: Sequence[str] = ()) -> Config:
    """The configuration of a new run.

    Later ones win: the paper's values, the data set's preset, what the method changes,
    presets by name, options.

    Args:
      options: dotted field -> value; the data set and the method among them, where they
        are not those of `Config`.
      names: of presets, see `preset`.

    Raises:
      UserError: an unknown name or an impossible value.
    """
    config = _with_parts(Config(), options)
    chosen = presets.changes(config.dataset) | _changes(config)
    return configs.replace(config, **(chosen | preset(config, names) | dict(options)))


def changed(
    config: Config, options: Mapping[str, object], names: Sequence[str] = ()
) -> Config:
    """A configuration with presets by name and, over them, options.

    Args:
      config: such as that of an earlier run.
      options: dotted field -> value.
      names: of presets, see `preset`.

    Raises:
      UserError: an unknown name or an impossible value.
    """
    found = preset(_with_parts(config, options), names)
    after = configs.replace(config, **(found | dict(options)))
    resolve(after)
    return after


def reference(config: Config) -> Config:
    """The arm of random choice beside a method's: without what the method changes."""
    usual = presets.preset(config.dataset)
    undone = {
        field: attrgetter(field)(usual)
        for field, value in _changes(config).items()
        if attrgetter(field)(config) == value
    }
    plain = configs.replace(
        config,
        method="random",
        learn=None,
        query=None,
        infuse=None,
        reference="none",
        select=configs.SelectConfig(),
    )
    return configs.replace(plain, **(undone | _changes(plain)))


def factory(kind: Literal["learner", "query"], name: str) -> tuple[str, Any]:
    """What makes a part: (its name, factory).

    Args:
      kind: of the part.
      name: of ours, of an installed package's method, or "package.module:function".

    Returns:
      The factory is a reference that is not imported yet where it is ours.

    Raises:
      UserError: there is no such part, or it cannot be imported.
    """
    known, option = _TABLES[kind], OPTIONS[kind]
    name = ALIASES.get(name, name)
    found = plugins.load(GROUP, name, known, option)
    if isinstance(found, Part):
        return name, found.make
    if isinstance(found, Entry):
        make = getattr(_whole(found, f"{option} {name}"), kind)
        if make in known:
            return make, known[make].make
        found = plugins.resolve(make, f"{option} {name}")
    remedy = f"name a function that makes one, or one of {', '.join(known)}"
    plugins.signature(found, f"{option} {name}", remedy)
    return name, found


def versions(config: Config) -> dict[str, str]:
    """Distribution -> version of the packages that bring what is not ours."""
    named: tuple[tuple[str, str, Mapping[str, Any], str | None], ...] = (
        (GROUP, "--method", METHODS, config.method),
        (GROUP, "--learn", LEARNERS, config.learn),
        (GROUP, "--query", STRATEGIES, config.query),
        (table.GROUP, table.OPTION, table.NETWORKS, config.model),
    )
    return plugins.versions(
        plugins.find(group, name, known, option)
        for group, option, known, name in named
        if name is not None
    )


def names() -> list[str]:
    """Every method: ours, then those of installed packages."""
    return plugins.names(GROUP, METHODS)


def _with_parts(config: Config, options: Mapping[str, object]) -> Config:
    """With those options that say what presets there are."""
    parts = ("dataset", "method", "learn", "query", "model")
    return configs.replace(config, **{k: options[k] for k in parts if k in options})


def _changes(config: Config) -> dict[str, object]:
    name = _named(config)
    return {} if name is None else presets.values(entry(name).changes)


def _official(config: Config) -> dict[str, object]:
    name = _named(config)
    own = {} if name is None else entry(name).official
    if not own:
        having = [each for each in METHODS if METHODS[each].official]
        remedy = f"those that have one: {', '.join(having)}"
        raise UserError(f"--preset {OFFICIAL}: no protocol of its own", name, remedy)
    return presets.values(own)


def _whole(found: Any, what: str) -> Entry:
    if not isinstance(found, Entry):
        remedy = "let it be a gmmal_jax.methods.Entry"
        raise UserError(f"{what} is no method", found, remedy)
    if not found.source.strip():
        remedy = "say in its Entry what it is or where it is from"
        raise UserError(f"{what} has no source", found.source, remedy)
    return found


def _named(config: Config) -> str | None:
    """The method whose parts a configuration's are; None: they are no method's."""
    pair = resolve(config)
    for name in dict.fromkeys((*METHODS, config.method)):
        if _pair(name) == pair:
            return name
    return None


def _pair(name: str) -> tuple[str, str]:
    """Names of a method's parts; those that it brings itself go by its name."""
    name = ALIASES.get(name, name)
    method = entry(name)
    learn = method.learner if method.learner in LEARNERS else name
    return learn, method.query if method.query in STRATEGIES else name

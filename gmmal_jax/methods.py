"""The table of methods: name -> learner, query strategy, source, changed settings.

No JAX here: what stands in a table is imported when a method is made. Installed
packages bring methods through the entry-point group `gmmal_jax.methods`, whose objects
are `Entry` records.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from gmmal_jax import config as configs, plugins
from gmmal_jax.config import Config, presets
from gmmal_jax.errors import UserError
from gmmal_jax.models import table

if TYPE_CHECKING:
    import gmmal_jax.phases.base
    import gmmal_jax.phases.network
    import gmmal_jax.strategies.base

T = TypeVar("T")
GROUP = "gmmal_jax.methods"
"""Entry points of other packages: method's name -> `Entry`."""


class Part(NamedTuple):
    """A learner or a query strategy.

    Attributes:
      make: "package.module:function". Its parameters name what it is given: `network`
        (learners only), and groups of settings: data, train, reg, da, gmm, select.
      source: what it is or where it is from, in one line.
    """

    make: str
    source: str


class Entry(NamedTuple):
    """A method.

    Attributes:
      learner: a name of `LEARNERS`, or "package.module:function" as in `Part`.
      query: a name of `STRATEGIES`, or likewise.
      source: what it is or where it is from, in one line.
      changes: dotted field of the configuration -> (value, reason): what the method's
        authors do otherwise. Presets by name and options win over it.
    """

    learner: str
    query: str
    source: str
    changes: presets.Changes = {}


LEARNERS: dict[str, Part] = {
    "ce": Part("gmmal_jax.learners.ce:make", "cross-entropy alone"),
    "reg": Part("gmmal_jax.learners.reg:make", "stage 1 of the paper (section 3.3)"),
    "reg_longer": Part(
        "gmmal_jax.learners.reg_longer:make", "ours: Reg, then DA's steps without DA"
    ),
    "reg_da": Part(
        "gmmal_jax.learners.reg_da:make", "the paper's stages 1 and 2 (Algorithm 1)"
    ),
    "ll4al": Part(
        "gmmal_jax.learners.ll4al:make", "cross-entropy and a head that ranks losses"
    ),
}
"""Training recipes."""

EXTENSIONS: dict[str, Part] = {
    "critic": Part("gmmal_jax.phases.critics:alone", "ours: the paper's critic alone"),
}
"""What any learner is extended by where a query needs columns that it lacks."""

STRATEGIES: dict[str, Part] = {
    "gmm": Part("gmmal_jax.strategies.gmm:make", "the paper's query (section 3.5)"),
    "random": Part("gmmal_jax.strategies.random:make", "uniform choice"),
    "entropy": Part(
        "gmmal_jax.strategies.uncertainty:entropy",
        "largest predictive entropy (Shannon)",
    ),
    "margin": Part(
        "gmmal_jax.strategies.uncertainty:margin",
        "smallest gap of the two best classes (Roth & Small)",
    ),
    "least_confidence": Part(
        "gmmal_jax.strategies.uncertainty:least_confidence",
        "smallest best probability (Lewis & Gale)",
    ),
    "coreset": Part(
        "gmmal_jax.strategies.coreset:make",
        "rows that cover the pool: greedy k-center (Sener & Savarese)",
    ),
    "predicted_loss": Part(
        "gmmal_jax.strategies.predicted_loss:make", "largest predicted loss"
    ),
}
"""Query strategies."""

_TABLES = {"learner": LEARNERS, "query": STRATEGIES}
_OPTIONS = {"learner": "--learn", "query": "--query"}

METHODS: dict[str, Entry] = {
    "gmm": Entry(
        "reg_da",
        "gmm",
        "Distribution Aware Active Learning via Gaussian Mixtures",
    ),
    **{
        name: Entry("ce", name, STRATEGIES[name].source)
        for name in ("random", "entropy", "margin", "least_confidence", "coreset")
    },
    "ll4al": Entry(
        "ll4al", "predicted_loss", "Learning Loss for Active Learning (Yoo & Kweon)"
    ),
}
"""Named pairs; every other pair is reached by --learn and --query."""


class Method(NamedTuple):
    """A learner and a strategy whose columns meet."""

    learner: "gmmal_jax.phases.base.Learner"
    strategy: "gmmal_jax.strategies.base.Strategy"


def resolve(config: Config) -> tuple[str, str]:
    """(learner, strategy) that a configuration names; its network exists, too.

    What others bring is imported, what is ours is not. A part that stands in none of
    our tables goes by the name of the method that brings it.

    Raises:
      UserError: an unknown name, or something that cannot be imported.
    """
    table.check(config.model)
    learn, query = _pair(config.method)
    learn, _ = _part("learner", config.learn or learn)
    query, _ = _part("query", config.query or query)
    return learn, query


def label(config: Config) -> str:
    """How tables and figures call the arm: the method's name, or learner+strategy."""
    return _named(config) or "+".join(resolve(config))


def entry(name: str) -> Entry:
    """The method of a name: ours, an installed package's, or "package.module:ENTRY".

    Raises:
      UserError: there is none, or what is there is no `Entry` with a source.
    """
    return _whole(plugins.load(GROUP, name, METHODS, "--method"), f"--method {name}")


def configure(options: Mapping[str, object], names: Sequence[str] = ()) -> Config:
    """The configuration of a new run.

    Later ones win: the paper's values, the data set's preset, what the method changes,
    presets by name, options.

    Args:
      options: dotted field -> value; the data set and the method among them, where they
        are not those of `Config`.
      names: of presets, see `presets.NAMED`.

    Raises:
      UserError: an unknown name or an impossible value.
    """
    parts = ("dataset", "method", "learn", "query", "model")
    config = configs.replace(Config(), **{k: options[k] for k in parts if k in options})
    chosen = presets.changes(config.dataset) | _changes(config)
    return configs.replace(config, **(chosen | presets.named(names) | dict(options)))


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
        reference="none",
        select=configs.SelectConfig(),
    )
    return configs.replace(plain, **(undone | _changes(plain)))


def make(network: "gmmal_jax.phases.network.Network", config: Config) -> Method:
    """Build the pair; extensions give a learner the columns that only the query has.

    Raises:
      UserError: unknown names, or a strategy that needs columns the learner lacks.
    """
    from gmmal_jax.phases.base import Learner
    from gmmal_jax.phases.extend import extend
    from gmmal_jax.strategies import base

    learn, query = resolve(config)
    learner = _made("learner", learn, Learner, config, network=network)
    strategy = _made("query", query, base.Strategy, config)
    needs = base.columns_needed(strategy, config.select)
    for name, part in EXTENSIONS.items():
        create = plugins.resolve(part.make, name)
        extension = create(network, **groups(create, config, name))
        if needs & extension.gives - learner.gives:
            learner = extend(learner, extension)
    missing = sorted(needs - learner.gives)
    if missing:
        remedy = f"--learn {learn} does not give {', '.join(missing)}; choose another"
        raise UserError("--query", query, remedy)
    return Method(learner, strategy)


def check(method: Method, config: Config, image_shape: tuple[int, int, int]) -> None:
    """Refuse a method of somebody else that breaks its promises, before any training.

    Shapes only, nothing is computed. What stands in our tables is tested already.

    Args:
      method: from `make`.
      config: that it was made of.
      image_shape: (h, w, ch).

    Raises:
      UserError: see `phases.base.check_learner` and `strategies.base.check_scores`.
    """
    learn, query = resolve(config)
    if learn in LEARNERS and query in STRATEGIES and config.model in table.NETWORKS:
        return
    import jax

    from gmmal_jax.phases.base import check_learner
    from gmmal_jax.strategies import base

    learner = method.learner
    check_learner(learner, image_shape)
    state = jax.eval_shape(lambda: learner.init(jax.random.key(0), None))
    images = jax.eval_shape(lambda: jax.numpy.zeros((2, *image_shape), "uint8"))
    columns = jax.eval_shape(learner.readout, state, images)
    head = learner.head and jax.eval_shape(learner.head, state)
    base.check_scores(method.strategy, base.abstract_view(columns, head))


def groups(
    create: Callable[..., Any],
    config: Config,
    what: str,
    given: Sequence[str] = ("network",),
) -> dict[str, Any]:
    """The groups of settings that a factory's parameters name.

    Args:
      create: the factory.
      config: that has the groups.
      what: how a message begins, such as `--learn reg`.
      given: parameters that it gets otherwise.

    Raises:
      UserError: it wants something else.
    """
    known = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(getattr(config, field.name))
    }
    wanted = {}
    for name, parameter in inspect.signature(create).parameters.items():
        if name in known:
            wanted[name] = known[name]
        elif name not in given and parameter.default is parameter.empty:
            names = ", ".join((*given, *known))
            remedy = f"let its parameters be of {names}, or have defaults"
            raise UserError(f"{what} takes", name, remedy)
    return wanted


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


def _changes(config: Config) -> dict[str, object]:
    name = _named(config)
    return {} if name is None else presets.values(entry(name).changes)


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
    method = entry(name)
    learn = method.learner if method.learner in LEARNERS else name
    return learn, method.query if method.query in STRATEGIES else name


def _part(kind: Literal["learner", "query"], name: str) -> tuple[str, Any]:
    """(name, factory) of a part; ours as a reference that is not yet imported."""
    known, option = _TABLES[kind], _OPTIONS[kind]
    found = plugins.load(GROUP, name, known, option)
    if isinstance(found, Part):
        return name, found.make
    if isinstance(found, Entry):
        make = getattr(_whole(found, f"{option} {name}"), kind)
        if make in known:
            return make, known[make].make
        found = plugins.resolve(make, f"{option} {name}")
    if not callable(found):
        remedy = f"name a function that makes one, or one of {', '.join(known)}"
        raise UserError(f"{option} {name} is no function", found, remedy)
    return name, found


def _made(
    kind: Literal["learner", "query"],
    name: str,
    record: type[T],
    config: Config,
    **given: Any,
) -> T:
    """What a part's factory makes; what is not ours is checked here."""
    _, factory = _part(kind, name)
    option = _OPTIONS[kind]
    create = plugins.resolve(factory, f"{option} {name}")
    made = create(**given, **groups(create, config, f"{option} {name}", tuple(given)))
    if not isinstance(made, record):
        remedy = f"let it return a {record.__module__}.{record.__name__}"
        raise UserError(f"{option} {name} makes another thing", made, remedy)
    return made

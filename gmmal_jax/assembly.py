"""A method, built: what its names stand for, with the settings that they ask for."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from gmmal_jax import methods, plugins
from gmmal_jax.config import Config
from gmmal_jax.errors import UserError
from gmmal_jax.models import table
from gmmal_jax.phases.base import Learner, check_learner
from gmmal_jax.phases.continued import continued
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network
from gmmal_jax.strategies import base

T = TypeVar("T")


class Method(NamedTuple):
    """A learner and a strategy whose columns meet.

    Attributes:
      learner: extended by what the query needs.
      strategy: what asks.
      groups: of settings that they were made of: what a run writes down.
    """

    learner: Learner
    strategy: base.Strategy
    groups: frozenset[str] = frozenset()


def make(network: Network, config: Config) -> Method:
    """Build the pair; extensions give a learner the columns that only the query has.

    Raises:
      UserError: unknown names, a strategy that needs columns or a linear head which
        the learner lacks, or `infuse` where nothing takes it.
    """
    learn, query = methods.resolve(config)
    learner = _made("learner", learn, Learner, config, network=network)
    strategy = _made("query", query, base.Strategy, config)
    needs = base.columns_needed(strategy, config.select)
    learner, extensions = _extended(learner, needs, network, config)
    if config.train.init == "continue":
        learner = continued(learner)
    used = [methods.factory("learner", learn)[1], methods.factory("query", query)[1]]
    given = set().union(*map(_parameters, (*used, *extensions)))
    _refuse(learner, strategy, needs, given, config)
    return Method(learner, strategy, frozenset(given & _groups(config).keys()))


def _extended(
    learner: Learner, needs: frozenset[str], network: Network, config: Config
) -> tuple[Learner, list[str]]:
    """The learner with the columns that extensions give, and these by factory."""
    used = []
    for name, part in methods.EXTENSIONS.items():
        if not needs & part.gives - learner.gives:
            continue
        create = plugins.resolve(part.make, name)
        extension = create(network, **groups(create, config, name))
        if extension.losses and learner.with_losses is None:
            learn, query = methods.resolve(config)
            remedy = f"--learn {learn} takes no loss of the query's; choose another"
            raise UserError("--query", query, remedy)
        learner = extend(learner, extension)
        used.append(part.make)
    return learner, used


def _refuse(
    learner: Learner,
    strategy: base.Strategy,
    needs: frozenset[str],
    given: set[str],
    config: Config,
) -> None:
    """Refuse a pair that lacks something, whose parts take parameters `given`."""
    learn, query = methods.resolve(config)
    missing = sorted(needs - learner.gives)
    if missing:
        remedy = f"--learn {learn} does not give {', '.join(missing)}; choose another"
        raise UserError("--query", query, remedy)
    if config.infuse and "infuse" not in given:
        remedy = (
            f"--learn {learn} with --query {query} has no discriminator for it; leave "
            "it out, or ask by a method that has: ta_vaal, waal"
        )
        raise UserError("--infuse", config.infuse, remedy)
    if strategy.needs_head and learner.head is None:
        lacking = f"--learn {learn} of --model {config.model} has no linear classifier"
        remedy = f"{lacking} on the latents for it to look through; choose another"
        raise UserError("--query", query, remedy)


def check(
    method: Method, config: Config, image_shape: tuple[int, ...], dtype: Any
) -> None:
    """Refuse a method of somebody else that breaks its promises, before any training.

    Shapes only, nothing is computed. What stands in our tables is tested already.

    Args:
      method: from `make`.
      config: that it was made of.
      image_shape: (h, w, ch), or (d,) of features.
      dtype: of the images as they are stored.

    Raises:
      UserError: see `phases.base.check_learner` and `strategies.base.check_scores`.
    """
    learn, query = methods.resolve(config)
    ours = learn in methods.LEARNERS and query in methods.STRATEGIES
    if ours and config.model in table.NETWORKS:
        return
    promised = check_learner(method.learner, image_shape, dtype)
    base.check_scores(method.strategy, base.abstract_view(*promised))


def strategy_of(query: str, config: Config) -> base.Strategy:
    """A strategy alone, without a learner.

    Args:
      query: a name of `methods.STRATEGIES`, or what --query takes.
      config: the settings.

    Raises:
      UserError: there is no such strategy.
    """
    name, _ = methods.factory("query", query)
    return _made("query", name, base.Strategy, config)


def columns_of(query: str, config: Config) -> frozenset[str]:
    """Columns of the pool that a strategy reads; arguments as in `strategy_of`."""
    return base.columns_needed(strategy_of(query, config), config.select)


def groups(
    create: Callable[..., Any],
    config: Config,
    what: str,
    given: Sequence[str] = ("network",),
) -> dict[str, Any]:
    """The groups of settings that a factory's parameters name, and `infuse`.

    Args:
      create: the factory.
      config: that has the groups.
      what: how a message begins, such as `--learn reg`.
      given: parameters that it gets otherwise.

    Raises:
      UserError: it wants something else.
    """
    known = _groups(config) | {"infuse": config.infuse}
    wanted = {}
    for name, parameter in inspect.signature(create).parameters.items():
        if name in known:
            wanted[name] = known[name]
        elif name not in given and parameter.default is parameter.empty:
            names = ", ".join((*given, *known))
            remedy = f"use {names}, or give it a default"
            raise UserError(f"{what} has a parameter that nobody gives", name, remedy)
    return wanted


def _groups(config: Config) -> dict[str, Any]:
    """Groups of settings that are matters of a method, by name."""
    fields = (field.name for field in dataclasses.fields(config))
    found = {name: getattr(config, name) for name in fields if name != "checkpoint"}
    return {name: v for name, v in found.items() if dataclasses.is_dataclass(v)}


def _parameters(factory: Any) -> set[str]:
    create = plugins.resolve(factory, "factory")
    return {*inspect.signature(create).parameters}


def _made(
    kind: Literal["learner", "query"],
    name: str,
    record: type[T],
    config: Config,
    **given: Any,
) -> T:
    """What a part's factory makes; what is not ours is checked here."""
    _, factory = methods.factory(kind, name)
    option = methods.OPTIONS[kind]
    create = plugins.resolve(factory, f"{option} {name}")
    made = create(**given, **groups(create, config, f"{option} {name}", tuple(given)))
    if not isinstance(made, record):
        remedy = f"let it return a {record.__module__}.{record.__name__}"
        raise UserError(f"{option} {name} makes another thing", made, remedy)
    return made

"""Every query strategy of the table does what `gmmal_jax.testing` says one must do."""

import functools
import sys
from pathlib import Path

import jax
import pytest

import gmmal_jax.strategies
from gmmal_jax import assembly, methods, plugins, testing
from gmmal_jax.config import Config, SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, random
from gmmal_jax.testing.strategies import BUDGET, NUM_CLASSES, view


def bound(name, make):
    """A factory with the default settings that it names."""
    create = plugins.resolve(make, name)
    return functools.partial(create, **assembly.groups(create, Config(), name))


MAKERS = {name: bound(name, part.make) for name, part in methods.STRATEGIES.items()}
HERE = Path(__file__).parent
NO_STRATEGY = {"__init__", "base", "checks", "judged", "mixing", "scores"}
ASK = Ask(BUDGET, NUM_CLASSES, SelectConfig())

every_strategy = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@every_strategy
@pytest.mark.parametrize("check", testing.STRATEGY_CHECKS)
def test_every_strategy(make, check):
    check(make)


@every_strategy
def test_every_strategy_has_its_own_test(make):
    file = Path(sys.modules[make.func.__module__].__file__)
    test = HERE / f"test_{file.stem}.py"
    assert test.exists(), f"write {test}: a case that is checked by hand"


def test_every_strategy_file_is_in_the_table():
    folder = Path(gmmal_jax.strategies.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - NO_STRATEGY
    assert {make.func.__module__.rsplit(".", 1)[1] for make in MAKERS.values()} == files


def test_names_are_those_of_the_table():
    assert [make().name for make in MAKERS.values()] == list(MAKERS)


@every_strategy
def test_a_strategy_made_again_compiles_nothing(make):
    base.query(jax.random.key(0), make(), view(), ASK)
    with jax.no_tracing():
        base.query(jax.random.key(0), make(), view(), ASK)


def test_another_key_another_query():
    one, other = (
        base.query(jax.random.key(seed), random.make(), view(), ASK) for seed in (1, 2)
    )
    assert set(one.indices) != set(other.indices)

"""What CONTRIBUTING.md tells a newcomer to write does what it says."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import tiny

from gmmal_jax import testing
from gmmal_jax.testing import learners

PAGE = Path(__file__).parent.parent / "CONTRIBUTING.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The page's files, where it says: shapes are checked there as in ours."""
    strategy, test, learner = BLOCKS
    (tmp_path / "test_gini.py").write_text(test)
    monkeypatch.syspath_prepend(tmp_path)
    names = {"strategies": ("gini", strategy), "learners": ("center", learner)}
    for package, (name, code) in names.items():
        (tmp_path / f"{name}.py").write_text(code)
        package = importlib.import_module(f"gmmal_jax.{package}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    modules = ["gmmal_jax.strategies.gini", "gmmal_jax.learners.center", "test_gini"]
    yield [importlib.import_module(name) for name in modules]
    for name in modules:
        del sys.modules[name]


def test_the_strategy_passes_every_check_and_its_own_test(written):
    gini, _, test = written
    testing.check_strategy(gini.make)
    test.test_a_tie_of_all_classes_is_asked_first()


def test_the_learner_passes_every_check(written):
    _, center, _ = written
    train = tiny.config().train
    learners.check(lambda network: center.make(network, train))


def test_both_are_as_short_as_promised():
    strategy, _, learner = (len(block.splitlines()) for block in BLOCKS)
    assert strategy <= 40 and learner <= 60

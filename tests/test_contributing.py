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
    """The page's files, as if they had been put where it says."""
    import gmmal_jax.learners
    import gmmal_jax.strategies

    strategy, test, learner = BLOCKS
    files = {"gini": strategy, "test_gini": test, "center": learner}
    for name, code in files.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    gini, center = importlib.import_module("gini"), importlib.import_module("center")
    monkeypatch.setattr(gmmal_jax.strategies, "gini", gini, raising=False)
    monkeypatch.setattr(gmmal_jax.learners, "center", center, raising=False)
    yield gini, center, importlib.import_module("test_gini")
    for name in files:
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

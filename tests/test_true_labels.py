"""Who may look at a pool's true labels in experiments: the analysis alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "experiments"
ANALYSIS = "analysis.py"
NAMES = {"train_labels", "y_train"}
"""What a data set, and a file of one, call the labels of what is learned from."""
ORACLE = "gmmal_jax.oracle"
"""Whose answers are labels, too."""
MAKERS = {
    "pictures.py",  # reduces a data set: labels go from file to file
    "features/data.py",  # likewise, of features
    "paper/published.py",  # sums of published pictures with their labels
    "features/first_choice.py",  # a classifier learns those of the rows that it buys
}
"""Files that handle whole data sets, before or without any pool of a run."""
ASKS = {
    "first_cycle/work.py",  # accuracy on the pool, distances of its classes
    "paper/maps.py",  # the colors of classes
    "paper/hardness.py",  # losses of what scores put first
}
"""Files that the analysis tells something."""


def modules():
    found = sorted(ROOT.rglob("*.py"))
    assert len(found) > 50
    return [(path.relative_to(ROOT).as_posix(), path.read_text()) for path in found]


def named(text):
    """All names that code uses, as names, attributes, parameters, words or imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def looks(text):
    """Whether code reads true labels of what is learned from."""
    found = {*named(text)}
    return bool(found & NAMES) or ORACLE in found


@pytest.mark.parametrize(
    "code",
    [
        "truth = run.dataset.train_labels[split.pool]",
        "labels = getattr(dataset, 'train_labels')",
        "labels = file['y_train']",
        "def f(train_labels): pass",
        "save(x_train=x, y_train=y)",
        "from gmmal_jax.oracle import simulated",
        "import gmmal_jax.oracle",
        "from gmmal_jax import oracle",
    ],
)
def test_a_look_is_seen(code):
    assert looks(code)
    assert not looks("accuracy = row['accuracy'], dataset.test_labels, pool.labels")


def test_only_the_analysis_looks_at_true_labels():
    found = {name for name, text in modules() if looks(text)}
    assert found == {ANALYSIS, *MAKERS}


def test_few_files_are_told_of_true_labels():
    told = {name for name, text in modules() if "experiments.analysis" in named(text)}
    assert told == ASKS

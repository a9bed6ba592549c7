import sys

import pytest

from gmmal_jax import plugins
from gmmal_jax.errors import UserError

GROUP = "gmmal_jax.models"
TABLE = {"small": "collections:Counter", "large": 7}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay out an installed package: metadata with entry points, and its module."""

    def install(package, entries, source="def make():\n    return 1\n"):
        folder = tmp_path / f"{package}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {package}\nVersion: 1\n")
        lines = [f"[{GROUP}]", *entries]
        (folder / "entry_points.txt").write_text("\n".join(lines))
        (tmp_path / f"{package}.py").write_text(source)

    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(name):
    return plugins.load(GROUP, name, TABLE, "--model")


def refusal(name):
    with pytest.raises(UserError) as caught:
        load(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_our_own_names_are_references_or_objects(install):
    assert load("small").__name__ == "Counter"
    assert load("large") == 7


def test_an_installed_package_brings_a_name(install):
    install("theirs", ["mlp = theirs:make"])
    assert load("mlp")() == 1
    assert plugins.names(GROUP, TABLE) == ["small", "large", "mlp"]


def test_a_package_cannot_take_one_of_our_names(install):
    install("theirs", ["small = theirs:make"])
    assert load("small").__name__ == "Counter"
    assert plugins.names(GROUP, TABLE) == ["small", "large"]


def test_a_module_and_a_name_in_it_need_no_package(install):
    assert load("collections:OrderedDict.fromkeys")(["a"]) == {"a": None}


def test_finding_imports_nothing(install):
    install("theirs", ["mlp = theirs:make"], "raise SystemExit\n")
    plugins.find(GROUP, "mlp", TABLE, "--model")
    plugins.find(GROUP, "theirs:make", TABLE, "--model")
    assert "theirs" not in sys.modules


@pytest.mark.parametrize("name", ["smal", ":make", "a module:make", "module:", ""])
def test_a_name_that_is_none_is_refused_with_the_nearest(install, name):
    install("theirs", ["mlp = theirs:make"])
    message = refusal(name)
    assert message.startswith(f"--model: {name!r}")
    assert "use one of small, large, mlp, package.module:make" in message
    assert ("did you mean small?" in message) == (name == "smal")


def test_two_packages_with_one_name_are_named(install):
    install("theirs", ["mlp = theirs:make"])
    install("others", ["mlp = others:make"])
    assert "others and theirs" in refusal("mlp")


def test_a_module_that_is_missing_is_named(install):
    message = refusal("nowhere:make")
    assert "--model nowhere:make" in message and "No module named 'nowhere'" in message
    assert "PYTHONPATH" in message


def test_a_package_that_cannot_be_imported_is_named(install):
    install("theirs", ["mlp = theirs:make"], "import nowhere\n")
    message = refusal("mlp")
    assert "No module named 'nowhere'" in message and "package theirs" in message


def test_an_attribute_that_is_missing_is_named(install):
    install("theirs", ["mlp = theirs:build"])
    assert "has no attribute 'build'" in refusal("mlp")


def test_a_mistake_in_their_module_keeps_its_traceback(install):
    install("theirs", ["mlp = theirs:make"], "import math\nmath.nothing\n")
    with pytest.raises(AttributeError, match="nothing"):
        load("mlp")

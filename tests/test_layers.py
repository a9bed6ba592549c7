"""Who may import whom, and what the engine must not import at all."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gmmal_jax
from gmmal_jax import methods

ROOT = Path(gmmal_jax.__file__).parent
LAYERS = [
    {"types", "config", "errors", "collectives"},
    {"keys", "pool", "oracle", "data", "models", "mixtures", "scores", "selection"},
    {"parallel", "learners", "strategies", "presets"},
    {"methods", "train", "embed", "cycle"},
    {
        "files", "records", "checkpoint", "report", "figures", "setup", "saving", "run",
        "display", "doctor", "folder", "options", "datasets", "cli", "__main__",
        "estimator",
    },
]  # fmt: skip
FOLDERS = {"data", "models", "mixtures", "selection", "learners", "strategies"}
NO_JAX = {"config", "errors", "presets", "files", "records", "folder", "options", "cli"}
EDGE_ONLY = {"time", "rich", "tyro", "matplotlib", "sklearn", "argparse"}
METHOD_FILES = {
    "learners": set(methods.LEARNERS),
    "strategies": {"gmm", "random", "uncertainty"},
}


def modules():
    return sorted(
        path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).name != "py.typed"
    )


def layer_of(name):
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imports(path):
    """(dotted module, is it at the top of the file) of everything imported."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", top


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = parts[0]
    if name == "__init__":
        return
    for module, top in imports(path):
        target = module.split(".")
        if target[0] != "gmmal_jax":
            if target[0] in EDGE_ONLY:
                assert layer_of(name) == 4 or (name == "data" and not top), module
            assert not (name in NO_JAX and top and target[0] == "jax"), module
            continue
        other = target[1]
        same_folder = other == name and name in FOLDERS
        if name in ("config", "errors", "types"):
            assert other in LAYERS[0], module
            continue
        if same_folder:
            method_files = METHOD_FILES.get(name, set())
            assert target[2] not in method_files, f"{path.name} imports {module}"
            continue
        lower = layer_of(other) < layer_of(name)
        level = layer_of(other) == layer_of(name)
        if layer_of(name) in (3, 4):
            assert lower or level, module
        else:
            helper = other in ("keys", "data")  # addresses and plain image functions
            assert lower or (layer_of(name) == 1 and level and helper), module


def test_every_module_has_a_layer():
    names = {path.relative_to(ROOT).with_suffix("").parts[0] for path in modules()}
    assert names - {"__init__"} == set().union(*LAYERS)


def test_the_engine_needs_no_command_line_or_drawing_library():
    code = (
        "import sys, flax.linen\n"
        "theirs = set(sys.modules)\n"  # flax itself imports rich
        "import gmmal_jax, gmmal_jax.run, gmmal_jax.setup\n"
        "heavy = {'tyro', 'rich', 'tensorflow_datasets', 'tensorflow', 'matplotlib',"
        " 'sklearn', 'PIL'}\n"
        "found = heavy & (set(sys.modules) - theirs)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_is_cheap():
    code = (
        "import sys, gmmal_jax\n"
        "found = {'jax', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "assert not found, found\n"
        "assert {'GaussianMixture', 'fit_mixture', 'fit_sharded'} <= set("
        "dir(gmmal_jax))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""Who may import whom, and what the engine must not import at all."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gmmal_jax
from gmmal_jax import methods

ROOT = Path(gmmal_jax.__file__).parent
LEVELS = [
    "types errors",
    "plugins",
    "keys devices config switches",
    "numerics pool oracle models shares evaluation",
    "data mixtures",
    "selection parallel phases",
    "learners strategies memory",
    "methods embed",
    "assembly",
    "planning",
    "train",
    "cycle",
    "storage",
    "report answers encoders",
    "bind",
    "opening",
    "loop estimate",
    "project",
    "testing",
    "cli",
    "__main__",
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names.split()}
NO_JAX = {"config", "encoders", "errors", "methods", "plugins"}
NO_JAX_FILES = {
    "models/table.py",
    "storage/files.py", "storage/layout.py", "storage/records.py",
    "storage/run_folder.py", "report/load.py", "cli/options.py", "cli/main.py",
    "cli/parser.py", "cli/pages.py", "cli/run.py", "cli/select.py",
    "cli/listing.py", "cli/datasets.py", "cli/embed.py", "cli/encoders.py",
    "cli/report.py",
}  # fmt: skip
EDGE = {"cli", "report"}
"""Rooms that may import what only a person's eyes need."""
EDGE_ONLY = {"time", "rich", "matplotlib", "sklearn"}
CLOCKS = {
    "storage/saver.py": {"time"},
    "project/forecast.py": {"time"},
    "mixtures/sklearn.py": {"sklearn"},
}
WHOLE = {
    "config", "cli", "__init__.py", "methods", "assembly.py", "bind.py",
    "opening.py", "loop.py", "project/choose.py",  # hand it on to bind
    "storage/run_folder.py", "report/load.py",  # write and read it
}  # fmt: skip
METHOD_FILES = {
    "learners": set(methods.LEARNERS),
    "strategies": {path.stem for path in (ROOT / "strategies").glob("*.py")}
    - {"__init__", "base", "checks", "judged", "mixing", "scores"},
}


def modules():
    return sorted(ROOT.rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


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


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_downwards(path):
    room = path.relative_to(ROOT).with_suffix("").parts[0]
    if room == "__init__":
        return
    for module, _ in imports(path):
        target = module.split(".")
        if target[0] != "gmmal_jax":
            continue
        if target[1] != room:
            assert LEVEL[target[1]] < LEVEL[room], module
        elif room in METHOD_FILES:
            assert target[2] not in METHOD_FILES[room], module


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_edges_stay_at_the_edge(path):
    name = name_of(path)
    room = name.removesuffix(".py").split("/")[0]
    for module, top in imports(path):
        foreign = module.split(".")[0]
        if foreign in EDGE_ONLY - CLOCKS.get(name, set()):
            assert room in EDGE or (room == "data" and not top), module
        if room in NO_JAX or name in NO_JAX_FILES:
            assert not (top and foreign == "jax"), module


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_few_modules_see_the_whole_configuration(path):
    """All others take their own group, or plain values."""
    name = name_of(path)
    if name.split("/")[0] not in WHOLE and name not in WHOLE:
        assert "gmmal_jax.config.Config" not in dict(imports(path)), name


def test_one_module_knows_the_layout_of_a_runs_folder():
    known = {"config.json", "skipped.csv", "reference", "records", "figures",
             "checkpoints"}  # fmt: skip
    for path in modules():
        if name_of(path) in ("storage/layout.py", "config/run.py"):
            continue  # the second has an option called reference
        for node in ast.walk(ast.parse(path.read_text())):
            # As a part of a path: `folder / "records"`, `Path(folder, "records")`.
            parts = [node.right] if isinstance(node, ast.BinOp) else []
            named = {p.value for p in parts if isinstance(p, ast.Constant)}
            assert not named & known, name_of(path)


def test_every_module_has_a_level():
    rooms = {name_of(path).removesuffix(".py").split("/")[0] for path in modules()}
    assert rooms - {"__init__"} == set(LEVEL)


def test_the_engine_needs_no_command_line_or_drawing_library():
    code = (
        "import sys, flax.linen\n"
        "theirs = set(sys.modules)\n"  # flax itself imports rich
        "import gmmal_jax, gmmal_jax.loop, gmmal_jax.opening\n"
        "heavy = {'rich', 'tensorflow_datasets', 'tensorflow', 'matplotlib',"
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
        "assert set(gmmal_jax.__all__) <= set(dir(gmmal_jax))\n"
        "assert gmmal_jax.__version__\n"
        "found = {'jax', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

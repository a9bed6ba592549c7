"""What README and docs say exists: files, commands, options, defaults, presets."""

import functools
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tiny

import gmmal_jax
from gmmal_jax import methods
from gmmal_jax.cli import main as cli, parser
from gmmal_jax.errors import UserError

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
LINKED = [*DOCS, ROOT / "experiments/README.md", ROOT / "benchmarks/README.md"]
DOCS, LINKED = ([page for page in pages if page.exists()] for pages in (DOCS, LINKED))
RUNS = {f"--{option.name}" for option in cli.VERBS["run"].options}
OTHERS = {"--help"} | {
    f"--{option.name}" for verb in cli.VERBS.values() for option in verb.options
} - RUNS
FOREIGN = re.compile(r"\b(?:python|pip|pytest)\b[^`\n]*")
PAPER = ["--dataset", "cifar10"]  # its preset changes nothing
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<![\w=-])--[a-z]\w*(?:[.-]\w+)*")
SCRIPT = re.compile(r"\b(?:benchmarks|experiments|tests)/[\w/]+\.\w+")
PLACEHOLDER = re.compile(r"\.\.\.|\*|\b[A-Z]{1,}\b(?!-)")


def name_of(page):
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", DOCS, ids=name_of)


def prose(page):
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def spans(text):
    """Inline code, of one line or wrapped to two."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def commands(page):
    """Whole `gmmal` command lines, as lists of arguments behind `gmmal`."""
    blocks = FENCE.findall(page.read_text())
    lines = [
        line for kind, text in blocks if kind == "bash" for line in text.split("\n")
    ]
    for line in [*lines, *spans(prose(page))]:
        for part in line.split("&&"):
            if part.strip().startswith("gmmal "):
                yield shlex.split(part, comments=True)[1:]


def whole(args):
    """Does the command stand there as it is typed, without `RUN` and the like?"""
    return not PLACEHOLDER.search(" ".join(args))


def tables(page):
    """Rows of cells, a dict for each, by the heads of their table."""
    head = None
    for line in page.read_text().split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = cells
        elif not set(line) <= set("|-: "):
            yield dict(zip(head, cells, strict=True))


def anchors(page):
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@every_page
def test_files_that_are_named_exist(page):
    for path in SCRIPT.findall(page.read_text()):
        assert (ROOT / path).exists(), path


def test_every_page_of_docs_is_reached_from_the_readme():
    text = README.read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"]({name_of(page)})" in text


def test_the_readme_starts_with_the_two_commands():
    blocks = [text.strip() for kind, text in FENCE.findall(README.read_text())]
    assert "pip install . && gmmal run" in blocks
    assert "pip install -e '.[test]' && pytest" in blocks


def test_the_readmes_python_runs():
    (code,) = (
        text for kind, text in FENCE.findall(README.read_text()) if kind == "python"
    )
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    names = {"latents": rows}
    exec(code, names)
    assert names["model"].means_.shape == names["fit"].mixture.means.shape == (10, 4)


def test_the_python_of_runs_runs(tmp_path, monkeypatch, capsys):
    """In small, for time's sake."""
    (code,) = (
        text
        for kind, text in FENCE.findall((ROOT / "docs/runs.md").read_text())
        if kind == "python"
    )
    monkeypatch.chdir(tmp_path)
    one = functools.partial(gmmal_jax.run, num_devices=1)
    monkeypatch.setattr(gmmal_jax, "run", one)
    monkeypatch.setattr(gmmal_jax, "preset", lambda name: tiny.config(cycles=1))
    names = {}
    exec(code, names)
    assert names["gap"].shape == (2,) and (tmp_path / "runs/entropy").is_dir()
    assert capsys.readouterr().out.count("entropy") == 2


@every_page
def test_commands_are_understood(page):
    for verb, *args in commands(page):
        assert verb in cli.VERBS, verb
        if verb == "run" and "--help" not in args and whole(args):
            cli.parse_run(args)
        elif args and whole(args):
            parser.parse(*parser.find([verb, *args], cli.VERBS))


@every_page
def test_options_are_known(page):
    """Of `gmmal run`, or of a script that the page names."""
    text = page.read_text()
    scripts = {ROOT / path for path in SCRIPT.findall(text) if path.endswith(".py")}
    theirs = {o for script in scripts for o in OPTION.findall(script.read_text())}
    for name in set(OPTION.findall(FOREIGN.sub("", text))) - OTHERS - theirs:
        try:
            cli.parse_run([name])
        except UserError as error:  # known, but it wants a value
            assert "unknown option" not in str(error), error


@every_page
def test_options_take_the_values_they_are_shown_with(page):
    for span in spans(prose(page)):
        if span.startswith("--") and " " in span and whole([span]):
            name, *values = shlex.split(span)
            if name in RUNS or name not in OTHERS:
                cli.parse_run([*PAPER, name, *values])


def test_the_checks_above_see_what_they_should():
    assert ["run", "--learn", "ce", "--query", "gmm"] in list(commands(README))
    assert not whole(["run", "--config", "RUN/config.json"])
    assert whole(["run", "--dataset", "cifar10", "--data-dir", "~/data_sets"])
    with pytest.raises(UserError, match="unknown option"):
        cli.parse_run(["--da.step"])


@every_page
def test_defaults_in_tables_are_the_programs(page):
    """A default in code stands for the option of the same place beside it."""
    plain = cli.parse_run(PAPER)
    for row in tables(page):
        if not {"default", "option"} <= row.keys():
            continue
        values, options = spans(row["default"]), spans(row["option"])
        assert len(values) <= len(options), row
        for value, option in zip(values, options, strict=False):
            name = option.split()[0]
            assert cli.parse_run([*PAPER, name, value]) == plain, (name, value)
        for option in options:
            assert cli.parse_run([*PAPER, *option.split()]) != plain, option


def test_the_decisions_are_all_there():
    numbers = [row.get("", "") for row in tables(ROOT / "docs/design.md")]
    found = {int(n) for cell in numbers for n in re.findall(r"\bA(\d+)\b", cell)}
    assert found == set(range(1, 35))


def test_the_table_of_methods_is_the_programs(capsys):
    cli.main(["methods"])
    printed = capsys.readouterr().out.split("\n\n")[0].splitlines()[1:]
    shown = [row for row in tables(README) if "method" in row]
    assert [
        [row[name].strip("`") for name in ("method", "learner", "query")]
        for row in shown
    ] == [line.split()[:3] for line in printed]


def test_methods_with_a_protocol_of_their_own_are_named():
    page = (ROOT / "docs/data.md").read_text()
    (named,) = re.findall(r"preset `official` is [^(]*\(([^)]*)\)", page)
    own = {name for name, entry in methods.METHODS.items() if entry.official}
    assert own == {*spans(named)}


def test_the_tables_of_presets_and_data_sets_are_the_programs(capsys):
    cli.main(["datasets"])
    printed = capsys.readouterr().out
    page = list(tables(ROOT / "docs/data.md"))
    named = [row["preset"].strip("`") for row in page if "preset" in row]
    assert named == re.findall(r"^--preset (\w+):", printed, re.MULTILINE)
    sources = [span for row in page if "`--dataset`" in row
               for span in spans(row["`--dataset`"])]  # fmt: skip
    listed = re.findall(r"^(\w.*?)(?:  |$)", printed.split("\n\n")[0], re.MULTILINE)
    assert sorted(sources) == sorted(", ".join(listed[1:]).split(", "))

"""The one parser: words, options, help pages; every verb by the same rules."""

import typing

import pytest

from gmmal_jax.cli import main as cli, options, parser
from gmmal_jax.cli.parser import Option, Verb
from gmmal_jax.config.checks import option, unwrap
from gmmal_jax.errors import UserError

VERB = Verb(
    "paint",
    "WALL ...",
    "color walls",
    lambda parsed: 0,
    (
        Option("color", "NAME", "The color.", required=True),
        Option("coats", "INT ...", "The coats."),
        Option("dry.slow", "", "It dries slowly."),
    ),
)


def parse(*args, **changes):
    return parser.parse(VERB._replace(**changes), args)


def refused(*args, **changes):
    with pytest.raises(UserError) as caught:
        parse(*args, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_words_and_options():
    parsed = parse("east", "--color", "red", "west", "--coats", "1", "2", "--dry.slow")
    assert parsed.words == ["east", "west"] and not parsed.help
    assert parsed.given == {"color": ["red"], "coats": ["1", "2"], "dry.slow": []}


def test_forms_of_options():
    assert parse("east", "--color=red").given == {"color": ["red"]}
    assert parse("east", "--color", "red", "--color", "blue").given["color"] == ["blue"]
    assert parse("east", "--color", "x", "--dry.no-slow").given["dry.slow"] == ["False"]
    assert parse("--help", "--color", "red").help


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--color", "red"], "gmmal paint needs WALL ...; see gmmal paint --help"),
        (["east"], "--color NAME is required; see gmmal paint --help"),
        (["east", "--colour", "red"], "'--colour'; did you mean --color?"),
        (["east", "--color", "red", "--qqq"], "'--qqq'; see gmmal paint --help"),
        (
            ["east", "--color", "x", "--dry.no-slow", "1"],
            "--dry.no-slow: '1'; it takes no value",
        ),
        (["east", "-x", "--color", "red"], "unknown option: '-x'"),
    ],
)
def test_faults_are_one_line(args, message):
    assert message in refused(*args)


def test_the_home_folder_has_a_short_name(monkeypatch, tmp_path):
    """A shell expands `--out ~/f`, and leaves `--out=~/f` to the program."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parser.path("~/f") == tmp_path / "f" and str(parser.path("a~")) == "a~"
    with pytest.raises(UserError, match="'~no-such-user/f'; write the whole path"):
        parser.path("~no-such-user/f")


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--config=~/f"],
        ["run", "--out=~/f"],
        ["resume", "~/f"],
        ["report", "~/f"],
        ["select", "--features=f.npy", "--out=~/f.txt"],
        ["encoders", "export", "efficientnet_lite0", "--out=~/f"],
    ],
)
def test_every_verb_knows_the_home_folder(args, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_text("a file, and so a fault that is told with its path")
    assert cli.main(args) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}/f" in error and not (tmp_path / "~").exists()


def test_a_switch_takes_true_or_false_or_nothing():
    given = {"a": [], "b": ["TRUE"], "c": ["False"]}
    assert [parser.switch(given, name) for name in "abcd"] == [True, True, False, False]
    for texts, line in (
        (["yes"], "--e: 'yes'; use true or false"),
        (["a", "b"], "one"),
    ):
        with pytest.raises(UserError, match=line):
            parser.switch({"e": texts}, "e")


def test_too_many_words():
    assert "takes WALL: 'a b'" in refused("a", "b", "--color", "x", words="WALL")
    assert "no option before: 'a'" in refused("a", "--color", "x", words="")
    assert "takes nothing: 'a'" in refused("a", words="", options=())


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_verb_has_a_help_page(name, capsys):
    for asked in ("--help", "-h"):
        assert cli.main([*name.split(), asked]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"usage: gmmal {name}")
    assert max(map(len, page.splitlines())) <= 88
    verb = cli.VERBS[name]
    assert all(f"  --{each.name} " in page for each in verb.options)
    assert cli.main([]) == 0
    assert f"  {name} " in capsys.readouterr().out


@pytest.mark.parametrize("field", options.fields(), ids=lambda field: field.name)
def test_every_setting_is_explained_in_whole_sentences(field):
    values = typing.get_args(unwrap(field.hint)[0])
    first, *more = field.text.split()
    assert field.text.endswith(".") and len(more) >= 3
    assert first[0].isupper() or first in values or first == "k-means"


def test_the_help_page_of_run_shows_the_defaults_that_hold():
    config = cli.parse_run(["--dataset", "cifar10", "--da.hidden", "3", "4"])
    shown = options.shown(config)
    assert shown["initial"] == "1000" and shown["da.hidden"] == "3 4"
    assert set(shown) == {option(field.name) for field in options.fields()}


def test_verbs_that_take_nothing_or_something_say_so(capsys):
    assert cli.main(["methods", "x"]) == 2
    assert "gmmal methods takes nothing: 'x'" in capsys.readouterr().err
    assert cli.main(["resume"]) == 2 and cli.main(["report"]) == 2
    assert cli.main(["resume", "a", "b"]) == 2
    assert "gmmal resume takes RUN: 'a b'" in capsys.readouterr().err

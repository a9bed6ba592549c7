"""One parser for all verbs: arguments -> words and options, every fault in one line.

`--name VALUE ...` or `--name=VALUE`; a switch is `--name` or `--no-name`; of repeated
options the last counts; `--help` stands anywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gmmal_jax.errors import UserError, nearest, unknown

HELP = {"-h", "--help"}

Given = dict[str, list[str]]
"""Option without dashes in front -> the texts that follow it."""


class Option(NamedTuple):
    """An option of a verb.

    Attributes:
      name: without the dashes in front.
      value: what the help page calls its text, such as "FILE", or "FILE ..." for one
        or more; "": a switch.
      text: what it does, in whole sentences.
      group: the heading above it on the help page.
      required: the verb cannot do without it.
    """

    name: str
    value: str
    text: str
    group: str = "options"
    required: bool = False


class Parsed(NamedTuple):
    """A verb's arguments.

    Attributes:
      words: those that belong to no option.
      given: the options.
      help: its help page is asked for.
    """

    words: list[str]
    given: Given
    help: bool


class Verb(NamedTuple):
    """What can be done.

    Attributes:
      name: one or two words.
      words: what it is done to, such as "RUN", or "RUN ..." for one or more; "":
        nothing.
      text: what it does, in a line for the list of verbs.
      run: does it and returns the exit code.
      options: that it takes.
      more: the rest of its help page, in paragraphs.
      gone: names of options that it once took.
      defaults: option's name -> its default as text, given the other options.
    """

    name: str
    words: str
    text: str
    run: Callable[[Parsed], int]
    options: tuple[Option, ...] = ()
    more: Callable[[], str] = str
    gone: tuple[str, ...] = ()
    defaults: Callable[[Parsed], Mapping[str, str]] = lambda parsed: {}


def find(args: Sequence[str], verbs: Mapping[str, Verb]) -> tuple[Verb, Sequence[str]]:
    """The verb that arguments begin with, and the rest of them.

    Raises:
      UserError: there is no such verb.
    """
    two = " ".join(args[:2])
    if two in verbs:
        return verbs[two], args[2:]
    first, *rest = args
    longer = any(name.startswith(f"{first} ") for name in verbs)
    if first not in verbs or (longer and rest and not rest[0].startswith("-")):
        raise unknown("unknown verb", two if longer else first, verbs)
    return verbs[first], rest


def parse(verb: Verb, args: Sequence[str]) -> Parsed:
    """Arguments of a verb, checked against what it takes.

    Raises:
      UserError: something unknown, missing or superfluous.
    """
    known = {option.name: option for option in verb.options}
    words: list[str] = []
    given: Given = {}
    last = ""
    for arg in args:
        if arg in HELP:
            continue
        if arg.startswith("--"):
            name, equals, text = arg[2:].partition("=")
            last = name.replace("_", "-")
            given[last] = [text] if equals else []
        elif last and not _full(known.get(last), given[last], verb.words):
            given[last].append(arg)
        else:
            words.append(arg)
    parsed = Parsed(words, _switched(verb, given), bool(HELP & {*args}))
    _check(verb, parsed)
    return parsed


def one(given: Given, name: str) -> str | None:
    """The text of an option that takes one; None if it is not there.

    Raises:
      UserError: none or several.
    """
    return single(given[name], name) if name in given else None


def several(given: Given, name: str) -> list[str]:
    """The texts of an option that takes at least one; none if it is not there.

    Raises:
      UserError: the option stands alone.
    """
    if name in given and not given[name]:
        raise UserError(f"--{name}", None, "it takes at least one value")
    return given.get(name, [])


def single(texts: list[str], name: str) -> str:
    """The only text of an option.

    Raises:
      UserError: none or several.
    """
    if len(texts) != 1:
        raise UserError(f"--{name}", " ".join(texts) or None, "it takes one value")
    return texts[0]


def number(given: Given, name: str, least: int) -> int | None:
    """The whole number of an option that takes one; None if it is not there.

    Raises:
      UserError: something else, or a smaller one.
    """
    text = one(given, name)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"--{name}", text, f"give a whole number from {least} on")
    return int(text)


def switch(given: Given, name: str) -> bool:
    """Whether a switch is on; it is off where it is not given.

    Raises:
      UserError: a text other than true and false, or several.
    """
    texts = given.get(name, ["false"])
    text = single(texts, name) if texts else "true"
    if text.lower() not in ("true", "false"):
        raise UserError(f"--{name}", text, "use true or false, or leave it alone")
    return text.lower() == "true"


def path(text: str) -> Path:
    """A path as a person writes it: a shell leaves the ~ of --name=~/file as it is.

    Raises:
      UserError: nobody's home folder is known by that name.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError("no such home folder", text, "write the whole path") from None


def see(verb: Verb) -> str:
    """Where the help page of a verb is."""
    return f"see gmmal {verb.name} --help"


def _full(option: Option | None, texts: list[str], words: str) -> bool:
    """Has an option all that it takes, and the verb a use for what comes then?"""
    if not words or option is None or option.value.endswith("..."):
        return False
    return not option.value or len(texts) == 1


def _switched(verb: Verb, given: Given) -> Given:
    """`--no-name` as `--name False`.

    Raises:
      UserError: an unknown option, a value where none belongs.
    """
    switches = {_negative(each.name): each for each in verb.options if not each.value}
    known = {each.name for each in verb.options}
    plain: Given = {}
    for name, texts in given.items():
        if name in known:
            plain[name] = texts
        elif name in switches:
            if texts:
                raise UserError(f"--{name}", " ".join(texts), "it takes no value")
            plain[switches[name].name] = ["False"]
        else:
            raise _unknown(verb, name)
    return plain


def _unknown(verb: Verb, name: str) -> UserError:
    if name in verb.gone:
        return UserError("the option is gone", f"--{name}", "leave it out")
    meant = {each.name: each.name for each in verb.options}
    for each in verb.options:
        if not each.value:
            # Also where the "no-" stands in front of the group.
            right = _negative(each.name)
            meant |= {right: right, f"no-{each.name}": right}
    near = nearest(name, meant)
    remedy = f"did you mean --{meant[near]}?" if near else see(verb)
    return UserError("unknown option", f"--{name}", remedy)


def _negative(name: str) -> str:
    *groups, leaf = name.split(".")
    return ".".join([*groups, f"no-{leaf}"])


def _check(verb: Verb, parsed: Parsed) -> None:
    """Refuse words that are missing or too many, and missing options."""
    if parsed.help:
        return
    words, what = parsed.words, f"gmmal {verb.name}"
    dashed = [word for word in words if word.startswith("-")]
    if dashed:
        raise UserError("unknown option", dashed[0], see(verb))
    if verb.words and not words:
        raise UserError(f"{what} needs {verb.words}", None, see(verb))
    if words and not verb.words and verb.options:
        remedy = f"write --OPTION VALUE; {see(verb)}"
        raise UserError("no option before", words[0], remedy)
    most = len(words) if verb.words.endswith("...") else bool(verb.words)
    if len(words) > most:
        takes = verb.words or "nothing"
        raise UserError(f"{what} takes {takes}", " ".join(words), see(verb))
    for option in verb.options:
        if option.required and not parsed.given.get(option.name):
            needed = f"--{option.name} {option.value} is required"
            raise UserError(needed, None, see(verb))

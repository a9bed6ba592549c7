"""Help pages: of the command as a whole, and of each verb."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping
from itertools import groupby

from gmmal_jax.cli.parser import Option, Verb

WIDEST = 88


def usage(verbs: Iterable[Verb], more: str) -> str:
    """The list of verbs.

    Args:
      verbs: in the order of the list.
      more: what stands below it.
    """
    heads = [(f"{verb.name} {verb.words}".strip(), verb.text) for verb in verbs]
    width = max(len(head) for head, _ in heads)
    lines = [f"  {head:<{width}}  {text}" for head, text in heads]
    return "\n".join(["usage: gmmal VERB [options]", "", *lines, "", wrapped(more)])


def page(verb: Verb, defaults: Mapping[str, str]) -> str:
    """The help page of a verb.

    Args:
      verb: whose.
      defaults: option's name -> its default as text.
    """
    required = [f"--{o.name} {o.value}" for o in verb.options if o.required]
    optional = ["[--OPTION VALUE ...]"] if len(required) < len(verb.options) else []
    parts = [f"usage: gmmal {verb.name}", verb.words, *required, *optional]
    blocks = [
        " ".join(filter(None, parts)),
        wrapped(f"{verb.text[0].upper()}{verb.text[1:]}."),
    ]
    blocks += [wrapped(block) for block in filter(None, verb.more().split("\n\n"))]
    for group, options in groupby(verb.options, lambda option: option.group):
        lines = [_option(each, defaults.get(each.name)) for each in options]
        blocks.append("\n".join([f"{group}:", *lines]))
    return "\n\n".join(blocks)


def _option(option: Option, default: str | None) -> str:
    *groups, leaf = option.name.split(".")
    negative = ".".join([*groups, f"no-{leaf}"])
    head = f"  --{option.name} {option.value or f'| --{negative}'}"
    shown = "" if default is None else f" (default: {default})"
    if len(head + shown) > WIDEST:
        shown = f"\n{' ' * 5}{shown}"
    return f"{head}{shown}\n{wrapped(option.text, ' ' * 6)}"


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph as wide as the terminal, at most `WIDEST`."""
    width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
    flat = " ".join(text.split())
    return textwrap.fill(
        flat, width, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip

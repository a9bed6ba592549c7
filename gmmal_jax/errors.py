"""The errors that a person sees as one line."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

_BREAKING = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that end a line, steer a terminal, or cannot be printed."""


class UserError(Exception):
    """Input that cannot be used: one line with what, which value and the remedy.

    The command line prints it and exits with its `code`. Control characters, which
    names of files may have, are escaped.

    Args:
      what: the file or option, and what is wrong with it.
      value: the offending value, None where naming it adds nothing.
      remedy: what to do instead.
    """

    code = 2
    """Of the process that it ends."""

    def __init__(self, what: str, value: object = None, remedy: str = "") -> None:
        shown = "" if value is None else f": {value!r}"
        tail = f"; {remedy}" if remedy else ""
        super().__init__(_in_a_line(f"{what}{shown}{tail}"))


def _in_a_line(text: str) -> str:
    return "".join(
        repr(char)[1:-1] if unicodedata.category(char) in _BREAKING else char
        for char in text
    )


def reason(error: BaseException) -> str:
    """What a library says was wrong, in a line."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def nearest(value: object, valid: Iterable[str]) -> str | None:
    """The valid name that a mistyped one was probably meant to be."""
    near = difflib.get_close_matches(str(value), list(valid), 1, 0.5)
    return near[0] if near else None


def unknown(what: str, value: object, valid: Iterable[str]) -> UserError:
    """The error for a name that is none of the valid ones; it proposes the nearest.

    Args:
      what: the option, or the kind of name.
      value: what was given.
      valid: the names to choose from.
    """
    names = list(valid)
    near = nearest(value, names)
    guess = f"did you mean {near}? " if near else ""
    return UserError(what, value, f"{guess}use one of {', '.join(names)}")


class PrecisionWarning(UserWarning):
    """Digits were lost, or could not be told apart: a fit says where."""


class TrainingDiverged(Exception):
    """A loss stopped being finite; the last good checkpoint is kept.

    Args:
      cycle: the active-learning cycle.
      stage: the phase's name.
      step: the first step of that phase whose loss is not finite.
    """

    def __init__(self, cycle: int, stage: str, step: int) -> None:
        super().__init__(
            f"loss is not finite in cycle {cycle}, stage {stage}, step {step}; "
            "the last good checkpoint is kept; lower the learning rate of that stage"
        )
        self.cycle, self.stage, self.step = cycle, stage, step


class SeedsFailed(UserError):
    """Processes of some seeds have ended, and have said why.

    Args:
      codes: of those that failed, one at least. Where all of them are 1, as where
        training diverged, it is this process's code, too.
    """

    def __init__(self, codes: Sequence[int]) -> None:
        remedy = "what was wrong stands above; the others have saved"
        worst = next((code for code in codes if code != 1), 1)
        super().__init__("a process of some seeds ended with code", worst, remedy)
        self.code = 1 if worst == 1 else 2


class Interrupted(Exception):
    """A signal asked the run to stop; its state is saved.

    Args:
      signum: the signal's number; the exit code is 128 + signum.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum

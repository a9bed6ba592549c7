"""The command line: a verb and its arguments -> messages and an exit code.

Exit codes: 0 done, 1 training diverged or a check failed, 2 unusable input; 130, 143
and 129 stopped by Ctrl-C, SIGTERM and SIGHUP, nothing lost.
"""

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Sequence

from gmmal_jax.cli import (
    cluster,
    datasets,
    embed,
    encoders,
    listing,
    pages,
    parser,
    signals,
)
from gmmal_jax.cli.parser import Parsed, Verb
from gmmal_jax.cli.report import REPORT
from gmmal_jax.cli.run import RESUME, RUN, cache_folder, parse_run as parse_run
from gmmal_jax.cli.select import SELECT
from gmmal_jax.errors import TrainingDiverged, UserError

MORE = """gmmal VERB --help tells more. gmmal run needs no option: real digits, the
paper's method beside random choice."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code."""
    _show_any_name()
    try:
        with signals.at_once():
            code = _main(list(sys.argv[1:] if argv is None else argv))
            sys.stdout.flush()  # what finds no place must fail here, not at the exit
            return code
    except BrokenPipeError:  # whoever read our lines has gone
        _give_up_output()
        return 1
    except OSError as error:
        _give_up_output()
        where = error.filename or "standard output"
        print(f"gmmal: {where}: {error.strerror or error}", file=sys.stderr)
        return 2
    except signals.Stopped as stopped:
        print(f"gmmal: {stopped}", file=sys.stderr)
        return 128 + stopped.signum


def _main(args: list[str]) -> int:
    if not args or args[0] in parser.HELP | {"help"}:
        print(pages.usage(VERBS.values(), MORE))
        return 0
    try:
        verb, rest = parser.find(args, VERBS)
        parsed = parser.parse(verb, rest)
        if parsed.help:
            print(pages.page(verb, verb.defaults(parsed)))
            return 0
        return verb.run(parsed)
    except UserError as error:
        print(f"gmmal: {error}", file=sys.stderr)
        return error.code
    except TrainingDiverged as error:
        print(f"gmmal: {error}", file=sys.stderr)
        return 1


def _show_any_name() -> None:
    """Let a name that the output cannot hold be escaped: it need not be UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_output() -> None:
    """Let nothing be written any more, so that the interpreter does not try again."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: no real file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _doctor(parsed: Parsed) -> int:
    from gmmal_jax.cli import doctor

    failed = 0
    with cluster.joined(parsed.given):
        found = doctor.report(cache_folder())
        if cluster.wanted(parsed.given):
            found = itertools.chain(found, doctor.crew())
        for well, line in found:
            print(f"{'ok  ' if well else 'LOOK'} {line}", flush=True)
            failed += not well
    return 1 if failed else 0


_ALL = (
    RUN,
    RESUME,
    SELECT,
    REPORT,
    listing.METHODS,
    datasets.DATASETS,
    datasets.PREPARE,
    datasets.PACK,
    embed.EMBED,
    encoders.ENCODERS,
    encoders.EXPORT,
    Verb("doctor", "", "check this installation", _doctor, cluster.OPTIONS),
)
VERBS: dict[str, Verb] = {verb.name: verb for verb in _ALL}

"""Options of several processes, and what each of them does when it starts."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gmmal_jax.cli import parser
from gmmal_jax.cli.parser import Given, Option
from gmmal_jax.errors import UserError

if TYPE_CHECKING:
    from gmmal_jax.parallel.hosts import Cluster

_GROUP = "several processes"
OPTIONS = (
    Option("distributed", "", "Be one of several processes that run this together, "
           "each started with the same options. Where SLURM, GKE, Open MPI or a TPU "
           "pod started them nothing more is needed (docs/clusters.md).", _GROUP),
    Option("coordinator", "HOST:PORT", "Where the first process listens, of which the "
           "others are told.", _GROUP),
    Option("processes", "INT", "How many processes there are.", _GROUP),
    Option("process", "INT", "The number of this one; the first one, 0, alone reads "
           "and writes the folder.", _GROUP),
    Option("heartbeat-timeout", "SECONDS", "After so long without a sign of life a "
           "process is taken for lost, and the others end (60).", _GROUP),
)  # fmt: skip


def wanted(given: Given) -> bool:
    """Whether there are to be several processes.

    Raises:
      UserError: options of several without `--distributed`, or that is no switch.
    """
    if parser.switch(given, "distributed"):
        return True
    for option in OPTIONS[1:]:
        if option.name in given:
            raise UserError(f"--{option.name}", None, "it goes with --distributed")
    return False


@contextlib.contextmanager
def joined(given: Given) -> Iterator[None]:
    """Be one of several processes, where they are wanted: only the first one prints.

    Args:
      given: the options.

    Raises:
      UserError: an option that cannot be; the others are not found.
    """
    if not wanted(given):
        yield
        return
    from gmmal_jax.parallel import hosts

    hosts.join(_read(given))
    with contextlib.ExitStack() as stack:
        if not hosts.leads():
            # Nor may a name that is no text fail here alone.
            nothing = open(os.devnull, "w", errors="backslashreplace")
            nowhere = stack.enter_context(nothing)
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield


def _read(given: Given) -> "Cluster":
    from gmmal_jax.parallel.hosts import HEARTBEAT_SECONDS, Cluster

    return Cluster(
        _address(given),
        parser.number(given, "processes", 1),
        parser.number(given, "process", 0),
        parser.number(given, "heartbeat-timeout", 1) or HEARTBEAT_SECONDS,
    )


def _address(given: Given) -> str | None:
    text = parser.one(given, "coordinator")
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError("--coordinator", text, "write HOST:PORT")
    return text

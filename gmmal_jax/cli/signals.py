"""Ctrl-C, SIGTERM and SIGHUP at any moment: a line and an exit code, never a trace."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gmmal_jax.errors import Interrupted

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal came where nothing has to be brought to an end first.

    No `Exception`: whoever repairs or records failures must let it through.

    Args:
      signum: its number; the exit code is 128 + signum.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


@contextmanager
def at_once() -> Iterator[None]:
    """Signals raise `Stopped` where the program stands."""

    def stop(signum: int, frame: object) -> None:
        raise Stopped(signum)

    with _handled(stop):
        yield


@contextmanager
def noted(
    piece: str = "this chunk of steps", quiet: bool = False
) -> Iterator[Callable[[], int | None]]:
    """Signals are noted, to be acted upon between chunks; the second one is at once.

    Args:
      piece: what is brought to an end first.
      quiet: nothing is said of it.

    Yields:
      () -> the number of the signal that came, or None.
    """
    caught: list[int] = []

    def note(signum: int, frame: object) -> None:
        if caught:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        caught.append(signum)
        if not quiet:
            print(f"\nstopping after {piece}; once more: at once", flush=True)

    with _handled(note):
        yield lambda: caught[0] if caught else None


def saved(interrupted: Interrupted) -> int:
    """Say how to go on with what a signal stopped between two chunks; the exit code."""
    print("saved; the same command goes on from there")
    return 128 + interrupted.signum


@contextmanager
def _handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    watched = list(WATCHED)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        watched.remove(signal.SIGHUP)  # nohup's wish
    if threading.current_thread() is not threading.main_thread():
        watched = []  # Python gives signals to the main thread only
    before = [signal.signal(signum, handler) for signum in watched]
    try:
        yield
    finally:
        for signum, old in zip(watched, before, strict=True):
            signal.signal(signum, old)

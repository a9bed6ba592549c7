"""Do the numeric tests hold on inputs that are rounded otherwise?

    python benchmarks/rounded_inputs.py [--draws 20] [--only PATH ...]

Another processor or version of JAX rounds otherwise, and where a fit is chaotic that
moves results by more than a tuned tolerance. Here each number that a test draws is
left or moved by one unit in float32's last place (`tests/nudge.py`), otherwise in each
draw; the tests run as always. All draws run in one process, so that programs are
compiled once. Prints a line a draw and the names of tests that fell; exit code 1 if
any did.
"""

import argparse
import contextlib
import io
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NUMERIC = (
    "tests/mixtures",
    "tests/models/test_convolution.py",
    "tests/models/test_critic.py",
    "tests/models/test_normalization.py",
    "tests/models/test_resnet.py",
    "tests/phases/test_adversary.py",
    "tests/selection",
    "tests/strategies",
)
"""Tests that compare numbers and draw them from `np.random.default_rng`. Others feed
integers (pixels) or draw with JAX's own keys, which are the same bits everywhere."""
SKIPPED = (
    "scikit_learns_checks or shapes or parameter_counts or gap_between",
    "compile_nothing or compiles_again or made_again or compiles_once",
    "one_compilation",
    "equals_scipy or sum_to_the_budget",
)
"""Tests that draw nothing with NumPy and take long; that count a process's first
compilations; and methods that Hypothesis runs once a process."""


class Outcome:
    """A pytest plugin that counts what holds and notes what falls."""

    def __init__(self) -> None:
        self.passed, self.failed = 0, []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A failing fixture counts as a failing test."""
        if report.failed:
            self.failed.append(report.nodeid)
        self.passed += report.when == "call" and report.passed

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """So does a file that cannot be imported."""
        if report.failed:
            self.failed.append(report.nodeid)


def run(draw: int, paths: list[str]) -> Outcome:
    """Run the tests once, in this process: what was compiled stays."""
    os.environ["GMMAL_NUDGE"] = str(draw)  # for tests/conftest.py
    options = ["-q", "-n", "0", "--tb=line", "-k", f"not ({' or '.join(SKIPPED)})"]
    outcome, said = Outcome(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main([*paths, *options], plugins=[outcome])
    if code and not outcome.failed:
        outcome.failed.append(f"pytest ended with code {int(code)}: {said.getvalue()}")
    return outcome


def main() -> int:
    """Run all draws, print a line for each and what fell how often."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=20, help="how many")
    parser.add_argument("--only", nargs="+", default=list(NUMERIC), metavar="PATH")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    fallen: Counter[str] = Counter()
    for draw in range(1, arguments.draws + 1):
        began = time.monotonic()
        outcome = run(draw, arguments.only)
        fallen.update(outcome.failed)
        seconds = time.monotonic() - began
        failed = len(outcome.failed)
        print(
            f"draw {draw}: {outcome.passed} passed, {failed} failed, {seconds:.0f} s",
            flush=True,
        )
        for name in outcome.failed:
            print(f"  {name}", flush=True)
    for name, times in fallen.most_common():
        print(f"{times} of {arguments.draws} draws: {name}")
    print("some tests fell" if fallen else f"all hold in {arguments.draws} draws")
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())

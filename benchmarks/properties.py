"""The properties of fits and readers on ten thousand random examples each.

The tests try the same ones on some dozens:

    python -m benchmarks.properties --examples 10000 [TESTS ...]
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the tests that are marked as properties; pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000, help="of each property")
    parser.add_argument("tests", nargs="*", help="files or folders; none: all")
    given = parser.parse_args()
    command = [sys.executable, "-m", "pytest", "-m", "property", "--durations", "0"]
    command += given.tests
    # Ten thousand examples take a test longer than any in the suite.
    command += ["-o", "faulthandler_timeout=0", "--hypothesis-show-statistics"]
    environment = os.environ | {"GMMAL_EXAMPLES": str(given.examples)}
    root = Path(__file__).parents[1]
    return subprocess.run(command, cwd=root, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())

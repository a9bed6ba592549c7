"""python -m experiments.compare_digits --help."""

import sys

from experiments.compare_digits.cli import main

sys.exit(main())

"""python -m experiments.first_check --help."""

import sys

from experiments.first_check.cli import main

sys.exit(main())

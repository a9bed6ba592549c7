"""python -m experiments.first_cycle --help."""

import sys

from experiments.first_cycle.cli import main

sys.exit(main())

"""python -m experiments.features --help."""

import sys

from experiments.features.cli import main

sys.exit(main())

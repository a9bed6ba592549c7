"""python -m experiments --help: the paper's tables and figures."""

import sys

from experiments.paper.cli import main

sys.exit(main())

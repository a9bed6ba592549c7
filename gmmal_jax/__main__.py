"""`python -m gmmal_jax` is `gmmal`."""

import sys

from gmmal_jax.cli.main import main

sys.exit(main())

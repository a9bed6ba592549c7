"""How often a property is tried: some hundred times here, more where one asks.

`benchmarks/properties.py` sets GMMAL_EXAMPLES to ten thousand.
"""

import os

import pytest
from hypothesis import HealthCheck, settings


def examples(number):
    """Mark a property of hypothesis's, tried on so many examples unless told."""
    chosen = settings(
        max_examples=int(os.environ.get("GMMAL_EXAMPLES", number)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: pytest.mark.property(chosen(test))

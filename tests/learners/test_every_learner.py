"""Every learner of the table is one: `gmmal_jax.testing.learners` over its rows."""

import pytest
from rows import EVERY, build_of

from gmmal_jax.testing import learners


@pytest.mark.parametrize("name", EVERY)
def test_every_learner_keeps_the_contract(name):
    learners.check(build_of(name), devices=(2,))

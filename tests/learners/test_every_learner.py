"""Every learner of the table is one: `gmmal_jax.testing.learners` over its rows."""

import pytest
import tiny

from gmmal_jax import assembly, methods, plugins
from gmmal_jax.testing import learners


@pytest.mark.parametrize("name", sorted(methods.LEARNERS))
def test_every_learner_keeps_the_contract(name):
    config = tiny.config(**{"reg.subset_size": 12, "reg.alpha": 0.1})
    make = plugins.resolve(methods.LEARNERS[name].make, name)
    groups = assembly.groups(make, config, name)
    # Three seldom divide a batch: what two might show, they do.
    learners.check(lambda network: make(network, **groups), devices=(3,))

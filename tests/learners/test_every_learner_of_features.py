"""Every learner of the table on features, but those whose networks read pictures."""

import pytest
from rows import EVERY, build_of

from gmmal_jax.errors import UserError
from gmmal_jax.testing import learners, worlds

PICTURES_ONLY = ("ta_vaal", "vaal")


@pytest.mark.parametrize("name", [name for name in EVERY if name not in PICTURES_ONLY])
def test_every_learner_keeps_the_contract(name):
    """How devices share rows is one matter for all: the largest learner shows it."""
    devices = (2,) if name == "reg_da" else ()
    learners.check(build_of(name), devices, worlds.FEATURES)


@pytest.mark.parametrize("name", PICTURES_ONLY)
def test_a_vae_of_features_is_refused(name):
    with pytest.raises(UserError, match="its VAE is for pictures, not for features"):
        build_of(name)(worlds.adapter())

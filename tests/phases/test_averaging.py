"""Moving averages by hand: the warm-up, and the mean that it makes."""

import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax.phases import averaging


@pytest.mark.parametrize(
    ("step", "share"), [(0, 0.0), (1, 0.5), (3, 0.75), (999, 0.999), (10**6, 0.999)]
)
def test_the_share_grows_to_the_decay(step, share):
    found = averaging.warmed(jnp.asarray(step), 0.999)
    np.testing.assert_allclose(found, share, atol=1e-7)  # one rounding of numbers to 1


def test_while_it_warms_up_it_is_the_mean_of_all_steps():
    seen, average = np.float32([3.0, -1.0, 7.0, 2.0]), {"w": jnp.float32(99.0)}
    for step, value in enumerate(seen):
        share = averaging.warmed(jnp.asarray(step), 0.999)
        average = averaging.averaged(average, {"w": jnp.asarray(value)}, share)
        if step == 0:
            assert average["w"] == value  # what stood there before is gone
    np.testing.assert_allclose(average["w"], seen.mean(), rtol=1e-6)


@pytest.mark.parametrize(("step", "share"), [(0, 0.1), (90, 0.91), (10**6, 0.999)])
def test_what_is_read_forgets_the_first_steps_sooner(step, share):
    found = averaging.recent(jnp.asarray(step), 0.999)
    np.testing.assert_allclose(found, share, atol=1e-7)

"""Where a phase stands: shares of its length, passes over its rows."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax.types import Clock

SHARES = [0.0, 0.1, 0.25, 0.3, 1 / 3, 0.5, 0.6, 2 / 3, 0.8, 0.875, 0.9999, 1.0]
LENGTHS = [*range(5001), *range(199_990, 200_010), *range(1_999_999_980, 2_000_000_001)]


def before(steps, lengths, share):
    clock = Clock(*jnp.asarray([steps, lengths, lengths], jnp.int32))
    return np.asarray(jax.jit(lambda clock: clock.before(share))(clock))


def rounded(share):
    exact = Fraction(str(round(share, 12))).limit_denominator(10_000)
    return [round(exact * length) for length in LENGTHS]


@pytest.mark.parametrize("share", SHARES)
def test_the_steps_before_a_share_are_exact_for_every_length(share):
    ends = np.asarray(rounded(share))
    for step in (np.zeros_like(ends), ends // 2, ends - 1, ends, ends + 1, LENGTHS):
        wanted = np.asarray(step) < ends
        np.testing.assert_array_equal(before(step, LENGTHS, share), wanted)


def test_float32_is_a_step_late():
    """What `Clock.before` is there for: a length times 0.6, traced."""
    ends = np.asarray(rounded(0.6))
    product = jax.jit(lambda length: length < 0.6 * jnp.asarray(LENGTHS))(ends)
    late = np.asarray(product)[np.asarray(LENGTHS) % 5 == 0]
    assert late.any()


def test_shares_are_static_and_lengths_are_not():
    traced = jax.jit(lambda clock: clock.before(0.6))
    for length in (5, 10, 3000):
        end = length * 3 // 5
        assert bool(traced(Clock(*map(jnp.int32, (end - 1, length, 1)))))
        assert not traced(Clock(*map(jnp.int32, (end, length, 1))))
    assert traced._cache_size() == 1

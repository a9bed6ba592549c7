import jax
import numpy as np

from gmmal_jax import keys


def test_equal_addresses_give_equal_numbers():
    np.testing.assert_array_equal(
        keys.rng(3, "order", 1, 2).random(4), keys.rng(3, "order", 1, 2).random(4)
    )
    first, second = (jax.random.key_data(keys.key(3, "query", 1)) for _ in range(2))
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


def test_addresses_never_meet():
    """Streams, seeds and addresses of any length, also ones that end in 0."""
    addresses = [(), (0,), (0, 0), (1,), (1, 0), (0, 1), (1, 0, 0)]
    places = [(s, name, a) for s in (0, 1) for name in keys.STREAMS for a in addresses]
    host = {tuple(keys.rng(s, n, *a).integers(0, 2**62, 2)) for s, n, a in places}
    assert len(host) == len(places)
    device = {
        tuple(np.asarray(jax.random.key_data(keys.key(s, n, *a))).tolist())
        for s, n, a in places
    }
    assert len(device) == len(places)

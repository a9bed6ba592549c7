import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax.errors import UserError
from gmmal_jax.models import table
from gmmal_jax.phases.network import ImageForm, bind
from gmmal_jax.types import Batch

SHAPE, CLASSES = (6,), 3
FORM = ImageForm(SHAPE, (1.0,) * 6, (2.0,) * 6, dropout=0.5, noise=0.1)


def network_of(name, width=None, form=FORM):
    return bind(table.load(name, width, CLASSES, SHAPE), form)


@pytest.mark.parametrize(("name", "map_shape"), [("linear", 6), ("mlp", 5)])
def test_latents_lead_to_logits(name, map_shape):
    network = network_of(name, 5)
    assert (network.num_classes, network.latent_size) == (CLASSES, 6)
    assert network.map_shapes == ((1, 1, map_shape),)
    state = network.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (4, 6))
    found = network.predict(state, x)
    kernel, bias = network.head(state)
    np.testing.assert_allclose(found.logits, found.latents @ kernel + bias[None], 1e-5)


def test_the_adapter_begins_as_the_linear_classifier():
    network = network_of("mlp")
    state = network.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (4, 6))
    np.testing.assert_array_equal(network.predict(state, x).latents, x)


def test_the_adapter_by_hand():
    network = network_of("mlp", 2)
    params = {
        "hidden": {"kernel": np.zeros((6, 2)), "bias": np.array([1.0, -1.0])},
        "added": {"kernel": np.ones((2, 6)), "bias": np.zeros(6)},
        "head": {"kernel": np.eye(6, 3), "bias": np.array([0.0, 0.0, 5.0])},
    }
    state = network.init(jax.random.key(0))._replace(params=params)
    found = network.predict(state, jnp.zeros((1, 6)))
    np.testing.assert_array_equal(found.latents, np.ones((1, 6)))
    np.testing.assert_array_equal(found.logits, [[1.0, 1.0, 6.0]])


def views(network, num=8):
    """Training and strong view of rows, and the rows standardized."""
    rows = jax.random.normal(jax.random.key(2), (num, 6)).astype(jnp.float16)
    batch = Batch(rows, jnp.zeros(num, jnp.int32), jnp.ones(num, bool))

    def both(key, batch):
        return network.augmented(key, batch), network.strongly_augmented(key, batch)

    mapped = jax.pmap(both, "batch", in_axes=(None, 0))
    one = jax.tree.map(lambda leaf: leaf[None], batch)
    weak, strong = mapped(jax.random.key(3), one)
    return weak[0], strong[0], network.normalized(rows)


def test_training_drops_features_and_the_strong_view_blurs_them_too():
    weak, strong, plain = views(network_of("linear"))
    dropped = weak == 0
    assert 10 < dropped.sum() < 38  # of 48: half, and five standard deviations
    np.testing.assert_allclose(weak[~dropped], 2 * plain[~dropped], rtol=1e-6)
    noise = strong - weak
    assert 0.05 < float(noise.std()) < 0.2 and np.all(noise != 0)


def test_without_dropout_training_sees_the_features_as_they_are():
    form = FORM._replace(dropout=0.0, noise=0.0)
    weak, strong, plain = views(network_of("linear", form=form))
    np.testing.assert_array_equal(weak, plain)
    np.testing.assert_array_equal(strong, plain)


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_pictures_are_refused(name):
    with pytest.raises(UserError, match="reads features .d., not pictures"):
        table.load(name, None, CLASSES, (8, 8, 1))


@pytest.mark.parametrize("name", ["small", "resnet18", "resnet50"])
def test_features_are_refused(name):
    with pytest.raises(UserError, match="reads pictures, not features"):
        table.load(name, None, CLASSES, SHAPE)

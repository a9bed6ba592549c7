"""What a learner promises is checked, and a broken promise is one line."""

import jax
import jax.numpy as jnp
import pytest

from gmmal_jax.config import TrainConfig
from gmmal_jax.errors import UserError
from gmmal_jax.phases import task
from gmmal_jax.phases.base import check_learner
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.testing import worlds

TRAIN = TrainConfig(steps=2, chunk_steps=2, batch_size=8, learning_rate=0.05)


def base(*losses):
    return task.make(worlds.network(), losses, TRAIN)


def run(learner, **at):
    return worlds.cycle(*worlds.world(learner), **at)[0]


def test_a_loss_metric_is_wanted():
    def step(key, state, batch):
        return state, {"value": jnp.zeros(())}

    phase = base().phases[0]._replace(step=step)
    with pytest.raises(UserError, match=r"metrics of phase supervised: \['value'\]"):
        run(base()._replace(phases=(phase,)))


def read(**more):
    def readout(state, images):
        return base().readout(state, images) | {
            name: make(images) for name, make in more.items()
        }

    return readout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gives": task.GIVES | {"novelty"}}, "Learner.gives.*novelty.*logits"),
        ({"readout": read(novelty=lambda x: x[:, 0, 0, 0])}, "Learner.gives.*novelty"),
        (
            {
                "readout": read(novelty=lambda x: jnp.zeros(3)),
                "gives": task.GIVES | {"novelty"},
            },
            "column novelty has shape.*a row for each image",
        ),
        (
            {
                "readout": lambda state, x: {"latents": jnp.zeros((x.shape[0], 2))},
                "gives": frozenset({"latents"}),
            },
            "accuracy is measured",
        ),
        (
            {
                "readout": lambda state, x: {"logits": jnp.zeros((x.shape[0], 3))},
                "gives": frozenset({"logits"}),
            },
            r"Learner.readout: \['logits'\]; return latents \[b, d\], too",
        ),
        (
            {"readout": read(latents=lambda x: jnp.zeros((x.shape[0], 2, 2)))},
            r"column latents has shape: \(2, 2, 2\); return latents \[b, d\]",
        ),
        ({"readout": read(logits=lambda x: x[:, 0, 0, 0])}, r"return logits \[b, c\]"),
        ({"phases": ()}, "Learner.phases"),
        ({"phases": base().phases * 2}, "Learner.phases"),
        ({"init": lambda key, previous: {"w": jnp.zeros(1)}}, "property model"),
        ({"head": lambda state: (jnp.zeros((3, 2)), jnp.zeros(2))}, "Learner.head"),
    ],
)
def test_a_broken_promise_is_one_line(changes, message):
    check_learner(base(), worlds.IMAGE_SHAPE)
    with pytest.raises(UserError, match=message):
        check_learner(base()._replace(**changes), worlds.IMAGE_SHAPE)


def test_two_losses_of_one_name_are_refused():
    twin = AuxLoss("twin", 1.0, lambda *_: jnp.zeros(()))
    with pytest.raises(ValueError, match="two losses"):
        base(twin, twin).init(jax.random.key(0), None)

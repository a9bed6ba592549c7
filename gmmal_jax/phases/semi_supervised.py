"""Training on unlabeled images too, by the labels that the network is sure of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import averaging, optimizer, supervised
from gmmal_jax.phases.base import Inputs, Learner, Phase, with_model
from gmmal_jax.phases.extend import focus
from gmmal_jax.phases.losses import label_loss
from gmmal_jax.phases.network import (
    Network,
    cross_entropy,
    forward_both,
    global_mean,
)
from gmmal_jax.types import (
    Batch,
    Clock,
    Key,
    Metrics,
    ModelState,
    PyTree,
    StepBatch,
)


class Recipe(NamedTuple):
    """How unlabeled images are labeled and learned.

    Attributes:
      rows: unlabeled images of a step, over all devices.
      views: (key, unlabeled batch) -> float32 images [b, h, w, ch] each, one or more:
        labels are read off the first view and learned on the last.
      threshold: labels of a smaller probability are not learned.
      weight: clock -> factor of their loss in the objective.
    """

    rows: int
    views: Callable[[Key, Batch], tuple[jax.Array, ...]]
    threshold: float
    weight: Callable[[Clock], jax.Array]


def make_phase(network: Network, train: TrainConfig, recipe: Recipe) -> Phase:
    """The supervised phase with unlabeled images in the same step.

    For states of `task.make` without losses, with stage 1's steps, rates and labeled
    batches. All images of a step pass the network together, as one batch of BatchNorm.
    """
    sgd = optimizer.sgd(train)

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        labeled, unlabeled = batch.labeled, batch.unlabeled
        assert labeled is not None and unlabeled is not None
        own = network.augmented(jax.random.fold_in(key, 0), labeled)
        views = recipe.views(jax.random.fold_in(key, 1), unlabeled)
        images = (own, jnp.concatenate(views))
        masks = (labeled.mask, jnp.tile(unlabeled.mask, len(views)))
        weight = recipe.weight(batch.clock)

        def objective(
            trained: tuple[PyTree, dict[str, PyTree]],
        ) -> tuple[jax.Array, tuple[Any, Metrics]]:
            model = ModelState(trained[0], state.model.batch_stats)
            both, stats = forward_both(network, model, images, masks, joint=True)
            seen = jnp.split(both[1].logits, len(views))
            learned, sure = pseudo_label_loss(
                seen[0], seen[-1], unlabeled.mask, recipe.threshold
            )
            terms = {
                "cross_entropy": label_loss(both[0].logits, batch),
                "pseudo_label": learned,
                "confident": sure,
            }
            loss = terms["cross_entropy"] + weight * learned
            return loss, (stats, terms | {"loss": loss})

        rate = optimizer.scheduled(batch.clock, train)
        trained = (state.model.params, state.heads)
        done = optimizer.minimize(sgd, objective, trained, state.optimizer, rate)
        model = ModelState(done.params[0], done.aux)
        return state._replace(model=model, optimizer=done.moments), done.metrics

    return Phase(
        name="semi_supervised",
        step=step,
        num_steps=supervised.num_steps(train),
        inputs=Inputs(labeled=train.batch_size, unlabeled=recipe.rows),
        scan_safe=network.scan_safe,
    )


def pseudo_label_loss(
    guessed: Float[Array, "b c"],
    learned: Float[Array, "b c"],
    mask: Bool[Array, " b"],
    threshold: float,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """This device's shares of the loss of the global batch, in nats, and of sure rows.

    The mean is over all rows: those that are not sure count with a loss of 0.

    Args:
      guessed: logits that labels and their probabilities are read off; constants.
      learned: logits of the same images that are to show these labels.
      mask: of the rows.
      threshold: the smallest probability of a label that is learned.

    Source: FixMatch (Sohn et al., 2020; arXiv:2001.07685), equation 4.
    """
    probabilities = jax.lax.stop_gradient(jax.nn.softmax(guessed))
    sure = probabilities.max(axis=1) >= threshold
    values = cross_entropy(learned, probabilities.argmax(axis=1))
    loss = global_mean(jnp.where(sure, values, 0.0), mask)
    return loss, global_mean(sure.astype(jnp.float32), mask)


class Averaged(NamedTuple):
    """The state of a learner whose network's average is read.

    Attributes:
      model: the average of the parameters, with the trained network's running
        averages of BatchNorm.
      trained: the learner's own state; steps go on from its network.
    """

    model: ModelState
    trained: PyTree

    def with_model(self, model: ModelState) -> "Averaged":
        """With another network, to be read and to go on from."""
        return Averaged(model, with_model(self.trained, model))


def with_average(learner: Learner, decay: float) -> Learner:
    """The learner, read by an exponential moving average of its parameters.

    Args:
      learner: whose state has a field `model`.
      decay: the share that the average keeps in a step.
    """

    def init(key: Key, previous: Any) -> Averaged:
        trained = learner.init(key, previous)
        return Averaged(trained.model, trained)

    def averaging_phase(phase: Phase) -> Phase:
        inner = focus(
            phase,
            lambda state: state.trained,
            lambda state, trained: state._replace(trained=trained),
        )

        def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
            state, metrics = inner.step(key, state, batch)
            now, share = state.trained.model, averaging.recent(batch.clock.step, decay)
            params = averaging.averaged(state.model.params, now.params, share)
            return state._replace(model=ModelState(params, now.batch_stats)), metrics

        return inner._replace(step=step)

    def read(state: Averaged) -> PyTree:
        return with_model(state.trained, state.model)

    head = learner.head
    return learner._replace(
        init=init,
        phases=tuple(map(averaging_phase, learner.phases)),
        readout=lambda state, images: learner.readout(read(state), images),
        head=head and (lambda state: head(read(state))),
    )

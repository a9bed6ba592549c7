"""Training towards a network's own moving average, on labeled and unlabeled images."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmmal_jax.config import TodConfig, TrainConfig
from gmmal_jax.models.linear import linear
from gmmal_jax.phases import averaging, optimizer, supervised
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.losses import label_loss
from gmmal_jax.phases.network import Network, forward_both, global_mean
from gmmal_jax.types import Key, Metrics, ModelState, Outputs, PyTree, StepBatch

DECAY = 0.999
"""What the moving average keeps in a step, once it is warm."""


class TemporalState(NamedTuple):
    """What the phase trains, and what it compares with.

    Attributes:
      model: the task network.
      head: of the consistency logits, on the network's latents.
      optimizer: of (network parameters, head).
      average: moving average of the network's parameters.
      previous: the last cycle's network; a random one in the first cycle.
      compared: 1 where `previous` was trained, else 0.
    """

    model: ModelState
    head: PyTree
    optimizer: PyTree
    average: PyTree
    previous: ModelState
    compared: jax.Array

    def with_model(self, model: ModelState) -> "TemporalState":
        """With another task network, which is its own average at first."""
        return self._replace(model=model, average=model.params)


def init(
    network: Network, train: TrainConfig, key: Key, previous: ModelState | None
) -> TemporalState:
    """Fresh weights; the head draws from `fold_in(key, 2)`, a random past from 3."""
    model = network.init(key)
    latents = jnp.zeros((1, network.latent_size))
    head = _head(network).init(jax.random.fold_in(key, 2), latents)
    sgd = optimizer.sgd(train)
    compared = jnp.float32(previous is not None)
    if previous is None:
        previous = network.init(jax.random.fold_in(key, 3))
    return TemporalState(
        model=model,
        head=head,
        optimizer=sgd.init((model.params, head)),
        average=model.params,
        previous=previous,
        compared=compared,
    )


def make_phase(network: Network, train: TrainConfig, tod: TodConfig) -> Phase:
    """Cross-entropy, and logits that stay near those of the moving average.

    The average's BatchNorm uses the batch's statistics; its logits are constants.
    Unlabeled rows are a random batch in every step, as many as labeled ones.

    Source: Huang et al., 2021 (arXiv:2107.14153) and its code, see `apart`. In that
    code the first cycle has the same 128 images as its unlabeled batch in every step.
    """
    sgd = optimizer.sgd(train)

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        labeled, unlabeled = batch.labeled, batch.unlabeled
        assert labeled is not None and unlabeled is not None
        masks = (labeled.mask, unlabeled.mask)
        images = (
            network.augmented(jax.random.fold_in(key, 0), labeled),
            network.augmented(jax.random.fold_in(key, 1), unlabeled),
        )

        def forward(params: PyTree) -> tuple[tuple[Outputs, Outputs], PyTree]:
            model = ModelState(params, state.model.batch_stats)
            return forward_both(network, model, images, masks, joint=False)

        targets, _ = forward(state.average)

        def objective(
            trained: tuple[PyTree, PyTree],
        ) -> tuple[jax.Array, tuple[PyTree, Metrics]]:
            params, head = trained
            outputs, stats = forward(params)
            cross_entropy = label_loss(outputs[0].logits, batch)
            gaps = [
                apart(tod, own.logits, consistent(network, head, own), target.logits)
                for own, target in zip(outputs, targets, strict=True)
            ]
            gap = sum(map(global_mean, gaps, masks), jnp.zeros(()))
            loss = cross_entropy + tod.weight * gap
            terms = {"loss": loss, "cross_entropy": cross_entropy, "temporal": gap}
            return loss, (stats, terms)

        rate = optimizer.scheduled(batch.clock, train)
        trained = (state.model.params, state.head)
        done = optimizer.minimize(sgd, objective, trained, state.optimizer, rate)
        params, head = done.params
        share = averaging.warmed(batch.clock.step, DECAY)
        state = state._replace(
            model=ModelState(params, done.aux),
            head=head,
            optimizer=done.moments,
            average=averaging.averaged(state.average, params, share),
        )
        return state, done.metrics

    return Phase(
        name="temporal",
        step=step,
        num_steps=supervised.num_steps(train),
        inputs=Inputs(labeled=train.batch_size, unlabeled=train.batch_size),
        scan_safe=network.scan_safe,
    )


def apart(
    tod: TodConfig,
    main: Float[Array, "b c"],
    consistent: Float[Array, "b c"],
    target: Float[Array, "b c"],
) -> Float[Array, " b"]:
    """How far logits are from those of the moving average: mean squares over classes.

    Args:
      tod: `code` goes from the main to the consistency logits and from these to the
        average's, both of which have a gradient; `paper` goes straight.
      main: of the classifier.
      consistent: of the consistency head.
      target: of the moving average's classifier.
    """
    if tod.loss == "paper":
        return jnp.mean(jnp.square(main - target), axis=1)
    squares = jnp.square(main - consistent) + jnp.square(consistent - target)
    return jnp.mean(squares, axis=1)


def consistent(network: Network, head: PyTree, outputs: Outputs) -> jax.Array:
    """Logits [b, c] of the consistency head."""
    logits = _head(network).apply(head, outputs.latents)
    assert isinstance(logits, jax.Array)
    return logits


def discrepancy(
    logits: Float[Array, "b c"], before: Float[Array, "b c"]
) -> Float[Array, " b"]:
    """Half the squared distance between two predictions: [b], in [0, 1].

    Source: temporal output discrepancy (Huang et al., 2021), squared as in its code.
    """
    gaps = jax.nn.softmax(logits) - jax.nn.softmax(before)
    return jnp.sum(jnp.square(gaps), axis=1) / 2


def _head(network: Network) -> Any:
    return linear(network.latent_size, network.num_classes)

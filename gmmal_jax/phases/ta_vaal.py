"""TA-VAAL: a ranker of losses, and a VAE and a discriminator that are told its ranks.

Source: Task-Aware Variational Adversarial Active Learning (Kim et al., 2021, arXiv
2002.04709) and its authors' code: the ranker is the module of Learning Loss, trained
beside cross-entropy by a ranking loss; the decoder sees sigmoid(r), the discriminator r
as it is. The paper speaks of normalized ranks for either: `ta_vaal.rank_norm`. The
first iteration's random ranks of that code are left out.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from gmmal_jax.config import AlignConfig, MixtureConfig, TaVaalConfig, TrainConfig
from gmmal_jax.phases import generative, infusion, optimizer, ranking
from gmmal_jax.phases.extend import Beside, Extended, Extension, focus, with_heads
from gmmal_jax.phases.generative import Columns, Tell
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.vae_game import GameState, Told
from gmmal_jax.types import Key, Metrics, PyTree, StepBatch

COLUMN, RANK = "looks_unlabeled_by_rank", "predicted_rank"


class RankedState(NamedTuple):
    """The extension's own state.

    Attributes:
      game: VAE and discriminator.
      momentum: of the ranker, in phases after stage 1; None: it learns nothing there.
    """

    game: GameState
    momentum: PyTree


def make(
    network: Network,
    train: TrainConfig,
    ta_vaal: TaVaalConfig,
    da: AlignConfig,
    gmm: MixtureConfig,
    infuse: Literal["gmm"] | None,
) -> Extension:
    """The extension: a loss in stage 1, the ranker after it, then the two networks.

    Args:
      network: of the learner that is extended.
      train: stage 1's settings.
      ta_vaal: settings of the two networks.
      da: steps between refits of mixtures in the VAE's space.
      gmm: of the mixtures that are infused.
      infuse: "gmm": the discriminator also sees mixture columns, of the task network's
        latents or the VAE's (the GMM paper, appendix A.6).
    """
    frozen = ta_vaal.ranker_in_da == "frozen"
    joint = ta_vaal.ranker_in_da == "joint"
    rank = ranking.make(network, "rank", ranking.rank_loss, RANK)
    rank = rank._replace(aligned=joint)
    sgd = optimizer.sgd(train)
    tell = _tell(network, ta_vaal, rank)
    if infuse and ta_vaal.mixture_space == "vae":
        size, classes = ta_vaal.latent_size, network.num_classes
        tell = infusion.of_vae(tell, size, classes, gmm, da.refit_every)
    elif infuse:
        tell = infusion.of_task(tell, network, gmm)
    game = generative.make(network, ta_vaal, "ta_vaal", COLUMN, tell)

    def init(key: Key, base: PyTree, previous: None) -> RankedState:
        moments = None if frozen else sgd.init(base.heads[rank.name])
        return RankedState(game.init(key, base, previous), moments)

    def get(state: Extended) -> Extended:
        return state._replace(own=state.own.game)

    def put(state: Extended, after: Extended) -> Extended:
        return state._replace(own=state.own._replace(game=after.own))

    describe = game.diagnose
    assert describe is not None
    return game._replace(
        init=init,
        losses=(rank,),
        beside=None if frozen else _goes_on(network, train, rank),
        phases=tuple(focus(phase, get, put) for phase in game.phases),
        readout=lambda own, *seen: game.readout(own.game, *seen),
        diagnose=lambda own, *seen: describe(own.game, *seen),
    )


def _tell(network: Network, settings: TaVaalConfig, rank: AuxLoss) -> Tell:
    def see(state: Extended, images: jax.Array) -> Columns:
        outputs = network.predict(state.model, images)
        columns = rank.columns(state.heads[rank.name], outputs)
        return columns | {"latents": outputs.latents}

    def tell(known: PyTree, columns: Columns) -> Told:
        raw = columns[RANK][:, None]
        scaled = jax.nn.sigmoid(raw)
        return Told(scaled, raw if settings.rank_norm == "raw" else scaled)

    return Tell(sizes=(1, 1), see=see, tell=tell)


def _goes_on(network: Network, train: TrainConfig, rank: AuxLoss) -> Beside:
    """After stage 1 the ranker alone learns of the labeled batch, on detached maps.

    At the rate that stage 1 ends with. Source: ours: the network that is asked by is
    that of the last phase, and the ranker has to know it. Where stage 2 itself has the
    ranking loss, that phase is let alone.
    """
    sgd = optimizer.sgd(train)
    rate = jnp.float32(train.learning_rate * train.decay)

    def step(key: Key, state: Extended, batch: StepBatch) -> tuple[Extended, Metrics]:
        labeled, heads = batch.labeled, state.heads
        assert labeled is not None
        images = network.augmented(jax.random.fold_in(key, 0), labeled)
        outputs, _ = network.train(state.model, images, labeled.mask)

        def objective(params: PyTree) -> tuple[jax.Array, tuple[None, Metrics]]:
            loss = rank.loss(params, None, outputs, batch)
            return loss, (None, {rank.name: loss})

        done = optimizer.minimize(
            sgd, objective, heads[rank.name], state.own.momentum, rate
        )
        state = with_heads(state, heads | {rank.name: done.params})
        own = state.own._replace(momentum=done.moments)
        return state._replace(own=own), done.metrics

    taught = {"supervised", "alignment"} if rank.aligned else {"supervised"}
    return Beside(step, skips=frozenset(taught))

"""A VAE and a discriminator of its latents, trained after any learner.

Source: Variational Adversarial Active Learning (Sinha et al., 2019, arXiv 1904.00370).
As in its public code, the VAE takes two steps, each on new images, and then the
discriminator one. As in code that others compare with, the task network is trained
first and stays as it is, and images are not augmented; here they are shuffled.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from scipy.special import expit

from gmmal_jax.config import TaVaalConfig, VaalConfig
from gmmal_jax.config.generative import STREAM_PASSES, STREAM_ROWS
from gmmal_jax.errors import UserError
from gmmal_jax.models import vae
from gmmal_jax.models.critic import Critic
from gmmal_jax.phases import diagnosis, vae_game
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.extend import Extended, Extension
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.vae_game import Game, GameState, Seen, Told
from gmmal_jax.types import EmbedPool, Key, Metrics, PoolView, PyTree, StepBatch

MEANS = "vae_means"
"""The column of an image's latents in the VAE, [b, d], where something is learned of
them."""
_ADDRESS = 1904
"""Of the first weights among what `Extension.init` draws."""

Settings = VaalConfig | TaVaalConfig
Columns = dict[str, jax.Array]


def know_nothing() -> None:
    """The default of `Tell.init`."""
    return None


def see_nothing(state: Extended, images: jax.Array) -> Columns:
    """The default of `Tell.see`."""
    return {}


def tell_nothing(known: PyTree, columns: Columns) -> Told:
    """The default of `Tell.tell`."""
    return Told()


class Tell(NamedTuple):
    """What the two networks are told of rows, beside images and latents.

    Attributes:
      sizes: numbers a row that decoder and discriminator are told.
      init: () -> what `tell` needs to know, constant between two times of `learn`.
      see: (state, normalized images) -> the base's columns that `tell` reads.
      tell: (that knowledge, columns) -> `Told`.
      learn: (key, knowledge, view) -> knowledge, on the host and before the first
        step; None: it stays as it is.
      learn_every: steps after which it is learned again, of a view with the column
        `MEANS`, and so after the last step; 0: the first time is the only one.
    """

    sizes: tuple[int, int] = (0, 0)
    init: Callable[[], PyTree] = know_nothing
    see: Callable[[Extended, jax.Array], Columns] = see_nothing
    tell: Callable[[PyTree, Columns], Told] = tell_nothing
    learn: Callable[[Key, PyTree, PoolView], PyTree] | None = None
    learn_every: int = 0


def make(
    network: Network, settings: Settings, name: str, column: str, tell: Tell
) -> Extension:
    """The extension.

    Args:
      network: of the learner that is extended.
      settings: of the game.
      name: of the phase, and before the names of its diagnostics.
      column: name of what it gives: minus the discriminator's logit, which is high
        where an image looks unlabeled.
      tell: what else the networks are told.

    Raises:
      UserError: the network reads features, and the VAE pictures.
    """
    if len(network.image_shape) != 3:
        remedy = "its VAE is for pictures, not for features; choose another method"
        raise UserError("--method", name, remedy)
    decoder, discriminator = tell.sizes
    game = Game(
        settings,
        vae.make(network.image_shape, settings.width, settings.latent_size, decoder),
        Critic(settings.hidden, "linear"),
    )

    def init(key: Key, base: PyTree, previous: None) -> GameState:
        key = jax.random.fold_in(key, _ADDRESS)
        return vae_game.init(game, key, discriminator, tell.init())

    def readout(own: GameState, columns: Columns, images: jax.Array) -> Columns:
        seen, mask = network.normalized(images), jnp.ones(images.shape[0], bool)
        (mean, _), _ = game.vae.encode(own.vae, seen, mask, vae.EVALUATION)
        told = tell.tell(own.known, columns)
        found = {column: -vae_game.judge(game, own.discriminator, mean, told)}
        return found | {MEANS: mean} if tell.learn_every else found

    def diagnose(
        own: GameState, view: PoolView, held_out: dict[str, Any]
    ) -> dict[str, float]:
        values = view.columns[column]
        return diagnosis.separation(
            name, values, expit(values), view.labeled, held_out[column]
        )

    return Extension(
        gives=frozenset({column, MEANS} if tell.learn_every else {column}),
        init=init,
        phases=(_phase(game, network, name, tell),),
        readout=readout,
        diagnose=diagnose,
    )


def num_steps(settings: Settings) -> Callable[[int, int], int]:
    """(labeled, unlabeled rows) -> steps of the VAE: a whole number of iterations."""

    def count(num_labeled: int, num_unlabeled: int) -> int:
        rows = STREAM_PASSES * (num_labeled + STREAM_ROWS)
        return settings.vae_steps * (settings.steps or rows // settings.batch_size)

    return count


def _phase(game: Game, network: Network, name: str, tell: Tell) -> Phase:
    """A step is one of the VAE; after the last of an iteration the other network's."""
    settings = game.settings

    def discriminate(own: GameState, seen: Seen) -> GameState:
        return vae_game.discriminator_step(game, own, seen)

    def same(own: GameState, seen: Seen) -> GameState:
        return own

    def step(key: Key, state: Extended, batch: StepBatch) -> tuple[Extended, Metrics]:
        labeled, unlabeled = batch.labeled, batch.unlabeled
        assert labeled is not None and unlabeled is not None
        images = jnp.concatenate([labeled.images, unlabeled.images])
        images = network.normalized(images)
        told = tell.tell(state.own.known, tell.see(state, images))
        seen = Seen(images, (labeled.mask, unlabeled.mask), told)
        own, metrics = vae_game.vae_step(game, key, state.own, seen)
        # Devices agree on the clock, so all meet in the sums within the step or none.
        turn = (batch.clock.step + 1) % settings.vae_steps == 0
        own = jax.lax.cond(turn, discriminate, same, own, seen)
        return state._replace(own=own), metrics

    def refresh(
        key: Key, state: Extended, embed_pool: EmbedPool, step: int
    ) -> Extended:
        assert tell.learn is not None
        known = tell.learn(key, state.own.known, embed_pool(state))
        return state._replace(own=state.own._replace(known=known))

    return Phase(
        name=name,
        step=step,
        num_steps=num_steps(settings),
        inputs=Inputs(settings.batch_size, settings.batch_size, candidates=True),
        frozen=True,
        refresh=tell.learn and refresh,
        refresh_every=tell.learn_every,
        refresh_once=not tell.learn_every,
        scan_safe=tell.see is see_nothing or network.scan_safe,
    )

"""The critic of DA: its inputs, and the mixtures it sees (section 3.4)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gmmal_jax import shares
from gmmal_jax.config import AlignConfig, MixtureConfig, TrainConfig
from gmmal_jax.mixtures import gaussian, layout, moments, refit, stream
from gmmal_jax.mixtures.refit import RefitInfo
from gmmal_jax.models.critic import Critic
from gmmal_jax.phases import optimizer
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network
from gmmal_jax.types import (
    Clock,
    Column,
    EmbedPool,
    Key,
    Mixture,
    PoolView,
    PyTree,
    Streamed,
    Team,
)

CRITIC = frozenset({"critic"})
"""The column that a state with a critic adds to a readout."""
LIKELIHOODS = frozenset({"log_likelihood_labeled", "log_likelihood_unlabeled"})
"""The columns that it adds where mixtures are fitted."""

LOG_POSTERIOR_CLIP = 100.0
"""Log posteriors below minus this say nothing more; they reach -10^4."""
STANDARDIZED_CLIP = 5.0
"""Standardized mixture columns are clipped to plus or minus this."""
_LEAST_SCALE = 1e-6


class CriticState(NamedTuple):
    """The critic and what it sees beside the latents.

    Attributes:
      params: of the critic.
      moments: of its optimizer.
      labeled: mixture of the labeled set's latents.
      unlabeled: mixture of the unlabeled pool's latents.
      center: [f], subtracted from the mixture columns, f = 2k + 2.
      scale: [f], their divisor.
      health: rho of the last pool fit (`mixtures.em.EMInfo`).
      live: live components of that fit.
    """

    params: PyTree
    moments: PyTree
    labeled: Mixture
    unlabeled: Mixture
    center: jax.Array
    scale: jax.Array
    health: jax.Array
    live: jax.Array


class Adversary(NamedTuple):
    """The critic's static parts: what its functions need to know of a run.

    Attributes:
      network: whose latents it sees.
      train: stage 1's settings.
      da: of stage 2 and the critic.
      gmm: of the mixtures.
      critic: the module.
      mixtures: whether they are fitted, for the critic's input and for columns.
      dropout: share of the critic's hidden units that rest while the two play; none
        rests in scores.
      by_count: the labeled batch weighs |L| / |U|: each image as much as any other,
        however often the smaller set is repeated.
      penalize_ends: slopes are also penalized at the inputs, not only between them.
      optimizer: the critic's.
      losses: in the network's step beside cross-entropy; their heads learn with it.
    """

    network: Network
    train: TrainConfig
    da: AlignConfig
    gmm: MixtureConfig
    critic: Critic
    mixtures: bool = True
    dropout: float = 0.0
    by_count: bool = False
    penalize_ends: bool = False
    optimizer: optax.GradientTransformation = optax.scale_by_adam()
    losses: tuple[AuxLoss, ...] = ()


def make(
    network: Network, train: TrainConfig, da: AlignConfig, gmm: MixtureConfig
) -> Adversary:
    """Bind the critic to a network and its settings."""
    return Adversary(network, train, da, gmm, Critic(da.hidden, da.output))


def init(adversary: Adversary, key: Key) -> CriticState:
    """A fresh critic (from `fold_in(key, 1)`) and empty mixtures."""
    k, d = adversary.network.num_classes, adversary.network.latent_size
    mixture = placeholder(k, d)
    columns = 2 * k + 2
    width = d + (columns if adversary.da.inputs == "latents_mixtures" else 0)
    params = adversary.critic.init(jax.random.fold_in(key, 1), jnp.zeros((1, width)))
    return CriticState(
        params=params,
        moments=adversary.optimizer.init(params),
        labeled=mixture,
        unlabeled=mixture,
        center=jnp.zeros(columns),
        scale=jnp.ones(columns),
        health=jnp.zeros(()),
        live=jnp.zeros(()),
    )


def placeholder(num_classes: int, size: int) -> Mixture:
    """A mixture of latents of that size, before any was fitted."""
    k, d = num_classes, size
    return Mixture(jnp.full(k, 1 / k), jnp.zeros((k, d)), jnp.ones((k, d)))


def decayed(adversary: Adversary, clock: Clock, rate: float) -> jax.Array:
    """A rate of stage 2 at this step; the network's and the critic's fall together."""
    da, chunk = adversary.da, adversary.train.chunk_steps
    return optimizer.step_decay(clock, rate, da.decay_at, da.decay, chunk)


def gives(adversary: Adversary) -> frozenset[str]:
    """Names of `columns`."""
    return CRITIC | LIKELIHOODS if adversary.mixtures else CRITIC


def judge(
    adversary: Adversary,
    params: PyTree,
    inputs: jax.Array,
    kept: Sequence[jax.Array] = (),
) -> jax.Array:
    """The critic's values [b] for inputs [b, f]; `kept` as in `Critic`."""
    values = adversary.critic.apply(params, inputs, kept)
    assert isinstance(values, jax.Array)
    return values


def mixture_columns(
    latents: jax.Array, labeled: Mixture, unlabeled: Mixture
) -> jax.Array:
    """[b, 2k + 2]: log posteriors under both mixtures (clipped), then likelihoods."""
    joints = [gaussian.log_joint(latents, m) for m in (labeled, unlabeled)]
    likelihoods = [jax.nn.logsumexp(j, axis=1, keepdims=True) for j in joints]
    posteriors = [
        jnp.maximum(j - total, -LOG_POSTERIOR_CLIP)
        for j, total in zip(joints, likelihoods, strict=True)
    ]
    return jnp.concatenate([*posteriors, *likelihoods], axis=1)


def critic_inputs(
    adversary: Adversary, state: CriticState, latents: jax.Array
) -> jax.Array:
    """[b, d + 2k + 2]: latents beside scaled mixture columns (section 3.4)."""
    da = adversary.da
    if da.inputs == "latents":
        return latents
    seen = latents if da.mixture_gradient else jax.lax.stop_gradient(latents)
    mixtures = jax.lax.stop_gradient((state.labeled, state.unlabeled))
    if da.input_norm == "standardize":
        scaled = standardized(seen, *mixtures, state.center, state.scale)
    else:
        columns = mixture_columns(seen, *mixtures)
        scaled = (columns - state.center[None, :]) / state.scale[None, :]
    return jnp.concatenate([latents, scaled], axis=1)


def standardized(
    latents: jax.Array,
    labeled: Mixture,
    unlabeled: Mixture,
    center: jax.Array,
    scale: jax.Array,
) -> jax.Array:
    """[b, 2k + 2]: mixture columns less their center, by their scale, clipped."""
    columns = mixture_columns(latents, labeled, unlabeled)
    scaled = (columns - center[None, :]) / scale[None, :]
    return jnp.clip(scaled, -STANDARDIZED_CLIP, STANDARDIZED_CLIP)


def column_scale(
    latents: jax.Array | np.ndarray | Streamed,
    labeled: Mixture,
    unlabeled: Mixture,
    input_norm: str,
    team: Team | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Center and divisor of the mixture columns over labeled and unlabeled rows.

    Source: ours (A23): raw columns span hundreds, the latents one.
    """
    size, k = latents.shape[1], labeled.weights.shape[0]
    if input_norm == "standardize":
        if isinstance(latents, Streamed):
            return _streamed_scale(latents, labeled, unlabeled)
        sharing = shares.worth(team, latents)
        if sharing:
            everything = np.ones(len(latents), bool)
            data = shares.run(
                sharing, _moments_of_all, (latents, everything), (labeled, unlabeled)
            )
            return _scale_of(data)
        center, scale = _standard_scale(latents, labeled, unlabeled)
        return center, scale
    divisor = float(size) if input_norm == "per_dim" else 1.0
    return jnp.zeros(2 * k + 2), jnp.full(2 * k + 2, divisor)


@jax.jit
def _standard_scale(
    latents: jax.Array, labeled: Mixture, unlabeled: Mixture
) -> tuple[jax.Array, jax.Array]:
    columns = mixture_columns(latents, labeled, unlabeled)
    return columns.mean(axis=0), jnp.maximum(columns.std(axis=0), _LEAST_SCALE)


def _streamed_scale(
    latents: Streamed, labeled: Mixture, unlabeled: Mixture
) -> tuple[jax.Array, jax.Array]:
    """The same of rows that are read in chunks, whose moments are combined."""
    total = moments.no_moments(2 * labeled.weights.shape[0] + 2, jnp.float32)
    for chunk in stream.chunks(latents, layout.chunk_rows(latents.shape[1])):
        found = _column_moments(chunk, labeled, unlabeled)
        total = moments.combine(total, found)
    return _scale_of(total)


def _scale_of(data: moments.Moments) -> tuple[jax.Array, jax.Array]:
    return data.mean, jnp.maximum(jnp.sqrt(data.variance), _LEAST_SCALE)


def _moments_of_all(
    rows: tuple[jax.Array, ...], mixtures: tuple[Mixture, Mixture], *, axis: str | None
) -> moments.Moments:
    """Of the mixture columns of the rows of all devices."""
    latents, real = rows
    return moments.survey(mixture_columns(latents, *mixtures), real, axis)[1]


@jax.jit
def _column_moments(
    latents: jax.Array, labeled: Mixture, unlabeled: Mixture
) -> moments.Moments:
    columns = mixture_columns(latents, labeled, unlabeled)
    return moments.survey(columns, jnp.ones(len(columns), bool))[1]


def refit_mixtures(adversary: Adversary) -> Any:
    """The refresh function of both phases, for states with a field `critic`.

    Fits the labeled set by its classes and the unlabeled pool by EM, on the pool's
    images without augmentation (Algorithm 1, every M iterations).
    """
    network, da, gmm = adversary.network, adversary.da, adversary.gmm

    def refresh(key: Key, state: Any, embed_pool: EmbedPool, step: int) -> Any:
        view = embed_pool(state)
        latents = on_device(view.columns["latents"], view.team)
        critic = state.critic
        # Before the first fit the state holds a placeholder, which EM cannot part.
        previous = critic.unlabeled if float(critic.live) else None
        labeled, unlabeled, info = fit_mixtures(
            key, latents, view, network.num_classes, gmm, previous
        )
        center, scale = column_scale(
            latents, labeled, unlabeled, da.input_norm, view.team
        )
        critic = critic._replace(
            labeled=labeled,
            unlabeled=unlabeled,
            center=center,
            scale=scale,
            health=jnp.asarray(info.rho, jnp.float32),
            live=jnp.asarray(info.live, jnp.float32),
        )
        return state._replace(critic=critic)

    return refresh


def on_device(latents: Column, team: Team | None) -> jax.Array | Column:
    """Latents [n, d] on the device once, for fits and scales; or as they are read.

    Where a team shares them each of its devices takes its own from the host.
    """
    if isinstance(latents, Streamed) or shares.worth(team, latents):
        return latents
    return jnp.asarray(latents)


def fit_mixtures(
    key: Key,
    latents: jax.Array | Column,
    view: PoolView,
    num_classes: int,
    gmm: MixtureConfig,
    previous: Mixture | None = None,
) -> tuple[Mixture, Mixture, RefitInfo]:
    """Mixtures of the labeled set by its classes, and of the unlabeled pool by EM.

    Args:
      key: of EM's start.
      latents: [n, d], of the pool, from `on_device`.
      view: the same rows.
      num_classes: k.
      gmm: how they are fitted.
      previous: the pool's mixture at the last refit; None: there was none.
    """
    labeled = refit.fit_labeled(
        latents, view.labels, view.labeled, num_classes, gmm, view.team
    )
    unlabeled, info = refit.fit_pool(
        key, latents, ~view.labeled, labeled, gmm, previous, view.team
    )
    return labeled, unlabeled, info


def columns(
    adversary: Adversary, state: CriticState, latents: jax.Array
) -> dict[str, jax.Array]:
    """The columns that `gives` names, for latents [b, d]."""
    inputs = critic_inputs(adversary, state, latents)
    found = {"critic": judge(adversary, state.params, inputs)}
    if not adversary.mixtures:
        return found
    return found | {
        "log_likelihood_labeled": gaussian.log_likelihood(latents, state.labeled),
        "log_likelihood_unlabeled": gaussian.log_likelihood(latents, state.unlabeled),
    }

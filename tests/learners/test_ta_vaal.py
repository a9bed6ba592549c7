"""TA-VAAL: losses by NumPy, who is frozen when, combinations, infused columns."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from linear import asked, compare, dense, halves, linear_game, seen_of, state_of
from tiny import config, made

from gmmal_jax import assembly, config as configs
from gmmal_jax.config import MixtureConfig, TaVaalConfig, VaalConfig
from gmmal_jax.errors import UserError
from gmmal_jax.learners import ce, reg_da, reg_longer, ta_vaal as learner_of
from gmmal_jax.models import vae
from gmmal_jax.phases import (
    adversary,
    alignment,
    infusion,
    optimizer,
    ranking,
    ta_vaal,
    vae_game,
    vae_losses,
)
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.generative import Tell
from gmmal_jax.phases.vae_game import Infused, Told
from gmmal_jax.strategies import looks_unlabeled
from gmmal_jax.testing import learners, worlds
from gmmal_jax.types import Batch, Clock, Mixture, ModelState, StepBatch

REFERENCE = np.load(Path(__file__).parent.parent / "reference/ta_vaal.npz")
SETTINGS = config(**{"train.learning_rate": 0.05, "reg.subset_size": 12})
rank_loss = worlds.on_one_device(ranking.rank_loss)


@pytest.mark.parametrize(
    ("ranks", "losses", "wanted"),
    [
        ((1, 2), (3, 1), 1.313262),
        ((1, 1), (3, 1), 0.693147),
        ((2, 1), (3, 1), 0.313262),
        ((2, 1), (1, 1), 1.313262),  # a tie: the first is not the larger
    ],
)
def test_the_ranking_loss_by_hand(ranks, losses, wanted):
    args = np.float32(ranks), np.float32(losses), np.ones(2, bool)
    assert float(rank_loss(*args)) == pytest.approx(wanted, abs=1e-6)


def test_the_ranking_loss_and_its_gradient_are_the_references():
    """Nine rows, so the middle one has no partner; two of padding."""
    rows = len(REFERENCE["true"])
    predicted, true = (
        jnp.asarray(np.pad(REFERENCE[name], (0, 2), constant_values=5.0), jnp.float32)
        for name in ("predicted", "true")
    )
    mask = jnp.arange(rows + 2) < rows
    found, slopes = worlds.on_one_device(jax.value_and_grad(ranking.rank_loss))(
        predicted, true, mask
    )
    compare(found, REFERENCE["rank_loss"])
    compare(slopes[:rows], REFERENCE["rank_slopes"])
    assert not np.any(slopes[rows:]) and slopes[rows // 2] == 0


def told():
    ranks, columns = halves(REFERENCE["ranks"]), halves(REFERENCE["columns"])
    return Told(jax.nn.sigmoid(ranks), jnp.concatenate([ranks, columns], axis=1))


def test_the_vaes_loss_and_gradient_are_the_references():
    game, seen = linear_game(TaVaalConfig()), seen_of(REFERENCE, told())

    def loss(params, own, seen, noise):
        return vae_game.vae_loss(game, params, own, seen, noise)[0]

    found, slopes = worlds.on_one_device(jax.value_and_grad(loss))(
        jnp.asarray(REFERENCE["vae"], jnp.float32),
        state_of(REFERENCE),
        seen,
        halves(REFERENCE["noise"]),
    )
    compare(found, REFERENCE["loss"])
    compare(slopes, REFERENCE["slopes"])


def test_the_discriminators_loss_and_gradient_are_the_references():
    game, seen = linear_game(TaVaalConfig()), seen_of(REFERENCE, told())
    state = ModelState(jnp.asarray(REFERENCE["vae"], jnp.float32), {})

    def loss(flat, seen):
        (mean, _), _ = game.vae.encode(state, seen.images, seen.mask, None)
        logits = vae_game.judge(game, dense(flat), mean, seen.told)
        return vae_losses.discrimination(logits, seen.masks)

    found, slopes = worlds.on_one_device(jax.value_and_grad(loss))(
        jnp.asarray(REFERENCE["judge"], jnp.float32), seen
    )
    compare(found, REFERENCE["judge_loss"])
    compare(slopes, REFERENCE["judge_slopes"])


def test_the_query_is_the_references():
    game, images = linear_game(TaVaalConfig()), jnp.asarray(REFERENCE["pool"], "f4")
    state = ModelState(jnp.asarray(REFERENCE["vae"], jnp.float32), {})
    (mean, _), _ = game.vae.encode(state, images, None, vae.EVALUATION)
    known = Told(None, jnp.asarray(REFERENCE["known"], jnp.float32))
    logits = vae_game.judge(game, dense(REFERENCE["judge"]), mean, known)
    chosen = asked(looks_unlabeled.ta_vaal(), -logits, 7)
    assert chosen.tolist() == REFERENCE["chosen"].tolist()


def test_told_of_ranks_that_are_zero_it_is_vaal():
    """To the same loss, where the weights of what is told may be anything."""
    game, seen = linear_game(VaalConfig()), seen_of(REFERENCE)
    rows = seen.images.shape[0]
    nothing = Told(jnp.zeros((rows, 1)), jnp.zeros((rows, 4)))
    flat, noise = jnp.asarray(REFERENCE["vae"], "f4"), halves(REFERENCE["noise"])
    judge = jnp.asarray(REFERENCE["judge"], jnp.float32)
    ranked = state_of(REFERENCE)
    plain = ranked._replace(discriminator=dense(jnp.delete(judge, slice(2, 6))))

    @worlds.on_one_device
    def both(flat, ranked, plain, seen, nothing, noise):
        cut = flat[: len(flat) - seen.images.shape[-1]]  # the decoder's row for ranks
        last = seen._replace(told=nothing)
        return [
            vae_game.vae_loss(game, *args, noise)[0]
            for args in ((flat, ranked, last), (cut, plain, seen))
        ]

    one, other = both(flat, ranked, plain, seen, nothing, noise)
    np.testing.assert_allclose(one, other, rtol=1e-6)


def ended(stands, phase):
    """The state after the last chunk of a phase."""
    return [s for s in stands if s.chunk and s.chunk.name == phase][-1].state


def equal(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_network_and_ranker_are_frozen_while_the_vae_trains():
    outcome, stands = cycle_of(made(learner_of.make, SETTINGS))
    before, after = ended(stands, "supervised"), ended(stands, "ta_vaal")
    assert equal(before.base, after.base)
    assert not equal(before.own.game.vae.params, after.own.game.vae.params)
    assert not equal(before.own.game.discriminator, after.own.game.discriminator)
    assert {"predicted_rank", ta_vaal.COLUMN} <= outcome.view.columns.keys()


def test_the_discriminator_sees_raw_ranks_and_the_decoder_scaled_ones():
    columns = {"predicted_rank": jnp.array([-9.0, 0.0, 9.0]), "latents": None}
    rank = ranking.make(worlds.network(), "rank", ranking.rank_loss, "predicted_rank")
    for norm in ("raw", "sigmoid"):
        tell = ta_vaal._tell(worlds.network(), TaVaalConfig(rank_norm=norm), rank)
        told = tell.tell(None, columns)
        assert told.decoder.max() < 1 and told.decoder[1, 0] == 0.5
        assert float(told.discriminator.max()) == pytest.approx(
            9.0 if norm == "raw" else 1 / (1 + np.exp(-9.0))
        )


def test_cross_entropy_with_its_query_is_ta_vaal():
    """--learn ce --query ta_vaal: the same bits."""
    pair = config(learn="ce", query="ta_vaal", **{"train.learning_rate": 0.05})
    given = assembly.make(worlds.network(), pair).learner
    own = made(learner_of.make, pair)
    states = [worlds.cycle(*worlds.world(each))[0].state for each in (given, own)]
    assert given.gives == own.gives and equal(*states)


def test_reg_and_da_have_the_ranking_loss_in_stage_1_and_a_ranker_that_goes_on():
    """As table 1 of the GMM paper has it: --learn reg_da --query ta_vaal."""
    base = made(reg_da.make, SETTINGS)
    extension = made(ta_vaal.make, SETTINGS)
    phases = extend(base, extension).phases
    assert [each.name for each in phases] == ["supervised", "alignment", "ta_vaal"]
    extension = extension._replace(phases=())  # without what comes after
    plain, _ = cycle_of(base)
    _, stands = cycle_of(extend(base, extension))
    _, idle = cycle_of(extend(base, extension._replace(beside=None)))
    first = stands[0].chunk.metrics
    assert {"reg", "rank", "cross_entropy"} <= first.keys()
    stage1, stage2, alone = (
        ended(stands, "supervised"), ended(stands, "alignment"),
        ended(idle, "alignment"),
    )  # fmt: skip
    assert not equal(stage2.model, plain.state.model)  # the loss reached the network
    # On detached maps: alignment is what it is without the ranker's going on.
    assert equal(stage2.model, alone.model)
    assert not equal(stage1.heads["rank"], stage2.heads["rank"])
    assert equal(stage1.heads["rank"], alone.heads["rank"])


def ranked(base, way, network=None, settings=SETTINGS):
    """A learner with a ranker, without what comes after its own phases."""
    given = configs.replace(settings, **{"ta_vaal.ranker_in_da": way})
    extension = made(ta_vaal.make, given, network)._replace(phases=())
    return extend(made(base.make, given, network), extension)


@functools.cache
def stands_by(base, way):
    return cycle_of(ranked(base, way))[1]


def test_a_frozen_ranker_stays_as_stage_1_made_it():
    """Alignment is what it is beside a ranker that learns apart."""
    before, after = (
        ended(stands_by(reg_da, "frozen"), name) for name in ("supervised", "alignment")
    )
    apart = ended(stands_by(reg_da, "detached"), "alignment")
    assert equal(before.heads, after.heads) and after.own.momentum is None
    assert equal(after.model, apart.model) and not equal(after.heads, apart.heads)


def test_a_ranker_is_trained_jointly_where_the_network_feels_it():
    """Stage 2's objective has one term more; in other phases it learns apart."""
    joint, apart = (stands_by(reg_da, way) for way in ("joint", "detached"))
    one, other = (ended(each, "supervised") for each in (joint, apart))
    assert equal((one.model, one.heads), (other.model, other.heads))
    one, other = (ended(each, "alignment") for each in (joint, apart))
    assert not equal(one.model, other.model) and not equal(one.heads, other.heads)
    measured = next(s.chunk.metrics for s in joint if s.chunk.name == "alignment")
    parts = measured["cross_entropy"] + measured["rank"]
    parts += SETTINGS.da.beta * measured["distance"]
    assert measured["loss"] == pytest.approx(parts, rel=1e-5)
    longer = stands_by(reg_longer, "joint")
    one, other = (ended(longer, name) for name in ("supervised", "longer"))
    assert not equal(one.heads["rank"], other.heads["rank"])


class Aligned(NamedTuple):
    """What alignment reads and writes."""

    model: ModelState
    heads: dict
    align_optimizer: Any
    critic: Any


def test_a_loss_in_alignment_adds_its_gradient_and_no_more():
    """p' = p - rate (g + rank's): the two steps differ by the latter alone."""
    network = worlds.network()
    given = made(adversary.make, SETTINGS, network)
    rank = ranking.make(network, "rank", ranking.rank_loss, "predicted_rank")
    images, labels = worlds.dataset()
    rows = Batch(*(jnp.asarray(a[:8]) for a in (images, labels, np.ones(90, bool))))
    clock = Clock(*map(jnp.int32, (0, 100, 1)))
    batch = StepBatch(clock, rows, rows, counts=jnp.asarray([8, 8]))
    key = jax.random.key(3)
    model, heads = network.init(key), {"rank": rank.init(key)}

    def after(losses, heads):
        one = given._replace(losses=losses)
        moments = optimizer.sgd(one.train).init((model.params, heads))
        state = Aligned(model, heads, moments, adversary.init(one, key))
        step = worlds.on_one_device(
            lambda state, batch: alignment.network_step(one, key, state, batch)[0]
        )
        return step(state, batch)

    @worlds.on_one_device
    def slopes(params, heads, batch):
        def loss(params, heads):
            seen = network.augmented(jax.random.fold_in(key, 0), batch.labeled)
            state = ModelState(params, model.batch_stats)
            outputs, _ = network.train(state, seen, batch.labeled.mask)
            return rank.loss(heads["rank"], None, outputs, batch)

        return jax.grad(loss, (0, 1))(params, heads)

    rate, decay = SETTINGS.da.learning_rate, SETTINGS.train.weight_decay
    without, joint = after((), {}), after((rank,), heads)
    felt, own = slopes(model.params, heads, batch)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(felt)) > 1e-3
    for before, stepped, slope in zip(
        *map(jax.tree.leaves, (without.model.params, joint.model.params, felt)),
        strict=True,
    ):
        np.testing.assert_allclose(stepped, before - rate * slope, rtol=1e-5, atol=1e-7)
    for before, stepped, slope in zip(
        *map(jax.tree.leaves, (heads, joint.heads, own)), strict=True
    ):
        wanted = before - rate * (slope + decay * before)
        np.testing.assert_allclose(stepped, wanted, rtol=1e-5, atol=1e-7)


def test_a_joint_ranker_keeps_the_contract():
    """Beside reg_da's alignment, killed and resumed, on three devices."""
    settings = config(**{"reg.subset_size": 12, "reg.alpha": 0.1})
    learners.check(lambda own: ranked(reg_da, "joint", own, settings), devices=(3,))


def cycle_of(learner):
    return worlds.cycle(*worlds.world(learner))


def test_a_learner_that_takes_no_loss_is_refused_in_a_line(monkeypatch):
    closed = made(ce.make, SETTINGS)._replace(with_losses=None)
    monkeypatch.setattr(ce, "make", lambda network, train: closed)
    with pytest.raises(UserError, match="--learn ce takes no loss") as caught:
        assembly.make(worlds.network(), config(learn="ce", query="ta_vaal"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no auxiliary losses"):
        extend(closed, made(ta_vaal.make, SETTINGS))


def test_its_query_of_a_learner_with_more_phases_keeps_the_contract():
    """On three devices, killed and resumed; with mixtures infused."""
    settings = config(infuse="gmm", **{"reg.subset_size": 12, "reg.alpha": 0.1})

    def build(network):
        extension = made(ta_vaal.make, settings, network)
        return extend(made(reg_longer.make, settings, network), extension)

    learners.check(build, devices=(3,))


def test_infused_columns_are_fitted_once_and_stay():
    settings = config(method="ta_vaal", infuse="gmm", **{"train.learning_rate": 0.05})
    learner = assembly.make(worlds.network(), settings).learner
    outcome, stands = worlds.cycle(*worlds.world(learner, chunk=1))
    known = [s.state.own.game.known for s in stands if s.chunk.name == "ta_vaal"]
    assert len(known) > 1 and all(equal(known[0], each) for each in known)
    assert not np.all(known[0].scale == 1)
    k = worlds.CLASSES
    first = outcome.state.own.game.discriminator["params"]["Dense_0"]["kernel"]
    assert first.shape[0] == settings.ta_vaal.latent_size + 1 + 2 * k + 2


def scaled_columns(means, infused):
    """Section 3.4's columns in float64: log posteriors under two mixtures, likelihoods.

    Of them only the posteriors are clipped here, as they are before they are scaled.
    """
    joints = []
    for mixture in (infused.labeled, infused.unlabeled):
        weights, centers, variances = (np.asarray(a, np.float64) for a in mixture)
        apart = (means[:, None] - centers) ** 2 / variances + np.log(variances)
        joints.append(np.log(weights) - 0.5 * (apart + np.log(2 * np.pi)).sum(axis=2))
    totals = [np.logaddexp.reduce(j, axis=1, keepdims=True) for j in joints]
    posteriors = [
        np.maximum(j - total, -adversary.LOG_POSTERIOR_CLIP)
        for j, total in zip(joints, totals, strict=True)
    ]
    columns = np.concatenate([*posteriors, *totals], axis=1)
    return (columns - np.asarray(infused.center)) / np.asarray(infused.scale)


def an_infusion(generator, k, d):
    def mixture():
        weights = generator.dirichlet(np.ones(k))
        centers, variances = generator.normal(size=(k, d)), np.ones((k, d))
        return Mixture(*map(jnp.float32, (weights, centers, variances)))

    columns = 2 * k + 2
    scale = jnp.float32(generator.uniform(3, 9, columns))
    center = jnp.float32(generator.normal(size=columns))
    return Infused(mixture(), mixture(), center, scale, jnp.float32(k))


def test_the_vaes_means_are_seen_by_their_mixtures_and_feel_them():
    """Columns come last: their weights times section 3.4's, value and slope."""
    generator = np.random.default_rng(5)
    k, d, rows = 3, 2, 6
    infused = an_infusion(generator, k, d)
    means, ranks = generator.normal(size=(rows, d)), generator.normal(size=(rows, 1))
    weights = generator.normal(size=d + 1 + 2 * k + 2 + 1)  # the last one is the bias
    game, told = linear_game(TaVaalConfig()), Told(None, jnp.float32(ranks), infused)

    def wanted(means):
        seen = np.concatenate([means, ranks, scaled_columns(means, infused)], axis=1)
        return seen @ weights[:-1] + weights[-1]

    def judged(means):
        return vae_game.judge(game, dense(weights), means, told)

    found, slopes = (
        f(jnp.float32(means)) for f in (judged, jax.grad(lambda m: judged(m).sum()))
    )
    np.testing.assert_allclose(found, wanted(means), rtol=1e-4, atol=1e-4)
    for place in np.ndindex(rows, d):
        step = np.zeros((rows, d))
        step[place] = 1e-5
        slope = (wanted(means + step) - wanted(means - step)).sum() / 2e-5
        assert float(slopes[place]) == pytest.approx(slope, rel=1e-3, abs=1e-3)
    # Without weights on the columns the discriminator is that without them.
    weights[d + 1 : -1] = 0
    plain = vae_game.judge(
        game,
        dense(np.delete(weights, slice(d + 1, -1))),
        jnp.float32(means),
        told._replace(infused=None),
    )
    np.testing.assert_allclose(judged(jnp.float32(means)), plain, rtol=1e-6)


IN_VAE = config(
    method="ta_vaal",
    infuse="gmm",
    **{"train.learning_rate": 0.05, "ta_vaal.mixture_space": "vae"},
)


def test_mixtures_of_the_vaes_means_move_with_them():
    """Refitted every other step, and at the end: center and scale are the pool's."""
    given = configs.replace(IN_VAE, **{"ta_vaal.steps": 4})
    learner = assembly.make(worlds.network(), given).learner
    outcome, stands = worlds.cycle(*worlds.world(learner, chunk=1))
    known = [s.state.own.game.known for s in stands if s.chunk.name == "ta_vaal"]
    assert len(known) == 4 and equal(known[0], known[1])
    assert not equal(known[1], known[2]) and not equal(known[2], known[3])
    k, size = worlds.CLASSES, given.ta_vaal.latent_size
    means = outcome.view.columns["vae_means"].astype(np.float64)
    assert means.shape == (worlds.ROWS, size)
    scaled = scaled_columns(means, known[3])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-3)
    first = outcome.state.own.game.discriminator["params"]["Dense_0"]["kernel"]
    assert first.shape[0] == size + 1 + 2 * k + 2


def fitted(start, iterations, fits):
    """The last unlabeled mixture of some fits of the same rows in the VAE's space."""
    gmm = MixtureConfig(init=start, mode="exact", em_iters=iterations)
    tell = infusion.of_vae(Tell(), tiny.LATENT, tiny.CLASSES, gmm, 2)
    view, known = tiny.view(), tell.init()
    view.columns["vae_means"] = view.columns["latents"]
    for _ in range(fits):
        known = tell.learn(jax.random.key(0), known, view)
    return known.unlabeled


def test_a_refit_in_the_vaes_space_starts_as_asked():
    """From the mixture before, twice two iterations are four; the first has none."""
    once, both = fitted("labeled", 2, 1), fitted("labeled", 4, 1)
    assert equal(fitted("previous", 2, 1), once)
    assert equal(fitted("labeled", 2, 2), once)
    assert np.abs(both.means - once.means).max() > 0.01
    for found, wanted in zip(fitted("previous", 2, 2), both, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_mixtures_in_the_vaes_space_keep_the_contract():
    learners.check(lambda network: assembly.make(network, IN_VAE).learner, (3,))

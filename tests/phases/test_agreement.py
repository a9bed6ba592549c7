"""ADS: its losses by hand, its steps by the reference, who moves in which, and when."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rounding import sums_of

from gmmal_jax.config import AdsConfig, TrainConfig
from gmmal_jax.learners import ads as learner
from gmmal_jax.models.prototype_head import TEMPERATURE
from gmmal_jax.phases import agreement
from gmmal_jax.phases.agreement import AGREEMENT, DISCREPANCY, LABELS
from gmmal_jax.testing import worlds
from gmmal_jax.types import Batch, Clock, ModelState, StepBatch

REFERENCE = Path(__file__).parent.parent / "reference/ads.npz"
NETWORK = worlds.network()
ONE = AdsConfig(unlabeled_steps=1)
LARGE = 200.0
"""A logit whose sigmoid is 1."""


def test_the_distance_of_heads_by_hand():
    first = jnp.asarray([[LARGE, -LARGE], [1.0, -2.0]])
    apart = jnp.stack([first, jnp.asarray([[-LARGE, LARGE], [1.0, -2.0]])])
    np.testing.assert_array_equal(agreement.distance(apart), [1, 0])


def test_the_prediction_is_the_class_of_the_largest_sum():
    """Also where every head is certain of several classes."""
    logits = jnp.clip(15 * jax.random.normal(jax.random.key(0), (2, 500, 7)), -20, 20)
    sums = np.float64(1 / (1 + np.exp(-np.float64(logits)))).sum(axis=0)
    found = np.asarray(agreement.mean_logits(logits))
    np.testing.assert_allclose(np.exp(found), sums / 2, rtol=1e-5)
    picked = np.take_along_axis(sums, found.argmax(axis=1)[:, None], axis=1)[:, 0]
    largest = sums.max(axis=1)
    # Sums are told apart to float32's rounding, and finer where both heads are certain.
    np.testing.assert_allclose(picked, largest, atol=1e-7)
    certain = largest > 1.9
    np.testing.assert_array_equal(picked[certain], largest[certain])
    assert certain.sum() > 50


@pytest.mark.parametrize(("labels", "many"), [(8, 79), (1, 1), (2, 3)])
def test_an_epoch_of_labels_then_epochs_of_all_three(labels, many):
    epoch = [AGREEMENT] * many + [DISCREPANCY] * many + [LABELS] * labels
    wanted = [LABELS] * labels + 3 * epoch
    steps = jnp.arange(len(wanted))
    clock = Clock(steps, *(jnp.full(len(wanted), n) for n in (len(wanted), labels)))
    np.testing.assert_array_equal(agreement.kind_of(clock, many), wanted)
    train = TrainConfig(epochs=3, batch_size=10)
    count = agreement.num_steps(train, AdsConfig(unlabeled_steps=many))
    assert count(10 * labels - 3, 1000) == len(wanted)
    assert agreement.num_steps(TrainConfig(steps=50), ONE)(1000, 1000) == 50


def rows(images, labels):
    return Batch(images, np.int32(labels), np.ones(len(images), bool))


def head_of(known, name):
    return {
        "params": {
            "features": {"kernel": known[f"{name}_features"]},
            "prototypes": known[f"{name}_prototypes"],
        }
    }


def named(params, heads):
    """Leaves by the reference's names."""
    found = {"hidden": params["hidden"], **params["head"]}
    for name, head in zip(("first", "second"), heads, strict=True):
        found[f"{name}_features"] = head["params"]["features"]["kernel"]
        found[f"{name}_prototypes"] = head["params"]["prototypes"]
    return found


def descended(known, place, **options):
    """State before and after one step of rate 1, and what it measured."""
    train = TrainConfig(
        steps=100, batch_size=8, learning_rate=1.0, momentum=0.0, weight_decay=0.0
    )
    settings = AdsConfig(unlabeled_steps=1, **options)
    phase = agreement.make_phase(NETWORK, train, settings)
    start = {name[7:]: known[name] for name in known if name.startswith("params_")}
    head = {name: start[name] for name in ("kernel", "bias")}
    model = ModelState(
        {"hidden": start["hidden"], "head": head}, {"steps": jnp.zeros(())}
    )
    state = agreement.init(NETWORK, train, settings, jax.random.key(0))
    heads = (head_of(start, "first"), head_of(start, "second"))
    state = state._replace(model=model, heads=heads)
    clock = Clock(*map(jnp.asarray, (place, 100, 1)))
    batch = StepBatch(
        clock,
        rows(known["seen"], known["labels"]),
        rows(known["unseen"], np.full(8, -1)),
    )
    step = worlds.on_one_device(
        lambda state, batch: phase.step(jax.random.key(0), state, batch)
    )
    after, metrics = step(state, batch)
    ends = (named(one.model.params, one.heads) for one in (state, after))
    moved = {name: np.subtract(*pair) for name, pair in zip(
        start, zip(*(map(end.get, start) for end in ends), strict=True), strict=True
    )}  # fmt: skip
    return start, moved, float(metrics["loss"])


@pytest.mark.parametrize("kind", ["labels", "agreement", "discrepancy"])
def test_a_step_goes_down_the_references_gradient(kind):
    known = dict(np.load(REFERENCE))
    place = 1 + ["agreement", "discrepancy", "labels"].index(kind)
    start, moved, loss = descended(known, place)
    # Cosines are divided by the temperature, and so is their rounding.
    off = sums_of(36 * 16) / TEMPERATURE
    np.testing.assert_allclose(loss, known[f"{kind}_loss"], rtol=off)
    heads = {name for name in moved if name.split("_")[0] in ("first", "second")}
    still = {"agreement": heads, "discrepancy": set(moved) - heads}.get(kind, set())
    for name, values in moved.items():
        wanted = 0 * values if name in still else known[f"{kind}_{name}"]
        scale = np.abs(wanted).max() + np.abs(start[name]).max()
        np.testing.assert_allclose(values, wanted, atol=off * scale, err_msg=name)
    assert all(np.abs(known[f"{kind}_{name}"]).max() > 1e-3 for name in heads - still)


def test_weights_as_in_the_code_are_divided_by_the_batch_once_more():
    known = dict(np.load(REFERENCE))
    ratio = descended(known, 1)[2] / descended(known, 1, weights="code")[2]
    np.testing.assert_allclose(ratio, 8, rtol=1e-5)


def test_heads_that_agree_leave_the_network_alone():
    known = dict(np.load(REFERENCE))
    for part in ("features", "prototypes"):
        known[f"params_second_{part}"] = known[f"params_first_{part}"]
    _, moved, loss = descended(known, 1)
    assert loss == 0 and not any(np.any(values) for values in moved.values())


def differs(one, other):
    pairs = zip(*map(jax.tree.leaves, (one, other)), strict=True)
    return any(np.any(a != b) for a, b in pairs)


@pytest.mark.parametrize("head", ["prototype", "linear"])
def test_frozen_parts_stay_to_the_bit(head):
    """Also under weight decay and momentum; only running averages move on."""
    train = TrainConfig(steps=10, chunk_steps=1, batch_size=12, weight_decay=0.1)
    made = learner.make(NETWORK, train, AdsConfig(unlabeled_steps=1, head=head))
    _, chunks = worlds.cycle(*worlds.world(made, chunk=1))
    states = [chunk.state for chunk in chunks]
    # 12 labels and batches of 12: steps 0, 3, 6, 9 are of labels.
    for place, (before, after) in enumerate(zip(states, states[1:], strict=False), 1):
        kind = {1: AGREEMENT, 2: DISCREPANCY, 0: LABELS}[place % 3]
        moved = (
            differs(before.model.params, after.model.params),
            differs(before.heads, after.heads),
        )
        assert moved == (kind != DISCREPANCY, kind != AGREEMENT)
        gone = differs(before.moments.agreement, after.moments.agreement)
        assert gone == (kind == AGREEMENT)
        assert after.model.batch_stats["steps"] > before.model.batch_stats["steps"]
    assert made.head is None

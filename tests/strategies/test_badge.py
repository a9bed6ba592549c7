"""BADGE: cases checked by hand, and the explicit gradients in float64."""

import jax
import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import badge, base
from gmmal_jax.types import PoolView

PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.5 + 1e-7, 0.5 - 1e-7]])
LATENTS = np.array([[3.0, 4], [1, 0], [0, 2]], np.float32)


def view(logits, latents, candidates=None):
    n = len(logits)
    candidates = np.ones(n, bool) if candidates is None else candidates
    return PoolView(
        ids=np.arange(n, dtype=np.uint32),
        labeled=np.zeros(n, bool),
        candidates=candidates,
        labels=np.full(n, -1, np.int32),
        columns={"logits": np.float32(logits), "latents": np.float32(latents)},
    )


def chosen(pool, budget, seed):
    ask = Ask(budget, pool.columns["logits"].shape[1], SelectConfig())
    return base.query(jax.random.key(seed), badge.make(), pool, ask).indices


def test_known_answer():
    """Squared lengths 0.5, 0.32 and 2; from the last, 2.32 (row 1) and 0.9 (row 0)."""
    pool = view(np.log(PROBABILITIES), LATENTS)
    draws = [chosen(pool, 2, seed) for seed in range(400)]
    assert all(rows[0] == 2 for rows in draws)
    # g0 = (-.1, .1) x (3, 4), g1 = (-.4, .4) x (1, 0), g2 = (-.5, .5) x (0, 2).
    share = np.mean([rows[1] == 1 for rows in draws])
    expected = 2.32 / (2.32 + 0.9)
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 400)


def gradients(logits, latents):
    logits = np.float64(logits)
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    probs[np.arange(len(probs)), logits.argmax(1)] -= 1
    return (probs[:, :, None] * np.float64(latents)[:, None]).reshape(len(probs), -1)


@pytest.mark.parametrize("steps", [1, 70, 130])
def test_the_next_draw_has_the_odds_of_its_squared_distance(steps):
    """Of many equal starts: the same first draws, then another key's last one."""
    rng = np.random.default_rng(0)
    logits, latents = 2 * rng.normal(size=(150, 3)), rng.normal(size=(150, 4))
    pool = view(logits, latents)
    squares = pairwise_distances(gradients(logits, latents)) ** 2
    surprise = []
    for seed in range(40):
        rows = chosen(pool, steps + 1, seed)
        nearest = squares[:, rows[:-1]].min(1)
        assert nearest[rows[-1]] > 0
        # The place of a draw in the order of its odds is uniform, if they are right.
        odds = np.sort(nearest)[::-1]
        above = nearest[nearest > nearest[rows[-1]]].sum()
        surprise.append((above + nearest[rows[-1]] / 2) / odds.sum())
    # The mean of 40 uniform numbers.
    assert abs(np.mean(surprise) - 0.5) < 4 * np.sqrt(1 / 12 / 40)


def test_certain_rows_still_have_an_order():
    """Where float32 rounds the best probability to 1, its gradient is not 0."""
    logits = np.array([[60.0, 0, 0], [40.0, 0, 0], [50.0, 0, 0]])
    assert chosen(view(logits, np.ones((3, 2))), 1, 0)[0] == 1


def test_rows_come_once_where_all_are_alike():
    logits, latents = np.zeros((200, 3)), np.ones((200, 2))
    candidates = np.arange(200) % 3 > 0
    rows = chosen(view(logits, latents, candidates), 130, 0)
    assert len(set(rows)) == 130 and candidates[rows].all()

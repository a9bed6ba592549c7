"""CoreGCN, UncertainGCN: rows that a graph network finds unlike the labeled ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import numerics, selection
from gmmal_jax.config import CoreGCNConfig
from gmmal_jax.selection import Ask, Selector, graph_network
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView

_NEEDS = frozenset({"latents"})


def make(core_gcn: CoreGCNConfig) -> Strategy:
    """Greedy k-center in the hidden layer of a graph network.

    The network learns, in each query anew, to tell labeled rows from the candidates on
    the graph of the cosines of their latents; centers are the labeled rows. Rows are
    chosen together: there is no score.

    Args:
      core_gcn: the network and its training.

    Returns:
      The strategy.

    Source: Caramalau et al., 2021 (arXiv:2006.10219), with the graph of its code, whose
    columns are normalized.
    """
    select = functools.partial(_select, options=core_gcn, uncertain=False)
    return Strategy("core_gcn", frozenset(), select=Selector(_NEEDS, select))


def uncertain(core_gcn: CoreGCNConfig) -> Strategy:
    """Rows whose probability of being labeled is nearest to a small margin.

    The network is that of `make`. A row's probability depends on all rows of the graph,
    so that there is no score.

    Args:
      core_gcn: the network, its training and the margin.

    Returns:
      The strategy.

    Source: Caramalau et al., 2021 (arXiv:2006.10219), UncertainGCN.
    """
    select = functools.partial(_select, options=core_gcn, uncertain=True)
    return Strategy("uncertain_gcn", frozenset(), select=Selector(_NEEDS, select))


def code() -> Strategy:
    """Greedy k-center on latents of length 1: what widely used code runs as CoreGCN.

    It trains the graph network and then hands k-center the network's inputs in place of
    its hidden layer; results that are reported for CoreGCN may come from it. The graph
    network changes nothing there and is left out.

    Returns:
      The strategy.

    Source: the code of TA-VAAL (Kim et al., 2021), its CoreGCN.
    """
    return Strategy("core_gcn_code", frozenset(), select=Selector(_NEEDS, _select_code))


def _select(
    key: Key,
    view: PoolView,
    total: np.ndarray,
    ask: Ask,
    *,
    options: CoreGCNConfig,
    uncertain: bool,
) -> jax.Array:
    del total
    rows: jax.Array = _by_graph(
        key, view.columns["latents"], view.labeled, view.candidates, view.ids,
        budget=ask.budget, options=options, uncertain=uncertain,
    )  # fmt: skip
    return rows


@functools.partial(jax.jit, static_argnames=("budget", "options", "uncertain"))
def _by_graph(
    key: Key,
    latents: jax.Array,
    labeled: jax.Array,
    candidates: jax.Array,
    ids: jax.Array,
    *,
    budget: int,
    options: CoreGCNConfig,
    uncertain: bool,
) -> jax.Array:
    k_order, k_start, k_dropout, k_ties = jax.random.split(key, 4)
    finite = jnp.isfinite(latents).all(axis=1)
    # Sums and dropout by place, and places by id: permuting rows changes no bit.
    order = selection.random_order(k_order, labeled | candidates, finite, ids)
    labeled, candidates, finite = labeled[order], candidates[order], finite[order]
    sides = graph_network.Sides(labeled & finite, candidates & finite)
    graph = graph_network.build(latents[order], sides.labeled | sides.unlabeled)
    inputs = graph_network.spread(graph, graph.features)
    network = graph_network.start(k_start, latents.shape[1], options.hidden)
    network = graph_network.train(k_dropout, network, graph, inputs, sides, options)
    hidden = graph_network.embed(network, inputs)
    if uncertain:
        odds = graph_network.log_odds(network, graph, hidden)
        gaps = jnp.abs(jax.nn.sigmoid(odds) - options.margin)
        nearness = jnp.where(finite, -gaps, -jnp.inf)
        picks = selection.top_k(k_ties, nearness, candidates, budget, ids=ids[order])
    else:
        points = jnp.where(finite[:, None], hidden, jnp.nan)
        picks = selection.k_center_greedy(
            k_ties, points, labeled, candidates, budget, ids=ids[order]
        )
    rows: jax.Array = order[picks]
    return rows


def _select_code(key: Key, view: PoolView, total: np.ndarray, ask: Ask) -> jax.Array:
    del total
    rows: jax.Array = _by_direction(
        key, view.columns["latents"], view.labeled, view.candidates, view.ids,
        budget=ask.budget,
    )  # fmt: skip
    return rows


@functools.partial(jax.jit, static_argnames="budget")
def _by_direction(
    key: Key,
    latents: jax.Array,
    labeled: jax.Array,
    candidates: jax.Array,
    ids: jax.Array,
    *,
    budget: int,
) -> jax.Array:
    points = numerics.directions(latents)
    rows: jax.Array = selection.k_center_greedy(
        key, points, labeled, candidates, budget, ids=ids
    )
    return rows

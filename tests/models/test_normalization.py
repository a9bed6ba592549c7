import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rounding import HALF_ULP, SAFETY, sums_of

from gmmal_jax.models import normalization
from gmmal_jax.models.normalization import BatchNorm
from gmmal_jax.types import AXIS

CHANNELS = 3


def data(rows=10, seed=0, mean=0.5, std=2.0):
    generator = np.random.default_rng(seed)
    x = mean + std * generator.normal(size=(rows, 4, 5, CHANNELS))
    return x.astype(np.float32)


def variables(seed=1):
    generator = np.random.default_rng(seed)

    def draw(low, high):
        return jnp.asarray(generator.uniform(low, high, CHANNELS), jnp.float32)

    return {
        "params": {"scale": draw(0.5, 2), "bias": draw(-1, 1)},
        "batch_stats": {"mean": draw(-1, 1), "var": draw(0.5, 2)},
    }


def train(variables, x, mask, axis_name=None):
    y, updated = BatchNorm(True, axis_name).apply(
        variables, jnp.asarray(x), jnp.asarray(mask), mutable=["batch_stats"]
    )
    return y, updated["batch_stats"]


def plain(params, x, mask):
    """The textbook formula, for autodiff; masked rows are left as zeros."""
    keep = mask[:, None, None, None].astype(x.dtype)
    count = keep.sum() * x.shape[1] * x.shape[2]

    def row(values):
        return values[None, None, None]

    mean = (x * keep).sum((0, 1, 2)) / count
    variance = (jnp.square(x - row(mean)) * keep).sum((0, 1, 2)) / count
    normalized = (x - row(mean)) / jnp.sqrt(row(variance) + 1e-5)
    return (normalized * row(params["scale"]) + row(params["bias"])) * keep


def loss(y, weights, mask):
    """A nonlinear scalar of the rows that count."""
    return jnp.sum(jnp.where(mask[:, None, None, None], weights * jnp.sin(y), 0.0))


def bounds(state, x, weights):
    """How far float32 may be from scale, bias, mean, var, y and x's gradient.

    Everything stands on sums over the pixels that count; each pixel's own error
    counts once in its y, and twice in a gradient that is a product of two such.
    """
    x, params = np.float64(x), jax.tree.map(np.float64, state["params"])
    sums = sums_of(x[..., 0].size)
    size = np.sqrt(np.square(x).mean((0, 1, 2)))
    std = np.sqrt(x.var((0, 1, 2)) + 1e-5)
    normalized = 1 + np.abs(x - x.mean((0, 1, 2))) / std + size / std
    pulls = np.abs(weights) * (1 + params["scale"] * normalized)
    old = jax.tree.map(np.abs, jax.tree.map(np.float64, state["batch_stats"]))
    totals = np.sqrt(np.square(pulls * normalized).sum((0, 1, 2)))
    slopes = pulls + normalized * (pulls * normalized).mean((0, 1, 2))
    return {
        "scale": sums * totals,
        "bias": sums * totals,
        "mean": SAFETY * HALF_ULP * old["mean"] + 0.1 * sums * size,
        "var": SAFETY * HALF_ULP * old["var"] + 0.1 * sums * std * (std + size),
        "y": sums * params["scale"] * normalized
        + SAFETY * HALF_ULP * np.abs(params["bias"]),
        "x": sums * params["scale"] / std * slopes,
    }


def assert_within(found, expected, bound):
    error = np.abs(np.float64(found) - np.float64(expected))
    assert (error <= bound).all(), (error / bound).max()


def test_forward_equals_float64():
    x, mask = data(), np.arange(10) < 7
    state = variables()
    y, stats = jax.jit(train)(state, x, mask)
    kept = x[:7].astype(np.float64).reshape(-1, CHANNELS)
    mean, variance = kept.mean(0), kept.var(0)
    expected = (x[:7] - mean) / np.sqrt(variance + 1e-5)
    params = jax.tree.map(np.asarray, state["params"])
    expected = expected * params["scale"] + params["bias"]
    bound = bounds(state, x[:7], 0)
    assert_within(y[:7], expected, bound["y"])
    old = jax.tree.map(np.float64, state["batch_stats"])
    assert_within(stats["mean"], 0.9 * old["mean"] + 0.1 * mean, bound["mean"])
    unbiased = kept.var(0, ddof=1)
    assert_within(stats["var"], 0.9 * old["var"] + 0.1 * unbiased, bound["var"])


@pytest.mark.parametrize("kept", [10, 7, 1])
def test_gradients_equal_those_of_the_formula(kept):
    x, mask = jnp.asarray(data()), jnp.arange(10) < kept
    state, weights = variables(), jnp.asarray(data(seed=2))

    def ours(params, x):
        y, _ = train(state | {"params": params}, x, mask)
        return loss(y, weights, mask)

    def theirs(params, x):
        return loss(plain(params, x, mask), weights, mask)

    got = jax.jit(jax.grad(ours, argnums=(0, 1)))(state["params"], x)
    expected = jax.jit(jax.grad(theirs, argnums=(0, 1)))(state["params"], x)
    bound = bounds(state, x[:kept], weights[:kept])
    for name in ("scale", "bias"):
        assert_within(got[0][name], expected[0][name], 2 * bound[name])
    assert_within(got[1][:kept], expected[1][:kept], 2 * bound["x"])
    assert not np.any(got[1][kept:])


@pytest.mark.parametrize("filler", [0.0, 1e6, np.nan])
def test_masked_rows_have_no_influence(filler):
    """Not even where a caller forgets to leave them out of the loss."""
    x, state = data(), variables()
    x[7:] = filler

    @jax.jit
    def run(x, mask):
        def scalar(params):
            y, stats = train(state | {"params": params}, x, mask)
            return jnp.sum(jnp.square(y)), (y, stats)

        gradients, (y, stats) = jax.grad(scalar, has_aux=True)(state["params"])
        return y[:7], stats, gradients

    got, expected = run(x, np.arange(10) < 7), run(x[:7], np.ones(7, bool))
    # The slope of a square is its root, twice.
    bound = bounds(state, x[:7], 2 * expected[0])
    assert_within(got[0], expected[0], 2 * bound["y"])
    for found, wanted in zip(got[1:], expected[1:], strict=True):
        for name in wanted.get("params", wanted):
            assert_within(found[name], wanted[name], 2 * bound[name])


def test_eight_devices_with_padding_equal_one():
    rows, state = 10, variables()
    x, weights = data(16), data(16, seed=2)
    mask = np.arange(16) < rows

    def gradients(x, weights, mask, axis_name):
        def scalar(params, x):
            y, stats = train(state | {"params": params}, x, mask, axis_name)
            return loss(y, weights, mask), (y, stats)

        return jax.grad(scalar, argnums=(0, 1), has_aux=True)(state["params"], x)

    def device(x, weights, mask):
        (d_params, d_x), (y, stats) = gradients(x, weights, mask, AXIS)
        return (jax.lax.psum(d_params, AXIS), stats), (y, d_x)

    def share(values):
        return values.reshape(8, 2, *values.shape[1:])

    (d_params, stats), (y, d_x) = jax.pmap(device, axis_name=AXIS, out_axes=(None, 0))(
        share(x), share(weights), share(mask)
    )
    got = (
        d_params,
        stats,
        y.reshape(x.shape)[:rows],
        d_x.reshape(x.shape)[:rows],
    )
    one = jax.jit(gradients, static_argnums=3)
    (d_params, d_x), (y, stats) = one(x[:rows], weights[:rows], mask[:rows], None)
    expected = (d_params, stats, y, d_x)
    bound = bounds(state, x[:rows], weights[:rows])
    widths = (
        {name: bound[name] for name in d_params},
        {name: bound[name] for name in stats},
        bound["y"],
        bound["x"],
    )
    leaves = (jax.tree.leaves(tree) for tree in (got, expected, widths))
    for a, b, width in zip(*leaves, strict=True):
        assert_within(a, b, 2 * width)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e4])
def test_constant_inputs_stay_finite(value):
    x, mask = jnp.full((4, 2, 2, CHANNELS), value), jnp.ones(4, bool)
    state = variables()

    @jax.jit
    def run(x):
        gradient = jax.grad(lambda x: train(state, x, mask)[0][0].sum())(x)
        return *train(state, x, mask), gradient

    y, stats, gradient = run(x)
    for leaf in jax.tree.leaves((y, stats, gradient)):
        assert np.all(np.isfinite(leaf))
    bias = np.broadcast_to(state["params"]["bias"], y.shape)
    # Sums of sixteen such numbers are exact, so that nothing is left to scale.
    np.testing.assert_array_equal(y, bias)


def test_large_means_do_not_cancel():
    """Running averages start at 0 and 1, so they tell nothing of the data yet."""
    x = data(rows=64, mean=100.0, std=1.0)
    state = {
        "params": {"scale": jnp.ones(CHANNELS), "bias": jnp.zeros(CHANNELS)},
        "batch_stats": {"mean": jnp.zeros(CHANNELS), "var": jnp.ones(CHANNELS)},
    }
    y, stats = train(state, x, np.ones(64, bool))
    pixels = x.astype(np.float64).reshape(-1, CHANNELS)
    expected = (x - pixels.mean(0)) / np.sqrt(pixels.var(0) + 1e-5)
    bound = bounds(state, x, 0)
    assert_within(y, expected, bound["y"])
    # Squares about a mean that is a little off lose that distance squared, no more.
    lost = sums_of(len(pixels)) * pixels.var(0)
    off = (sums_of(len(pixels)) * 100) ** 2
    width = SAFETY * HALF_ULP + 0.1 * (lost + off)
    assert_within(stats["var"], 0.9 + 0.1 * pixels.var(0, ddof=1), width)


def test_no_rows_at_all_stay_finite():
    y, stats = train(variables(), data(), np.zeros(10, bool))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((y, stats)))


def test_prediction_uses_running_averages():
    x, state = data(), variables()
    y = BatchNorm(False, None).apply(state, jnp.asarray(x), jnp.zeros(10, bool))
    stats, params = (
        jax.tree.map(np.asarray, state[name]) for name in ("batch_stats", "params")
    )
    expected = (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    expected = expected * params["scale"] + params["bias"]
    factor = params["scale"] / np.sqrt(stats["var"] + 1e-5)
    size = (np.abs(x) + np.abs(stats["mean"])) * factor + np.abs(params["bias"])
    assert_within(y, expected, sums_of(4) * size)


def test_a_layer_waits_twice_for_other_devices():
    """Once forward, once backward, beside the sum of its parameters' gradients."""
    layers, x, mask = 3, jnp.asarray(data(16)), jnp.ones((8, 2), bool)

    def gradient(x, mask):
        def total(params):
            y = x
            for state in params:
                y, _ = train(variables() | {"params": state}, y, mask, AXIS)
            return jnp.sum(jnp.sin(y))

        own = [variables(seed)["params"] for seed in range(layers)]
        return jax.grad(total)(own)

    steps = jax.pmap(gradient, axis_name=AXIS)
    text = steps.lower(x.reshape(8, 2, *x.shape[1:]), mask).as_text()
    # Nobody asks for the gradient of the first layer's input.
    assert text.count("stablehlo.all_reduce") == layers - 1
    assert text.count("stablehlo.all_gather") == layers


def one_pass_bound(r, additions):
    """Relative error of a variance, as `normalization.one_pass` states it."""
    return 3 * HALF_ULP * additions * (1 + r**2)


@pytest.mark.parametrize("r", [0.0, 1.0, 30.0])
def test_one_pass_stays_inside_its_stated_bound(r):
    """Against float64; r: distance of the shift in standard deviations."""
    rows = 64
    x = data(rows, mean=100.0)
    keep = np.arange(rows) < 50
    exact = x[:50].astype(np.float64)
    mean, std = exact.mean((0, 1, 2)), exact.std((0, 1, 2))
    shift = (mean - r * std).astype(np.float32)
    count, *found = jax.jit(normalization.one_pass, static_argnums=2)(
        jnp.asarray(x), jnp.asarray(keep), None, jnp.asarray(shift)
    )
    assert count == 50 * 20
    additions, away = 20 + rows, np.abs(mean - shift) / std  # pixels, then rows
    bound = one_pass_bound(away, additions)
    assert (np.abs(found[1] / std**2 - 1) <= bound).all()
    near = np.abs(exact - shift).mean((0, 1, 2))
    slack = HALF_ULP * (additions * near + np.abs(mean))  # its sums, itself as float32
    assert (np.abs(found[0] - mean) <= slack).all()


def test_an_accelerator_reads_maps_once_where_nothing_is_differentiated(monkeypatch):
    """The same numbers to rounding; gradients keep both passes."""
    x, mask, start = data(), np.arange(10) < 7, variables()
    y, stats = train(start, x, mask)

    def derived():
        def total(x):
            return jnp.sum(train(start, x, mask)[0] ** 3)

        return jax.grad(total)(jnp.asarray(x))

    wanted, calls = derived(), []
    original = normalization.one_pass

    def counted(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(normalization, "one_pass", counted)
    monkeypatch.setattr(normalization.devices, "on_cpu", lambda: False)
    np.testing.assert_array_equal(derived(), wanted)
    assert not calls
    other, moved = train(start, x, mask)
    assert len(calls) == 1
    kept = x[:7].astype(np.float64)
    r = np.abs(kept.mean((0, 1, 2)) - start["batch_stats"]["mean"])
    bound = one_pass_bound((r / kept.std((0, 1, 2))).max(), 20 + 10)
    assert bound < 1e-4  # or the comparison says nothing
    np.testing.assert_allclose(moved["var"], stats["var"], rtol=bound)
    np.testing.assert_allclose(moved["mean"], stats["mean"], atol=bound * kept.std())
    np.testing.assert_allclose(other[:7], y[:7], atol=bound * np.abs(y[:7]).max())

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from rounding import distance, sums_of

from gmmal_jax.models.convolution import conv2d

LAYOUT = ("NHWC", "HWIO", "NHWC")
CASES = [
    # height, width, channels in and out, kernel, stride
    (8, 8, 3, 4, 3, 1),
    (8, 8, 3, 4, 3, 2),
    (4, 4, 3, 4, 3, 1),
    (4, 4, 3, 4, 3, 2),
    (2, 2, 3, 4, 3, 1),
    (2, 2, 3, 4, 3, 2),
    (1, 1, 3, 4, 3, 1),
    (1, 1, 3, 4, 3, 2),
    (7, 5, 3, 4, 3, 1),
    (7, 5, 3, 4, 3, 2),
    (8, 8, 3, 4, 1, 1),
    (7, 5, 3, 4, 1, 2),
    (1, 1, 3, 4, 1, 2),
    (2, 5, 3, 4, 3, 1),
    (6, 6, 3, 4, 5, 1),
    (16, 16, 3, 4, 3, 1),
    (17, 16, 1, 4, 3, 1),
    (16, 17, 1, 4, 5, 1),
    (8, 8, 16, 16, 3, 1),
    (2, 2, 64, 64, 3, 1),
    (2, 1, 8, 16, 3, 2),
    (4, 6, 64, 64, 3, 1),
    (8, 8, 64, 128, 3, 1),
    (7, 8, 64, 64, 3, 1),
    (32, 32, 64, 64, 3, 1),
    (16, 16, 32, 32, 3, 1),
    (32, 32, 16, 8, 3, 1),
    (17, 16, 8, 16, 5, 1),
    (16, 17, 32, 8, 3, 1),
]
EVEN = (5, 5, 3, 4, 2, 1)
"""Its map grows, so XLA swaps the operands of the kernel's gradient; no network's."""


def stock(x, kernel, stride):
    pads = [(size // 2, size // 2) for size in kernel.shape[:2]]
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=LAYOUT
    )


def inputs(case, batch=3):
    h, w, c, o, size, stride = case
    generator = np.random.default_rng(0)

    def draw(shape):
        return jnp.asarray(generator.normal(size=shape), jnp.float32)

    x, kernel = draw((batch, h, w, c)), draw((size, size, c, o))
    return x, kernel, draw(jax.eval_shape(lambda: stock(x, kernel, stride)).shape)


def value_and_gradients(convolve, stride):
    def run(x, kernel, g):
        y, pull = jax.vjp(lambda x, kernel: convolve(x, kernel, stride), x, kernel)
        return y, *pull(g)

    return run


def terms(case, batch):
    """How many products are added up for a number of y, dx and dkernel, at most."""
    h, w, c, o, size, stride = case
    reached = min(size, 2 * h - 1) * min(size, 2 * w - 1)
    pixels = batch * -(-(h + 1) // stride) * -(-(w + 1) // stride)
    return reached * c, reached * o, pixels


def assert_close(got, expected, case, batch=3):
    """Sums of products of random signs: their norms' errors grow as single sums' do."""
    results = zip(
        ("y", "dx", "dkernel"), got, expected, terms(case, batch), strict=True
    )
    for name, a, b, num_terms in results:
        assert a.shape == b.shape and a.dtype == b.dtype, name
        assert distance(a, b) <= sums_of(num_terms), (name, distance(a, b))


def assert_stock(case, batch=3):
    arguments = inputs(case, batch)
    expected = jax.jit(value_and_gradients(stock, case[-1]))(*arguments)
    found = jax.jit(value_and_gradients(conv2d, case[-1]))(*arguments)
    assert_close(found, expected, case, batch)


@pytest.mark.parametrize("case", [*CASES, EVEN], ids=str)
def test_equals_the_stock_convolution(case):
    assert_stock(case)


@pytest.mark.parametrize("batch", [1, 2, 4, 5])
def test_equals_the_stock_convolution_for_any_batch(batch):
    """On large maps, whose kernel gradient takes images in blocks."""
    assert_stock((17, 16, 8, 16, 5, 1), batch)


def test_equals_the_stock_convolution_inside_scan():
    chosen = [CASES[i] for i in (0, 1, 5, 9, 15)]
    arguments = [inputs(case) for case in chosen]

    @jax.jit
    def scanned(arguments):
        def body(carry, _):
            results = [
                value_and_gradients(conv2d, case[-1])(*args)
                for case, args in zip(chosen, carry, strict=True)
            ]
            return carry, results

        return lax.scan(body, arguments, None, length=2)[1]

    for case, args, got in zip(chosen, arguments, scanned(arguments), strict=True):
        expected = value_and_gradients(stock, case[-1])(*args)
        for step in range(2):
            assert_close([leaf[step] for leaf in got], expected, case)


def convolutions_in_scan(convolve, case):
    """The compiled program's convolutions when gradients are taken in a loop."""
    arguments = inputs(case)

    def body(carry, _):
        y, dx, dkernel = value_and_gradients(convolve, case[-1])(*carry)
        return (carry[0] + dx, carry[1] + dkernel, carry[2] + y), None

    program = jax.jit(lambda carry: lax.scan(body, carry, None, length=3)[0])
    text = program.lower(arguments).compile().as_text()
    return re.findall(r"^.* convolution\(.*$", text, re.MULTILINE)


def is_fast(line):
    return "dim_labels=b01f_01io->b01f" in line and "lhs_dilate" not in line


@pytest.mark.parametrize("case", [CASES[i] for i in (0, 1, 4, 8, 11, 15, 17)], ids=str)
def test_loops_hold_only_convolutions_that_the_cpu_runs_fast(case):
    assert all(map(is_fast, convolutions_in_scan(conv2d, case)))


def test_the_stock_gradient_is_what_this_module_avoids():
    """If this fails, XLA has changed and the module may have lost its reason."""
    lines = convolutions_in_scan(stock, CASES[1])
    assert lines and not all(map(is_fast, lines))


@pytest.mark.parametrize("case", [CASES[1], CASES[4], CASES[11]], ids=str)
def test_accelerators_get_the_stock_convolution(case, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    x, kernel, _ = inputs(case)
    got = jax.make_jaxpr(lambda x, kernel: conv2d(x, kernel, case[-1]))(x, kernel)
    assert [equation.primitive.name for equation in got.eqns] == [
        "conv_general_dilated"
    ]
    found, expected = (convolve(x, kernel, case[-1]) for convolve in (conv2d, stock))
    assert distance(found, expected) <= sums_of(terms(case, 3)[0])


def test_many_kernels_at_once():
    """Under vmap, as ensembles use it."""
    case = CASES[0]
    x, kernel, g = inputs(case)
    kernels = jnp.stack([kernel, 2 * kernel])
    run = jax.vmap(value_and_gradients(conv2d, 1), in_axes=(None, 0, None))
    for i, factor in enumerate((1, 2)):
        expected = value_and_gradients(stock, 1)(x, factor * kernel, g)
        assert_close([leaf[i] for leaf in run(x, kernels, g)], expected, case)

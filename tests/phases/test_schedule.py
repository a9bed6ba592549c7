"""Stage 1's schedules, as functions of a traced clock."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from rounding import HALF_ULP, SAFETY

from gmmal_jax import cycle as cycles
from gmmal_jax.config import TrainConfig
from gmmal_jax.learners import ce
from gmmal_jax.phases import optimizer
from gmmal_jax.strategies import random
from gmmal_jax.types import Clock

PEAK = 0.1


@pytest.fixture(scope="module")
def rate():
    """One program for every step and length."""
    return jax.jit(lambda clock: optimizer.one_cycle(clock, PEAK))


@pytest.fixture(scope="module")
def swa():
    """Likewise."""
    return jax.jit(lambda clock: optimizer.cycle_then_constant(clock, PEAK))


def rates(rate, num_steps):
    length = jnp.full(num_steps, num_steps)
    clock = Clock(jnp.arange(num_steps), length, length)
    return np.asarray(jax.vmap(rate)(clock), np.float64)


def closed_form(step, num_steps):
    top = 0.3 * num_steps - 1
    if step <= top:
        low, share = PEAK / 25, step / top
    else:
        low, share = PEAK / 250_000, (num_steps - 1 - step) / (num_steps - 1 - top)
    return low + (PEAK - low) * (1 - np.cos(np.pi * share)) / 2


def rounding(wanted):
    """The cosine's argument is off by some units of pi; where it is flat, that is less.

    A rate at height h of 1 between bottom and peak lies on a slope of pi sqrt(h (1-h)).
    """
    height = np.clip(np.asarray(wanted) / PEAK, 0, 1)
    argument = np.pi**2 * np.sqrt(height * (1 - height))
    return SAFETY * HALF_ULP * (PEAK * (1 + argument) / 2 + np.asarray(wanted))


@pytest.mark.parametrize("num_steps", [50, 300, 2000, 200_000])
def test_one_cycle_is_its_closed_form(rate, num_steps):
    seen = rates(rate, num_steps)
    wanted = [closed_form(step, num_steps) for step in range(num_steps)]
    assert (np.abs(seen - wanted) <= rounding(wanted)).all()


@pytest.mark.parametrize("num_steps", [50, 2000])
def test_one_cycle_starts_peaks_and_ends_as_the_paper_says(rate, num_steps):
    seen = rates(rate, num_steps)
    assert seen[0] == pytest.approx(0.004, rel=1e-6)
    assert seen.argmax() == 0.3 * num_steps - 1
    assert seen.max() == pytest.approx(0.1, rel=1e-6)
    assert seen[-1] == pytest.approx(4e-7, rel=1e-6)
    falls = np.diff(seen) < 0
    assert not falls[: seen.argmax()].any() and falls[seen.argmax() :].all()


@pytest.mark.parametrize("num_steps", [50, 1000])
def test_one_cycle_is_pytorchs(rate, num_steps):
    torch = pytest.importorskip("torch")
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        sgd, PEAK, total_steps=num_steps, div_factor=25, cycle_momentum=False
    )
    theirs = []
    for _ in range(num_steps):
        theirs.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    assert (np.abs(rates(rate, num_steps) - theirs) <= rounding(theirs)).all()


def test_one_cycle_is_optaxs_but_for_one_step(rate):
    """Optax peaks at 0.3 n and ends after n steps, PyTorch a step earlier."""
    num_steps = 20_000
    schedule = optax.cosine_onecycle_schedule(num_steps, PEAK)
    theirs = np.asarray(jax.vmap(schedule)(jnp.arange(num_steps)))
    steepest = np.pi / 2 * PEAK / (0.3 * num_steps)
    assert np.abs(rates(rate, num_steps) - theirs).max() < steepest


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4])
def test_one_cycle_of_a_few_steps_is_finite(rate, num_steps):
    seen = rates(rate, num_steps)
    assert np.all((seen > 0) & (seen <= PEAK * 1.000001))


def test_the_number_of_steps_compiles_nothing(rate):
    for num_steps in (100, 450, 20_000):
        rate(Clock(jnp.int32(3), *jnp.full(2, num_steps)))
    assert rate._cache_size() == 1


def cycle_then_constant(step, num_steps):
    """OneCycleLR's formula for half of the steps, then SWALR's."""
    half = num_steps // 2
    if step < half:
        return closed_form(step, half)
    alpha = (1 - np.cos(np.pi * min(1, (step - half) / (num_steps / 4)))) / 2
    return PEAK * alpha + PEAK / 250_000 * (1 - alpha)


@pytest.mark.parametrize("num_steps", [50, 300, 2000, 200_000])
def test_a_cycle_before_a_constant_rate_is_its_closed_form(swa, num_steps):
    seen = rates(swa, num_steps)
    wanted = [cycle_then_constant(step, num_steps) for step in range(num_steps)]
    assert (np.abs(seen - wanted) <= rounding(wanted)).all()


def test_the_constant_rate_begins_after_three_quarters(swa):
    """Of 200 steps: peak at 29, bottom at 99 and 100, half way at 125, then 150."""
    seen = rates(swa, 200)
    assert seen[0] == pytest.approx(PEAK / 25, rel=1e-6)
    assert seen[:100].argmax() == 29 and seen[29] == pytest.approx(PEAK, rel=1e-6)
    assert seen[[99, 100]] == pytest.approx(PEAK / 250_000, rel=1e-6)
    assert seen[125] == pytest.approx(PEAK / 2, rel=1e-5)
    assert seen[149] < PEAK * 0.9999 and (seen[150:] == np.float32(PEAK)).all()


def test_the_climb_is_pytorchs(swa):
    """With an epoch of one step, where PyTorch moves once an epoch."""
    torch = pytest.importorskip("torch")
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        sgd, PEAK, total_steps=100, cycle_momentum=False
    )
    theirs = []
    for step in range(200):
        if step == 100:
            climb = torch.optim.swa_utils.SWALR(sgd, PEAK, anneal_epochs=50)
        theirs.append(sgd.param_groups[0]["lr"])
        sgd.step()
        if step < 99:
            cycle.step()
        elif step >= 100:
            climb.step()
    assert (np.abs(rates(swa, 200) - theirs) <= rounding(theirs)).all()


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 7])
def test_a_few_steps_of_it_are_finite(swa, num_steps):
    seen = rates(swa, num_steps)
    assert np.all((seen > 0) & (seen <= PEAK * 1.000001))


def test_the_configuration_names_the_schedule():
    clock = Clock(jnp.int32(90), jnp.int32(100), jnp.int32(100))
    named = {"step": 0.01, "onecycle": closed_form(90, 100), "swa": PEAK}
    for name, wanted in named.items():
        config = TrainConfig(schedule=name, chunk_steps=10)
        assert float(optimizer.scheduled(clock, config)) == pytest.approx(wanted, 1e-4)


def first_chunks(**changes):
    """Head kernels after the first two chunks of one step, of ten."""
    steps = {"train.chunk_steps": 1, "train.steps": 10}
    config = tiny.config(**steps, **changes)
    task, pool = tiny.world(
        ce.make(tiny.network(), config.train), random.make(), chunk=1
    )
    kernels = []

    def keep(chunk):
        kernels.append(np.array(chunk.state.model.params["head"]["kernel"]))

    cycles.run(task, pool, 0, 5, None, keep, lambda: None)
    return kernels[:2]


def test_training_follows_the_schedule():
    """The first step of one cycle is plain SGD's at a 25th; the second is larger."""
    plain = first_chunks(**{"train.learning_rate": PEAK / 25})
    rising = {"train.schedule": "onecycle", "train.learning_rate": PEAK}
    cycle = first_chunks(**rising)
    rounded = SAFETY * HALF_ULP * np.abs(plain[0]).max()
    np.testing.assert_allclose(cycle[0], plain[0], rtol=0, atol=rounded)
    assert np.abs(cycle[1] - cycle[0]).max() > 1.5 * np.abs(plain[1] - plain[0]).max()

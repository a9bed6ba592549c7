"""The form of pmap everything stands on, and the two ways to gather and to run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rounding import distance, sums_of

from gmmal_jax import parallel
from gmmal_jax.data import store
from gmmal_jax.errors import UserError
from gmmal_jax.types import AXIS, Batch, Clock, StepBatch

ROUNDING = sums_of(5 * (4 + 8 * 3))
"""Of five steps: sums of four pixels forward, of eight rows and three outputs back."""


def compilations(function):
    """Run `function` and count what XLA compiles meanwhile."""
    events = []

    def listen(name, seconds, **kwargs):
        if name == "/jax/core/compile/backend_compile_duration":
            events.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        result = function()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return result, len(events)


def step(key, state, batch):
    """Least squares with noise, gradients averaged over the devices."""
    x = batch.labeled.images.astype(jnp.float32).reshape(-1, 4)

    def loss(w):
        noise = jax.random.normal(key, (3,))
        return jnp.mean(jnp.square(x @ w - noise[None, :]))

    value, grads = jax.value_and_grad(loss)(state["w"])
    grads, value = jax.lax.pmean((grads, value), AXIS)
    state = {"w": state["w"] - 1e-5 * grads, "count": state["count"] + 1}
    return state, {"loss": value}


def batches(mesh, images, first, steps):
    target = parallel.over_chunk(mesh)
    devices = mesh.devices.size
    share = images.shape[1] // devices
    images = images.reshape(steps, devices, share, 2, 2, 1)

    def place(array):
        return jax.device_put(array, target)

    numbers = np.arange(first, first + steps, dtype=np.int32)
    clock = Clock(*(place(np.repeat(numbers[:, None], devices, 1)) for _ in range(3)))
    labels = np.zeros((steps, devices, share), np.int32)
    batch = Batch(place(images), place(labels), place(labels == 0))
    return StepBatch(clock, labeled=batch)


def start(mesh):
    def init():
        w = jnp.linspace(0.0, 1.0, 12).reshape(4, 3)
        return {"w": w, "count": jnp.zeros((), jnp.int32)}

    return jax.jit(init, out_shardings=parallel.replicated(mesh))()


def chunk_images(seed, steps=5, rows=8):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 255, (steps, rows, 2, 2, 1), np.uint8)


@pytest.mark.parametrize("num_devices", [1, 2])
def test_pmap_compiles_once_keeps_shardings_and_donates(num_devices):
    mesh = parallel.make_mesh(num_devices)
    compiled = parallel.compile_step(mesh, step)
    key, state = jax.random.key(0), start(mesh)

    def chunk(state, first):
        data = batches(mesh, chunk_images(first), first, 5)
        assert data.labeled.images.sharding == parallel.over_chunk(mesh)
        return parallel.run_chunk(compiled, key, state, data)

    state, _ = chunk(state, 0)
    old = state
    (state, metrics), count = compilations(lambda: chunk(old, 5))
    assert count == 0
    assert old["w"].is_deleted() and old["count"].is_deleted()
    assert state["w"].sharding == parallel.replicated(mesh)
    assert int(state["count"]) == 10
    assert metrics["loss"].shape == (5,)
    state, _ = chunk(state, 10)  # the donated chain stays alive
    assert np.isfinite(np.asarray(state["w"])).all()


def test_devices_agree_with_one():
    finals = []
    for num_devices in (1, 2, 8):
        mesh = parallel.make_mesh(num_devices)
        compiled, state = parallel.compile_step(mesh, step), start(mesh)
        data = batches(mesh, chunk_images(0), 0, 5)
        state, _ = parallel.run_chunk(compiled, jax.random.key(0), state, data)
        finals.append(np.asarray(state["w"]))
    for many in finals[1:]:
        assert distance(many, finals[0]) <= ROUNDING


def test_scan_and_loop_agree():
    mesh, finals = parallel.make_mesh(2), []
    for scan_safe in (True, False):
        compiled = parallel.compile_step(mesh, step, scan_safe)
        assert compiled.scanned == scan_safe
        data = batches(mesh, chunk_images(0), 0, 5)
        state, metrics = parallel.run_chunk(
            compiled, jax.random.key(0), start(mesh), data
        )
        finals.append((np.asarray(state["w"]), np.asarray(metrics["loss"])))
    for looped, scanned in zip(*finals, strict=True):
        assert distance(looped, scanned) <= ROUNDING


@pytest.mark.parametrize("num_devices", [1, 2])
def test_resident_and_streamed_images_are_equal(num_devices):
    mesh = parallel.make_mesh(num_devices)
    images = np.random.default_rng(0).integers(0, 255, (50, 4, 4, 3), np.uint8)
    rows = np.random.default_rng(1).integers(0, 50, (3, num_devices, 4))
    resident, streamed = (
        parallel.placed(mesh, store.from_array(images), form).place(rows)
        for form in ("resident", "streamed")
    )
    np.testing.assert_array_equal(np.asarray(resident), images[rows])
    np.testing.assert_array_equal(np.asarray(streamed), images[rows])
    assert resident.sharding == streamed.sharding == parallel.over_chunk(mesh)


def test_auto_placement_streams_what_is_too_large():
    images = store.from_array(np.zeros((5, 2, 2, 1), np.uint8))
    placed = parallel.placed(parallel.make_mesh(1), images, "auto", resident_bytes=3)
    _, count = compilations(lambda: placed.place(np.zeros((1, 1, 2), np.int64)))
    assert count == 0  # nothing is gathered on the device


def test_place_state_survives_donation_of_its_result():
    mesh = parallel.make_mesh(2)
    source = {"w": jnp.arange(3.0), "host": np.arange(2.0, dtype=np.float32)}
    placed = parallel.place_state(mesh, source)
    jax.jit(lambda tree: tree, donate_argnums=0)(placed)
    np.testing.assert_array_equal(np.asarray(source["w"]), np.arange(3.0))
    again = parallel.place_state(mesh, parallel.place_state(mesh, source))
    assert again["w"].sharding == parallel.replicated(mesh)


def test_several_processes_leave_no_device_idle(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(UserError, match=r"devices of the processes: \[8, 0\]; several"):
        parallel.make_mesh(1)

"""Rows by their index: arrays, memory maps, features, readers of one's own."""

import numpy as np
import pytest

from gmmal_jax import devices, embed as embeds, parallel
from gmmal_jax.data import store
from gmmal_jax.embed import Embedder
from gmmal_jax.memory import Room
from gmmal_jax.types import Streamed

ROOM = Room(703 * 4, resident_bytes=0, together=0, bytes=0, narrow=1)


def features(num=40):
    return np.random.default_rng(0).normal(size=(num, 3)).astype(np.float32)


def counted(array):
    """A reader of the array, as of files, and the rows that it was asked for."""
    asked = []

    def read(rows):
        asked.append(rows)
        return array[rows]

    return store.Images(array.shape, array.dtype, read), asked


def test_taking_reads_nothing_and_takes_again():
    array = features()
    images, asked = counted(array)
    odd = images.take(np.arange(1, 40, 2))
    some = odd.take(np.array([3, 0, 3]))
    assert (len(images), len(odd), len(some)) == (40, 20, 3) and not asked
    assert some.shape == (3, 3) and some.dtype == np.float32
    np.testing.assert_array_equal(some.read(np.arange(3)), array[[7, 1, 7]])
    np.testing.assert_array_equal(odd.read(slice(None)), array[1::2])


def test_a_memory_map_is_read_row_by_row(tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(5, 2, 2, 3)
    np.save(tmp_path / "x.npy", array)
    images = store.from_array(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert images.shape == (5, 2, 2, 3) and images.nbytes == 60
    np.testing.assert_array_equal(images.read(np.array([4, 1])), array[[4, 1]])


@pytest.mark.parametrize("placement", ["resident", "streamed"])
def test_features_are_placed_through_two_choices_of_rows(placement):
    array, mesh = features(), parallel.make_mesh(2)
    images, asked = counted(array)
    pool = parallel.placed(mesh, images, placement).take(np.arange(10, 40))
    rows = np.random.default_rng(1).integers(0, 30, (3, 2, 4))
    placed = pool.place(rows)
    np.testing.assert_array_equal(np.asarray(placed), array[rows + 10])
    assert placed.sharding == parallel.over_chunk(mesh)
    # A reader is never asked for rows in the shape of a chunk.
    assert all(isinstance(r, slice) or r.ndim == 1 for r in asked)


def test_one_resident_copy_serves_all_seeds():
    images, asked = counted(features())
    placed = parallel.placed(parallel.make_mesh(1), images, "resident")
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(40)[:20]
        placed.take(rows).place(np.zeros((1, 1, 2), np.int64))
    assert asked == [slice(None)]


def test_images_that_are_on_no_device_say_so():
    with pytest.raises(ValueError, match="parallel.placed"):
        store.from_array(features()).take(np.arange(3)).place(np.zeros((1, 1, 1), int))


@pytest.mark.parametrize("placement", ["resident", "streamed"])
def test_a_readout_sees_features_as_they_are(placement):
    array = features(703)  # two chunks, the second padded
    mesh = parallel.make_mesh(1)
    embed = Embedder(mesh)
    placed = parallel.placed(mesh, store.from_array(array), placement)
    images = placed.take(np.arange(702, -1, -1))
    columns = embed(lambda state, rows: {"double": rows * state}, np.float32(2), images)
    np.testing.assert_array_equal(columns["double"], 2 * array[::-1])
    # Where XLA wants it, lest each call on a CPU copies it.
    assert columns["double"].ctypes.data % 64 == 0


def test_rows_a_readout_chunk_follow_the_device(monkeypatch):
    assert [embeds.chunk_rows(n, 3072) for n in (1, 2, 8)] == [500, 500, 504]
    monkeypatch.setattr(devices, "on_cpu", lambda: False)
    gib = 2**30
    for memory, image_bytes, wanted in (
        (80 * gib, 3 * 32 * 32, embeds.ACCELERATOR_ROWS),
        (80 * gib, 3 * 224 * 224, 80 * gib // 8 // (400 * 3 * 224 * 224)),
        (8 * gib, 3 * 32 * 32, 8 * gib // 8 // (400 * 3072)),
        (gib, 3 * 10**7, 1),
        (None, 3 * 32 * 32, embeds.CPU_ROWS),
    ):
        monkeypatch.setattr(devices, "memory_bytes", lambda memory=memory: memory)
        assert embeds.chunk_rows(1, image_bytes) == wanted
        assert embeds.chunk_rows(8, image_bytes) == 8 * wanted


def test_a_column_beyond_the_bound_is_read_by_rows():
    array, mesh = features(703), parallel.make_mesh(1)
    images = parallel.placed(mesh, store.from_array(array), "streamed")

    def readout(state, rows):
        return {"twice": 2 * rows, "sum": rows.sum(axis=1)}

    held = Embedder(mesh)(readout, (), images)
    found = Embedder(mesh, ROOM)(readout, (), images)
    column = found["twice"]
    assert isinstance(column, Streamed) and isinstance(found["sum"], np.ndarray)
    assert column.shape == (703, 3) and column.dtype == np.float32
    np.testing.assert_array_equal(found["sum"], held["sum"])
    np.testing.assert_array_equal(column[:], held["twice"])
    np.testing.assert_array_equal(column[500:], held["twice"][500:])
    rows = np.array([702, 3, 3])
    np.testing.assert_array_equal(column[rows], held["twice"][rows])
    tight = Embedder(mesh, ROOM._replace(column_bytes=10))
    only = tight(readout, (), images, frozenset({"sum"}))
    assert [*only] == ["sum"] and isinstance(only["sum"], Streamed)


def test_a_wide_column_that_is_held_is_read_as_one_that_is_not(monkeypatch):
    images = parallel.placed(
        parallel.make_mesh(1), store.from_array(features(40)), "streamed"
    )
    monkeypatch.setattr(Embedder, "_rows", None)
    large = ROOM._replace(column_bytes=10**6)
    found = Embedder(parallel.make_mesh(1), large)(lambda _, x: {"x": x}, (), images)
    assert isinstance(found["x"], Streamed)
    np.testing.assert_array_equal(found["x"][3:5], features(40)[3:5])

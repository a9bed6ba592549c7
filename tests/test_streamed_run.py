"""A run under a bound on memory: the bytes of one that holds its pool, and its peak."""

import csv

import numpy as np
import pytest
import tiny

from gmmal_jax import bind, config as configs, embed, loop, memory, opening
from gmmal_jax.data import store
from gmmal_jax.errors import UserError
from gmmal_jax.parallel import hosts
from gmmal_jax.project import pack
from gmmal_jax.storage import layout, records

VIEWS = (
    "initial.csv", "results.csv", "recall.csv", "queries.csv", "diagnostics.csv",
)  # fmt: skip
TIGHT = memory.Room(20_000, resident_bytes=0, together=60, bytes=10**9, narrow=10)
"""Logits of 400 rows take 16,000 bytes, latents 51,200."""
ROOMY = TIGHT._replace(column_bytes=10**8, resident_bytes=10**8)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Digits as mapped files."""
    out = tmp_path_factory.mktemp("packed") / "digits"
    pack.pack("digits", out)
    return f"npy:{out}"


def config(packed, **changes):
    return tiny.config(dataset=packed, cycles=2, width=4, reference="none", **changes)


def execute(folder, wanted, report=None):
    prepared = opening.start(wanted, folder, 1)
    loop.execute(prepared, report or tiny.Quiet())
    return prepared


def rows(folder, name):
    with open(folder / f"{name}.csv") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("mode", ["sharded", "exact"])
def test_streamed_and_held_give_the_same_bytes(packed, tmp_path, monkeypatch, mode):
    wanted, reads = config(packed, **{"gmm.mode": mode}), []
    original = embed.Embedder._rows
    monkeypatch.setattr(
        embed.Embedder,
        "_rows",
        lambda self, *args: reads.append(args[-2]) or original(self, *args),
    )
    for name, room in (("held", ROOMY), ("streamed", TIGHT)):
        monkeypatch.setattr(bind, "room_of", lambda *_, room=room: room)
        assert not reads
        execute(tmp_path / name, wanted)
    assert {*reads} == {"latents"}
    for name in VIEWS:
        streamed = (tmp_path / "streamed" / name).read_bytes()
        assert streamed == (tmp_path / "held" / name).read_bytes(), name


def gathers(run, folder, leads, monkeypatch):
    """Shapes of what a process hands to the others in a run, in order."""
    arms = tuple(arm._replace(places=layout.of(folder)) for arm in run.arms)
    shapes, original = [], hosts.gathered
    with monkeypatch.context() as patch:
        patch.setattr(
            hosts, "gathered", lambda own: shapes.append(own.shape) or original(own)
        )
        patch.setattr(hosts, "leads", lambda: leads)
        loop.execute(run._replace(arms=arms), tiny.Quiet())
    return shapes


def test_all_processes_read_a_column_that_is_not_held(packed, tmp_path, monkeypatch):
    """Who came to a gather alone would wait for the others for ever."""
    monkeypatch.setattr(bind, "room_of", lambda *_: TIGHT)
    wanted = config(packed, learn="ce", query="entropy")
    run = bind.prepare(wanted, tmp_path / "run", 1)
    first = gathers(run, tmp_path / "first", True, monkeypatch)
    second = gathers(run, tmp_path / "second", False, monkeypatch)
    assert first == second and (500, 32) in first
    kept = records.load_arrays(tmp_path / "first", 0, 0)
    assert kept["latents"].shape == (400, 32) and not (tmp_path / "second").exists()


def test_a_bound_changes_roundings_alone(packed, tmp_path):
    """The query reads no scores: a rounding may turn the choice of a row over, and a
    network of other labels is another one."""
    wanted = config(packed, query="random")
    execute(tmp_path / "free", wanted)
    bounded = execute(tmp_path / "bounded", configs.replace(wanted, memory_gb=4.0))
    assert bounded.room.column_bytes > 10**8
    found = [rows(tmp_path / name, "results") for name in ("free", "bounded")]
    for free, bound in zip(*found, strict=True):
        for name, off in {"accuracy": 0.01, "test_loss": 1e-4}.items():
            assert float(bound[name]) == pytest.approx(float(free[name]), abs=off)


def test_who_reads_all_latents_together_sees_some_rows(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(bind, "room_of", lambda *_: TIGHT)
    wanted, told = config(packed, learn="ce", query="coreset"), tiny.Quiet()
    prepared = execute(tmp_path / "run", wanted, told)
    line = f"coreset reads all latents together: it chooses among {60 - wanted.initial}"
    assert [line in note for note in told.notes if "cycle 0" in note] == [True]
    asked = [int(row["index"]) for row in rows(tmp_path / "run", "queries")]
    assert len(set(asked)) == wanted.budget
    assert not set(asked) & set(prepared.splits[0].initial.tolist())


def test_only_candidates_are_read_for_a_query(packed, tmp_path, monkeypatch):
    sizes, original = [], store.Images.take
    monkeypatch.setattr(
        store.Images,
        "take",
        lambda images, rows: sizes.append(len(rows)) or original(images, rows),
    )
    wanted = config(packed, learn="ce", query="entropy", **{"select.subset_size": 50})
    execute(tmp_path / "run", wanted)
    first = 50 + wanted.initial
    assert {first, first + wanted.budget} <= set(sizes)
    found = rows(tmp_path / "run", "queries")
    assert len(found) == wanted.budget
    assert all(float(row["entropy"]) > 0 for row in found)


def test_pictures_in_memory_count(tmp_path):
    wanted = tiny.config(memory_gb=1.0)
    dataset = bind.loaded(wanted)
    assert memory.held([dataset.train_images]) == dataset.train_images.nbytes
    huge = np.broadcast_to(dataset.train_images[:1], (10**7, 8, 8, 1))
    with pytest.raises(UserError, match="--memory-gb: 1.0; 10,000,000 rows of 10"):
        bind.room_of(wanted, dataset._replace(train_images=huge), 16)

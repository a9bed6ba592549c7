"""A cycle from its labels alone, against the same cycle of a whole run."""

import numpy as np
import pytest
import tiny

from gmmal_jax import loop, opening, pool as pools
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.storage import files, records
from gmmal_jax.storage.saver import Saver


def opened(folder, **changes):
    return opening.opened(tiny.config(reference="none", **changes), folder, 1)


def text(record):
    """All that a record's file would hold, but the clock."""
    return files.seal(record._replace(timings={})._asdict())


@pytest.fixture(scope="module", params=("random", "gmm"))
def whole(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    with opened(folder, method=request.param, seeds=(0, 3)) as (run, _):
        loop.execute(run, tiny.Quiet())
    return request.param, records.load(folder)


def test_a_cycle_alone_is_that_of_the_whole_run(whole, tmp_path):
    """Byte for byte, in any order: nothing but labels passes from one to the next."""
    method, recorded = whole
    of = {(record.seed, record.cycle): record for record in recorded}
    folder, report = tmp_path / "run", tiny.Quiet()
    with opened(folder, method=method, seeds=(3,)) as (run, _):
        for cycle in (2, 0, 1):
            before = [of[3, i].queries for i in range(cycle)]
            asked = [sorted(row["index"] for row in rows) for rows in before]
            record = loop.one_cycle(run, 3, asked, report)
            assert text(record) == text(of[3, cycle])
            assert record.timings["total"] > 0
    assert report.rows == [(method, 3, 2), (method, 3, 0), (method, 3, 1)]
    assert not records.load(folder) and not list(folder.rglob("phase-*"))


def test_a_cycle_that_was_stopped_goes_on(whole, tmp_path):
    method, recorded = whole
    with opened(tmp_path / "run", method=method) as (run, _):
        with pytest.raises(Interrupted):
            loop.one_cycle(run, 0, [], stop=lambda: 15)
        report = tiny.Quiet()
        record = loop.one_cycle(run, 0, [], report)
    assert report.chunks[0][2:] == ("supervised", 4)  # of 4 steps the last 2
    assert text(record) == text(recorded[0])


def others(run, rows):
    """As many rows that the pool's first labels and these leave."""
    free = {*range(400)} - {*run.splits[0].initial.tolist(), *rows}
    return sorted(free)[: len(rows)]


def test_a_cycle_begins_anew_where_one_of_other_labels_was_stopped(whole, tmp_path):
    method, recorded = whole
    rows = [row["index"] for row in recorded[0].queries]
    with opened(tmp_path / "run", method=method) as (run, _):
        with pytest.raises(Interrupted):
            loop.one_cycle(run, 0, [others(run, rows)], stop=lambda: 15)
        report = tiny.Quiet()
        with pytest.raises(Interrupted):
            loop.one_cycle(run, 0, [rows], report, stop=lambda: 15)
        assert report.chunks == [(method, 1, "supervised", 2)]  # of 4: the first 2
        assert len(report.notes) == 1 and "it is of other labels" in report.notes[0]
        again = tiny.Quiet()
        record = loop.one_cycle(run, 0, [rows], again)
    assert again.chunks[0][2:] == ("supervised", 4) and not again.notes
    assert text(record) == text(recorded[1])


def test_what_a_first_stage_left_is_of_its_labels(tmp_path):
    with opened(tmp_path / "run", method="random") as (run, _):
        (arm,), split = run.arms, run.splits[0]
        first = pools.label(pools.make(split.pool), np.arange(3), np.zeros(3, int), 0)
        known = [
            first,
            pools.label(first, np.array([4]), np.array([1]), 1),
            pools.label(first, np.array([4]), np.array([2]), 1),
            pools.label(first, np.array([5]), np.array([1]), 1),
        ]
        savers = [
            Saver(arm.places, 0, 1, arm.config.checkpoint, arm.trainer, pool)
            for pool in known
        ]
    latents = {"rows": np.arange(2), "latents": np.ones((2, 3), np.float32)}
    for own in savers:
        own.keep_before(latents)
        for other in savers:
            found = other.kept_before()
            assert (found is None) == (other is not own)
        np.testing.assert_equal(own.kept_before(), latents)


@pytest.mark.parametrize(
    ("seed", "asked", "said"),
    [
        (7, lambda free: [], r"no seed of the run: 7; use one of \[0\]"),
        (0, lambda free: [free[:19]], r"rows each: \[19\]; give 0 to 2 queries of 20"),
        (0, lambda free: [free[i : i + 20] for i in (0, 20, 40)], r"\[20, 20, 20\]"),
        (0, lambda free: [free[:19] + free[:1]], "cycle 0 asked for; name distinct"),
        (0, lambda free: [free[:20], free[19:39]], "cycle 1 asked for; name distinct"),
        (0, lambda free: [[*free[:19], -1]], "unlabeled rows of the pool's 400"),
        (0, lambda free: [[*free[:19], 400]], "unlabeled rows of the pool's 400"),
    ],
)
def test_queries_that_cannot_have_been_are_one_line(seed, asked, said, tmp_path):
    with opened(tmp_path / "run", method="random") as (run, _):
        free = sorted({*range(400)} - {*run.splits[0].initial.tolist()})
        with pytest.raises(UserError, match=said):
            loop.one_cycle(run, seed, asked(free))


def test_methods_that_hand_on_more_than_labels_are_refused(tmp_path):
    changes = {"method": "random", "train.init": "continue"}
    with opened(tmp_path / "run", **changes) as (run, _):
        with pytest.raises(UserError, match="random.*--train.init fresh"):
            loop.one_cycle(run, 0, [])

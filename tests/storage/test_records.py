import csv
import os

import numpy as np
import pytest

from gmmal_jax.errors import UserError
from gmmal_jax.storage import records
from gmmal_jax.storage.records import Record


def make(seed, cycle, **changes):
    initial = [{"index": 4, "id": 40, "label": 1}, {"index": 2, "id": 20, "label": 0}]
    query = {
        "rank": 0,
        "index": 7,
        "id": 70,
        "label": 1,
        "pseudo_label": 0,
        "likelihood": np.float32(-1234.5678),
        "rank_likelihood": np.float32(0.1),
        "total": 0.1 + 0.2,
    }
    record = Record(
        seed=seed,
        cycle=cycle,
        results={"accuracy": 0.5 + seed / 64 + cycle / 128, "labeled": 2 + cycle},
        initial=initial if cycle == 0 else [],
        queries=[query] if cycle == 0 else [],
        diagnostics={"em_log_likelihood": np.float32(1 / 3)},
        timings={"train": 1.5},
    )
    return record._replace(**changes)


def fill(folder, order=((0, 0), (0, 1), (1, 0), (1, 1))):
    for seed, cycle in order:
        records.write(folder, make(seed, cycle))


def views(folder):
    records.write_views(folder)
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def rows(folder, name):
    records.write_views(folder)
    with open(folder / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_load_sorts_and_gives_back_what_was_written(tmp_path):
    fill(tmp_path, [(10, 0), (2, 0), (2, 1), (1000, 0)])
    loaded = records.load(tmp_path)
    assert [r[:2] for r in loaded] == [(2, 0), (2, 1), (10, 0), (1000, 0)]
    assert loaded[1].results == {"accuracy": 0.5390625, "labeled": 3}
    assert loaded[0].initial == make(2, 0).initial
    assert np.float32(loaded[0].queries[0]["likelihood"]) == np.float32(-1234.5678)
    assert (tmp_path / "records/seed-002/cycle-01.json").exists()


def test_a_folder_without_records_is_empty(tmp_path):
    assert records.load(tmp_path / "nowhere") == []
    assert set(views(tmp_path)) == {
        f"{name}.csv"
        for name in (
            "initial", "results", "recall", "queries", "diagnostics", "timings",
        )
    }  # fmt: skip


def test_a_record_of_an_older_version_has_no_recalls(tmp_path):
    fields = make(0, 0)._asdict()
    del fields["recalls"]
    path = records.layout.of(tmp_path).record(0, 0)
    records.files.write_atomic(path, records.files.seal(fields))
    (record,) = records.load(tmp_path)
    assert record.recalls == [] and record.initial == make(0, 0).initial
    assert views(tmp_path)["recall.csv"] == b"seed,cycle,class,recall,support\n"


def test_recall_view(tmp_path):
    recalls = [
        {"class": 0, "recall": 1 / 3, "support": 3},
        {"class": 1, "recall": None, "support": 0},
    ]
    records.write(tmp_path, make(2, 0, recalls=recalls))
    assert records.load(tmp_path)[0].recalls == recalls
    assert views(tmp_path)["recall.csv"].decode().split("\n")[1:] == [
        "2,0,0,0.3333333333333333,3", "2,0,1,,0", "",
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "binary"])
def test_a_damaged_record_names_file_and_remedy(tmp_path, damage):
    fill(tmp_path)
    path = tmp_path / "records/seed-001/cycle-00.json"
    data = path.read_bytes()
    path.write_bytes(
        {
            "flip": data.replace(b'"label":1', b'"label":0', 1),
            "cut": data[: len(data) // 2],
            "empty": b"",
            "binary": b"\xff\xfe" + data,
        }[damage]
    )
    with pytest.raises(UserError, match="seed-001/cycle-00.json.*delete.*gmmal resume"):
        records.load(tmp_path)
    with pytest.raises(UserError):
        records.write_views(tmp_path)


def test_a_record_of_another_cycle_or_form_is_damaged(tmp_path):
    fill(tmp_path)
    folder = tmp_path / "records/seed-000"
    (folder / "cycle-01.json").write_bytes((folder / "cycle-00.json").read_bytes())
    with pytest.raises(UserError, match="another seed or cycle"):
        records.load(tmp_path)
    (folder / "cycle-01.json").write_text(records.files.seal({"seed": 0}))
    with pytest.raises(UserError, match="cycle-01.json"):
        records.load(tmp_path)


def test_a_gap_is_damage(tmp_path):
    fill(tmp_path, [(0, 0), (0, 2)])
    with pytest.raises(UserError, match="missing.*cycle-01.json"):
        records.load(tmp_path)


def test_leftovers_of_a_crash_are_not_records(tmp_path):
    fill(tmp_path)
    (tmp_path / "records/seed-000/.cycle-02.json.tmp-1").write_text("{")
    assert len(records.load(tmp_path)) == 4


def test_views_do_not_depend_on_the_order_of_writing(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path / "b", [(1, 1), (0, 1), (1, 0), (0, 0), (1, 1)])
    shuffled = make(0, 0)
    shuffled = shuffled._replace(
        results=dict(reversed(shuffled.results.items())),
        queries=[dict(reversed(q.items())) for q in shuffled.queries],
    )
    records.write(tmp_path / "b", shuffled)
    first = views(tmp_path / "a")
    assert views(tmp_path / "b") == first
    assert views(tmp_path / "a") == first


def test_results_view(tmp_path):
    fill(tmp_path)
    extra = {"accuracy": float("nan"), "labeled": 4, "zeta": 1e-7, "alpha": 5}
    records.write(tmp_path, make(1, 2, results=extra))
    records.write_views(tmp_path)
    lines = (tmp_path / "results.csv").read_bytes().decode().split("\n")
    assert lines[0] == (
        "seed,cycle,labeled,accuracy,balanced_accuracy,test_loss,"
        "labeled_class_entropy,alpha,zeta"
    )
    assert lines[1] == "0,0,2,0.5,,,,,"
    assert lines[5] == "1,2,4,,,,,5,1e-07"
    assert lines[6:] == [""]


def test_queries_and_initial_view(tmp_path):
    fill(tmp_path)
    query = rows(tmp_path, "queries")[1]
    assert list(query) == (
        ["seed", "cycle", "rank", "index", "id", "label", "pseudo_label"]
        + ["likelihood", "rank_likelihood", "total"]
    )
    assert query["likelihood"] == "-1234.5677"
    assert (query["rank_likelihood"], query["total"]) == ("0.1", "0.30000000000000004")
    assert rows(tmp_path, "initial")[3] == dict(seed="1", index="2", id="20", label="0")


def test_views_are_rebuilt_whole(tmp_path):
    fill(tmp_path)
    before = views(tmp_path)
    (tmp_path / "results.csv").write_text("cut sho")
    (tmp_path / "records/seed-001/cycle-01.json").unlink()
    assert views(tmp_path)["results.csv"].count(b"\n") == 4
    fill(tmp_path, [(1, 1)])
    assert views(tmp_path) == before


def test_crash_in_a_view_leaves_the_old_one(tmp_path, monkeypatch):
    fill(tmp_path)
    before = views(tmp_path)
    fill(tmp_path, [(2, 0)])

    def crash(*_):
        raise OSError("crash")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError):
        records.write_views(tmp_path)
    assert (tmp_path / "results.csv").read_bytes() == before["results.csv"]


def test_arrays_round_trip_with_equal_bytes(tmp_path):
    arrays = {
        "total": np.array([0.1, np.nan, -0.0], np.float32),
        "ids": np.arange(3, dtype=np.uint32),
        "one": np.array(2.5),
    }
    records.write_arrays(tmp_path / "a", 0, 3, **arrays)
    records.write_arrays(tmp_path / "b", 0, 3, **dict(reversed(arrays.items())))
    name = "records/seed-000/cycle-03.npz"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    back = records.load_arrays(tmp_path / "a", 0, 3)
    assert set(back) == set(arrays)
    for key, array in arrays.items():
        assert (back[key].dtype, back[key].shape) == (array.dtype, array.shape)
        assert back[key].tobytes() == array.tobytes()


def test_arrays_refuse_objects_absence_and_damage(tmp_path):
    with pytest.raises(ValueError, match="(?i)object"):
        records.write_arrays(tmp_path, 0, 0, bad=np.array([{}]))
    with pytest.raises(UserError, match="cycle-00.npz"):
        records.load_arrays(tmp_path, 0, 0)
    records.write_arrays(tmp_path, 0, 0, x=np.arange(100))
    path = tmp_path / "records/seed-000/cycle-00.npz"
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="cycle-00.npz.*delete"):
        records.load_arrays(tmp_path, 0, 0)

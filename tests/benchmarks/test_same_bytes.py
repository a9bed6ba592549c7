"""What the comparison of two runs' tables finds, and what it overlooks when told."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
RESULTS = "seed,cycle,accuracy,test_loss\n0,0,0.5,1.25\n0,1,0.625,1.0\n"
DIAGNOSTICS = "seed,cycle,a/ratio,b\n0,0,0.5,1.25\n0,1,,1.0\n"


@pytest.fixture
def same_bytes(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("same_bytes")


@pytest.fixture
def table_differences(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("table_differences")


class TestDifference:
    def test_equal_texts_do_not_differ(self, table_differences):
        assert table_differences.difference(RESULTS, RESULTS) is None

    def test_first_line_and_all_columns_are_named(self, table_differences):
        here = RESULTS.replace("0.625,1.0", "0.625,1.5").replace("0.5,", "0.75,")
        assert table_differences.difference(RESULTS, here) == (
            "line 2: accuracy is 0.5 there, 0.75 here; columns: accuracy, test_loss"
        )

    def test_the_last_digit_counts(self, table_differences):
        here = RESULTS.replace("0.625", "0.6250000000000001")
        assert "line 3: accuracy" in table_differences.difference(RESULTS, here)

    def test_missing_lines_and_other_bytes(self, table_differences):
        shorter = RESULTS[: RESULTS.rindex("0,1")]
        assert "3 lines there, 2 here" in table_differences.difference(RESULTS, shorter)
        windows = RESULTS.replace("\n", "\r\n")
        assert "different bytes" in table_differences.difference(RESULTS, windows)
        assert table_differences.difference(RESULTS, "")

    def test_columns_of_one_side(self, table_differences):
        renamed = RESULTS.replace("test_loss", "loss")
        assert table_differences.difference(RESULTS, renamed) == (
            "columns only there: test_loss; columns only here: loss"
        )
        swapped = RESULTS.replace("seed,cycle", "cycle,seed")
        assert "another order" in table_differences.difference(RESULTS, swapped)


class TestCompare:
    def test_a_table_of_one_side(self, same_bytes):
        there = {"results.csv": RESULTS, "reference/results.csv": RESULTS}
        found, _ = same_bytes.compare(there, {"results.csv": RESULTS}, [])
        assert found == ["reference/results.csv: only there"]

    def test_excepted_columns_may_differ_and_are_named(self, same_bytes):
        there = {"reference/diagnostics.csv": DIAGNOSTICS}
        here = {"reference/diagnostics.csv": DIAGNOSTICS.replace("0.5", "0.25")}
        assert same_bytes.compare(there, here, ["a/*"]) == ([], ["a/ratio (differs)"])
        assert same_bytes.compare(there, there, ["a/*"]) == ([], ["a/ratio"])
        assert same_bytes.compare(there, here, ["b"])[0]

    def test_a_new_column_can_be_excepted(self, same_bytes):
        there = {"diagnostics.csv": "seed,cycle,b\n0,0,1.25\n0,1,1.0\n"}
        here = {"diagnostics.csv": DIAGNOSTICS}
        assert same_bytes.compare(there, here, ["*/ratio"])[0] == []
        assert same_bytes.compare(there, here, [])[0]

    def test_exceptions_are_for_diagnostics_only(self, same_bytes):
        there = {"results.csv": RESULTS}
        here = {"results.csv": RESULTS.replace("0.5", "0.25")}
        assert same_bytes.compare(there, here, ["accuracy"])[0]


def test_a_folder_is_named_by_its_package(same_bytes, tmp_path):
    package = tmp_path / "source" / "gmmal_jax"
    package.mkdir(parents=True)
    (package / "a.py").write_text("A = 1\n")
    names = [same_bytes.fetch(str(package.parent), tmp_path / t) for t in "xy"]
    (package / "a.py").write_text("A = 2\n")
    names.append(same_bytes.fetch(str(package.parent), tmp_path / "z"))
    assert names[0] == names[1] != names[2]
    assert (tmp_path / "x" / "gmmal_jax" / "a.py").read_text() == "A = 1\n"


def test_neither_a_folder_nor_a_commit(same_bytes, tmp_path):
    with pytest.raises(ValueError, match="neither a folder"):
        same_bytes.fetch("no-such-thing", tmp_path / "tree")

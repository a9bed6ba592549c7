"""The benchmarks' arithmetic: floors, tables, merged results. Nothing is measured."""

import json
import os
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def harness(load):
    return load("harness")


@pytest.fixture
def everything(load):
    return load("all")


def body(**changes):
    versions = {"jax": "1.0", "torch": None}
    environment = {
        "platform": "cpu", "device": "Some CPU (R) 9", "vectors": ["avx", "avx2"],
        "cores": 2, "python": "3.11",
        "versions": versions,
    }  # fmt: skip
    rows = [{"case": "a", "ratio": 2.0}]
    tables = [{"title": "T", "note": "N.", "rows": rows}]
    return {
        "environment": environment, "tables": tables, "missed": [], "seconds": 3.0,
    } | changes  # fmt: skip


class TestFloors:
    def test_at_least_and_at_most(self, harness):
        low = harness.Floor("x", at_least=2.0)
        high = harness.Floor("x", at_most=2.0)
        for floor in (low, high):
            assert floor.missed({"x": 2.0}) is None
        assert "floor 2" in low.missed({"x": 1.9})
        assert "at most 2" in high.missed({"x": 2.1})

    def test_not_measured_is_not_missed_but_nan_is(self, harness):
        floor = harness.Floor("x", at_least=2.0)
        assert floor.missed({"x": None}) is None and floor.missed({}) is None
        assert floor.missed({"x": float("nan")})

    def test_a_floor_holds_for_its_case_only(self, harness):
        rows = [{"case": "a", "x": 1.0}, {"case": "b", "x": 1.0}]
        floors = {"b": [harness.Floor("x", at_least=2.0)]}
        (line,) = harness.Table("T", rows, floors).shortfalls()
        assert line.startswith("T: b: x is 1")


class TestMarkdown:
    def test_columns_of_all_rows_in_order(self, harness):
        rows = [{"case": "a", "x": 1.234567}, {"case": "b", "y": True}]
        lines = harness.markdown(harness.Table("T", rows, note="N.")).splitlines()
        assert lines[2] == "| case | x | y |"
        assert lines[4:6] == ["| a | 1.23 |  |", "| b |  | yes |"]
        assert lines[-1] == "N."

    def test_cells(self, harness):
        cells = [harness._cell(v) for v in (0.0, 1e-5, 123.4, 2e7, 7, False, "s", None)]
        assert cells == ["0", "1.0e-05", "123", "2.0e+07", "7", "no", "s", ""]


class TestInterleaved:
    def test_each_is_called_once_more_than_rounds(self, harness):
        calls = []
        contenders = {name: lambda name=name: calls.append(name) for name in "ab"}
        found = harness.interleaved(contenders, rounds=3)
        assert calls[:2] == ["a", "b"] and sorted(calls) == 4 * ["a"] + 4 * ["b"]
        assert set(found) == {"a", "b"} and found["a"].wall >= 0

    def test_a_child_sees_one_core_and_we_keep_ours(self, harness, tmp_path):
        if not hasattr(os, "sched_getaffinity"):
            pytest.skip("this system cannot keep a process on one core")
        before = os.sched_getaffinity(0)
        script = tmp_path / "child.py"
        script.write_text(
            "import os, sys, json\n"
            "print(json.dumps([len(os.sched_getaffinity(0)), sys.argv[1],"
            " os.environ['OMP_NUM_THREADS']]))\n"
        )
        assert harness.on_one_core(str(script), "x") == [1, "x", "1"]
        assert os.sched_getaffinity(0) == before


class TestMain:
    def main(self, harness, monkeypatch, *options, ratio=1.0):
        floors = {"a": [harness.Floor("ratio", at_least=2.0)]}
        table = harness.Table("T", [{"case": "a", "ratio": ratio}], floors)
        monkeypatch.setattr(sys, "argv", ["some.py", *options])
        return harness.main("Doc.", lambda arguments: [table])

    def test_only_check_fails(self, harness, monkeypatch, capsys):
        assert self.main(harness, monkeypatch) == 0
        assert "below its floor: T: a: ratio" in capsys.readouterr().out
        assert self.main(harness, monkeypatch, "--check") == 1
        assert self.main(harness, monkeypatch, "--check", ratio=2.0) == 0

    def test_json(self, harness, monkeypatch, tmp_path):
        path = tmp_path / "out.json"
        self.main(harness, monkeypatch, "--json", str(path))
        saved = json.loads(path.read_text())
        assert saved["benchmark"] == "some" and len(saved["missed"]) == 1
        assert saved["tables"][0]["rows"] == [{"case": "a", "ratio": 1.0}]
        assert saved["environment"]["platform"] == "cpu"
        assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


class TestAll:
    def test_new_results_replace_their_own_part(self, everything):
        before = everything.merged({}, {"startup": body(), "em": body()}, "day 1")
        assert list(before) == ["em", "startup"]
        after = everything.merged(before, {"em": body(seconds=9.0)}, "day 2")
        assert after["em"]["seconds"] == 9.0 and after["em"]["date"] == "day 2"
        assert after["startup"] == before["startup"]

    def test_the_page_keeps_its_head_and_replaces_the_rest(self, everything):
        missed = ["T: a: x is 1"]
        results = everything.merged({}, {"em": body(missed=missed)}, "day 1")
        page = everything.page("# Head\n\ntext\n", {"some-cpu": results})
        assert page.startswith("# Head\n\ntext\n\n" + everything.MARKER)
        assert "## Some CPU (R) 9 (avx avx2), 2 cores" in page and "| a | 2 |" in page
        assert "day 1, took 3 s; Python 3.11, jax 1.0" in page and "torch" not in page
        assert "Below its floor: T: a: x is 1." in page
        assert everything.page(page, {"some-cpu": results}) == page
        assert "Some CPU" not in everything.page(page, {})

    def test_slug(self, everything):
        environment = body()["environment"]
        assert everything.slug(environment) == "some-cpu-r-9-2-cores"
        wide = environment | {"vectors": ["avx", "avx512f"]}
        assert everything.slug(wide) == "some-cpu-r-9-avx512-2-cores"
        gpu = environment | {"platform": "gpu", "device": "NVIDIA H100 80GB"}
        assert everything.slug(gpu) == "nvidia-h100-80gb"

    def test_missing_and_failing_scripts_do_not_stop_it(
        self, everything, tmp_path, monkeypatch, capsys
    ):
        (tmp_path / "README.md").write_text("# Head\n")
        (tmp_path / "em.py").write_text("raise SystemExit(3)\n")
        write = "import sys, pathlib; pathlib.Path(sys.argv[2]).write_text({!r})\n"
        found = json.dumps({k: v for k, v in body().items() if k != "seconds"})
        (tmp_path / "scaling.py").write_text(write.format(found))
        monkeypatch.setattr(everything, "HERE", tmp_path)
        monkeypatch.setattr(sys, "argv", ["all.py", "--only", "em", "cycle", "scaling"])
        assert everything.main() == 1
        told = capsys.readouterr().out
        assert "em: failed with code 3" in told and "cycle: missing" in told
        saved = json.loads((tmp_path / "results/some-cpu-r-9-2-cores.json").read_text())
        assert list(saved) == ["scaling"]
        assert "**scaling.py**" in (tmp_path / "README.md").read_text()


def test_slopes_are_judged(load):
    verdict = load("scaling").verdict
    judged = [verdict(slope) for slope in (1.1, 0.7, 1.3)]
    assert judged == ["linear", "less than linear", "more than linear"]


def test_a_run_s_rows_are_recognised(load):
    row = load("startup")._ROW
    assert row.match("   0      0       20  random    52.6 %")
    assert not row.match("seed  cycle  labeled  method  accuracy")

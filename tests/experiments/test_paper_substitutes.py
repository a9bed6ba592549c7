"""What status says of substitutes: how much is there, of which data, and what is stale.

Results are made up.
"""

import pytest
from paper_results import ALL, WORLD, done, made_up

from experiments.paper import looks, made, page, plan, status, worlds
from experiments.paper.experiment import SEEDS, load
from experiments.paper.store import Store, digest, piece_name
from gmmal_jax.storage import files

HALVED = "substitute (5,000 pictures of ten classes, halved to 16x16, small of width 8)"
TABLES = ("table_05", "table_09")
TABLE, FIGURE = ALL["table_05"], ALL["figure_11"]


def planned(*names, seeds=SEEDS):
    return plan.tasks(map(load, names), "cpu", seeds, True)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Tables 5 and 9 with five seeds, and nothing else."""
    return made_up(tmp_path_factory.mktemp("two"), "cpu", planned(*TABLES)).root


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("table_05", ""),
        ("table_09", ""),
        ("figure_10", ""),
        ("table_04", ", partial (5 of 25)"),
        ("queries", ", partial (10 of 50)"),
        ("weights", ", partial (10 of 50)"),
        ("gains", ", partial (20 of 50)"),
        ("figure_11", ", partial (40 of 41)"),  # its map
        ("figure_12", ", partial (20 of 40)"),
    ],
)
def test_rows_of_other_tables_make_no_substitute_whole(name, said, two):
    line = status.lines_of(load(name), two)[0]
    assert line[-3:] == ["5", "NVIDIA H100", HALVED + said]


def test_worlds_without_rows_have_a_line(two):
    lines = status.lines_of(ALL["figure_09"], two)
    assert [line[0].rpartition(", ")[0] for line in lines] == [
        worlds.SUBSTITUTES[name].title
        for name in ("halved10", "halved100", "digits", "clothes")
    ]
    assert lines[0][-1] == HALVED
    for line in lines[1:]:
        assert line[-1].endswith(", small of width 8), partial (0 of 40)")
        assert line[-3:-1] == ["0", ""]
    # Two worlds of one data set share a line; digits are not missed beside pictures.
    (line,) = status.lines_of(load("gains"), two)
    assert line[0].count("halved to 16x16") == 2


def test_digits_alone_are_whole_without_pictures(tmp_path):
    own = plan.tasks([ALL["figure_09"]], "cpu", 2, False)
    made_up(tmp_path, "cpu", own)
    (line,) = status.lines_of(ALL["figure_09"], tmp_path)
    assert line[-1] == "substitute (scikit-learn's digits, 8x8, small of width 8)"
    assert line[-3] == "2"


def test_as_many_seeds_are_wanted_as_any_arm_has(tmp_path):
    first, second = planned("table_05", seeds=1), planned("table_05", seeds=2)
    made_up(tmp_path, "cpu", first)
    assert status.state(TABLE, tmp_path) == HALVED
    made_up(tmp_path, "cpu", second[-1:])
    assert status.state(TABLE, tmp_path) == f"{HALVED}, partial (12 of 22)"
    (line,) = status.lines_of(TABLE, tmp_path)
    assert line[-3] == "2"


def put_map(task, kept, **changes):
    """A map as `maps.take` would leave it."""
    content, look = b"points", looks.MAP
    about = {"settings": made.settings(task) | changes, "data": {}, "versions": {}}
    look.path(task, kept).parent.mkdir(exist_ok=True)
    look.path(task, kept).write_bytes(content)
    look.keep_about(task, kept, about | {"bytes": looks.bytes_digest(content)})


@pytest.mark.parametrize(
    ("scale", "whole"), [("full", "full"), ("cpu", HALVED)]
)  # fmt: skip
def test_a_figure_of_rows_and_a_map_needs_both(scale, whole, tmp_path):
    def state():
        found = status.state(FIGURE, tmp_path)
        return found.removeprefix(f"{HALVED}, ") if scale == "cpu" else found

    form = worlds.form(WORLD, scale, True)
    (task,), kept = plan.seen(FIGURE, [form]), Store(tmp_path, scale)
    put_map(task, kept)
    assert state() == f"partial (1 of {41 if scale == 'full' else 9})"
    made_up(tmp_path, scale, plan.tasks([FIGURE], scale, SEEDS, True))
    assert state() == whole
    looks.MAP.path(task, kept).write_bytes(b"")
    assert state() == "partial (40 of 41), 1 stale"
    put_map(task, kept, width=2)
    assert state() == "partial (40 of 41), 1 stale"
    looks.MAP.path(task, kept).unlink()
    assert state() == "partial (40 of 41)"


@pytest.fixture
def longer(tmp_path, monkeypatch):
    """Two seeds of Table 5, and a recipe that has changed since then."""
    made_up(tmp_path, "cpu", planned("table_05", seeds=2))
    own = worlds.SUBSTITUTES["halved10"]
    changed = own._replace(changes=own.changes | {"train.steps": 700})
    monkeypatch.setitem(worlds.SUBSTITUTES, "halved10", changed)
    return Store(tmp_path, "cpu"), planned("table_05", seeds=2)


def test_rows_of_another_recipe_are_stale_until_they_are_run_again(longer):
    kept, tasks = longer
    assert kept.done(tasks) == set() and len(kept.stale(tasks)) == 22
    (line,) = status.lines_of(TABLE, kept.root)
    assert line[-1] == f"{HALVED}, partial (0 of 22), 22 stale"
    assert line[-3:-1] == ["0", ""]
    assert page.write(TABLE, "table_05", "cpu", kept.root) is None
    kept.add(tasks[0], done(tasks[0]))
    assert kept.done(tasks) == {tasks[0].key}
    assert status.state(TABLE, kept.root).endswith("), partial (1 of 22), 21 stale")
    for task in tasks[1:]:
        kept.add(task, done(task))
    assert status.state(TABLE, kept.root) == HALVED
    # As if nothing else had been there before.
    fresh = made_up(kept.root / "fresh", "cpu", tasks)
    for suffix in (".csv", ".json", "_seconds.csv"):
        one, two = (s.path("halved10_balanced", suffix) for s in (kept, fresh))
        assert one.read_bytes() == two.read_bytes()


def test_a_page_shows_no_stale_row(longer):
    kept, tasks = longer
    both = [task for task in tasks if task.arm in ("random", "gmm")]
    for task in both[:3]:  # the paper's method has a seed of each recipe then
        kept.add(task, done(task))
    text = page.write(TABLE, "table_05", "cpu", kept.root).read_text()
    lines = {line.split(" | ")[0]: line for line in text.splitlines()}
    assert "| ours | 2 |" in lines["| Random"]
    assert "| ours | 1 |" in lines["| Proposed"]
    assert "| ours | not run |" in lines["| CoreSet"]


def test_a_kill_between_old_rows_and_new_ones_leaves_a_piece_to_run(
    longer, monkeypatch
):
    kept, (task, *_) = longer[0], longer[1]
    write = files.write_atomic

    def killed(path, content):
        if path == kept.path("halved10_balanced", "_seconds.csv"):
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.add(task, done(task))
    name = piece_name(task.arm, task.seed)
    recorded = kept.about("halved10_balanced")["pieces"][name]["settings"]
    assert recorded == digest(made.settings(task))
    assert task.key not in kept.done([task]) | kept.stale([task])


def test_rows_that_nothing_tells_the_settings_of_are_stale(tmp_path):
    tasks = planned("table_05", seeds=1)
    kept = made_up(tmp_path, "cpu", tasks)
    kept.path("halved10_balanced", ".json").unlink()
    assert kept.done(tasks) == set() and len(kept.stale(tasks)) == 11


def test_counts_of_classes_go_with_the_rows_that_they_came_with(tmp_path):
    (task, *_) = planned("table_05", seeds=1)
    count = {"arm": task.arm, "seed": "0", "cycle": "0", "labels": "1 2"}
    kept, found = Store(tmp_path, "cpu"), done(task)
    kept.add(task, found._replace(classes=[count]))
    counted = task._replace(counted=True)
    assert kept.done([counted]) == {task.key}
    kept.add(task, found)
    assert kept.classes(task.form.key) == [] and kept.done([counted]) == set()
    assert kept.done([task]) == {task.key}

"""Pieces of the paper's tables as they are run: on digits, on pictures, killed."""

import numpy as np
import pytest
from paper_results import ALL, TINY, ran, small, tasks, tiny_digits

from experiments import pictures
from experiments.paper import page, plan, published, status, work, worlds
from experiments.paper.store import Store, piece_name
from gmmal_jax.data import sources
from gmmal_jax.errors import UserError

ARMS = small().arms


@pytest.fixture(scope="module", autouse=True)
def tiny():
    with pytest.MonkeyPatch.context() as patch:
        tiny_digits(patch)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run from nothing, and what it said."""
    said = []
    return ran(small(), tmp_path_factory.mktemp("whole"), said.append), said


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Another one, in the other order of arms, killed in its second arm."""
    figure = small()._replace(arms=dict(reversed(ARMS.items())))
    kept = Store(tmp_path_factory.mktemp("killed"), "cpu")
    lines = []

    def kill(self, arm, record):
        lines.append(record.cycle)
        if len(lines) == 3:  # the second arm's first cycle is on record
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work.jobs.Lines, "row", kill)
        with pytest.raises(KeyboardInterrupt):
            work.run(tasks(figure), None, kept, lambda line: None)
    return kept, figure


def test_what_is_run_is_told_recorded_and_not_run_again(whole):
    kept, said = whole
    rows = kept.rows("digits_imbalanced")
    assert [(r["arm"], r["labeled"]) for r in rows] == [
        ("coreset", "20"), ("coreset", "40"), ("random", "20"), ("random", "40"),
    ]  # fmt: skip
    assert not any("second" in name for name in rows[0])
    assert "1 of 2: digits_imbalanced, random, seed 0" in said[0]
    assert "left" in said[-1]
    again = []
    ran(small(), kept.root, again.append)
    assert again == ["nothing is left to run"]
    assert "rows" not in kept.about("digits_imbalanced")["data"]


def test_a_substitute_is_called_one(whole):
    kept, _ = whole
    (line,) = status.lines_of(small(), kept.root)
    assert line[-1] == "substitute (scikit-learn's digits, 8x8, small of width 2)"
    assert line[5] == "1" and line[6].startswith("cpu")
    text = page.write(small(), "figure_15", "cpu", kept.root).read_text()
    assert text.startswith("# Substitutes\n") and "| paper |" not in text
    assert "**scikit-learn's digits, 8x8, imbalanced**" in text
    assert "](digits_imbalanced_accuracy_15.png)" in text
    assert kept.path("digits_imbalanced_accuracy_15", ".svg").exists()


def test_twice_from_nothing_gives_equal_bytes_killed_or_not(whole, killed):
    """What is under way lies in the run's folder; a kill costs that much at most."""
    (one, _), (kept, figure) = whole, killed
    assert {row["arm"] for row in kept.rows("digits_imbalanced")} == {"coreset"}
    assert status.state(figure, kept.root).endswith(", partial (1 of 2)")
    work.run(tasks(figure), None, kept, lambda line: None)
    for suffix in (".csv", ".json"):
        first, second = (s.path("digits_imbalanced", suffix) for s in (one, kept))
        assert first.read_bytes() == second.read_bytes()
    assert piece_name("random", 0) in kept.about("digits_imbalanced")["pieces"]


def test_a_changed_recipe_is_run_again_in_place_of_what_was_there(
    tmp_path, monkeypatch
):
    figure = small()._replace(arms={"Random": "random"})
    kept, said = ran(figure, tmp_path), []
    before = kept.rows("digits_imbalanced")
    own = worlds.SUBSTITUTES["digits"]
    changed = own._replace(changes=own.changes | {"train.learning_rate": 0.05})
    monkeypatch.setitem(worlds.SUBSTITUTES, "digits", changed)
    assert status.state(figure, tmp_path).endswith(", partial (0 of 1), 1 stale")
    ran(figure, tmp_path, said.append)
    assert "1 of 1: digits_imbalanced, random, seed 0" in said[0]
    after, about = kept.rows("digits_imbalanced"), kept.about("digits_imbalanced")
    assert len(after) == len(before) == 2 and len(about["settings"]) == 1
    (settings,) = about["settings"].values()
    assert settings["train.learning_rate"] == 0.05
    again = []
    ran(figure, tmp_path, again.append)
    assert again == ["nothing is left to run"]
    assert status.state(figure, tmp_path).endswith("small of width 2)")


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """A task on a few random pictures of the published ones' shape, and their file."""
    own = worlds.SUBSTITUTES["clothes"]
    few = own._replace(kept=(200, 40), changes=own.changes | TINY)
    monkeypatch.setitem(worlds.SUBSTITUTES, "clothes", few)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (400, 28, 28), np.uint8)
    labels = np.arange(400) % 10
    np.savez(tmp_path / "fashion_mnist.npz", x_train=images, y_train=labels,
             x_test=images[:60], y_test=labels[:60])  # fmt: skip
    figure = ALL["table_08"]._replace(arms={"Random": "random"})
    (task,) = plan.tasks([figure], "cpu", 1, True)
    return figure, task


def test_pictures_come_from_the_named_folder_and_are_halved_once(
    clothes, tmp_path, monkeypatch
):
    figure, task = clothes
    kept = Store(tmp_path / "out", "cpu")
    monkeypatch.setattr(pictures, "reduced", counted := Counted(pictures.reduced))
    work.run([task], tmp_path, kept, lambda line: None)
    halved = work.config(task, (1,), tmp_path, kept.root / "work")
    assert halved.dataset.startswith(f"npz:{kept.root}") and counted.times == 1
    assert kept.about("clothes_balanced")["data"]["train"] == [200, 14, 14, 1]
    (line,) = status.lines_of(figure, tmp_path / "out")
    assert "clothes, halved to 14x14" in line[-1]


def test_a_full_result_has_a_sum_of_its_pictures(whole):
    """Digits, called a full world: all else is as for published pictures."""
    task = tasks(small())[0]
    task = task._replace(form=task.form._replace(key="whole", full=True))
    kept = Store(whole[0].root, "full")
    work.run([task], None, kept, lambda line: None)
    data, digits = kept.about("whole")["data"], sources.load("digits")
    order = np.random.default_rng(1).permutation(len(digits.train_labels))
    images, labels = digits.train_images[order], digits.train_labels[order]
    assert data["rows"]["train"] == published.digest(images, labels)
    assert data["class_sizes"]["train"] == np.bincount(labels).tolist()
    lines = [*published.complaints("fashion_mnist", data)]
    assert len(lines) == 2 and "not so many of each class" in lines[0]


def test_data_that_changed_under_a_run_is_refused():
    with pytest.raises(UserError, match="data set changed since the run began"):
        work._sums("digits", None, "another")


def test_sums_of_pictures_know_pixels_labels_and_how_often(tmp_path):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (6, 4, 4, 1), np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 2])
    whole, order = published.digest(images, labels), [3, 1, 5, 0, 2, 4]
    assert published.digest(images[order], labels[order]) == whole
    moved = images.copy()
    moved[2, 0, 0, 0] ^= 1
    others = [(moved, labels), (images, labels[order]), (images[:5], labels[:5]),
              (images[[0, *range(6)]], labels[[0, *range(6)]])]  # fmt: skip
    assert len({whole, *(published.digest(*other) for other in others)}) == 5


def test_sizes_of_classes_are_those_of_the_papers_data():
    for name, data in worlds.DATA.items():
        train, test = published.SIZES[name]
        assert (sum(train), sum(test)) == (data.train, data.test)
        assert len(train) == len(test) == data.classes
    digests = [digest for pair in published.ROWS.values() for digest in pair]
    assert len({*digests}) == 6 and all(len(bytes.fromhex(d)) == 32 for d in digests)


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.times = function, 0

    def __call__(self, *args):
        self.times += 1
        return self.function(*args)

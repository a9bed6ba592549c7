"""The comparison on features: its plan, its family of 36, its tables, one piece."""

import numpy as np
import pytest

from experiments import comparison, primary as family, tables
from experiments.features import arms, check, cli, data, primary, report, work, worlds
from experiments.features.worlds import World
from experiments.jobs import Job
from gmmal_jax import methods

BALANCED = World("cifar10", "balanced", "paper").key
RANDOM = primary.arm("random")


def row(world, arm, seed, cycle=0, accuracy=0.5):
    return {
        "world": world, "arm": arm, "seed": str(seed), "cycle": str(cycle),
        "labeled": str(100 + 100 * cycle), "accuracy": str(accuracy),
        "network_steps": "500", "images_forwarded": "50000", "seconds": "4.0",
    }  # fmt: skip


def primary_rows(seeds):
    """Two cycles; gmm gains 2 points at the second, reg 1 at both, give or take."""
    found = []
    for asked in report.asked():
        for arm in {asked.arm, asked.base}:
            for seed in seeds:
                noise = 0.001 * (seed % 3)
                gains = {
                    primary.arm("gmm"): (0, 0.02 + noise),
                    primary.arm("random", "reg"): (0.01 + noise, 0.01),
                }
                for cycle in (0, 1):
                    gain = gains.get(arm, (0, 0))[cycle]
                    found.append(row(asked.world, arm, seed, cycle, 0.5 + gain))
    whole = {(r["world"], r["arm"], r["seed"], r["cycle"]): r for r in found}
    return list(whole.values())


def test_the_family_is_what_was_fixed():
    asked = report.asked()
    assert len(asked) == 36 and len({each[1:4] for each in asked}) == 36
    assert {each.world for each in asked} == {
        f"cifar10_{setting}_{grid}"
        for setting in ("balanced", "imbalanced")
        for grid in ("paper", "small")
    }
    own = [each[2:] for each in asked if each.world == BALANCED]
    others = "random entropy margin badge coreset typiclust four_ds".split()
    assert own == [
        *(("gmm / ce", f"{other} / ce", 1) for other in others),
        ("random / reg", "random / ce", 0),
        ("random / reg_da", "random / reg_longer", 0),
    ]


def test_primary_jobs_come_first_world_by_world_and_a_few_seeds_at_a_time():
    jobs = list(arms.jobs())
    keys = [(job.world, job.arm, job.seeds) for job in jobs]
    assert len(set(keys)) == len(keys)
    first = [arms.is_primary(job) for job in jobs]
    assert first == sorted(first, reverse=True) and sum(first) == 11 * 4 * 3
    for world in dict.fromkeys(asked.world for asked in report.asked()):
        places = [i for i, job in enumerate(jobs[: sum(first)]) if job.world == world]
        assert places == [*range(places[0], places[0] + 33)]
        seeds = [jobs[i].seeds for i in places]
        assert seeds == sorted(seeds) and {*sum(seeds, ())} == {*range(12)}
    needed = {(c.world, name) for c in report.asked() for name in (c.arm, c.base)}
    assert needed == {key[:2] for key, own in zip(keys, first, strict=True) if own}


def test_every_method_is_explored_on_every_pool_but_heavy_ones():
    jobs = list(arms.jobs())
    assert {*methods.METHODS} - arms.PICTURES == {
        job.changes.get("method", job.arm.removesuffix(" / ce"))
        for job in jobs
        if job.arm in arms.others()
        and "," not in job.arm
        and not job.arm.startswith("random / ")
    } | {"random"}
    for data_set, setting in worlds.SETTINGS:
        world = World(data_set, setting, "small")
        own = {job.arm for job in jobs if job.world == world.key}
        light = setting == "long_tailed" or data_set == "cifar100"
        assert own == {*arms.others()} - (arms.HEAVY if light else set())
    assert arms.HEAVY < {*arms.others()}


def test_every_arm_is_one_that_features_allow():
    for arm, changes in arms.others().items():
        options = {"dataset": "features:x.npz"} | worlds.COMMON | changes
        methods.resolve(methods.configure(options))
        assert changes.get("learn", arm) not in arms.PICTURES


def test_nothing_primary_of_a_world_is_shown_before_all_of_it_is_there():
    explored = row("cifar10_long_tailed_small", RANDOM, 0)
    few = primary_rows(primary.SEEDS[1:])
    assert report.shown_rows([*few, explored]) == [explored]
    assert report.primary_table(few) is None
    most = primary_rows(primary.SEEDS)[:-2]  # of the last world a seed lacks
    last = most[-1]["world"]
    others = [row for row in most if row["world"] != last]
    assert report.shown_rows([*most, explored]) == [*others, explored]
    head, _, *lines = report.primary_table(most).splitlines()
    assert len(lines) == 27 and "p (times 36)" in head
    asked = [each for each in report.asked() if each.world != last]
    for line, each in zip(lines, asked, strict=True):
        p = 36 * family.p_value(comparison.gaps(most, *each[1:]))
        said = line.split("|")[-2].strip().strip("*")
        assert said == ("< 0.001" if p < 0.0005 else f"{min(1, p):.3f}")


def test_all_that_is_primary_is_shown_in_the_end():
    whole = primary_rows(primary.SEEDS)
    assert report.shown_rows(whole) == whole
    lines = report.primary_table(whole).splitlines()
    assert len(lines) == 2 + 36
    assert "| gmm / ce - random / ce | balanced | paper | +2.1" in lines[2]
    # Differences that are all 0 have p 1, and Holm leaves it there.
    own = [line for line in lines if "| balanced | paper |" in line]
    (reg_da,) = (line for line in own if "reg_da" in line)
    assert reg_da.endswith("| 1.000 |")


def test_the_report_counts_hides_and_stands_between_its_markers(tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text("head\n<!-- features: begin -->\nold\n<!-- features: end -->\ntail")
    monkeypatch.setattr(tables, "README", page)
    explored = row("cifar100_balanced_small", RANDOM, 0)
    report.write([*primary_rows((0, 1)), explored])
    text = page.read_text()
    assert text.startswith("head\n") and text.endswith("\ntail") and "old" not in text
    assert f"| primary | {11 * 4 * 2} | {11 * 4 * 12} | 0.2 |" in text
    assert "cifar100 balanced small" in text and "cifar10 balanced" not in text


def made_up(folder):
    generator = np.random.default_rng(0)
    labels = np.arange(200, dtype=np.int32) % 10
    rows = generator.normal(size=(200, 6)) + 3 * np.eye(10)[labels][:, :6]
    rows = rows.astype(np.float16)
    arrays = {"x_train": rows[:160], "y_train": labels[:160],
              "x_test": rows[160:], "y_test": labels[160:]}  # fmt: skip
    folder.mkdir()
    np.savez(worlds.file(folder, "cifar10"), **arrays)


def test_a_piece_is_run_once_and_leaves_its_rows(tmp_path, monkeypatch):
    made_up(tmp_path / "features")
    small = {"cycles": 2, "train.steps": 50, "model": "linear"}
    monkeypatch.setattr(worlds, "COMMON", worlds.COMMON | small)
    monkeypatch.setitem(worlds.GRIDS, ("cifar10", "paper"), 20)
    places = work.Places(
        tmp_path / "features", tmp_path / "work", tmp_path / "found.csv"
    )
    changes = primary.arms()[RANDOM]
    job, later = (Job(BALANCED, RANDOM, changes, (seed,), "test") for seed in (0, 1))
    work.do(job, places)
    found = tables.load(places.results)
    assert [(row["arm"], row["labeled"]) for row in found] == [
        (RANDOM, "20"),
        (RANDOM, "40"),
    ]
    assert all(float(row["seconds"]) > 0 for row in found)
    known = work.environments(places.environments)
    assert {row["environment"] for row in found} == {*known} and len(known) == 1
    assert all("processor" in each for each in known.values())
    assert not job.folder(places.work / "seeds-0").exists()
    both = job._replace(seeds=(0, 1))
    assert comparison.missing([job, later, both], found) == [later, later]


def test_parts_are_joined_by_their_ids(tmp_path):
    for name, ids in (("train", "021"), ("test", "10")):
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / "features.npy", np.array([[int(i)] for i in ids], np.float16))
        (folder / "ids.txt").write_text("\n".join(ids) + "\n")
        (folder / "labels.csv").write_text("id,label\n0,7\n1,8\n2,9\n")
    data.join(tmp_path / "train", tmp_path / "test", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as file:
        assert file["x_train"].tolist() == [[0], [2], [1]]
        assert file["y_train"].tolist() == [7, 9, 8]
        assert file["y_test"].tolist() == [8, 7]


def test_what_is_checked_is_on_record():
    found = tables.load(check.RESULTS)
    assert {row["arm"] for row in found} == {*check.ARMS} < {*primary.arms()}
    config = worlds.settings(worlds.named(found[0]["world"]), None)
    assert config.dataset == f"features:{data.CHECKED}"
    with np.load(data.CHECKED) as file:
        assert file["x_train"].shape == (1600, 320) and len(file["y_test"]) == 400


def test_missing_features_are_one_line(tmp_path, capsys):
    for given in ([], ["--features", str(tmp_path)]):
        with pytest.raises(SystemExit) as ended:
            cli.main(given)
        assert ended.value.code == 2
        assert "--features: n" in capsys.readouterr().err


def test_every_committed_row_says_what_it_ran_with():
    rows = tables.load(cli.RESULTS)
    places = work.Places(cli.RESULTS, cli.RESULTS, cli.RESULTS)
    known = work.environments(places.environments)
    assert rows and {row["environment"] for row in rows} == {*known}


def test_the_page_shows_what_is_on_record():
    text = tables.README.read_text()
    begin, end = "<!-- features: begin -->", "<!-- features: end -->"
    shown = text.split(begin)[1].split(end)[0].strip()
    assert shown == report.page(tables.load(cli.RESULTS))

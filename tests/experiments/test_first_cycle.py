"""The experiment's order, its own arithmetic, and that its committed files agree."""

import json
import shutil

import numpy as np
import pytest

from experiments import tables
from experiments.first_cycle import check, cli, distances, pieces, report, run, work
from gmmal_jax.data import sources
from gmmal_jax.errors import Interrupted, TrainingDiverged


def row(arm, accuracy, seed=0, **changes):
    made = {
        "scale": "cpu", "setting": "balanced", "eval": "test", "seed": str(seed),
        "arm": arm, "part": "balanced", "accuracy": str(accuracy), "seconds": "600",
        "begins_with": "", "network": "n", "labeled_accuracy": "1", "note": "",
        **{column: "" for column, *_ in report.COLUMNS.values()},
    }  # fmt: skip
    return made | {name: str(value) for name, value in changes.items()}


def trials(*means):
    return [
        row(name, mean + gap, seed, part="recipe", eval="validation")
        for name, mean in zip(pieces.RATES, means, strict=True)
        for seed, gap in zip(pieces.SEEDS["recipe"], (-0.1, 0, 0.1), strict=True)
    ]


def test_the_recipe_comes_first_and_is_everybodys():
    first = pieces.order("cpu", [])
    assert {piece.part for piece in first} == {"recipe"} and len(first) == 6
    assert {piece.eval for piece in first} == {"validation"}
    assert min(piece.seed for piece in first) >= 1000
    assert len(pieces.order("cpu", trials(0.4, 0.5)[:5])) == 6
    for means, rate in (((0.5, 0.4), 0.1), ((0.4, 0.5), 0.01)):
        planned = pieces.order("cpu", trials(*means))[6:]
        rates = {p.config("cifar10", None).train.learning_rate for p in planned}
        assert rates == {rate}
        for piece in planned:
            tried = piece.part == "needs"
            assert piece.eval == ("validation" if tried else "test")
            assert (piece.seed >= 1000) == tried
    order = list(dict.fromkeys(piece.part for piece in planned))
    assert order == list(pieces.PARTS[1:])
    assert [p.arm for p in planned[:5]] == list(pieces.STAGE_1 | pieces.STAGE_2)
    keys = [piece.key for piece in planned]
    assert len(set(keys)) == len(keys) == 107


def test_pieces_differ_in_what_they_compare_and_parents_are_pieces_before_them():
    planned = list(pieces.reported("cpu", {}))
    seen = set()
    for piece in planned:
        assert piece.parent is None or piece.parent.key in seen, piece
        seen.add(piece.key)
        config = piece.config("cifar10", None)
        assert (config.initial, config.cycles, config.width) == (1000, 1, 16)
        assert config.train.epochs == 200 and config.query == "random"
    by_arm = {p.arm: p for p in planned if p.part == "balanced" and p.seed == 0}
    da, without = (by_arm[name].changes for name in ("da", "pool forward"))
    assert without == da | {"da.beta": 0.0}
    assert da["da.steps"] == by_arm["longer"].changes["da.steps"] == 3000
    assert "da.steps" not in by_arm["reg"].changes
    long = next(p for p in planned if p.part == "long")
    assert long.changes["da.steps"] == 10_000 and long.parent.key == by_arm["reg"].key
    needs = {p.arm: p for p in planned if p.part == "needs" and p.seed == 1000}
    parents = [p.parent.key for p in needs.values() if p.parent]
    assert set(parents) == {needs["reg"].key} and len(parents) == len(needs) - 1
    for contrast in report.NEEDS:
        on, off = (needs[name].changes for name in (contrast.arm, contrast.base))
        assert {name for name in on | off if on.get(name) != off.get(name)} == {
            "da.beta"
        }, contrast
    shorter = needs["da, a quarter of the steps"].changes
    assert shorter == da | {"da.steps": 750}
    own = next(p for p in planned if p.arm == "da, literal")
    assert own.parent.arm == "reg, literal" and own.parent.changes["gmm.shrinkage"] == 0


@pytest.mark.parametrize(("name", "own"), [("cpu", set()), ("halved", {"data.pad"})])
def test_scales_are_the_papers_but_for_what_they_say(name, own):
    both = [pieces.SCALES[scale].changes for scale in (name, "gpu")]
    apart = {k for k in both[0] | both[1] if both[0].get(k) != both[1].get(k)}
    assert apart == {"width", "reg.refit_every"} | own
    steps = {(scale.short, scale.long) for scale in pieces.SCALES.values()}
    assert steps == {(3000, 10_000), (40, 80)}  # the paper's, toy's
    assert pieces.SCALES[name].halved == bool(own)


def test_halved_pictures_are_all_there_and_made_once(tmp_path, monkeypatch):
    whole = work.Data(check.images(tmp_path / "whole.npz"), None, tmp_path)
    halved = work.halved(whole)
    before, after = (sources.load(data.dataset, None) for data in (whole, halved))
    for part in ("train", "test"):
        images = [getattr(data, f"{part}_images") for data in (before, after)]
        counts = [np.bincount(getattr(d, f"{part}_labels")) for d in (before, after)]
        assert images[1].shape[1:] == (6, 6, 3) and images[0].shape[1:] == (12, 12, 3)
        np.testing.assert_array_equal(*counts)
    monkeypatch.setattr(sources, "load", None)
    assert work.halved(whole) == halved


def test_distances_by_hand():
    labeled = np.array([True, True, False, False])
    latents = np.array([[0.0, 1], [2, 1], [3, 0], [5, 4]])
    # Means (1, 1) and (4, 2); standard deviations (1, 0) and (1, 2).
    assert distances.frechet(latents, labeled) == pytest.approx(np.sqrt(14 / 5))
    assert distances.frechet(np.repeat(latents, 2, 0), np.arange(8) % 2 == 0) == 0
    classes = np.array([0, 0, 7, 7])
    # Sums of squares about the classes' means: 1 + 1 and 1 + 1 + 4 + 4.
    assert distances.spread(latents, labeled, classes) == pytest.approx(2 / 10)


def test_differences_are_paired_within_seeds_and_within_networks():
    contrast = report.Contrast("?", "da", "pool forward")
    rows = [
        row(arm, accuracy, seed, begins_with=network)
        for arm, accuracy, seed, network in (
            ("da", 0.6, 0, "a"), ("pool forward", 0.5, 0, "a"),
            ("da", 0.8, 1, "b"), ("pool forward", 0.5, 1, "b"),
            ("da", 0.9, 2, "c"), ("pool forward", 0.1, 2, "d"),
            ("da", 0.9, 3, "e"),
        )
    ]  # fmt: skip
    found = report.difference(rows, "cpu", "balanced", contrast)
    assert found.num_seeds == 2 and found.mean == pytest.approx(20)
    assert report.difference(rows, "cpu", "imbalanced", contrast) is None
    assert report.difference(rows, "gpu", "balanced", contrast) is None


def test_what_da_needs_is_told_on_validation_data_and_length_on_test_data():
    on, off = (
        row(arm, accuracy, 1000, eval="validation", held_out_auc=auc)
        for arm, accuracy, auc in (
            ("da, weight 10", 0.5, 0.6), ("pool forward", 0.4, 0.9)
        )
    )  # fmt: skip
    line = "| weight 10 | 1 | 50.0 | 40.0 | +10.0 |  |  | 0.60 | 0.90 |"
    assert line in report.body([on, off]).splitlines()
    assert "What DA needs" not in report.body([on])
    planned = [p for p in pieces.reported("cpu", {}) if p.part == "balanced"]
    rows = trials(0.5, 0.4) + [row(p.arm, 0.5, p.seed) for p in planned]
    rows += [row(f"{arm}, 10,000 steps", a) for arm, a in (("da", 0.6), ("longer", 0))]
    rows.append(row("pool forward, 10,000 steps", 0.5))
    assert "| DA, 10,000 steps | +10.0 |  |" in report.body(rows).splitlines()


def test_no_difference_is_shown_before_the_balanced_part_is_complete():
    planned = [p for p in pieces.reported("cpu", {}) if p.part == "balanced"]
    rows = trials(0.5, 0.4) + [row(p.arm, 0.5, p.seed) for p in planned]
    assert "Differences" in report.body(rows)
    assert "Differences" not in report.body(rows[:-1])


def test_the_status_counts_and_estimates():
    rows = [*trials(0.5, 0.4), row("ce", 0.5), row("reg", 0.5, seconds=1200)]
    lines = report.status(rows, "cpu").splitlines()
    assert "| recipe | 6 | 6 | 1.0 | 0.0 |" in lines
    # 600,000 images of ce took 600 s; reg has 800,000, longer 900,000, the two others
    # 1,800,000 and seven times the pool.
    hours = (4 * 600 + 4 * 800 + 5 * (900 + 2 * 2150)) / 3600
    assert f"| balanced | 2 | 25 | 0.5 | {hours:.1f} |" in lines
    assert "| recipe | 0 | 6 | 0.0 | ? |" in report.status([], "cpu").splitlines()


def test_what_is_committed_agrees_with_itself():
    rows = tables.load(run.RESULTS)
    keys = [run.key(each) for each in rows]
    assert rows and len(set(keys)) == len(keys)
    for scale in {each["scale"] for each in rows}:
        planned = {piece.key for piece in pieces.order(scale, rows)}
        assert {key for key in keys if key[0] == scale} <= planned
    assert report.body(rows) in tables.README.read_text()
    committed = json.loads(check.RECORD.read_text())["rows"]
    assert [each["arm"] for each in committed] == list(check.ARMS)


def test_the_check_fails_where_networks_differ(capsys):
    committed = json.loads(check.RECORD.read_text())["rows"]
    assert check.against(committed, committed, same=True)
    moved = [each | {"network": "other"} for each in committed]
    assert not check.against(moved, committed, same=True)
    assert check.against(moved, committed, same=False)
    worse = [each | {"accuracy": str(float(each["accuracy"]) - 0.2)} for each in moved]
    assert not check.against(worse, committed, same=False)
    assert "DIFFERS" in capsys.readouterr().out


def test_a_piece_goes_on_where_it_was_stopped_and_a_lost_network_is_trained_again(
    tmp_path, monkeypatch
):
    small = {"width": 2, "train.epochs": 4, "da.hidden": (8,)}
    toy = pieces.SCALES["toy"]
    toy = toy._replace(changes=toy.changes | small, short=20)
    monkeypatch.setitem(pieces.SCALES, "toy", toy)
    results, said = tmp_path / "results.csv", []
    data = work.Data(check.images(tmp_path / "toy.npz"), None, tmp_path / "work")
    reg, da = check.wanted()

    asked = iter([True])
    with pytest.raises(Interrupted):
        run.one(reg, data, results, said.append, lambda: next(asked))
    assert not tables.load(results)
    assert list(work.folder(reg, data.work).rglob("phase-*"))
    run.one(reg, data, results, said.append, lambda: False)
    assert not list(work.folder(reg, data.work).rglob("phase-*"))

    first = tables.load(results)[0]
    shutil.rmtree(work.folder(reg, data.work))
    # As if another machine had trained it: its row is not of the network that is used.
    tables.save(results, [first | {"network": "another", "distance": "9"}])
    stops = iter([False, False])  # both chunks of the network, then the branch's first
    with pytest.raises(Interrupted):
        run.one(da, data, results, said.append, lambda: next(stops, True))
    assert any("is gone: trained again" in line for line in said)
    assert list(work.folder(da, data.work).rglob("phase-*"))
    run.one(da, data, results, said.append, lambda: False)
    elsewhere, second = tables.load(results)
    # Resumed once and straight once: the same bits, or the branch would show it.
    assert second["begins_with"] == first["network"] != second["network"]
    assert second["distance_before"] == first["distance"]
    assert elsewhere["network"] == "another"
    assert (second["network_steps"], second["critic_steps"]) == ("20", "20")
    assert tuple(first) == work.COLUMNS
    assert run.left("toy", tables.load(results))[0].part == "recipe"


def test_training_that_diverges_has_a_row_and_what_follows_it_too(
    tmp_path, monkeypatch
):
    results = tmp_path / "r.csv"
    data = work.Data("npz:x", None, tmp_path)
    reg, da = check.wanted()

    def diverge(*_):
        raise TrainingDiverged(0, "supervised", 20)

    monkeypatch.setattr(work, "run", diverge)
    for piece in (reg, da):
        run.one(piece, data, results, lambda line: None, lambda: False)
    first, second = tables.load(results)
    assert tuple(first) == tuple(second) == work.COLUMNS
    assert "not finite in cycle 0, stage supervised, step 20" in first["note"]
    assert second["note"].startswith("its stage 1: loss is not finite")
    assert np.isnan(float(first["accuracy"])) and run.key(second) == da.key
    assert "| reg | 1 | nan |" in report.arms_table([first], "toy", "balanced")


def test_wrong_data_is_one_line(tmp_path, capsys):
    options = ["--work", str(tmp_path / "w"), "--results", str(tmp_path / "r.csv")]
    assert cli.main([*options, "--dataset", "npz:nowhere.npz"]) == 2
    error = capsys.readouterr().err
    assert "nowhere.npz" in error and error.count("\n") == 1

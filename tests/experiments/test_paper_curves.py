"""Arms of one number of labels can be told apart in a picture."""

import pytest

from experiments.paper import curves
from gmmal_jax.report import canvas

SIZES = [200, 400, 600]


def axes_of(monkeypatch, tmp_path, own):
    kept = []

    def keep(draw, stem):
        kept.append(draw())
        return [stem]

    monkeypatch.setattr(canvas, "save", keep)
    arms = {f"arm {place}": own for place in range(8)}
    curves.draw(arms, SIZES, "accuracy", tmp_path / "picture")
    (axes,) = kept[0].axes
    return axes


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    two = {"0": [1.0, 2.0, 3.0], "1": [2.0, 3.0, 4.0]}
    return axes_of(monkeypatch, tmp_path, two)


def test_no_two_arms_have_the_same_look(drawn):
    lines = [each[0] for each in drawn.containers]
    looks = {
        (line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines
    }
    assert len(lines) == len(looks) == 8


def test_intervals_stand_side_by_side_nearest_to_their_own_labels(drawn):
    lines = [each[0] for each in drawn.containers]
    at = sorted(x for line in lines for x in line.get_xdata())
    assert len(set(at)) == 8 * 3
    nearest = [min(SIZES, key=lambda size: abs(size - x)) for x in at]
    assert nearest == [size for size in SIZES for _ in range(8)]
    assert drawn.get_xticks().tolist() == SIZES


def test_curves_of_one_seed_stand_on_their_labels(monkeypatch, tmp_path):
    axes = axes_of(monkeypatch, tmp_path, {"0": [1.0, 2.0, 3.0]})
    for line in axes.containers:
        assert line[0].get_xdata().tolist() == SIZES

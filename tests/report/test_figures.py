from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from run_cases import compared as compared  # a fixture

from gmmal_jax.errors import UserError
from gmmal_jax.report import figures


def assert_drawn(paths, min_colors):
    png, svg = paths
    with Image.open(png) as image:
        assert image.width > 1000 and image.height > 600
        colors = image.convert("RGB").getcolors(maxcolors=1 << 20)
    assert len(colors) > min_colors
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    return svg.read_text()


def test_learning_curves(tmp_path, compared):
    paths = figures.learning_curve([compared], tmp_path / "curves")
    assert [path.name for path in paths] == ["curves.png", "curves.svg"]
    text = assert_drawn(paths, 50)
    for words in ("labeled images", "test accuracy (%)", ">gmm<", ">random<"):
        assert words in text
    again = figures.learning_curve([compared], tmp_path / "again")
    for first, second in zip(paths, again, strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.fixture
def latents():
    """Three separate classes of 40."""
    labels = np.repeat(np.arange(3), 40)
    noise = np.random.default_rng(0).normal(size=(120, 8))
    return (noise + 20 * np.eye(8)[labels]).astype(np.float32), labels


def test_latent_map(tmp_path, latents):
    values, labels = latents
    groups = np.array(["unlabeled"] * 120, dtype=object)
    groups[::10], groups[5::20] = "labeled", "chosen"
    labels = np.where(np.arange(120) % 7 == 0, -1, labels)
    paths = figures.latent_map(tmp_path / "map", values, groups, labels)
    text = assert_drawn(paths, 100)
    for words in ("labeled", "unlabeled", "chosen", "class 0", "class 2"):
        assert f">{words}<" in text
    again = figures.latent_map(tmp_path / "again", values, groups, labels)
    assert again[1].read_bytes() == paths[1].read_bytes()


def test_guessed_classes_are_pale_and_the_legend_says_so(
    tmp_path, latents, monkeypatch
):
    monkeypatch.setattr(figures.plane, "embed", lambda values: values[:, :2])
    values, labels = latents
    groups, bought = np.array(["unlabeled"] * 120), np.arange(120) % 2 == 0
    tab10 = {"full": "#1f77b4", "pale": "#6aa4cd"}
    for known, wanted in ((bought, {"full", "pale"}), (~bought & bought, {"pale"})):
        paths = figures.latent_map(tmp_path / "map", values, groups, labels, known)
        text = paths[1].read_text()
        assert ">pale: predicted class<" in text
        points = text[: text.index('id="legend')]
        assert {name for name, color in tab10.items() if color in points} == wanted
    paths = figures.latent_map(tmp_path / "all", values, groups, labels)
    assert "pale" not in paths[1].read_text()


def test_embedding_keeps_classes_apart(latents):
    values, labels = latents
    points = figures.plane.embed(values)
    centers = np.stack([points[labels == c].mean(0) for c in range(3)])
    nearest = np.linalg.norm(points[:, None] - centers[None], axis=-1).argmin(1)
    assert (nearest == labels).mean() == 1


def test_thinning_keeps_small_groups_whole():
    groups = np.array(["unlabeled"] * 9000 + ["labeled"] * 2000 + ["chosen"] * 100)
    kept = figures.thin(groups, 3000)
    assert (np.diff(kept) > 0).all()
    names, counts = np.unique(groups[kept], return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {
        "chosen": 100,
        "labeled": 1450,
        "unlabeled": 1450,
    }
    np.testing.assert_array_equal(figures.thin(groups[:50], 3000), np.arange(50))


def test_latent_map_refuses(tmp_path, latents):
    values, labels = latents
    with pytest.raises(UserError, match="picked"):
        figures.latent_map(tmp_path / "x", values, ["picked"] * 120, labels)
    with pytest.raises(UserError, match="at least 5"):
        figures.latent_map(tmp_path / "x", values[:4], ["chosen"] * 4, labels[:4])


def test_classes_are_called_by_their_names(tmp_path, latents, monkeypatch):
    monkeypatch.setattr(figures.plane, "embed", lambda values: values[:, :2])
    values, labels = latents
    labels, groups = np.where(np.arange(120) < 5, 3, labels), ["unlabeled"] * 120
    names = ["cat", "a $5 bill or $6", "x" * 40]
    _, drawing = figures.latent_map(
        tmp_path / "map", values, groups, labels, None, names
    )
    text = drawing.read_text()
    for words in ("cat", "a $5 bill or $6", "x" * 23 + "…", "class 3"):
        assert f">{words}<" in text

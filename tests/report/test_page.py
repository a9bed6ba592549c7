"""The page: whole, escaped, readable, and quiet in a real browser."""

import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest
from browser import open_page, widths
from run_cases import write_asking_run, write_run

from gmmal_jax import report
from gmmal_jax.report import arms, charts, findings, maps, page, thumbnails
from gmmal_jax.report.measures import Cell
from gmmal_jax.storage import records

EVIL = '<script>alert("x")</script>&'
CURVES = {seed: [0.3 + seed / 50, 0.5, 0.6 - seed / 70] for seed in range(3)}
VOID = {"meta", "link", "img"}


def rendered(runs):
    groups = arms.grouped([report.load_run(run) for run in runs])
    return page.render(findings.find([arms.task(group) for group in groups]))


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """Three methods of three seeds; one is called as nobody should."""
    folder = tmp_path_factory.mktemp("runs")
    names = [EVIL, *"123456789"]
    runs = [
        write_asking_run(folder / str(i), label, CURVES, names=names, seed=i)
        for i, label in enumerate(("gmm", EVIL, "random"))
    ]
    return rendered(runs)


class Tags(HTMLParser):
    """Names and attributes of all tags; fails where one is closed that is not open."""

    def __init__(self, html):
        super().__init__()
        self.found, self.open = [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_tags_are_closed_and_ids_are_distinct(html):
    tags = Tags(html).found
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [a["aria-labelledby"] for _, a in tags if "aria-labelledby" in a]
    targets = [a["href"][1:] for tag, a in tags if tag == "a"]
    assert {*named, *targets} <= {*ids} and named and targets


def test_what_stands_in_records_is_escaped(html):
    assert "<script" not in html
    assert "&lt;script&gt;alert" in html
    assert not {tag for tag, _ in Tags(html).found} & {"script", "iframe", "object"}


def test_nothing_is_fetched(html):
    for tag, attrs in Tags(html).found:
        for name in ("src", "href"):
            assert re.match(r"data:|#", attrs.get(name, "#")), (tag, attrs)
    assert (
        "url(" not in html
        and "@import" not in html
        and "http" not in html.replace("http-equiv", "")
    )


def test_those_who_do_not_see_it_are_told(html):
    tags = Tags(html).found
    for tag, attrs in tags:
        if tag == "img":
            assert re.match(r"Rank \d+, class ", attrs["alt"])
        if tag == "svg":
            assert "aria-hidden" in attrs or "aria-labelledby" in attrs
        if tag == "th":
            assert attrs["scope"] in ("row", "col")
        if attrs.get("class") == "bar":
            assert attrs["role"] == "img" and attrs["aria-label"]
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption") > 8
    assert "title" in names and dict(tags)["html"]["lang"] == "en"


def test_every_part_is_there(html):
    for title in ("Accuracy over labels", "Gain over random", "Balanced accuracy (%)",
                  "Recall by class (%)", "Expected calibration error (%)",
                  "What labels buy", "Paired differences", "Overlap of queries",
                  "Who beats whom", "Latents", "What was asked", "Class balance",
                  "Time by stage", "What differs", "Versions"):  # fmt: skip
        assert title in html, title
    assert html.count("data:image/png") == 3 * 2 * 4
    assert html.count('class="map"') == 3
    assert "ranks: entropy 1.00" in html
    assert "Not recorded" not in html


def test_the_page_is_small(html):
    assert len(html.encode()) < 500_000


def test_a_page_of_photographs_stays_below_five_megabytes():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert thumbnails.MOST * len(thumbnails.uri(noise)) < 4_500_000


def test_pictures_are_cut_down_and_of_any_form():
    assert thumbnails.uri(np.zeros((8, 8, 1), np.uint8)).startswith("data:image/png")
    small, large = (np.zeros((side, 2 * side, 3), np.uint8) for side in (24, 2400))
    assert thumbnails.uri(small) == thumbnails.uri(large)


def test_two_tasks_stand_apart_and_one_run_alone_stands(tmp_path):
    one = write_run(tmp_path / "a", "a", {0: [0.5]})
    other = write_run(tmp_path / "b", "b", {0: [0.5, 0.6]}, dataset="svhn")
    html = rendered([one, other])
    assert html.count("<h2") == 2
    assert "No cycle has asked for labels yet." in html
    assert "The records hold no first labels." in html
    assert html.count("Not recorded by the version that ran: ") == 2
    assert "Expected calibration error (%); " in html
    Tags(html)


def test_a_data_set_that_is_not_there_costs_its_pictures_alone(tmp_path):
    folder = write_asking_run(tmp_path / "a", "a", CURVES)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"digits"', '"npz:/none.npz"'))
    html = rendered([folder])
    assert "No pictures: " in html and "data:image/png" not in html
    (folder / "config.json").write_text(
        re.sub(r'"checksum": "\w+"', '"checksum": ""', text)
    )
    assert "No pictures: data set changed" in rendered([folder])


def test_latents_that_make_no_map_cost_the_map_alone(tmp_path):
    folder = write_asking_run(tmp_path / "a", "a", CURVES)
    (arm,) = arms.task([report.load_run(folder)]).arms
    (drawn,) = maps.of_last_query(arm)
    assert sum(drawn.counts.values()) == 40 and drawn.moment == ""
    (folder / "records/seed-000/cycle-01.npz").unlink()
    (lost,) = maps.of_last_query(arm)
    assert "no arrays" in lost.lost


def moved(folder, rows, then):
    """A run whose last query's latents are of two moments."""
    folder = write_asking_run(folder, "gmm", CURVES)
    kept = records.load_arrays(folder, 0, 1)
    records.write_arrays(folder, 0, 1, **kept, before=then, before_rows=rows)
    return folder, kept["group"]


def test_maps_before_and_after_a_second_stage_show_the_same_rows(tmp_path):
    rows = np.arange(5, 40)
    then = np.random.default_rng(1).normal(size=(35, 3)).astype(np.float32)
    folder, group = moved(tmp_path / "a", rows, then)
    (arm,) = arms.task([report.load_run(folder)]).arms
    before, after = maps.of_last_query(arm)
    counted = np.bincount(group[rows], minlength=3)
    names = ("labeled", "unlabeled", "chosen")
    assert before.counts == after.counts == dict(zip(names, counted, strict=True))
    assert [dots[:3] for dots in before.dots] == [dots[:3] for dots in after.dots]
    assert [dots.path for dots in before.dots] != [dots.path for dots in after.dots]
    html = rendered([folder])
    Tags(html)
    places = [
        html.index(f"gmm, seed 0, 8 labels, {m} stage 2<") for m in ("before", "after")
    ]
    assert places == sorted(places)
    assert html.count('class="pair"') == 1 and html.count('class="map"') == 2


def test_a_map_before_that_cannot_be_drawn_leaves_the_other(tmp_path):
    folder, _ = moved(tmp_path / "a", np.arange(40), np.ones((40, 3), np.float32))
    (arm,) = arms.task([report.load_run(folder)]).arms
    before, after = maps.of_last_query(arm)
    assert "all latents are equal" in before.lost and after.lost == ""


def numbered(folder, **numbers):
    """A run whose last query's points have these numbers."""
    folder = write_asking_run(folder, "gmm", CURVES)
    kept = records.load_arrays(folder, 0, 1)
    then = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    moments = {"before": then, "before_rows": np.arange(40)}
    records.write_arrays(folder, 0, 1, **kept, **moments, **numbers)
    return folder


def points(path):
    return path.count("M")


def test_maps_are_colored_by_fifths_of_likelihoods_and_scores(tmp_path):
    far = np.arange(40.0)
    far[-1] = 1e9
    some = np.where(np.arange(40) < 25, np.nan, np.arange(40.0))
    numbers = {"column/log_likelihood_labeled": far, "score/entropy": some}
    others = {"column/hidden": far, "score/random": far, "score/none": some * np.nan}
    folder = numbered(tmp_path / "a", **numbers, **others)
    (arm,) = arms.task([report.load_run(folder)]).arms
    before, after = maps.of_last_query(arm)
    assert before.shades == []
    likelihood, entropy = after.shades
    assert likelihood[:3] == ("log likelihood labeled", 0.0, 1e9)
    assert entropy[:3] == ("entropy", 25.0, 39.0)
    for shade, each in ((likelihood, 8), (entropy, 3)):
        sizes = [0] * maps.LEVELS
        for dots in shade.dots:
            sizes[dots.level] += points(dots.path)
        assert sizes == [each] * maps.LEVELS
    by_group = {g: 0 for g in after.counts}
    for dots in likelihood.dots:
        by_group[dots.group] += points(dots.path)
    assert by_group == after.counts
    html = rendered([folder])
    Tags(html)
    assert html.count('class="map"') == 4 and html.count("<figcaption>gmm: ") == 2
    assert "colored by log likelihood labeled, from 0 to 1e+09." in html


def test_points_of_one_number_have_one_color(tmp_path):
    folder = numbered(tmp_path / "a", **{"score/entropy": np.ones(40)})
    (arm,) = arms.task([report.load_run(folder)]).arms
    (shade,) = maps.of_last_query(arm)[1].shades
    assert {dots.level for dots in shade.dots} == {0}


def test_a_setting_that_one_method_alone_reads_is_no_difference(tmp_path):
    runs = [
        write_run(tmp_path / "a", "a", {0: [0.5]}, seeds=[0], gmm={"init": "x"}),
        write_run(tmp_path / "b", "b", {0: [0.5]}, seeds=[0, 1]),
    ]
    task = arms.task([report.load_run(run) for run in runs])
    (sheet,) = [page._sheet(each) for each in findings.find([task]).found]
    assert [row.name for row in sheet.settings if row.differs] == ["method", "seeds"]
    assert [row.values for row in sheet.settings if row.name == "gmm.init"] == [
        ["x", ""]
    ]


def test_curves_lie_between_their_ticks():
    cells = [Cell("a", 10, 3, 95.0, 80.0, 110.0), Cell("a", 20, 3, 97.0, 90.0, 104.0)]
    chart = charts.curves("t", "y", cells, {"a": 1}, (0.0, 100.0))
    assert [text for _, text in chart.y_ticks][-1] == "100"
    heights = [float(y) for y in re.findall(r" ([\d.]+)", chart.series[0].band)]
    assert min(heights) == charts.TOP and max(heights) <= charts.HEIGHT - charts.BOTTOM
    assert charts.curves("t", "y", [], {}) is None
    (alone,) = charts.curves(
        "t", "y", [Cell("a", 5, 1, 7.0, None, None)], {"a": 1}
    ).series
    assert alone.band == "" and len(alone.marks) == 1


def luminance(color):
    shares = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(
        shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4
    )
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrasts_are_those_that_wcag_asks_for(theme):
    style = (resources.files(report) / "templates/style.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    for ground in (colors["ground"], colors["raised"]):
        assert contrast(colors["text"], ground) > 7
        assert contrast(colors["soft"], ground) > 4.5
        assert contrast(colors["accent"], ground) > 4.5
        looks = [colors[f"look{i}"] for i in range(page.LOOKS + 1)]
        ends = [colors["low"], colors["high"]]
        assert min(contrast(look, ground) for look in [*looks, *ends]) > 3


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_finds_no_fault_and_asks_for_nothing(tmp_path, html, dark):
    opened = open_page(html, tmp_path, dark=dark)
    assert opened.console == [] and opened.hosts == set()
    assert "Who beats whom" in opened.document


def test_the_browser_would_have_told(tmp_path):
    """The checks above see what they should."""
    bad = '<img src="http://nowhere.invalid/x.png"><script>console.error("oh")</script>'
    opened = open_page(f"<!DOCTYPE html><title>x</title>{bad}", tmp_path)
    assert "oh" in " ".join(opened.console) and opened.hosts == {"nowhere.invalid"}


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_as_wide_as_its_window(tmp_path, html, width):
    assert widths(html, tmp_path, width) == (width, width)
